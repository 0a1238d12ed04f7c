//! The towers of this node: each is handed every channel's best state, beside the payments and never in their way.
//!
//! What a tower has not got waits in its queue by channel, not by state: when its turn comes, the newest is handed over,
//! so that neither a slow tower nor a dead one costs memory or time. What a tower says is believed only where a signature
//! shows it: at worst a tower that lies is of no use.

mod link;
mod lists;
mod status;

pub use status::TowerView;

use crate::engine::Engine;
use crate::input::{Effect, Notice, TowerEffect, TowerInput};
use crate::ports::{Store, StoreError};
use crate::tower::{ClientFrame, Receipt, Refusal, TowerFrame};
use link::Link;
use std::collections::BTreeMap;
use strait_protocol::GuardMark;
use strait_types::{Address, ChannelId, Version};

/// How hand-overs are paced.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HandoverConfig {
    /// Milliseconds between two hand-overs of one channel to one tower.
    pub pause_ms: u64,
    /// Hand-overs to one tower that may be unanswered at once.
    pub in_flight: usize,
    /// Most hand-overs to one tower in a second: each costs two signatures' time.
    pub per_second: u32,
    /// Milliseconds after which an answer is waited for no longer.
    pub patience_ms: u64,
    /// Milliseconds that a tower may be without a channel's newest state before the operator is told.
    pub behind_after_ms: u64,
    /// Most channels that a tower may say to hold beyond those that this node knows: it may have lost all of its own.
    pub most_forgotten: usize,
}

impl Default for HandoverConfig {
    fn default() -> Self {
        HandoverConfig {
            pause_ms: 100,
            in_flight: 32,
            per_second: 500,
            patience_ms: 15_000,
            behind_after_ms: 60_000,
            most_forgotten: 100_000,
        }
    }
}

/// How often what the towers lack is looked at, in milliseconds.
const LOOK_MS: u64 = 5_000;
/// How often new receipts are written, in milliseconds. What a crash forgets, the towers tell again.
const SAVE_MS: u64 = 10_000;
/// Channels of a queue that are looked at in one round.
const LOOKS: usize = 32;

fn receipt_key(tower: Address, channel: ChannelId) -> String {
    format!("receipt-{tower}-{channel}")
}

/// All towers of a node.
#[derive(Debug, Default)]
pub(crate) struct Towers {
    config: HandoverConfig,
    links: BTreeMap<Address, Link>,
    /// What there is to guard, by channel.
    marks: BTreeMap<ChannelId, GuardMark>,
    look_ms: Option<u64>,
    save_ms: Option<u64>,
}

impl Towers {
    /// When time alone makes for something to do, milliseconds.
    pub(crate) fn due(&self) -> Option<u64> {
        let wakes =
            |link: &Link| [link.wake_ms, link.ask_again_ms, link.list_again_ms].into_iter().flatten().min();
        let next = self.links.values().filter_map(wakes).min();
        [next, self.look_ms, self.save_ms].into_iter().flatten().min()
    }

    /// Whether a restored channel must wait, since a tower may hold a state that was forgotten.
    pub(crate) fn may_know_more(&self) -> bool {
        self.links.values().any(|link| !link.has_told())
    }
}

impl Engine {
    /// Sets how hand-overs are paced; before the first input.
    pub fn set_handovers(&mut self, config: HandoverConfig) {
        self.towers.config = config;
    }

