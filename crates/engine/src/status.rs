//! The engine at a glance, for whoever operates it.

use crate::engine::Engine;
use crate::ports::Account;
use serde::Serialize;
use strait_protocol::Phase;
use strait_types::{Address, B256, ChannelId, Version};

/// A block, for the operator.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct BlockView {
    /// Height.
    pub number: u64,
    /// Hash.
    pub hash: B256,
    /// Timestamp, Unix seconds.
    pub time: u64,
}

/// How far the chain is followed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct ChainStatus {
    /// The chain's head at the last answer of the endpoint; `None` before the first since the start.
    pub head: Option<BlockView>,
    /// The last block that was processed.
    pub processed: Option<BlockView>,
    /// No new head has come for longer than [`crate::Alarms::stale_after`].
    pub stale: bool,
}

/// A dispute on chain that runs or has run out.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct DisputeStatus {
    /// Which channel.
    pub channel: ChannelId,
    /// Whether we brought it.
    pub ours: bool,
    /// Unix seconds; the last time at which a response counts.
    pub deadline: u64,
    /// Version on record.
    pub recorded: Version,
    /// Highest version that we could show.
    pub best: Version,
    /// Whether the record is as high as our best, so that nothing is left to be shown.
    pub answered: bool,
}

/// A peer with a channel.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct PeerView {
    /// The peer's signer.
    pub signer: Address,
    /// Whether an authenticated connection is up.
    pub connected: bool,
    /// Since when, in milliseconds since the Unix epoch; `None`: never since the start.
    pub since_ms: Option<u64>,
    /// Channels with it that are not closed.
    pub open_channels: usize,
}

/// The account that pays gas and deposits.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct AccountStatus {
    /// Its address.
    pub address: Address,
    /// What it holds, in wei, as a decimal number.
    pub balance: String,
    /// When it was asked, in milliseconds since the Unix epoch.
    pub at_ms: u64,
}

impl AccountStatus {
    pub(crate) fn new(account: &Account, at_ms: u64) -> AccountStatus {
        AccountStatus { address: account.address, balance: account.balance.to_string(), at_ms }
    }
}

/// A halt after a reorg deeper than can be undone.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct HaltView {
    /// Since when, in milliseconds since the Unix epoch.
    pub since_ms: u64,
    /// Height of the chain that took the place of the one that was known.
    pub head: u64,
    /// Channels whose events are still awaited.
    pub waiting: usize,
}

/// The engine at a glance.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Status {
    /// How far the chain is followed.
    pub chain: ChainStatus,
    /// Nothing of value moves: the channels' events are read anew. It ends by itself.
    pub halted: Option<HaltView>,
    /// Channels that are known and not closed.
    pub open_channels: usize,
    /// Channels that peers opened and nobody has funded yet.
    pub unfunded_channels: usize,
    /// Channels that wait for the operator's approval.
    pub proposals: usize,
    /// By channel.
    pub disputes: Vec<DisputeStatus>,
    /// Peers that have a channel with us, by signer.
    pub peers: Vec<PeerView>,
    /// `None`: the chain has not answered yet.
    pub account: Option<AccountStatus>,
}

impl Engine {
    /// The engine at a glance. It looks at every channel.
    pub fn status(&self) -> Status {
        Status {
            chain: ChainStatus {
                head: self.alarm.head,
                processed: self.cursor.head_view(),
                stale: self.alarm.is_stale(),
            },
            halted: self.halt_view(),
            open_channels: self.peers.open_count(),
            unfunded_channels: self.unfunded.len(),
            proposals: self.proposals().count(),
            disputes: self.disputes(),
            peers: self.peers.views(),
            account: self.account.clone(),
        }
    }

    /// Disputes that run or have run out and are not settled, by channel.
    fn disputes(&self) -> Vec<DisputeStatus> {
        let mut disputes = Vec::new();
        for id in &self.watched {
            let Some(channel) = self.channel(*id) else { continue };
            let facts = channel.facts();
            let Phase::Disputed { deadline, challenger, .. } = facts.phase else { continue };
            let recorded = facts.recorded.as_ref().map_or(Version::ZERO, |state| state.version);
            let best = channel.best_version();
            disputes.push(DisputeStatus {
                channel: *id,
                ours: challenger == Some(channel.side()),
                deadline,
                recorded,
                best,
                answered: recorded >= best,
            });
        }
        disputes
    }
}
