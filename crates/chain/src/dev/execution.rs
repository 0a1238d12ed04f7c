//! One transaction through revm, by the rules of Ethereum's mainnet.

use super::block::{Included, Log, Transaction};
use revm::context::result::{EVMError, ExecutionResult, InvalidTransaction, ResultAndState};
use revm::context::{BlockEnv, CfgEnv, Context, TxEnv};
use revm::primitives::TxKind;
use revm::primitives::hardfork::SpecId;
use revm::{Database, ExecuteEvm, MainBuilder, MainContext};
use std::convert::Infallible;
use strait_types::abi::decode_revert;
use strait_types::{Address, Bytes, U256};

/// Most gas of one transaction (EIP-7825).
pub(super) const TRANSACTION_GAS_CAP: u64 = 1 << 24;

/// Runs a transaction on top of `db`, which is left as it is.
pub(super) fn execute<DB: Database<Error = Infallible>>(
    db: DB,
    chain_id: u64,
    block: BlockEnv,
    tx: TxEnv,
) -> Result<ResultAndState, InvalidTransaction> {
    let mut rules = CfgEnv::new_with_spec(SpecId::OSAKA);
    rules.chain_id = chain_id;
    let mut evm = Context::mainnet().with_db(db).with_cfg(rules).with_block(block).build_mainnet();
    evm.transact(tx).map_err(|error| match error {
        EVMError::Transaction(invalid) => invalid,
        other => InvalidTransaction::Str(other.to_string().into()),
    })
}

pub(super) fn environment(transaction: &Transaction, chain_id: u64) -> TxEnv {
    TxEnv {
        caller: transaction.from,
        gas_limit: transaction.gas_limit,
        gas_price: transaction.gas_price,
        kind: transaction.to.map_or(TxKind::Create, TxKind::Call),
        value: transaction.value,
        data: transaction.input.clone(),
        nonce: transaction.nonce,
        chain_id: Some(chain_id),
        ..TxEnv::default()
    }
}

/// A call that nobody pays for.
pub(super) fn call_environment(
    from: Address,
    to: Address,
    value: U256,
    data: Bytes,
    nonce: u64,
    chain_id: u64,
) -> TxEnv {
    TxEnv {
        caller: from,
        kind: TxKind::Call(to),
        value,
        data,
        nonce,
        chain_id: Some(chain_id),
        ..TxEnv::default()
    }
}

/// Why a run failed, in words; none when it did not.
pub(super) fn failure(result: &ExecutionResult) -> Option<String> {
    match result {
        ExecutionResult::Success { .. } => None,
        ExecutionResult::Revert { output, .. } => Some(decode_revert(output)),
        ExecutionResult::Halt { reason, .. } => Some(reason.to_string()),
    }
}

pub(super) fn included(transaction: Transaction, result: ExecutionResult, gas_before: u64) -> Included {
    let gas_used = result.tx_gas_used();
    let log = |log: &revm::primitives::Log| Log {
        address: log.address,
        topics: log.topics().to_vec(),
        data: log.data.data.clone(),
    };
    Included {
        transaction,
        success: result.is_success(),
        gas_used,
        cumulative_gas_used: gas_before.saturating_add(gas_used),
        created: result.created_address(),
        failure: failure(&result),
        logs: if result.is_success() { result.logs().iter().map(log).collect() } else { Vec::new() },
        output: result.into_output().unwrap_or_default(),
    }
}
