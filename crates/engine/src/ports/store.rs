//! The store: an append-only journal with group commit, a small snapshot per channel, history apart.

use strait_types::ChannelId;

/// What becomes of a journal record once a snapshot of its channel covers it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Kept as history (it carries operations that both sides agreed).
    History,
    /// Forgotten.
    Working,
}

/// One journal record. The payload is opaque to the store.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record {
    /// The channel it belongs to.
    pub channel: ChannelId,
    /// Whether it outlives the next snapshot.
    pub kind: Kind,
    /// At most 16 MiB.
    pub payload: Vec<u8>,
}

/// What a channel was at one point of the journal. It stands for all records of the channel before that point.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Snapshot {
    /// The channel.
    pub channel: ChannelId,
    /// How many of the records of its own batch lie before it; those of earlier batches all do. It stays with the
    /// snapshot when batches are appended to each other, so that a record that came later is never covered.
    pub after: usize,
    /// At most 16 MiB.
    pub payload: Vec<u8>,
}

/// What is committed together: all of it or, after a crash, nothing of it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Batch {
    /// Appended in this order.
    pub records: Vec<Record>,
    /// In ascending order of [`Snapshot::after`].
    pub snapshots: Vec<Snapshot>,
    /// Small named values of the node itself (last processed block, stored transactions); an empty value deletes.
    pub meta: Vec<(String, Vec<u8>)>,
}

impl Batch {
    /// Whether a commit would change nothing.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty() && self.snapshots.is_empty() && self.meta.is_empty()
    }

    /// Adds a record after everything that the batch holds.
    pub fn record(&mut self, channel: ChannelId, kind: Kind, payload: Vec<u8>) {
        self.records.push(Record { channel, kind, payload });
    }

    /// Adds a snapshot that stands for all records of the channel in earlier batches and, so far, in this one.
    pub fn snapshot(&mut self, channel: ChannelId, payload: Vec<u8>) {
        self.snapshots.push(Snapshot { channel, after: self.records.len(), payload });
    }

    /// Sets a named value of the node; an empty one deletes.
    pub fn set_meta(&mut self, key: impl Into<String>, value: Vec<u8>) {
        self.meta.push((key.into(), value));
    }

    /// Appends a later batch, so that both share one sync. Order is kept, and what a snapshot stands for too.
    pub fn append(&mut self, later: Batch) {
        let before = self.records.len();
        self.records.extend(later.records);
        self.snapshots.extend(
            later
                .snapshots
                .into_iter()
                .map(|snapshot| Snapshot { after: snapshot.after + before, ..snapshot }),
        );
        self.meta.extend(later.meta);
    }
}

/// What a channel is rebuilt from: its latest snapshot, then the records after it, in order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Recovered {
    /// The channel.
    pub channel: ChannelId,
    /// The latest snapshot, if one was taken.
    pub snapshot: Option<Vec<u8>>,
    /// Payloads appended after the snapshot.
    pub records: Vec<Vec<u8>>,
}

/// One kept record of a channel's history.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HistoryEntry {
    /// Position in the channel's history: strictly ascending, not dense.
    pub position: u64,
    /// The record's payload.
    pub payload: Vec<u8>,
}

/// A failure of the store. After any error of `commit` the caller must not act on the batch: it reopens the
/// store, which then holds the batch entirely or not at all.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No space is left.
    #[error(
        "the disk of the data directory {path} is full; free some space and start again, nothing acknowledged is lost"
    )]
    DiskFull {
        /// The data directory.
        path: String,
    },
    /// Another process holds the directory.
    #[error(
        "the data directory {path} is in use by another process; stop it first, one directory serves one node"
    )]
    InUse {
        /// The data directory.
        path: String,
    },
    /// Written by a newer release.
    #[error(
        "the data directory {path} has format {found}, this release reads up to {supported}; install the newer release again"
    )]
    NewerFormat {
        /// The data directory.
        path: String,
        /// Format on disk.
        found: u32,
        /// Newest format known here.
        supported: u32,
    },
    /// What is on disk cannot have been written by us.
    #[error("the data directory {path} is damaged: {what}; restore a backup into an empty directory")]
    Damaged {
        /// The data directory.
        path: String,
        /// What was found.
        what: String,
    },
    /// A record or snapshot is too large, or otherwise misused.
    #[error("the store was misused: {0}")]
    Misuse(String),
    /// Anything else that the system reports.
    #[error("the data directory {path} cannot be used: {source}")]
    Io {
        /// The data directory.
        path: String,
        /// The system's error.
        source: std::io::Error,
    },
}

/// Durable memory of one node. The ordering contract: when [`Store::commit`] has returned `Ok`, the batch
/// survives a crash of the process and of the machine; before that, nothing that depends on it may leave.
pub trait Store: Send {
    /// Commits a batch durably and atomically.
    ///
    /// # Errors
    /// See [`StoreError`]; the batch is then in the store entirely or not at all, which reopening shows.
    fn commit(&mut self, batch: &Batch) -> Result<(), StoreError>;

    /// Visits every channel once, with what it is rebuilt from.
    ///
    /// # Errors
    /// When the disk cannot be read.
    fn recover(&self, visit: &mut dyn FnMut(Recovered)) -> Result<(), StoreError>;

    /// A named value, if set.
    ///
    /// # Errors
    /// When the disk cannot be read.
    fn meta(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError>;

    /// History of a channel with `position > after` (`None`: from the start), oldest first, at most `limit` entries.
    /// It holds every record of [`Kind::History`] from its commit on, whether a snapshot covers it already or not.
    ///
    /// # Errors
    /// When the disk cannot be read.
    fn history(
        &self,
        channel: ChannelId,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Vec<HistoryEntry>, StoreError>;

    /// Forgets history of a channel up to and including a position. Only what a snapshot covers is forgotten:
    /// later records stay, in [`Store::recover`] and in [`Store::history`].
    ///
    /// # Errors
    /// When the disk cannot be written.
    fn prune_history(&mut self, channel: ChannelId, through: u64) -> Result<(), StoreError>;
}
