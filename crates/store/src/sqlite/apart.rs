//! Large payloads of history. Each is written to its place in the commit that brings it, and what the journal and the
//! fold handle in its stead is an entry without a payload.

use super::error::Place;
use crate::entry::{self, Entry, Malformed, Tag, Writer};
use rusqlite::{Connection, OptionalExtension as _, params};
use strait_engine::ports::StoreError;
use strait_types::ChannelId;

/// From so many bytes on a payload is written apart: it fills two pages, so that the third that its place costs is paid
/// for by not being written twice.
pub(super) const LARGE: usize = 8 * 1024;

pub(super) fn insert(
    db: &Connection,
    channel: ChannelId,
    position: u64,
    payload: &[u8],
) -> rusqlite::Result<()> {
    let mut row = Writer::with_capacity(payload.len());
    row.push(None, position, Tag::History, payload);
    db.prepare_cached("INSERT INTO apart VALUES (?1, ?2, ?3)")?
        .execute(params![channel.0.as_slice(), position, row.finish()])
        .map(drop)
}

/// Brings entries together with their payloads.
#[derive(Clone, Copy)]
pub(super) struct Apart<'a> {
    pub(super) db: &'a Connection,
    pub(super) place: &'a Place,
}

impl Apart<'_> {
    /// The entry as it was committed.
    pub(super) fn complete(self, channel: ChannelId, entry: Entry) -> Result<Entry, StoreError> {
        if entry.tag != Tag::Apart {
            return Ok(entry);
        }
        let bytes: Option<Vec<u8>> = self
            .db
            .prepare_cached("SELECT entries FROM apart WHERE channel = ?1 AND last = ?2")
            .and_then(|mut statement| {
                statement
                    .query_row(params![channel.0.as_slice(), entry.position], |row| row.get(0))
                    .optional()
            })
            .map_err(|error| self.place.sql(error))?;
        let malformed = || self.place.malformed("apart")(Malformed);
        let entries = entry::read(&bytes.ok_or_else(malformed)?).map_err(self.place.malformed("apart"))?;
        match <[Entry; 1]>::try_from(entries) {
            Ok([whole]) if whole.position == entry.position => Ok(whole),
            _ => Err(malformed()),
        }
    }
}
