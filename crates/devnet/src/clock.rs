//! The chain's clock: the machine's, moved by what clients ask for.

use std::time::{SystemTime, UNIX_EPOCH};

/// What the chain's clock shows, in Unix seconds.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    /// Seconds that it is ahead of the machine's clock.
    ahead: i128,
    /// Of the next block, if a client has set it.
    exact: Option<u64>,
}

impl Clock {
    /// Shows `start` now.
    pub(crate) fn starting_at(start: Option<u64>) -> Clock {
        let ahead = start.map_or(0, |start| i128::from(start) - machine());
        Clock { ahead, exact: None }
    }

    /// Time of the next block, were it made now.
    pub(crate) fn next(&self) -> u64 {
        let shown = machine().saturating_add(self.ahead);
        self.exact.unwrap_or_else(|| u64::try_from(shown.max(0)).unwrap_or(u64::MAX))
    }

    /// The next block has this time; the clock goes on from there.
    pub(crate) fn set_next(&mut self, time: u64) {
        self.exact = Some(time);
    }

    /// Lets time pass; returns by how much the clock is ahead in all.
    pub(crate) fn advance(&mut self, seconds: u64) -> i128 {
        match &mut self.exact {
            Some(exact) => *exact = exact.saturating_add(seconds),
            None => self.ahead = self.ahead.saturating_add(i128::from(seconds)),
        }
        self.ahead
    }

    /// A block was made; no later one is earlier.
    pub(crate) fn mined(&mut self, time: u64) {
        let ahead = i128::from(time) - machine();
        self.ahead = if self.exact.take().is_some() { ahead } else { self.ahead.max(ahead) };
    }
}

fn machine() -> i128 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i128::from(since.as_secs())
}
