//! Filters that a client asks again and again.

use super::error::{Answer, failed};
use super::logs::{self, check, matching};
use super::{Methods, Registered, method};
use crate::changes::{Changes, View};
use crate::node::{Node, lock};
use alloy_primitives::U64;
use alloy_rpc_types_eth::{Filter, FilterChanges, Log};
use jsonrpsee::types::params::ParamsSequence;
use std::collections::BTreeMap;
use strait_types::B256;

/// Most filters; the one that was made first goes when another is made.
const MAX_FILTERS: usize = 1_000;

/// The filters that clients have made.
#[derive(Default)]
pub(crate) struct Filters {
    next: u64,
    all: BTreeMap<u64, Kept>,
}

struct Kept {
    view: View,
    what: What,
}

enum What {
    Blocks,
    Logs(Box<Filter>),
    /// Those that waited when they were asked for last.
    Pending(Vec<B256>),
}

pub(super) fn register(methods: &mut Methods) -> Registered {
    method(methods, "eth_newBlockFilter", |node, _| Ok(keep(node, What::Blocks)))?;
    method(methods, "eth_newFilter", |node, mut params| {
        let filter: Filter = params.next()?;
        check(&filter)?;
        Ok(keep(node, What::Logs(Box::new(filter))))
    })?;
    method(methods, "eth_newPendingTransactionFilter", |node, _| {
        let waiting = waiting(node);
        Ok(keep(node, What::Pending(waiting)))
    })?;
    method(methods, "eth_getFilterChanges", changes)?;
    method(methods, "eth_getFilterLogs", |node, mut params| {
        let id: U64 = params.next()?;
        let filter = match lock(&node.filters).all.get(&id.to()) {
            Some(Kept { what: What::Logs(filter), .. }) => filter.clone(),
            _ => return Err(not_found()),
        };
        logs::logs(node, &filter)
    })?;
    method(methods, "eth_uninstallFilter", |node, mut params| {
        let id: U64 = params.next()?;
        Ok(lock(&node.filters).all.remove(&id.to()).is_some())
    })
}

fn waiting(node: &Node) -> Vec<B256> {
    node.with(|chain| chain.pending().iter().map(|waiting| waiting.hash).collect())
}

fn keep(node: &Node, what: What) -> U64 {
    let view = node.with(|chain| View::of(chain));
    let mut filters = lock(&node.filters);
    filters.next += 1;
    let id = filters.next;
    filters.all.insert(id, Kept { view, what });
    if filters.all.len() > MAX_FILTERS {
        filters.all.pop_first();
    }
    U64::from(id)
}

fn changes(node: &Node, mut params: ParamsSequence<'_>) -> Answer<FilterChanges> {
    let id: U64 = params.next()?;
    let mut filters = lock(&node.filters);
    let kept = filters.all.get_mut(&id.to()).ok_or_else(not_found)?;
    let (changes, waiting) = node.with(|chain| {
        let waiting: Vec<B256> = chain.pending().iter().map(|waiting| waiting.hash).collect();
        (kept.view.changes(chain), waiting)
    });
    Ok(match &mut kept.what {
        What::Blocks => FilterChanges::Hashes(changes.added.iter().map(|block| block.at.hash).collect()),
        What::Logs(filter) => FilterChanges::Logs(changed_logs(&changes, filter)),
        What::Pending(known) => {
            let new = waiting.iter().filter(|hash| !known.contains(hash)).copied().collect();
            *known = waiting;
            FilterChanges::Hashes(new)
        }
    })
}

/// The logs that a reorg took away, and the new ones.
pub(super) fn changed_logs(changes: &Changes, filter: &Filter) -> Vec<Log> {
    let mut found = Vec::new();
    for block in &changes.removed {
        matching(block, filter, &mut found);
    }
    found.iter_mut().for_each(|log| log.removed = true);
    for block in &changes.added {
        matching(block, filter, &mut found);
    }
    found
}

fn not_found() -> jsonrpsee::types::ErrorObjectOwned {
    failed("filter not found: make a new one")
}
