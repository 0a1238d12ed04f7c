//! The log of events: on disk, with the newest in memory.

use super::entry::{Body, Draft, Entry, KIND_JSON, parse_cursor};
use super::told::ToldRow;
use crate::service::config::Retention;
use crate::service::database::{Database, DatabaseError};
use crate::service::invoices::{self, Incoming};
use crate::service::registry::Registry;
use rusqlite::{Connection, OptionalExtension, Row};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use strait_api::{ApiError, ErrorCode, Event};
use strait_types::{B256, ChannelId};
use tokio::sync::watch;

/// Bytes of the newest events that are held in memory for all who listen.
const CACHE_BYTES: usize = 16 << 20;
/// Bytes and number of events that one listener takes at once.
const PIECE_BYTES: usize = 128 << 10;
const PIECE: usize = 64;

#[derive(Clone)]
pub(crate) struct Log {
    database: Database,
    shared: Arc<Shared>,
    retention: Retention,
    epoch: u32,
}

struct Shared {
    cache: Mutex<Cache>,
    /// The newest cursor; `None` once the log has ended.
    newest: watch::Sender<Option<u64>>,
}

#[derive(Default)]
struct Cache {
    entries: VecDeque<Arc<Entry>>,
    bytes: usize,
}

impl Cache {
    fn push(&mut self, entry: Arc<Entry>) {
        self.bytes = self.bytes.saturating_add(entry.weight());
        self.entries.push_back(entry);
        while self.bytes > CACHE_BYTES
            && let Some(oldest) = self.entries.pop_front()
        {
            self.bytes = self.bytes.saturating_sub(oldest.weight());
        }
    }

    /// The events after a cursor, if all of them are here.
    fn after(&self, cursor: u64) -> Option<Vec<Arc<Entry>>> {
        let first = self.entries.front()?.cursor;
        let skip = cursor.checked_add(1)?.checked_sub(first)?;
        let mut bytes = 0_usize;
        let is_room = |entry: &&Arc<Entry>| {
            let has_room = bytes < PIECE_BYTES;
            bytes = bytes.saturating_add(entry.weight());
            has_room
        };
        let rest = self.entries.iter().skip(usize::try_from(skip).ok()?);
        Some(rest.take(PIECE).take_while(is_room).cloned().collect())
    }
}

/// An event as it is in the database.
struct Stored {
    cursor: u64,
    at_ms: u64,
    chain_id: u64,
    channel: Option<ChannelId>,
    kind: u8,
    body: Vec<u8>,
}

const COLUMNS: &str = "cursor, at_ms, chain, channel, kind, body";

impl Stored {
    fn read(row: &Row<'_>) -> rusqlite::Result<Stored> {
        let channel: Option<Vec<u8>> = row.get(3)?;
        let channel = channel.and_then(|id| <[u8; 32]>::try_from(id).ok());
        Ok(Stored {
            cursor: row.get(0)?,
            at_ms: row.get(1)?,
            chain_id: row.get(2)?,
            channel: channel.map(|id| ChannelId(id.into())),
            kind: row.get(4)?,
            body: row.get(5)?,
        })
    }
}

impl Log {
    /// `epoch`: for a log that is new or restored from a backup.
    pub(crate) async fn open(
        database: Database,
        retention: Retention,
        epoch: u32,
        restored: bool,
    ) -> Result<Log, DatabaseError> {
        let (epoch, newest) = database
            .write(move |db| {
                let stored: Option<u32> = db
                    .query_row("SELECT value FROM meta WHERE key = 'epoch'", (), |row| {
                        Ok(row.get_ref(0)?.as_blob()?.try_into().map_or(0, u32::from_be_bytes))
                    })
                    .optional()?;
                let epoch = stored.filter(|_| !restored).unwrap_or(epoch);
                db.execute("INSERT OR REPLACE INTO meta VALUES ('epoch', ?1)", [epoch.to_be_bytes()])?;
                Ok((epoch, newest(db)?.0))
            })
            .await?;
        let shared = Shared { cache: Mutex::default(), newest: watch::Sender::new(Some(newest)) };
        Ok(Log { database, shared: Arc::new(shared), retention, epoch })
    }

    pub(crate) fn epoch(&self) -> u32 {
        self.epoch
    }

