//! Forgetting the older part of a history.

use crate::world::{Party, World, many, payment, soon, told_memos};
use rusqlite::Connection;
use strait_api::{Api, ErrorCode, History, HistoryEntry, HistoryPrune, HistoryPruned, HistoryQuery, Pay};
use strait_types::ChannelId;

async fn history(party: &Party, channel: ChannelId) -> History {
    party.service.history(HistoryQuery { channel, cursor: None, limit: None }).await.expect("history")
}

/// Numbers and memos of the payments in a history.
fn payments(history: &History) -> Vec<(u64, String)> {
    let payment = |entry: &HistoryEntry| match entry {
        HistoryEntry::Pay { number, memo, .. } => Some((*number, memo.clone())),
        _ => None,
    };
    history.lines.iter().filter_map(|line| payment(&line.entry)).collect()
}

async fn prune(party: &Party, channel: ChannelId, before: u64) -> HistoryPruned {
    let request = HistoryPrune { channel, before };
    soon("the pruning", party.service.history_prune(request)).await.expect("pruned")
}

/// As far as it may.
async fn prune_all(party: &Party, channel: ChannelId) -> HistoryPruned {
    let newest = party.show(channel).await.expect("known").version;
    prune(party, channel, newest + 1).await
}

fn keyed(channel: ChannelId, memo: &str) -> Pay {
    Pay { idempotency_key: Some(memo.into()), ..payment(channel, 5, memo) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_left_goes_on_as_if_nothing_were_missing() {
    let world = World::new();
    let (alice, bob, channel) = world.pair().await;
    let early = history(&alice, channel).await.resume;
    let first = alice.pay(channel, 1, "first").await.expect("paid");
    let second = alice.pay(channel, 1, "second").await.expect("paid");
    bob.pay(channel, 1, "back").await.expect("paid");
    let old = history(&alice, channel).await;

    assert_eq!(prune(&alice, channel, 0).await, HistoryPruned { through: 0, before: 0 });
    let pruned = prune(&alice, channel, second.version).await;
    assert_eq!(pruned, HistoryPruned { through: first.version, before: 0 });
    let left = history(&alice, channel).await;
    assert_eq!(left.pruned_through, first.version);
    assert_eq!(payments(&left), payments(&old)[1..], "the numbers go on");
    assert_eq!(history(&bob, channel).await.pruned_through, 0, "the peer keeps what it wants");

    // A reader that stands before it is told so, and one behind it reads on.
    let behind = HistoryQuery { channel, cursor: Some(old.resume), limit: None };
    assert_eq!(payments(&alice.service.history(behind).await.expect("a page")), []);
    let before = HistoryQuery { channel, cursor: Some(early), limit: None };
    let error = alice.service.history(before).await.expect_err("pruned");
    assert_eq!(error.code, ErrorCode::InvalidParams);
    assert!(error.message.contains("pruned") && error.hint.contains("without a cursor"), "{error}");

    // All that there is, then a crash: nothing is told twice, counted anew or missed.
    let newest = alice.show(channel).await.expect("known").version;
    let beyond = HistoryPrune { channel, before: newest + 2 };
    let refused = soon("the answer", alice.service.history_prune(beyond)).await.expect_err("a slip");
    assert_eq!(refused.code, ErrorCode::InvalidParams, "{refused}");
    assert!(refused.message.contains(&format!("the newest is {newest}")), "{refused}");
    let all = prune(&alice, channel, newest + 1).await;
    assert_eq!(all.before, first.version);
    assert_eq!(all.through, alice.show(channel).await.expect("known").version);
    bob.pay(channel, 1, "late").await.expect("paid");
    soon("the crash", alice.service.kill()).await;
    let alice = world.start(1).await;
    alice.until(channel, |info| info.can_pay).await;
    assert_eq!(alice.pay(channel, 1, "third").await.expect("paid").number, 2);
    let left = history(&alice, channel).await;
    assert_eq!(payments(&left), [(1, "late".to_owned()), (2, "third".to_owned())]);
    assert_eq!(told_memos(&alice.all_events().await), ["back", "late"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_forgotten_that_a_key_is_decided_by() {
    let world = World::new();
    let (alice, bob, channel) = world.pair().await;
    alice.pay(channel, 1, "early").await.expect("paid");
    let paid = soon("the payment", alice.service.pay(keyed(channel, "tea"))).await.expect("paid");
    soon("many", alice.service.pay_many(many(channel, [1; 20], "many"))).await.expect("paid");
    soon("the end", alice.service.shutdown()).await;
    // As if a crash had kept the result from the disk, and the start had not been able to tell.
    let alice = world.start(1).await;
    alice.until(channel, |info| info.can_pay).await;
    world.change(1, "UPDATE idempotency SET result = NULL, done_ms = NULL");

    prune_all(&alice, channel).await;
    let again = soon("the repetition", alice.service.pay(keyed(channel, "tea"))).await.expect("decided");
    assert_eq!((again.number, again.was_paid_before), (paid.number, true));
    bob.until(channel, |info| info.payments_received == 22).await;
    // Now that it is decided, nobody needs it any more.
    let pruned = prune_all(&alice, channel).await;
    assert!(pruned.through > paid.version, "{pruned:?}");
    assert_eq!(soon("a third", alice.service.pay(keyed(channel, "tea"))).await, Ok(again));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_knows_where_its_history_begins() {
    let world = World::new();
    let (alice, _bob, channel) = world.pair().await;
    let first = alice.pay(channel, 1, "first").await.expect("paid");
    let second = alice.pay(channel, 1, "second").await.expect("paid");
    prune(&alice, channel, second.version).await;
    let directory = world.path("backup");
    let to = strait_api::BackupTo { directory: directory.display().to_string() };
    soon("the backup", alice.service.backup(to)).await.expect("written");
    let db = Connection::open(directory.join("service.db")).expect("opens");
    let starts: u64 =
        db.query_row("SELECT count(*) FROM history_start", (), |row| row.get(0)).expect("reads");
    assert_eq!(starts, 1);
    let query = HistoryQuery { channel, cursor: None, limit: None };
    let proof = alice.service.history_proof(query).await.expect("a proof");
    let start: strait_protocol::Position = borsh::from_slice(&proof.start.expect("a start")).expect("reads");
    assert_eq!((start.state.version.0, start.payments), (first.version, [1, 0]));
}
