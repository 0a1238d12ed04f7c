//! Reading a channel back together: from its rows, the present run of the fold, and the tail of the journal.

use super::apart::Apart;
use super::error::Place;
use super::tail::{Group, Tail};
use crate::entry::{self, Entry, Malformed, Tag};
use rusqlite::{CachedStatement, Connection, OptionalExtension as _, Row, Rows};
use std::collections::btree_map;
use std::iter::Peekable;
use strait_engine::ports::{HistoryEntry, Recovered, StoreError};
use strait_types::{B256, ChannelId};

/// Visits every channel in the order of ids; holds one channel at a time in memory.
pub(super) fn recover(
    db: &Connection,
    place: &Place,
    run: &Tail,
    tail: &Tail,
    visit: &mut dyn FnMut(Recovered),
) -> Result<(), StoreError> {
    let prepare = |sql| db.prepare_cached(sql).map_err(|error| place.sql(error));
    let mut channels =
        prepare("SELECT id, covers, snapshot FROM channel WHERE snapshot NOT NULL ORDER BY id")?;
    // What the fold placed in one piece has the same key in both tables.
    let mut pending = prepare(
        "SELECT channel, pending.entries, history.entries FROM pending LEFT JOIN history USING (channel, last)
         ORDER BY channel, last",
    )?;
    let mut channels = ByChannel::new(&mut channels, place, read_channel)?;
    let mut pending = ByChannel::new(&mut pending, place, read_pending)?;
    let apart = Apart { db, place };
    let mut run = run.groups.iter().peekable();
    let mut tail = tail.groups.iter().peekable();
    loop {
        let next = [channels.channel(), pending.channel(), first(&mut run), first(&mut tail)];
        let Some(id) = next.into_iter().flatten().min() else { return Ok(()) };
        let mut rebuilt = Rebuilt { channel: id, apart, covers: 0, snapshot: None, records: Vec::new() };
        if let Some((covers, snapshot)) = channels.take(id)? {
            rebuilt.covers = covers;
            rebuilt.snapshot = Some(snapshot);
        }
        while let Some(entries) = pending.take(id)? {
            entries.into_iter().try_for_each(|entry| rebuilt.add(entry))?;
        }
        for part in [&mut run, &mut tail] {
            if let Some((_, group)) = part.next_if(|(channel, _)| **channel == id) {
                rebuilt.add_group(group)?;
            }
        }
        visit(Recovered { channel: id, snapshot: rebuilt.snapshot, records: rebuilt.records });
    }
}

fn first(groups: &mut Peekable<btree_map::Iter<'_, ChannelId, Group>>) -> Option<ChannelId> {
    groups.peek().map(|(channel, _)| **channel)
}

struct Rebuilt<'a> {
    channel: ChannelId,
    apart: Apart<'a>,
    covers: u64,
    snapshot: Option<Vec<u8>>,
    records: Vec<Vec<u8>>,
}

impl Rebuilt<'_> {
    fn add(&mut self, entry: Entry) -> Result<(), StoreError> {
        match entry.tag {
            Tag::Snapshot => {
                self.covers = entry.position;
                self.snapshot = Some(entry.payload);
                self.records.clear();
            }
            Tag::Working | Tag::History | Tag::Apart if entry.position > self.covers => {
                self.records.push(self.apart.complete(self.channel, entry)?.payload);
            }
            Tag::Working | Tag::History | Tag::Apart => {}
        }
        Ok(())
    }

    /// Adds a group from its last snapshot on: what is before does not count.
    fn add_group(&mut self, group: &Group) -> Result<(), StoreError> {
        let from = group.snapshot.unwrap_or_default();
        let start = group.entries.partition_point(|entry| entry.position < from);
        group.entries.range(start..).try_for_each(|entry| self.add(entry.clone()))
    }
}

/// Rows of a table in the order of their channels, one row ahead.
struct ByChannel<'a, T> {
    rows: Rows<'a>,
    place: &'a Place,
    read: fn(&Row<'_>, &Place) -> Result<T, StoreError>,
    next: Option<(ChannelId, T)>,
}