    /// Tells who listens whenever there is more; `None`: there never will be.
    pub(crate) fn newest(&self) -> watch::Receiver<Option<u64>> {
        self.shared.newest.subscribe()
    }

    /// Nothing more will be told.
    pub(crate) fn end(&self) {
        self.shared.newest.send_replace(None);
    }

    /// Writes events with what they tell, durably, then shows them to those who listen. `paid` hears before them of each invoice
    /// that was paid.
    pub(crate) async fn append(
        &self,
        drafts: Vec<Draft>,
        told: Vec<ToldRow>,
        paid: impl Fn(B256) + Send + 'static,
    ) -> Result<(), DatabaseError> {
        let (epoch, retention, shared) = (self.epoch, self.retention, self.shared.clone());
        let write = move |db: &Connection| {
            let entries = write(db, epoch, drafts)?;
            told.iter().try_for_each(|row| row.write(db))?;
            forget(db, retention, entries.len())?;
            Ok(entries)
        };
        let show = move |entries: &Vec<Arc<Entry>>| {
            let Some(newest) = entries.last().map(|entry| entry.cursor) else { return };
            for entry in entries {
                if let Body::Other(Event::InvoicePaid { id, .. }) = &entry.draft.body {
                    paid(*id);
                }
            }
            let mut cache = shared.cache.lock().unwrap_or_else(PoisonError::into_inner);
            entries.iter().for_each(|entry| cache.push(entry.clone()));
            drop(cache);
            shared.newest.send_modify(|last| *last = last.map(|_| newest));
        };
        self.database.write_then(write, show).await.map(drop)
    }

    /// When the newest event was told, Unix milliseconds; `None`: there is none.
    pub(crate) async fn newest_ms(&self) -> Result<Option<u64>, DatabaseError> {
        self.database
            .read(|db| {
                db.prepare_cached("SELECT at_ms FROM event ORDER BY cursor DESC LIMIT 1")?
                    .query_row((), |row| row.get(0))
                    .optional()
            })
            .await
    }

    /// Whether it holds that a lock was settled or cancelled.
    pub(crate) async fn tells_end_of_lock(&self, channel: ChannelId, number: u64) -> bool {
        let found = self.database.read(move |db| {
            db.prepare_cached(
                "SELECT 1 FROM event WHERE channel = ?1 AND kind = ?2 AND body ->> '$.number' = ?3
                 AND body ->> '$.event' IN ('lock_settled', 'lock_cancelled') LIMIT 1",
            )?
            .query_row((channel.0.as_slice(), KIND_JSON, number), |_| Ok(()))
            .optional()
        });
        found.await.is_ok_and(|found| found.is_some())
    }

    /// Whether it holds that a child has come back into a channel.
    pub(crate) async fn tells_end_of_child(&self, channel: ChannelId, child: ChannelId) -> bool {
        let child = child.to_string();
        let found = self.database.read(move |db| {
            db.prepare_cached(
                "SELECT 1 FROM event WHERE channel = ?1 AND kind = ?2 AND body ->> '$.child' = ?3
                 AND body ->> '$.event' = 'child_closed' LIMIT 1",
            )?
            .query_row((channel.0.as_slice(), KIND_JSON, child), |_| Ok(()))
            .optional()
        });
        found.await.is_ok_and(|found| found.is_some())
    }

    /// Where a client's cursor stands.
    pub(crate) async fn locate(&self, cursor: &str) -> Result<u64, ApiError> {
        let (epoch, cursor) = parse_cursor(cursor).ok_or_else(|| {
            let message = format!("'{cursor}' is no cursor of an event");
            ApiError::new(ErrorCode::InvalidParams, message).hint("pass on the cursor of an event, unchanged")
        })?;
        let (oldest, newest) = self.database.read(|db| Ok((oldest(db)?, newest(db)?.0))).await?;
        if epoch != self.epoch || cursor > newest || cursor.saturating_add(1) < oldest {
            return Err(lost());
        }
        Ok(cursor)
    }

