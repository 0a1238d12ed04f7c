//! Ends that users agree on, or try to, before the rules have decided a game: in the middle of it, and before it has begun.

use crate::dice::Dice;
use crate::failure::{Broken, Property};
use crate::plan::GamePlan;
use crate::world::World;
use strait_protocol::{AppView, ChannelView, Command, CommandError, Operation, Outcome, Record};
use strait_types::{ChannelId, Side, Version};

/// Of 1,000 runs: players bargain for ends; in the others they play on.
const BARGAINS: u64 = 500;
/// Of 1,000 looks of a player at a game that goes on: proposes an end.
const PROPOSES: u64 = 350;
/// Of 1,000 looks at the peer's proposal: asks for the same.
const ACCEPTS: u64 = 600;
/// Of 1,000 looks while there is a proposal: asks for another end.
const REPLACES: u64 = 200;
/// Of 1,000 looks of who is to move, and has proposed an end: waits for an answer. Else it moves, and the proposal is void.
const WAITS: u64 = 500;
/// Of 1,000 looks before play has begun: takes the stakes back.
const GIVES_BACK: u64 = 20;
/// The same where nobody has put anything in.
const GIVES_UP_EMPTY: u64 = 40;

/// What a player proposes.
#[derive(Clone, Copy)]
enum Wish {
    Even,
    WeGain,
    WeLose,
    /// All that was put in, to which the peer's node agrees by itself.
    GiveUpAll,
}

/// Whether the players of a run bargain for ends.
pub(crate) fn bargain(ends: &mut Dice) -> bool {
    ends.chance(BARGAINS)
}

impl World {
    /// Whether a player sees to the end instead of its move.
    pub(crate) fn talks_of_end(
        &mut self,
        node: usize,
        id: ChannelId,
        view: &ChannelView,
        app: &AppView,
    ) -> Result<bool, Broken> {
        if !self.bargains || view.phase != "open" || self.ends_by_force(id) {
            return Ok(false);
        }
        if let Some(offer) = app.offer.as_ref().filter(|offer| app.proposed.as_ref() != Some(&offer.outcome))
            && self.ends.chance(ACCEPTS)
        {
            self.ask_for_end(node, id, "accept an end", offer.outcome.clone())?;
            return Ok(true);
        }
        let is_under_way = app.offer.is_some() || app.proposed.is_some();
        if self.ends.chance(if is_under_way { REPLACES } else { PROPOSES }) {
            self.propose_end(node, id, view)?;
            return Ok(true);
        }
        Ok(app.proposed.is_some() && self.ends.chance(WAITS))
    }

    fn propose_end(&mut self, node: usize, id: ChannelId, view: &ChannelView) -> Result<(), Broken> {
        let kinds = [(2, Wish::Even), (3, Wish::WeGain), (3, Wish::WeLose), (2, Wish::GiveUpAll)];
        let wish = self.ends.weighted(&kinds);
        let [own, peer] = view.balances[0].deposited.map(|amount| amount.units());
        let (name, gain) = match wish {
            Wish::Even => ("end even", 0),
            Wish::WeGain => ("end with a gain", self.some_of(peer)),
            Wish::WeLose => ("end with a loss", -self.some_of(own)),
            Wish::GiveUpAll => ("give up all", -own.cast_signed()),
        };
        let outcome = match view.side {
            Side::Zero => [gain, -gain],
            Side::One => [-gain, gain],
        };
        self.ask_for_end(node, id, name, vec![outcome])
    }

    fn some_of(&mut self, units: u128) -> i128 {
        let most = u64::try_from(units).unwrap_or(u64::MAX).max(1);
        self.ends.within(&(1..=most)).into()
    }

    /// Asks for an end, which the checkers keep in mind.
    pub(crate) fn ask_for_end(
        &mut self,
        node: usize,
        id: ChannelId,
        name: &'static str,
        outcome: Vec<[i128; 2]>,
    ) -> Result<(), Broken> {
        self.report.count("operation", name);
        self.wishes.insert(self.calls.next_token(), outcome.clone());
        self.command(node, id, name, Command::Finish { outcome })
    }

    /// A player whose game has not begun thinks better of it.
    pub(crate) fn takes_stakes_back(
        &mut self,
        node: usize,
        id: ChannelId,
        view: &ChannelView,
    ) -> Result<bool, Broken> {
        let balance = &view.balances[0];
        let is_empty = balance.deposited.iter().chain(&balance.arriving).all(|amount| amount.is_zero());
        let rate = if is_empty { GIVES_UP_EMPTY } else { GIVES_BACK };
        if view.phase != "open" || self.ends_by_force(id) || !self.ends.chance(rate) {
            return Ok(false);
        }
        let name = if is_empty { "give up an empty game" } else { "give back the stakes" };
        self.ask_for_end(node, id, name, vec![[0, 0]])?;
        Ok(true)
    }

    /// What became of what an honest user has asked for.
    pub(crate) fn count_end(&mut self, is_end: bool, result: &Result<Outcome, CommandError>) {
        let how = match result {
            Ok(Outcome::Agreed { version: Version::ZERO }) => "given up alone",
            Ok(_) => "agreed",
            Err(CommandError::EndReplaced) => "replaced by another",
            Err(CommandError::EndOvertaken) => "overtaken by a move",
            Err(CommandError::PeerRefused(_)) => "refused by the peer",
            Err(_) => "not possible",
        };
        if is_end {
            self.report.count("end", how);
        }
    }

    /// Property 2: an end is signed, or agreed to, by a node whose user asks for it at that time; else it gives that user
    /// the peer's whole stake, or nobody anything before play has begun.
    pub(crate) fn check_end(&self, node: usize, id: ChannelId, record: &Record) -> Result<(), Broken> {
        let Some(outcome) = end_in(record) else { return Ok(()) };
        let (Some(plan), Some(side)) = (self.game_of(id), self.side(id, node)) else { return Ok(()) };
        let mut calls = self.calls.open().filter(|(_, call)| call.node == node && call.channel == id);
        let is_asked_for = calls.any(|(token, _)| self.wishes.get(&token) == Some(outcome));
        let is_harmless = gives_all(plan, outcome, side) || self.is_void(node, id, outcome);
        Property::Safety.check(!self.plan.is_honest(node) || is_asked_for || is_harmless, || {
            format!(
                "{} agrees to end {id:?} by {outcome:?}, and its user has not asked for it",
                self.name(node)
            )
        })
    }

    fn is_void(&self, node: usize, id: ChannelId, outcome: &[[i128; 2]]) -> bool {
        let begins = self.book(node, id).is_none_or(|book| book.confirmed().state.version == Version::ZERO);
        begins && outcome.iter().all(|deltas| *deltas == [0, 0])
    }
}

fn end_in(record: &Record) -> Option<&Vec<[i128; 2]>> {
    match record {
        Record::Agreed(Operation::Finish { outcome, .. }) => Some(outcome),
        Record::Wrote(update) => match &update.operations[..] {
            [Operation::Finish { outcome, .. }] => Some(outcome),
            _ => None,
        },
        _ => None,
    }
}

fn gives_all(plan: GamePlan, outcome: &[[i128; 2]], side: Side) -> bool {
    outcome.iter().all(|deltas| deltas[side.index()] >= i128::from(plan.stake))
}
