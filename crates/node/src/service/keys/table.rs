//! The keys in the database.

use super::deposits::Other;
use crate::service::history::Mark;
use rusqlite::{Connection, OptionalExtension};
use serde::{Deserialize, Serialize};
use strait_protocol::Operation;
use strait_types::{Amount, AssetIndex, B256, ChannelId, ChannelParams, Version};

/// What a request wants, as far as it takes to tell later whether it came about.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Intention {
    /// Operations in a channel.
    Operations {
        /// In order; limits in time that only the writing sets are zero.
        operations: Vec<Operation>,
        /// The answer lists an outcome for each.
        many: bool,
        /// A place in the history before all of them.
        mark: Mark,
        /// How many payments this node had written in the channel.
        payments: u64,
        /// The highest version that both had signed.
        version: Version,
    },
    /// Some of them stand in the history, or in a version that the peer has not answered.
    Found {
        /// What was wanted, in order.
        operations: Vec<Operation>,
        /// By the order of the operations; none: it was not made.
        found: Vec<Option<Found>>,
        /// The answer lists an outcome for each.
        many: bool,
        /// A place in the history before all of them.
        mark: Mark,
    },
    /// A deposit.
    Deposit {
        /// Which asset.
        asset: AssetIndex,
        /// In the smallest unit.
        amount: Amount,
        /// What this node had deposited before, as of the head.
        before: Amount,
        /// Deposits of the same asset by other requests, which `before` does not hold.
        #[serde(default)]
        others: Vec<Other>,
        /// `others` holds all that was under way before it, and it may have been handed in since.
        #[serde(default = "may_be_sent")]
        may_be_sent: bool,
        /// When it was asked for, Unix milliseconds.
        at_ms: u64,
    },
    /// A channel.
    Open {
        /// Its terms, which make its id.
        params: ChannelParams,
        /// What is deposited at once.
        #[serde(default)]
        deposits: Vec<(AssetIndex, Amount)>,
    },
    /// A child channel.
    Child {
        /// Its nonce, by which it is found again.
        nonce: u64,
    },
    /// What is done in the database, together with the result.
    Nothing,
}

/// What holds of a deposit whose note does not say it.
fn may_be_sent() -> bool {
    true
}

/// Where an operation stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Found {
    /// Number of the payment or lock.
    pub(crate) number: u64,
    /// The version that holds it.
    pub(crate) version: Version,
}

impl Intention {
    /// A place in the channel's history before all that it is looked for in.
    pub(crate) fn mark(&self) -> Option<Mark> {
        match self {
            Intention::Operations { mark, .. } | Intention::Found { mark, .. } => Some(*mark),
            Intention::Deposit { .. }
            | Intention::Open { .. }
            | Intention::Child { .. }
            | Intention::Nothing => None,
        }
    }
}

/// What a key begins with.
pub(crate) struct Row {
    pub(crate) key: String,
    pub(crate) request: B256,
    pub(crate) at_ms: u64,
    pub(crate) until_ms: u64,
    pub(crate) channel: Option<ChannelId>,
    pub(crate) note: String,
}

/// How it stands with a key.
pub(crate) enum Begun {
    /// It is new and noted now.
    New,
    /// It has a result.
    Done(String),
    /// A life before this one left it without a result.
    Undecided(Undecided),
    /// It belongs to another request.
    Conflict,
}

/// A key without a result.
#[derive(Clone, Debug)]
pub(crate) struct Undecided {
    pub(crate) key: String,
    pub(crate) at_ms: u64,
    pub(crate) channel: Option<ChannelId>,
    pub(crate) note: String,
}

/// What became of an undecided one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Decided {
    /// It came about, with this result.
    Done(String),
    /// It did not, and never will.
    NotMade,
    /// Neither can be said yet.
    Unknown,
}

/// A key's row.
pub(super) struct Standing {
    pub(super) request: B256,
    pub(super) result: Option<String>,
    /// What it is while there is no result.
    pub(super) undecided: Undecided,
}

pub(super) fn find(db: &Connection, key: &str) -> rusqlite::Result<Option<Standing>> {
    db.prepare_cached("SELECT request, result, at_ms, channel, note FROM idempotency WHERE key = ?1")?
        .query_row([key], |row| {
            let request = B256::try_from(row.get_ref(0)?.as_blob()?).unwrap_or_default();
            let (channel, note) = (channel_id(row.get(3)?), row.get(4)?);
            let undecided = Undecided { key: key.to_owned(), at_ms: row.get(2)?, channel, note };
            Ok(Standing { request, result: row.get(1)?, undecided })
        })
        .optional()
}

pub(crate) fn begin(db: &Connection, row: Row) -> rusqlite::Result<Begun> {
    match find(db, &row.key)? {
        Some(found) if found.request != row.request => return Ok(Begun::Conflict),
        Some(Standing { result: Some(result), .. }) => return Ok(Begun::Done(result)),
        Some(Standing { undecided, .. }) => return Ok(Begun::Undecided(undecided)),
        None => {}
    }
    let Row { key, request, at_ms, until_ms, channel, note } = row;
    let channel = channel.as_ref().map(|channel| channel.0.as_slice());
    db.prepare_cached(
        "INSERT INTO idempotency (key, request, at_ms, until_ms, channel, note) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?
    .execute((key, request.as_slice(), at_ms, until_ms, channel, note))?;
    Ok(Begun::New)
}

pub(crate) fn finish(db: &Connection, key: &str, result: &str, now_ms: u64) -> rusqlite::Result<()> {
    db.prepare_cached("UPDATE idempotency SET result = ?2, done_ms = ?3 WHERE key = ?1")?
        .execute((key, result, now_ms))
        .map(drop)
}

pub(super) fn renote(db: &Connection, key: &str, note: &str) -> rusqlite::Result<()> {
    db.prepare_cached("UPDATE idempotency SET note = ?2 WHERE key = ?1")?.execute((key, note)).map(drop)
}

pub(super) fn remove(db: &Connection, key: &str) -> rusqlite::Result<()> {
    db.prepare_cached("DELETE FROM idempotency WHERE key = ?1")?.execute([key]).map(drop)
}

pub(super) fn forget(db: &Connection, now_ms: u64) -> rusqlite::Result<()> {
    db.prepare_cached("DELETE FROM idempotency WHERE until_ms <= ?1")?.execute([now_ms]).map(drop)
}

/// Those without a result, oldest first.
pub(crate) fn undecided(db: &Connection) -> rusqlite::Result<Vec<Undecided>> {
    db.prepare("SELECT key, at_ms, channel, note FROM idempotency WHERE result IS NULL ORDER BY number")?
        .query_map((), |row| {
            let channel = channel_id(row.get(2)?);
            Ok(Undecided { key: row.get(0)?, at_ms: row.get(1)?, channel, note: row.get(3)? })
        })?
        .collect()
}

/// Results of a channel's keys that ended at a time or later.
pub(super) fn results_since(
    db: &Connection,
    channel: ChannelId,
    at_ms: u64,
) -> rusqlite::Result<Vec<String>> {
    db.prepare_cached("SELECT result FROM idempotency WHERE channel = ?1 AND done_ms >= ?2")?
        .query_map((channel.0.as_slice(), at_ms), |row| row.get(0))?
        .collect()
}

fn channel_id(bytes: Option<Vec<u8>>) -> Option<ChannelId> {
    bytes.and_then(|bytes| <[u8; 32]>::try_from(bytes).ok()).map(|bytes| ChannelId(bytes.into()))
}
