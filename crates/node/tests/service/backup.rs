//! Backups: complete, or not there.

use crate::world::{World, soon};
use rusqlite::Connection;
use std::path::Path;
use strait_api::{Api, BackupTo, ErrorCode, HistoryEntry, HistoryQuery};
use strait_engine::ports::{Batch, Kind, Store};
use strait_protocol::Record;
use strait_store::SqliteStore;
use strait_types::ChannelId;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_of_the_running_node_holds_its_channels_and_its_events() {
    let world = World::new();
    let (alice, bob, channel) = world.pair().await;
    alice.pay(channel, 5, "tea").await.expect("paid");
    bob.until(channel, |info| info.payments_received == 1).await;
    let directory = world.path("backup");
    let to = BackupTo { directory: directory.display().to_string() };
    let done = soon("the backup", bob.service.backup(to.clone())).await.expect("written");
    assert_eq!(done.directory, to.directory);
    assert!(done.bytes > 0);
    let store = SqliteStore::open(directory.join("chain-31337")).expect("opens");
    let mut channels = Vec::new();
    store.recover(&mut |recovered| channels.push(recovered.channel)).expect("reads");
    assert_eq!(channels, [channel]);
    let db = Connection::open(directory.join("service.db")).expect("opens");
    let told: u64 = db.query_row("SELECT count(*) FROM event", (), |row| row.get(0)).expect("reads");
    assert!(told > 0);

    let again = soon("a second one", bob.service.backup(to)).await.expect_err("it is there");
    assert_eq!(again.code, ErrorCode::InvalidParams);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_that_fails_leaves_nothing() {
    let world = World::new();
    let alice = world.start(1).await;
    world.break_copies();
    let to = BackupTo { directory: world.path("new/backup").display().to_string() };
    std::fs::create_dir(world.path("new")).expect("made");
    let error = soon("the backup", alice.service.backup(to)).await.expect_err("fails");
    assert_eq!(error.code, ErrorCode::StoreFailed);
    assert_eq!(std::fs::read_dir(world.path("new")).expect("reads").count(), 0);
}

/// As `strait restore` leaves a copy of a store.
pub(crate) fn mark_restored(directory: &Path, channel: ChannelId) {
    let mut store = SqliteStore::open(directory).expect("opens");
    let mut batch = Batch::default();
    batch.record(channel, Kind::Working, borsh::to_vec(&Record::Restored).expect("bytes"));
    store.commit(&batch).expect("on disk");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_history_of_a_restored_node_says_what_it_lacks_and_goes_on() {
    let world = World::new();
    let (alice, bob, channel) = world.pair().await;
    alice.pay(channel, 5, "early").await.expect("paid");
    let copy = world.path("copy");
    world.copy(1, &copy);
    alice.pay(channel, 6, "late").await.expect("paid");
    alice.pay(channel, 7, "later").await.expect("paid");
    soon("the end", alice.service.shutdown()).await;
    mark_restored(&copy, channel);
    let alice = world.start_from(1, &copy).await;
    alice.node().add_peer(bob.node().address().expect("it listens"));
    // What was agreed and forgotten must be over first.
    alice.until(channel, |info| info.restoring_until.is_some()).await;
    world.time_passes(3 * 3_600);
    alice.until(channel, |info| info.can_pay).await;
    let paid = alice.pay(channel, 8, "again").await.expect("paid");
    assert_eq!(paid.number, 3, "those that it had forgotten count");

    let query = HistoryQuery { channel, cursor: None, limit: None };
    let lines = alice.service.history(query).await.expect("its history").lines;
    let told: Vec<String> = lines
        .iter()
        .filter_map(|line| match &line.entry {
            HistoryEntry::Pay { number, memo, .. } => Some(format!("{number} {memo}")),
            HistoryEntry::Restored { missing_made, missing_received } => {
                Some(format!("restored, {missing_made} and {missing_received} missing"))
            }
            HistoryEntry::Rebase => Some("rebase".to_owned()),
            _ => None,
        })
        .collect();
    assert_eq!(told, ["0 early", "restored, 2 and 0 missing", "rebase", "3 again"]);
}
