//! Idempotency keys: carried out once, whenever the process ends.

use crate::world::{ETHER, Party, World, many, payment, soon};
use rusqlite::Connection;
use strait_api::{Api, ErrorCode, HistoryEntry, HistoryQuery, Paid, PaidMany, Pay, PayResult};
use strait_chain::dev::Mining;
use strait_types::{Address, Amount, B256, ChannelId};

fn keyed(channel: ChannelId, amount: u64, memo: &str, key: &str) -> Pay {
    Pay { idempotency_key: Some(key.into()), ..payment(channel, amount, memo) }
}

/// Memos of the payments that a party has made, by its durable history.
async fn made(party: &Party, channel: ChannelId) -> Vec<String> {
    let (mut memos, mut cursor) = (Vec::new(), None);
    loop {
        let query = HistoryQuery { channel, cursor, limit: Some(100) };
        let page = party.service.history(query).await.expect("history");
        memos.extend(page.lines.into_iter().filter(|line| line.is_ours).filter_map(
            |line| match line.entry {
                HistoryEntry::Pay { memo, .. } => Some(memo),
                _ => None,
            },
        ));
        cursor = page.next;
        if cursor.is_none() {
            return memos;
        }
    }
}

/// Starts a killed party again, and waits until it can pay.
pub(crate) async fn again(world: &World, peer: &Party, channel: ChannelId) -> Party {
    let party = world.start(1).await;
    party.until(channel, |info| info.can_pay).await;
    peer.until(channel, |info| info.link == strait_api::Link::Up).await;
    party
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_key_pays_once_and_another_request_with_it_is_refused() {
    let world = World::new();
    let (alice, bob, channel) = world.pair().await;
    let pay = || alice.service.pay(keyed(channel, 5, "tea", "k"));
    let (first, second, third) = soon("the payments", async { tokio::join!(pay(), pay(), pay()) }).await;
    let three = [first, second, third].map(|paid| paid.expect("paid"));
    assert_eq!(three.iter().filter(|paid| !paid.was_paid_before).count(), 1, "{three:?}");
    let before = Paid { was_paid_before: true, ..three[0] };
    assert!(three.iter().all(|paid| Paid { was_paid_before: true, ..*paid } == before), "{three:?}");
    assert_eq!(soon("a repetition", pay()).await, Ok(before));
    let other = alice.service.pay(keyed(channel, 6, "tea", "k")).await.expect_err("another request");
    assert_eq!(other.code, ErrorCode::IdempotencyConflict);
    let bad = alice.service.pay(keyed(channel, 6, "tea", "")).await.expect_err("no key");
    assert_eq!(bad.code, ErrorCode::InvalidParams);
    assert_eq!(bob.until(channel, |info| info.payments_received == 1).await.balances[0].own, Amount::from(5));

    // What failed with nothing moved may be tried again with its key.
    let too_much = keyed(channel, 15 * ETHER, "car", "c");
    let error = soon("a failure", alice.service.pay(too_much.clone())).await.expect_err("too much");
    assert_eq!(error.code, ErrorCode::InsufficientBalance);
    let error = soon("a failure", alice.service.pay(too_much)).await.expect_err("too much");
    assert_eq!(error.code, ErrorCode::InsufficientBalance);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_between_the_payment_and_its_result_pays_nothing_more() {
    let world = World::new();
    let (alice, bob, channel) = world.pair().await;
    let paid = soon("a", alice.service.pay(keyed(channel, 5, "tea", "a"))).await.expect("paid");
    let mut batch = many(channel, [1, 2, 3], "many");
    batch.idempotency_key = Some("m".into());
    let all = soon("many", alice.service.pay_many(batch.clone())).await.expect("paid");
    soon("the crash", alice.service.kill()).await;

    // As if the results had never been stored, and the first request had come twice with different keys.
    let db = Connection::open(world.path("service-1.db")).expect("opens");
    db.execute_batch(
        "UPDATE idempotency SET result = NULL, done_ms = NULL;
         INSERT INTO idempotency (key, request, at_ms, until_ms, channel, note)
             SELECT 'client:b', request, at_ms, until_ms, channel, note FROM idempotency WHERE key = 'client:a';",
    )
    .expect("changes");
    drop(db);

    let alice = again(&world, &bob, channel).await;
    assert_eq!(
        soon("a", alice.service.pay(keyed(channel, 5, "tea", "a"))).await,
        Ok(Paid { was_paid_before: true, ..paid })
    );
    let before = PaidMany { was_paid_before: true, ..all };
    assert_eq!(soon("many", alice.service.pay_many(batch)).await, Ok(before));
    assert_eq!(made(&alice, channel).await.len(), 4, "nothing was paid again");
    // Of the two requests one was paid; the other is carried out now.
    let other = soon("b", alice.service.pay(keyed(channel, 5, "tea", "b"))).await.expect("paid");
    assert_eq!(other.number, 4);
    assert_eq!(made(&alice, channel).await, ["tea", "many", "many", "many", "tea"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_batch_that_a_crash_cut_short_the_rest_is_reported_as_not_made() {
    let world = World::new();
    let (alice, bob, channel) = world.pair().await;
    let mut batch = many(channel, [1, 2, 3], "many");
    batch.idempotency_key = Some("m".into());
    soon("many", alice.service.pay_many(batch.clone())).await.expect("paid");
    soon("the crash", alice.service.kill()).await;
    let db = Connection::open(world.path("service-1.db")).expect("opens");
    // The batch had a fourth payment, which was never written.
    let note: String = db.query_row("SELECT note FROM idempotency", (), |row| row.get(0)).expect("a note");
    let mut note: serde_json::Value = serde_json::from_str(&note).expect("JSON");
    let operations = note["operations"]["operations"].as_array_mut().expect("operations");
    let mut fourth = operations[0].clone();
    fourth["pay"]["amount"] = "4".into();
    operations.push(fourth);
    db.execute("UPDATE idempotency SET result = NULL, done_ms = NULL, note = ?1", [note.to_string()])
        .expect("changes");
    drop(db);
    let alice = again(&world, &bob, channel).await;
    let results = soon("many", alice.service.pay_many(batch)).await.expect("answered").results;
    assert!(results[..3].iter().all(|result| matches!(result, PayResult::Paid { .. })), "{results:?}");
    assert!(matches!(&results[3], PayResult::Failed { code: ErrorCode::Stopping, .. }), "{results:?}");
}

/// Kills at any moment: what was asked for with a key is paid exactly once when it is asked for until it is answered.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_any_moment_every_key_is_paid_exactly_once() {
    const LIVES: u64 = 8;
    const KEYS: u64 = 24;
    let world = World::new();
    let (mut alice, bob, channel) = world.pair().await;
    for life in 0..LIVES {
        let running: Vec<_> = (0..KEYS)
            .map(|index| {
                let service = alice.service.clone();
                // Every third has the content of the one before it, under its own key.
                let memo = format!("{life}.{}", index - index % 3 / 2);
                tokio::spawn(async move {
                    service.pay(keyed(channel, 1, &memo, &format!("{life}.{index}"))).await
                })
            })
            .collect();
        // The moment of the kill: after some payments of this life, counted at the other side.
        let wanted = life * KEYS + life * 3;
        bob.until(channel, |info| info.payments_received >= wanted).await;
        soon("the kill", alice.service.kill()).await;
        for running in running {
            drop(soon("the end of a request", running).await.expect("no panic"));
        }
        alice = again(&world, &bob, channel).await;
        for index in 0..KEYS {
            let memo = format!("{life}.{}", index - index % 3 / 2);
            let request = keyed(channel, 1, &memo, &format!("{life}.{index}"));
            loop {
                match soon("a repetition", alice.service.pay(request.clone())).await {
                    Ok(Paid { .. }) => break,
                    Err(error) => assert_eq!(error.code, ErrorCode::IdempotencyPending, "{error}"),
                }
            }
        }
        let memos = made(&alice, channel).await;
        assert_eq!(memos.len() as u64, (life + 1) * KEYS, "life {life}: {memos:?}");
    }
    let numbers = bob.until(channel, |info| info.payments_received == LIVES * KEYS).await;
    assert_eq!(numbers.balances[0].own, Amount::from(LIVES * KEYS));
    assert_ne!(numbers.history, B256::ZERO);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_opening_is_answered_again_while_the_peer_is_away() {
    let world = World::new();
    let (alice, bob) = (world.start(1).await, world.start(2).await);
    let request = strait_api::ChannelOpen {
        idempotency_key: Some("open".into()),
        ..strait_api::ChannelOpen::new(bob.address())
    };
    let opened = soon("the opening", alice.service.channel_open(request.clone())).await.expect("opens");
    soon("the stop", bob.service.shutdown()).await;
    let is_away = |view: &strait_protocol::ChannelView| view.link == "down";
    soon("the end", alice.node().wait_until(opened.channel.channel, is_away)).await.expect("it runs");
    let again = soon("a repetition", alice.service.channel_open(request)).await.expect("answered");
    assert!(!opened.was_opened_before);
    assert_eq!(again, strait_api::ChannelOpened { was_opened_before: true, ..opened });
}

/// Opens with a deposit of one ether and a key, and loses the answer by a crash; what is in the database is changed as told.
async fn lose_an_opening(world: &World, mining: Mining, sql: &str) -> (Party, strait_api::ChannelOpen) {
    let (alice, bob) = (world.start(1).await, world.start(2).await);
    world.chain.with(|chain| chain.set_mining(mining));
    let request = strait_api::ChannelOpen {
        deposit: vec![strait_api::AssetAmount { asset: Address::ZERO, amount: Amount::from(ETHER) }],
        idempotency_key: Some("open".into()),
        ..strait_api::ChannelOpen::new(bob.address())
    };
    soon("the opening", alice.service.channel_open(request.clone())).await.expect("opens");
    soon("the crash", alice.service.kill()).await;
    world.change(1, "UPDATE idempotency SET result = NULL, done_ms = NULL");
    world.change(1, sql);
    (world.start(1).await, request)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_opening_whose_answer_was_lost_tells_of_its_deposits() {
    for mining in [Mining::Automatic, Mining::Manual] {
        let world = World::new();
        let (alice, request) = lose_an_opening(&world, mining, "").await;
        let opened = soon("a repetition", alice.service.channel_open(request)).await.expect("answered");
        let submitted = strait_api::DepositResult::Submitted { transaction: B256::ZERO };
        assert_eq!(opened.deposits, [submitted], "{mining:?}");
        world.chain.with(|chain| chain.mine());
        let is_there = |info: &strait_api::ChannelInfo| info.balances[0].deposited == Amount::from(ETHER);
        alice.until(opened.channel.channel, is_there).await;
        assert_eq!(world.chain.with(|chain| chain.pending().len()), 0, "nothing was sent again");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_opening_whose_deposit_was_never_sent_says_so() {
    let world = World::new();
    // As if more had been wanted than was sent before the crash.
    let wanted =
        "UPDATE idempotency SET note = json_set(note, '$.open.deposits[0][1]', '2000000000000000000')";
    let (alice, request) = lose_an_opening(&world, Mining::Automatic, wanted).await;
    let opened = soon("a repetition", alice.service.channel_open(request)).await.expect("answered");
    let [strait_api::DepositResult::Failed { code, hint, .. }] = &opened.deposits[..] else {
        panic!("{:?}", opened.deposits);
    };
    assert_eq!((*code, hint.contains("channel deposit")), (ErrorCode::Stopping, true));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_that_finds_nobody_fails_as_a_whole_and_its_key_pays_later() {
    let world = World::new();
    let (alice, bob, channel) = world.pair().await;
    soon("the crash", bob.service.kill()).await;
    alice.until(channel, |info| info.link == strait_api::Link::Down).await;
    let mut batch = many(channel, [1, 2, 3], "many");
    batch.idempotency_key = Some("m".into());
    let error = soon("many", alice.service.pay_many(batch.clone())).await.expect_err("nobody is there");
    assert_eq!(error.code, ErrorCode::PeerOffline, "{error}");
    let bob = world.start(2).await;
    alice.node().add_peer(bob.node().address().expect("it listens"));
    alice.until(channel, |info| info.can_pay && info.link == strait_api::Link::Up).await;
    let paid = soon("many", alice.service.pay_many(batch)).await.expect("paid");
    assert!(paid.results.iter().all(|result| matches!(result, PayResult::Paid { .. })), "{paid:?}");
    assert!(!paid.was_paid_before);
}
