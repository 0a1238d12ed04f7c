//! What a tower says that it holds, and what it hands back to a node that has lost it.

use crate::engine::{Engine, Entry};
use crate::input::{Effect, Notice};
use crate::ports::Kind;
use crate::tower::{ClientFrame, Receipt};
use std::collections::BTreeMap;
use strait_protocol::{Channel, Guarded, HandedBack};
use strait_types::{Address, ChannelId, Version};

impl Engine {
    /// Asks a tower what it holds, from where it has told it; again when it does not answer, since until it does nothing
    /// is handed over.
    pub(crate) fn ask_list(&mut self, now_ms: u64, tower: Address) {
        let patience_ms = self.towers.config.patience_ms;
        let Some(link) = self.towers.links.get_mut(&tower) else { return };
        link.list_again_ms = Some(now_ms.saturating_add(patience_ms));
        let after = link.listed_to;
        self.send_to_tower(tower, &ClientFrame::List { after });
    }

    /// Those that have not answered in time.
    pub(crate) fn ask_lists_again(&mut self, now_ms: u64) {
        let mut silent = Vec::new();
        for (tower, link) in &mut self.towers.links {
            if link.list_again_ms.is_some_and(|due| due <= now_ms) {
                link.is_asked_twice = true;
                silent.push(*tower);
            }
        }
        silent.into_iter().for_each(|tower| self.ask_list(now_ms, tower));
    }

    pub(crate) fn on_held(&mut self, now_ms: u64, tower: Address, receipts: Vec<Receipt>, more: bool) {
        let (domain, own) = (self.domain, self.signer());
        let Some(link) = self.towers.links.get(&tower) else { return };
        let (last, told) = (link.listed_to, link.told.len());
        let is_past = |receipt: &Receipt| last.is_some_and(|last| receipt.channel <= last);
        if link.is_asked_twice && (link.is_listed || receipts.first().is_some_and(is_past)) {
            // The late answer to a question that was asked again.
            return;
        }
        let ids = last.into_iter().chain(receipts.iter().map(|receipt| receipt.channel)).collect::<Vec<_>>();
        let ascends = ids.windows(2).all(|pair| pair[0] < pair[1]);
        let is_signed = |receipt: &Receipt| receipt.verify(&domain, tower, own).is_ok();
        let most = self.channels.len().saturating_add(self.towers.config.most_forgotten);
        let is_endless = told.saturating_add(receipts.len()) > most || (more && receipts.is_empty());
        if !ascends || is_endless || !receipts.iter().all(is_signed) {
            let what = "a list of receipts that it did not sign, without order or without end";
            self.distrust(tower, None, what.into());
            return;
        }
        let to = receipts.last().map(|receipt| receipt.channel).or(last);
        for receipt in receipts {
            self.compare(now_ms, tower, receipt);
        }
        let Some(link) = self.towers.links.get_mut(&tower) else { return };
        link.listed_to = to;
        if more {
            self.ask_list(now_ms, tower);
            return;
        }
        link.listed(now_ms);
        self.find_lost(now_ms, tower);
    }

    /// One channel of the list.
    fn compare(&mut self, now_ms: u64, tower: Address, receipt: Receipt) {
        let (channel, version) = (receipt.channel, receipt.version);
        let Some(link) = self.towers.links.get_mut(&tower) else { return };
        link.told.insert(channel);
        let ours = self.channels.get(&channel).map(|entry| entry.channel.best_version());
        if ours.is_none_or(|ours| ours < version) {
            // What this node signed in an earlier life; it will show.
            self.fetch_back(now_ms, tower, channel);
            return;
        }
        let Some(link) = self.towers.links.get_mut(&tower) else { return };
        match link.held.get(&channel) {
            // Receipts that this node holds say more; `find_lost` tells.
            Some(held) if held.version > version => {
                link.lost.insert(channel, version);
            }
            _ => {
                link.lost.remove(&channel);
                link.hold(receipt);
            }
        }
        if let Some(mark) = self.towers.marks.get(&channel) {
            link.want(now_ms, channel, mark);
        }
    }

    /// What the tower signed for and does not hold any more is handed over again. Whether that is a fault is judged later: a
    /// tower forgets what is closed, and this node may not have followed the chain so far.
    fn find_lost(&mut self, now_ms: u64, tower: Address) {
        let Some(link) = self.towers.links.get_mut(&tower) else { return };
        let told = std::mem::take(&mut link.told);
        let mut lost: BTreeMap<ChannelId, Version> = std::mem::take(&mut link.lost);
        let missing = link.held.keys().filter(|channel| !told.contains(*channel));
        lost.extend(missing.map(|channel| (*channel, Version::ZERO)).collect::<Vec<_>>());
        for (channel, version) in lost {
            let Some(mark) = self.towers.marks.get(&channel).copied() else { continue };
            let Some(link) = self.towers.links.get_mut(&tower) else { return };
            let Some(receipt) = link.held.remove(&channel) else { continue };
            link.want(now_ms, channel, &mark);
            link.suspects.insert(channel, (receipt.version, version));
        }
    }

