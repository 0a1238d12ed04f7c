//! One tower: what it holds, what it was sent, what it lacks.

use super::HandoverConfig;
use crate::tower::Receipt;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use strait_protocol::GuardMark;
use strait_types::{B256, ChannelId, Version};

/// A hand-over that is not answered yet.
#[derive(Clone, Copy, Debug)]
struct Sent {
    version: Version,
    digest: B256,
    at_ms: u64,
}

/// One tower.
#[derive(Debug, Default)]
pub(crate) struct Link {
    pub(crate) is_connected: bool,
    /// Within this connection it has told all that it holds.
    pub(crate) is_listed: bool,
    /// When it is asked again for what it has not told, milliseconds.
    pub(crate) list_again_ms: Option<u64>,
    /// It was, in this connection: an answer may come twice.
    pub(crate) is_asked_twice: bool,
    /// It said that it does not serve this node, and not otherwise since.
    pub(crate) is_turned_away: bool,
    /// It has told all that it holds since the start.
    pub(crate) has_listed: bool,
    /// Channels of which it lacks something, in the order of their turns.
    queue: VecDeque<ChannelId>,
    queued: BTreeSet<ChannelId>,
    in_flight: BTreeMap<ChannelId, Sent>,
    /// Until when a channel is left alone, milliseconds.
    resting: BTreeMap<ChannelId, u64>,
    /// Its last word on each channel.
    pub(crate) held: BTreeMap<ChannelId, Receipt>,
    /// Receipts that are not on disk.
    pub(crate) unsaved: BTreeSet<ChannelId>,
    /// Channels that it does not guard, and why.
    pub(crate) refusals: BTreeMap<ChannelId, String>,
    /// Channels that it is to hand back.
    pub(crate) fetching: BTreeSet<ChannelId>,
    /// Those of them that it was asked for.
    asked: BTreeSet<ChannelId>,
    /// When it is asked for them again, milliseconds.
    pub(crate) ask_again_ms: Option<u64>,
    /// Children that it handed back before their parents, with these.
    pub(crate) orphans: BTreeMap<ChannelId, ChannelId>,
    /// The last channel that it told of in this connection.
    pub(crate) listed_to: Option<ChannelId>,
    /// Channels whose newest state it lacks, with the time since when.
    lags: BTreeMap<ChannelId, u64>,
    /// Channels that it has told of in this connection.
    pub(crate) told: BTreeSet<ChannelId>,
    /// Channels of which it holds less than it has signed for.
    pub(crate) lost: BTreeMap<ChannelId, Version>,
    /// Channels of which it lacks what it signed for, with that version and the one that it holds: a fault unless they are closed.
    pub(crate) suspects: BTreeMap<ChannelId, (Version, Version)>,
    is_told: bool,
    /// Hand-overs since `window_ms`.
    count: u32,
    window_ms: u64,
    /// When there is something to do, milliseconds.
    pub(crate) wake_ms: Option<u64>,
}

/// Most channels that one tower is asked for at once.
const FETCHES: usize = 64;

/// Milliseconds after which a tower may have room again.
const ROOM_MS: u64 = 1_000;

/// Hand-overs are counted in windows of so many milliseconds.
const WINDOW_MS: u64 = 100;

impl Link {
    pub(crate) fn connected(&mut self, now_ms: u64) {
        self.disconnected();
        self.is_connected = true;
        self.listed_to = None;
        // A refusal may be over: its operator was asked.
        let refused: Vec<_> = std::mem::take(&mut self.refusals).into_keys().collect();
        for channel in refused {
            self.queue(now_ms, channel);
        }
    }

    pub(crate) fn disconnected(&mut self) {
        self.is_connected = false;
        self.is_listed = false;
        self.list_again_ms = None;
        self.is_asked_twice = false;
        self.wake_ms = None;
        // What it was asked for and did not hand back, this node may still have forgotten.
        self.has_listed &= self.fetching.is_empty() && self.orphans.is_empty();
        self.fetching.clear();
        self.asked.clear();
        self.ask_again_ms = None;
        self.orphans.clear();
        self.told.clear();
        self.lost.clear();
        for channel in std::mem::take(&mut self.in_flight).into_keys() {
            self.push(channel);
        }
    }

    /// It has told all that it holds.
    pub(crate) fn listed(&mut self, now_ms: u64) {
        self.is_listed = true;
        self.is_turned_away = false;
        self.list_again_ms = None;
        self.has_listed = true;
        self.wake_ms = Some(now_ms);
    }

