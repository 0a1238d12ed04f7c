//! Transactions on disk: written before they are sent, so that a restart neither forgets nor repeats one.

use crate::rpc::fees::Fees;
use borsh::{BorshDeserialize, BorshSerialize};
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, params};
use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;
use strait_engine::ports::TxHash;
use strait_types::{Address, B256, Bytes, U256};

/// Marks a file as a journal of transactions: `StrT`.
const APPLICATION_ID: i64 = 0x5374_7254;
const FORMAT: i64 = 1;
/// A backup that reads holds nothing up for longer.
const BACKUP_PATIENCE: Duration = Duration::from_secs(5);

/// A signed form of a transaction. All forms of one have its nonce, so that at most one takes effect.
#[derive(Clone, PartialEq, Eq, Debug, BorshSerialize, BorshDeserialize)]
pub struct Attempt {
    /// Its hash.
    pub hash: TxHash,
    /// As it is sent.
    pub raw: Bytes,
    /// What it offers.
    pub fees: Fees,
    /// The head's number when it was signed.
    pub signed_at: u64,
    /// It only uses up the nonce: what was asked for is given up.
    pub is_empty: bool,
}

/// A transaction and what was tried to bring it into a block.
#[derive(Clone, PartialEq, Eq, Debug, BorshSerialize, BorshDeserialize)]
pub struct StoredTransaction {
    /// Of the account.
    pub nonce: u64,
    /// The contract; none for one that creates a contract.
    pub to: Option<Address>,
    /// Native coin, in wei.
    pub value: U256,
    /// Calldata or init code.
    pub data: Bytes,
    /// Most gas it may use.
    pub gas_limit: u64,
    /// May cost more than usual.
    pub is_urgent: bool,
    /// Oldest first. The caller knows the transaction by the first one's hash.
    pub attempts: Vec<Attempt>,
}

/// The record of transactions cannot be used; the environment's or the caller's fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JournalError {
    /// Open elsewhere.
    #[error("{path} is in use; one process at a time may send from an account, so stop the other one")]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// The file is another chain's or no journal at all.
    #[error(
        "{path} is not the record of transactions of chain {chain_id}; use a directory of its own for each chain"
    )]
    Foreign {
        /// The file.
        path: PathBuf,
        /// The chain that was asked for.
        chain_id: u64,
    },
    /// It cannot be read or written.
    #[error("the record of sent transactions {path} fails: {reason}; check the disk, then start again")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the database says.
        reason: String,
    },
}

/// Durable memory of the transactions of one chain.
pub trait TransactionJournal: Send {
    /// All transactions of an account, by nonce.
    ///
    /// # Errors
    /// See [`JournalError`].
    fn load(&mut self, account: Address) -> Result<Vec<StoredTransaction>, JournalError>;

    /// Writes a transaction in place of the one with its nonce; on disk when this returns.
    ///
    /// # Errors
    /// See [`JournalError`]. The transaction must not be sent then.
    fn store(&mut self, account: Address, transaction: &StoredTransaction) -> Result<(), JournalError>;

    /// Hash of the first block of the chain that it is of, if it was noted.
    ///
    /// # Errors
    /// See [`JournalError`].
    fn genesis(&mut self) -> Result<Option<B256>, JournalError>;

    /// Notes the hash of the chain's first block, for good.
    ///
    /// # Errors
    /// See [`JournalError`].
    fn note_genesis(&mut self, hash: B256) -> Result<(), JournalError>;

    /// Forgets a transaction that nobody has or needs.
    ///
    /// # Errors
    /// See [`JournalError`].
    fn remove(&mut self, account: Address, nonce: u64) -> Result<(), JournalError>;
}

/// The journal in an SQLite file of its own. One of a file at a time is open, by a lock on the file beside it, so that a
/// backup can read it meanwhile.
#[derive(Debug)]
pub struct SqliteJournal {
    db: Connection,
    path: PathBuf,
    /// Let go of after the database.
    _lock: Lock,
}

/// Ends with the process, however that ends.
#[derive(Debug)]
struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        // To close it is not enough while a child process that was just forked holds it, too.
        if let Err(error) = self.0.unlock() {
            tracing::warn!(%error, "the lock of the record of sent transactions is freed when this process ends");
        }
    }
}

