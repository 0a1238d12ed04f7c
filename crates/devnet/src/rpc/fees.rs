//! What gas costs. The base fee stays as it is unless a client sets it.

use super::error::{Answer, invalid};
use super::place::number;
use super::{Methods, Registered, method};
use crate::node::Node;
use alloy_consensus::Transaction as _;
use alloy_eips::BlockNumberOrTag;
use alloy_primitives::{U64, U256};
use alloy_rpc_types_eth::FeeHistory;
use jsonrpsee::types::params::ParamsSequence;
use strait_chain::dev::SealedBlock;

/// The tip that is proposed: blocks are hardly ever full, so nobody needs more than a sign of goodwill.
pub(super) const TIP: u128 = 1_000_000;

/// Most blocks of a history.
const MAX_HISTORY: u64 = 1_024;

/// Most percentiles of a history.
const MAX_PERCENTILES: usize = 100;

pub(super) fn register(methods: &mut Methods) -> Registered {
    method(methods, "eth_gasPrice", |node, _| {
        let base_fee = node.with(|chain| chain.config().base_fee);
        Ok(U256::from(u128::from(base_fee).saturating_add(TIP)))
    })?;
    method(methods, "eth_maxPriorityFeePerGas", |_, _| Ok(U256::from(TIP)))?;
    method(methods, "eth_blobBaseFee", |_, _| Ok(U256::ONE))?;
    method(methods, "eth_feeHistory", history)
}

fn history(node: &Node, mut params: ParamsSequence<'_>) -> Answer<FeeHistory> {
    let (count, newest): (U64, BlockNumberOrTag) = (params.next()?, params.next()?);
    let percentiles: Option<Vec<f64>> = params.optional_next()?;
    let ascending = percentiles.as_ref().is_none_or(|all| {
        all.len() <= MAX_PERCENTILES && all.iter().all(|one| (0.0..=100.0).contains(one)) && all.is_sorted()
    });
    if !ascending {
        return Err(invalid("invalid reward percentile: they ascend from 0 to 100, at most 100 of them"));
    }
    node.with(|chain| {
        let head = chain.head().at.number;
        let newest = if newest.is_pending() { Some(head) } else { number(newest, head) };
        let newest = newest.ok_or_else(|| invalid("request beyond head block: there is no such block"))?;
        let count = count.to::<u64>().min(MAX_HISTORY).min(newest.saturating_add(1));
        let oldest = newest.saturating_add(1).saturating_sub(count);
        let blocks: Vec<&SealedBlock> =
            (oldest..oldest.saturating_add(count)).filter_map(|number| chain.block(number)).collect();
        let fee = |block: &&SealedBlock| u128::from(block.header.base_fee_per_gas.unwrap_or_default());
        let ratio = |block: &&SealedBlock| block.gas_used() as f64 / block.header.gas_limit as f64;
        let next = chain.block(newest.saturating_add(1));
        let next_fee = next.map_or(u128::from(chain.config().base_fee), |block| fee(&block));
        Ok(FeeHistory {
            base_fee_per_gas: blocks.iter().map(fee).chain([next_fee]).collect(),
            gas_used_ratio: blocks.iter().map(ratio).collect(),
            base_fee_per_blob_gas: vec![1; blocks.len().saturating_add(1)],
            blob_gas_used_ratio: vec![0.0; blocks.len()],
            oldest_block: oldest,
            reward: percentiles
                .map(|percentiles| blocks.iter().map(|block| rewards(block, &percentiles)).collect()),
        })
    })
}

/// The tip of the transaction at which each percentile of the block's gas is reached, by ascending tips.
fn rewards(block: &SealedBlock, percentiles: &[f64]) -> Vec<u128> {
    let base_fee = block.header.base_fee_per_gas.unwrap_or_default();
    let tip = |one: &strait_chain::dev::Included| {
        one.transaction.envelope().effective_tip_per_gas(base_fee).unwrap_or_default()
    };
    let mut tips: Vec<(u128, u64)> = block.transactions.iter().map(|one| (tip(one), one.gas_used)).collect();
    tips.sort_unstable();
    let at = |percentile: &f64| {
        let threshold = block.gas_used() as f64 * percentile / 100.0;
        let mut sum = 0.0;
        let reached = tips.iter().find(|(_, gas)| {
            sum += *gas as f64;
            sum >= threshold
        });
        reached.map_or(0, |(tip, _)| *tip)
    };
    percentiles.iter().map(at).collect()
}