    /// Whether it holds nothing that this node might have forgotten.
    pub(crate) fn has_told(&self) -> bool {
        self.has_listed && self.fetching.is_empty()
    }

    /// There is something new.
    pub(crate) fn want(&mut self, now_ms: u64, channel: ChannelId, mark: &GuardMark) {
        let held = self.held.get(&channel).map(|receipt| receipt.version);
        // Nothing tells whether it has what was known of this version before a restart.
        let has_all = held == Some(mark.version) && mark.preimages == 0 && mark.next.is_none();
        if has_all {
            self.queued.remove(&channel);
            self.lags.remove(&channel);
        } else if !self.refusals.contains_key(&channel) {
            self.queue(now_ms, channel);
        }
    }

    fn queue(&mut self, now_ms: u64, channel: ChannelId) {
        self.lags.entry(channel).or_insert(now_ms);
        self.push(channel);
        if self.is_listed {
            self.wake_at(self.resting.get(&channel).copied().unwrap_or(now_ms));
        }
    }

    fn wake_at(&mut self, at_ms: u64) {
        self.wake_ms = Some(self.wake_ms.map_or(at_ms, |due| due.min(at_ms)));
    }

    fn push(&mut self, channel: ChannelId) {
        if self.queued.insert(channel) {
            self.queue.push_back(channel);
        }
    }

    /// The channel is over.
    pub(crate) fn forget(&mut self, channel: ChannelId) {
        self.queued.remove(&channel);
        self.in_flight.remove(&channel);
        self.resting.remove(&channel);
        self.refusals.remove(&channel);
        self.lags.remove(&channel);
        self.fetched(channel);
        if self.held.remove(&channel).is_some() {
            self.unsaved.insert(channel);
        }
    }

    /// Channels whose turn has come; looks at a bounded number of them.
    pub(crate) fn due(&mut self, now_ms: u64, config: &HandoverConfig, looks: usize) -> Vec<ChannelId> {
        if !self.is_connected || !self.is_listed || self.wake_ms.is_none_or(|due| due > now_ms) {
            return Vec::new();
        }
        if now_ms.saturating_sub(self.window_ms) >= WINDOW_MS {
            (self.window_ms, self.count) = (now_ms, 0);
        }
        let late = |sent: &Sent| now_ms.saturating_sub(sent.at_ms) >= config.patience_ms;
        let unanswered: Vec<_> =
            self.in_flight.iter().filter(|(_, sent)| late(sent)).map(|(id, _)| *id).collect();
        for channel in unanswered {
            self.in_flight.remove(&channel);
            self.push(channel);
        }
        self.resting.retain(|_, until| *until > now_ms);
        let most = (config.per_second / 10).max(1);
        let mut due = Vec::new();
        for _ in 0..looks.min(self.queue.len()) {
            if self.in_flight.len() + due.len() >= config.in_flight || self.count >= most {
                break;
            }
            let Some(channel) = self.queue.pop_front() else { break };
            if !self.queued.contains(&channel) {
                continue;
            }
            if self.resting.contains_key(&channel) || self.in_flight.contains_key(&channel) {
                self.queue.push_back(channel);
                continue;
            }
            self.queued.remove(&channel);
            self.count += 1;
            due.push(channel);
        }
        let waits = !self.queue.is_empty() || !self.in_flight.is_empty() || !due.is_empty();
        self.wake_ms = waits.then(|| now_ms.saturating_add(self.pause(config)));
        due
    }

    /// How long until something may be due again, if nothing happens before.
    fn pause(&self, config: &HandoverConfig) -> u64 {
        let is_full = self.in_flight.len() >= config.in_flight;
        if self.queue.is_empty() || is_full {
            config.patience_ms
        } else {
            config.pause_ms.clamp(10, WINDOW_MS)
        }
    }

    pub(crate) fn sent(&mut self, now_ms: u64, channel: ChannelId, version: Version, digest: B256) {
        self.in_flight.insert(channel, Sent { version, digest, at_ms: now_ms });
    }

    /// Whether a receipt is about what was handed over.
    pub(crate) fn is_answer(&self, receipt: &Receipt) -> bool {
        let sent = self.in_flight.get(&receipt.channel);
        sent.is_some_and(|sent| (sent.version, sent.digest) == (receipt.version, receipt.digest))
    }

