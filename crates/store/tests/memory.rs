//! The memory backend conforms, and its disk fails as it is told to.

use strait_engine::ports::{Batch, Kind, Store, StoreError};
use strait_store::conformance::{self, Backend, Model, channel};
use strait_store::{Fault, MemoryDisk, MemoryStore};

struct Disk {
    disk: MemoryDisk,
    pretends: bool,
}

impl Backend for Disk {
    type Store = MemoryStore;

    fn open(&mut self) -> Result<MemoryStore, StoreError> {
        if self.pretends {
            self.disk.pretend_to_sync();
        }
        self.disk.open()
    }

    fn crash(&mut self, store: MemoryStore) {
        self.disk.crash(usize::MAX);
        drop(store);
    }
}

fn batch(n: u8) -> Batch {
    let mut batch = Batch::default();
    batch.record(channel(n % 3), Kind::History, vec![n]);
    if n % 4 == 3 {
        batch.snapshot(channel(n % 3), vec![n, n]);
    }
    batch.set_meta("n", vec![n + 1]);
    batch
}

fn model_of(commits: u8) -> Model {
    let mut model = Model::default();
    (0..commits).for_each(|n| model.commit(&batch(n)));
    model
}

#[test]
fn conforms() {
    conformance::run(&|| Disk { disk: MemoryDisk::new(), pretends: false });
}

#[test]
fn conforms_when_what_was_pretended_survives() {
    conformance::run(&|| Disk { disk: MemoryDisk::new(), pretends: true });
}

#[test]
fn each_fault_at_each_commit_leaves_whole_batches() {
    for fault in
        [Fault::DiskFull, Fault::DiskFullAfterWrite, Fault::CrashBefore, Fault::Torn, Fault::CrashAfter]
    {
        let took_effect = matches!(fault, Fault::DiskFullAfterWrite | Fault::CrashAfter);
        let is_full = matches!(fault, Fault::DiskFull | Fault::DiskFullAfterWrite);
        for at in 0..8_u8 {
            let disk = MemoryDisk::new();
            disk.fail_commit(u64::from(at), fault);
            let mut store = disk.open().expect("open");
            for n in 0..at {
                store.commit(&batch(n)).expect("committed");
            }
            match store.commit(&batch(at)) {
                Err(StoreError::DiskFull { .. }) => assert!(is_full, "{fault:?}"),
                Err(StoreError::Io { .. }) => assert!(!is_full, "{fault:?}"),
                other => panic!("{fault:?}: {other:?}"),
            }
            assert_eq!(disk.has_stopped(), !is_full);
            store.commit(&batch(at)).expect_err("it must be opened again");
            store.meta("n").expect_err("it must be opened again");
            let mut store = store.crash(0);
            let end = if took_effect { at + 1 } else { at };
            model_of(end).assert_same(&store, &format!("{fault:?} at {at}"));
            store.commit(&batch(end)).expect("a fault strikes once");
            assert_eq!(disk.commits(), u64::from(at) + 2);
        }
    }
}

#[test]
fn a_crash_loses_a_tail_of_what_was_not_synced() {
    for kept in 0..=4 {
        let mut store = MemoryStore::new();
        for n in 0..6 {
            if n == 2 {
                store.disk().pretend_to_sync();
            }
            store.commit(&batch(n)).expect("acknowledged");
        }
        assert_eq!(store.disk().unsynced(), 4);
        model_of(6).assert_same(&store, "before the crash");
        let store = store.crash(kept);
        model_of(2 + kept as u8).assert_same(&store, "after the crash");
        store.disk().sync();
        model_of(2 + kept as u8).assert_same(&store.crash(0), "after a sync nothing is lost");
    }
}

#[test]
fn a_stopped_store_stays_dead_when_the_machine_runs_again() {
    let disk = MemoryDisk::new();
    let mut old = disk.open().expect("open");
    disk.crash(0);
    let mut store = disk.open().expect("open");
    old.commit(&batch(0)).expect_err("it belongs to the machine that stopped");
    drop(old);
    store.commit(&batch(0)).expect("the new one is not disturbed");
    model_of(1).assert_same(&store, "the new one");
}

#[test]
fn a_fork_is_an_old_backup() {
    let mut store = MemoryStore::new();
    (0..3).for_each(|n| store.commit(&batch(n)).expect("committed"));
    let backup = store.disk().fork();
    (3..6).for_each(|n| store.commit(&batch(n)).expect("committed"));
    let mut restored = backup.open().expect("open");
    model_of(3).assert_same(&restored, "the backup");
    restored.commit(&batch(3)).expect("committed");
    model_of(4).assert_same(&restored, "the backup lives on");
    model_of(6).assert_same(&store, "the store is not disturbed");
}
