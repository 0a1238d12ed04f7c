//! Peers, and the channels with them.

use crate::engine::{Engine, Entry};
use crate::input::{Effect, EngineError, Notice};
use crate::policy::PolicyError;
use crate::ports::Kind;
use crate::status::PeerView;
use std::collections::{BTreeMap, BTreeSet};
use strait_protocol::{AppStart, Channel, Frame, Settings, Token};
use strait_types::{Address, ChannelId, ChannelParams, Side};

#[derive(Debug, Default)]
struct Peer {
    connected: bool,
    /// Since when it is connected, or is not any more, milliseconds.
    since_ms: Option<u64>,
    channels: BTreeSet<ChannelId>,
    /// Those of them whose life on chain is over.
    closed: BTreeSet<ChannelId>,
}

/// All peers that have a channel or a connection.
#[derive(Debug, Default)]
pub(crate) struct Peers {
    by_signer: BTreeMap<Address, Peer>,
}

impl Peers {
    pub(crate) fn add_channel(&mut self, peer: Address, channel: ChannelId) {
        self.by_signer.entry(peer).or_default().channels.insert(channel);
    }

    pub(crate) fn is_connected(&self, peer: Address) -> bool {
        self.by_signer.get(&peer).is_some_and(|peer| peer.connected)
    }

    fn remove_channel(&mut self, peer: Address, channel: ChannelId) {
        let Some(entry) = self.by_signer.get_mut(&peer) else { return };
        entry.channels.remove(&channel);
        if entry.channels.is_empty() && !entry.connected {
            self.by_signer.remove(&peer);
        }
    }

    fn channels(&self, peer: Address) -> Vec<ChannelId> {
        self.by_signer.get(&peer).map(|peer| peer.channels.iter().copied().collect()).unwrap_or_default()
    }

    /// Channels with a peer that are not closed: only of them there is anything to say.
    fn open_channels(&self, peer: Address) -> Vec<ChannelId> {
        let open = |peer: &Peer| peer.channels.difference(&peer.closed).copied().collect();
        self.by_signer.get(&peer).map(open).unwrap_or_default()
    }

    /// Channels with a peer that are not closed.
    fn count(&self, peer: Address) -> usize {
        self.by_signer.get(&peer).map_or(0, |peer| peer.channels.len().saturating_sub(peer.closed.len()))
    }

    /// Channels that are not closed.
    pub(crate) fn open_count(&self) -> usize {
        self.by_signer.values().map(|peer| peer.channels.len().saturating_sub(peer.closed.len())).sum()
    }

    /// A reorg may open a channel again.
    pub(crate) fn set_closed(&mut self, peer: Address, channel: ChannelId, closed: bool) {
        let Some(peer) = self.by_signer.get_mut(&peer) else { return };
        if closed {
            peer.closed.insert(channel);
        } else {
            peer.closed.remove(&channel);
        }
    }

    /// Returns whether that is news of a peer with a channel.
    fn set_connected(&mut self, now_ms: u64, peer: Address, connected: bool) -> bool {
        let entry = self.by_signer.entry(peer).or_default();
        let is_news = entry.connected != connected && !entry.channels.is_empty();
        entry.connected = connected;
        entry.since_ms = Some(now_ms);
        if !connected && entry.channels.is_empty() {
            self.by_signer.remove(&peer);
        }
        is_news
    }

    /// Peers with a channel.
    pub(crate) fn views(&self) -> Vec<PeerView> {
        let with_channel = self.by_signer.iter().filter(|(_, peer)| !peer.channels.is_empty());
        let view = |(signer, peer): (&Address, &Peer)| PeerView {
            signer: *signer,
            connected: peer.connected,
            since_ms: peer.since_ms,
            open_channels: peer.channels.len().saturating_sub(peer.closed.len()),
        };
        with_channel.map(view).collect()
    }
}

/// A channel as it is offered.
pub(crate) struct Terms {
    pub(crate) params: ChannelParams,
    /// In a channel with an app.
    pub(crate) start: Option<AppStart>,
}

/// Who makes a channel known.
#[derive(Clone, Copy)]
enum Origin {
    User(Token),
    Peer { approved: Option<Token> },
}

impl Engine {
    pub(crate) fn on_connected(&mut self, now_ms: u64, peer: Address) {
        if self.peers.is_connected(peer) {
            self.on_disconnected(now_ms, peer);
        }
        if self.peers.set_connected(now_ms, peer, true) {
            self.effects.push(Effect::Notify(Notice::Connected { peer }));
        }
        let channels = self.peers.open_channels(peer);
        self.begin_connecting(now_ms, peer, channels);
    }

