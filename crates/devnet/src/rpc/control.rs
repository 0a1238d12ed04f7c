//! What only a development chain offers: mining, time, reorgs, money out of nothing.

use super::error::{Answer, failed, invalid};
use super::send::decode;
use super::{Methods, Registered, alias, method};
use crate::node::{Node, lock};
use alloy_primitives::U64;
use jsonrpsee::types::params::ParamsSequence;
use serde::Deserialize;
use std::time::Duration;
use strait_chain::dev::{Reinclude, Transaction};
use strait_types::{Address, Bytes, U256};

/// Most blocks that one request makes.
const MAX_MINED: u64 = 100_000;

/// Most snapshots that are kept.
const MAX_SNAPSHOTS: usize = 64;

/// The chain's clock ends in the year 10000.
const LAST_SECOND: u64 = 253_402_300_799;

pub(super) fn register(methods: &mut Methods) -> Registered {
    method(methods, "evm_mine", |node, mut params| {
        let (time, blocks) = match params.optional_next()? {
            Some(MineOptions::Options { timestamp, blocks }) => (timestamp, blocks),
            Some(MineOptions::Timestamp(time)) => (Some(time), None),
            None => (None, None),
        };
        if let Some(time) = time {
            set_next_time(node, time)?;
        }
        mine(node, blocks.unwrap_or(U64::ONE), None)?;
        Ok("0x0")
    })?;
    method(methods, "anvil_mine", |node, mut params| {
        let blocks = params.optional_next()?.unwrap_or(U64::ONE);
        mine(node, blocks, params.optional_next()?)
    })?;
    alias(methods, "hardhat_mine", "anvil_mine")?;
    method(methods, "evm_increaseTime", |node, mut params| {
        let seconds = params.next::<U64>()?.to();
        check_time(node.with(|chain| chain.now()).saturating_add(seconds))?;
        let ahead = lock(&node.clock).advance(seconds);
        Ok(i64::try_from(ahead).unwrap_or(i64::MAX))
    })?;
    method(methods, "evm_setNextBlockTimestamp", |node, mut params| set_next_time(node, params.next()?))?;
    alias(methods, "anvil_setNextBlockTimestamp", "evm_setNextBlockTimestamp")?;
    alias(methods, "anvil_increaseTime", "evm_increaseTime")?;
    method(methods, "evm_setAutomine", |node, mut params| {
        let instant: bool = params.next()?;
        node.set_instant(instant);
        Ok(true)
    })?;
    alias(methods, "anvil_setAutomine", "evm_setAutomine")?;
    method(methods, "anvil_getAutomine", |node, _| {
        Ok(node.with(|chain| chain.config().mining == strait_chain::dev::Mining::Automatic))
    })?;
    method(methods, "evm_setIntervalMining", |node, mut params| {
        let seconds = params.next::<U64>()?.to::<u64>();
        let interval = (seconds > 0).then(|| Duration::from_secs(seconds.min(LAST_SECOND)));
        if interval.is_some() {
            node.set_instant(false);
        }
        node.interval.send_replace(interval);
        Ok(true)
    })?;
    alias(methods, "anvil_setIntervalMining", "evm_setIntervalMining")?;
    register_state(methods)
}

fn register_state(methods: &mut Methods) -> Registered {
    method(methods, "anvil_setBalance", |node, mut params| {
        let (address, balance): (Address, U256) = (params.next()?, params.next()?);
        node.with(|chain| chain.set_balance(address, balance));
        Ok(())
    })?;
    alias(methods, "hardhat_setBalance", "anvil_setBalance")?;
    method(methods, "anvil_setNextBlockBaseFeePerGas", |node, mut params| {
        let fee = u64::try_from(params.next::<U256>()?);
        let fee = fee.map_err(|_| invalid("the base fee is above 2^64 - 1 wei"))?;
        node.with(|chain| chain.set_base_fee(fee));
        Ok(())
    })?;
    alias(methods, "hardhat_setNextBlockBaseFeePerGas", "anvil_setNextBlockBaseFeePerGas")?;
    method(methods, "anvil_reorg", reorg)?;
    method(methods, "anvil_dropTransaction", |node, mut params| {
        let hash = params.next()?;
        Ok(node.with(|chain| {
            let waits = chain.pending().iter().any(|waiting| waiting.hash == hash);
            chain.forget(hash);
            waits.then_some(hash)
        }))
    })?;
    alias(methods, "hardhat_dropTransaction", "anvil_dropTransaction")?;
    method(methods, "evm_snapshot", |node, _| snapshot(node))?;
    alias(methods, "anvil_snapshot", "evm_snapshot")?;
    method(methods, "evm_revert", revert)?;
    alias(methods, "anvil_revert", "evm_revert")
}