    /// The chain is followed to its head: what a tower lacks of channels that live on, it has lost, and the operator is told.
    pub(crate) fn judge_towers(&mut self) {
        let channels = &self.channels;
        let lives = |id: &ChannelId| {
            channels.get(id).is_some_and(|entry| entry.channel.guard_mark().version > Version::ZERO)
        };
        for (tower, link) in &mut self.towers.links {
            for (channel, (signed, holds)) in std::mem::take(&mut link.suspects) {
                if self.fetching.contains(&channel) {
                    link.suspects.insert(channel, (signed, holds));
                } else if lives(&channel) {
                    let what = format!("it signed for version {signed} and holds version {holds}");
                    let notice = Notice::TowerFault { tower: *tower, channel: Some(channel), what };
                    self.effects.push(Effect::Notify(notice));
                }
            }
        }
    }

    /// Asks a tower for what it holds of a channel.
    pub(crate) fn fetch_back(&mut self, now_ms: u64, tower: Address, channel: ChannelId) {
        let Some(link) = self.towers.links.get_mut(&tower) else { return };
        link.fetching.insert(channel);
        self.ask_tower(now_ms, tower);
    }

    /// As much at a time as a tower answers within its limits; again what it did not answer.
    pub(crate) fn ask_tower(&mut self, now_ms: u64, tower: Address) {
        let patience_ms = self.towers.config.patience_ms;
        let Some(link) = self.towers.links.get_mut(&tower) else { return };
        for channel in link.ask(now_ms, patience_ms) {
            self.send_to_tower(tower, &ClientFrame::Fetch { channel });
        }
    }

    /// A child is there: what towers handed back of it before it was is asked for again, before anything rests on it.
    pub(crate) fn fetch_orphans(&mut self, now_ms: u64, child: ChannelId) {
        let mut holders = Vec::new();
        for (tower, link) in &mut self.towers.links {
            if link.orphans.remove(&child).is_some() {
                holders.push(*tower);
            }
        }
        holders.into_iter().for_each(|tower| self.fetch_back(now_ms, tower, child));
    }

    pub(crate) fn on_back(
        &mut self,
        now_ms: u64,
        tower: Address,
        channel: ChannelId,
        guarded: Option<Guarded>,
    ) {
        let (domain, own) = (self.domain, self.signer());
        let Some(link) = self.towers.links.get_mut(&tower) else { return };
        if !link.fetched(channel) {
            return;
        }
        self.ask_tower(now_ms, tower);
        let guarded = guarded.filter(|guarded| guarded.channel(&domain) == channel);
        let Some((guarded, Ok(side))) = guarded.map(|guarded| {
            let side = guarded.check(&domain, own);
            (guarded, side)
        }) else {
            let what = "it hands back what this node never signed".into();
            self.effects.push(Effect::Notify(Notice::TowerFault { tower, channel: Some(channel), what }));
            return;
        };
        if !self.channels.contains_key(&channel) && !self.take_back(now_ms, channel, side, &guarded) {
            // A child without its parent, which may be handed back next.
            let parent = guarded.opening().map(|opening| opening.terms.parent0);
            if let Some(link) = self.towers.links.get_mut(&tower) {
                link.orphans.extend(parent.map(|parent| (channel, parent)));
            }
            return;
        }
        let (version, mut came) = (guarded.version(), HandedBack::NothingNew);
        let preimages = guarded.preimages.clone();
        self.drive(now_ms, channel, |channel, ctx, out| {
            came = channel.handed_back(ctx, guarded.latest, out);
            channel.remember(&preimages, out);
        });
        if came == HandedBack::TooEarly {
            let again_ms = now_ms.saturating_add(self.towers.config.patience_ms);
            if let Some(link) = self.towers.links.get_mut(&tower) {
                link.fetch_later(channel, again_ms);
            }
        }
        if came == HandedBack::Adopted {
            self.effects.push(Effect::Notify(Notice::HandedBack { tower, channel, version }));
            let orphans = self.towers.links.get(&tower).map(|link| &link.orphans);
            let children = orphans.into_iter().flatten().filter(|(_, parent)| **parent == channel);
            let children: Vec<_> = children.map(|(child, _)| *child).collect();
            children.into_iter().for_each(|child| self.fetch_back(now_ms, tower, child));
        }
    }

    /// A channel that this node has forgotten, with all that it needs; `false`: not of its parent.
    fn take_back(
        &mut self,
        now_ms: u64,
        channel: ChannelId,
        side: strait_types::Side,
        guarded: &Guarded,
    ) -> bool {
        match guarded.opening() {
            Some(opening) => self.take_child_back(now_ms, channel, opening),
            None => {
                self.take_up(channel, side, guarded);
                true
            }
        }
    }

    /// A channel that this node has forgotten altogether.
    fn take_up(&mut self, id: ChannelId, side: strait_types::Side, guarded: &Guarded) {
        if !guarded.params.app.is_zero() {
            // What both began with is not known here; its operator leaves by the chain.
            return;
        }
        let params = guarded.params.clone();
        let peer = params.participant(side.other()).signer;
        let (channel, record) = Channel::open(id, params, side, self.settings.clone());
        let payload = borsh::to_vec(&record).unwrap_or_default();
        let journal_bytes = payload.len();
        self.batch.record(id, Kind::Working, payload);
        self.peers.add_channel(peer, id);
        // Its peer has signed in it, and knows it.
        let entry = Entry { introduced: true, ..Entry::new(channel, peer, journal_bytes) };
        self.channels.insert(id, entry);
        self.effects.push(Effect::Notify(Notice::Opened { token: None, channel: id }));
        self.fetch_events(id);
    }
}
