//! One node as a process, an honest peer that pays it, and everybody else who would have it stop: hostile messages of authenticated
//! strangers, and connections of strangers who say nothing, or nonsense. Quiet and flood take turns, so that what
//! else the machine does meets both alike.

mod attack;
mod process;

use attack::Attack;
use process::Party;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use strait::{Amount, Api, ChannelId, ChannelList, Client, Pay};

/// Most memory that the node may ever have taken, in MiB.
const MOST_MEMORY: u64 = 512;
/// Payments under way at once.
const PAYERS: usize = 64;

/// What is done to the node.
struct Bounds {
    messages: u64,
    strangers: u64,
    rounds: u64,
    window: Duration,
    /// Throughput is compared; a few seconds on a busy machine say nothing about it.
    is_campaign: bool,
}

impl Bounds {
    fn read() -> Bounds {
        let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
        let messages = number("STRAIT_FLOOD_MESSAGES");
        Bounds {
            messages: messages.unwrap_or(6_000),
            strangers: number("STRAIT_FLOOD_STRANGERS").unwrap_or(200),
            rounds: number("STRAIT_FLOOD_ROUNDS").unwrap_or(2),
            window: Duration::from_secs(number("STRAIT_FLOOD_SECONDS").unwrap_or(2)),
            is_campaign: messages.is_some(),
        }
    }
}

/// Payers who never stop, and how often they were told that it is done.
struct Payers {
    stop: Arc<AtomicBool>,
    done: Arc<AtomicU64>,
    tasks: tokio::task::JoinSet<()>,
}

impl Payers {
    fn start(client: &Client, channel: ChannelId) -> Payers {
        let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..PAYERS {
            let (client, stop, done) = (client.clone(), stop.clone(), done.clone());
            tasks.spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    client.pay(Pay::new(channel, Amount::from(1))).await.expect("it is paid");
                    done.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        Payers { stop, done, tasks }
    }

    /// Payments a second while something goes on, and for how long it went on.
    async fn during<T>(&self, work: impl Future<Output = T>) -> (T, u64, Duration) {
        let (before, start) = (self.done.load(Ordering::Relaxed), Instant::now());
        let result = work.await;
        (result, self.done.load(Ordering::Relaxed) - before, start.elapsed())
    }

    async fn end(mut self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        while let Some(ended) = self.tasks.join_next().await {
            ended.expect("payers do not fail");
        }
        self.done.load(Ordering::Relaxed)
    }
}

fn per_second(payments: u64, time: Duration) -> f64 {
    payments as f64 / time.as_secs_f64().max(0.001)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_honest_peer_pays_on_while_strangers_flood_the_node() {
    let bounds = Bounds::read();
    let chain = process::chain();
    let url = chain.said["http"].as_str().expect("the endpoint");
    let (customer, store) = (Party::start(url, "1"), Party::start(url, "2"));
    let (paying, paid) = (customer.client().await, store.client().await);
    let channel = process::open(&paying, &store).await;
    let info = paid.node_info(strait::Nothing {}).await.expect("answers");
    let mut attack = Attack::prepare(&info, &store.peer_address(), channel).await;
    let payers = Payers::start(&paying, channel);
    let (mut quiet, mut flooded) = ((0, Duration::ZERO), (0, Duration::ZERO));
    for _ in 0..bounds.rounds {
        let ((), payments, time) = payers.during(tokio::time::sleep(bounds.window)).await;
        quiet = (quiet.0 + payments, quiet.1 + time);
        let (messages, strangers) = (bounds.messages / bounds.rounds, bounds.strangers / bounds.rounds);
        let ((), payments, time) = payers.during(attack.flood(messages, strangers, bounds.window)).await;
        assert!(payments > 0, "nothing is paid while the node is flooded");
        flooded = (flooded.0 + payments, flooded.1 + time);
    }
    let total = payers.end().await;
    let memory = store.peak_mib();
    let received = process::received(&paid, channel).await;
    assert_eq!(received, u128::from(total), "what was acknowledged has come, once");
    let open = paid.channel_list(ChannelList::default()).await.expect("answers").channels.len();
    let result = json!({
        "messages": attack.sent(), "answers_to_strangers": attack.answers(), "strangers": attack.strangers(),
        "hung_up_on": attack.hung_up(), "payments": total, "channels_listed": open,
        "quiet_payments_per_second": per_second(quiet.0, quiet.1).round(),
        "flooded_payments_per_second": per_second(flooded.0, flooded.1).round(),
        "seconds_flooded": flooded.1.as_secs(), "peak_memory_mib": memory,
    });
    keep(&result);
    assert!(memory <= MOST_MEMORY, "the node took {memory} MiB");
    let ratio = per_second(flooded.0, flooded.1) / per_second(quiet.0, quiet.1);
    if bounds.is_campaign {
        assert!(ratio >= 0.5, "under the flood it pays {ratio:.2} times as fast");
        assert!(attack.sent() >= bounds.messages / bounds.rounds * bounds.rounds);
    }
}

fn keep(result: &Value) {
    println!("{result:#}");
    if let Some(path) = std::env::var_os("STRAIT_PROOF_RESULT") {
        std::fs::write(path, result.to_string()).expect("the result is written");
    }
}