    pub(crate) fn connect_channel(&mut self, now_ms: u64, id: ChannelId) {
        let Some(entry) = self.channels.get_mut(&id) else { return };
        self.connecting.take(entry.peer, id);
        if let Some(declined) = &mut entry.declined {
            declined.offered();
        }
        if !entry.introduced {
            self.introduce(id);
        }
        self.drive(now_ms, id, |channel, ctx, out| channel.connected(ctx, out));
    }

    pub(crate) fn on_disconnected(&mut self, now_ms: u64, peer: Address) {
        if self.peers.set_connected(now_ms, peer, false) {
            self.effects.push(Effect::Notify(Notice::Disconnected { peer }));
        }
        let waiting = self.connecting.end(peer);
        for channel in self.peers.channels(peer).into_iter().filter(|id| !waiting.contains(id)) {
            self.drive(now_ms, channel, |channel, _, out| channel.disconnected(out));
        }
    }

    pub(crate) fn on_frame(&mut self, now_ms: u64, peer: Address, bytes: &[u8]) {
        if !self.peers.is_connected(peer) {
            return;
        }
        match Frame::decode(bytes) {
            Ok(Frame::Open { params }) => self.on_open(now_ms, peer, Terms { params, start: None }),
            Ok(Frame::OpenApp { params, start }) => {
                self.on_open(now_ms, peer, Terms { params, start: Some(start) });
            }
            Ok(Frame::OpenChild { opening }) => self.on_child_told(now_ms, peer, *opening),
            Ok(Frame::Decline { channel, reason }) => self.on_decline(now_ms, peer, channel, &reason),
            Ok(Frame::Unknown { channel }) => self.on_unknown(now_ms, peer, channel),
            Ok(Frame::Channel { channel, body }) => {
                match self.channels.get_mut(&channel).filter(|entry| entry.peer == peer) {
                    Some(entry) if entry.channel.is_given_up() => self.tell_given_up(peer, channel),
                    Some(_) => {
                        self.connect_first(now_ms, peer, channel);
                        self.on_taken(now_ms, channel);
                        self.drive(now_ms, channel, |c, ctx, out| c.message(ctx, body, out));
                    }
                    // A stranger learns no more from an id that it must not know than from a made-up one.
                    None => {
                        let frame = Frame::Unknown { channel }.encode();
                        self.effects.push(Effect::Send { peer, frame });
                    }
                }
            }
            Err(reason) => self.effects.push(Effect::Disconnect { peer, reason }),
        }
    }

    pub(crate) fn decline(&mut self, peer: Address, channel: ChannelId, reason: &str) {
        let frame = Frame::Decline { channel, reason: reason.to_owned() }.encode();
        self.effects.push(Effect::Send { peer, frame });
    }

    fn on_open(&mut self, now_ms: u64, peer: Address, terms: Terms) {
        let id = terms.params.id(self.domain.chain_id(), self.domain.adjudicator());
        if self.refuse_given_up(peer, id) {
            return;
        }
        if let Some(entry) = self.channels.get_mut(&id) {
            // The answer to an introduction is the channel's own synchronisation. It is given once: each one makes
            // the channel ready to send all that is in flight again.
            if entry.peer == peer && !std::mem::replace(&mut entry.introduced, true) {
                entry.declined = None;
                self.connecting.take(peer, id);
                self.drive(now_ms, id, |channel, ctx, out| channel.connected(ctx, out));
            }
            return;
        }
        if let Some(reason) = self.proposals.rejection(id).map(str::to_owned) {
            self.decline(peer, id, &reason);
            return;
        }
        match self.admit(peer, id, &terms) {
            Ok(_) if self.policy.manual_approval => self.propose(now_ms, peer, id, terms),
            Ok(side) => match self.make_room(peer) {
                Ok(()) => self.accept_offer(now_ms, id, terms, side, None),
                Err(error) => self.decline(peer, id, &error.to_string()),
            },
            // What is "here" for us is not where the reader is.
            Err(EngineError::UnknownApp(app)) => {
                self.decline(peer, id, &format!("its node has not installed the app {app}"));
            }
            Err(error) => self.decline(peer, id, &error.to_string()),
        }
    }

