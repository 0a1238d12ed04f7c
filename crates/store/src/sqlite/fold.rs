//! The fold moves the journal's older part to where it belongs by channel: snapshots to `channel`, history to
//! `history`, and working records that no snapshot covers yet to `pending`; covered ones are dropped. Each row of
//! history that no snapshot covers yet has a row of the same key in `pending`, an empty one if need be, so that recovery
//! finds it without reading all history.
//!
//! It takes a run of the journal of several megabytes, sorts it by channel, and works it off a little in each
//! later commit, within that commit's transaction and in proportion to its size: no commit waits for long,
//! and no sync is added. A cursor over (channel, position) in the same transaction says how far it came, so that
//! each entry counts either in the journal or in its place, never in both.

use super::tail::{Group, Tail};
use crate::entry::{Entry, Tag, Writer};
use rusqlite::{Connection, params};
use std::collections::VecDeque;
use strait_types::ChannelId;

/// Rows of `pending` and `history` end at about this size, in bytes, so that a page of history reads little more than
/// it needs.
const ROW: usize = 64 * 1024;
/// Bytes of folding per byte committed. A run costs less than twice its size, so that it is done before the next one
/// is full.
const PACE: i64 = 4;
/// Bytes that are freed at the cost of moving one: their pages are not written, only listed as free.
const FREE: usize = 4;
/// Rows that are deleted at a time.
const DELETED_ROWS: usize = 8;

/// How far the fold came, as stored.
#[derive(Clone, Default, Debug)]
pub(super) struct Cursor {
    /// Positions up to here belong to the present run or to earlier ones.
    pub(super) through: u64,
    /// Entries of the run up to and including this (channel, position) are in their place. Empty: none.
    pub(super) channel: Vec<u8>,
    pub(super) position: u64,
}

impl Cursor {
    pub(super) fn load(db: &Connection) -> rusqlite::Result<Self> {
        db.query_row("SELECT through, channel, position FROM fold", (), |row| {
            Ok(Self { through: row.get(0)?, channel: row.get(1)?, position: row.get(2)? })
        })
    }

    fn save(&self, db: &Connection) -> rusqlite::Result<()> {
        db.prepare_cached("UPDATE fold SET through = ?1, channel = ?2, position = ?3")?
            .execute(params![self.through, self.channel, self.position])
            .map(drop)
    }

    /// Whether an entry of the journal is in its place already.
    pub(super) fn has_placed(&self, channel: ChannelId, position: u64) -> bool {
        position <= self.through
            && (channel.0.as_slice(), position) <= (self.channel.as_slice(), self.position)
    }
}

/// The present run and what else is to be tidied.
#[derive(Default, Debug)]
pub(super) struct Fold {
    pub(super) cursor: Cursor,
    pub(super) run: Tail,
    /// `(channel, position)`: history up to there is forgotten but may still take space.
    forgotten: Vec<(ChannelId, u64)>,
    /// Bytes that may be worked off now. Below zero after a step that cost more than it had.
    credit: i64,
}

impl Fold {
    pub(super) fn new(cursor: Cursor, run: Tail) -> Self {
        Self { cursor, run, forgotten: Vec::new(), credit: 0 }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.run.is_empty()
    }

    /// Takes the next run: everything up to position `through`.
    pub(super) fn start(&mut self, run: Tail, through: u64) {
        self.run = run;
        self.cursor = Cursor { through, ..Cursor::default() };
    }

    /// Has forgotten history deleted.
    pub(super) fn forget(&mut self, channel: ChannelId, through: u64) {
        self.forgotten.push((channel, through));
    }

    /// Works on for a commit of `size` bytes, in its transaction.
    pub(super) fn work(&mut self, db: &Connection, size: usize) -> rusqlite::Result<()> {
        let size = i64::try_from(size).unwrap_or(i64::MAX);
        self.credit = self.credit.saturating_add(size.saturating_mul(PACE));
        let mut moved = false;
        while self.credit > 0 {
            let cost = if let Some(cost) = self.place_some(db)? {
                moved = true;
                cost
            } else if let Some(cost) = self.drop_journal_row(db)? {
                cost
            } else if let Some(cost) = self.delete_forgotten(db)? {
                cost
            } else {
                self.credit = 0;
                break;
            };
            self.credit = self.credit.saturating_sub(i64::try_from(cost).unwrap_or(i64::MAX));
        }
        if moved { self.cursor.save(db) } else { Ok(()) }
    }

    /// One step of the first channel of the run: at most about one row. Returns what it cost.
    fn place_some(&mut self, db: &Connection) -> rusqlite::Result<Option<usize>> {
        let Some(mut first) = self.run.groups.first_entry() else { return Ok(None) };
        let channel = *first.key();
        let group = first.get_mut();
        if let Some(snapshot) = group.snapshot
            && let Some(cost) = delete_rows(db, PENDING_ROWS, channel, snapshot)?
        {
            return Ok(Some(cost));
        }
        let (last, cost) = place_group(db, channel, group)?;
        if group.entries.is_empty() {
            first.remove();
        }
        self.cursor.channel = channel.0.to_vec();
        self.cursor.position = last;
        Ok(Some(cost))
    }

