//! What the chain made of a game, held against the rules in Rust: neither node nor contract is asked.

use crate::check::book::Book;
use crate::failure::{Broken, Property};
use crate::games::Game;
use crate::plan::GamePlan;
use crate::world::World;
use strait_types::abi::AdjudicatorEvent;
use strait_types::{ChannelId, State};

/// The newest position that a journal has signed follows from its base by the rules.
pub(crate) fn check_moves(book: &Book, plan: GamePlan) -> Result<(), Broken> {
    let newest = book.fresh.iter().filter_map(|hash| Some((book.base_of(*hash)?, book.positions.get(hash)?)));
    for (base, next) in newest {
        let is_fine = match (base.state.version.0, next.state.is_final) {
            (_, true) => true,
            (0, false) => plan.game.start(plan.stake, plan.size).first.data == next.state.app_data,
            (_, false) => plan.game.allows(&base.state, &next.state),
        };
        Property::Safety.check(is_fine, || format!("an illegal move is signed: {base:?} to {next:?}"))?;
    }
    Ok(())
}

/// Disputes that end by agreement: each costs an honest side a transaction, so that it agrees to so many only.
const MOST_RESUMES: u16 = 3;

impl World {
    /// A forced move is one that the rules allow, or leads to what the honest participants have signed.
    pub(crate) fn check_forced_move(&self, next: &State) -> Result<(), Broken> {
        let id = next.channel;
        let Some(plan) = self.channels.get(&id).cloned() else { return Ok(()) };
        let (Some(game), Some(before)) = (plan.game, self.last_states.get(&id).cloned()) else {
            return Err(Property::Safety.broken("a move in a channel without a game"));
        };
        let is_signed =
            |node: &usize| self.book(*node, id).is_some_and(|book| book.positions.contains_key(&next.hash()));
        let is_agreed = self.honest_of(&plan).iter().all(is_signed);
        Property::Safety.check(is_agreed || game.game.allows(&before, next), || {
            format!("the chain took an illegal move in {id:?}: {before:?} to {next:?}")
        })
    }

    /// What the chain has recorded of the games, after a reorg.
    pub(crate) fn reread_games(&mut self) -> Result<(), Broken> {
        if !self.plays {
            return Ok(());
        }
        self.last_states.clear();
        for event in self.all_events()? {
            self.note_game(&event);
        }
        Ok(())
    }

    pub(crate) fn note_game(&mut self, event: &AdjudicatorEvent) {
        match event {
            AdjudicatorEvent::Challenged { state, .. }
            | AdjudicatorEvent::Responded { state, .. }
            | AdjudicatorEvent::Progressed { state, .. }
                if self.game_of(state.channel).is_some() =>
            {
                self.last_states.insert(state.channel, state.clone());
            }
            AdjudicatorEvent::Closed { channel, .. } => {
                self.last_states.remove(channel);
            }
            _ => {}
        }
    }

    pub(crate) fn check_resume(&self, id: ChannelId, dispute: u16) -> Result<(), Broken> {
        Property::BoundedGriefing.check(dispute < MOST_RESUMES || self.honest_count(id) == 0, || {
            format!("dispute {dispute} of {id:?} is resumed: there are too many of them")
        })
    }

    fn honest_count(&self, id: ChannelId) -> usize {
        self.channels.get(&id).map_or(0, |plan| self.honest_of(plan).len())
    }

    /// The least that a side must have been paid of a game's channel.
    pub(crate) fn owed_by_game(
        &self,
        id: ChannelId,
        game: Game,
        node: usize,
        deposits: [u128; 2],
    ) -> Result<i128, Broken> {
        let Some(side) = self.side(id, node) else { return Ok(0) };
        let Some(book) = self.book(node, id) else { return Ok(deposits[side.index()].cast_signed()) };
        let confirmed = &book.confirmed().state;
        let Some(last) = self.last_states.get(&id) else {
            // Closed by a final state, which can only be one that it signed; or there was nothing in it.
            let finals = book.possible().filter(|position| position.state.is_final);
            let of_final = |state: &State| {
                deposits[side.index()].cast_signed() + state.allocations[0].delta[side.index()]
            };
            return Ok(finals.map(|position| of_final(&position.state)).min().unwrap_or_default());
        };
        let is_newest = last.version >= confirmed.version;
        Property::Safety.check(is_newest, || {
            format!(
                "{id:?} ended at version {}, {} holds {}",
                last.version,
                self.name(node),
                confirmed.version
            )
        })?;
        let is_forced = last.version.0 > 0 && !last.is_final;
        let is_blamed = is_forced && last.writer == side && !game.is_over(last);
        Property::Safety.check(!is_blamed, || {
            format!("{} lost {id:?} by not moving from version {}", self.name(node), last.version)
        })?;
        let verdict = if is_forced { game.verdict(last) } else { None };
        let deltas = verdict.map_or(last.allocations[0].delta, |verdict| verdict[0]);
        let claims = [0, 1].map(|index| deposits[index].cast_signed() + deltas[index]);
        let total = (deposits[0] + deposits[1]).cast_signed();
        Ok(claims[side.index()].clamp(0, total))
    }
}