impl<'a, T> ByChannel<'a, T> {
    fn new(
        statement: &'a mut CachedStatement<'_>,
        place: &'a Place,
        read: fn(&Row<'_>, &Place) -> Result<T, StoreError>,
    ) -> Result<Self, StoreError> {
        let rows = statement.query(()).map_err(|error| place.sql(error))?;
        let mut this = Self { rows, place, read, next: None };
        this.advance()?;
        Ok(this)
    }

    fn channel(&self) -> Option<ChannelId> {
        self.next.as_ref().map(|(channel, _)| *channel)
    }

    /// The next row if it is the channel's.
    fn take(&mut self, channel: ChannelId) -> Result<Option<T>, StoreError> {
        if self.channel() != Some(channel) {
            return Ok(None);
        }
        let taken = self.next.take().map(|(_, value)| value);
        self.advance()?;
        Ok(taken)
    }

    fn advance(&mut self) -> Result<(), StoreError> {
        let sql = |error| self.place.sql(error);
        if let Some(row) = self.rows.next().map_err(sql)? {
            let id: [u8; 32] = row.get(0).map_err(sql)?;
            self.next = Some((ChannelId(B256::from(id)), (self.read)(row, self.place)?));
        }
        Ok(())
    }
}

fn blob<'a>(row: &'a Row<'_>, column: usize, place: &Place) -> Result<&'a [u8], StoreError> {
    row.get_ref(column).and_then(|value| Ok(value.as_blob()?)).map_err(|error| place.sql(error))
}

fn read_channel(row: &Row<'_>, place: &Place) -> Result<(u64, Vec<u8>), StoreError> {
    let covers: u64 = row.get(1).map_err(|error| place.sql(error))?;
    let entries = entry::read(blob(row, 2, place)?).map_err(place.malformed("channel"))?;
    match <[Entry; 1]>::try_from(entries) {
        Ok([entry]) if entry.position == covers => Ok((covers, entry.payload)),
        _ => Err(place.malformed("channel")(Malformed)),
    }
}

/// Working and history entries of one piece, in their order.
fn read_pending(row: &Row<'_>, place: &Place) -> Result<Vec<Entry>, StoreError> {
    let mut entries = entry::read(blob(row, 1, place)?).map_err(place.malformed("pending"))?;
    let history =
        row.get_ref(2).and_then(|value| Ok(value.as_blob_or_null()?)).map_err(|error| place.sql(error))?;
    if let Some(history) = history {
        entries.extend(entry::read(history).map_err(place.malformed("history"))?);
        entries.sort_by_key(|entry| entry.position);
    }
    Ok(entries)
}

/// History of one channel; `in_memory` are its entries that are not folded yet.
pub(super) fn history<'a>(
    db: &Connection,
    place: &Place,
    channel: ChannelId,
    after: Option<u64>,
    limit: usize,
    in_memory: impl Iterator<Item = &'a Entry>,
) -> Result<Vec<HistoryEntry>, StoreError> {
    let sql = |error| place.sql(error);
    let pruned: Option<u64> = db
        .prepare_cached("SELECT pruned FROM channel WHERE id = ?1")
        .and_then(|mut statement| statement.query_row([channel.0.as_slice()], |row| row.get(0)).optional())
        .map_err(sql)?;
    let start = after.unwrap_or_default().max(pruned.unwrap_or_default());
    let mut page = Page { channel, apart: Apart { db, place }, start, limit, entries: Vec::new() };
    // No position comes near the largest value of the column.
    let from = i64::try_from(start).unwrap_or(i64::MAX);
    let mut statement = db
        .prepare_cached("SELECT entries FROM history WHERE channel = ?1 AND last > ?2 ORDER BY last")
        .map_err(sql)?;
    let mut rows = statement.query((channel.0.as_slice(), from)).map_err(sql)?;
    while !page.is_full()
        && let Some(row) = rows.next().map_err(sql)?
    {
        for entry in entry::read(blob(row, 0, place)?).map_err(place.malformed("history"))? {
            page.add(&entry)?;
        }
    }
    for entry in in_memory {
        page.add(entry)?;
    }
    Ok(page.entries)
}

struct Page<'a> {
    channel: ChannelId,
    apart: Apart<'a>,
    start: u64,
    limit: usize,
    entries: Vec<HistoryEntry>,
}

impl Page<'_> {
    fn is_full(&self) -> bool {
        self.entries.len() >= self.limit
    }

    fn add(&mut self, entry: &Entry) -> Result<(), StoreError> {
        let is_history = matches!(entry.tag, Tag::History | Tag::Apart);
        if is_history && entry.position > self.start && !self.is_full() {
            let Entry { position, payload, .. } = self.apart.complete(self.channel, entry.clone())?;
            self.entries.push(HistoryEntry { position, payload });
        }
        Ok(())
    }
}
