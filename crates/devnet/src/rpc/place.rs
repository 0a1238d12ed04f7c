//! Which block, and which state, a request means.

use super::error::{Answer, failed};
use crate::node::Node;
use alloy_eips::{BlockId, BlockNumberOrTag};
use alloy_primitives::U64;
use strait_chain::DevChain;
use strait_chain::dev::MAX_REORG_DEPTH;

/// Blocks behind the latest one from which a block is called safe, and finalized. A reorg that is asked for may go
/// deeper all the same.
const SAFE_AFTER: u64 = 32;
const FINALIZED_AFTER: u64 = 64;

/// A block of the chain, or the one to come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Place {
    Number(u64),
    Pending,
}

/// The block that is meant; none if there is no such block.
pub(super) fn place(chain: &DevChain, id: BlockId) -> Option<Place> {
    let head = chain.head().at.number;
    let number = match id {
        BlockId::Hash(hash) => chain.block_by_hash(hash.block_hash)?.at.number,
        BlockId::Number(BlockNumberOrTag::Pending) => return Some(Place::Pending),
        BlockId::Number(tag) => number(tag, head)?,
    };
    Some(Place::Number(number))
}

/// A block's number; none for one to come.
pub(super) fn number(tag: BlockNumberOrTag, head: u64) -> Option<u64> {
    match tag {
        BlockNumberOrTag::Latest => Some(head),
        BlockNumberOrTag::Safe => Some(head.saturating_sub(SAFE_AFTER)),
        BlockNumberOrTag::Finalized => Some(head.saturating_sub(FINALIZED_AFTER)),
        BlockNumberOrTag::Earliest => Some(0),
        BlockNumberOrTag::Number(number) => Some(number).filter(|number| *number <= head),
        BlockNumberOrTag::Pending => None,
    }
}

impl Node {
    /// Does something with the chain as it was, or will be, at a block; the latest if none is named.
    pub(super) fn at<T>(
        &self,
        id: Option<BlockId>,
        action: impl FnOnce(&DevChain) -> Answer<T>,
    ) -> Answer<T> {
        self.with(|chain| {
            let found = place(chain, id.unwrap_or_default());
            match found.ok_or_else(|| failed("header not found: there is no such block"))? {
                Place::Pending => action(&chain.as_of_next()),
                Place::Number(number) if number == chain.head().at.number => action(chain),
                Place::Number(number) => match chain.as_of(number) {
                    Some(past) => action(&past),
                    None => Err(failed(format!(
                        "missing trie node: the state of block {number} is not kept; ask for one of the latest \
                         {MAX_REORG_DEPTH} blocks"
                    ))),
                },
            }
        })
    }
}

/// A number of JSON-RPC that the chain counts in 64 bits.
pub(super) fn quantity(number: u64) -> U64 {
    U64::from(number)
}
