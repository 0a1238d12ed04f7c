//! Channels that peers opened and the chain knows nothing of: they cost strangers nothing, so they cost us little. They
//! are kept in memory alone, and the peer that has most of them gives way.

use std::collections::{BTreeMap, VecDeque};
use strait_types::{Address, ChannelId};

/// By peer, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Unfunded {
    by_peer: BTreeMap<Address, VecDeque<ChannelId>>,
    count: usize,
}

impl Unfunded {
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    pub(crate) fn insert(&mut self, peer: Address, channel: ChannelId) {
        self.by_peer.entry(peer).or_default().push_back(channel);
        self.count = self.count.saturating_add(1);
    }

    pub(crate) fn remove(&mut self, peer: Address, channel: ChannelId) {
        let Some(channels) = self.by_peer.get_mut(&peer) else { return };
        let Some(at) = channels.iter().position(|known| *known == channel) else { return };
        channels.remove(at);
        self.count = self.count.saturating_sub(1);
        if channels.is_empty() {
            self.by_peer.remove(&peer);
        }
    }

    /// Which channel gives way to another one of `newcomer`: the oldest of the peer that has most, unless that is
    /// the newcomer itself.
    pub(crate) fn victim(&self, newcomer: Address) -> Option<ChannelId> {
        let own = self.by_peer.get(&newcomer).map_or(0, VecDeque::len);
        let (_, most) = self.by_peer.iter().max_by_key(|(_, channels)| channels.len())?;
        if most.len() > own.saturating_add(1) { most.front().copied() } else { None }
    }
}