    /// Judges a channel that a peer offers; which side we would be.
    pub(crate) fn admit(&self, peer: Address, id: ChannelId, terms: &Terms) -> Result<Side, EngineError> {
        let params = &terms.params;
        let own = self.signer.address();
        let side = params.side_of(own).filter(|side| params.participant(side.other()).signer == peer);
        let side = side.ok_or(EngineError::NotOurs)?;
        self.policy.check_payout(params.participant(side).payout)?;
        self.policy.check(params, self.peers.count(peer))?;
        self.check_start(id, terms)?;
        Ok(side)
    }

    fn check_start(&self, id: ChannelId, terms: &Terms) -> Result<(), EngineError> {
        match (&terms.start, terms.params.app.is_zero()) {
            (Some(start), false) => self.apps.judge_start(id, &terms.params, start),
            (None, true) => Ok(()),
            _ => Err(EngineError::Start),
        }
    }

    /// Takes a channel that a peer offers.
    pub(crate) fn accept_offer(
        &mut self,
        now_ms: u64,
        id: ChannelId,
        terms: Terms,
        side: Side,
        approved: Option<Token>,
    ) {
        let peer_deposit = self.policy.deposits_of_peer(&terms.params);
        let settings = Settings { peer_deposit, ..self.settings.clone() };
        self.add_channel(now_ms, (id, side), terms, settings, Origin::Peer { approved });
    }

    /// Makes room for one more channel that a peer opens; it may cost the peer with most of them its oldest.
    fn make_room(&mut self, peer: Address) -> Result<(), EngineError> {
        let count = self.unfunded.len();
        if count < self.policy.unfunded_channels {
            return Ok(());
        }
        let victim = self.unfunded.victim(peer).ok_or(PolicyError::TooManyUnfunded(count))?;
        self.forget(victim);
        Ok(())
    }

    /// Forgets a channel of which nothing was ever written, on disk or on chain.
    pub(crate) fn forget(&mut self, id: ChannelId) {
        let Some(entry) = self.channels.remove(&id) else { return };
        self.unfunded.remove(entry.peer, id);
        self.peers.remove_channel(entry.peer, id);
        self.connecting.release(entry.peer, id);
        self.fetching.remove(&id);
        self.lookups.remove(&id);
        self.touched.remove(&id);
        self.watched.remove(&id);
        if let Some(tick) = entry.tick {
            self.timers.remove(&(tick, id));
        }
    }

    pub(crate) fn open_own(&mut self, now_ms: u64, token: Token, terms: Terms, settings: Settings) {
        let own = self.signer.address();
        let params = &terms.params;
        let id = params.id(self.domain.chain_id(), self.domain.adjudicator());
        let Some(side) = params.side_of(own) else {
            self.fail(token, EngineError::NotParticipant(own));
            return;
        };
        if self.channels.contains_key(&id) {
            self.fail(token, EngineError::AlreadyOpen(id));
            return;
        }
        let existing = self.peers.count(params.participant(side.other()).signer);
        let admitted = self.policy.check(params, existing).map_err(EngineError::from);
        match admitted.and_then(|()| self.check_start(id, &terms)) {
            Ok(()) => self.add_channel(now_ms, (id, side), terms, settings, Origin::User(token)),
            Err(error) => self.fail(token, error),
        }
    }

    fn add_channel(
        &mut self,
        now_ms: u64,
        (id, side): (ChannelId, Side),
        Terms { params, start }: Terms,
        settings: Settings,
        origin: Origin,
    ) {
        let peer = params.participant(side.other()).signer;
        let (channel, record) = match start {
            Some(start) => Channel::open_app(id, params, side, settings, start),
            None => Channel::open(id, params, side, settings),
        };
        let payload = borsh::to_vec(&record).unwrap_or_default();
        let journal_bytes = payload.len();
        let (introduced, token) = match origin {
            Origin::User(token) => (false, Some(token)),
            Origin::Peer { approved } => (true, approved),
        };
        let opening = if token.is_some() {
            self.batch.record(id, Kind::Working, payload);
            None
        } else {
            self.unfunded.insert(peer, id);
            Some(payload)
        };
        let entry = Entry { introduced, opening, ..Entry::new(channel, peer, journal_bytes) };
        self.channels.insert(id, entry);
        self.proposals.forget(id, &mut self.batch);
        self.peers.add_channel(peer, id);
        self.effects.push(Effect::Notify(Notice::Opened { token, channel: id }));
        self.fetch_events(id);
        if self.peers.is_connected(peer) {
            self.connect_channel(now_ms, id);
        }
    }
}
