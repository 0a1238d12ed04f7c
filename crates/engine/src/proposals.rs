//! Channels that peers offer and the operator has not decided on. What waits is offered again after a restart of this node; what
//! the operator has said is durable.

use crate::engine::Engine;
use crate::input::{Effect, EngineError, Notice};
use crate::offers::MAX_REASON;
use crate::peers::Terms;
use crate::policy::PolicyError;
use crate::ports::{Batch, Store, StoreError};
use borsh::{BorshDeserialize, BorshSerialize};
use std::collections::{BTreeMap, VecDeque};
use strait_protocol::{AppStart, ChildOpening, Token};
use strait_types::{Address, ChannelId, ChannelParams};

/// Most that wait of one peer.
const PER_PEER: usize = 16;
/// Decisions that are remembered, so that the operator is not asked again.
const REMEMBERED: usize = 4_096;
/// What a peer is told while its channel waits; who offers it knows it by these words.
pub(crate) const WAITS: &str =
    "its operator is asked to approve the channel; it is taken then without a new offer";
/// What a peer is told afterwards, when the operator says nothing else.
const REJECTED: &str = "its operator has rejected the channel";
/// Where the decisions are stored.
const DECISIONS_KEY: &str = "decisions";

/// A channel that a peer offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// Who offers it.
    pub peer: Address,
    /// Its terms.
    pub params: ChannelParams,
    /// What an app would begin with.
    pub start: Option<AppStart>,
    /// What would be opened within a payment channel, in a version of when it was offered.
    pub child: Option<ChildOpening>,
    /// When it was first offered, in milliseconds since the Unix epoch.
    pub since_ms: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Proposals {
    waiting: BTreeMap<ChannelId, Proposal>,
    decisions: Decisions,
}

/// What the operator has said and is not used up, oldest first.
#[derive(Debug, Default, BorshSerialize, BorshDeserialize)]
struct Decisions {
    /// With the reason that the peer is told.
    rejected: VecDeque<(ChannelId, String)>,
    /// Child channels that may be opened, once each.
    approved: VecDeque<ChannelId>,
}

/// What the operator has said.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Decision {
    Approved,
    Rejected,
}

impl Decisions {
    fn store(&self, batch: &mut Batch) {
        // Writing to a Vec cannot fail.
        batch.set_meta(DECISIONS_KEY, borsh::to_vec(self).unwrap_or_default());
    }
}

impl Proposals {
    /// With what was decided before. `restored`: the data comes from a backup, and what was approved then may have been used up
    /// since.
    pub(crate) fn recover(
        store: &dyn Store,
        restored: bool,
        batch: &mut Batch,
    ) -> Result<Proposals, StoreError> {
        let Some(bytes) = store.meta(DECISIONS_KEY)? else { return Ok(Proposals::default()) };
        let mut decisions: Decisions = borsh::from_slice(&bytes).map_err(|error| StoreError::Damaged {
            path: DECISIONS_KEY.to_owned(),
            what: format!("what the operator has decided does not decode: {error}"),
        })?;
        if restored {
            decisions.approved.clear();
            decisions.store(batch);
        }
        Ok(Proposals { waiting: BTreeMap::new(), decisions })
    }

    /// The channel is known now.
    pub(crate) fn forget(&mut self, id: ChannelId, batch: &mut Batch) {
        self.waiting.remove(&id);
        self.change(batch, |decisions| decisions.rejected.retain(|(rejected, _)| *rejected != id));
    }

    /// An approved child was agreed to: another of the same is asked about anew.
    pub(crate) fn use_up(&mut self, offer: ChannelId, batch: &mut Batch) {
        self.change(batch, |decisions| decisions.approved.retain(|approved| *approved != offer));
    }

    /// What becomes fewer is durable with what is done at the same time.
    fn change(&mut self, batch: &mut Batch, change: impl FnOnce(&mut Decisions)) {
        let count = |decisions: &Decisions| decisions.rejected.len().saturating_add(decisions.approved.len());
        let before = count(&self.decisions);
        change(&mut self.decisions);
        if count(&self.decisions) != before {
            self.decisions.store(batch);
        }
    }

    pub(crate) fn decision(&self, offer: ChannelId) -> Option<Decision> {
        if self.decisions.approved.contains(&offer) {
            return Some(Decision::Approved);
        }
        self.rejection(offer).map(|_| Decision::Rejected)
    }

    pub(crate) fn rejection(&self, offer: ChannelId) -> Option<&str> {
        let mut rejected = self.decisions.rejected.iter();
        rejected.find(|(rejected, _)| *rejected == offer).map(|(_, reason)| reason.as_str())
    }
}

impl Engine {
    /// Puts a channel that a peer offers before the operator, once. The peer is told that it waits.
    pub(crate) fn propose(&mut self, now_ms: u64, peer: Address, id: ChannelId, terms: Terms) {
        if !self.proposals.waiting.contains_key(&id) {
            if let Err(error) = self.make_room_for_proposal(peer) {
                self.decline(peer, id, &error.to_string());
                return;
            }
            let Terms { params, start } = terms;
            let proposal = Proposal { peer, params: params.clone(), start, child: None, since_ms: now_ms };
            self.proposals.waiting.insert(id, proposal);
            self.effects.push(Effect::Notify(Notice::Proposed { channel: id, params, peer }));
        }
        self.decline(peer, id, WAITS);
    }

