//! Child channels: they come and go with the locks of their parents, and each is told what the other has come to.

use crate::apps::Apps;
use crate::engine::{Engine, Entry};
use crate::input::{Effect, EngineError, Notice};
use crate::policy::{Policy, PolicyError, Starts};
use crate::ports::Kind;
use crate::proposals::{Decision, Proposals};
use crate::table::EntryRef;
use std::collections::{BTreeMap, BTreeSet};
use strait_protocol::{Admission, Channel, ChildOpening, NewChild, Phase, Rule, Standing};
use strait_types::{Address, Amount, ChannelId};

/// Judges child channels by what the operator takes.
pub(crate) struct Gate<'a> {
    pub(crate) policy: &'a Policy,
    pub(crate) apps: &'a Apps,
    pub(crate) proposals: &'a Proposals,
}

impl Admission for Gate<'_> {
    fn admit(&self, child: ChannelId, opening: &ChildOpening) -> Result<(), Rule> {
        self.policy.check_terms(&opening.params).map_err(|error| match error {
            PolicyError::App(_) => Rule::UnknownApp,
            PolicyError::Challenge { .. } => Rule::ChildPeriod,
            _ => Rule::ChildTerms,
        })?;
        let Some(start) = opening.start() else { return Ok(()) };
        self.apps.judge_start(child, &opening.params, &start).map_err(|error| match error {
            EngineError::UnknownApp(_) => Rule::UnknownApp,
            EngineError::Rule(rule) => rule,
            _ => Rule::IllegalMove,
        })
    }

    fn stake(&self, asset: Address, amount: Amount, opening: &ChildOpening) -> Result<(), Rule> {
        let unasked = self.stakes_unasked(asset, amount, opening);
        if unasked.is_ok() || !self.policy.manual_approval {
            return unasked;
        }
        match self.proposals.decision(opening.offer_id()) {
            None => Err(Rule::AwaitsApproval),
            Some(Decision::Approved) => Ok(()),
            Some(Decision::Rejected) => unasked,
        }
    }
}

impl Gate<'_> {
    fn stakes_unasked(&self, asset: Address, amount: Amount, opening: &ChildOpening) -> Result<(), Rule> {
        let most = self.policy.stakes.get(&asset).copied().unwrap_or(Amount::ZERO);
        if amount > most {
            return Err(Rule::StakeTooHigh);
        }
        match (opening.start_id(), &self.policy.starts) {
            // A refund is the worst that comes of a channel for payments.
            (None, _) | (_, Starts::Any) => Ok(()),
            (Some(_), _) if amount.is_zero() => Ok(()),
            (Some(start), Starts::Listed(known)) if known.contains(&start) => Ok(()),
            _ => Err(Rule::UnknownStart),
        }
    }
}

/// Which children have something resting on them, by parent.
#[derive(Debug, Default)]
pub(crate) struct Families {
    alive: BTreeMap<ChannelId, BTreeSet<ChannelId>>,
}

impl Families {
    pub(crate) fn add(&mut self, parent: ChannelId, child: ChannelId) {
        self.alive.entry(parent).or_default().insert(child);
    }

    /// Channels with children on which something may rest.
    pub(crate) fn parents(&self) -> impl Iterator<Item = ChannelId> + '_ {
        self.alive.keys().copied()
    }

    fn remove(&mut self, parent: ChannelId, child: ChannelId) {
        let Some(children) = self.alive.get_mut(&parent) else { return };
        children.remove(&child);
        if children.is_empty() {
            self.alive.remove(&parent);
        }
    }
}

impl Engine {
    /// Judges a child that our user opens, where the reason can be told in more words than a rule has.
    pub(crate) fn check_new_child(&self, parent: ChannelId, new: &NewChild) -> Result<(), EngineError> {
        let Some((app, _)) = new.app else { return Ok(()) };
        if !self.policy.apps.contains(&app) {
            return Err(PolicyError::App(app).into());
        }
        let parent = self.channels.get(&parent).ok_or(EngineError::UnknownChannel(parent))?;
        let opening = parent.channel.opening_of(new).map_err(EngineError::Rule)?;
        let Some(start) = opening.start() else { return Ok(()) };
        self.apps.judge_start(opening.id(&self.domain), &opening.params, &start)
    }

    /// Lets a channel and its parent or children know of each other, after anything that may have changed one of them.
    pub(crate) fn relate(&mut self, now_ms: u64, id: ChannelId) {
        let Some(entry) = self.channels.get(&id) else { return };
        match entry.channel.parent() {
            Some(parent) => {
                self.tell_parent(now_ms, parent, id);
                self.tell_child(now_ms, parent, id);
            }
            None => {
                self.spawn_children(now_ms, id);
                for child in self.children(id) {
                    self.tell_child(now_ms, id, child);
                }
            }
        }
    }

