//! How much may happen in a run.

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) struct Bounds {
    /// Payments of either side.
    pub(crate) payments: [u8; 2],
    /// Withdrawals by either side.
    pub(crate) withdrawals: [u8; 2],
    /// Closes that either side asks for.
    pub(crate) closes: [u8; 2],
    /// Locks that either side offers.
    pub(crate) locks: [u8; 2],
    /// Locks that either side is shown the preimage of, and settles.
    pub(crate) settlements: [u8; 2],
    /// Moves of either side in a game, which the channel is for then.
    pub(crate) moves: [u8; 2],
    /// Even ends of the game that either side asks for.
    pub(crate) ends: [u8; 2],
    /// Frames that are lost.
    pub(crate) losses: u8,
    /// Frames that arrive a second time, later.
    pub(crate) copies: u8,
    /// Deaths of a process, at any input.
    pub(crate) deaths: u8,
    /// Broken connections.
    pub(crate) breaks: u8,
    /// Timers that ring.
    pub(crate) ticks: u8,
    /// Returns of the second side to what it once had on disk: it signs other states of the same versions then.
    pub(crate) relapses: u8,
    /// Challenges by the second side, with any state that it ever could show.
    pub(crate) challenges: u8,
    /// Steps of the chain's time; a period has three.
    pub(crate) steps: u8,
    /// Steps in which the first side's transactions do not come through.
    pub(crate) censored: u8,
}

impl Bounds {
    /// Whether the second side keeps to the protocol.
    pub(crate) fn is_honest(&self) -> bool {
        self.relapses == 0 && self.challenges == 0
    }

    /// Whether the channel is one with a game.
    pub(crate) fn plays(&self) -> bool {
        [self.moves, self.ends] != [[0; 2]; 2]
    }

    pub(crate) fn describe(&self) -> serde_json::Value {
        serde_json::json!({
            "payments": self.payments,
            "withdrawals": self.withdrawals,
            "closes": self.closes,
            "locks": self.locks,
            "settlements": self.settlements,
            "moves": self.moves,
            "ends": self.ends,
            "losses": self.losses,
            "copies": self.copies,
            "deaths": self.deaths,
            "breaks": self.breaks,
            "ticks": self.ticks,
            "relapses": self.relapses,
            "challenges": self.challenges,
            "steps": self.steps,
            "censored": self.censored,
        })
    }
}
