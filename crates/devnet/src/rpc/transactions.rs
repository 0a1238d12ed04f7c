//! Transactions and their receipts.

use super::blocks::find;
use super::convert;
use super::{Methods, Registered, method};
use alloy_consensus::Transaction as _;
use alloy_eips::BlockNumberOrTag;
use alloy_eips::eip2718::Encodable2718 as _;
use alloy_primitives::U64;
use strait_chain::DevChain;
use strait_chain::dev::{Included, SealedBlock};
use strait_types::{B256, Bytes};

pub(super) fn register(methods: &mut Methods) -> Registered {
    method(methods, "eth_getTransactionByHash", |node, mut params| {
        let hash = params.next()?;
        Ok(node.with(|chain| {
            let found = included(chain, hash).map(|(block, index, one)| convert::included(block, index, one));
            let waits = || chain.pending().iter().find(|waiting| waiting.hash == hash).map(convert::waiting);
            found.or_else(waits)
        }))
    })?;
    method(methods, "eth_getTransactionReceipt", |node, mut params| {
        let hash = params.next()?;
        Ok(node.with(|chain| {
            included(chain, hash).map(|(block, index, one)| convert::receipt(block, index, one))
        }))
    })?;
    method(methods, "eth_getRawTransactionByHash", |node, mut params| {
        let hash = params.next()?;
        Ok(node.with(|chain| {
            let found = included(chain, hash).map(|(_, _, one)| &one.transaction);
            let transaction = found.or_else(|| chain.pending().iter().find(|waiting| waiting.hash == hash));
            transaction.map(|one| Bytes::from(one.envelope().encoded_2718()))
        }))
    })?;
    method(methods, "eth_getTransactionByBlockHashAndIndex", |node, mut params| {
        let (hash, index): (B256, U64) = (params.next()?, params.next()?);
        Ok(find(node, hash.into(), |block| by_index(block, index))?.flatten())
    })?;
    method(methods, "eth_getTransactionByBlockNumberAndIndex", |node, mut params| {
        let (number, index): (BlockNumberOrTag, U64) = (params.next()?, params.next()?);
        Ok(find(node, number.into(), |block| by_index(block, index))?.flatten())
    })?;
    method(methods, "txpool_status", |node, _| {
        let (ready, all) = node.with(|chain| {
            let ready = |sender| chain.next_nonce(sender);
            let waiting = chain.pending();
            let ready = waiting.iter().filter(|one| one.envelope().nonce() < ready(one.from)).count();
            (ready, waiting.len())
        });
        let quantity = |count: usize| U64::from(count);
        Ok(serde_json::json!({ "pending": quantity(ready), "queued": quantity(all.saturating_sub(ready)) }))
    })
}

fn included(chain: &DevChain, hash: B256) -> Option<(&SealedBlock, usize, &Included)> {
    let (number, index) = chain.position(hash)?;
    let block = chain.block(number)?;
    Some((block, index, block.transactions.get(index)?))
}

fn by_index(block: &SealedBlock, index: U64) -> Option<convert::RpcTransaction> {
    let index = usize::try_from(index).ok()?;
    Some(convert::included(block, index, block.transactions.get(index)?))
}