    /// Puts what a peer would open within a payment channel before the operator, once. The peer has been told.
    pub(crate) fn propose_child(&mut self, now_ms: u64, peer: Address, opening: ChildOpening) {
        let id = opening.offer_id();
        if self.proposals.waiting.contains_key(&id) || self.make_room_for_proposal(peer).is_err() {
            return;
        }
        let (params, start) = (opening.params.clone(), opening.start());
        let proposal =
            Proposal { peer, params: params.clone(), start, child: Some(opening), since_ms: now_ms };
        self.proposals.waiting.insert(id, proposal);
        self.effects.push(Effect::Notify(Notice::Proposed { channel: id, params, peer }));
    }

    /// Offers of peers that have gone give way to those of peers that are here.
    fn make_room_for_proposal(&mut self, peer: Address) -> Result<(), PolicyError> {
        let waiting = &self.proposals.waiting;
        let count = waiting.len();
        if waiting.values().filter(|proposal| proposal.peer == peer).count() >= PER_PEER {
            return Err(PolicyError::TooManyProposals(PER_PEER));
        }
        if count < self.policy.proposals {
            return Ok(());
        }
        let gone = waiting.iter().filter(|(_, proposal)| !self.peers.is_connected(proposal.peer));
        let oldest = gone.min_by_key(|(_, proposal)| proposal.since_ms).map(|(id, _)| *id);
        match oldest {
            Some(id) => {
                self.proposals.waiting.remove(&id).map(drop).ok_or(PolicyError::TooManyProposals(count))
            }
            None => Err(PolicyError::TooManyProposals(count)),
        }
    }

    pub(crate) fn approve(&mut self, now_ms: u64, token: Token, id: ChannelId) {
        if self.channels.contains_key(&id) {
            self.fail(token, EngineError::AlreadyOpen(id));
            return;
        }
        let Some(Proposal { peer, params, start, child, .. }) = self.proposals.waiting.get(&id).cloned()
        else {
            self.fail(token, EngineError::NotProposed(id));
            return;
        };
        if let Some(opening) = child {
            self.proposals.waiting.remove(&id);
            remember(&mut self.proposals.decisions.approved, id);
            self.proposals.decisions.store(&mut self.batch);
            let channel = opening.terms.parent0;
            self.effects.push(Effect::Notify(Notice::Approved { token, channel }));
            return;
        }
        let terms = Terms { params, start };
        match self.admit(peer, id, &terms) {
            Ok(side) => self.accept_offer(now_ms, id, terms, side, Some(token)),
            Err(error) => self.fail(token, error),
        }
    }

    pub(crate) fn reject(&mut self, token: Token, id: ChannelId, mut reason: String) {
        let Some(proposal) = self.proposals.waiting.remove(&id) else {
            self.fail(token, EngineError::NotProposed(id));
            return;
        };
        if reason.trim().is_empty() {
            reason = REJECTED.to_owned();
        }
        reason.truncate(reason.floor_char_boundary(MAX_REASON));
        if proposal.child.is_none() {
            self.decline(proposal.peer, id, &reason);
        }
        remember(&mut self.proposals.decisions.rejected, (id, reason));
        self.proposals.decisions.store(&mut self.batch);
        self.effects.push(Effect::Notify(Notice::Rejected { token, channel: id }));
    }

    /// Forgets what the operator has said of an offer and is not used up: the peer's next one is asked about anew.
    pub(crate) fn reconsider(&mut self, token: Token, id: ChannelId) {
        if self.proposals.decision(id).is_none() {
            self.fail(token, EngineError::NotDecided(id));
            return;
        }
        self.proposals.change(&mut self.batch, |decisions| {
            decisions.rejected.retain(|(rejected, _)| *rejected != id);
            decisions.approved.retain(|approved| *approved != id);
        });
        self.effects.push(Effect::Notify(Notice::Reconsidered { token, channel: id }));
    }

    /// Offers of which the operator has spoken, and that is not used up: with the reason of a rejection, oldest first, then those
    /// that may be opened once.
    pub fn decisions(&self) -> impl Iterator<Item = (ChannelId, Option<&str>)> {
        let Decisions { rejected, approved } = &self.proposals.decisions;
        let rejected = rejected.iter().map(|(id, reason)| (*id, Some(reason.as_str())));
        rejected.chain(approved.iter().map(|id| (*id, None)))
    }

    /// Channels that wait for the operator's approval, by id.
    pub fn proposals(&self) -> impl Iterator<Item = (ChannelId, &Proposal)> {
        self.proposals.waiting.iter().map(|(id, proposal)| (*id, proposal))
    }
}

fn remember<T>(decisions: &mut VecDeque<T>, decision: T) {
    decisions.push_back(decision);
    if decisions.len() > REMEMBERED {
        decisions.pop_front();
    }
}
