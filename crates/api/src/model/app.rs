use super::AssetAmount;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strait_types::{Address, Amount, Bytes, ChannelId};

/// Code of an app to keep.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AppInstall {
    /// On which chain; may be left out when the node has one.
    #[serde(default)]
    pub chain_id: Option<u64>,
    /// Its runtime code.
    #[schemars(with = "String")]
    pub runtime: Bytes,
}

/// An app whose code this node holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct InstalledApp {
    /// On which chain.
    pub chain_id: u64,
    /// Its address, which code and adjudicator decide on; it needn't be deployed.
    #[schemars(with = "String")]
    pub app: Address,
    /// Whether it is played here: `policy.apps` lists it.
    #[serde(default)]
    pub is_taken: bool,
}

/// The apps whose code this node holds.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct InstalledApps {
    /// By chain and address.
    pub apps: Vec<InstalledApp>,
}

/// What an app decides on in a state.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AppPosition {
    /// Who moves next, 0 or 1.
    pub writer: u8,
    /// What participant 0 and 1 have gained or lost so far, per asset: signed decimal strings that add up to zero.
    pub deltas: Vec<[String; 2]>,
    /// The app's own data.
    #[schemars(with = "String")]
    pub data: Bytes,
}

/// A channel with an app to open.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AppOpen {
    /// On which chain; may be left out when the node has one.
    #[serde(default)]
    pub chain_id: Option<u64>,
    /// The peer: `strait://SIGNER@HOST:PORT`, or the signer alone when the node knows where it is. Left out with `parent`.
    #[serde(default)]
    pub peer: String,
    /// The payment channel to open it in: without a transaction, at once, and with stakes of one asset that the two own
    /// there. The peer's node must take such a stake by its `policy.stakes`. Absent: a channel of its own, with deposits.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub parent: Option<ChannelId>,
    /// Where the peer is paid out; absent: the address that its node announces.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub peer_payout: Option<Address>,
    /// Seconds to answer a challenge, 3,600 to 2,592,000; absent: the node's configured one.
    #[serde(default)]
    pub challenge_duration: Option<u32>,
    /// The app: installed here and at the peer.
    #[schemars(with = "String")]
    pub app: Address,
    /// What this node puts in, per asset of the channel: deposited at once, or locked in the parent.
    pub stake: Vec<AssetAmount>,
    /// What the peer puts in, of the same assets in the same order.
    #[schemars(with = "Vec<String>")]
    pub peer_stake: Vec<Amount>,
    /// Where play starts; this node is participant 0.
    pub start: AppPosition,
    /// Makes a repetition open no second channel; at most 128 bytes, kept for 7 days.
    #[serde(default)]
    pub idempotency_key: Option<String>,
}

/// A move.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AppMove {
    /// Which channel.
    #[schemars(with = "String")]
    pub channel: ChannelId,
    /// Where it leads.
    pub next: AppPosition,
    /// Moves there even if the app would then give this node more than the peer has put in, which is all that the chain pays.
    #[serde(default)]
    pub accept_less: bool,
    /// Makes a repetition move no second time; at most 128 bytes, kept for 7 days.
    #[serde(default)]
    pub idempotency_key: Option<String>,
}

/// A move that the peer has countersigned, or the chain has recorded.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct AppMoved {
    /// The version that it made.
    pub version: u64,
}

/// An end to agree on.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AppFinish {
    /// Which channel.
    #[schemars(with = "String")]
    pub channel: ChannelId,
    /// What participant 0 and 1 gain or lose, per asset: signed decimal strings that add up to zero.
    pub outcome: Vec<[String; 2]>,
    /// Makes a repetition answer as the first one; at most 128 bytes, kept for 7 days.
    #[serde(default)]
    pub idempotency_key: Option<String>,
}

/// How play stands.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct AppInfo {
    /// The channel.
    #[schemars(with = "String")]
    pub channel: ChannelId,
    /// Its app.
    #[schemars(with = "String")]
    pub app: Address,
    /// Which of the two participants this node is, 0 or 1.
    pub side: u8,
    /// The newest version; 0 until both have deposited their stakes.
    pub version: u64,
    /// What participants 0 and 1 put in, per asset, in the smallest unit.
    #[schemars(with = "Vec<[String; 2]>")]
    pub stakes: Vec<[Amount; 2]>,
    /// Where it stands; before both have deposited, where it is to start.
    pub position: AppPosition,
    /// Whether play has ended: by what both signed, or by the chain.
    #[serde(default)]
    pub is_over: bool,
    /// Whether this node is to move.
    pub our_turn: bool,
    /// Whether this node's last move awaits the peer or the chain.
    pub in_flight: bool,
    /// In a dispute: until when the next move may be made, Unix seconds.
    pub deadline: Option<u64>,
    /// While the peer is to move: when this node goes to the chain by itself if it has not, Unix seconds; by
    /// `chains.NAME.settings.move_patience`.
    pub claims_at: Option<u64>,
    /// The end that the peer offers: `app_finish` with the same outcome agrees.
    pub offer: Option<Vec<[String; 2]>>,
    /// The end that this node has proposed. It stands until the peer agrees or refuses, or a move is made.
    #[serde(default)]
    pub proposed: Option<Vec<[String; 2]>>,
    /// What the app gives to participant 0 and 1 if nobody moves any more, per asset; absent before the start, and where this
    /// node cannot run the app.
    #[serde(default)]
    pub verdict: Option<Vec<[String; 2]>>,
}