    /// Events after a cursor, a piece of them; empty: there are none yet. `channel`: only its events.
    pub(crate) async fn after(
        &self,
        registry: &Registry,
        cursor: u64,
        channel: Option<ChannelId>,
    ) -> Result<Piece, ApiError> {
        let newest = *self.shared.newest.borrow();
        if newest == Some(cursor) {
            return Ok(Piece { entries: Vec::new(), through: cursor });
        }
        let cached = self.shared.cache.lock().unwrap_or_else(PoisonError::into_inner).after(cursor);
        if let Some(mut entries) = cached {
            let through = entries.last().map_or(cursor, |entry| entry.cursor);
            entries.retain(|entry| channel.is_none_or(|channel| entry.draft.channel == Some(channel)));
            return Ok(Piece { entries, through });
        }
        self.after_on_disk(registry, cursor, channel).await
    }

    async fn after_on_disk(
        &self,
        registry: &Registry,
        cursor: u64,
        channel: Option<ChannelId>,
    ) -> Result<Piece, ApiError> {
        let (oldest, newest, stored) = self
            .database
            .read(move |db| {
                let oldest = oldest(db)?;
                let newest = newest(db)?.0;
                Ok((oldest, newest, read_piece(db, cursor, channel)?))
            })
            .await?;
        if cursor.saturating_add(1) < oldest {
            return Err(lost());
        }
        // Without a limit reached, there is nothing of this channel up to the newest.
        let through = match (&channel, stored.last()) {
            (_, Some(last)) => last.cursor,
            (Some(_), None) => newest.max(cursor),
            (None, None) => cursor,
        };
        let entries = stored.iter().map(|stored| self.entry(registry, stored)).collect::<Result<_, _>>()?;
        Ok(Piece { entries, through })
    }

    fn entry(&self, registry: &Registry, stored: &Stored) -> Result<Arc<Entry>, ApiError> {
        let known = stored.channel.and_then(|channel| registry.get(channel));
        let assets = known.map_or_else(|| Arc::from([]), |known| known.assets.clone());
        let body = Body::decode(stored.kind, &stored.body, assets).map_err(|reason| {
            let path = self.database.path().display().to_string();
            DatabaseError { path, reason: format!("event {} does not decode: {reason}", stored.cursor) }
        })?;
        let Stored { cursor, at_ms, chain_id, channel, .. } = *stored;
        Ok(Arc::new(Entry::new(
            self.epoch,
            cursor,
            Draft { at_ms, since_ms: at_ms, chain_id, channel, body },
        )))
    }

    /// The cursor after which the newest `count` events of a query come.
    pub(crate) async fn before_newest(
        &self,
        count: u64,
        channel: Option<ChannelId>,
    ) -> Result<u64, ApiError> {
        let cursor: Option<u64> = self
            .database
            .read(move |db| {
                let sql = match channel {
                    Some(_) => {
                        "SELECT cursor FROM event WHERE channel = ?2 ORDER BY cursor DESC LIMIT 1 OFFSET ?1"
                    }
                    None => {
                        "SELECT cursor FROM event WHERE ?2 IS NULL ORDER BY cursor DESC LIMIT 1 OFFSET ?1"
                    }
                };
                let channel = channel.as_ref().map(|channel| channel.0.as_slice());
                let at = db.prepare_cached(sql)?.query_row((count, channel), |row| row.get(0)).optional()?;
                Ok(Some(at.unwrap_or(oldest(db)?.saturating_sub(1))))
            })
            .await?;
        Ok(cursor.unwrap_or_default())
    }
}

/// Events of a listener.
pub(crate) struct Piece {
    pub(crate) entries: Vec<Arc<Entry>>,
    /// All up to here were looked at.
    pub(crate) through: u64,
}

pub(crate) fn lost() -> ApiError {
    ApiError::new(ErrorCode::EventsLost, "the events after this cursor are no longer held")
}

