//! Whether the adjudicator is where it is said to be, and since when.

use super::endpoints::Endpoints;
use super::error::ConnectError;
use crate::artifacts;
use alloy_primitives::U64;
use revm::context::result::ExecutionResult;
use revm::context::{BlockEnv, CfgEnv, Context, TxEnv};
use revm::database::{CacheDB, EmptyDB};
use revm::primitives::TxKind;
use revm::primitives::hardfork::SpecId;
use revm::state::{AccountInfo, Bytecode};
use revm::{ExecuteEvm, MainBuilder, MainContext};
use serde_json::json;
use strait_engine::ports::ChainError;
use strait_types::{Address, Bytes};
use tracing::warn;

/// The code that the adjudicator has at an address, and of the contract that it creates for itself, by address. They
/// hold values that constructors compute from chain and address, so the constructor is run there: as the code of that
/// address.
pub(super) fn adjudicator_code(chain_id: u64, address: Address) -> Vec<(Address, Bytes)> {
    let init_code = artifacts::adjudicator();
    let mut world = CacheDB::new(EmptyDB::new());
    let code = Bytecode::new_raw(init_code);
    // A contract's nonce begins at one; what its constructor creates is found by it.
    world.insert_account_info(address, AccountInfo { nonce: 1, ..AccountInfo::from_bytecode(code) });
    let mut rules = CfgEnv::new_with_spec(SpecId::OSAKA);
    rules.chain_id = chain_id;
    let block = BlockEnv { basefee: 0, ..BlockEnv::default() };
    let mut evm = Context::mainnet().with_db(world).with_cfg(rules).with_block(block).build_mainnet();
    let tx = TxEnv {
        kind: TxKind::Call(address),
        chain_id: Some(chain_id),
        gas_limit: 1 << 24,
        ..TxEnv::default()
    };
    let Ok(outcome) = evm.transact(tx) else { return Vec::new() };
    let ExecutionResult::Success { output, .. } = outcome.result else { return Vec::new() };
    let mut contracts = vec![(address, output.into_data())];
    for (created, account) in outcome.state.iter().filter(|(_, account)| account.is_created()) {
        let code = account.info.code.as_ref().map(Bytecode::original_bytes);
        contracts.push((*created, code.unwrap_or_default()));
    }
    contracts
}

/// Refuses any other contract than ours.
pub(super) fn verify(endpoints: &mut Endpoints, address: Address) -> Result<(), ConnectError> {
    let chain_id = endpoints.config().chain_id;
    let code: Bytes = endpoints.ask("eth_getCode", &json!([address, "latest"]))?;
    if code.is_empty() {
        return Err(ConnectError::NoContract { address, chain_id });
    }
    if !is_adjudicator(endpoints, address)? {
        return Err(ConnectError::AnotherContract { address, chain_id });
    }
    Ok(())
}

/// Whether the adjudicator of this version lives at an address, with all that belongs to it.
pub(super) fn is_adjudicator(endpoints: &mut Endpoints, address: Address) -> Result<bool, ChainError> {
    let expected = adjudicator_code(endpoints.config().chain_id, address);
    for (contract, expected) in &expected {
        let code: Bytes = endpoints.ask("eth_getCode", &json!([contract, "latest"]))?;
        if code != *expected {
            return Ok(false);
        }
    }
    Ok(!expected.is_empty())
}

/// The block in which an address got its code, by bisection; block 0 when no endpoint knows old states.
pub(super) fn deployed_at(endpoints: &mut Endpoints, address: Address, head: u64) -> u64 {
    let (mut without, mut with) = (None, head);
    while with > without.map_or(0, |number: u64| number.saturating_add(1)) {
        let low = without.map_or(0, |number| number.saturating_add(1));
        let middle = low.midpoint(with);
        match endpoints.ask::<Bytes>("eth_getCode", &json!([address, U64::from(middle)])) {
            Ok(code) if code.is_empty() => without = Some(middle),
            Ok(_) => with = middle,
            Err(error) => {
                warn!(%error, "the block of the adjudicator's deployment is not to be found; configure it to start faster");
                return 0;
            }
        }
    }
    with
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dev::{DevChain, DevChainConfig};

    #[test]
    fn the_constructor_gives_what_a_deployment_does() {
        let chain = DevChain::new(DevChainConfig::default()).expect("deploys");
        let deployed = chain.code(chain.adjudicator()).expect("deployed");
        let id = chain.config().chain_id;
        let expected = adjudicator_code(id, chain.adjudicator());
        assert_eq!(expected.len(), 2, "it has an extension");
        assert_eq!(expected[0], (chain.adjudicator(), deployed));
        for (address, code) in expected {
            assert!(code.len() > 10_000);
            assert_eq!(chain.code(address), Some(code));
        }
        assert_ne!(
            adjudicator_code(id + 1, chain.adjudicator())[0].1,
            adjudicator_code(id, chain.adjudicator())[0].1
        );
    }
}
