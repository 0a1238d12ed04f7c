//! Backups: complete, or not there.

use crate::world::{World, soon};
use rusqlite::Connection;
use strait_api::{Api, BackupTo, ErrorCode};
use strait_engine::ports::Store;
use strait_store::SqliteStore;

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
