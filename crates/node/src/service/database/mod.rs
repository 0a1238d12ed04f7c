//! The service's own database: what must survive a restart and is no part of any channel. One thread writes, and
//! brings everything that waits to disk with one sync; reading goes on beside it.

mod schema;

use crate::files::make_private;
use rusqlite::{Connection, OpenFlags};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use strait_api::{ApiError, ErrorCode};
use tokio::sync::oneshot;

/// Jobs that share one sync at most.
const MAX_GROUP: usize = 4_096;

/// The database cannot be used; the environment's fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the service database {path} cannot be used: {reason}; check the disk's space and health, then start again"
)]
pub struct DatabaseError {
    /// Where it is.
    pub path: String,
    /// What SQLite or the system says.
    pub reason: String,
}

impl From<DatabaseError> for ApiError {
    fn from(error: DatabaseError) -> ApiError {
        ApiError::new(ErrorCode::StoreFailed, error.to_string())
    }
}

/// A handle; clones share the thread.
#[derive(Clone)]
pub(crate) struct Database {
    shared: Arc<Shared>,
}

struct Shared {
    path: PathBuf,
    jobs: Mutex<Option<Sender<Box<dyn Job>>>>,
    reader: Arc<tokio::sync::Mutex<Connection>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    dead: Arc<AtomicBool>,
}

/// Work of the writing thread, in two steps: within the transaction, and once that has ended.
trait Job: Send {
    fn run(&mut self, db: &Connection) -> rusqlite::Result<()>;
    fn finish(self: Box<Self>, outcome: Result<(), DatabaseError>);
}

struct Call<W, A, T> {
    work: Option<W>,
    after: A,
    result: Option<T>,
    answer: oneshot::Sender<Result<T, DatabaseError>>,
}

impl<W, A, T> Job for Call<W, A, T>
where
    W: FnOnce(&Connection) -> rusqlite::Result<T> + Send,
    A: FnOnce(&T) + Send,
    T: Send,
{
    fn run(&mut self, db: &Connection) -> rusqlite::Result<()> {
        if let Some(work) = self.work.take() {
            self.result = Some(work(db)?);
        }
        Ok(())
    }

    fn finish(self: Box<Self>, outcome: Result<(), DatabaseError>) {
        let Call { after, result, answer, .. } = *self;
        let answered = match (outcome, result) {
            (Ok(()), Some(result)) => {
                after(&result);
                answer.send(Ok(result))
            }
            (Err(error), _) => answer.send(Err(error)),
            (Ok(()), None) => return,
        };
        // A caller may have lost interest.
        drop(answered);
    }
}

impl Database {
    /// Opens the database, and makes it where there is none.
    pub(crate) fn open(path: &Path) -> Result<Database, DatabaseError> {
        let fault = |error: rusqlite::Error| fault(path, &error);
        let made = match path.parent() {
            Some(parent) => std::fs::create_dir_all(parent),
            None => Ok(()),
        };
        made.and_then(|()| make_private(path))
            .map_err(|error| DatabaseError { path: path.display().to_string(), reason: error.to_string() })?;
        let writer = schema::open(path).map_err(fault)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let reader = Connection::open_with_flags(path, flags).map_err(fault)?;
        let (jobs, waiting) = channel();
        let dead = Arc::new(AtomicBool::new(false));
        let (place, is_dead) = (path.to_owned(), dead.clone());
        let thread = std::thread::Builder::new()
            .name("strait-service".into())
            .spawn(move || run(writer, &waiting, &place, &is_dead))
            .map_err(|error| DatabaseError { path: path.display().to_string(), reason: error.to_string() })?;
        Ok(Database {
            shared: Arc::new(Shared {
                path: path.to_owned(),
                jobs: Mutex::new(Some(jobs)),
                reader: Arc::new(tokio::sync::Mutex::new(reader)),
                thread: Mutex::new(Some(thread)),
                dead,
            }),
        })
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.shared.path
    }

    /// Changes something durably. Jobs are carried out in the order of the calls.
    pub(crate) fn write<W, T>(
        &self,
        work: W,
    ) -> impl Future<Output = Result<T, DatabaseError>> + Send + use<W, T>
    where
        W: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
        T: Send + 'static,
    {
        self.write_then(work, |_: &T| {})
    }

