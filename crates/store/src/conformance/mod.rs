//! What every backend of the store must do. A backend's tests call [`run`]; a failed check panics and names what it
//! expected, random ones with the seed.

mod model;
mod random;

use crate::MAX_PAYLOAD;
pub use model::Model;
pub use random::{check_random_operations, random_batch};
use strait_engine::ports::{Batch, Kind, Record, Snapshot, Store, StoreError};
use strait_types::{B256, ChannelId};

/// A medium with a store on it, as the suite needs it.
pub trait Backend {
    /// The store under test.
    type Store: Store;

    /// Opens the store on this medium, which is empty at first.
    ///
    /// # Errors
    /// What the backend reports.
    fn open(&mut self) -> Result<Self::Store, StoreError>;

    /// Stops the process under the store: what is not durable is lost, and nothing is tidied up.
    fn crash(&mut self, store: Self::Store);
}

/// Runs every check, each on a new empty medium from `fresh`.
pub fn run<B: Backend>(fresh: &dyn Fn() -> B) {
    check_empty(&mut fresh());
    check_order_and_reopening(&mut fresh());
    check_snapshots(&mut fresh());
    check_joined_batches(&mut fresh());
    check_history(&mut fresh());
    check_pruning(&mut fresh());
    check_meta(&mut fresh());
    check_misuse(&mut fresh());
    check_large_payloads(&mut fresh());
    check_exclusive(&mut fresh());
    for seed in 0..20 {
        check_random_operations(&mut fresh(), seed, 60);
    }
}

/// The `n`th channel of the suite.
pub fn channel(n: u8) -> ChannelId {
    ChannelId(B256::repeat_byte(n))
}

fn open<B: Backend>(backend: &mut B) -> B::Store {
    backend.open().expect("the store opens")
}

fn reopen<B: Backend>(backend: &mut B, store: B::Store) -> B::Store {
    backend.crash(store);
    open(backend)
}

/// Commits, and tells the model.
fn commit(store: &mut impl Store, model: &mut Model, batch: &Batch) {
    store.commit(batch).expect("the batch is committed");
    model.commit(batch);
}

/// A new store holds nothing, and an empty batch changes nothing.
pub fn check_empty<B: Backend>(backend: &mut B) {
    let mut store = open(backend);
    store.commit(&Batch::default()).expect("an empty batch is fine");
    Model::default().assert_same(&store, "an empty store");
    assert_eq!(store.history(channel(1), None, 10).expect("readable"), []);
    let store = reopen(backend, store);
    Model::default().assert_same(&store, "an empty store after a crash");
}

/// Records of many channels come back in order, each commit whole.
pub fn check_order_and_reopening<B: Backend>(backend: &mut B) {
    let mut store = open(backend);
    let mut model = Model::default();
    for round in 0..5_u8 {
        let mut batch = Batch::default();
        for n in 0..10_u8 {
            let kind = if n % 2 == 0 { Kind::History } else { Kind::Working };
            batch.record(channel(n % 4), kind, vec![round, n]);
        }
        commit(&mut store, &mut model, &batch);
        model.assert_same(&store, "after a commit");
        store = reopen(backend, store);
        model.assert_same(&store, "after a crash");
    }
}

/// A snapshot replaces what came before it in its channel, in earlier batches and in its own, and nothing else.
pub fn check_snapshots<B: Backend>(backend: &mut B) {
    let mut store = open(backend);
    let mut model = Model::default();
    let mut batch = Batch::default();
    batch.record(channel(1), Kind::Working, b"before".to_vec());
    batch.record(channel(2), Kind::Working, b"other".to_vec());
    commit(&mut store, &mut model, &batch);
    let mut batch = Batch::default();
    batch.record(channel(1), Kind::History, b"covered in the batch".to_vec());
    batch.snapshot(channel(1), b"one".to_vec());
    batch.record(channel(1), Kind::History, b"after in the batch".to_vec());
    commit(&mut store, &mut model, &batch);
    model.assert_same(&store, "a snapshot between records");
    store = reopen(backend, store);
    let mut batch = Batch::default();
    batch.snapshot(channel(1), b"two".to_vec());
    batch.snapshot(channel(1), b"three".to_vec());
    batch.snapshot(channel(3), Vec::new());
    commit(&mut store, &mut model, &batch);
    model.assert_same(&store, "the last snapshot counts, and one without records");
    let store = reopen(backend, store);
    model.assert_same(&store, "snapshots after a crash");
}

/// Joining batches into one commit gives what committing them one by one gives.
pub fn check_joined_batches<B: Backend>(backend: &mut B) {
    let mut first = Batch::default();
    first.record(channel(1), Kind::History, b"covered".to_vec());
    first.snapshot(channel(1), b"snapshot".to_vec());
    let mut second = Batch::default();
    second.record(channel(1), Kind::History, b"not covered".to_vec());
    second.set_meta("k", b"v".to_vec());
    let mut model = Model::default();
    model.commit(&first);
    model.commit(&second);
    let mut joined = first;
    joined.append(second);
    let mut store = open(backend);
    store.commit(&joined).expect("the batch is committed");
    model.assert_same(&store, "a joined batch");
    let store = reopen(backend, store);
    model.assert_same(&store, "a joined batch after a crash");
}