    /// Children on which something rests; before the chain, all.
    fn children(&self, parent: ChannelId) -> Vec<ChannelId> {
        let is_before_chain = |entry: EntryRef<'_>| {
            matches!(entry.channel.facts().phase, Phase::Disputed { .. } | Phase::Settled(_))
        };
        if self.channels.get(&parent).is_some_and(is_before_chain) {
            let live = self.channels.live();
            return live
                .filter(|(_, entry)| entry.channel.parent() == Some(parent))
                .map(|(id, _)| *id)
                .collect();
        }
        self.families.alive.get(&parent).into_iter().flatten().copied().collect()
    }

    fn spawn_children(&mut self, now_ms: u64, parent: ChannelId) {
        let Some(entry) = self.channels.get(&parent) else { return };
        let is_due = |child: ChannelId| {
            let standing = entry.channel.standing_of(child);
            !self.channels.contains_key(&child) && matches!(standing, Standing::Locked | Standing::Leaving)
        };
        let openings = entry.channel.openings().filter(|(child, _)| is_due(*child));
        let due: Vec<_> = openings.map(|(child, opening)| (child, opening.clone())).collect();
        for (child, opening) in due {
            self.spawn(now_ms, parent, child, opening, false);
        }
    }

    /// A child becomes a channel of its own. `forgotten`: this side lost what it may have signed in it.
    fn spawn(
        &mut self,
        now_ms: u64,
        parent: ChannelId,
        child: ChannelId,
        opening: ChildOpening,
        forgotten: bool,
    ) {
        let Some(entry) = self.channels.get(&parent) else { return };
        let Some(side) = opening.params.side_of(self.signer.address()) else { return };
        let (peer, settings) = (entry.peer, entry.channel.settings().clone());
        let (channel, record) = Channel::open_child(child, opening, side, settings);
        // Writing to a Vec cannot fail.
        let payload = borsh::to_vec(&record).unwrap_or_default();
        let journal_bytes = payload.len();
        self.batch.record(child, Kind::Working, payload);
        let entry = Entry { introduced: true, ..Entry::new(channel, peer, journal_bytes) };
        self.channels.insert(child, entry);
        self.peers.add_channel(peer, child);
        self.families.add(parent, child);
        self.effects.push(Effect::Notify(Notice::Opened { token: None, channel: child }));
        // Whoever knew its terms could bring it before the chain before it began.
        self.fetch_events(child);
        if forgotten {
            self.drive(now_ms, child, |channel, _, out| channel.restored(out));
        }
        self.fetch_orphans(now_ms, child);
        self.touched.insert(child);
    }

    fn tell_child(&mut self, now_ms: u64, parent: ChannelId, child: ChannelId) {
        let Some(entry) = self.channels.get(&child) else { return };
        let standing = match self.channels.get(&parent) {
            // Nothing is done in it before its past is known.
            Some(_) if self.fetching.contains(&child) => Standing::Unlocked,
            Some(parent) => parent.channel.standing_of(child),
            None => Standing::Unlocked,
        };
        let (before, peer) = (entry.channel.standing(), entry.peer);
        if standing == before {
            return;
        }
        self.drive(now_ms, child, |channel, _, out| channel.set_standing(standing, out));
        match standing {
            Standing::Over => self.families.remove(parent, child),
            _ => self.families.add(parent, child),
        }
        let was_idle = matches!(before, Standing::Unlocked | Standing::Over);
        let is_alive = matches!(standing, Standing::Locked | Standing::Leaving);
        if was_idle && is_alive && self.peers.is_connected(peer) {
            self.connect_channel(now_ms, child);
        }
    }

    fn tell_parent(&mut self, now_ms: u64, parent: ChannelId, child: ChannelId) {
        let outcome = self.channels.get(&child).and_then(|entry| entry.channel.outcome());
        let Some(entry) = self.channels.get(&parent) else { return };
        if entry.channel.told_of(child) != outcome {
            self.drive(now_ms, parent, |channel, ctx, out| channel.child_came_to(ctx, child, outcome, out));
        }
    }

    /// A peer tells of a child that this side has forgotten, whose lock it knows.
    pub(crate) fn on_child_told(&mut self, now_ms: u64, peer: Address, opening: ChildOpening) {
        let child = opening.id(&self.domain);
        let is_known = self.channels.contains_key(&child);
        let parent = self.channels.get(&opening.terms.parent0);
        if !is_known && parent.is_some_and(|parent| parent.peer == peer) {
            self.take_child_back(now_ms, child, opening);
        }
    }

    /// A child that this side has forgotten becomes a channel again, if its parent's lock is that of these terms. Returns
    /// whether it is.
    pub(crate) fn take_child_back(&mut self, now_ms: u64, child: ChannelId, opening: ChildOpening) -> bool {
        let parent = opening.terms.parent0;
        let entry = self.channels.get(&parent);
        let is_locked = entry.is_some_and(|entry| entry.channel.has_locked(child, &opening));
        if is_locked {
            self.spawn(now_ms, parent, child, opening, true);
        }
        is_locked
    }
}
