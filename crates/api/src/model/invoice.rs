use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strait_types::{Address, Amount, B256, ChannelId};

/// An invoice to make.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InvoiceCreate {
    /// On which chain; may be left out when the node has one.
    #[serde(default)]
    pub chain_id: Option<u64>,
    /// Which asset; absent: the native coin.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub asset: Option<Address>,
    /// In the smallest unit.
    #[schemars(with = "String")]
    pub amount: Amount,
    /// What it is for, at most 512 bytes.
    #[serde(default)]
    pub description: String,
    /// Seconds until it can no longer be paid, at most a year; absent: an hour.
    #[serde(default)]
    pub expires_in: Option<u64>,
    /// Makes a repetition make no second one; at most 128 bytes, kept for 7 days.
    #[serde(default)]
    pub idempotency_key: Option<String>,
}

/// What an invoice asks for.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct InvoiceTerms {
    /// Its id; a payment carries it as `invoice`.
    #[schemars(with = "String")]
    pub id: B256,
    /// The payee's address, `strait://SIGNER@HOST:PORT`, or its signer alone.
    pub payee: String,
    /// On which chain.
    pub chain_id: u64,
    /// By which contract.
    #[schemars(with = "String")]
    pub adjudicator: Address,
    /// The zero address is the native coin.
    #[schemars(with = "String")]
    pub asset: Address,
    /// In the smallest unit.
    #[schemars(with = "String")]
    pub amount: Amount,
    /// What it is for.
    pub description: String,
    /// Made at.
    pub created: u64,
    /// Cannot be paid after.
    pub expires: u64,
}

/// An invoice of this node.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Invoice {
    /// What it asks for.
    pub terms: InvoiceTerms,
    /// For the payer: `straitinvoice1...`, signed by the payee.
    pub text: String,
    /// Where it stands.
    pub status: InvoiceStatus,
    /// The payment that completed it, once there is one.
    pub payment: Option<InvoicePayment>,
    /// All that came in its asset, also too little, too late, or twice.
    #[schemars(with = "String")]
    pub received: Amount,
    /// How many payments named it.
    pub payments: u64,
}

/// An invoice that was asked for.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct InvoiceMade {
    /// The invoice, as it was made.
    #[serde(flatten)]
    pub invoice: Invoice,
    /// An earlier request with the same idempotency key had made it: this one made none, and it may have been paid since.
    #[serde(default)]
    pub was_made_before: bool,
}

/// Why a payment that names an invoice does not complete it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum InvoiceIssue {
    /// More is needed; what came is counted.
    Partial,
    /// It is in another asset, or on another chain.
    OtherAsset,
    /// It was paid before.
    PaidAlready,
    /// Its time was over.
    Expired,
    /// It was taken back.
    Cancelled,
}

/// Where an invoice stands.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum InvoiceStatus {
    /// Waits to be paid.
    Open,
    /// Paid in full; the payer's signature is on disk.
    Paid,
    /// Its time is over.
    Expired,
    /// Taken back.
    Cancelled,
}

/// What paid an invoice.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct InvoicePayment {
    /// Over which channel.
    #[schemars(with = "String")]
    pub channel: ChannelId,
    /// Its number among the peer's payments, from 0.
    pub number: u64,
    /// When it was taken.
    pub at: u64,
}

/// Which invoices to list.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct InvoiceList {
    /// Only in this state.
    pub status: Option<InvoiceStatus>,
    /// The `next` of the page before.
    pub cursor: Option<String>,
    /// At most so many, 1 to 1,000; absent: 100.
    pub limit: Option<u32>,
}

/// A page of invoices.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Invoices {
    /// On this page.
    pub invoices: Vec<Invoice>,
    /// The cursor of the next page, unless this is the last.
    pub next: Option<String>,
}

/// Which invoice.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InvoiceRef {
    /// Its id.
    #[schemars(with = "String")]
    pub id: B256,
}

/// The text of an invoice.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InvoiceText {
    /// `straitinvoice1...`.
    pub text: String,
}

/// An invoice to pay.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InvoicePay {
    /// `straitinvoice1...`.
    pub text: String,
    /// Over which channel; absent: one with the payee that holds enough.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub channel: Option<ChannelId>,
}
