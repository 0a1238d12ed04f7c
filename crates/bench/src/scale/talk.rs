//! What the measuring process and the measured node say to each other: a line of JSON each.

use crate::talk::{Ran, Usage};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// What the measured node is told on its command line.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Setup {
    /// Which key it has.
    pub(super) key: u64,
    pub(super) directory: PathBuf,
    /// How many peers there are; channel `n` is with peer `n % peers`.
    pub(super) peers: u64,
}

/// To the node.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) enum Order {
    /// Opens the channels with these numbers, and makes one payment in each.
    Open { from: u64, to: u64 },
    /// Waits until the channels up to this number can be paid over.
    Connect { channels: u64 },
    /// Makes payments over some of the first `channels` channels, chosen at random.
    Pay { channels: u64, over: u64, payments: u64, seed: u64 },
    /// Reads the whole history of the first `channels` channels, and forgets it.
    Prune { channels: u64 },
    /// What was used since the start?
    Usage,
}

/// From the node.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Said {
    /// It works, and peers can reach it there.
    Listening(String),
    Opened,
    Connected,
    Ran(Ran),
    Pruned(Pruned),
    Usage(Used),
}

/// What was read before it was forgotten.
#[derive(Clone, Copy, Default, Debug, Serialize, Deserialize)]
pub(super) struct Pruned {
    /// Payments in the history.
    pub(super) payments: u64,
    /// What its records take.
    pub(super) bytes: u64,
    /// Those that are still there afterwards: no snapshot covers them.
    pub(super) left: u64,
    /// For reading all.
    pub(super) seconds: f64,
}

/// What the node uses.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Used {
    pub(super) since_start: Usage,
    /// Now.
    pub(super) rss_kib: u64,
    /// Of the database, with its log.
    pub(super) database_bytes: u64,
}