#[derive(Deserialize)]
#[serde(untagged)]
enum MineOptions {
    Options { timestamp: Option<U64>, blocks: Option<U64> },
    Timestamp(U64),
}

fn mine(node: &Node, blocks: U64, seconds_between: Option<U64>) -> Answer<()> {
    let (blocks, step) = (blocks.to::<u64>(), seconds_between.map(|seconds| seconds.to::<u64>()));
    if blocks > MAX_MINED {
        return Err(invalid(format!("{blocks} blocks are asked for; ask for at most {MAX_MINED} at once")));
    }
    let step = step.unwrap_or_default();
    check_time(node.with(|chain| chain.now()).saturating_add(step.saturating_mul(blocks)))?;
    node.with(|chain| {
        for mined in 0..blocks {
            if mined > 0 {
                chain.set_next_time(chain.head().time().saturating_add(step));
            }
            chain.mine();
        }
    });
    Ok(())
}

fn set_next_time(node: &Node, time: U64) -> Answer<()> {
    let (time, latest) = (time.to(), node.with(|chain| chain.head().time()));
    if time < latest {
        return Err(invalid(format!("the time {time} is before the latest block's, {latest}")));
    }
    check_time(time)?;
    lock(&node.clock).set_next(time);
    Ok(())
}

fn check_time(time: u64) -> Answer<()> {
    if time > LAST_SECOND {
        return Err(invalid(format!("the time {time} is after the year 9999")));
    }
    Ok(())
}

/// The latest blocks are replaced by empty ones, with the given transactions in the new blocks of the given indices.
fn reorg(node: &Node, mut params: ParamsSequence<'_>) -> Answer<()> {
    let depth = params.next::<U64>()?.to::<u64>();
    let pairs: Vec<(Bytes, U64)> = params.optional_next()?.unwrap_or_default();
    let depth = usize::try_from(depth).unwrap_or(usize::MAX);
    let possible = node.with(|chain| chain.replaceable());
    if depth > possible {
        return Err(failed(format!(
            "a reorg of {depth} blocks is asked for, {possible} can be replaced; ask for fewer"
        )));
    }
    let mut blocks = vec![Vec::new(); depth];
    for (raw, index) in pairs {
        let transaction =
            Transaction::recovered(decode(&raw)?).map_err(|error| invalid(error.to_string()))?;
        let block = usize::try_from(index).ok().and_then(|index| blocks.get_mut(index));
        let block =
            block.ok_or_else(|| invalid(format!("block {index} of {depth} new ones is asked for")))?;
        block.push(transaction);
    }
    let replaced = node.with(|chain| chain.reorg(depth, &Reinclude::Exactly(blocks)));
    replaced.map(drop).map_err(|error| failed(error.to_string()))
}

fn snapshot(node: &Node) -> Answer<U64> {
    let chain = node.with(|chain| chain.clone());
    let mut snapshots = lock(&node.snapshots);
    if snapshots.len() >= MAX_SNAPSHOTS {
        return Err(failed(format!("{MAX_SNAPSHOTS} snapshots are kept; revert to one of them first")));
    }
    let id = snapshots.last_key_value().map_or(1, |(last, _)| last.saturating_add(1));
    snapshots.insert(id, chain);
    Ok(U64::from(id))
}

/// Puts the chain back; the snapshot and all later ones are used up.
fn revert(node: &Node, mut params: ParamsSequence<'_>) -> Answer<bool> {
    let id = params.next::<U64>()?.to::<u64>();
    let mut snapshots = lock(&node.snapshots);
    let mut later = snapshots.split_off(&id);
    let Some(chain) = later.remove(&id) else {
        snapshots.append(&mut later);
        return Ok(false);
    };
    node.with(|present| {
        let mining = present.config().mining;
        *present = chain;
        present.set_mining(mining);
    });
    Ok(true)
}