/// History holds its records from their commit on, across snapshots, and is read in pages.
pub fn check_history<B: Backend>(backend: &mut B) {
    let mut store = open(backend);
    let mut model = Model::default();
    for round in 0..30_u8 {
        let mut batch = Batch::default();
        batch.record(channel(1), Kind::History, vec![round]);
        batch.record(channel(1), Kind::Working, vec![0xff]);
        batch.record(channel(2), Kind::History, vec![round, round]);
        if round % 7 == 3 {
            batch.snapshot(channel(1), vec![round]);
        }
        commit(&mut store, &mut model, &batch);
    }
    store = reopen(backend, store);
    for limit in [1, 7, 30, 1000] {
        let mut paged = Vec::new();
        let mut after = None;
        loop {
            let page = store.history(channel(1), after, limit).expect("readable");
            assert!(page.len() <= limit, "a page keeps to its limit");
            let Some(last) = page.last() else { break };
            after = Some(last.position);
            paged.extend(page);
        }
        assert!(paged.is_sorted_by(|a, b| a.position < b.position), "positions ascend");
        let payloads: Vec<_> = paged.into_iter().map(|entry| entry.payload).collect();
        assert_eq!(payloads, model.history(channel(1)), "pages of {limit}");
    }
    assert_eq!(store.history(channel(1), None, 0).expect("readable"), []);
    assert_eq!(store.history(channel(1), Some(u64::MAX), 1).expect("readable"), []);
}

/// Pruning forgets what a snapshot covers, up to the position, in this channel.
pub fn check_pruning<B: Backend>(backend: &mut B) {
    let mut store = open(backend);
    let mut model = Model::default();
    let mut batch = Batch::default();
    for n in 0..6 {
        batch.record(channel(1), Kind::History, vec![n]);
        batch.record(channel(2), Kind::History, vec![n]);
    }
    commit(&mut store, &mut model, &batch);
    store.prune_history(channel(1), u64::MAX).expect("pruned");
    model.assert_same(&store, "without a snapshot nothing is forgotten");
    let mut batch = Batch::default();
    batch.snapshot(channel(1), b"s".to_vec());
    batch.record(channel(1), Kind::History, b"after".to_vec());
    commit(&mut store, &mut model, &batch);
    let third = store.history(channel(1), None, 3).expect("readable").last().expect("three").position;
    store.prune_history(channel(1), third).expect("pruned");
    model.prune(channel(1), 3);
    model.assert_same(&store, "the first three are forgotten");
    store = reopen(backend, store);
    model.assert_same(&store, "and stay so");
    store.prune_history(channel(1), u64::MAX).expect("pruned");
    model.prune(channel(1), 7);
    store.prune_history(channel(9), 5).expect("an unknown channel has nothing to forget");
    model.assert_same(&store, "only what the snapshot covers is forgotten");
    let store = reopen(backend, store);
    model.assert_same(&store, "and that stays so");
}

/// Named values are set, replaced and deleted; in a batch the last word counts.
pub fn check_meta<B: Backend>(backend: &mut B) {
    let mut store = open(backend);
    let mut model = Model::default();
    for (key, value) in
        [("a", "1"), ("b", "2"), ("a", ""), ("", "empty key"), ("a", "3"), ("b", ""), ("c", "")]
    {
        let mut batch = Batch::default();
        batch.set_meta("twice", b"first".to_vec());
        batch.set_meta("twice", value.as_bytes().to_vec());
        batch.set_meta(key, value.as_bytes().to_vec());
        commit(&mut store, &mut model, &batch);
        model.assert_same(&store, "after setting a value");
        for key in ["a", "b", "c", "twice"] {
            assert_eq!(store.meta(key).expect("readable"), model.meta(key), "{key}");
        }
    }
    let store = reopen(backend, store);
    model.assert_same(&store, "values after a crash");
}

/// A misused batch is refused, leaves no trace, and the store works on.
pub fn check_misuse<B: Backend>(backend: &mut B) {
    let mut store = open(backend);
    let record = |payload| Record { channel: channel(1), kind: Kind::History, payload };
    let snapshot = |after| Snapshot { channel: channel(1), after, payload: vec![1] };
    let too_long = vec![0; MAX_PAYLOAD + 1];
    let misused = [
        Batch { records: vec![record(vec![1]), record(too_long.clone())], ..Batch::default() },
        Batch { snapshots: vec![Snapshot { payload: too_long, ..snapshot(0) }], ..Batch::default() },
        Batch { records: vec![record(vec![1])], snapshots: vec![snapshot(2)], ..Batch::default() },
        Batch {
            records: vec![record(vec![1])],
            snapshots: vec![snapshot(1), snapshot(0)],
            ..Batch::default()
        },
    ];
    for batch in &misused {
        assert!(matches!(store.commit(batch), Err(StoreError::Misuse(_))), "a misused batch is refused");
    }
    let mut model = Model::default();
    model.assert_same(&store, "a refused batch leaves no trace");
    let mut batch = Batch::default();
    batch.record(channel(1), Kind::Working, vec![2]);
    commit(&mut store, &mut model, &batch);
    let store = reopen(backend, store);
    model.assert_same(&store, "after misuse");
}

/// The longest payloads, and many of them in one batch.
pub fn check_large_payloads<B: Backend>(backend: &mut B) {
    let mut store = open(backend);
    let mut model = Model::default();
    let mut batch = Batch::default();
    batch.record(channel(1), Kind::History, vec![7; MAX_PAYLOAD]);
    for n in 0..5 {
        batch.record(channel(2), Kind::History, vec![n; 1_500_000]);
    }
    commit(&mut store, &mut model, &batch);
    let mut batch = Batch::default();
    batch.snapshot(channel(1), vec![8; 3_000_000]);
    batch.record(channel(2), Kind::Working, vec![9; 100_000]);
    commit(&mut store, &mut model, &batch);
    let store = reopen(backend, store);
    model.assert_same(&store, "large payloads");
}

/// While the store is open, it cannot be opened again.
pub fn check_exclusive<B: Backend>(backend: &mut B) {
    let store = open(backend);
    assert!(matches!(backend.open(), Err(StoreError::InUse { .. })), "a second open is refused");
    drop(store);
    drop(open(backend));
}
