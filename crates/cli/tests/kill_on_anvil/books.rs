//! What must hold when a channel has ended: the books of both sides, what callers were told, and what the chain paid.

use crate::payers::Told;
use std::collections::BTreeMap;
use strait::{Api, ChannelId, Client, HistoryEntry, HistoryLine, HistoryQuery};
use strait_chain::conformance::scene::Reader;
use strait_chain::rpc::RpcChain;
use strait_types::abi::AdjudicatorEvent;

/// What a channel must end with, in wei, by side.
pub(crate) struct Expected {
    pub(crate) channel: ChannelId,
    pub(crate) deposits: [u128; 2],
    pub(crate) payouts: [u128; 2],
}

/// All agreed operations.
async fn history(api: &Client, channel: ChannelId) -> Vec<HistoryLine> {
    let mut lines = Vec::new();
    let mut cursor = None;
    loop {
        let query = HistoryQuery { channel, cursor, limit: Some(500) };
        let page = api.history(query).await.expect("the history");
        lines.extend(page.lines);
        match page.next {
            Some(next) => cursor = Some(next),
            None => return lines,
        }
    }
}

/// What both sides hold of a channel, from the first one's history.
///
/// # Panics
/// When the histories differ, or do not agree with what callers were told.
pub(crate) async fn check(
    apis: [&Client; 2],
    channel: ChannelId,
    deposits: [u128; 2],
    told: &Told,
) -> Expected {
    let ours = history(apis[0], channel).await;
    let theirs = history(apis[1], channel).await;
    let turned = theirs.into_iter().map(turn);
    assert!(ours.iter().cloned().eq(turned), "both have one history of {channel}");
    let mut bill: BTreeMap<&str, u128> = BTreeMap::new();
    let mut payouts = deposits;
    for line in &ours {
        let HistoryEntry::Pay { amount, memo, .. } = &line.entry else { continue };
        let amount = amount.units();
        assert!(bill.insert(memo, amount).is_none(), "'{memo}' stands once in the bill");
        let [from, to] = if line.is_ours { [0, 1] } else { [1, 0] };
        payouts[from] = payouts[from].checked_sub(amount).expect("nobody pays what it does not have");
        payouts[to] += amount;
    }
    for (memo, amount) in &told.paid {
        assert_eq!(bill.get(memo.as_str()), Some(amount), "'{memo}' was acknowledged");
    }
    for memo in &told.not_paid {
        assert!(!bill.contains_key(memo.as_str()), "'{memo}' was said not to have moved");
    }
    Expected { channel, deposits, payouts }
}

/// The line as the other side sees it.
fn turn(mut line: HistoryLine) -> HistoryLine {
    line.is_ours = !line.is_ours;
    if let HistoryEntry::Withdraw { to_us, .. } = &mut line.entry {
        *to_us = !*to_us;
    }
    line
}

/// Holds the chain's events against what is expected; says how many answers to challenges there were.
///
/// # Panics
/// When a channel was paid otherwise.
pub(crate) fn check_chain(chain: &mut RpcChain, expected: &[Expected]) -> u64 {
    let mut reader = Reader::default();
    reader.catch_up(chain, 1_000);
    let mut sums: BTreeMap<ChannelId, [[u128; 2]; 2]> = BTreeMap::new();
    let mut answers = 0;
    for event in reader.events() {
        let Some(channel) = event.channel() else { continue };
        let [deposits, payouts] = sums.entry(channel).or_default();
        match event {
            AdjudicatorEvent::Deposited { side, amount, .. } => deposits[side.index()] += amount.units(),
            AdjudicatorEvent::Withdrawn { paid, .. }
            | AdjudicatorEvent::Closed { paid, .. }
            | AdjudicatorEvent::Settled { paid, .. } => {
                for pair in paid {
                    payouts.iter_mut().zip(pair).for_each(|(sum, paid)| *sum += paid);
                }
            }
            AdjudicatorEvent::Responded { .. } => answers += 1,
            _ => {}
        }
    }
    for Expected { channel, deposits, payouts } in expected {
        assert_eq!(sums.remove(channel), Some([*deposits, *payouts]), "{channel}: deposits, payouts");
    }
    assert!(sums.is_empty(), "no other channel was funded: {sums:?}");
    answers
}
