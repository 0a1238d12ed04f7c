//! The watchtowers of a node.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strait_types::{Address, ChannelId};

/// Which towers, and of which channel they tell.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TowerQuery {
    /// Shows which version of this channel each tower has signed for.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub channel: Option<ChannelId>,
}

/// A tower to hand over to.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TowerAdd {
    /// `strait-tower://SIGNER@HOST:PORT`; takes the place of another address of the same signer, if the tower is reached there.
    pub address: String,
}

/// A tower to hand over to no more.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TowerRemove {
    /// Its key.
    #[schemars(with = "String")]
    pub signer: Address,
}

/// A tower that is handed over to no more.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct TowerRemoved {
    /// The node's configuration names it, so that it is back after a restart.
    pub until_restart: bool,
}

/// The towers.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Towers {
    /// One for each chain and tower.
    pub towers: Vec<TowerInfo>,
}

/// A tower on a chain.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct TowerInfo {
    /// `strait-tower://SIGNER@HOST:PORT`.
    pub address: String,
    /// Its key.
    #[schemars(with = "String")]
    pub signer: Address,
    /// The chain.
    pub chain_id: u64,
    /// Whether it is connected.
    pub is_connected: bool,
    /// Whether it has told what it holds since the node's start. Until then nothing is handed over, and restored channels wait.
    #[serde(default)]
    pub has_told: bool,
    /// Channels of which it has signed for something.
    pub held: u64,
    /// Channels whose newest state it lacks.
    pub behind: u64,
    /// Seconds since the first of them has been lacking.
    pub behind_for: Option<u64>,
    /// Channels that it does not guard.
    pub refused: u64,
    /// Its reason for the first of them.
    pub refusal: Option<String>,
    /// When it last signed for something, by its own clock, in Unix seconds.
    pub last_receipt: Option<u64>,
    /// What is wrong with the connection.
    pub problem: Option<String>,
    /// Version of the channel that was asked for, if it has signed for one.
    pub version: Option<u64>,
}
