//! The SQLite backend: the conformance suite, and what is its own.

mod apart;
mod crash;
mod directory;
mod disk_full;
mod fold;
mod process;

use super::SqliteStore;
use super::directory::DATABASE;
use crate::conformance::{self, Backend};
use std::fs;
use std::path::{Path, PathBuf};
use strait_engine::ports::StoreError;
use tempfile::TempDir;

/// The write-ahead log.
const LOG: &str = "strait.db-wal";

/// A data directory for the suite. A crash is a copy of the files of an open store.
struct Files {
    root: TempDir,
    generation: u32,
    run_size: usize,
}

impl Files {
    fn new(run_size: usize) -> Self {
        Self { root: scratch(), generation: 0, run_size }
    }

    fn path(&self) -> PathBuf {
        self.root.path().join(self.generation.to_string())
    }
}

impl Backend for Files {
    type Store = SqliteStore;

    fn open(&mut self) -> Result<SqliteStore, StoreError> {
        SqliteStore::open_with_run(&self.path(), self.run_size)
    }

    fn crash(&mut self, store: SqliteStore) {
        let before = self.path();
        self.generation += 1;
        copy_files(&before, &self.path());
        drop(store);
        fs::remove_dir_all(before).expect("removable");
    }
}

/// A temporary directory; in memory where there is such a file system, as thousands of real syncs take long on a busy
/// machine and these tests need none: what a crash leaves is made by hand.
fn scratch() -> TempDir {
    let memory = Path::new("/dev/shm");
    let made = if memory.is_dir() { TempDir::new_in(memory) } else { TempDir::new() };
    made.expect("a temporary directory")
}

/// Copies database and log as they are on disk.
fn copy_files(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a directory");
    for name in [DATABASE, LOG] {
        if from.join(name).exists() {
            fs::copy(from.join(name), to.join(name)).expect("a copy");
        }
    }
}

#[test]
fn conforms() {
    conformance::run(&|| Files::new(super::RUN));
}

#[test]
fn conforms_while_folding_all_the_time() {
    for run_size in [1, 1_000] {
        conformance::run(&|| Files::new(run_size));
    }
}

#[test]
fn every_commit_is_synced() {
    let mut files = Files::new(super::RUN);
    let store = files.open().expect("open");
    let number = |name: &str| store.db.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    assert_eq!(number("synchronous").expect("readable"), 2, "FULL");
    let mode: String = store.db.pragma_query_value(None, "journal_mode", |row| row.get(0)).expect("readable");
    assert_eq!(mode, "wal");
}
