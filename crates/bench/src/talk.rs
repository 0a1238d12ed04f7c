//! What the measuring process and the two parties say to each other: a line of JSON each.

use crate::latency::Histogram;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// What a party is told on its command line.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Setup {
    /// Name of the scenario.
    pub(crate) scenario: String,
    /// Product code, or the ceiling without it.
    pub(crate) bare: bool,
    pub(crate) role: Role,
    /// An empty directory for what is durable.
    pub(crate) directory: PathBuf,
    /// Where the payee listens, as it said.
    pub(crate) peer: Option<String>,
    /// Says each acknowledgement, for the test that kills it.
    #[serde(default)]
    pub(crate) aloud: bool,
}

/// Participant 0 opens the channels and pays; participant 1 is paid, and pays back where a scenario goes both ways.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum Role {
    Payer,
    Payee,
}

/// To a party.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Order {
    /// Makes payments for so many milliseconds, then waits for those under way.
    Run { millis: u64 },
    /// What was used since the start?
    Usage,
}

/// From a party.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Said {
    Listening(String),
    /// Payments can flow.
    Ready,
    Ran(Ran),
    Usage(Usage),
    /// How many payments were acknowledged so far, in their order.
    Acknowledged(u64),
}

/// What came of a run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Ran {
    /// Payments that were made and acknowledged to their callers.
    pub(crate) payments: u64,
    pub(crate) seconds: f64,
    pub(crate) latency: Histogram,
}

/// What a process has used since its start.
#[derive(Clone, Copy, Default, Debug, Serialize, Deserialize)]
pub(crate) struct Usage {
    pub(crate) cpu_us: u64,
    pub(crate) syncs: u64,
    pub(crate) signatures: u64,
    /// Written to the disk.
    pub(crate) disk_bytes: u64,
    /// Received from the other party.
    pub(crate) wire_bytes: u64,
    pub(crate) peak_rss_kib: u64,
}
