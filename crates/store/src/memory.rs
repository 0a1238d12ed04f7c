//! A backend without files, for tests and the simulator, on a disk that fails exactly when it is told to.

use crate::entry::{self, Entry, Tag};
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use strait_engine::ports::{Batch, HistoryEntry, Recovered, Store, StoreError};
use strait_types::ChannelId;

/// Stands for the directory in the text of errors.
const PATH: &str = "(memory)";

/// What goes wrong in one commit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// The disk is full; the batch is not in the store.
    DiskFull,
    /// The disk is full when the batch is on it already, for instance while the log is tidied: the commit fails, but
    /// reopening finds the batch.
    DiskFullAfterWrite,
    /// The machine stops before anything is written.
    CrashBefore,
    /// The machine stops in the middle of writing; what is half there does not count.
    Torn,
    /// The machine stops when the batch is on disk but the caller has not heard of it.
    CrashAfter,
}

/// A disk that outlives the stores opened on it. A clone is a handle of the same disk; [`MemoryDisk::fork`] copies.
/// Everything about it is deterministic.
#[derive(Clone, Default, Debug)]
pub struct MemoryDisk(Arc<Mutex<Disk>>);

#[derive(Default, Debug)]
struct Disk {
    /// What a store on it sees.
    image: Image,
    /// Set while the disk only pretends to sync.
    unsynced: Option<Unsynced>,
    faults: BTreeMap<u64, Fault>,
    commits: u64,
    /// Number of the latest store; older ones are dead.
    session: u64,
    state: State,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
enum State {
    /// No store is open.
    #[default]
    Closed,
    Open,
    /// A store is open and has failed.
    Failed,
    /// The machine stopped under a store.
    Stopped,
}

/// What really is on a disk that pretends, and what it has pretended.
#[derive(Debug)]
struct Unsynced {
    synced: Image,
    changes: Vec<Change>,
}

#[derive(Debug)]
enum Change {
    Commit(Batch),
    Prune(ChannelId, u64),
}

#[derive(Clone, Default, Debug)]
struct Image {
    channels: BTreeMap<ChannelId, Channel>,
    meta: BTreeMap<String, Vec<u8>>,
    position: u64,
}

#[derive(Clone, Default, Debug)]
struct Channel {
    covers: u64,
    snapshot: Option<Vec<u8>>,
    /// What the snapshot does not cover.
    records: Vec<Entry>,
    /// What it covers and is kept.
    history: VecDeque<HistoryEntry>,
}

impl MemoryDisk {
    /// An empty disk that works.
    pub fn new() -> Self {
        Self::default()
    }

    /// Opens the store on it; an empty disk holds an empty store.
    ///
    /// # Errors
    /// `InUse` while another store on this disk is open.
    pub fn open(&self) -> Result<MemoryStore, StoreError> {
        let mut disk = self.lock();
        if matches!(disk.state, State::Open | State::Failed) {
            return Err(StoreError::InUse { path: PATH.into() });
        }
        disk.state = State::Open;
        disk.session = disk.session.wrapping_add(1);
        Ok(MemoryStore { disk: self.clone(), session: disk.session })
    }

    /// Commits tried so far, over all stores that were opened on this disk.
    pub fn commits(&self) -> u64 {
        self.lock().commits
    }

    /// Has commit `number` fail (0: the first that this disk ever sees).
    pub fn fail_commit(&self, number: u64, fault: Fault) {
        self.lock().faults.insert(number, fault);
    }

    /// Whether a fault stopped the machine; opening the disk starts it again.
    pub fn has_stopped(&self) -> bool {
        self.lock().state == State::Stopped
    }

    /// From now on the disk only pretends to sync: a crash loses acknowledged commits. No correct system survives
    /// that; it shows that a checker notices, and what a restored backup looks like.
    pub fn pretend_to_sync(&self) {
        let mut disk = self.lock();
        if disk.unsynced.is_none() {
            disk.unsynced = Some(Unsynced { synced: disk.image.clone(), changes: Vec::new() });
        }
    }

    /// Syncs what was pretended, and is an honest disk again.
    pub fn sync(&self) {
        self.lock().unsynced = None;
    }

    /// How many acknowledged changes a crash could lose now.
    pub fn unsynced(&self) -> usize {
        self.lock().unsynced.as_ref().map_or(0, |unsynced| unsynced.changes.len())
    }

    /// Stops the machine: an open store is dead, and of the unsynced changes only the first `kept` are on disk.
    pub fn crash(&self, kept: usize) {
        let mut disk = self.lock();
        disk.state = State::Stopped;
        if let Some(mut unsynced) = disk.unsynced.take() {
            unsynced.changes.truncate(kept);
            let mut image = unsynced.synced;
            for change in &unsynced.changes {
                image.apply(change);
            }
            disk.image = image.clone();
            disk.unsynced = Some(Unsynced { synced: image, changes: Vec::new() });
        }
    }

    /// A copy of what a store would see now, as an honest disk of its own without faults: a backup.
    pub fn fork(&self) -> MemoryDisk {
        let image = self.lock().image.clone();
        MemoryDisk(Arc::new(Mutex::new(Disk { image, ..Disk::default() })))
    }

    fn lock(&self) -> MutexGuard<'_, Disk> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Disk {
    /// Notes a change that a crash may lose.
    fn note(&mut self, change: impl FnOnce() -> Change) {
        if let Some(unsynced) = &mut self.unsynced {
            unsynced.changes.push(change());
        }
    }

    fn stop(&mut self) -> StoreError {
        self.state = State::Stopped;
        stopped()
    }

