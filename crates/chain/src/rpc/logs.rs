//! Reading logs: as many blocks at once as the endpoint allows, and nothing believed that the headers deny.

use super::endpoint::Fault;
use super::endpoints::Endpoints;
use super::wire::{Header, Log};
use alloy_primitives::U64;
use serde_json::{Value, json};
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use strait_engine::ports::{Block, Event};
use strait_types::abi::decode_event;
use strait_types::{Address, ChannelId};

/// Whose logs are read.
#[derive(Clone, Copy)]
pub(super) struct Filter {
    pub(super) adjudicator: Address,
    /// Only those of one channel.
    pub(super) channel: Option<ChannelId>,
}

impl Filter {
    fn parameters(&self, first: u64, last: u64) -> Value {
        self.question(json!({ "fromBlock": U64::from(first), "toBlock": U64::from(last) }))
    }

    fn in_block(&self, header: &Header) -> Value {
        self.question(json!({ "blockHash": header.hash }))
    }

    fn question(&self, mut of_blocks: Value) -> Value {
        of_blocks["address"] = json!(self.adjudicator);
        if let Some(channel) = self.channel {
            of_blocks["topics"] = json!([null, channel.0]);
        }
        json!([of_blocks])
    }

    fn admits(&self, log: &Log) -> bool {
        log.address == self.adjudicator
            && self.channel.is_none_or(|channel| log.topics.get(1) == Some(&channel.0))
    }
}

/// Logs of the blocks from `first` on, at most through `last`, with the block through which they are complete: an
/// endpoint may allow fewer blocks in one question.
pub(super) fn fetch(
    endpoints: &mut Endpoints,
    index: usize,
    filter: &Filter,
    first: u64,
    last: u64,
) -> Result<(Vec<Log>, u64), Fault> {
    loop {
        let allowed = endpoints.log_range(index).map_or(1, |range| range.allowed());
        let end = last.min(first.saturating_add(allowed.saturating_sub(1)));
        let span = end.saturating_sub(first).saturating_add(1);
        let answer = endpoints.request::<Vec<Log>>(index, "eth_getLogs", filter.parameters(first, end));
        let Some(range) = endpoints.log_range(index) else {
            return Err(Fault::nonsense("there is no such endpoint"));
        };
        match answer {
            Ok(logs) => {
                range.accept(span);
                check_order(&logs, filter, first, end)?;
                return Ok((logs, end));
            }
            Err(Fault::Refused { .. }) if span > 1 => range.refuse(span),
            Err(fault) => {
                if matches!(fault, Fault::Unreachable(_)) && span > 1 {
                    // It may have been too much to be answered in time.
                    range.refuse(span);
                }
                return Err(fault);
            }
        }
    }
}

fn check_order(logs: &[Log], filter: &Filter, first: u64, last: u64) -> Result<(), Fault> {
    for log in logs {
        let number: u64 = log.block_number.to();
        if log.removed || !filter.admits(log) || !(first..=last).contains(&number) {
            return Err(Fault::nonsense(format!("a log of block {number} that was not asked for")));
        }
    }
    let place = |log: &Log| (log.block_number, log.log_index);
    if logs.windows(2).any(|pair| place(&pair[0]) >= place(&pair[1])) {
        return Err(Fault::nonsense("logs that are not in order"));
    }
    Ok(())
}

/// As [`fetch`], through `last`.
pub(super) fn fetch_all(
    endpoints: &mut Endpoints,
    index: usize,
    filter: &Filter,
    first: u64,
    last: u64,
) -> Result<Vec<Log>, Fault> {
    let mut all = Vec::new();
    let mut next = first;
    while next <= last {
        let (logs, end) = fetch(endpoints, index, filter, next, last)?;
        all.extend(logs);
        next = end.saturating_add(1);
    }
    Ok(all)
}

/// Headers of the blocks with logs, which are checked by them.
pub(super) fn headers_of(
    endpoints: &mut Endpoints,
    index: usize,
    logs: &[Log],
) -> Result<BTreeMap<u64, Header>, Fault> {
    let mut numbers: Vec<u64> = logs.iter().map(|log| log.block_number.to()).collect();
    numbers.dedup();
    let headers = range_of_headers(endpoints, index, &numbers)?;
    let headers = headers.into_iter().map(|header| (header.number(), header)).collect();
    check(logs, &headers)?;
    Ok(headers)
}

/// Whether the logs can be in the blocks with these headers.
pub(super) fn check(logs: &[Log], headers: &BTreeMap<u64, Header>) -> Result<(), Fault> {
    for log in logs {
        let header = headers.get(&log.block_number.to());
        let header = header.ok_or_else(|| Fault::nonsense("a log of a block that does not exist"))?;
        if header.hash != log.block_hash {
            return Err(Fault::Behind(format!("block {} changed while it was read", header.number())));
        }
        if !header.admits(log) {
            return Err(Fault::nonsense(format!("a log that block {}'s bloom excludes", header.number())));
        }
    }
    Ok(())
}

