//! One transaction through revm, by the rules of Ethereum's mainnet.

use super::block::Included;
use super::transaction::{Transaction, signer};
use alloy_consensus::Transaction as _;
use revm::context::either::Either;
use revm::context::result::{EVMError, ExecutionResult, InvalidTransaction, ResultAndState};
use revm::context::transaction::{RecoveredAuthority, RecoveredAuthorization, SignedAuthorization};
use revm::context::{BlockEnv, CfgEnv, Context, TxEnv};
use revm::primitives::TxKind;
use revm::primitives::hardfork::SpecId;
use revm::{Database, ExecuteEvm, MainBuilder, MainContext};
use std::convert::Infallible;
use strait_types::abi::decode_revert;
use strait_types::{Address, Bytes, U256};

/// The rules of the chain.
pub(super) const SPEC: SpecId = SpecId::OSAKA;

/// Most gas of one transaction (EIP-7825).
pub(super) const TRANSACTION_GAS_CAP: u64 = 1 << 24;

/// Whether the sender may be a contract.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Sender {
    /// Not in a transaction (EIP-3607).
    HasKey,
    /// In a call that changes nothing.
    Anyone,
}

/// Runs a transaction on top of `db`, which is left as it is.
pub(super) fn execute<DB: Database<Error = Infallible>>(
    db: DB,
    chain_id: u64,
    block: BlockEnv,
    tx: TxEnv,
    sender: Sender,
) -> Result<ResultAndState, InvalidTransaction> {
    let mut rules = CfgEnv::new_with_spec(SPEC);
    rules.chain_id = chain_id;
    rules.disable_eip3607 = sender == Sender::Anyone;
    let mut evm = Context::mainnet().with_db(db).with_cfg(rules).with_block(block).build_mainnet();
    evm.transact(tx).map_err(|error| match error {
        EVMError::Transaction(invalid) => invalid,
        other => InvalidTransaction::Str(other.to_string().into()),
    })
}

pub(super) fn environment(transaction: &Transaction) -> TxEnv {
    let envelope = transaction.envelope();
    let authorizations = envelope.authorization_list().unwrap_or_default();
    TxEnv {
        tx_type: envelope.tx_type().into(),
        caller: transaction.from,
        gas_limit: envelope.gas_limit(),
        gas_price: envelope.max_fee_per_gas(),
        gas_priority_fee: envelope.max_priority_fee_per_gas(),
        kind: envelope.kind(),
        value: envelope.value(),
        data: envelope.input().clone(),
        nonce: envelope.nonce(),
        chain_id: envelope.chain_id(),
        access_list: envelope.access_list().cloned().unwrap_or_default(),
        authorization_list: authorizations.iter().map(|one| Either::Right(recovered(one))).collect(),
        ..TxEnv::default()
    }
}

/// With the account that lends itself (EIP-7702).
fn recovered(authorization: &SignedAuthorization) -> RecoveredAuthorization {
    let signature = authorization.signature().ok();
    let authority = signature.and_then(|given| signer(&given, authorization.signature_hash()).ok());
    let authority = authority.map_or(RecoveredAuthority::Invalid, RecoveredAuthority::Valid);
    RecoveredAuthorization::new_unchecked(authorization.inner().clone(), authority)
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
    Included {
        transaction,
        success: result.is_success(),
        gas_used,
        cumulative_gas_used: gas_before.saturating_add(gas_used),
        created: result.created_address(),
        failure: failure(&result),
        logs: if result.is_success() { result.logs().to_vec() } else { Vec::new() },
        output: result.into_output().unwrap_or_default(),
    }
}
