//! The chain, as a tower follows it, and what it does there.

use super::guard::When;
use super::{Tower, context};
use crate::chain::{CURSOR_KEY, Cursor, Step};
use crate::input::{Effect, Notice};
use crate::ports::{Block, BlockRef, Followed};
use strait_protocol::{ChainAction, ChainDelta, Outputs, Surroundings};
use strait_types::abi::AdjudicatorEvent;
use strait_types::{B256, ChannelId};

impl Tower {
    pub(super) fn on_followed(&mut self, now_ms: u64, followed: &Followed) {
        let before = self.cursor.clone();
        let is_reversible_to = |height| {
            let mut guards = self.watched.values().flat_map(|watched| &watched.guards);
            guards.all(|guard| guard.channel.is_chain_reversible_to(height))
        };
        match self.cursor.judge(followed, is_reversible_to) {
            Step::On => {}
            Step::Back(to) => {
                self.cursor.rollback(to);
                self.apply_to_all(now_ms, &ChainDelta::Rollback { to });
                self.doubt_registrations();
            }
            Step::Anew => {
                self.begin_anew(now_ms, followed);
                return;
            }
            Step::Stale => return,
        }
        self.note_head(now_ms, followed);
        for block in &followed.blocks {
            if self.cursor.advance(block) {
                for event in &block.events {
                    self.on_event(now_ms, block, &event.event);
                }
            }
        }
        if self.cursor != before {
            self.after_blocks(now_ms);
        }
    }

    fn note_head(&mut self, now_ms: u64, followed: &Followed) {
        let notices = self.alarm.note_head(now_ms, followed);
        self.effects.extend(notices.into_iter().map(Effect::Notify));
    }

    /// A reorg deeper than can be undone: every channel's events are read anew.
    fn begin_anew(&mut self, now_ms: u64, followed: &Followed) {
        self.note_head(now_ms, followed);
        self.effects.push(Effect::Notify(Notice::DeepReorg { head: followed.head.number }));
        self.cursor = Cursor::at(followed.head, followed.head_time);
        self.save_cursor();
        self.effects.push(Effect::FollowFrom { known: self.cursor.known() });
        self.apply_to_all(now_ms, &ChainDelta::Reset);
        self.doubt_registrations();
        let ids: Vec<_> = self.watched.keys().copied().collect();
        for id in ids {
            self.fetch_events(id);
        }
    }

    /// A reorg made what the registry answered void: it is asked again.
    fn doubt_registrations(&mut self) {
        self.watched.values_mut().for_each(|watched| watched.lookups.clear());
    }

    fn save_cursor(&mut self) {
        self.batch.set_meta(CURSOR_KEY, borsh::to_vec(&self.cursor).unwrap_or_default());
    }

    fn apply_to_all(&mut self, now_ms: u64, delta: &ChainDelta) {
        let ids: Vec<_> = self.watched.keys().copied().collect();
        for id in ids {
            self.apply(now_ms, id, delta);
        }
    }

    /// Lets each guard of a channel take a fact of the chain.
    fn apply(&mut self, now_ms: u64, id: ChannelId, delta: &ChainDelta) {
        let Some(watched) = self.watched.get_mut(&id) else { return };
        for guard in &mut watched.guards {
            let signer = guard.signer(&self.domain);
            let ctx = context(&self.domain, &self.cursor, now_ms, guard, &signer, Surroundings::default());
            let mut out = Outputs::default();
            guard.channel.chain(&ctx, delta.clone(), &mut out);
            if !out.records.is_empty() {
                self.changed.insert(id);
            }
        }
        self.touched.insert(id);
    }

    fn on_event(&mut self, now_ms: u64, block: &Block, event: &AdjudicatorEvent) {
        let concerned: Vec<ChannelId> = match event {
            // Whatever has a lock is looked at with every block.
            AdjudicatorEvent::PreimageRegistered { .. } => self.attention.iter().copied().collect(),
            _ => event.channel().filter(|id| self.watched.contains_key(id)).into_iter().collect(),
        };
        for id in concerned.into_iter().filter(|id| !self.fetching.contains(id)).collect::<Vec<_>>() {
            self.apply_event(now_ms, id, block, event);
        }
    }

    fn apply_event(&mut self, now_ms: u64, id: ChannelId, block: &Block, event: &AdjudicatorEvent) {
        let delta = ChainDelta::Event { block: block.at.number, time: block.time, event: event.clone() };
        self.apply(now_ms, id, &delta);
    }

    fn after_blocks(&mut self, now_ms: u64) {
        let head = self.head_number();
        let through = head.saturating_sub(self.config.confirmations);
        let attention: Vec<_> = self.attention.iter().chain(&self.touched).copied().collect();
        for id in attention {
            self.apply(now_ms, id, &ChainDelta::Final { through });
        }
        for id in self.fetching.clone() {
            // Each block makes the last question stale.
            self.fetch_events(id);
        }
        self.save_cursor();
    }

    fn head_number(&self) -> u64 {
        self.cursor.head().map_or(0, |head| head.number)
    }

    /// A channel that becomes known late may be in dispute already.
    pub(super) fn fetch_events(&mut self, channel: ChannelId) {
        self.fetching.insert(channel);
        if let Some(head) = self.cursor.head() {
            let through = BlockRef { number: head.number, hash: head.hash };
            self.effects.push(Effect::FetchEvents { channel, through });
        }
    }

