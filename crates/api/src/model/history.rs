use super::AppPosition;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use strait_types::{Address, Amount, B256, Bytes, ChannelId};

/// Which part of a channel's history.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HistoryQuery {
    /// Of which channel.
    #[schemars(with = "String")]
    pub channel: ChannelId,
    /// The `next` of the page before.
    #[serde(default)]
    pub cursor: Option<String>,
    /// About so many lines, 1 to 10,000; absent: 1,000. A page ends with a version.
    #[serde(default)]
    pub limit: Option<u32>,
}

/// A page of history.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct History {
    /// Oldest first.
    pub lines: Vec<HistoryLine>,
    /// The cursor of the next page; absent when this page ends with the newest agreed version.
    pub next: Option<String>,
    /// A cursor that yields what is agreed after this page.
    pub resume: String,
    /// What was agreed up to this version was pruned, and is in no page; 0: nothing was.
    #[serde(default)]
    pub pruned_through: u64,
}

/// What of a channel's history is forgotten.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HistoryPrune {
    /// Of which channel; not one with an app.
    #[schemars(with = "String")]
    pub channel: ChannelId,
    /// Versions before this one are forgotten, as far as the node needs them no more; at most the newest plus 1.
    pub before: u64,
}

/// Where a history begins now.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct HistoryPruned {
    /// What was agreed up to this version is forgotten, now or earlier; 0: nothing is.
    pub through: u64,
    /// What `through` was before.
    pub before: u64,
}

/// One agreed operation.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct HistoryLine {
    /// The version that holds it.
    pub version: u64,
    /// Whether this node wrote it.
    pub is_ours: bool,
    /// What was agreed.
    #[serde(flatten)]
    pub entry: HistoryEntry,
}

/// What was agreed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "operation", rename_all = "snake_case")]
pub enum HistoryEntry {
    /// This node was restored from a backup and took over a newer state with both signatures: what came between the two is
    /// in the peer's history alone. The balances are right.
    Restored {
        /// Payments of this node that are missing.
        missing_made: u64,
        /// Payments of the peer that are missing.
        missing_received: u64,
    },
    /// After a restore both have signed the same balances again, under a number so high that no version of before can be
    /// newer.
    Rebase,
    /// A payment of the writer.
    Pay {
        /// Its number among the writer's payments, from 0.
        number: u64,
        /// The zero address is the native coin.
        #[schemars(with = "String")]
        asset: Address,
        /// In the smallest unit.
        #[schemars(with = "String")]
        amount: Amount,
        /// The payee's reference.
        #[schemars(with = "Option<String>")]
        invoice: Option<B256>,
        /// Text, or `0x` and hex when it is none.
        memo: String,
    },
    /// A lock of the writer's.
    AddLock {
        /// Its number in the channel.
        number: u64,
        /// The zero address is the native coin.
        #[schemars(with = "String")]
        asset: Address,
        /// In the smallest unit.
        #[schemars(with = "String")]
        amount: Amount,
        /// sha256 of the secret.
        #[schemars(with = "String")]
        hash: B256,
        /// Last chain time at which the secret counts on chain.
        expiry: u64,
    },
    /// A lock was paid.
    SettleLock {
        /// Its number.
        number: u64,
        /// The secret.
        #[schemars(with = "String")]
        preimage: B256,
    },
    /// A lock went back.
    CancelLock {
        /// Its number.
        number: u64,
    },
    /// A withdrawal was agreed.
    Withdraw {
        /// Whether to this node.
        to_us: bool,
        /// The zero address is the native coin.
        #[schemars(with = "String")]
        asset: Address,
        /// In the smallest unit.
        #[schemars(with = "String")]
        amount: Amount,
        /// Last chain time at which it can be executed.
        valid_until: u64,
    },
    /// A child channel was opened; its funds are locked here.
    OpenChild {
        /// Its lock's number in the channel.
        number: u64,
        /// The child.
        #[schemars(with = "String")]
        child: ChannelId,
        /// The zero address is the native coin.
        #[schemars(with = "String")]
        asset: Address,
        /// What its participants 0 and 1 put in, in the smallest unit.
        #[schemars(with = "[String; 2]")]
        stakes: [Amount; 2],
        /// Its app, if it has one.
        #[schemars(with = "Option<String>")]
        app: Option<Address>,
    },
    /// A child channel was closed back into this one.
    CloseChild {
        /// The child.
        #[schemars(with = "String")]
        child: ChannelId,
        /// What its participants 0 and 1 got, in the smallest unit.
        #[schemars(with = "[String; 2]")]
        outcome: [Amount; 2],
    },
    /// The pen changed hands.
    HandOver,
    /// The last word was agreed.
    Finalise {
        /// Last chain time at which it can be executed.
        valid_until: u64,
    },
    /// A move, or the start, of an app.
    Move {
        /// Where it leads.
        position: AppPosition,
    },
    /// The end of an app was agreed.
    Finish {
        /// What participant 0 and 1 gain or lose, per asset: signed decimal strings that add up to zero.
        outcome: Vec<[String; 2]>,
    },
}

/// A part of history that proves itself: `strait history verify` replays it from version 0, or from where it was pruned, and
/// checks both signatures, without a node.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct HistoryProof {
    /// On which chain.
    pub chain_id: u64,
    /// By which contract.
    #[schemars(with = "String")]
    pub adjudicator: Address,
    /// The channel's terms, as the contract takes them.
    pub params: Value,
    /// Which participant wrote the records, 0 or 1.
    pub side: u8,
    /// Of a pruned history: the balances, locks and counts from which the first record goes on, as they are on disk. That
    /// they are true follows from the records, whose signatures cover what they build on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub start: Option<Bytes>,
    /// The records as they are on disk, oldest first.
    #[schemars(with = "Vec<String>")]
    pub records: Vec<Bytes>,
    /// The best state that both had signed when the answer began, as [`SignedState`](super::SignedState); the records of
    /// the last page lead to it, and may go beyond.
    pub latest: Value,
    /// The cursor of the next page, unless this is the last.
    pub next: Option<String>,
}
