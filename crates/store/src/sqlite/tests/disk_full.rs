//! A full disk.

use super::super::SqliteStore;
use super::Files;
use crate::conformance::{Backend as _, Model, channel, random_batch};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng as _;
use std::path::Path;
use strait_engine::ports::{Batch, Kind, Store as _, StoreError};

/// Commits until the disk is full.
fn fill(store: &mut SqliteStore, model: &mut Model, mut more: impl FnMut() -> Batch) -> StoreError {
    loop {
        let batch = more();
        match store.commit(&batch) {
            Ok(()) => model.commit(&batch),
            Err(error) => return error,
        }
    }
}

#[test]
fn a_full_disk_loses_nothing() {
    for run_size in [1_000, 100_000] {
        let mut files = Files::new(run_size);
        let mut store = files.open().expect("open");
        store.db.pragma_update(None, "max_page_count", 60).expect("set");
        let mut model = Model::default();
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let error = fill(&mut store, &mut model, || random_batch(&mut rng));
        assert!(matches!(error, StoreError::DiskFull { .. }), "{error}");
        assert!(matches!(store.meta("k"), Err(StoreError::Misuse(_))), "it must be opened again");
        drop(store);
        let mut store = files.open().expect("open");
        model.assert_same(&store, "after the disk was full");
        let batch = random_batch(&mut rng);
        store.commit(&batch).expect("there is space again");
        model.commit(&batch);
        model.assert_same(&store, "with space again");
    }
}

/// On a real small file system, for instance:
/// `mount -t tmpfs -o size=10m tmpfs /mnt/small; STRAIT_SMALL_DISK=/mnt/small cargo test ... -- --ignored small_file_system`
#[test]
#[ignore = "needs a file system of 10 MB at $STRAIT_SMALL_DISK"]
fn a_small_file_system_loses_nothing() {
    let disk = std::env::var("STRAIT_SMALL_DISK").expect("the path of a small file system");
    let path = Path::new(&disk).join("data");
    let ballast = Path::new(&disk).join("ballast");
    let mut model = Model::default();
    let mut rng = ChaCha8Rng::seed_from_u64(6);
    for round in 0..10_usize {
        std::fs::write(&ballast, vec![0; 3_000_000 + round * 4_096]).expect("space for the ballast");
        let mut store = SqliteStore::open_with_run(&path, 20_000).expect("open");
        model.assert_same(&store, "before it fills");
        let error = fill(&mut store, &mut model, || {
            let mut batch = random_batch(&mut rng);
            batch.record(channel(1), Kind::Working, vec![1; 3_000]);
            batch
        });
        assert!(matches!(error, StoreError::DiskFull { .. }), "{error}");
        drop(store);
        // Opening works on a full disk too, or says that it is full.
        match SqliteStore::open_with_run(&path, 20_000) {
            Ok(store) => model.assert_same(&store, "on the full disk"),
            Err(error) => assert!(matches!(error, StoreError::DiskFull { .. }), "{error}"),
        }
        std::fs::remove_file(&ballast).expect("removable");
        let mut store = SqliteStore::open_with_run(&path, 20_000).expect("open");
        model.assert_same(&store, "with space again");
        let mut batch = Batch::default();
        for n in 0..6 {
            batch.snapshot(channel(n), vec![n]);
        }
        store.commit(&batch).expect("space again");
        model.commit(&batch);
        for n in 0..6 {
            let count = model.history(channel(n)).len();
            store.prune_history(channel(n), u64::MAX).expect("pruned");
            model.prune(channel(n), count);
        }
        for _ in 0..100 {
            let mut batch = Batch::default();
            batch.record(channel(1), Kind::Working, vec![1; 1_000]);
            batch.snapshot(channel(1), vec![1]);
            store.commit(&batch).expect("space again");
            model.commit(&batch);
        }
    }
}