impl SqliteJournal {
    /// Opens the file, or makes it.
    ///
    /// # Errors
    /// `InUse`, also when this process has it open already; `Foreign`; `Io`.
    pub fn open(path: impl AsRef<Path>, chain_id: u64) -> Result<SqliteJournal, JournalError> {
        let path = path.as_ref().to_owned();
        let lock = lock(&path)?;
        private(&path).map_err(|error| JournalError::Io { path: path.clone(), reason: error.to_string() })?;
        let error = |error| sql(&path, &error);
        let db = Connection::open(&path).map_err(error)?;
        db.busy_timeout(BACKUP_PATIENCE).map_err(error)?;
        db.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;").map_err(error)?;
        let pragma = |name: &str| db.query_row(&format!("PRAGMA {name}"), (), |row| row.get::<_, i64>(0));
        let foreign = || JournalError::Foreign { path: path.clone(), chain_id };
        match pragma("application_id").map_err(error)? {
            APPLICATION_ID => {}
            0 => create(&db, chain_id).map_err(|_| foreign())?,
            _ => return Err(foreign()),
        }
        let id: Option<Vec<u8>> =
            db.query_row("SELECT id FROM chain", (), |row| row.get(0)).optional().map_err(error)?;
        if pragma("user_version").map_err(error)? != FORMAT || id != Some(chain_id.to_be_bytes().to_vec()) {
            return Err(foreign());
        }
        Ok(SqliteJournal { db, path, _lock: lock })
    }

    /// Hash of the first block of the chain that a file is of, without holding the file; `None` when it is not noted.
    ///
    /// # Errors
    /// `Io`.
    pub fn genesis_of(path: impl AsRef<Path>) -> Result<Option<B256>, JournalError> {
        let path = path.as_ref();
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let db = Connection::open_with_flags(path, flags).map_err(|error| sql(path, &error))?;
        db.busy_timeout(BACKUP_PATIENCE).map_err(|error| sql(path, &error))?;
        genesis(&db).map_err(|error| sql(path, &error))
    }

    fn io(&self, error: &rusqlite::Error) -> JournalError {
        sql(&self.path, error)
    }
}

fn lock(path: &Path) -> Result<Lock, JournalError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let failed =
        |error: std::io::Error| JournalError::Io { path: path.to_owned(), reason: error.to_string() };
    let file = private(name.as_ref()).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(Lock(file)),
        Err(TryLockError::WouldBlock) => Err(JournalError::InUse { path: path.to_owned() }),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

