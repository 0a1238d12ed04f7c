//! The default backend, on SQLite with a write-ahead log that every commit syncs.
//!
//! A commit appends one row to the journal, whatever the number of channels in it, so what it costs does not depend
//! on how many channels there are. [`fold`] brings the entries to their channels later; large ones lie [`apart`] from the
//! start, since moving them would cost more than finding their place.

mod apart;
mod backup;
mod directory;
mod error;
mod fold;
mod read;
mod schema;
mod tail;
#[cfg(test)]
mod tests;

pub use backup::BackupSource;
pub use schema::FORMAT;

use crate::entry::{self, Entry, Tag, Writer};
use directory::Directory;
use error::Place;
use fold::{Cursor, Fold};
use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior, params};
use std::path::Path;
use strait_engine::ports::{Batch, HistoryEntry, Recovered, Store, StoreError};
use strait_types::ChannelId;
use tail::Tail;

/// Journal that is held back before it is folded, in bytes. Longer runs leave less to move, as later snapshots cover
/// more; up to twice as much is in memory.
const RUN: usize = 8 * 1024 * 1024;

/// A large batch becomes several rows of about this size, in one transaction.
const JOURNAL_ROW: usize = 4 * 1024 * 1024;

/// Durable memory of one node in a data directory of its own, which it holds exclusively.
///
/// After an error of the environment each further call fails with [`StoreError::Misuse`]: open the directory again.
#[derive(Debug)]
pub struct SqliteStore {
    db: Connection,
    place: Place,
    directory: Directory,
    /// Entries after the present run.
    tail: Tail,
    fold: Fold,
    run_size: usize,
    /// The last position given to an entry.
    position: u64,
    failed: bool,
}

impl SqliteStore {
    /// Opens a data directory: makes it (with mode 0700) if there is none, locks it, and brings an older format to
    /// [`FORMAT`]. Takes at most a few hundred milliseconds, whatever the number of channels.
    ///
    /// # Errors
    /// `InUse` when it is open elsewhere, in this process too; `NewerFormat`; `Damaged`; `DiskFull`; `Io`.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        Self::open_with_run(path.as_ref(), RUN)
    }

    fn open_with_run(path: &Path, run_size: usize) -> Result<Self, StoreError> {
        let place = Place::new(path);
        let directory = Directory::open(path, &place)?;
        let db = schema::open(&directory.database(), &place)?;
        let cursor = Cursor::load(&db).map_err(|error| place.sql(error))?;
        let mut store = Self {
            position: cursor.through,
            fold: Fold::new(cursor, Tail::default()),
            db,
            place,
            directory,
            tail: Tail::default(),
            run_size,
            failed: false,
        };
        store.load_journal()?;
        Ok(store)
    }

    /// A handle with which another thread copies this store while it works on.
    pub fn backup_source(&self) -> BackupSource {
        BackupSource::new(self.directory.path())
    }

    /// Copies the store as it is now into a new directory, which can then be opened. Commits wait meanwhile; where
    /// that matters use [`SqliteStore::backup_source`].
    ///
    /// # Errors
    /// `Misuse` when the target holds a store already; else as [`SqliteStore::open`]. An unfinished copy is refused
    /// by `open`.
    pub fn backup(&self, target: impl AsRef<Path>) -> Result<(), StoreError> {
        self.check_usable()?;
        self.backup_source().copy_to(target)
    }

    fn load_journal(&mut self) -> Result<(), StoreError> {
        let sql = |error| self.place.sql(error);
        let mut statement =
            self.db.prepare("SELECT first, entries FROM journal ORDER BY first").map_err(sql)?;
        let mut rows = statement.query(()).map_err(sql)?;
        while let Some(row) = rows.next().map_err(sql)? {
            let first: u64 = row.get(0).map_err(sql)?;
            let bytes = row.get_ref(1).and_then(|value| Ok(value.as_blob()?)).map_err(sql)?;
            let part = if first <= self.fold.cursor.through { &mut self.fold.run } else { &mut self.tail };
            part.rows.push_back((first, bytes.len()));
            for (channel, entry) in
                entry::read_with_channel(bytes).map_err(self.place.malformed("journal"))?
            {
                self.position = self.position.max(entry.position);
                if !self.fold.cursor.has_placed(channel, entry.position) {
                    part.add(channel, entry);
                }
            }
        }
        Ok(())
    }

    fn check_usable(&self) -> Result<(), StoreError> {
        if self.failed {
            return Err(StoreError::Misuse("it failed before; open the data directory again".into()));
        }
        Ok(())
    }

    fn try_commit(&mut self, batch: &Batch) -> Result<(), StoreError> {
        let sql = |error| self.place.sql(error);
        let transaction = self.db.transaction_with_behavior(TransactionBehavior::Immediate).map_err(sql)?;
        let mut added = Vec::with_capacity(batch.records.len().saturating_add(batch.snapshots.len()));
        let mut rows = Vec::new();
        let mut row = JournalRow::starting_after(self.position);
        let mut position = self.position;
        for (channel, tag, payload) in entry::in_order(batch) {
            position = position.checked_add(1).ok_or_else(|| self.place.damaged("positions are used up"))?;
            let (tag, payload) = if tag == Tag::History && payload.len() >= apart::LARGE {
                apart::insert(&transaction, channel, position, payload).map_err(sql)?;
                (Tag::Apart, &[][..])
            } else {
                (tag, payload)
            };
            row.entries.push(Some(channel), position, tag, payload);
            added.push((channel, Entry { position, tag, payload: payload.to_vec() }));
            if row.entries.len() >= JOURNAL_ROW {
                rows.push(row.insert(&transaction).map_err(sql)?);
                row = JournalRow::starting_after(position);
            }
        }
        if !row.entries.is_empty() {
            rows.push(row.insert(&transaction).map_err(sql)?);
        }
        write_meta(&transaction, batch).map_err(sql)?;
        let size = added.iter().fold(0_usize, |sum, (_, entry)| sum.saturating_add(entry.weight()));
        self.fold.work(&transaction, size).map_err(sql)?;
        transaction.commit().map_err(sql)?;

        self.position = position;
        self.tail.rows.extend(rows);
        for (channel, entry) in added {
            self.tail.add(channel, entry);
        }
        if self.fold.is_idle() && self.tail.weight >= self.run_size {
            self.fold.start(std::mem::take(&mut self.tail), position);
        }
        Ok(())
    }

    /// The position that the channel's latest snapshot has, 0 without one.
    fn covered(&self, channel: ChannelId) -> Result<u64, StoreError> {
        if let Some(position) = self.tail.snapshot_of(channel).or_else(|| self.fold.run.snapshot_of(channel))
        {
            return Ok(position);
        }
        self.db
            .prepare_cached("SELECT covers FROM channel WHERE id = ?1")
            .and_then(|mut statement| {
                statement.query_row([channel.0.as_slice()], |row| row.get(0)).optional()
            })
            .map(Option::unwrap_or_default)
            .map_err(|error| self.place.sql(error))
    }

    fn try_prune(&mut self, channel: ChannelId, through: u64) -> Result<(), StoreError> {
        let through = through.min(self.covered(channel)?);
        if through == 0 {
            return Ok(());
        }
        let sql = |error| self.place.sql(error);
        let transaction = self.db.transaction_with_behavior(TransactionBehavior::Immediate).map_err(sql)?;
        transaction
            .prepare_cached(
                "INSERT INTO channel (id, covers, pruned) VALUES (?1, 0, ?2)
                 ON CONFLICT (id) DO UPDATE SET pruned = max(pruned, excluded.pruned)",
            )
            .and_then(|mut statement| statement.execute(params![channel.0.as_slice(), through]))
            .map_err(sql)?;
        self.fold.forget(channel, through);
        self.fold.work(&transaction, 1).map_err(sql)?;
        transaction.commit().map_err(sql)
    }
}

