//! The peers: real nodes in the measuring process. They keep nothing on disk, since only the other side is measured.

use super::PEERS_FROM;
use crate::chain::{self, FundedChain};
use anyhow::Result;
use std::sync::Arc;
use strait_engine::Policy;
use strait_engine::ports::{Batch, HistoryEntry, Recovered, Store, StoreError};
use strait_node::transport::{Limits, Listen, PeerAddress};
use strait_node::{Node, NodeConfig, SystemRng};
use strait_protocol::Settings;
use strait_types::ChannelId;

/// Nothing is ever read back: the peers outlive the measurement.
struct NoStore;

impl Store for NoStore {
    fn commit(&mut self, _batch: &Batch) -> Result<(), StoreError> {
        Ok(())
    }

    fn recover(&self, _visit: &mut dyn FnMut(Recovered)) -> Result<(), StoreError> {
        Ok(())
    }

    fn meta(&self, _key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(None)
    }

    fn history(
        &self,
        _channel: ChannelId,
        _after: Option<u64>,
        _limit: usize,
    ) -> Result<Vec<HistoryEntry>, StoreError> {
        Ok(Vec::new())
    }

    fn prune_history(&mut self, _channel: ChannelId, _through: u64) -> Result<(), StoreError> {
        Ok(())
    }
}

/// All peers.
pub(super) struct Crowd {
    nodes: Vec<Node>,
}

/// What a node with many channels allows.
pub(super) fn policy() -> Policy {
    Policy { channels_per_peer: usize::MAX, unfunded_channels: usize::MAX, ..Policy::default() }
}

pub(super) fn config(key: u64, listen: Listen) -> NodeConfig {
    let key = chain::key(key);
    NodeConfig {
        payout: key.address(),
        signer: Arc::new(key),
        listen,
        allow_plain_remote: false,
        limits: Limits::default(),
        policy: policy(),
        settings: Settings::default(),
        poll: super::POLL,
        alarms: Default::default(),
        capacity: Default::default(),
        restored: false,
        rng: Box::new(SystemRng),
        rules: Arc::new(strait_protocol::NoRules),
        towers: Vec::new(),
    }
}

impl Crowd {
    pub(super) async fn start(peers: u64) -> Result<Crowd> {
        let mut nodes = Vec::new();
        for peer in 0..peers {
            let config = config(PEERS_FROM + peer, Listen::Off);
            nodes.push(Node::start(config, Box::new(FundedChain), Box::new(NoStore)).await?);
        }
        Ok(Crowd { nodes })
    }

    /// Has all peers connect to a node, wherever they found it before.
    pub(super) fn connect(&self, address: &PeerAddress) {
        self.nodes.iter().for_each(|node| node.add_peer(address.clone()));
    }
}
