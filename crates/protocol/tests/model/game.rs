//! A game of two moves: the second side makes the first one, then the first side. Whoever is to move and does not, or can't any
//! more, loses the stake; so the first side wins, whatever the other does, if it moves when it can.

use crate::world::World;
use strait_protocol::{AppMove, AppStart, Command, Refused, Rules};
use strait_types::{Amount, Side, State};

/// What either side can lose.
pub(crate) const STAKE: u64 = 4;
const MOVES: u8 = 2;

#[derive(Debug)]
pub(crate) struct TwoMoves;

fn position(writer: Side, made: u8) -> AppMove {
    AppMove { writer, deltas: vec![[0, 0]], data: vec![made] }
}

pub(crate) fn start() -> AppStart {
    AppStart { stakes: vec![[Amount::from(STAKE); 2]], first: position(Side::One, 0) }
}

fn made(state: &State) -> u8 {
    state.app_data.first().copied().unwrap_or(MOVES)
}

/// The only move from a state, if there is one.
fn next(state: &State) -> Option<AppMove> {
    (made(state) < MOVES).then(|| position(state.writer.other(), made(state) + 1))
}

impl Rules for TwoMoves {
    fn check_move(&self, state: &State, to: &State) -> Result<(), Refused> {
        let deltas = to.allocations.iter().map(|of| of.delta).collect();
        let made = AppMove { writer: to.writer, deltas, data: to.app_data.clone() };
        if next(state) == Some(made) { Ok(()) } else { Err(Refused::Illegal) }
    }

    fn verdict(&self, state: &State) -> Result<Vec<[i128; 2]>, Refused> {
        let stake = i128::from(STAKE);
        Ok(vec![if state.writer == Side::One { [stake, -stake] } else { [-stake, stake] }])
    }
}

impl World {
    pub(crate) fn may_move(&self, side: Side) -> bool {
        let app = self.node(side).channel.app_view();
        app.is_some_and(|app| app.our_turn && next(&app.state).is_some())
    }

    pub(crate) fn make_move(&mut self, side: Side) {
        let state = self.node(side).channel.app_view().map(|app| app.state);
        if let Some(chosen) = state.and_then(|state| next(&state)) {
            self.command(side, Command::Move(chosen));
        }
    }

    pub(crate) fn ask_for_end(&mut self, side: Side) {
        self.has_asked[side.index()] = true;
        self.command(side, Command::Finish { outcome: vec![[0, 0]] });
    }

    /// Whoever has been offered an end asks for the same: else the other waits for ever.
    pub(crate) fn accept_ends(&mut self) {
        for side in Side::BOTH {
            let waits = self.node(side.other()).channel.app_view().is_some_and(|app| app.proposed.is_some());
            if waits {
                self.ask_for_end(side);
            }
        }
    }

    /// What the first side can't be kept from, by what it holds: its deposit before play has begun, and once it has asked for
    /// an even end; else the stake besides.
    pub(crate) fn due_in_game(&self, deposit: u64) -> i128 {
        let begins = self.node(Side::Zero).channel.view().version.0 == 0;
        let gain = if begins || self.has_asked[0] { 0 } else { STAKE };
        (deposit + gain).into()
    }
}
