//! The tables of tokens, and the file that holds them.

use super::TokensError;
use crate::files::make_private;
use rusqlite::{Connection, Row, TransactionBehavior, params};
use std::path::Path;
use std::time::Duration;
use strait_api::{ApiError, ErrorCode, TokenInfo};

/// The layout that this release writes.
const FORMAT: u32 = 2;

/// Marks the file as ours: "STTK".
const APPLICATION: u32 = 0x5354_544b;

/// Another process, such as `strait token create`, may write for a moment.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// `change` counts what was made and revoked, so that a process sees what another one did.
const SCHEMA: &str = "
    CREATE TABLE token (id TEXT PRIMARY KEY, hash BLOB NOT NULL UNIQUE, name TEXT NOT NULL, scopes TEXT NOT NULL,
        limits TEXT NOT NULL, created INTEGER NOT NULL, expires INTEGER) STRICT, WITHOUT ROWID;
    CREATE TABLE channel_spending (token TEXT, channel BLOB, asset BLOB, amount TEXT NOT NULL,
        PRIMARY KEY (token, channel, asset)) STRICT, WITHOUT ROWID;
    CREATE TABLE day_spending (token TEXT, day INTEGER, chain BLOB, asset BLOB, amount TEXT NOT NULL,
        PRIMARY KEY (token, day, chain, asset)) STRICT, WITHOUT ROWID;
    CREATE TABLE reservation (token TEXT, key TEXT, request BLOB NOT NULL, made_ms INTEGER NOT NULL,
        PRIMARY KEY (token, key)) STRICT, WITHOUT ROWID;
    CREATE INDEX reservation_age ON reservation (made_ms);
    CREATE TABLE change (number INTEGER NOT NULL) STRICT;
    INSERT INTO change VALUES (0);";

/// Opens the file, and makes it if there is none.
pub(super) fn open(path: &Path) -> Result<Connection, TokensError> {
    let failed = |error: rusqlite::Error| TokensError { path: path.to_owned(), reason: error.to_string() };
    // The hashes alone let nobody in, but names and spending are nobody else's business.
    make_private(path).map_err(|error| TokensError { path: path.to_owned(), reason: error.to_string() })?;
    let mut db = Connection::open(path).map_err(failed)?;
    configure(&db).map_err(failed)?;
    let number = |name: &str| db.pragma_query_value(None, name, |row| row.get::<_, u32>(0));
    let (application, format) =
        (number("application_id").map_err(failed)?, number("user_version").map_err(failed)?);
    match (application, format) {
        (0, 0) => create(&mut db).map_err(failed)?,
        (APPLICATION, FORMAT) => {}
        (APPLICATION, 1) => {
            let reason = "its limits do not say on which chain they hold; remove the file, start the node, and make the tokens anew";
            return Err(TokensError { path: path.to_owned(), reason: reason.to_owned() });
        }
        (APPLICATION, newer) => {
            let reason = format!("its format {newer} is of a newer release; use that release");
            return Err(TokensError { path: path.to_owned(), reason });
        }
        _ => {
            let reason = "it was made by another program; choose another data directory".to_owned();
            return Err(TokensError { path: path.to_owned(), reason });
        }
    }
    Ok(db)
}

/// With a write-ahead log, FULL syncs it in every commit.
fn configure(db: &Connection) -> rusqlite::Result<()> {
    db.busy_timeout(BUSY_TIMEOUT)?;
    db.pragma_update(None, "journal_mode", "WAL")?;
    db.pragma_update(None, "synchronous", "FULL")?;
    db.pragma_update(None, "trusted_schema", false)
}

fn create(db: &mut Connection) -> rusqlite::Result<()> {
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Another process may have been faster.
    let format: u32 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if format == 0 {
        transaction.execute_batch(SCHEMA)?;
        transaction.pragma_update(None, "application_id", APPLICATION)?;
        transaction.pragma_update(None, "user_version", FORMAT)?;
    }
    transaction.commit()
}

/// A failure of the file while the node runs.
pub(super) fn failed(error: &rusqlite::Error) -> ApiError {
    ApiError::new(ErrorCode::StoreFailed, format!("the tokens cannot be read or written: {error}"))
        .hint("free space or repair the disk that holds tokens.db, then repeat")
}

/// A token as it is kept.
pub(super) struct Kept {
    pub(super) info: TokenInfo,
    pub(super) hash: Vec<u8>,
}

pub(super) fn insert(db: &mut Connection, kept: &Kept) -> rusqlite::Result<()> {
    let Kept { info, hash } = kept;
    let text = |value: serde_json::Result<String>| {
        value.map_err(|e| rusqlite::Error::ToSqlConversionFailure(e.into()))
    };
    let (scopes, limits) =
        (text(serde_json::to_string(&info.scopes))?, text(serde_json::to_string(&info.limits))?);
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute(
        "INSERT INTO token (id, hash, name, scopes, limits, created, expires) VALUES (?, ?, ?, ?, ?, ?, ?)",
        params![info.id, hash, info.name, scopes, limits, info.created, info.expires],
    )?;
    transaction.execute("UPDATE change SET number = number + 1", [])?;
    transaction.commit()
}

/// Whether there was one.
pub(super) fn remove(db: &mut Connection, id: &str) -> rusqlite::Result<bool> {
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let removed = transaction.execute("DELETE FROM token WHERE id = ?", [id])?;
    for table in ["channel_spending", "day_spending", "reservation"] {
        transaction.execute(&format!("DELETE FROM {table} WHERE token = ?"), [id])?;
    }
    transaction.execute("UPDATE change SET number = number + 1", [])?;
    transaction.commit()?;
    Ok(removed > 0)
}

pub(super) fn change_number(db: &Connection) -> rusqlite::Result<i64> {
    db.query_row("SELECT number FROM change", [], |row| row.get(0))
}

/// Oldest first.
pub(super) fn all(db: &Connection) -> rusqlite::Result<Vec<Kept>> {
    let mut statement = db.prepare_cached(
        "SELECT id, hash, name, scopes, limits, created, expires FROM token ORDER BY created, id",
    )?;
    let rows = statement.query_map([], read)?;
    rows.collect()
}

fn read(row: &Row<'_>) -> rusqlite::Result<Kept> {
    Ok(Kept {
        hash: row.get(1)?,
        info: TokenInfo {
            id: row.get(0)?,
            name: row.get(2)?,
            scopes: json(row, 3)?,
            limits: json(row, 4)?,
            created: row.get(5)?,
            expires: row.get(6)?,
        },
    })
}

fn json<T: serde::de::DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    let text: String = row.get(column)?;
    serde_json::from_str(&text).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, error.into())
    })
}
