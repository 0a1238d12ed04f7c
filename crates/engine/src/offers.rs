//! Channels that we offer: introduced until the peer knows them, more and more rarely to a peer that declines.

use crate::engine::Engine;
use crate::input::{Effect, Notice};
use crate::proposals::WAITS;
use strait_protocol::Frame;
use strait_types::{Address, ChannelId};

/// Longest reason that is taken from a peer, in bytes.
pub(crate) const MAX_REASON: usize = 256;
/// Reasons of one peer for one channel that the user is told; what a peer makes up beyond that is noise.
const MAX_REASONS: usize = 4;
/// After the first refusal the channel is offered again after this time, in milliseconds.
const FIRST_WAIT_MS: u64 = 15_000;
/// Longest time between two offers, in milliseconds.
const LONGEST_WAIT_MS: u64 = 3_600_000;
/// What a peer is told that still speaks of a channel which this node has given up.
const GIVEN_UP: &str = "it was given up before anybody had put anything in; open another one";

/// A peer that does not take our channel.
#[derive(Debug)]
pub(crate) struct Declined {
    /// The user was told of these.
    told: Vec<String>,
    /// Why, in the words that came last.
    reason: String,
    /// How long it waits before the next offer, milliseconds.
    wait_ms: u64,
    next: Next,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Next {
    /// It is offered, and the peer's answer is awaited.
    Answer,
    /// It is offered again at this time, milliseconds.
    Offer(u64),
    /// The peer is away.
    Connection,
}

impl Declined {
    /// When it is offered again, milliseconds.
    pub(crate) fn due(&self) -> Option<u64> {
        match self.next {
            Next::Offer(at) => Some(at),
            Next::Answer | Next::Connection => None,
        }
    }

    /// A connection, or its time, makes for another offer.
    pub(crate) fn offered(&mut self) {
        self.next = Next::Answer;
    }

    /// Why, in the words that came last.
    pub(crate) fn reason(&self) -> &str {
        &self.reason
    }
}

impl Engine {
    /// Whether the peer takes a channel that this node offers, or why not; `None`: it has not answered.
    pub fn answer_to_offer(&self, channel: ChannelId) -> Option<Result<(), String>> {
        let entry = self.channels.get(&channel)?;
        match &entry.declined {
            Some(declined) => Some(Err(declined.reason().to_owned())),
            None => entry.introduced.then_some(Ok(())),
        }
    }

    /// Whether the peer's operator is asked to approve a channel that this node offers.
    pub fn awaits_approval(&self, channel: ChannelId) -> bool {
        let declined = self
            .channels
            .get(&channel)
            .and_then(|entry| entry.declined.as_ref().map(|d| d.reason() == WAITS));
        declined.unwrap_or_default()
    }

    pub(crate) fn introduce(&mut self, id: ChannelId) {
        let Some(entry) = self.channels.get(&id) else { return };
        let params = entry.channel.params().clone();
        let frame = match (entry.channel.child_opening(), entry.channel.app_start()) {
            (Some(opening), _) => Frame::OpenChild { opening: Box::new(opening) },
            (None, Some(start)) => Frame::OpenApp { params, start: start.clone() },
            (None, None) => Frame::Open { params },
        };
        let frame = frame.encode();
        self.effects.push(Effect::Send { peer: entry.peer, frame });
    }

    /// The peer has forgotten a channel, or asks what channel we speak of before it has read our offer.
    pub(crate) fn on_unknown(&mut self, now_ms: u64, peer: Address, id: ChannelId) {
        let Some(entry) = self.channels.get_mut(&id).filter(|entry| entry.peer == peer) else { return };
        if std::mem::replace(&mut entry.introduced, false) {
            self.connect_channel(now_ms, id);
        } else if entry.declined.as_ref().is_none_or(|declined| declined.next == Next::Answer) {
            self.introduce(id);
        }
    }

    /// Who has given a channel up knows nothing of it: the peer offers it then, and is told why it is not taken.
    pub(crate) fn tell_given_up(&mut self, peer: Address, id: ChannelId) {
        if self.peers.is_connected(peer) {
            let frame = Frame::Unknown { channel: id }.encode();
            self.effects.push(Effect::Send { peer, frame });
        }
    }

    /// Whether the offer of a peer is about a channel that this node has given up; it is told so.
    pub(crate) fn refuse_given_up(&mut self, peer: Address, id: ChannelId) -> bool {
        let entry = self.channels.get(&id).filter(|entry| entry.peer == peer);
        let is_refused = entry.is_some_and(|entry| entry.channel.is_given_up());
        if is_refused {
            self.decline(peer, id, GIVEN_UP);
        }
        is_refused
    }

    pub(crate) fn on_decline(&mut self, now_ms: u64, peer: Address, id: ChannelId, reason: &str) {
        let Some(entry) = self.channels.get_mut(&id).filter(|entry| entry.peer == peer) else { return };
        if entry.introduced {
            return;
        }
        if entry.opening.is_some() {
            // The peer opened it and has let go of it, and nothing was ever written.
            self.forget(id);
            return;
        }
        let end = (0..=reason.len().min(MAX_REASON)).rev().find(|end| reason.is_char_boundary(*end));
        let reason = reason[..end.unwrap_or(0)].to_owned();
        let first = || {
            let (told, reason) = (Vec::new(), String::new());
            Box::new(Declined { told, reason, wait_ms: FIRST_WAIT_MS / 2, next: Next::Answer })
        };
        let declined = entry.declined.get_or_insert_with(first);
        if declined.next == Next::Answer {
            declined.wait_ms = declined.wait_ms.saturating_mul(2).min(LONGEST_WAIT_MS);
            declined.next = Next::Offer(now_ms.saturating_add(declined.wait_ms));
        }
        declined.reason.clone_from(&reason);
        if !declined.told.contains(&reason) && declined.told.len() < MAX_REASONS {
            declined.told.push(reason.clone());
            self.effects.push(Effect::Notify(Notice::Declined { channel: id, reason }));
        }
        // Nobody is there to talk to, so nothing is repeated.
        self.drive(now_ms, id, |channel, _, out| channel.disconnected(out));
    }

    /// Offers a channel again whose time has come.
    pub(crate) fn offer_again(&mut self, now_ms: u64, id: ChannelId) {
        let Some(entry) = self.channels.get_mut(&id) else { return };
        if entry.channel.is_over() {
            entry.declined = None;
            return;
        }
        let Some(declined) = entry.declined.as_mut().filter(|d| d.due().is_some_and(|due| due <= now_ms))
        else {
            return;
        };
        declined.next = Next::Connection;
        if self.peers.is_connected(entry.peer) {
            self.connect_channel(now_ms, id);
        }
    }

    /// The peer speaks of the channel: it has taken it.
    pub(crate) fn on_taken(&mut self, now_ms: u64, id: ChannelId) {
        let Some(entry) = self.channels.get_mut(&id) else { return };
        entry.introduced = true;
        if entry.declined.take().is_some_and(|declined| declined.next != Next::Answer) {
            self.drive(now_ms, id, |channel, ctx, out| channel.connected(ctx, out));
        }
    }
}
