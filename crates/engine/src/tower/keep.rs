//! Requests of clients.

use super::Tower;
use super::frame::{ClientFrame, MAX_RECEIPTS, Receipt, Refusal, TowerFrame};
use super::guard::{Guard, size_of};
use crate::input::{Effect, Notice};
use std::ops::Bound;
use strait_protocol::{Guarded, Phase};
use strait_types::{Address, B256, ChannelId, Side};

impl Tower {
    pub(super) fn on_request(&mut self, now_ms: u64, client: Address, frame: ClientFrame) {
        if !self.config.quotas.admits(client) {
            self.turn_away(client);
            return;
        }
        let usage = self.usage.entry(client).or_default();
        let in_time = usage.request(now_ms, &self.config.quotas);
        match (frame, in_time) {
            (ClientFrame::Keep(guarded), Ok(())) => self.on_keep(now_ms, client, *guarded),
            (ClientFrame::List { after }, Ok(())) => self.on_list(client, after),
            (ClientFrame::Fetch { channel }, Ok(())) => {
                let guarded = self.held(channel, client).cloned().map(Box::new);
                self.send(client, &TowerFrame::Back { channel, guarded });
            }
            (ClientFrame::Keep(guarded), Err(retry_ms)) => {
                let (channel, version) = (guarded.channel(&self.domain), guarded.version());
                let reason = Refusal::Busy { retry_ms };
                self.send(client, &TowerFrame::Refused { channel, version, reason });
            }
            // Asked again when no answer comes.
            (ClientFrame::List { .. } | ClientFrame::Fetch { .. }, Err(_)) => {}
        }
    }

    /// Says why, once, and hangs up: whom it does not serve may not keep its place from others.
    fn turn_away(&mut self, client: Address) {
        self.connected.remove(&client);
        self.send(client, &TowerFrame::TurnedAway { reason: Refusal::NotAdmitted });
        self.effects.push(Effect::Notify(Notice::ClientTurnedAway { client }));
        self.effects.push(Effect::Dismiss { peer: client });
    }

    fn on_list(&mut self, client: Address, after: Option<ChannelId>) {
        let least = (client, ChannelId(B256::ZERO));
        let from = after.map_or(Bound::Included(least), |after| Bound::Excluded((client, after)));
        let held = self.holdings.range((from, Bound::Unbounded)).take_while(|(holder, _)| *holder == client);
        let mut receipts: Vec<_> = held
            .filter_map(|(_, channel)| self.watched.get(channel)?.of(client))
            .map(|guard| guard.receipt.clone())
            .take(MAX_RECEIPTS + 1)
            .collect();
        let more = receipts.len() > MAX_RECEIPTS;
        receipts.truncate(MAX_RECEIPTS);
        self.usage.entry(client).or_default().listed(receipts.len());
        self.send(client, &TowerFrame::Held { receipts, more });
    }

    fn on_keep(&mut self, now_ms: u64, client: Address, guarded: Guarded) {
        let (channel, version) = (guarded.channel(&self.domain), guarded.version());
        let answer = match self.keep(now_ms, client, channel, guarded) {
            Ok(receipt) => TowerFrame::Kept(receipt),
            Err(reason) => TowerFrame::Refused { channel, version, reason },
        };
        self.send(client, &answer);
    }

    fn keep(
        &mut self,
        now_ms: u64,
        client: Address,
        id: ChannelId,
        mut guarded: Guarded,
    ) -> Result<Receipt, Refusal> {
        let before = self.watched.get(&id).and_then(|watched| watched.of(client));
        if let Some(before) = before {
            // Before any signature is looked at.
            if before.version() > guarded.version() {
                return Err(Refusal::Lower(before.version()));
            }
            if before.channel.facts().phase == Phase::Closed {
                return Err(Refusal::Closed);
            }
        }
        let side = guarded.check(&self.domain, client).map_err(|error| Refusal::Wrong(error.to_string()))?;
        self.check_room(client, before, &guarded)?;
        let receipt = Receipt::sign(&self.domain, self.signer.as_ref(), client, &guarded, now_ms / 1_000)
            .map_err(|_| Refusal::NoKey)?;
        if let Some(before) = before.filter(|before| before.version() == guarded.version()) {
            // A client that was restored may have forgotten what it knew.
            let known = &before.guarded;
            let forgotten = known.preimages.iter().filter(|preimage| !guarded.preimages.contains(preimage));
            let forgotten: Vec<_> = forgotten.copied().collect();
            guarded.preimages.extend(forgotten);
            guarded.next = guarded.next.or_else(|| known.next.clone());
        }
        self.put(id, client, side, guarded, receipt.clone());
        Ok(receipt)
    }

    fn check_room(&self, client: Address, before: Option<&Guard>, guarded: &Guarded) -> Result<(), Refusal> {
        let quotas = &self.config.quotas;
        let (own, channels) = self.usage.get(&client).map_or((0, 0), |usage| (usage.bytes, usage.channels));
        let grows = size_of(guarded).saturating_sub(before.map_or(0, |guard| guard.bytes));
        if before.is_none() && channels >= quotas.channels {
            return Err(Refusal::Channels(quotas.channels));
        }
        let parent = guarded.child.as_ref().map(|child| child.terms.parent0);
        if before.is_none() && parent.is_some_and(|parent| self.is_family_full(client, parent)) {
            return Err(Refusal::Family);
        }
        if grows > 0 && own.saturating_add(grows) > quotas.bytes {
            return Err(Refusal::Bytes(quotas.bytes));
        }
        if grows > 0 && self.total_bytes.saturating_add(grows) > quotas.total_bytes {
            return Err(Refusal::Full);
        }
        Ok(())
    }

    fn put(&mut self, id: ChannelId, client: Address, side: Side, guarded: Guarded, receipt: Receipt) {
        let settings = self.settings();
        let bytes = i128::from(size_of(&guarded));
        let watched = self.watched.entry(id).or_default();
        let is_first = watched.guards.is_empty();
        match watched.guards.iter_mut().find(|guard| guard.client == client) {
            Some(guard) => {
                let before = i128::from(guard.bytes);
                guard.renew(guarded, receipt);
                self.count(client, 0, bytes.saturating_sub(before));
            }
            None => {
                // The other participant's guard has followed the channel already.
                let other = watched.guards.first().map(|guard| guard.channel.chain_view().clone());
                let chain = other.unwrap_or_else(|| guarded.blank_chain());
                let guard = Guard::new(id, (client, side), guarded, receipt, settings, chain);
                self.count(client, 1, bytes);
                self.note_guard(&guard);
                self.watched.entry(id).or_default().guards.push(guard);
            }
        }
        if is_first {
            self.fetch_events(id);
        }
        self.changed.insert(id);
        self.touched.insert(id);
    }

    /// Forgets a client's channel that is over, and all that is within it: one after the other, since a client may have
    /// made up a long line of them.
    pub(super) fn forget(&mut self, client: Address, id: ChannelId) {
        let mut over = vec![id];
        while let Some(id) = over.pop() {
            let Some(watched) = self.watched.get_mut(&id) else { continue };
            let Some(at) = watched.guards.iter().position(|guard| guard.client == client) else { continue };
            let guard = watched.guards.swap_remove(at);
            if watched.guards.is_empty() {
                self.watched.remove(&id);
                self.fetching.remove(&id);
                self.attention.remove(&id);
            }
            over.extend(self.drop_guard(&guard));
            self.count(client, -1, -i128::from(guard.bytes));
            self.changed.insert(id);
        }
    }
}