    /// Reads what these towers have signed for, and hands over to them from now on; before the first input.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn recover_towers(&mut self, towers: &[Address], store: &dyn Store) -> Result<(), StoreError> {
        self.set_towers(0, towers);
        let (domain, own) = (self.domain, self.signer());
        for (tower, link) in &mut self.towers.links {
            for channel in self.channels.keys() {
                let Some(bytes) = store.meta(&receipt_key(*tower, *channel))? else { continue };
                // One that does not decode is only asked for again.
                if let Ok(receipt) = borsh::from_slice::<Receipt>(&bytes)
                    && receipt.verify(&domain, *tower, own).is_ok()
                {
                    link.held.insert(*channel, receipt);
                }
            }
        }
        Ok(())
    }

    /// From now on these are the towers.
    fn set_towers(&mut self, now_ms: u64, towers: &[Address]) {
        self.towers.links.retain(|tower, _| towers.contains(tower));
        for tower in towers {
            self.towers.links.entry(*tower).or_insert_with(|| {
                let mut link = Link::default();
                for (channel, mark) in &self.towers.marks {
                    link.want(now_ms, *channel, mark);
                }
                link
            });
        }
        if self.towers.links.is_empty() {
            self.towers.marks.clear();
        } else {
            // Each channel's next round notes what there is to guard.
            self.touched.extend(self.channels.keys().copied());
        }
    }

    /// A channel may have something new.
    pub(crate) fn note_guard(&mut self, now_ms: u64, id: ChannelId) {
        if self.towers.links.is_empty() {
            return;
        }
        let Some(entry) = self.channels.get(&id) else { return };
        let mark = entry.channel.guard_mark();
        let before = self.towers.marks.get(&id).copied().unwrap_or_default();
        if mark == before {
            return;
        }
        if mark.version == Version::ZERO {
            self.towers.marks.remove(&id);
            for link in self.towers.links.values_mut() {
                link.forget(id);
            }
            return;
        }
        self.towers.marks.insert(id, mark);
        for link in self.towers.links.values_mut() {
            link.want(now_ms, id, &mark);
        }
        self.towers.look_ms.get_or_insert(now_ms.saturating_add(LOOK_MS));
    }

    /// Hands over what is due.
    pub(crate) fn hand_over(&mut self, now_ms: u64) {
        let towers: Vec<_> = self.towers.links.keys().copied().collect();
        for tower in towers {
            let config = self.towers.config;
            let Some(link) = self.towers.links.get_mut(&tower) else { continue };
            for id in link.due(now_ms, &config, LOOKS) {
                let Some(entry) = self.channels.get(&id) else { continue };
                // Without the key it is tried again with the channel's next state.
                let Some(guarded) = entry.channel.guarded(&self.context(now_ms, &entry)) else { continue };
                let (version, digest) = (guarded.version(), guarded.digest());
                if let Some(link) = self.towers.links.get_mut(&tower) {
                    link.sent(now_ms, id, version, digest);
                }
                self.send_to_tower(tower, &ClientFrame::Keep(Box::new(guarded)));
            }
        }
    }

    pub(crate) fn send_to_tower(&mut self, tower: Address, frame: &ClientFrame) {
        self.effects.push(Effect::Tower(TowerEffect::Send { tower, frame: frame.encode() }));
    }

    pub(crate) fn on_tower(&mut self, now_ms: u64, input: TowerInput) {
        match input {
            TowerInput::Set { towers } => self.set_towers(now_ms, &towers),
            TowerInput::Connected { tower } => {
                if let Some(link) = self.towers.links.get_mut(&tower) {
                    link.connected(now_ms);
                    self.ask_list(now_ms, tower);
                }
            }
            TowerInput::Disconnected { tower } => {
                if let Some(link) = self.towers.links.get_mut(&tower) {
                    link.disconnected();
                }
            }
            TowerInput::Frame { tower, bytes } => self.on_tower_frame(now_ms, tower, &bytes),
        }
    }

    fn on_tower_frame(&mut self, now_ms: u64, tower: Address, bytes: &[u8]) {
        if !self.towers.links.get(&tower).is_some_and(|link| link.is_connected) {
            return;
        }
        match TowerFrame::decode(bytes) {
            Ok(TowerFrame::Kept(receipt)) => self.on_kept(now_ms, tower, receipt),
            Ok(TowerFrame::Refused { channel, version, reason }) => {
                self.on_not_kept(now_ms, tower, (channel, version), reason);
            }
            Ok(TowerFrame::Held { receipts, more }) => self.on_held(now_ms, tower, receipts, more),
            Ok(TowerFrame::Back { channel, guarded }) => {
                self.on_back(now_ms, tower, channel, guarded.map(|guarded| *guarded));
            }
            Ok(TowerFrame::TurnedAway { .. }) => self.on_turned_away(tower),
            Err(error) => self.distrust(tower, None, error.to_string()),
        }
    }

    /// It hangs up, and says the same again after each connect: that is told once. One that goes on talking is not heard: taking
    /// its word back and giving it again would be told each time.
    fn on_turned_away(&mut self, tower: Address) {
        let Some(link) = self.towers.links.get_mut(&tower) else { return };
        if !std::mem::replace(&mut link.is_turned_away, true) {
            self.effects.push(Effect::Notify(Notice::TurnedAway { tower }));
        }
        link.disconnected();
        let reason = "it does not serve this node".to_owned();
        self.effects.push(Effect::Tower(TowerEffect::Disconnect { tower, reason }));
    }

    /// A tower says what cannot be. It is of no use, and the operator is told; nothing else comes of it.
    pub(crate) fn distrust(&mut self, tower: Address, channel: Option<ChannelId>, what: String) {
        self.effects.push(Effect::Notify(Notice::TowerFault { tower, channel, what: what.clone() }));
        self.effects.push(Effect::Tower(TowerEffect::Disconnect { tower, reason: what }));
    }

    fn on_kept(&mut self, now_ms: u64, tower: Address, receipt: Receipt) {
        let (domain, own) = (self.domain, self.signer());
        let Some(link) = self.towers.links.get_mut(&tower) else { return };
        let channel = receipt.channel;
        if !link.is_answer(&receipt) {
            // A late one, from before a resend; or the tower makes it up. Either way it says nothing.
            return;
        }
        if receipt.verify(&domain, tower, own).is_err() {
            self.distrust(tower, Some(channel), "a receipt that it did not sign".into());
            return;
        }
        let newest = self.towers.marks.get(&channel).copied().unwrap_or_default();
        link.kept(now_ms, receipt, &newest, self.towers.config.pause_ms);
        self.towers.save_ms.get_or_insert(now_ms.saturating_add(SAVE_MS));
    }

    fn on_not_kept(
        &mut self,
        now_ms: u64,
        tower: Address,
        (channel, version): (ChannelId, Version),
        reason: Refusal,
    ) {
        let Some(link) = self.towers.links.get_mut(&tower) else { return };
        if !link.is_in_flight(channel, version) {
            return;
        }
        match reason {
            Refusal::Busy { retry_ms } => link.wait(now_ms, channel, u64::from(retry_ms)),
            Refusal::Family => link.put_off(now_ms, channel),
            Refusal::Lower(_) => {
                // It holds what this node has forgotten, or lies; what it hands back will show it.
                link.unanswered(channel);
                self.fetch_back(now_ms, tower, channel);
            }
            reason => {
                let reason = reason.to_string();
                if link.refused(channel, &reason) {
                    self.effects.push(Effect::Notify(Notice::TowerRefused { tower, channel, reason }));
                }
            }
        }
    }

    pub(crate) fn tick_towers(&mut self, now_ms: u64) {
        let due = |link: &Link| link.ask_again_ms.is_some_and(|due| due <= now_ms);
        let silent: Vec<_> =
            self.towers.links.iter().filter(|(_, link)| due(link)).map(|(tower, _)| *tower).collect();
        silent.into_iter().for_each(|tower| self.ask_tower(now_ms, tower));
        self.ask_lists_again(now_ms);
        if self.towers.look_ms.is_some_and(|due| due <= now_ms) {
            let after = self.towers.config.behind_after_ms;
            let mut is_any_behind = false;
            for (tower, link) in &mut self.towers.links {
                is_any_behind |= link.is_behind();
                let notice = link.judge(now_ms, after).map(|lag| match lag {
                    Some((since_ms, channels)) => Notice::TowerBehind { tower: *tower, channels, since_ms },
                    None => Notice::TowerCurrent { tower: *tower },
                });
                self.effects.extend(notice.map(Effect::Notify));
            }
            self.towers.look_ms = is_any_behind.then(|| now_ms.saturating_add(LOOK_MS));
        }
        if self.towers.save_ms.is_some_and(|due| due <= now_ms) {
            self.save_receipts();
        }
    }

    pub(crate) fn save_receipts(&mut self) {
        self.towers.save_ms = None;
        for (tower, link) in &mut self.towers.links {
            for channel in std::mem::take(&mut link.unsaved) {
                // An empty value deletes.
                let receipt =
                    link.held.get(&channel).map(|receipt| borsh::to_vec(receipt).unwrap_or_default());
                self.batch.set_meta(receipt_key(*tower, channel), receipt.unwrap_or_default());
            }
        }
    }
}