    /// The same; `after` runs in order too, as soon as the change is durable and before anyone is told.
    pub(crate) fn write_then<W, A, T>(
        &self,
        work: W,
        after: A,
    ) -> impl Future<Output = Result<T, DatabaseError>> + Send + use<W, A, T>
    where
        W: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
        A: FnOnce(&T) + Send + 'static,
        T: Send + 'static,
    {
        let (answer, receiver) = oneshot::channel();
        let job = Box::new(Call { work: Some(work), after, result: None, answer });
        let jobs = self.shared.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        let sent = jobs.as_ref().is_some_and(|jobs| jobs.send(job).is_ok());
        drop(jobs);
        let path = self.shared.path.display().to_string();
        async move {
            let closed =
                || DatabaseError { path, reason: "it is closed, since the service has stopped".into() };
            if !sent {
                return Err(closed());
            }
            receiver.await.unwrap_or_else(|_| Err(closed()))
        }
    }

    /// Looks something up.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, DatabaseError> {
        let reader = self.shared.reader.clone().lock_owned().await;
        let path = self.shared.path.clone();
        let read = tokio::task::spawn_blocking(move || work(&reader).map_err(|error| fault(&path, &error)));
        read.await.unwrap_or_else(|error| {
            Err(DatabaseError { path: self.shared.path.display().to_string(), reason: error.to_string() })
        })
    }

    /// Ends when all that was handed in is durable.
    pub(crate) async fn close(&self) {
        drop(self.shared.jobs.lock().unwrap_or_else(PoisonError::into_inner).take());
        let thread = self.shared.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            drop(tokio::task::spawn_blocking(move || thread.join()).await);
        }
    }

    /// Ends like a crash: what is not on disk yet is lost.
    pub(crate) async fn kill(&self) {
        self.shared.dead.store(true, Ordering::Relaxed);
        self.close().await;
    }
}

fn fault(path: &Path, error: &rusqlite::Error) -> DatabaseError {
    DatabaseError { path: path.display().to_string(), reason: error.to_string() }
}

fn run(mut db: Connection, waiting: &Receiver<Box<dyn Job>>, path: &Path, dead: &AtomicBool) {
    while let Ok(first) = waiting.recv() {
        let mut jobs: Vec<_> = std::iter::once(first).chain(waiting.try_iter().take(MAX_GROUP)).collect();
        if dead.load(Ordering::Relaxed) {
            return;
        }
        let outcomes = match commit(&mut db, &mut jobs) {
            Ok(outcomes) => {
                outcomes.into_iter().map(|one| one.map_err(|error| fault(path, &error))).collect::<Vec<_>>()
            }
            Err(error) => jobs.iter().map(|_| Err(fault(path, &error))).collect(),
        };
        for (job, outcome) in jobs.into_iter().zip(outcomes) {
            if let Err(error) = &outcome {
                tracing::error!(%error, "what waited was not written");
            }
            job.finish(outcome);
        }
    }
}

/// Brings all jobs to disk together. One that fails leaves nothing behind and takes no other along.
fn commit(db: &mut Connection, jobs: &mut [Box<dyn Job>]) -> rusqlite::Result<Vec<rusqlite::Result<()>>> {
    let transaction = db.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let step = |sql| transaction.prepare_cached(sql)?.execute(()).map(drop);
    let mut outcomes = Vec::with_capacity(jobs.len());
    for job in jobs {
        step("SAVEPOINT job")?;
        let outcome = job.run(&transaction);
        if outcome.is_err() {
            // A full disk, say, has ended the whole transaction; then this fails, and with it all.
            step("ROLLBACK TO job")?;
        }
        step("RELEASE job")?;
        outcomes.push(outcome);
    }
    transaction.commit()?;
    Ok(outcomes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_job_that_fails_leaves_nothing_and_takes_no_other_along() {
        let directory = tempfile::tempdir().expect("a directory");
        let database = Database::open(&directory.path().join("service.db")).expect("opens");
        let put = |key: &'static str, value: u64| {
            database.write(move |db| {
                db.execute("INSERT INTO meta VALUES (?1, x'00')", [key])?;
                db.query_row("SELECT ?1", [value], |row| row.get::<_, u64>(0))
            })
        };
        // The first one holds the thread until all the others wait, so that they share a transaction.
        let (go, wait) = std::sync::mpsc::channel::<()>();
        let hold = database.write(move |_| Ok(wait.recv().is_ok()));
        let others = [put("a", 1), put("b", u64::MAX), put("c", 2)];
        go.send(()).expect("it waits");
        assert_eq!(hold.await, Ok(true));
        let [first, bad, last] = others;
        let (first, bad, last) = tokio::join!(first, bad, last);
        assert!(first.is_ok() && last.is_ok(), "{first:?} {last:?}");
        assert!(bad.is_err());
        let keys = database.read(|db| {
            db.prepare("SELECT key FROM meta ORDER BY key")?
                .query_map((), |row| row.get::<_, String>(0))?
                .collect::<Result<Vec<_>, _>>()
        });
        assert_eq!(keys.await, Ok(vec!["a".to_owned(), "c".to_owned()]));
    }
}