    pub(crate) fn is_in_flight(&self, channel: ChannelId, version: Version) -> bool {
        self.in_flight.get(&channel).is_some_and(|sent| sent.version == version)
    }

    /// It has signed for what was handed over.
    pub(crate) fn kept(&mut self, now_ms: u64, receipt: Receipt, newest: &GuardMark, pause_ms: u64) {
        let channel = receipt.channel;
        let sent = self.in_flight.remove(&channel);
        if newest.version > receipt.version {
            // What came after it was handed over.
            self.lags.insert(channel, sent.map_or(now_ms, |sent| sent.at_ms));
        } else if !self.queued.contains(&channel) {
            self.lags.remove(&channel);
        }
        self.resting.insert(channel, now_ms.saturating_add(pause_ms));
        self.hold(receipt);
        self.refusals.remove(&channel);
        if !self.queue.is_empty() {
            let rests = self.queued.len() == 1 && self.queued.contains(&channel);
            self.wake_at(now_ms.saturating_add(if rests { pause_ms } else { 0 }));
        }
    }

    /// What it is to be asked for now.
    pub(crate) fn ask(&mut self, now_ms: u64, patience_ms: u64) -> Vec<ChannelId> {
        if self.ask_again_ms.is_some_and(|due| due <= now_ms) {
            self.asked.clear();
        }
        let room = FETCHES.saturating_sub(self.asked.len());
        let ask: Vec<_> = self.fetching.difference(&self.asked).take(room).copied().collect();
        self.asked.extend(&ask);
        if !ask.is_empty() {
            self.ask_again_ms = Some(now_ms.saturating_add(patience_ms));
        }
        ask
    }

    /// It has answered, or nothing is to be asked any more. Returns whether it was to hand the channel back.
    pub(crate) fn fetched(&mut self, channel: ChannelId) -> bool {
        self.asked.remove(&channel);
        let was_wanted = self.fetching.remove(&channel);
        if self.fetching.is_empty() {
            self.ask_again_ms = None;
        }
        was_wanted
    }

    /// What it handed back can't be used yet: it is asked for again.
    pub(crate) fn fetch_later(&mut self, channel: ChannelId, at_ms: u64) {
        self.fetching.insert(channel);
        self.asked.insert(channel);
        self.ask_again_ms.get_or_insert(at_ms);
    }

    pub(crate) fn hold(&mut self, receipt: Receipt) {
        self.unsaved.insert(receipt.channel);
        self.held.insert(receipt.channel, receipt);
    }

    /// It takes nothing for a while.
    pub(crate) fn wait(&mut self, now_ms: u64, channel: ChannelId, retry_ms: u64) {
        self.in_flight.remove(&channel);
        self.push(channel);
        self.wake_ms = Some(now_ms.saturating_add(retry_ms.clamp(10, 60_000)));
    }

    /// It has no room for a channel now.
    pub(crate) fn put_off(&mut self, now_ms: u64, channel: ChannelId) {
        self.in_flight.remove(&channel);
        self.resting.insert(channel, now_ms.saturating_add(ROOM_MS));
        self.queue(now_ms, channel);
    }

    pub(crate) fn unanswered(&mut self, channel: ChannelId) {
        self.in_flight.remove(&channel);
    }

    /// It does not guard a channel. Returns whether that is news.
    pub(crate) fn refused(&mut self, channel: ChannelId, reason: &str) -> bool {
        self.in_flight.remove(&channel);
        self.refusals.insert(channel, reason.to_owned()).as_deref() != Some(reason)
    }

    pub(crate) fn is_behind(&self) -> bool {
        !self.lags.is_empty()
    }

    pub(crate) fn lagging(&self) -> usize {
        self.lags.len()
    }

    pub(crate) fn behind_since(&self) -> Option<u64> {
        self.lags.values().min().copied()
    }

    /// News of whether it has lacked something for so long: since when the first channel, and how many.
    pub(crate) fn judge(&mut self, now_ms: u64, after_ms: u64) -> Option<Option<(u64, usize)>> {
        let old = |since: &&u64| now_ms.saturating_sub(**since) >= after_ms;
        let count = self.lags.values().filter(old).count();
        let is_behind = count > 0;
        if std::mem::replace(&mut self.is_told, is_behind) == is_behind {
            return None;
        }
        Some(self.behind_since().filter(|_| is_behind).map(|since| (since, count)))
    }
}
