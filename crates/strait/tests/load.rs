//! 1,000 subscribers and 32 paying clients at once: each subscriber sees each payment once, in bounded memory.
//! `STRAIT_SUBSCRIBERS` and `STRAIT_PAYMENTS` (of each client) set other numbers.

mod world;

use futures_util::StreamExt as _;
use std::time::Instant;
use strait::{Amount, Api, Client, Event, EventQuery, EventStream, Pay, Scope, ServerConfig, Subscribe};
use world::{World, loopback, soon, token};

const PAYERS: u64 = 32;

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |text| text.parse().expect("a number"))
}

/// Resident memory of this process, in MiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("a line");
    line.split_whitespace().nth(1).expect("a number").parse::<u64>().expect("a number") / 1024
}

/// Each subscriber takes two files: its own end and the server's.
fn raise_limit_of_files() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).expect("a limit");
    setrlimit(Resource::RLIMIT_NOFILE, most.min(8_192), most).expect("raised");
}

/// Hears payments until all have come, each once and in order.
async fn hear(mut news: EventStream, expected: u64) {
    let mut next = 0;
    while next < expected {
        let record = news.next().await.expect("an open stream").expect("an event");
        if let Event::Received { first, payments, .. } = record.event {
            assert_eq!(first, next, "lost or told twice");
            next += payments.len() as u64;
        }
    }
    assert_eq!(next, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_subscribers_and_32_payers_lose_no_event() {
    raise_limit_of_files();
    let (subscribers, each) = (setting("STRAIT_SUBSCRIBERS", 1_000), setting("STRAIT_PAYMENTS", 5));
    let mut world = World::new().await;
    let listener = world.connect_to_store(&[Scope::Read]).await;
    let mut hearing = Vec::new();
    for _ in 0..subscribers {
        let news = listener.subscribe(EventQuery::default()).await.expect("subscribed");
        hearing.push(tokio::spawn(hear(news, PAYERS * each)));
    }
    let before = resident();
    let address = world.customer.serve(ServerConfig::new(loopback())).await.expect("serves");
    let secret = token(&world.customer, &[Scope::Pay]);
    let began = Instant::now();
    let mut paying = Vec::new();
    for _ in 0..PAYERS {
        let client = Client::connect(&format!("http://{address}"), &secret).await.expect("a client");
        let channel = world.channel;
        paying.push(tokio::spawn(async move {
            for _ in 0..each {
                client.pay(Pay::new(channel, Amount::from(1))).await.expect("paid");
            }
        }));
    }
    for payer in paying {
        soon("a payer's end", payer).await.expect("a payer");
    }
    for subscriber in hearing {
        soon("a subscriber's end", subscriber).await.expect("a subscriber");
    }
    let grown = resident().saturating_sub(before);
    println!(
        "{} payments to {subscribers} subscribers in {:?}, {grown} MiB more",
        PAYERS * each,
        began.elapsed()
    );
    assert!(grown < 256, "{grown} MiB more than before the payments");
    world.stop().await;
}
