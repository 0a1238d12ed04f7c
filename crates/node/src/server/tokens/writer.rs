//! Changes that come while the disk syncs wait for it, and go to it together, by one sync.

use super::database;
use crate::server::lock;
use rusqlite::{Connection, TransactionBehavior};
use std::sync::mpsc::sync_channel;
use std::sync::{Mutex, MutexGuard};
use strait_api::{ApiError, ErrorCode};

/// Tells the caller of a change how it ended, once that is durable.
type Tell = Box<dyn FnOnce(Result<(), ApiError>) + Send>;
/// Gets the error instead when the file cannot be written.
type Change = Box<dyn FnOnce(Result<&Connection, ApiError>) -> Outcome + Send>;

struct Outcome {
    /// What it has changed is to stay.
    is_done: bool,
    tell: Tell,
}

/// The connection that changes the file.
pub(super) struct Writer {
    /// Held while the disk syncs.
    db: Mutex<Connection>,
    waiting: Mutex<Vec<Change>>,
}

impl Writer {
    pub(super) fn new(db: Connection) -> Writer {
        Writer { db: Mutex::new(db), waiting: Mutex::default() }
    }

    /// For changes of their own.
    pub(super) fn connection(&self) -> MutexGuard<'_, Connection> {
        lock(&self.db)
    }

    /// Makes a change, which fails alone; durable when this returns. Blocks while the disk syncs.
    ///
    /// # Errors
    /// Its own, and [`ErrorCode::StoreFailed`].
    pub(super) fn write<T: Send + 'static>(
        &self,
        change: impl FnOnce(&Connection) -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let (sender, receiver) = sync_channel(1);
        lock(&self.waiting).push(Box::new(move |db| {
            let done = db.and_then(change);
            // The caller is waiting.
            Outcome {
                is_done: done.is_ok(),
                tell: Box::new(move |committed| drop(sender.send(committed.and(done)))),
            }
        }));
        let mut db = lock(&self.db);
        let waiting = std::mem::take(&mut *lock(&self.waiting));
        if !waiting.is_empty() {
            commit(&mut db, waiting);
        }
        drop(db);
        // Whoever took it has answered before the lock was free.
        let lost = |_| ApiError::new(ErrorCode::Internal, "a change of the tokens was not carried out");
        receiver.recv().map_err(lost)?
    }

    #[cfg(test)]
    pub(super) fn count_waiting(&self) -> usize {
        lock(&self.waiting).len()
    }
}

fn commit(db: &mut Connection, changes: Vec<Change>) {
    let mut outcomes = Vec::with_capacity(changes.len());
    let mut changes = changes.into_iter();
    let committed = carry_out(db, &mut changes, &mut outcomes).map_err(|error| database::failed(&error));
    if let Err(error) = &committed {
        outcomes.extend(changes.map(|change| change(Err(error.clone()))));
    }
    outcomes.into_iter().for_each(|outcome| (outcome.tell)(committed.clone()));
}

fn carry_out(
    db: &mut Connection,
    changes: &mut impl Iterator<Item = Change>,
    outcomes: &mut Vec<Outcome>,
) -> rusqlite::Result<()> {
    let mut transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    loop {
        let mut point = transaction.savepoint()?;
        let Some(change) = changes.next() else {
            point.commit()?;
            break;
        };
        let outcome = change(Ok(&point));
        let is_done = outcome.is_done;
        outcomes.push(outcome);
        if !is_done {
            point.rollback()?;
        }
        point.commit()?;
    }
    transaction.commit()
}