    fn fill(&mut self) -> StoreError {
        self.state = State::Failed;
        StoreError::DiskFull { path: PATH.into() }
    }
}

fn stopped() -> StoreError {
    StoreError::Io { path: PATH.into(), source: io::Error::other("the machine stopped") }
}

impl Image {
    fn apply(&mut self, change: &Change) {
        match change {
            Change::Commit(batch) => self.commit(batch),
            Change::Prune(channel, through) => self.prune(*channel, *through),
        }
    }

    fn commit(&mut self, batch: &Batch) {
        for (id, tag, payload) in entry::in_order(batch) {
            self.position = self.position.saturating_add(1);
            let entry = Entry { position: self.position, tag, payload: payload.to_vec() };
            self.channels.entry(id).or_default().add(entry);
        }
        for (key, value) in &batch.meta {
            if value.is_empty() {
                self.meta.remove(key);
            } else {
                self.meta.insert(key.clone(), value.clone());
            }
        }
    }

    fn prune(&mut self, channel: ChannelId, through: u64) {
        if let Some(channel) = self.channels.get_mut(&channel) {
            channel.history.retain(|entry| entry.position > through);
        }
    }
}

impl Channel {
    fn add(&mut self, entry: Entry) {
        if entry.tag != Tag::Snapshot {
            self.records.push(entry);
            return;
        }
        self.covers = entry.position;
        self.snapshot = Some(entry.payload);
        let covered = self.records.drain(..).filter(|record| record.tag == Tag::History);
        self.history.extend(covered.map(to_history));
    }

    fn history(&self) -> impl Iterator<Item = HistoryEntry> {
        let uncovered = self.records.iter().filter(|record| record.tag == Tag::History);
        self.history.iter().cloned().chain(uncovered.cloned().map(to_history))
    }
}

fn to_history(entry: Entry) -> HistoryEntry {
    HistoryEntry { position: entry.position, payload: entry.payload }
}

/// A store on a [`MemoryDisk`]. Dropping it closes it.
#[derive(Debug)]
pub struct MemoryStore {
    disk: MemoryDisk,
    session: u64,
}

impl MemoryStore {
    /// A store on an empty disk of its own.
    pub fn new() -> Self {
        let disk = MemoryDisk::new();
        let session = 1;
        *disk.lock() = Disk { session, state: State::Open, ..Disk::default() };
        Self { disk, session }
    }

    /// The disk that it is on.
    pub fn disk(&self) -> &MemoryDisk {
        &self.disk
    }

    /// Stops the machine and opens the store again. Of the unsynced changes the first `kept` survive; there are none
    /// unless the disk was told to [`MemoryDisk::pretend_to_sync`].
    pub fn crash(self, kept: usize) -> MemoryStore {
        self.disk.crash(kept);
        let mut disk = self.disk.lock();
        disk.state = State::Open;
        disk.session = disk.session.wrapping_add(1);
        MemoryStore { disk: self.disk.clone(), session: disk.session }
    }

    fn usable(&self) -> Result<MutexGuard<'_, Disk>, StoreError> {
        let disk = self.disk.lock();
        match disk.state {
            State::Open if disk.session == self.session => Ok(disk),
            State::Failed if disk.session == self.session => {
                Err(StoreError::Misuse("it failed before; open the store again".into()))
            }
            _ => Err(stopped()),
        }
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for MemoryStore {
    fn drop(&mut self) {
        let mut disk = self.disk.lock();
        if disk.session == self.session && disk.state != State::Stopped {
            disk.state = State::Closed;
        }
    }
}

impl Store for MemoryStore {
    fn commit(&mut self, batch: &Batch) -> Result<(), StoreError> {
        let mut disk = self.usable()?;
        entry::check(batch)?;
        if batch.is_empty() {
            return Ok(());
        }
        let number = disk.commits;
        disk.commits = number.saturating_add(1);
        let fault = disk.faults.remove(&number);
        match fault {
            Some(Fault::DiskFull) => return Err(disk.fill()),
            Some(Fault::CrashBefore | Fault::Torn) => return Err(disk.stop()),
            Some(Fault::DiskFullAfterWrite | Fault::CrashAfter) | None => {}
        }
        disk.image.commit(batch);
        disk.note(|| Change::Commit(batch.clone()));
        match fault {
            Some(Fault::DiskFullAfterWrite) => Err(disk.fill()),
            Some(Fault::CrashAfter) => Err(disk.stop()),
            _ => Ok(()),
        }
    }

    fn recover(&self, visit: &mut dyn FnMut(Recovered)) -> Result<(), StoreError> {
        let channels = self.usable()?.image.channels.clone();
        for (channel, kept) in channels {
            let records = kept.records.into_iter().map(|record| record.payload).collect();
            visit(Recovered { channel, snapshot: kept.snapshot, records });
        }
        Ok(())
    }

    fn meta(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.usable()?.image.meta.get(key).cloned())
    }

    fn history(
        &self,
        channel: ChannelId,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Vec<HistoryEntry>, StoreError> {
        let disk = self.usable()?;
        let Some(channel) = disk.image.channels.get(&channel) else { return Ok(Vec::new()) };
        let start = after.unwrap_or_default();
        Ok(channel.history().filter(|entry| entry.position > start).take(limit).collect())
    }

    fn prune_history(&mut self, channel: ChannelId, through: u64) -> Result<(), StoreError> {
        let mut disk = self.usable()?;
        disk.image.prune(channel, through);
        disk.note(|| Change::Prune(channel, through));
        Ok(())
    }
}
