//! What a process uses: from the system, and from counters around the ports.

use crate::talk::Usage;
use anyhow::{Context as _, Result};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use strait_engine::ports::{Batch, HistoryEntry, Recovered, Signer, SignerError, Store, StoreError};
use strait_types::{Address, B256, ChannelId, Signature, SigningKey};

/// Counters of one process.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) syncs: AtomicU64,
    pub(crate) signatures: AtomicU64,
    pub(crate) wire_bytes: AtomicU64,
}

impl Counters {
    /// Everything used since the start of the process.
    pub(crate) fn usage(&self) -> Result<Usage> {
        let times = getrusage(UsageWho::RUSAGE_SELF)?;
        let cpu_us = (times.user_time() + times.system_time()).num_microseconds();
        Ok(Usage {
            cpu_us: u64::try_from(cpu_us)?,
            syncs: self.syncs.load(Ordering::Relaxed),
            signatures: self.signatures.load(Ordering::Relaxed),
            disk_bytes: figure("/proc/self/io", "write_bytes:")?,
            wire_bytes: self.wire_bytes.load(Ordering::Relaxed),
            peak_rss_kib: figure("/proc/self/status", "VmHWM:")?,
        })
    }
}

/// The number behind a name in one of the system's files.
pub(crate) fn figure(path: &str, name: &str) -> Result<u64> {
    let text = std::fs::read_to_string(path)?;
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|rest| rest.split_whitespace().next());
    Ok(number.with_context(|| format!("{path} has no {name}"))?.parse()?)
}

/// A key whose signatures are counted.
pub(crate) struct CountedKey(pub(crate) SigningKey, pub(crate) Arc<Counters>);

impl Signer for CountedKey {
    fn address(&self) -> Address {
        self.0.address()
    }

    fn sign(&self, digest: B256) -> Result<Signature, SignerError> {
        self.1.signatures.fetch_add(1, Ordering::Relaxed);
        Ok(self.0.sign(digest))
    }
}

/// A store whose commits are counted: each waits for one sync.
pub(crate) struct CountedStore<S>(pub(crate) S, pub(crate) Arc<Counters>);

impl<S: Store> Store for CountedStore<S> {
    fn commit(&mut self, batch: &Batch) -> Result<(), StoreError> {
        self.1.syncs.fetch_add(1, Ordering::Relaxed);
        self.0.commit(batch)
    }

    fn recover(&self, visit: &mut dyn FnMut(Recovered)) -> Result<(), StoreError> {
        self.0.recover(visit)
    }

    fn meta(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.0.meta(key)
    }

    fn history(
        &self,
        channel: ChannelId,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Vec<HistoryEntry>, StoreError> {
        self.0.history(channel, after, limit)
    }

    fn prune_history(&mut self, channel: ChannelId, through: u64) -> Result<(), StoreError> {
        self.0.prune_history(channel, through)
    }
}
