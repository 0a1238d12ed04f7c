//! Following the chain: the fork with what the caller knows, then the blocks after it with their events.

use super::endpoint::Fault;
use super::endpoints::Endpoints;
use super::logs::{self, Filter};
use super::wire::Header;
use std::collections::BTreeMap;
use strait_engine::ports::{Block, BlockRef, ChainError, Followed};
use strait_types::Address;

/// Below the head this many blocks are read header by header: each must name the one before as its parent, and what
/// its bloom promises must be there. Older blocks are only read where they have logs.
const WINDOW: u64 = 64;
/// Of these, so many at a time: an endpoint that limits requests allows at least some progress.
const AT_ONCE: u64 = 16;
/// Most questions for logs in one answer to the caller, who comes back for the rest.
const QUESTIONS: usize = 16;

/// Where the adjudicator's events are.
#[derive(Clone, Copy)]
pub(super) struct Follower {
    pub(super) adjudicator: Address,
    pub(super) deployed_at: u64,
}

/// Logs and headers of consecutive blocks.
struct Stretch {
    blocks: Vec<Block>,
    end: Header,
}

impl Follower {
    pub(super) fn follow(
        &self,
        endpoints: &mut Endpoints,
        known: &[BlockRef],
        limit: usize,
    ) -> Result<(Followed, Header), ChainError> {
        let mut last = None;
        // Each failure sets an endpoint aside, so that the next round has another best one.
        for _ in 0..endpoints.config().urls.len().max(1) {
            let (index, head) = match endpoints.best() {
                Ok(best) => best,
                Err(error) => return Err(last.unwrap_or(error)),
            };
            match self.follow_at(endpoints, index, &head, known, limit.max(1)) {
                Ok(followed) => {
                    if followed.blocks.last().is_none_or(|last| last.at == head.at()) {
                        endpoints.praise(index);
                    }
                    return Ok((followed, head));
                }
                Err(fault) if fault.is_the_endpoints() => last = Some(endpoints.note(index, fault)),
                Err(fault) => return Err(fault.at(endpoints.name(index))),
            }
        }
        Err(last.unwrap_or_else(|| {
            ChainError::Unreachable("no endpoint answers; check their addresses".to_owned())
        }))
    }

    fn follow_at(
        &self,
        endpoints: &mut Endpoints,
        index: usize,
        head: &Header,
        known: &[BlockRef],
        limit: usize,
    ) -> Result<Followed, Fault> {
        let fork = find_fork(endpoints, index, head, known)?;
        let mut followed = Followed { fork, blocks: Vec::new(), head: head.at(), head_time: head.time() };
        let mut parent = fork;
        let mut next = fork.map_or(self.deployed_at, |fork| fork.number.saturating_add(1));
        let mut reached: Option<Header> = None;
        for _ in 0..QUESTIONS {
            if next > head.number() || followed.blocks.len() >= limit {
                break;
            }
            let Stretch { blocks, end } = match self.stretch(endpoints, index, head, parent, next) {
                Ok(stretch) => stretch,
                Err(fault @ (Fault::RateLimited { .. } | Fault::Unreachable(_))) if reached.is_some() => {
                    // What was read so far stands; the caller goes on from there.
                    endpoints.note(index, fault);
                    break;
                }
                Err(fault) => return Err(fault),
            };
            followed.blocks.extend(blocks);
            parent = Some(end.at());
            next = end.number().saturating_add(1);
            reached = Some(end);
        }
        // Without events, the last block says how far the caller may go on from.
        if let Some(end) = reached
            && followed.blocks.last().is_none_or(|last| last.at != end.at())
        {
            followed.blocks.push(Block { at: end.at(), time: end.time(), events: Vec::new() });
        }
        followed.blocks.truncate(limit);
        Ok(followed)
    }

    /// The blocks from `first` on, as many as one question for logs gives.
    fn stretch(
        &self,
        endpoints: &mut Endpoints,
        index: usize,
        head: &Header,
        parent: Option<BlockRef>,
        first: u64,
    ) -> Result<Stretch, Fault> {
        let filter = Filter { adjudicator: self.adjudicator, channel: None };
        let deep = head.number().saturating_sub(WINDOW);
        if first <= deep {
            return old_stretch(endpoints, index, &filter, first, deep);
        }
        let last = head.number().min(first.saturating_add(AT_ONCE.saturating_sub(1)));
        let (logs, end) = logs::fetch(endpoints, index, &filter, first, last)?;
        let numbers: Vec<u64> = (first..=end).collect();
        let headers = logs::range_of_headers(endpoints, index, &numbers)?;
        check_parents(&headers, parent, first, head)?;
        let headers: BTreeMap<u64, Header> =
            headers.into_iter().map(|header| (header.number(), header)).collect();
        logs::check(&logs, &headers)?;
        logs::confirm_blocks(endpoints, index, &filter, &headers, &logs)?;
        let blocks = logs::blocks(&headers, &logs, &filter)?;
        let end = headers.into_values().next_back().ok_or_else(|| Fault::nonsense("no block"))?;
        Ok(Stretch { blocks, end })
    }
}

/// Logs of old blocks, read without the headers of blocks that have none.
fn old_stretch(
    endpoints: &mut Endpoints,
    index: usize,
    filter: &Filter,
    first: u64,
    last: u64,
) -> Result<Stretch, Fault> {
    let (logs, end) = logs::fetch(endpoints, index, filter, first, last)?;
    let headers = logs::headers_of(endpoints, index, &logs)?;
    logs::confirm_range(endpoints, index, filter, first..=end, &logs)?;
    let blocks = logs::blocks(&headers, &logs, filter)?;
    let end = endpoints.header(index, end)?.ok_or_else(|| Fault::nonsense("a block vanished"))?;
    Ok(Stretch { blocks, end })
}

/// The newest known block in the endpoint's chain.
fn find_fork(
    endpoints: &mut Endpoints,
    index: usize,
    head: &Header,
    known: &[BlockRef],
) -> Result<Option<BlockRef>, Fault> {
    let is_above = |block: &&BlockRef| block.number > head.number();
    let mut below = known.iter().filter(|block| !is_above(block)).peekable();
    let newest_below = below.peek().copied();
    let canonical = loop {
        let Some(block) = below.next() else { break None };
        if *block == head.at()
            || (block.number.checked_add(1) == Some(head.number()) && block.hash == head.parent_hash)
            || endpoints.is_canonical(index, *block)?
        {
            break Some(block);
        }
    };
    if canonical != known.first() {
        endpoints.check_genesis(index)?;
    }
    // A shorter piece of the same chain is no reorg, which would have replaced blocks.
    if known.iter().any(|block| is_above(&block)) && canonical == newest_below {
        return Err(Fault::Behind(format!("its head is {}, later blocks are known", head.number())));
    }
    Ok(canonical.copied())
}

/// Each block's parent is the one before, and the last is the head if it is as high.
fn check_parents(
    headers: &[Header],
    parent: Option<BlockRef>,
    first: u64,
    head: &Header,
) -> Result<(), Fault> {
    let moved = || Fault::Behind("the chain changed while it was read".to_owned());
    let before = parent.filter(|parent| parent.number.checked_add(1) == Some(first));
    if let (Some(before), Some(header)) = (before, headers.first())
        && header.parent_hash != before.hash
    {
        return Err(moved());
    }
    if headers.windows(2).any(|pair| pair[1].parent_hash != pair[0].hash) {
        return Err(moved());
    }
    match headers.last() {
        Some(last) if last.number() == head.number() && last.hash != head.hash => Err(moved()),
        Some(_) => Ok(()),
        None => Err(moved()),
    }
}
