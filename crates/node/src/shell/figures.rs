//! What a node measures of its own threads.

use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Measured while the node runs.
pub(crate) struct Figures {
    /// From 50 microseconds to about 13 seconds.
    commits: Histogram,
    /// When the chain last said how far it is.
    synced: Mutex<Option<Instant>>,
}

impl Figures {
    pub(super) fn new() -> Figures {
        let commits = Histogram::new(exponential_buckets(0.00005, 2.0, 19));
        Figures { commits, synced: Mutex::new(None) }
    }

    /// A commit took so long.
    pub(super) fn committed(&self, took: Duration) {
        self.commits.observe(took.as_secs_f64());
    }

    /// The chain has answered.
    pub(super) fn synced(&self) {
        *self.synced.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// How long commits took.
    pub(crate) fn commits(&self) -> &Histogram {
        &self.commits
    }

    /// Time since the chain last answered; `None` before that.
    pub(crate) fn sync_age(&self) -> Option<Duration> {
        self.synced.lock().unwrap_or_else(PoisonError::into_inner).map(|at| at.elapsed())
    }
}