/// A row of the journal in the making.
struct JournalRow {
    first: u64,
    entries: Writer,
}

impl JournalRow {
    fn starting_after(position: u64) -> Self {
        Self { first: position.saturating_add(1), entries: Writer::new() }
    }

    /// Returns its key and size.
    fn insert(self, db: &Connection) -> rusqlite::Result<(u64, usize)> {
        let bytes = self.entries.finish();
        db.prepare_cached("INSERT INTO journal VALUES (?1, ?2)")?.execute(params![self.first, bytes])?;
        Ok((self.first, bytes.len()))
    }
}

fn write_meta(db: &Connection, batch: &Batch) -> rusqlite::Result<()> {
    for (key, value) in &batch.meta {
        if value.is_empty() {
            db.prepare_cached("DELETE FROM meta WHERE key = ?1")?.execute([key])?;
        } else {
            db.prepare_cached(
                "INSERT INTO meta VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            )?
            .execute(params![key, value])?;
        }
    }
    Ok(())
}

impl Store for SqliteStore {
    fn commit(&mut self, batch: &Batch) -> Result<(), StoreError> {
        self.check_usable()?;
        entry::check(batch)?;
        if batch.is_empty() {
            return Ok(());
        }
        let outcome = self.try_commit(batch);
        self.failed = outcome.is_err();
        outcome
    }

    fn recover(&self, visit: &mut dyn FnMut(Recovered)) -> Result<(), StoreError> {
        self.check_usable()?;
        read::recover(&self.db, &self.place, &self.fold.run, &self.tail, visit)
    }

    fn meta(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.check_usable()?;
        self.db
            .prepare_cached("SELECT value FROM meta WHERE key = ?1")
            .and_then(|mut statement| statement.query_row([key], |row| row.get(0)).optional())
            .map_err(|error| self.place.sql(error))
    }

    fn history(
        &self,
        channel: ChannelId,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Vec<HistoryEntry>, StoreError> {
        self.check_usable()?;
        let in_memory = [&self.fold.run, &self.tail].into_iter().flat_map(|part| part.entries_of(channel));
        read::history(&self.db, &self.place, channel, after, limit, in_memory)
    }

    fn prune_history(&mut self, channel: ChannelId, through: u64) -> Result<(), StoreError> {
        self.check_usable()?;
        let outcome = self.try_prune(channel, through);
        self.failed = outcome.is_err();
        outcome
    }
}
