//! The examples do what they say.

#[allow(dead_code)]
#[path = "../examples/bot.rs"]
mod bot;
#[allow(dead_code)]
#[path = "../examples/custom_storage.rs"]
mod custom_storage;
#[allow(dead_code)]
#[path = "../examples/customer.rs"]
mod customer;
#[allow(dead_code)]
#[path = "../examples/store_axum.rs"]
mod store_axum;
mod world;

use strait::dev::DevNet;
use strait::{Amount, Api, B256, ChannelRef, HistoryEntry, HistoryQuery, Pay, Scope};
use tokio::net::TcpListener;
use world::{World, soon};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_customer_buys_and_sees_what_is_left() {
    let directory = tempfile::tempdir().expect("a directory");
    let shopped = soon("the shopping", customer::shop(directory.path(), &["coffee", "cake"])).await;
    let (paid, left) = shopped.expect("bought");
    assert_eq!(paid.iter().map(|paid| paid.number).collect::<Vec<_>>(), [0, 1]);
    assert_eq!(left, Amount::from(1_000_000 - 200));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_store_sells_an_article_for_a_payment_and_only_once() {
    let world = World::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/articles/7", listener.local_addr().expect("an address"));
    let buying = async {
        let http = reqwest_client();
        let offer = http.get(&url).send().await.expect("an answer");
        assert_eq!(offer.status(), 402);
        let offer: serde_json::Value =
            serde_json::from_slice(&offer.bytes().await.expect("a body")).expect("JSON");
        assert_eq!(offer["pay_to"], world.store.address().expect("it listens"));
        let reference: B256 = offer["reference"].as_str().expect("text").parse().expect("a reference");
        let amount: u64 = offer["amount"].as_str().expect("text").parse().expect("an amount");
        let ask = || http.get(&url).header("x-payment", reference.to_string()).send();
        assert_eq!(ask().await.expect("an answer").status(), 402, "not paid yet");
        let pay = Pay { invoice: Some(reference), ..Pay::new(world.channel, Amount::from(amount)) };
        world.customer.pay(pay).await.expect("paid");
        let sold = ask().await.expect("an answer");
        assert_eq!(sold.status(), 200);
        assert_eq!(sold.bytes().await.expect("a body"), "This is article 7.");
        assert_eq!(ask().await.expect("an answer").status(), 402, "sold once");
    };
    tokio::select! {
        () = soon("the sale", buying) => {}
        ended = store_axum::sell(&world.store, listener) => panic!("the store ended: {ended:?}"),
    }
    world.stop().await;
}

fn reqwest_client() -> reqwest::Client {
    // The provider is the process's, once.
    drop(rustls::crypto::ring::default_provider().install_default());
    reqwest::Client::builder().no_proxy().build().expect("a client")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_bot_gives_back_a_tenth_of_each_payment_once() {
    let mut world = World::new().await;
    let node = world.connect_to_store(&[Scope::Pay]).await;
    let start = world.store.events(Default::default()).await.expect("events").cursor;
    for amount in [100, 5, 30] {
        world.pay(amount).await;
    }
    let answered = soon("the bot", bot::give_back(&node, Some(start.clone()), 2)).await.expect("answered");
    assert_ne!(answered, start);
    // Started again it goes on where it was.
    world.pay(70).await;
    soon("the bot", bot::give_back(&node, Some(answered), 1)).await.expect("answered");
    let query = HistoryQuery { channel: world.channel, cursor: None, limit: None };
    let lines = world.store.history(query).await.expect("history").lines;
    let given = lines.iter().filter(|line| line.is_ours).filter_map(|line| match &line.entry {
        HistoryEntry::Pay { amount, .. } => Some(amount.units()),
        _ => None,
    });
    assert_eq!(given.collect::<Vec<_>>(), [10, 3, 7]);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_with_two_places_finds_its_data_again() {
    let (fast, large) = (tempfile::tempdir().expect("a place"), tempfile::tempdir().expect("a place"));
    let chain = DevNet::start().expect("a chain");
    let node = custom_storage::start(&chain, fast.path(), large.path()).await.expect("starts");
    let customer = world::customer(&chain, &large.path().join("customer")).await;
    let channel = world::open(&customer, &node).await;
    customer.pay(Pay::new(channel, Amount::from(7))).await.expect("paid");
    node.stop().await;
    assert!(fast.path().join("states").is_dir());
    assert!(!large.path().join("store-dev").exists());
    let node = custom_storage::start(&chain, fast.path(), large.path()).await.expect("starts again");
    let info = node.channel_show(ChannelRef { channel }).await.expect("known");
    assert_eq!(info.balances[0].own, Amount::from(7));
    customer.stop().await;
    node.stop().await;
}