    pub(super) fn on_channel_events(
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
        let through = self.head_number().saturating_sub(self.config.confirmations);
        self.apply(now_ms, id, &ChainDelta::Final { through });
    }

    pub(super) fn on_registered(
        &mut self,
        now_ms: u64,
        id: ChannelId,
        through: BlockRef,
        registered: &[(B256, u64)],
    ) {
        let is_canonical = self.cursor.contains(through);
        let Some(watched) = self.watched.get_mut(&id) else { return };
        if !is_canonical {
            // A reorg made the answer void; it is asked again.
            watched.lookups.retain(|_, answered| *answered);
            return;
        }
        watched.lookups.values_mut().for_each(|answered| *answered = true);
        for (hash, time) in registered {
            let Some(watched) = self.watched.get(&id) else { return };
            let mut guards = watched.guards.iter();
            if guards.any(|guard| guard.channel.facts().registered_at(*hash).is_some()) {
                continue;
            }
            // The registry tells when, not what: without the preimage the lock still resolves as on chain.
            let mut known = watched.guards.iter().filter_map(|guard| guard.channel.known_preimage(*hash));
            let preimage = known.next().unwrap_or_default();
            let event = AdjudicatorEvent::PreimageRegistered { hash: *hash, preimage };
            let block = self.cursor.block_at(*time, through);
            let delta = ChainDelta::Event { block, time: *time, event };
            self.apply(now_ms, id, &delta);
        }
        self.touched.insert(id);
    }

    pub(super) fn on_tick(&mut self, now_ms: u64) {
        if self.alarm.due().is_none_or(|due| due > now_ms) {
            return;
        }
        let staleness = self.alarm.check_staleness(now_ms);
        self.effects.extend(staleness.map(Effect::Notify));
        self.alarm.look_again(now_ms, false);
        // Where a deadline runs, it is time for an answer whether blocks come or not.
        self.touched.extend(self.attention.iter().copied());
    }

    /// Does what a channel makes necessary now.
    pub(super) fn look_at(&mut self, now_ms: u64, id: ChannelId) {
        let (head_time, _) = self.cursor.times(0);
        let guards = self.watched.get(&id).map(|watched| watched.guards.as_slice()).unwrap_or_default();
        let over: Vec<_> =
            guards.iter().filter(|guard| self.is_over(guard)).map(|guard| guard.client).collect();
        over.into_iter().for_each(|client| self.forget(client, id));
        let Some(watched) = self.watched.get_mut(&id) else { return };
        watched.note_phase(head_time);
        let hashes = watched.unasked();
        let needs_attention = watched.needs_attention();
        if !hashes.is_empty() {
            self.effects.push(Effect::LookUp { channel: id, hashes });
        }
        if needs_attention {
            self.attention.insert(id);
        } else {
            self.attention.remove(&id);
        }
        // Without its events it would want what is long done.
        if !self.fetching.contains(&id) {
            self.hand_out_calls(now_ms, id);
        }
    }

    fn hand_out_calls(&mut self, now_ms: u64, id: ChannelId) {
        let (head_time, _) = self.cursor.times(0);
        let now = head_time.max(now_ms / 1_000);
        let when = When {
            now,
            lock_margin: self.config.lock_margin,
            settles: self.config.settles,
            tower: self.signer.address(),
        };
        let Some(watched) = self.watched.get(&id) else { return };
        let (mut wanted, mut deadlines) = (Vec::new(), Vec::new());
        for guard in &watched.guards {
            let signer = guard.signer(&self.domain);
            let around = Surroundings { is_deployed: Some(true), ..Surroundings::default() };
            let ctx = context(&self.domain, &self.cursor, now_ms, guard, &signer, around);
            deadlines.push(guard.channel.deadlines(&ctx));
            for action in guard.channel.wanted(&ctx) {
                let is_lower = matches!(action, ChainAction::Respond(..));
                if is_lower && !watched.is_best(guard) || !watched.is_time(guard, &action, &when) {
                    continue;
                }
                let call = (action.name(), action.calldata(guard.channel.params(), guard.channel.terms()));
                let is_new = !self.calls.is_known(id, &call.1);
                if wanted.iter().any(|(_, known)| *known == call) {
                    continue;
                }
                let usage = self.usage.entry(guard.client).or_default();
                let can_wait = matches!(action, ChainAction::Settle(_) | ChainAction::Unlock(_));
                if !is_new || usage.call(now_ms, &self.config.quotas, can_wait) {
                    wanted.push((guard.client, call));
                } else {
                    let client = guard.client;
                    self.effects.push(Effect::Notify(Notice::ClientOverdrawn { client, channel: id }));
                }
            }
        }
        let wanted = wanted.into_iter().map(|(_, call)| call).collect();
        let to = self.domain.adjudicator();
        self.effects.extend(self.calls.hand_out(id, wanted, self.head_number(), to));
        self.tell_deadlines(now_ms, now, id, &deadlines);
    }

    fn tell_deadlines(
        &mut self,
        now_ms: u64,
        now: u64,
        id: ChannelId,
        deadlines: &[Vec<strait_protocol::Deadline>],
    ) {
        let Some(watched) = self.watched.get_mut(&id) else { return };
        for (guard, deadlines) in watched.guards.iter_mut().zip(deadlines) {
            let news = guard.told.news(id, now, deadlines);
            self.effects.extend(news.into_iter().map(Effect::Notify));
        }
        if deadlines.iter().any(|deadlines| !deadlines.is_empty()) {
            self.alarm.look_again(now_ms, true);
        }
    }
}
