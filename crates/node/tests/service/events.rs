//! Events: each once, in order, across restarts and for listeners of any speed.

use crate::world::{World, event, many, soon, told_memos};
use futures_util::StreamExt;
use strait_api::{Api, ChannelOpen, ErrorCode, Event, EventQuery, EventRecord, Link, PayResult, Subscribe};
use strait_node::service::Retention;

fn received(records: &[EventRecord]) -> u64 {
    let count = |record: &EventRecord| match &record.event {
        Event::Received { payments, .. } => payments.len() as u64,
        _ => 0,
    };
    records.iter().map(count).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_resumes_after_its_cursor_across_kills_and_misses_nothing() {
    let world = World::new();
    let (alice, mut bob, channel) = world.pair().await;
    let mut cursor = None;
    let mut told = Vec::new();
    for life in 0..5_u64 {
        // The last payments come while the service is being killed; what found no connection is paid again.
        let paying = tokio::spawn({
            let (service, node) = (alice.service.clone(), alice.node().clone());
            async move {
                let mut left = 40;
                while left > 0 {
                    let up = |view: &strait_protocol::ChannelView| view.link == "up";
                    node.wait_until(channel, up).await.expect("it runs");
                    let request = many(channel, vec![1; left], &life.to_string());
                    let results = service.pay_many(request).await.expect("answered").results;
                    left = results.iter().filter(|result| matches!(result, PayResult::Failed { .. })).count();
                }
            }
        });
        bob.until(channel, |info| info.payments_received > life * 40).await;
        soon("the kill", bob.service.kill()).await;
        // The node alone, without a service: what is paid now is told later.
        let node = world.node(2).await;
        alice.node().add_peer(node.address().expect("it listens"));
        soon("the payments", paying).await.expect("no panic");
        let caught_up = |view: &strait_protocol::ChannelView| view.payments[1] >= (life + 1) * 40;
        soon("the payments", node.wait_until(channel, caught_up)).await.expect("it runs");
        bob = world.serve(2, node, Retention::default()).await;
        let query = EventQuery { after: cursor.clone(), limit: Some(10_000), channel: Some(channel) };
        let events = bob.service.events(query).await.expect("events");
        assert_eq!(received(&events.events), 40, "life {life}");
        cursor = Some(events.cursor);
        told.extend(events.events);
    }
    let expected: Vec<_> = (0..5).flat_map(|life| vec![life.to_string(); 40]).collect();
    assert_eq!(told_memos(&told), expected);
    let mut firsts = 0;
    for record in &told {
        if let Event::Received { first, payments, .. } = &record.event {
            assert_eq!(*first, firsts);
            firsts += payments.len() as u64;
        }
    }
    assert_eq!(told.iter().filter(|record| matches!(record.event, Event::Opened { .. })).count(), 1);
    let deposits = told.iter().filter(|record| matches!(record.event, Event::Deposited { .. })).count();
    assert_eq!(deposits, 1, "{told:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cursor_that_is_too_old_or_foreign_says_so() {
    let world = World::new();
    let alice = world.start(1).await;
    let bob = world.start_with(2, Retention { count: 5, bytes: u64::MAX }).await;
    let channel = alice.open(&bob, 1_000).await;
    let first =
        bob.service.events(EventQuery { limit: Some(1), ..Default::default() }).await.expect("events");
    for index in 0..20 {
        alice.pay(channel, 1, &index.to_string()).await.expect("paid");
    }
    let mut news = bob.listen(None).await;
    alice.pay(channel, 1, "last").await.expect("paid");
    event(
        &mut news,
        "the last",
        |event| matches!(event, Event::Received { payments, .. } if payments[0].memo == "last"),
    )
    .await;
    let old = EventQuery { after: Some(first.cursor), ..EventQuery::default() };
    assert_eq!(bob.service.events(old.clone()).await.expect_err("lost").code, ErrorCode::EventsLost);
    let lost = bob.service.subscribe(old).await.err().expect("lost");
    assert_eq!(lost.code, ErrorCode::EventsLost);
    for (cursor, code) in [("00000000.1", ErrorCode::EventsLost), ("7", ErrorCode::InvalidParams)] {
        let query = EventQuery { after: Some(cursor.into()), ..EventQuery::default() };
        assert_eq!(bob.service.events(query).await.expect_err("no cursor").code, code);
    }
    let kept = bob.all_events().await;
    assert!(kept.len() <= 6, "{}", kept.len());
    soon("the shutdown", bob.service.shutdown()).await;
    let end = soon("the end", news.next()).await.expect("an item").expect_err("the end");
    assert_eq!(end.code, ErrorCode::Stopping);
    assert!(soon("the end", news.next()).await.is_none());
}

fn resident_bytes() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("Linux");
    let pages: usize = statm.split_whitespace().nth(1).expect("a figure").parse().expect("a number");
    pages * 4_096
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_listeners_that_do_not_read_take_no_memory_and_miss_nothing() {
    const BATCHES: u64 = 40;
    const BATCH: u64 = 1_000;
    let world = World::new();
    let (alice, bob, channel) = world.pair().await;
    let mut listeners = Vec::new();
    for _ in 0..100 {
        listeners.push(bob.listen(None).await);
    }
    let before = resident_bytes();
    let memo = "m".repeat(400);
    for _ in 0..BATCHES {
        let request = many(channel, vec![1; BATCH as usize], &memo);
        soon("a batch", alice.service.pay_many(request)).await.expect("paid");
    }
    // 16 MB of memos: a queue for each listener would be 1.6 GB.
    let grown = resident_bytes().saturating_sub(before);
    assert!(grown < 400 << 20, "{grown} bytes");
    for mut listener in listeners {
        let (mut count, mut next) = (0, 0);
        while count < BATCHES * BATCH {
            let record = soon("an event", listener.next()).await.expect("goes on").expect("no error");
            if let Event::Received { first, payments, .. } = record.event {
                assert_eq!(first, next);
                count += payments.len() as u64;
                next = first + payments.len() as u64;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn numbers_of_channels_whose_chain_is_configured_no_more_are_not_given_again() {
    let world = World::new();
    let (alice, bob, first) = world.pair().await;
    soon("the stop", alice.service.shutdown()).await;
    // As if it were on a chain that the configuration no longer has; to the service the one on this chain is new.
    let db = rusqlite::Connection::open(world.path("service-1.db")).expect("opens");
    assert_eq!(db.execute("UPDATE channel SET id = randomblob(32)", ()).expect("changes"), 1);
    drop(db);
    let alice = soon("the start", world.start(1)).await;
    let mut news = alice.listen(None).await;
    let second = alice.open(&bob, 1_000).await;
    let is_opened = |event: &Event| matches!(event, Event::Opened { .. });
    event(&mut news, "the opening", is_opened).await;
    let told = alice.all_events().await;
    let opened = |channel| {
        told.iter()
            .filter(|record| record.channel == Some(channel) && matches!(record.event, Event::Opened { .. }))
            .count()
    };
    assert_eq!((opened(first), opened(second)), (2, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_does_not_start_leaves_no_node_running() {
    let world = World::new();
    let node = world.node(1).await;
    std::fs::write(world.path("service-1.db"), [0x55; 8_192]).expect("written");
    let error = world.try_serve(1, node.clone(), Retention::default()).await.err().expect("no database");
    assert!(error.to_string().contains("service-1.db"), "{error}");
    assert!(node.has_stopped());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_comes_and_goes_without_a_deposit_does_not_fill_the_log() {
    let world = World::new();
    let (alice, bob, stranger) = (world.start(1).await, world.start(2).await, world.start(3).await);
    let offer = ChannelOpen::new(alice.address());
    let opened = soon("the opening", stranger.service.channel_open(offer)).await.expect("opens");
    alice.until(opened.channel.channel, |info| info.link == Link::Up).await;
    let address = alice.node().address().expect("it listens");
    for _ in 0..70 {
        let is_there = || alice.node().payout_of(stranger.node().signer()).is_some();
        let is_seen = || stranger.node().payout_of(address.signer()).is_some();
        soon("the stranger", until(|| is_there() && is_seen())).await;
        stranger.node().remove_peer(address.signer());
        soon("the stranger's end", until(|| !is_there() && !is_seen())).await;
        stranger.node().add_peer(address.clone());
    }
    let mut news = alice.listen(None).await;
    alice.open(&bob, 1_000).await;
    event(&mut news, "the opening", |event| matches!(event, Event::Opened { .. })).await;
    let told = alice.all_events().await;
    let is_connection =
        |event: &Event| matches!(event, Event::PeerConnected { .. } | Event::PeerDisconnected { .. });
    let count = told.iter().filter(|record| is_connection(&record.event)).count();
    assert!((100..=125).contains(&count), "{count}");
}

async fn until(is_so: impl Fn() -> bool) {
    while !is_so() {
        tokio::task::yield_now().await;
    }
}

/// Where the look at what was missed begins, by party 2's database.
fn marks(world: &World) -> Vec<Vec<u8>> {
    let db = rusqlite::Connection::open(world.path("service-2.db")).expect("opens");
    let mut rows = db.prepare("SELECT mark FROM channel ORDER BY number").expect("prepared");
    rows.query_map((), |row| row.get(0)).expect("read").collect::<Result<_, _>>().expect("marks")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_look_at_what_was_missed_begins_where_the_last_one_ended() {
    let world = World::new();
    let (alice, mut bob, channel) = world.pair().await;
    let mut seen = Vec::new();
    let mut memos = Vec::new();
    for round in 0..3 {
        // In the last round nothing is paid.
        for number in 0..if round < 2 { 4 } else { 0 } {
            memos.push(format!("{round}.{number}"));
            alice.pay(channel, 1, memos.last().expect("one")).await.expect("paid");
        }
        soon("the end", bob.service.shutdown()).await;
        bob = world.start(2).await;
        alice.node().add_peer(bob.node().address().expect("it listens"));
        alice.until(channel, |info| info.can_pay).await;
        seen.push(marks(&world));
    }
    assert_ne!(seen[0], seen[1], "what was paid moves it along");
    assert_eq!(seen[1], seen[2]);
    assert_eq!(told_memos(&bob.all_events().await), memos, "each once, in order");
}
