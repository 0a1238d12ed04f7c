//! What the three call: whoever is honest by the protocol, whoever is not by chance.

use super::court::Docket;
use super::deal::{Deal, HUB, Pair, Signed};
use crate::dice::Dice;
use strait_protocol::{Facts, Phase};
use strait_types::Bytes;

type Call = (&'static str, Bytes);

fn is_open(facts: &Facts) -> bool {
    facts.phase == Phase::Open
}

fn deadline(facts: &Facts) -> Option<u64> {
    match facts.phase {
        Phase::Disputed { deadline, .. } => Some(deadline),
        _ => None,
    }
}

/// Shows what counts within the period, and settles after it.
fn defend(deal: &Deal, pair: &Pair, facts: &Facts, now: u64) -> Option<Call> {
    let (deadline, best) = (deadline(facts)?, pair.best());
    let recorded = facts.recorded.as_deref()?;
    if now > deadline {
        return Some(("settle", deal.settle(pair, facts)?));
    }
    let is_lower = recorded.version < best.state.version;
    is_lower.then(|| Some(("respond", deal.respond(pair, best, facts)?)))?
}

/// Whatever the others do.
pub(super) fn honest(deal: &Deal, docket: &Docket, player: usize, now: u64) -> Vec<Call> {
    let Docket { parents, child } = docket;
    let own = || deal.parents.iter().zip(parents).filter(|(pair, _)| pair.side_of(player).is_some());
    let is_trouble = !is_open(child) || own().any(|(_, facts)| !is_open(facts));
    let leaves = now >= deal.leaves || is_trouble;
    let mut calls = Vec::new();
    calls.extend(if player == HUB {
        hub_in_child(deal, child, now, leaves)
    } else {
        client_in_child(deal, child, player, now, leaves)
    });
    let is_decided = child.phase == Phase::Closed;
    for (pair, facts) in own() {
        let is_locked = !pair.best().locks.is_empty();
        calls.extend(match &facts.phase {
            Phase::Disputed { .. } => defend(deal, pair, facts, now),
            // Its own lock is worth something once the child is decided, and waits for it otherwise.
            Phase::Open if leaves && (is_decided || !is_locked || player != HUB) => {
                deal.challenge(pair, pair.best(), facts, player).map(|data| ("challenge", data))
            }
            Phase::Settled(_) if is_decided => deal.unlock(pair, facts).map(|data| ("unlock", data)),
            _ => None,
        });
    }
    calls
}

fn hub_in_child(deal: &Deal, child: &Facts, now: u64, leaves: bool) -> Option<Call> {
    let is_open = is_open(child);
    if child.phase == Phase::Closed {
        return None;
    }
    if let Some(close) = deal.close_child().filter(|_| leaves) {
        return Some(("close child", close));
    }
    // Where it is not bound, nothing is above version 0.
    let may_end = now >= deal.end || deal.activation.is_none() && leaves;
    if is_open && may_end {
        return Some(("challenge child as hub", deal.challenge_as_hub(child)));
    }
    let is_late = deadline(child).is_some_and(|deadline| now > deadline);
    if is_late { Some(("settle child", deal.settle(&deal.child, child)?)) } else { None }
}

fn client_in_child(deal: &Deal, child: &Facts, player: usize, now: u64, leaves: bool) -> Option<Call> {
    let best = deal.child.best();
    match child.phase {
        Phase::Open if leaves => Some(("challenge child", deal.challenge(&deal.child, best, child, player)?)),
        Phase::Disputed { .. } => defend(deal, &deal.child, child, now),
        _ => None,
    }
}

/// Anything that it could gain by, at any time.
pub(super) fn hostile(deal: &Deal, docket: &Docket, player: usize, now: u64, dice: &mut Dice) -> Vec<Call> {
    if now < deal.strikes {
        return Vec::new();
    }
    let mut calls: Vec<Option<Call>> = Vec::new();
    let some =
        |pair: &Pair, dice: &mut Dice| -> Signed { pair.states[dice.index(pair.states.len())].clone() };
    for (pair, facts) in deal.parents.iter().zip(&docket.parents) {
        let signed = some(pair, dice);
        calls.push(match dice.below(12) {
            0 => deal.challenge(pair, &signed, facts, player).map(|data| ("challenge", data)),
            1 => deal.respond(pair, &signed, facts).map(|data| ("respond", data)),
            2 => deal.settle(pair, facts).map(|data| ("settle", data)),
            3 => deal.unlock(pair, facts).map(|data| ("unlock", data)),
            _ => None,
        });
    }
    let (pair, facts) = (&deal.child, &docket.child);
    let signed = some(pair, dice);
    calls.push(match dice.below(12) {
        0 if player == HUB => Some(("challenge child as hub", deal.challenge_as_hub(facts))),
        0 | 1 => deal.challenge(pair, &signed, facts, player).map(|data| ("challenge child", data)),
        2 | 3 => deal.respond(pair, &signed, facts).map(|data| ("respond in child", data)),
        4 if now > deal.leaves => deal.close_child().map(|data| ("close child", data)),
        5 => deal.settle(pair, facts).map(|data| ("settle child", data)),
        _ => None,
    });
    calls.into_iter().flatten().collect()
}
