//! What happened, line by line, and its hash.

use std::fmt::Display;
use strait_types::{B256, keccak256};

/// Lines that a failure shows.
const SHOWN: usize = 60;

#[derive(Default)]
pub(crate) struct Trace {
    lines: Vec<String>,
    hash: B256,
}

impl Trace {
    /// Notes a line. Same seed, same lines.
    pub(crate) fn note(&mut self, now_ms: u64, text: impl Display) {
        let line = format!("{:>8}.{:03} {text}", now_ms / 1_000, now_ms % 1_000);
        let mut bytes = self.hash.to_vec();
        bytes.extend_from_slice(line.as_bytes());
        self.hash = keccak256(&bytes);
        self.lines.push(line);
    }

    pub(crate) fn hash(&self) -> B256 {
        self.hash
    }

    pub(crate) fn into_lines(self) -> Vec<String> {
        self.lines
    }

    pub(crate) fn last_lines(mut self) -> Vec<String> {
        self.lines.split_off(self.lines.len().saturating_sub(SHOWN))
    }
}