    fn drop_journal_row(&mut self, db: &Connection) -> rusqlite::Result<Option<usize>> {
        let Some((first, bytes)) = self.run.rows.pop_front() else { return Ok(None) };
        db.prepare_cached("DELETE FROM journal WHERE first = ?1")?.execute([first])?;
        Ok(Some(bytes / FREE))
    }

    fn delete_forgotten(&mut self, db: &Connection) -> rusqlite::Result<Option<usize>> {
        let Some((channel, through)) = self.forgotten.last().copied() else { return Ok(None) };
        let deleted = match delete_rows(db, HISTORY_ROWS, channel, through)? {
            None => delete_rows(db, ROWS_APART, channel, through)?,
            deleted => deleted,
        };
        if deleted.is_none() {
            self.forgotten.pop();
        }
        Ok(Some(deleted.unwrap_or_default()))
    }
}

/// Puts the next entries of a channel in their place. Returns the last position and the cost.
fn place_group(db: &Connection, channel: ChannelId, group: &mut Group) -> rusqlite::Result<(u64, usize)> {
    let is_snapshot = |entry: &mut Entry| group.snapshot == Some(entry.position);
    if let Some(entry) = group.entries.pop_front_if(is_snapshot) {
        let mut row = Writer::new();
        row.push(None, entry.position, entry.tag, &entry.payload);
        db.prepare_cached(
            "INSERT INTO channel (id, covers, snapshot) VALUES (?1, ?2, ?3)
             ON CONFLICT (id) DO UPDATE SET covers = excluded.covers, snapshot = excluded.snapshot",
        )?
        .execute(params![channel.0.as_slice(), entry.position, row.finish()])?;
        group.snapshot = None;
        return Ok((entry.position, entry.weight()));
    }
    let piece = Piece::take(&mut group.entries, group.snapshot.unwrap_or(u64::MAX));
    if !piece.history.is_empty() {
        insert(db, "INSERT INTO history VALUES (?1, ?2, ?3)", channel, piece.last, piece.history)?;
    }
    if group.snapshot.is_none() {
        insert(db, "INSERT INTO pending VALUES (?1, ?2, ?3)", channel, piece.last, piece.working)?;
    }
    Ok((piece.last, piece.cost))
}

/// Entries that fill about one row.
struct Piece {
    history: Writer,
    working: Writer,
    last: u64,
    cost: usize,
}

impl Piece {
    fn take(entries: &mut VecDeque<Entry>, below: u64) -> Self {
        let mut piece = Self { history: Writer::new(), working: Writer::new(), last: 0, cost: 0 };
        while piece.cost < ROW
            && let Some(entry) = entries.pop_front_if(|entry| entry.position < below)
        {
            match entry.tag {
                Tag::History | Tag::Apart => {
                    piece.history.push(None, entry.position, entry.tag, &entry.payload)
                }
                Tag::Working => piece.working.push(None, entry.position, entry.tag, &entry.payload),
                // Not the last one, else it would not be below.
                Tag::Snapshot => {}
            }
            piece.last = entry.position;
            piece.cost = piece.cost.saturating_add(entry.weight());
        }
        piece
    }
}

fn insert(db: &Connection, sql: &str, channel: ChannelId, last: u64, row: Writer) -> rusqlite::Result<()> {
    db.prepare_cached(sql)?.execute(params![channel.0.as_slice(), last, row.finish()]).map(drop)
}

/// How to find and delete the oldest rows of a channel.
type Rows = [&'static str; 2];

const PENDING_ROWS: Rows = [
    "SELECT max(last), coalesce(sum(bytes), 0) FROM (SELECT last, length(entries) AS bytes FROM pending
     WHERE channel = ?1 AND last <= ?2 ORDER BY last LIMIT ?3)",
    "DELETE FROM pending WHERE channel = ?1 AND last <= ?2",
];

const HISTORY_ROWS: Rows = [
    "SELECT max(last), coalesce(sum(bytes), 0) FROM (SELECT last, length(entries) AS bytes FROM history
     WHERE channel = ?1 AND last <= ?2 ORDER BY last LIMIT ?3)",
    "DELETE FROM history WHERE channel = ?1 AND last <= ?2",
];

const ROWS_APART: Rows = [
    "SELECT max(last), coalesce(sum(bytes), 0) FROM (SELECT last, length(entries) AS bytes FROM apart
     WHERE channel = ?1 AND last <= ?2 ORDER BY last LIMIT ?3)",
    "DELETE FROM apart WHERE channel = ?1 AND last <= ?2",
];

/// Deletes the oldest rows of a channel that end at `through` or before. Returns the cost, `None` when there are none.
fn delete_rows(
    db: &Connection,
    [find, delete]: Rows,
    channel: ChannelId,
    through: u64,
) -> rusqlite::Result<Option<usize>> {
    let (last, bytes): (Option<u64>, usize) =
        db.prepare_cached(find)?.query_row(params![channel.0.as_slice(), through, DELETED_ROWS], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
    let Some(last) = last else { return Ok(None) };
    db.prepare_cached(delete)?.execute(params![channel.0.as_slice(), last])?;
    Ok(Some(bytes / FREE))
}
