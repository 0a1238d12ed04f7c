//! What of a state an app decides on, typed.

use crate::data::AppData;
use strait_types::{Allocation, ChannelId, Side, State, Version};

/// A state as an app sees it. The rest of a state (version, history, no locks) follows from the one before.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Position<D> {
    /// Who moves next.
    pub writer: Side,
    /// What each side has gained or lost so far, per asset; both together zero.
    pub deltas: Vec<[i128; 2]>,
    /// The app's own data.
    pub data: D,
}

impl<D: AppData> Position<D> {
    /// The position of a state; none if its app data are none of this app.
    pub fn of(state: &State) -> Option<Position<D>> {
        Some(Position {
            writer: state.writer,
            deltas: state.allocations.iter().map(|allocation| allocation.delta).collect(),
            data: D::decode(&state.app_data)?,
        })
    }

    /// The state with which a channel begins to play: version 1, which both sign.
    pub fn first_state(&self, channel: ChannelId) -> State {
        self.after(&State::zero(channel, self.deltas.len()), Version(1))
    }

    /// The state that moves from `before` to this position; none after the last version.
    pub fn next_state(&self, before: &State) -> Option<State> {
        Some(self.after(before, before.version.next()?))
    }

    fn after(&self, before: &State, version: Version) -> State {
        let allocation = |delta: &[i128; 2]| Allocation { delta: *delta, withdrawn: [0, 0] };
        State {
            version,
            writer: self.writer,
            allocations: self.deltas.iter().map(allocation).collect(),
            history: before.hash(),
            app_data: self.data.encode(),
            ..State::zero(before.channel, 0)
        }
    }
}
