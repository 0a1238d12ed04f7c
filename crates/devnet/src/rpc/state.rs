//! Accounts, and calls that change nothing.

use super::error::{Answer, call_failed, invalid};
use super::place::quantity;
use super::{Methods, Registered, method};
use crate::node::Node;
use alloy_eips::{BlockId, BlockNumberOrTag};
use alloy_primitives::U64;
use alloy_primitives::map::B256HashMap;
use alloy_rpc_types_eth::TransactionRequest;
use alloy_rpc_types_eth::state::StateOverride;
use jsonrpsee::types::params::ParamsSequence;
use std::collections::BTreeMap;
use strait_chain::dev::{Call, Override, Within};
use strait_types::{Address, B256, U256};

pub(super) fn register(methods: &mut Methods) -> Registered {
    method(methods, "eth_getBalance", |node, mut params| {
        let address = params.next()?;
        node.at(params.optional_next()?, |chain| Ok(chain.balance(address)))
    })?;
    method(methods, "eth_getCode", |node, mut params| {
        let address = params.next()?;
        node.at(params.optional_next()?, |chain| Ok(chain.code(address).unwrap_or_default()))
    })?;
    method(methods, "eth_getStorageAt", |node, mut params| {
        let (address, key): (Address, U256) = (params.next()?, params.next()?);
        node.at(params.optional_next()?, |chain| Ok(B256::from(chain.slot(address, key))))
    })?;
    method(methods, "eth_getTransactionCount", |node, mut params| {
        let address = params.next()?;
        match params.optional_next()? {
            Some(BlockId::Number(BlockNumberOrTag::Pending)) => {
                Ok(quantity(node.with(|chain| chain.next_nonce(address))))
            }
            id => node.at(id, |chain| Ok(quantity(chain.nonce(address)))),
        }
    })?;
    method(methods, "eth_call", |node, mut params| {
        let request = params.next()?;
        let id = params.optional_next()?;
        let call = call(request, overrides(params)?)?;
        node.at(id, |chain| chain.call(&call, Within::Head).map_err(|error| call_failed(&error)))
    })?;
    method(methods, "eth_estimateGas", |node, mut params| {
        let request = params.next()?;
        let id = params.optional_next()?;
        estimate(node, &call(request, overrides(params)?)?, id)
    })
}

/// About the least gas with which the transaction succeeds in the next block. If no block is named, it comes after what
/// waits, as it will if it is sent.
pub(super) fn estimate(node: &Node, call: &Call, id: Option<BlockId>) -> Answer<U64> {
    let something_waits = node.with(|chain| !chain.pending().is_empty());
    let id = id.or_else(|| something_waits.then_some(BlockNumberOrTag::Pending.into()));
    let estimated = node.at(id, |chain| chain.estimate_gas(call).map_err(|error| call_failed(&error)));
    estimated.map(quantity)
}

pub(super) fn call(request: TransactionRequest, overrides: BTreeMap<Address, Override>) -> Answer<Call> {
    let input = request.input.try_into_unique_input().map_err(|error| invalid(error.to_string()))?;
    Ok(Call {
        from: request.from.unwrap_or_default(),
        to: request.to.and_then(|kind| kind.to().copied()),
        value: request.value.unwrap_or_default(),
        input: input.unwrap_or_default(),
        gas_limit: request.gas,
        access_list: request.access_list.unwrap_or_default(),
        overrides,
    })
}

fn overrides(mut params: ParamsSequence<'_>) -> Answer<BTreeMap<Address, Override>> {
    let given = params.optional_next::<StateOverride>()?.unwrap_or_default();
    if given.values().any(|account| account.move_precompile_to.is_some()) {
        return Err(invalid("precompiled contracts cannot be moved here"));
    }
    let words = |slots: B256HashMap<B256>| slots.into_iter().map(|(key, value)| (key.into(), value.into()));
    let converted = given.into_iter().map(|(address, account)| {
        let account = Override {
            balance: account.balance,
            nonce: account.nonce,
            code: account.code,
            storage: account.state.map(|slots| words(slots).collect()),
            slots: words(account.state_diff.unwrap_or_default()).collect(),
        };
        (address, account)
    });
    Ok(converted.collect())
}
