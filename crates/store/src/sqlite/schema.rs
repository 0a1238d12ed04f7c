//! The tables, and how older formats become the current one.

use super::error::Place;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};
use std::path::Path;
use strait_engine::ports::StoreError;

/// One step per format, each from its predecessor; the first makes an empty database.
const MIGRATIONS: [&str; 3] = [
    // `journal` takes every commit at its end. The others are keyed by channel and are written in bulk by the fold.
    "CREATE TABLE journal (first INTEGER PRIMARY KEY, entries BLOB NOT NULL) STRICT;
     CREATE TABLE channel (id BLOB PRIMARY KEY, covers INTEGER NOT NULL, snapshot BLOB) STRICT, WITHOUT ROWID;
     CREATE TABLE pending (channel BLOB, last INTEGER, entries BLOB NOT NULL, PRIMARY KEY (channel, last))
         STRICT, WITHOUT ROWID;
     CREATE TABLE history (channel BLOB, last INTEGER, entries BLOB NOT NULL, PRIMARY KEY (channel, last))
         STRICT, WITHOUT ROWID;
     CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;
     CREATE TABLE fold (through INTEGER NOT NULL, channel BLOB NOT NULL, position INTEGER NOT NULL) STRICT;
     INSERT INTO fold VALUES (0, x'', 0);",
    // The position up to which a channel's history is forgotten.
    "ALTER TABLE channel ADD COLUMN pruned INTEGER NOT NULL DEFAULT 0;",
    // Large payloads of history, which are written once and never moved.
    "CREATE TABLE apart (channel BLOB, last INTEGER, entries BLOB NOT NULL, PRIMARY KEY (channel, last))
         STRICT, WITHOUT ROWID;",
];

/// The format that this release writes; it reads all older ones.
pub const FORMAT: u32 = MIGRATIONS.len() as u32;

/// Marks the file as ours: "STRT".
const APPLICATION: u32 = 0x5354_5254;

/// Statements that are kept prepared: more than there are.
const STATEMENTS: usize = 32;

/// Opens the database and brings it to the current format. A refused one is left as it was.
pub(super) fn open(database: &Path, place: &Place) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut db = Connection::open_with_flags(database, flags).map_err(|error| place.sql(error))?;
    let found = format_of(&db, place)?;
    configure(&db).map_err(|error| place.sql(error))?;
    migrate(&mut db, found).map_err(|error| place.sql(error))?;
    Ok(db)
}

fn format_of(db: &Connection, place: &Place) -> Result<u32, StoreError> {
    let number = |name: &str| db.pragma_query_value(None, name, |row| row.get::<_, u32>(0));
    let read = || Ok((number("application_id")?, number("user_version")?, number("schema_version")?));
    let (application, format, schema) = read().map_err(|error| place.sql(error))?;
    let empty = application == 0 && format == 0 && schema == 0;
    if !empty && application != APPLICATION {
        return Err(place.damaged("its database was made by another program"));
    }
    if format > FORMAT { Err(place.newer(format)) } else { Ok(format) }
}

/// With a write-ahead log, FULL syncs it in every commit.
fn configure(db: &Connection) -> rusqlite::Result<()> {
    db.pragma_update(None, "journal_mode", "WAL")?;
    db.pragma_update(None, "synchronous", "FULL")?;
    db.pragma_update(None, "cache_size", -16_384)?;
    db.pragma_update(None, "temp_store", "MEMORY")?;
    db.pragma_update(None, "trusted_schema", false)?;
    db.pragma_update(None, "cell_size_check", true)?;
    db.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(())
}

fn migrate(db: &mut Connection, found: u32) -> rusqlite::Result<()> {
    if found == FORMAT {
        return Ok(());
    }
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for step in MIGRATIONS.iter().skip(found as usize) {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION)?;
    transaction.pragma_update(None, "user_version", FORMAT)?;
    transaction.commit()
}
