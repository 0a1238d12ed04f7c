//! The fold: it keeps up, gives space back, and never does much at a time.

use super::super::SqliteStore;
use super::Files;
use crate::conformance::{Backend as _, Model, channel};
use strait_engine::ports::{Batch, Kind, Store as _};

fn count(store: &SqliteStore, table: &str) -> i64 {
    store.db.query_row(&format!("SELECT count(*) FROM {table}"), (), |row| row.get(0)).expect("readable")
}

/// One record and, in some, a snapshot; over 20 channels.
fn batch(number: usize) -> Batch {
    let mut batch = Batch::default();
    let id = channel((number % 20) as u8);
    let kind = if number.is_multiple_of(4) { Kind::History } else { Kind::Working };
    batch.record(id, kind, vec![number as u8; 300]);
    if number % 100 < 20 {
        batch.snapshot(id, vec![number as u8; 100]);
    }
    batch
}

#[test]
fn the_journal_stays_short_and_space_is_reused() {
    let mut files = Files::new(20_000);
    let mut store = files.open().expect("open");
    let mut pages = Vec::new();
    for number in 0..6_000 {
        store.commit(&batch(number)).expect("committed");
        // A run of 20,000 bytes holds about 60 of them; two runs and what comes while one is worked off.
        assert!(count(&store, "journal") < 200, "the fold keeps up");
        if number % 1_000 == 999 {
            for n in 0..20 {
                store.prune_history(channel(n), u64::MAX).expect("pruned");
            }
            let size = store.db.pragma_query_value(None, "page_count", |row| row.get::<_, i64>(0));
            pages.push(size.expect("readable"));
        }
    }
    let (second, last) = (pages[1], pages[pages.len() - 1]);
    assert!(last <= second * 5 / 4, "the file does not grow for good: {pages:?}");
    assert!(count(&store, "pending") < 400, "pending rows are moved on");
}

#[test]
fn a_crash_at_every_commit_of_a_fold_changes_nothing() {
    let mut files = Files::new(4_000);
    let mut model = Model::default();
    for number in 0..150 {
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

#[test]
fn one_step_of_a_long_run_is_small() {
    let mut files = Files::new(2_000_000);
    let mut store = files.open().expect("open");
    let mut large = Batch::default();
    for n in 0..5_000_usize {
        large.record(channel(1), Kind::History, vec![n as u8; 400]);
    }
    large.snapshot(channel(1), vec![1]);
    store.commit(&large).expect("committed");
    assert!(!store.fold.is_idle(), "a run is waiting");
    let mut small = Batch::default();
    small.record(channel(2), Kind::Working, vec![1; 300]);
    let mut commits = 0;
    while !store.fold.is_idle() {
        let before = count(&store, "history");
        store.commit(&small).expect("committed");
        assert!(count(&store, "history") - before <= 1, "one commit moves at most one row");
        commits += 1;
    }
    assert!(commits > 100, "the work is spread: {commits}");
}
