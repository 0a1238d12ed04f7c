use crate::error::ErrorCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strait_types::{Address, Amount, B256, ChannelId};

/// A payment.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pay {
    /// Over which channel.
    #[schemars(with = "String")]
    pub channel: ChannelId,
    /// Which asset; absent: the channel's only one.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub asset: Option<Address>,
    /// In the smallest unit.
    #[schemars(with = "String")]
    pub amount: Amount,
    /// The payee's reference, 32 bytes.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub invoice: Option<B256>,
    /// Text on the bill that both sign, at most 512 bytes.
    #[serde(default)]
    pub memo: String,
    /// Makes a repetition pay nothing more, also across a crash; at most 128 bytes, kept for 7 days.
    #[serde(default)]
    pub idempotency_key: Option<String>,
}

impl Pay {
    /// Of the channel's only asset, without more.
    pub fn new(channel: ChannelId, amount: Amount) -> Pay {
        Pay { channel, asset: None, amount, invoice: None, memo: String::new(), idempotency_key: None }
    }
}

/// A payment that both have signed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Paid {
    /// Over which channel.
    #[schemars(with = "String")]
    pub channel: ChannelId,
    /// Its number among this node's payments in the channel, from 0.
    pub number: u64,
    /// The version that holds it.
    pub version: u64,
    /// An earlier request with the same idempotency key or invoice had paid it already; this one paid nothing.
    #[serde(default)]
    pub was_paid_before: bool,
}

/// Many payments over one channel.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PayMany {
    /// Over which channel.
    #[schemars(with = "String")]
    pub channel: ChannelId,
    /// 1 to 10,000.
    pub payments: Vec<PayItem>,
    /// Makes a repetition pay nothing more, also across a crash; at most 128 bytes, kept for 7 days.
    #[serde(default)]
    pub idempotency_key: Option<String>,
}

/// One of many payments.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PayItem {
    /// Which asset; absent: the channel's only one.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub asset: Option<Address>,
    /// In the smallest unit.
    #[schemars(with = "String")]
    pub amount: Amount,
    /// The payee's reference, 32 bytes.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub invoice: Option<B256>,
    /// Text on the bill that both sign, at most 512 bytes.
    #[serde(default)]
    pub memo: String,
}

/// How many payments ended.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct PaidMany {
    /// One per payment, in order.
    pub results: Vec<PayResult>,
    /// An earlier request with the same idempotency key had ended so; this one paid nothing.
    #[serde(default)]
    pub was_paid_before: bool,
}

/// How one of many payments ended.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PayResult {
    /// Both have signed it.
    Paid {
        /// Its number among this node's payments in the channel, from 0.
        number: u64,
        /// The version that holds it.
        version: u64,
    },
    /// It was not made.
    Failed {
        /// What went wrong.
        code: ErrorCode,
        /// The case at hand.
        message: String,
        /// The next step.
        hint: String,
    },
}

/// A lock to add.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LockAdd {
    /// In which channel.
    #[schemars(with = "String")]
    pub channel: ChannelId,
    /// Which asset; absent: the channel's only one.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub asset: Option<Address>,
    /// In the smallest unit.
    #[schemars(with = "String")]
    pub amount: Amount,
    /// sha256 of the 32-byte secret.
    #[schemars(with = "String")]
    pub hash: B256,
    /// Last chain time at which the secret counts on chain.
    pub expiry: u64,
    /// Makes a repetition lock nothing more; at most 128 bytes, kept for 7 days.
    #[serde(default)]
    pub idempotency_key: Option<String>,
}

/// A lock's number.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct LockNumber {
    /// In the channel.
    pub number: u64,
}

/// A lock to claim.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LockSettle {
    /// In which channel.
    #[schemars(with = "String")]
    pub channel: ChannelId,
    /// Its number.
    pub number: u64,
    /// The 32-byte secret.
    #[schemars(with = "String")]
    pub preimage: B256,
}

/// Which lock.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LockRef {
    /// In which channel.
    #[schemars(with = "String")]
    pub channel: ChannelId,
    /// Its number.
    pub number: u64,
}