/// The headers at these heights.
pub(super) fn range_of_headers(
    endpoints: &mut Endpoints,
    index: usize,
    numbers: &[u64],
) -> Result<Vec<Header>, Fault> {
    let questions = numbers.iter().map(|number| ("eth_getBlockByNumber", json!([U64::from(*number), false])));
    let questions: Vec<_> = questions.collect();
    let answers = endpoints.many::<Option<Header>>(index, &questions);
    let mut headers = Vec::with_capacity(numbers.len());
    for (number, answer) in numbers.iter().zip(answers) {
        let header = answer?.ok_or_else(|| Fault::Behind(format!("it does not have block {number}")))?;
        if header.number() != *number {
            return Err(Fault::nonsense(format!("asked for block {number} it gave {}", header.number())));
        }
        headers.push(header);
    }
    Ok(headers)
}

/// Asks the other endpoints about the logs of recent blocks: those that have some, and those whose bloom promises some,
/// which can be by accident. Without another endpoint the same one is asked in another way about those it denied.
pub(super) fn confirm_blocks(
    endpoints: &mut Endpoints,
    index: usize,
    filter: &Filter,
    headers: &BTreeMap<u64, Header>,
    logs: &[Log],
) -> Result<(), Fault> {
    for (number, header) in headers {
        let own: Vec<_> =
            logs.iter().filter(|log| log.block_number.to::<u64>() == *number).cloned().collect();
        if own.is_empty() && !header.promises(filter.adjudicator) {
            continue;
        }
        let mut votes = Votes::default();
        for other in others(endpoints, index) {
            // Who does not know the block abstains.
            let theirs = endpoints.request::<Vec<Log>>(other, "eth_getLogs", filter.in_block(header));
            votes.count(endpoints, other, &own, theirs);
        }
        votes.decide(&format!("the logs of block {number}"))?;
        if own.is_empty() && votes.are_none() {
            let again: Vec<Log> = endpoints.request(index, "eth_getLogs", filter.in_block(header))?;
            if again.iter().any(|log| filter.admits(log) && header.admits(log)) {
                return Err(Fault::nonsense(format!("it kept back a log of block {number}")));
            }
        }
    }
    Ok(())
}

/// Asks the other endpoints about the logs of old blocks, of which no bloom was read.
pub(super) fn confirm_range(
    endpoints: &mut Endpoints,
    index: usize,
    filter: &Filter,
    range: RangeInclusive<u64>,
    logs: &[Log],
) -> Result<(), Fault> {
    let (first, last) = (*range.start(), *range.end());
    let mut votes = Votes::default();
    for other in others(endpoints, index) {
        let theirs = fetch_all(endpoints, other, filter, first, last);
        votes.count(endpoints, other, logs, theirs);
    }
    votes.decide(&format!("the logs of blocks {first} to {last}"))
}

fn others(endpoints: &Endpoints, index: usize) -> Vec<usize> {
    endpoints.available().into_iter().filter(|other| *other != index).collect()
}

/// How many other endpoints say the same, and how many something else.
#[derive(Default)]
struct Votes {
    agreeing: usize,
    disagreeing: Vec<String>,
}

impl Votes {
    fn count(
        &mut self,
        endpoints: &mut Endpoints,
        other: usize,
        own: &[Log],
        theirs: Result<Vec<Log>, Fault>,
    ) {
        match theirs {
            Ok(theirs) if theirs == own => self.agreeing = self.agreeing.saturating_add(1),
            Ok(_) => self.disagreeing.push(endpoints.name(other).to_owned()),
            Err(fault) => {
                endpoints.note(other, fault);
            }
        }
    }

    fn are_none(&self) -> bool {
        self.agreeing == 0 && self.disagreeing.is_empty()
    }

    /// Nobody can tell who lies when two contradict each other: then nothing is believed.
    fn decide(&self, what: &str) -> Result<(), Fault> {
        let agreeing = self.agreeing.saturating_add(1);
        match self.disagreeing.len().cmp(&agreeing) {
            Ordering::Less => Ok(()),
            Ordering::Equal => Err(Fault::Contradiction(format!(
                "it is contradicted about {what} by {}; remove the one that is wrong, or add a third",
                self.disagreeing.join(", ")
            ))),
            Ordering::Greater => Err(Fault::nonsense(format!("most others contradict it about {what}"))),
        }
    }
}

/// Logs as the engine's blocks, ascending. Logs that are no events of the protocol are left out.
pub(super) fn blocks(
    headers: &BTreeMap<u64, Header>,
    logs: &[Log],
    filter: &Filter,
) -> Result<Vec<Block>, Fault> {
    let mut blocks: Vec<Block> = Vec::new();
    for log in logs {
        let Some(header) = headers.get(&log.block_number.to()) else {
            return Err(Fault::nonsense("a log of a block that does not exist"));
        };
        let event = decode_event(&log.topics, &log.data)
            .map_err(|error| Fault::nonsense(format!("a log in block {}: {error}", header.number())))?;
        let Some(event) = event else { continue };
        if filter.channel.is_some_and(|channel| event.channel() != Some(channel)) {
            continue;
        }
        let event = Event { channel: event.channel(), transaction: log.transaction_hash, event };
        match blocks.last_mut().filter(|block| block.at == header.at()) {
            Some(block) => block.events.push(event),
            None => blocks.push(Block { at: header.at(), time: header.time(), events: vec![event] }),
        }
    }
    Ok(blocks)
}
