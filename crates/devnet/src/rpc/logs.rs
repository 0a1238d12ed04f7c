//! Logs of the past.

use super::convert;
use super::error::{Answer, failed, invalid, too_much};
use super::place::number;
use super::{Methods, Registered, method};
use crate::node::Node;
use alloy_eips::BlockNumberOrTag;
use alloy_rpc_types_eth::{Filter, FilterBlockOption, Log};
use std::sync::Arc;
use strait_chain::dev::SealedBlock;

/// Most logs of an answer.
const MAX_LOGS: usize = 10_000;

/// Most addresses, and most alternatives of a topic.
const MAX_ALTERNATIVES: usize = 1_000;

pub(super) fn register(methods: &mut Methods) -> Registered {
    method(methods, "eth_getLogs", |node, mut params| {
        let filter = params.next()?;
        check(&filter)?;
        logs(node, &filter)
    })
}

/// Refuses a filter that is too large.
pub(super) fn check(filter: &Filter) -> Answer<()> {
    let largest = filter.topics.iter().map(|topic| topic.len()).fold(filter.address.len(), usize::max);
    if largest > MAX_ALTERNATIVES {
        return Err(invalid(format!(
            "the filter names {largest} addresses or topics in one place; at most {MAX_ALTERNATIVES} are allowed"
        )));
    }
    Ok(())
}

/// What the filter selects of the blocks that it names.
pub(super) fn logs(node: &Node, filter: &Filter) -> Answer<Vec<Log>> {
    let blocks = selected_blocks(node, filter)?;
    let mut found = Vec::new();
    for block in blocks {
        matching(&block, filter, &mut found);
        if found.len() > MAX_LOGS {
            return Err(too_much(format!(
                "query returned more than {MAX_LOGS} results; ask for fewer blocks, up to {} first",
                block.at.number.saturating_sub(1)
            )));
        }
    }
    Ok(found)
}

/// Adds the logs of a block that the filter selects, whatever blocks it names.
pub(super) fn matching(block: &SealedBlock, filter: &Filter, found: &mut Vec<Log>) {
    if filter.matches_bloom(block.header.logs_bloom) {
        found.extend(convert::logs(block).filter(|log| filter.matches(&log.inner)));
    }
}

fn selected_blocks(node: &Node, filter: &Filter) -> Answer<Vec<Arc<SealedBlock>>> {
    node.with(|chain| {
        let head = chain.head().at.number;
        let (from, to) = match filter.block_option {
            FilterBlockOption::AtBlockHash(hash) => {
                let block = chain.block_by_hash(hash).ok_or_else(|| failed("unknown block"))?;
                return Ok(vec![Arc::clone(block)]);
            }
            FilterBlockOption::Range { from_block, to_block } => {
                (from_block.unwrap_or_default(), to_block.unwrap_or_default())
            }
        };
        if let (BlockNumberOrTag::Number(from), BlockNumberOrTag::Number(to)) = (from, to)
            && from > to
        {
            return Err(invalid(format!("invalid block range params: {from} is above {to}")));
        }
        let next = head.saturating_add(1);
        let from = number(from, head).unwrap_or(next);
        let to = number(to, head).unwrap_or(head);
        let blocks = chain.blocks();
        let index = |number: u64| usize::try_from(number).unwrap_or(usize::MAX).min(blocks.len());
        let range = index(from)..index(to.saturating_add(1)).max(index(from));
        Ok(blocks.get(range).unwrap_or_default().to_vec())
    })
}
