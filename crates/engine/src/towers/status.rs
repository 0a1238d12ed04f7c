//! The towers at a glance.

use crate::engine::Engine;
use serde::Serialize;
use strait_types::{Address, ChannelId, Version};

/// A tower of this node.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct TowerView {
    /// Its signer.
    pub tower: Address,
    /// Whether an authenticated connection is up.
    pub connected: bool,
    /// Whether it said that it does not serve this node.
    pub is_turned_away: bool,
    /// Whether it has told what it holds since this node started, and handed back what was asked for. Until then a restored
    /// channel waits for it.
    pub has_told: bool,
    /// Channels of which it has signed for something.
    pub held: usize,
    /// Channels whose newest state it lacks.
    pub behind: usize,
    /// Since when the first of them, in milliseconds since the Unix epoch.
    pub behind_since_ms: Option<u64>,
    /// Channels that it does not guard, with its reasons.
    pub refused: Vec<(ChannelId, String)>,
    /// When it last signed for something, by its own clock, in Unix seconds.
    pub last_receipt: Option<u64>,
}

impl Engine {
    /// This node's towers, by signer.
    pub fn towers(&self) -> Vec<TowerView> {
        let view = |(tower, link): (&Address, &super::link::Link)| TowerView {
            tower: *tower,
            connected: link.is_connected,
            is_turned_away: link.is_turned_away,
            has_told: link.has_told(),
            held: link.held.len(),
            behind: link.lagging(),
            behind_since_ms: link.behind_since(),
            refused: link.refusals.iter().map(|(channel, reason)| (*channel, reason.clone())).collect(),
            last_receipt: link.held.values().map(|receipt| receipt.at).max(),
        };
        self.towers.links.iter().map(view).collect()
    }

    /// Which version of a channel each tower has signed for, by signer; `None`: nothing yet.
    pub fn guarded_by(&self, channel: ChannelId) -> Vec<(Address, Option<Version>)> {
        let links = self.towers.links.iter();
        links.map(|(tower, link)| (*tower, link.held.get(&channel).map(|receipt| receipt.version))).collect()
    }

    /// A tower's signed word on a channel, to show what it promised.
    pub fn receipt(&self, tower: Address, channel: ChannelId) -> Option<&crate::tower::Receipt> {
        self.towers.links.get(&tower)?.held.get(&channel)
    }
}
