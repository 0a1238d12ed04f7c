//! A reorg deeper than can be undone: the facts of every channel are read anew, and until then nothing of value moves.
//! Dangers are met all the while: each channel answers disputes as soon as its own events are there.

use crate::chain::Cursor;
use crate::engine::Engine;
use crate::input::{Effect, Notice};
use crate::ports::Followed;
use crate::registry::Age;
use crate::status::HaltView;
use borsh::{BorshDeserialize, BorshSerialize};
use strait_protocol::ChainDelta;
use strait_types::ChannelId;

/// Name of the halt in the store.
pub(crate) const HALT_KEY: &str = "halt";
/// How often the operator is reminded, in milliseconds.
const REMIND_MS: u64 = 600_000;

/// Why and since when nothing of value moves.
#[derive(Clone, Copy, PartialEq, Eq, Debug, BorshSerialize, BorshDeserialize)]
pub(crate) struct Halt {
    /// Milliseconds since the Unix epoch.
    since_ms: u64,
    /// Head of the chain that took the place of the one that was known.
    head: u64,
    /// When the operator is reminded, milliseconds.
    #[borsh(skip)]
    remind_ms: u64,
}

impl Halt {
    /// When the operator is reminded, milliseconds.
    pub(crate) fn due(&self) -> u64 {
        self.remind_ms
    }
}

impl Engine {
    /// Begins anew at the head: no older block is known to be the chain's.
    pub(crate) fn on_deep_reorg(&mut self, now_ms: u64, followed: &Followed) {
        self.note_head(now_ms, followed);
        let head = followed.head.number;
        let since_ms = self.halt.map_or(now_ms, |halt| halt.since_ms);
        let halt = Halt { since_ms, head, remind_ms: now_ms.saturating_add(REMIND_MS) };
        self.halt = Some(halt);
        self.save_halt();
        self.effects.push(Effect::Notify(Notice::DeepReorg { head }));
        self.cursor = Cursor::at(followed.head, followed.head_time);
        self.save_cursor();
        let known = self.known_blocks();
        self.effects.push(Effect::FollowFrom { known });
        // What was asked of the old chain is answered for nothing.
        self.lookups.clear();
        self.forget_code();
        let ids: Vec<ChannelId> = self.channels.keys().copied().collect();
        for id in ids {
            self.drive(now_ms, id, |channel, ctx, out| channel.chain(ctx, ChainDelta::Reset, out));
            self.fetch_events(id);
            if let Some(entry) = self.channels.get_mut(&id) {
                entry.lookups.clear();
            }
            self.look_up_locks(id, Age::Any);
        }
        self.end_halt();
    }

    /// Ends the halt once every channel has its events.
    pub(crate) fn end_halt(&mut self) {
        if self.halt.is_some() && self.fetching.is_empty() && self.lookups.is_empty() {
            self.halt = None;
            self.save_halt();
            self.effects.push(Effect::Notify(Notice::ChainRebuilt));
            self.touched.extend(self.channels.keys().copied());
        }
    }

    fn save_halt(&mut self) {
        self.batch.set_meta(HALT_KEY, borsh::to_vec(&self.halt).unwrap_or_default());
    }

    pub(crate) fn remind_of_halt(&mut self, now_ms: u64) {
        let waiting = self.fetching.len();
        let Some(halt) = self.halt.as_mut().filter(|halt| halt.remind_ms <= now_ms) else { return };
        halt.remind_ms = now_ms.saturating_add(REMIND_MS);
        let since_ms = halt.since_ms;
        self.effects.push(Effect::Notify(Notice::Halted { since_ms, waiting }));
    }

    /// The halt after a deep reorg, while it lasts: nothing of value moves.
    pub fn halt_view(&self) -> Option<HaltView> {
        let waiting = self.fetching.len();
        self.halt.map(|halt| HaltView { since_ms: halt.since_ms, head: halt.head, waiting })
    }
}
