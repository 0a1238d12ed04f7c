//! Large payloads of history: they are written once, are found wherever a crash falls, and go when they are forgotten.

use super::super::apart::LARGE;
use super::super::{SqliteStore, directory::DATABASE};
use super::Files;
use crate::conformance::{Backend as _, Model, channel};
use rusqlite::Connection;
use strait_engine::ports::{Batch, Kind, Store as _, StoreError};

fn bytes_in(store: &SqliteStore, table: &str) -> usize {
    let sql = format!("SELECT coalesce(sum(length(entries)), 0) FROM {table}");
    store.db.query_row(&sql, (), |row| row.get(0)).expect("readable")
}

/// Payloads around the size from which on they lie apart, and a small one; a snapshot in every seventh batch.
fn batch(number: usize) -> Batch {
    let mut batch = Batch::default();
    let id = channel((number % 3) as u8);
    for size in [LARGE - 1, LARGE, 3 * LARGE, 10] {
        batch.record(id, Kind::History, vec![number as u8; size]);
    }
    batch.record(id, Kind::Working, vec![number as u8; 2 * LARGE]);
    if number.is_multiple_of(7) {
        batch.snapshot(id, vec![number as u8; 100]);
    }
    batch
}

#[test]
fn they_are_not_moved_by_the_fold() {
    let mut files = Files::new(1_000);
    let mut store = files.open().expect("open");
    let mut large = Batch::default();
    large.record(channel(1), Kind::History, vec![1; 50 * LARGE]);
    for _ in 0..20 {
        store.commit(&large).expect("committed");
        assert!(bytes_in(&store, "journal") < LARGE, "the journal has no copy");
    }
    assert!(bytes_in(&store, "history") < LARGE, "nor has the history");
    assert!(bytes_in(&store, "apart") >= 20 * 50 * LARGE);
}

#[test]
fn a_crash_at_every_commit_loses_none() {
    for run_size in [1_000, 50_000] {
        let mut files = Files::new(run_size);
        let mut model = Model::default();
        for number in 0..60 {
            let mut store = files.open().expect("open");
            store.commit(&batch(number)).expect("committed");
            model.commit(&batch(number));
            model.assert_same(&store, "before the crash");
            files.crash(store);
            let store = files.open().expect("open");
            model.assert_same(&store, "after the crash");
            files.crash(store);
        }
    }
}

#[test]
fn those_that_are_forgotten_give_their_space_back() {
    let mut files = Files::new(1_000);
    let mut store = files.open().expect("open");
    for number in 0..30 {
        store.commit(&batch(number)).expect("committed");
    }
    let mut last = Batch::default();
    for n in 0..3 {
        last.snapshot(channel(n), vec![n]);
    }
    store.commit(&last).expect("committed");
    let mut small = Batch::default();
    small.record(channel(9), Kind::Working, vec![1; 2_000]);
    for _ in 0..1_000 {
        (0..3).for_each(|n| store.prune_history(channel(n), u64::MAX).expect("pruned"));
        store.commit(&small).expect("committed");
        if bytes_in(&store, "apart") == 0 {
            return;
        }
    }
    panic!("{} bytes are still there", bytes_in(&store, "apart"));
}

#[test]
fn one_that_is_missing_or_changed_is_damage() {
    for damage in ["DELETE FROM apart", "UPDATE apart SET entries = zeroblob(length(entries))"] {
        let mut files = Files::new(1_000);
        let mut store = files.open().expect("open");
        store.commit(&batch(1)).expect("committed");
        drop(store);
        let db = Connection::open(files.path().join(DATABASE)).expect("a database");
        db.execute_batch(damage).expect("done");
        drop(db);
        let store = files.open().expect("open");
        let history = store.history(channel(1), None, 10);
        assert!(matches!(history, Err(StoreError::Damaged { .. })), "{damage}: {history:?}");
        let recovered = store.recover(&mut |_| {});
        assert!(matches!(recovered, Err(StoreError::Damaged { .. })), "{damage}: {recovered:?}");
    }
}
