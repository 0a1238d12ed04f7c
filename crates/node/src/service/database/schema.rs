//! The tables, and how older formats become the current one.

use rusqlite::{Connection, TransactionBehavior};
use std::path::Path;

/// One step per format, each from its predecessor; the first makes an empty database.
const MIGRATIONS: [&str; 4] = [
    // `channel.number` counts channels in the order in which they became known; `told` is what clients were told of
    // it; `mark` is where in its history a later look begins. `event.total` sums the sizes of all events so far.
    "CREATE TABLE channel (number INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, told BLOB NOT NULL, mark BLOB NOT NULL)
         STRICT;
     CREATE TABLE event (cursor INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, chain INTEGER NOT NULL, channel BLOB,
         kind INTEGER NOT NULL, body BLOB NOT NULL, total INTEGER NOT NULL) STRICT;
     CREATE INDEX event_of_channel ON event (channel, cursor);
     CREATE TABLE invoice (number INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, terms TEXT NOT NULL, text TEXT NOT NULL,
         is_cancelled INTEGER NOT NULL, received TEXT NOT NULL, payments INTEGER NOT NULL, payment TEXT) STRICT;
     CREATE TABLE idempotency (number INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, request BLOB NOT NULL,
         at_ms INTEGER NOT NULL, until_ms INTEGER NOT NULL, channel BLOB, note TEXT NOT NULL, result TEXT,
         done_ms INTEGER) STRICT;
     CREATE INDEX idempotency_of_channel ON idempotency (channel, done_ms);
     CREATE INDEX idempotency_undecided ON idempotency (number) WHERE result IS NULL;
     CREATE INDEX idempotency_until ON idempotency (until_ms);
     CREATE TABLE peer (signer BLOB PRIMARY KEY, address TEXT NOT NULL) STRICT, WITHOUT ROWID;
     CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;",
    "CREATE TABLE tower (signer BLOB PRIMARY KEY, address TEXT NOT NULL) STRICT, WITHOUT ROWID;",
    // Where a peer last said that it is paid out.
    "CREATE TABLE payout (chain INTEGER NOT NULL, signer BLOB NOT NULL, payout BLOB NOT NULL, PRIMARY KEY (chain, signer))
         STRICT, WITHOUT ROWID;",
    // Where the history of a channel begins, of which the older part was forgotten.
    "CREATE TABLE history_start (channel BLOB PRIMARY KEY, start BLOB NOT NULL) STRICT, WITHOUT ROWID;",
];

/// The format that this release writes.
const FORMAT: u32 = MIGRATIONS.len() as u32;
/// Marks the file as ours: "STRS".
const APPLICATION: u32 = 0x5354_5253;

pub(super) fn open(path: &Path) -> rusqlite::Result<Connection> {
    let mut db = Connection::open(path)?;
    let number = |db: &Connection, name: &str| db.pragma_query_value(None, name, |row| row.get::<_, u32>(0));
    let (application, found) = (number(&db, "application_id")?, number(&db, "user_version")?);
    let is_empty = application == 0 && found == 0 && number(&db, "schema_version")? == 0;
    if !is_empty && application != APPLICATION {
        return Err(refused("it was made by another program; name another file"));
    }
    if found > FORMAT {
        return Err(refused("it was written by a newer release; install that again"));
    }
    db.pragma_update(None, "journal_mode", "WAL")?;
    // With a write-ahead log, FULL syncs it in every commit.
    db.pragma_update(None, "synchronous", "FULL")?;
    db.pragma_update(None, "temp_store", "MEMORY")?;
    db.pragma_update(None, "trusted_schema", false)?;
    db.set_prepared_statement_cache_capacity(64);
    if found < FORMAT {
        let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for step in MIGRATIONS.iter().skip(found as usize) {
            transaction.execute_batch(step)?;
        }
        transaction.pragma_update(None, "application_id", APPLICATION)?;
        transaction.pragma_update(None, "user_version", FORMAT)?;
        transaction.commit()?;
    }
    Ok(db)
}

fn refused(why: &str) -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(
        rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_NOTADB),
        Some(why.to_owned()),
    )
}
