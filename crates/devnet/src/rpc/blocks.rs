//! Blocks.

use super::convert::{self, RpcBlock};
use super::error::Answer;
use super::place::{Place, place, quantity};
use super::{Methods, Registered, method};
use crate::node::Node;
use alloy_eips::{BlockId, BlockNumberOrTag};
use strait_chain::dev::SealedBlock;
use strait_types::B256;

pub(super) fn register(methods: &mut Methods) -> Registered {
    method(methods, "eth_blockNumber", |node, _| Ok(quantity(node.with(|chain| chain.head().at.number))))?;
    method(methods, "eth_getBlockByNumber", |node, mut params| {
        let id = params.next::<BlockNumberOrTag>()?.into();
        block(node, id, params.optional_next()?.unwrap_or(false))
    })?;
    method(methods, "eth_getBlockByHash", |node, mut params| {
        let id = params.next::<B256>()?.into();
        block(node, id, params.optional_next()?.unwrap_or(false))
    })?;
    method(methods, "eth_getBlockTransactionCountByNumber", |node, mut params| {
        count(node, params.next::<BlockNumberOrTag>()?.into())
    })?;
    method(methods, "eth_getBlockTransactionCountByHash", |node, mut params| {
        count(node, params.next::<B256>()?.into())
    })?;
    method(methods, "eth_getBlockReceipts", |node, mut params| {
        find(node, params.next()?, |block| {
            let all = block.transactions.iter().enumerate();
            all.map(|(index, one)| convert::receipt(block, index, one)).collect::<Vec<_>>()
        })
    })
}

fn block(node: &Node, id: BlockId, with_transactions: bool) -> Answer<Option<RpcBlock>> {
    find(node, id, |block| convert::block(block, with_transactions))
}

fn count(node: &Node, id: BlockId) -> Answer<Option<alloy_primitives::U64>> {
    find(node, id, |block| quantity(block.transactions.len() as u64))
}

/// What is to be said of a block; none if there is no such block.
pub(super) fn find<T>(node: &Node, id: BlockId, say: impl FnOnce(&SealedBlock) -> T) -> Answer<Option<T>> {
    Ok(node.with(|chain| match place(chain, id)? {
        Place::Pending => Some(say(chain.as_of_next().head())),
        Place::Number(number) => chain.block(number).map(say),
    }))
}
