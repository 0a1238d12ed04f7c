//! Virtual time: what happens next.

use crate::towers::AtTower;
use std::collections::BTreeMap;
use strait_engine::ports::TxHash;
use strait_engine::{Input, Submission};

/// Something that happens at a moment. `life` numbers a node's processes: what was meant for an earlier one is void.
#[derive(Debug)]
pub(crate) enum Event {
    /// A frame arrives, if its connection still stands.
    Arrive { link: usize, session: u64, to: usize, frame: Vec<u8> },
    /// A connection comes about.
    Connect { link: usize },
    /// It breaks.
    Break { link: usize },
    /// The engine takes an input from the world around it.
    Take { node: usize, life: u64, input: Input },
    /// A round ends.
    Round { node: usize, life: u64 },
    /// What was staged is committed.
    Commit { node: usize, life: u64 },
    /// The engine's timer.
    Tick { node: usize, life: u64 },
    /// The node asks for new blocks.
    Follow { node: usize, life: u64 },
    /// A transaction reaches the chain.
    Submit { node: usize, life: u64, submission: Submission, step: usize },
    /// The next transaction of a submission waits for this one to be in a block.
    Await { node: usize, life: u64, submission: Submission, step: usize, transaction: TxHash, patience: u32 },
    /// A node starts.
    Start { node: usize },
    /// A partition begins.
    Part { link: usize },
    /// It ends.
    Heal { link: usize },
    /// A node's endpoint stops answering for a while.
    Stall { node: usize },
    /// The chain's fees rise.
    Congest,
    /// They fall.
    Relax,
    /// A block is made.
    Mine,
    /// Players look at their games.
    Play,
    /// A user does something.
    Operate,
    /// The dishonest node does something.
    Scheme,
    /// Something happens at a tower.
    Tower { tower: usize, life: u64, what: AtTower },
}

/// Events in order of time, and within a moment of their making.
#[derive(Default)]
pub(crate) struct Queue {
    events: BTreeMap<(u64, u64), Event>,
    made: u64,
}

impl Queue {
    pub(crate) fn at(&mut self, time: u64, event: Event) {
        self.made += 1;
        self.events.insert((time, self.made), event);
    }

    /// The next event not later than `until`.
    pub(crate) fn next(&mut self, until: u64) -> Option<(u64, Event)> {
        let entry = self.events.first_entry().filter(|entry| entry.key().0 <= until)?;
        let (time, _) = *entry.key();
        Some((time, entry.remove()))
    }
}
