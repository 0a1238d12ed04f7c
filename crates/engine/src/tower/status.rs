//! A tower at a glance, for its operator.

use super::Tower;
use crate::status::{AccountStatus, ChainStatus, DisputeStatus};
use serde::Serialize;
use std::collections::BTreeMap;
use strait_protocol::Phase;
use strait_types::{Address, Version};

/// A client.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct ClientStatus {
    /// Its signer.
    pub client: Address,
    /// Whether it is connected.
    pub connected: bool,
    /// Channels that are guarded for it.
    pub channels: u32,
    /// What they take, in bytes.
    pub bytes: u64,
}

/// Transactions of one kind since the start.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct CallCount {
    /// The chain took them.
    pub sent: u64,
    /// It did not, or could not be asked; what is still wanted is tried again.
    pub failed: u64,
}

/// A tower at a glance.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct TowerStatus {
    /// How far the chain is followed.
    pub chain: ChainStatus,
    /// Channels that are guarded.
    pub channels: usize,
    /// What they take, in bytes.
    pub bytes: u64,
    /// By signer.
    pub clients: Vec<ClientStatus>,
    /// Disputes that run or have run out, by channel.
    pub disputes: Vec<DisputeStatus>,
    /// Transactions since the start, by call.
    pub calls: BTreeMap<&'static str, CallCount>,
    /// The account that pays gas; `None`: the chain has not answered yet.
    pub account: Option<AccountStatus>,
}

impl Tower {
    /// The tower at a glance.
    pub fn status(&self) -> TowerStatus {
        let client = |(client, usage): (&Address, &super::quota::Usage)| ClientStatus {
            client: *client,
            connected: self.connected.contains(client),
            channels: usage.channels,
            bytes: usage.bytes,
        };
        TowerStatus {
            chain: ChainStatus {
                head: self.alarm.head,
                processed: self.cursor.head_view(),
                stale: self.alarm.is_stale(),
            },
            channels: self.watched.len(),
            bytes: self.total_bytes,
            clients: self.usage.iter().map(client).collect(),
            disputes: self.disputes(),
            calls: self.sent.clone(),
            account: self.account.clone(),
        }
    }

    fn disputes(&self) -> Vec<DisputeStatus> {
        let mut disputes = Vec::new();
        for id in &self.attention {
            let guards = self.watched.get(id).map(|watched| watched.guards.as_slice()).unwrap_or_default();
            let Some(guard) = guards.iter().max_by_key(|guard| guard.version()) else { continue };
            let facts = guard.channel.facts();
            let Phase::Disputed { deadline, challenger, .. } = facts.phase else { continue };
            let recorded = facts.recorded.as_ref().map_or(Version::ZERO, |state| state.version);
            let best = guard.version();
            let (ours, answered) = (challenger == Some(guard.side), recorded >= best);
            disputes.push(DisputeStatus { channel: *id, ours, deadline, recorded, best, answered });
        }
        disputes
    }
}