/// The newest cursor, and the bytes of all events so far.
fn newest(db: &Connection) -> rusqlite::Result<(u64, u64)> {
    db.prepare_cached("SELECT cursor, total FROM event ORDER BY cursor DESC LIMIT 1")?
        .query_row((), |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()
        .map(Option::unwrap_or_default)
}

fn oldest(db: &Connection) -> rusqlite::Result<u64> {
    let oldest: Option<u64> =
        db.prepare_cached("SELECT min(cursor) FROM event")?.query_row((), |row| row.get(0))?;
    Ok(oldest.unwrap_or(1))
}

fn read_piece(db: &Connection, cursor: u64, channel: Option<ChannelId>) -> rusqlite::Result<Vec<Stored>> {
    let sql = match channel {
        Some(_) => format!(
            "SELECT {COLUMNS} FROM event WHERE cursor > ?1 AND channel = ?2 ORDER BY cursor LIMIT {PIECE}"
        ),
        None => format!(
            "SELECT {COLUMNS} FROM event WHERE cursor > ?1 AND ?2 IS NULL ORDER BY cursor LIMIT {PIECE}"
        ),
    };
    let mut statement = db.prepare_cached(&sql)?;
    let mut rows = statement.query((cursor, channel.as_ref().map(|channel| channel.0.as_slice())))?;
    let (mut piece, mut bytes) = (Vec::new(), 0_usize);
    while bytes < PIECE_BYTES
        && let Some(row) = rows.next()?
    {
        let stored = Stored::read(row)?;
        bytes = bytes.saturating_add(stored.body.len());
        piece.push(stored);
    }
    Ok(piece)
}

fn write(db: &Connection, epoch: u32, drafts: Vec<Draft>) -> rusqlite::Result<Vec<Arc<Entry>>> {
    let (mut cursor, mut total) = newest(db)?;
    let mut insert = db.prepare_cached("INSERT INTO event VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?;
    let mut entries = Vec::with_capacity(drafts.len());
    // What a payment means for an invoice is told right after the payment.
    for draft in with_invoices(db, drafts)? {
        let (kind, body) = draft.body.encode();
        cursor = cursor.saturating_add(1);
        total = total.saturating_add(body.len() as u64).saturating_add(64);
        let channel = draft.channel.as_ref().map(|channel| channel.0.as_slice());
        insert.execute((cursor, draft.at_ms, draft.chain_id, channel, kind, body, total))?;
        entries.push(Arc::new(Entry::new(epoch, cursor, draft)));
    }
    Ok(entries)
}

/// The events with what they mean for this node's invoices, each after its cause.
fn with_invoices(db: &Connection, drafts: Vec<Draft>) -> rusqlite::Result<Vec<Draft>> {
    let mut all = Vec::with_capacity(drafts.len());
    for draft in drafts {
        let Body::Received { batch, assets } = &draft.body else {
            all.push(draft);
            continue;
        };
        let (batch, assets) = (batch.clone(), assets.clone());
        let (at_ms, since_ms, chain_id, channel) =
            (draft.at_ms, draft.since_ms, draft.chain_id, draft.channel);
        all.push(draft);
        for (number, payment) in (batch.first..).zip(&batch.payments) {
            let Some(channel) = channel.filter(|_| payment.invoice.is_some()) else { continue };
            let asset = assets.get(payment.asset.index()).copied().unwrap_or_default();
            let at = since_ms / 1_000;
            let incoming = Incoming { chain_id, channel, number, asset, payment, at };
            if let Some(event) = invoices::count(db, &incoming)? {
                all.push(Draft {
                    at_ms,
                    since_ms,
                    chain_id,
                    channel: Some(channel),
                    body: Body::Other(event),
                });
            }
        }
    }
    Ok(all)
}

/// Deletes a little more than was added, so that no deletion takes long.
fn forget(db: &Connection, retention: Retention, added: usize) -> rusqlite::Result<()> {
    let (newest, total) = newest(db)?;
    let last_by_count = newest.saturating_sub(retention.count.max(1));
    let last_by_bytes = total.saturating_sub(retention.bytes);
    let mut oldest = db.prepare_cached("SELECT cursor, total FROM event ORDER BY cursor LIMIT ?1")?;
    let mut rows = oldest.query([added.saturating_mul(2).saturating_add(16)])?;
    let mut through = None;
    while let Some(row) = rows.next()? {
        let (cursor, total): (u64, u64) = (row.get(0)?, row.get(1)?);
        if cursor >= newest || cursor > last_by_count && total > last_by_bytes {
            break;
        }
        through = Some(cursor);
    }
    if let Some(through) = through {
        db.prepare_cached("DELETE FROM event WHERE cursor <= ?1")?.execute([through])?;
    }
    Ok(())
}
