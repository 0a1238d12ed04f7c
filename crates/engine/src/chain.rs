//! Following the chain: events reach their channels once and in order, and a reorg takes them back.

use crate::engine::Engine;
use crate::input::Effect;
use crate::ports::{Block, BlockRef, Followed};
use crate::registry::Age;
use crate::status::BlockView;
use borsh::{BorshDeserialize, BorshSerialize};
use std::collections::VecDeque;
use strait_protocol::ChainDelta;
use strait_types::abi::AdjudicatorEvent;
use strait_types::{B256, ChannelId};

/// Blocks that are remembered for finding a fork.
const REMEMBERED: usize = 128;
/// Name of the cursor in the store.
pub(crate) const CURSOR_KEY: &str = "chain-cursor";

#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Seen {
    pub(crate) number: u64,
    pub(crate) hash: B256,
    pub(crate) time: u64,
}

/// The last processed blocks, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Cursor {
    seen: VecDeque<Seen>,
    /// Older ones were there and are forgotten.
    forgot: bool,
}

impl Cursor {
    /// As if the first block ever seen were this one.
    pub(crate) fn at(block: BlockRef, time: u64) -> Cursor {
        let seen = VecDeque::from([Seen { number: block.number, hash: block.hash, time }]);
        Cursor { seen, forgot: true }
    }

    pub(crate) fn known(&self) -> Vec<BlockRef> {
        self.seen.iter().rev().map(|seen| BlockRef { number: seen.number, hash: seen.hash }).collect()
    }

    pub(crate) fn head_view(&self) -> Option<BlockView> {
        self.head().map(|seen| BlockView { number: seen.number, hash: seen.hash, time: seen.time })
    }

    pub(crate) fn head(&self) -> Option<Seen> {
        self.seen.back().copied()
    }

    /// Timestamps of the head and of the newest known block that has `confirmations` blocks on top.
    pub(crate) fn times(&self, confirmations: u64) -> (u64, u64) {
        let Some(head) = self.head() else { return (0, 0) };
        let depth = head.number.saturating_sub(confirmations);
        let deep = self.seen.iter().rev().find(|seen| seen.number <= depth);
        (head.time, deep.map_or(0, |seen| seen.time))
    }

    pub(crate) fn contains(&self, block: BlockRef) -> bool {
        self.seen.iter().any(|seen| seen.number == block.number && seen.hash == block.hash)
    }

    /// The block that a fact with a timestamp came with, so that a reorg takes it back only with that block. `through`
    /// is what the fact was read at: what is not recognised is ascribed to it.
    pub(crate) fn block_at(&self, time: u64, through: BlockRef) -> u64 {
        let older = self.seen.front().filter(|oldest| time < oldest.time);
        let same = self.seen.iter().rev().find(|seen| seen.time == time);
        same.or(older).map_or(through.number, |seen| seen.number)
    }

    /// How an answer of the chain goes with what was processed. `is_reversible_to`: whether all that was counted above a
    /// height can be taken back.
    pub(crate) fn judge(&self, followed: &Followed, is_reversible_to: impl Fn(u64) -> bool) -> Step {
        let Some(head) = self.head() else { return Step::On };
        match followed.fork {
            Some(fork) if !self.contains(fork) => Step::Stale,
            Some(fork) if fork.number >= head.number => Step::On,
            Some(fork) if is_reversible_to(fork.number) => Step::Back(fork.number),
            // All that was ever processed is gone: the answer begins at the deployment, and so do we.
            None if !self.forgot && is_reversible_to(0) => Step::Back(0),
            _ => Step::Anew,
        }
    }

    /// Takes a block that follows; `false`: it was processed before.
    pub(crate) fn advance(&mut self, block: &Block) -> bool {
        let is_new = self.head().is_none_or(|head| block.at.number > head.number);
        if is_new {
            self.push(block);
        }
        is_new
    }

    fn push(&mut self, block: &Block) {
        self.seen.push_back(Seen { number: block.at.number, hash: block.at.hash, time: block.time });
        if self.seen.len() > REMEMBERED {
            self.seen.pop_front();
            self.forgot = true;
        }
    }

    pub(crate) fn rollback(&mut self, to: u64) {
        self.seen.retain(|seen| seen.number <= to);
    }
}

/// What an answer of the chain means for what was processed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Step {
    /// It goes on from the head.
    On,
    /// What is above a height is taken back first.
    Back(u64),
    /// More is gone than can be taken back.
    Anew,
    /// It belongs to an earlier question; the next one will do.
    Stale,
}

impl Engine {
    /// The newest processed block and its time in Unix seconds.
    pub fn head(&self) -> Option<(BlockRef, u64)> {
        self.cursor.head().map(|seen| (BlockRef { number: seen.number, hash: seen.hash }, seen.time))
    }

    pub(crate) fn head_number(&self) -> u64 {
        self.cursor.head().map_or(0, |head| head.number)
    }

