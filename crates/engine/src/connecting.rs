//! Channels of a peer that has just connected are synchronised a few at a time. All at once, the signatures of very many
//! take longer than each waits for its answer before it asks again, so that both sides would do nothing else; and
//! every channel that synchronises is unpacked.

use crate::engine::Engine;
use std::collections::{BTreeMap, BTreeSet};
use strait_protocol::ChannelView;
use strait_types::{Address, ChannelId};

/// Channels of one peer that synchronise at the same time.
const AT_ONCE: usize = 256;

#[derive(Debug, Default)]
struct Queue {
    waiting: BTreeSet<ChannelId>,
    under_way: BTreeSet<ChannelId>,
}

/// What is still to be synchronised, by peer.
#[derive(Debug, Default)]
pub(crate) struct Connecting {
    by_peer: BTreeMap<Address, Queue>,
}

impl Connecting {
    fn begin(&mut self, peer: Address, channels: impl IntoIterator<Item = ChannelId>) {
        let waiting = channels.into_iter().collect();
        self.by_peer.insert(peer, Queue { waiting, under_way: BTreeSet::new() });
    }

    /// The next channel of a peer, unless enough of them are under way.
    fn next(&mut self, peer: Address) -> Option<ChannelId> {
        let queue = self.by_peer.get_mut(&peer)?;
        if queue.under_way.len() >= AT_ONCE {
            return None;
        }
        let next = queue.waiting.pop_first();
        match next {
            Some(id) => queue.under_way.insert(id),
            None => self.by_peer.remove(&peer).is_some(),
        };
        next
    }

    /// A channel waits no longer; whether it did.
    pub(crate) fn take(&mut self, peer: Address, id: ChannelId) -> bool {
        self.by_peer.get_mut(&peer).is_some_and(|queue| queue.waiting.remove(&id))
    }

    pub(crate) fn is_waiting(&self, peer: Address, id: ChannelId) -> bool {
        self.by_peer.get(&peer).is_some_and(|queue| queue.waiting.contains(&id))
    }

    /// A channel is synchronised, or its answer takes long, or it is no more.
    pub(crate) fn release(&mut self, peer: Address, id: ChannelId) {
        if let Some(queue) = self.by_peer.get_mut(&peer) {
            queue.waiting.remove(&id);
            queue.under_way.remove(&id);
        }
    }

    /// The connection is gone. Returns what still waited.
    pub(crate) fn end(&mut self, peer: Address) -> BTreeSet<ChannelId> {
        self.by_peer.remove(&peer).map(|queue| queue.waiting).unwrap_or_default()
    }
}

impl Engine {
    pub(crate) fn begin_connecting(&mut self, now_ms: u64, peer: Address, channels: Vec<ChannelId>) {
        self.connecting.begin(peer, channels);
        self.connect_more(now_ms, peer);
    }

    fn connect_more(&mut self, now_ms: u64, peer: Address) {
        while let Some(id) = self.connecting.next(peer) {
            self.connect_channel(now_ms, id);
        }
    }

    /// Makes room for the next.
    pub(crate) fn connected_one(&mut self, now_ms: u64, peer: Address, id: ChannelId) {
        self.connecting.release(peer, id);
        self.connect_more(now_ms, peer);
    }

    /// A channel that somebody uses need not wait for its turn.
    pub(crate) fn connect_first(&mut self, now_ms: u64, peer: Address, id: ChannelId) {
        if self.connecting.is_waiting(peer, id) {
            self.connect_channel(now_ms, id);
        }
    }

    /// To its user a channel that waits for its turn is as good as one that synchronises.
    pub(crate) fn show_connecting(&self, peer: Address, view: ChannelView) -> ChannelView {
        match self.connecting.is_waiting(peer, view.id) {
            true => ChannelView { link: "syncing", ..view },
            false => view,
        }
    }
}