/// Opens a file, and makes one that only its owner reads if there is none.
fn private(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn create(db: &Connection, chain_id: u64) -> rusqlite::Result<()> {
    let transaction = db.unchecked_transaction()?;
    transaction.execute_batch(
        "CREATE TABLE chain (id BLOB NOT NULL, genesis BLOB) STRICT;
         CREATE TABLE transactions (account BLOB NOT NULL, nonce BLOB NOT NULL, body BLOB NOT NULL,
             PRIMARY KEY (account, nonce)) STRICT, WITHOUT ROWID;",
    )?;
    transaction.execute("INSERT INTO chain (id) VALUES (?1)", params![chain_id.to_be_bytes()])?;
    transaction.execute_batch(&format!(
        "PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {FORMAT};"
    ))?;
    transaction.commit()
}

fn genesis(db: &Connection) -> rusqlite::Result<Option<B256>> {
    let noted: Option<Option<Vec<u8>>> =
        db.query_row("SELECT genesis FROM chain", (), |row| row.get(0)).optional()?;
    Ok(noted.flatten().and_then(|hash| B256::try_from(hash.as_slice()).ok()))
}

fn sql(path: &Path, error: &rusqlite::Error) -> JournalError {
    JournalError::Io { path: path.to_owned(), reason: error.to_string() }
}

impl TransactionJournal for SqliteJournal {
    fn load(&mut self, account: Address) -> Result<Vec<StoredTransaction>, JournalError> {
        let mut statement = self
            .db
            .prepare("SELECT body FROM transactions WHERE account = ?1 ORDER BY nonce")
            .map_err(|error| self.io(&error))?;
        let bodies = statement
            .query_map(params![account.as_slice()], |row| row.get::<_, Vec<u8>>(0))
            .map_err(|error| self.io(&error))?;
        bodies
            .map(|body| {
                let body = body.map_err(|error| self.io(&error))?;
                borsh::from_slice(&body).map_err(|error| JournalError::Io {
                    path: self.path.clone(),
                    reason: format!("an entry is malformed: {error}"),
                })
            })
            .collect()
    }

    fn store(&mut self, account: Address, transaction: &StoredTransaction) -> Result<(), JournalError> {
        let body = borsh::to_vec(transaction)
            .map_err(|error| JournalError::Io { path: self.path.clone(), reason: error.to_string() })?;
        self.db
            .prepare_cached("INSERT OR REPLACE INTO transactions (account, nonce, body) VALUES (?1, ?2, ?3)")
            .and_then(|mut insert| {
                insert.execute(params![account.as_slice(), transaction.nonce.to_be_bytes(), body])
            })
            .map_err(|error| self.io(&error))?;
        Ok(())
    }

    fn genesis(&mut self) -> Result<Option<B256>, JournalError> {
        genesis(&self.db).map_err(|error| self.io(&error))
    }

    fn note_genesis(&mut self, hash: B256) -> Result<(), JournalError> {
        let noted =
            self.db.execute("UPDATE chain SET genesis = ?1 WHERE genesis IS NULL", params![hash.as_slice()]);
        noted.map(drop).map_err(|error| self.io(&error))
    }

    fn remove(&mut self, account: Address, nonce: u64) -> Result<(), JournalError> {
        self.db
            .prepare_cached("DELETE FROM transactions WHERE account = ?1 AND nonce = ?2")
            .and_then(|mut delete| delete.execute(params![account.as_slice(), nonce.to_be_bytes()]))
            .map_err(|error| self.io(&error))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transaction(nonce: u64) -> StoredTransaction {
        StoredTransaction {
            nonce,
            to: Some(Address::repeat_byte(7)),
            value: U256::from(5),
            data: Bytes::from_static(b"data"),
            gas_limit: 21_000,
            is_urgent: true,
            attempts: vec![Attempt {
                hash: TxHash::repeat_byte(1),
                raw: Bytes::from_static(b"raw"),
                fees: Fees { max_fee: u128::MAX, tip: Some(3) },
                signed_at: 9,
                is_empty: false,
            }],
        }
    }

    #[test]
    fn keeps_transactions_of_each_account_by_nonce() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("transactions.db");
        let (own, other) = (Address::repeat_byte(1), Address::repeat_byte(2));
        let mut journal = SqliteJournal::open(&path, 5).expect("made");
        for nonce in [300, 2, 1] {
            journal.store(own, &transaction(nonce)).expect("stored");
        }
        journal.store(other, &transaction(8)).expect("stored");
        let bumped = StoredTransaction { gas_limit: 50_000, ..transaction(2) };
        journal.store(own, &bumped).expect("replaced");
        journal.remove(own, 1).expect("removed");
        drop(journal);
        let mut journal = SqliteJournal::open(&path, 5).expect("opened again");
        assert_eq!(journal.genesis(), Ok(None));
        for hash in [1, 2] {
            journal.note_genesis(B256::repeat_byte(hash)).expect("noted");
            assert_eq!(
                SqliteJournal::genesis_of(&path),
                Ok(Some(B256::repeat_byte(1))),
                "the first one stays"
            );
        }
        assert_eq!(journal.load(own), Ok(vec![bumped, transaction(300)]));
        assert_eq!(journal.load(other), Ok(vec![transaction(8)]));
    }

    #[test]
    fn is_held_by_one_at_a_time_and_for_one_chain() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("transactions.db");
        let journal = SqliteJournal::open(&path, 5).expect("made");
        let second = SqliteJournal::open(&path, 5);
        assert!(matches!(second, Err(JournalError::InUse { .. })), "{second:?}");
        let reader = Connection::open(&path).expect("a backup reads it");
        let copy = directory.path().join("copy.db");
        reader.execute("VACUUM INTO ?1", [copy.to_str()]).expect("copied while it is held");
        SqliteJournal::open(&copy, 5).expect("whole");
        drop(journal);
        let foreign = SqliteJournal::open(&path, 6);
        assert!(matches!(foreign, Err(JournalError::Foreign { chain_id: 6, .. })), "{foreign:?}");
        SqliteJournal::open(&path, 5).expect("still there");
    }

    #[test]
    fn another_database_is_refused() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("node.db");
        Connection::open(&path)
            .and_then(|db| db.execute_batch("PRAGMA application_id = 77; CREATE TABLE chain (id BLOB);"))
            .expect("made");
        assert!(matches!(SqliteJournal::open(&path, 5), Err(JournalError::Foreign { .. })));
    }
}