    pub(crate) fn on_followed(&mut self, now_ms: u64, followed: &Followed) {
        let before = self.cursor.clone();
        match self.cursor.judge(followed, |height| self.channels.is_reversible_to(height)) {
            Step::On => {}
            Step::Back(to) => self.rollback(now_ms, to),
            Step::Anew => {
                self.on_deep_reorg(now_ms, followed);
                return;
            }
            Step::Stale => return,
        }
        self.note_head(now_ms, followed);
        for block in &followed.blocks {
            if !self.cursor.advance(block) {
                continue;
            }
            for event in &block.events {
                self.on_event(now_ms, block, &event.event);
            }
        }
        if self.cursor != before {
            self.after_blocks(now_ms);
        }
        if self.head_number() >= followed.head.number {
            self.judge_towers();
        }
    }

    fn rollback(&mut self, now_ms: u64, to: u64) {
        self.cursor.rollback(to);
        self.forget_code();
        for id in self.with_recent_events() {
            self.drive(now_ms, id, |channel, ctx, out| channel.chain(ctx, ChainDelta::Rollback { to }, out));
            self.doubt_registrations(id);
        }
    }

    fn with_recent_events(&self) -> Vec<ChannelId> {
        let watched = self.watched.iter().chain(&self.touched);
        let mut ids: Vec<_> = watched
            .filter(|id| self.channels.get(id).is_some_and(|entry| entry.channel.has_recent_chain_events()))
            .copied()
            .collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    fn on_event(&mut self, now_ms: u64, block: &Block, event: &AdjudicatorEvent) {
        match event {
            AdjudicatorEvent::PreimageRegistered { hash, .. } => {
                let concerned: Vec<_> = self
                    .channels
                    .live()
                    .filter(|(_, entry)| entry.channel.has_lock(*hash))
                    .map(|(id, _)| *id)
                    .collect();
                for id in concerned {
                    self.apply_event(now_ms, id, block, event);
                }
            }
            AdjudicatorEvent::AppDeployed { app } => self.on_deployed(*app),
            _ => {
                if let Some(id) = event.channel()
                    && !self.fetching.contains(&id)
                {
                    self.apply_event(now_ms, id, block, event);
                }
            }
        }
    }

    fn apply_event(&mut self, now_ms: u64, id: ChannelId, block: &Block, event: &AdjudicatorEvent) {
        let delta = ChainDelta::Event { block: block.at.number, time: block.time, event: event.clone() };
        self.drive(now_ms, id, |channel, ctx, out| channel.chain(ctx, delta, out));
    }

    /// Counts what has its confirmations, lets time-bound channels look, remembers where we are.
    fn after_blocks(&mut self, now_ms: u64) {
        let head = self.head_number();
        self.ask_for_code_again();
        for id in self.with_recent_events() {
            self.drive(now_ms, id, |channel, ctx, out| {
                let through = head.saturating_sub(channel.confirmations());
                channel.chain(ctx, ChainDelta::Final { through }, out);
            });
        }
        for id in self.watched.clone() {
            self.drive(now_ms, id, |channel, ctx, out| channel.tick(ctx, out));
            self.look_up_locks(id, Age::ABlock);
        }
        self.refetch();
        self.check_deadlines(now_ms);
        self.end_halt();
        self.save_cursor();
        self.channels.settle_all();
    }

    pub(crate) fn save_cursor(&mut self) {
        self.batch.set_meta(CURSOR_KEY, borsh::to_vec(&self.cursor).unwrap_or_default());
    }

    /// A channel that becomes known late may have been funded before.
    pub(crate) fn fetch_events(&mut self, channel: ChannelId) {
        let through = self.cursor.head().map(|head| BlockRef { number: head.number, hash: head.hash });
        self.fetching.insert(channel);
        // Before the first block is followed there is nothing to miss; see `refetch`.
        if let Some(through) = through {
            self.effects.push(Effect::FetchEvents { channel, through });
        }
    }

    /// Asks again for channels whose answer is outstanding: each new block makes the last question stale.
    fn refetch(&mut self) {
        for id in self.fetching.clone() {
            self.fetch_events(id);
        }
    }

    pub(crate) fn on_channel_events(
        &mut self,
        now_ms: u64,
        id: ChannelId,
        through: BlockRef,
        blocks: &[Block],
    ) {
        let is_current =
            self.cursor.head().is_some_and(|head| head.number == through.number && head.hash == through.hash);
        if !is_current || !self.fetching.remove(&id) {
            return;
        }
        for block in blocks {
            for event in &block.events {
                self.apply_event(now_ms, id, block, &event.event);
            }
        }
        let head = self.head_number();
        self.drive(now_ms, id, |channel, ctx, out| {
            let through = head.saturating_sub(channel.confirmations());
            channel.chain(ctx, ChainDelta::Final { through }, out);
        });
        self.end_halt();
    }
}
