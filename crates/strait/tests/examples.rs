//! The examples do what they say.

#[allow(dead_code)]
#[path = "../examples/bot.rs"]
mod bot;
#[allow(dead_code)]
#[path = "../examples/connect_four.rs"]
mod connect_four;
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
use strait::{
    Address, Amount, Api, AppInstall, AppOpen, AppPosition, AssetAmount, B256, ChannelMove, ChannelRef,
    HistoryEntry, HistoryQuery, Node, Pay, Policy, Scope, U256,
};
use strait_types::Side;
use tokio::net::TcpListener;
use world::{World, soon};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_customer_buys_and_sees_what_is_left() {
    let directory = tempfile::tempdir().expect("a directory");
    let shopped = soon("the shopping", Box::pin(customer::shop(directory.path(), &["coffee", "cake"]))).await;
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

#[test]
fn connect_four_says_in_words_who_plays_what_and_who_won() {
    use strait_examples::connect_four::Standing;
    let waits = connect_four::waiting(3, false, Side::One);
    assert_eq!(waits, "You play O. Waits for the other, who plays X.");
    assert!(connect_four::waiting(0, false, Side::Zero).starts_with("You play X. Play begins when"));
    assert_eq!(connect_four::result(Standing::Won(Side::One), Side::One), "You won");
    assert_eq!(connect_four::result(Standing::Won(Side::One), Side::Zero), "The other won");
    assert!(connect_four::result(Standing::Draw, Side::Zero).starts_with("A draw"));
}

#[test]
fn connect_four_forgets_what_was_typed_before_the_turn() {
    let (sender, lines) = std::sync::mpsc::channel();
    for early in ["3", "4"] {
        sender.send(early.to_owned()).expect("typed");
    }
    connect_four::discard(&lines);
    sender.send("5".to_owned()).expect("typed");
    assert_eq!(lines.recv().as_deref(), Ok("5"));
}

/// Two nodes of two people, from the code's installation to the payout.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_people_play_connect_four() {
    let chain = DevNet::start().expect("a chain");
    let directory = tempfile::tempdir().expect("a directory");
    let code = strait_examples::connect_four::code().expect("fit to be an app");
    let app = chain.chain().with(|chain| code.address(chain.adjudicator()));
    let start = async |name: &str, payout: u8| {
        let policy = Policy { apps: vec![app], ..Policy::default() };
        let setup = chain.setup(name).policy(policy).payout(Address::repeat_byte(payout));
        let node = Node::builder(directory.path().join(name), DevNet::key(name)).chain(setup);
        let node = node.listen("127.0.0.1:0".parse().expect("an address")).start().await.expect("starts");
        let install = AppInstall { chain_id: None, runtime: code.runtime().clone() };
        assert_eq!(node.app_install(install).await.expect("installed").app, app);
        node
    };
    let (alice, bob) = (start("alice", 0xa0).await, start("bob", 0xb0).await);
    let first = strait_examples::connect_four::start(300, 1);
    let request = AppOpen {
        chain_id: None,
        peer: bob.address().expect("it listens"),
        parent: None,
        peer_payout: None,
        challenge_duration: None,
        app,
        stake: vec![AssetAmount { asset: Address::ZERO, amount: Amount::from(1_000) }],
        peer_stake: vec![Amount::from(1_000)],
        start: AppPosition {
            writer: 0,
            deltas: vec![["0".into(), "0".into()]],
            data: strait_app::AppData::encode(&first.data).into(),
        },
        idempotency_key: None,
    };
    let channel = soon("the opening", alice.app_open(request)).await.expect("opened").channel.channel;
    soon("the peer's channel", async {
        while bob.app_show(ChannelRef { channel }).await.is_err() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let deposit = ChannelMove { channel, asset: None, amount: Amount::from(1_000), idempotency_key: None };
    bob.channel_deposit(deposit).await.expect("deposited");
    let columns = |columns: [u32; 4]| {
        let mut left = columns.into_iter();
        move |_: &strait_examples::connect_four::Board| left.next()
    };
    let (mut hers, mut his) = (columns([3, 3, 3, 3]), columns([4, 9, 4, 4]));
    let (mut told_her, mut told_him) = (Vec::new(), Vec::new());
    let mut say_to_her = |text: &str| told_her.push(text.to_owned());
    let mut say_to_him = |text: &str| told_him.push(text.to_owned());
    let games = async {
        tokio::join!(
            connect_four::play(&*alice, channel, &mut hers, &mut say_to_her),
            connect_four::play(&*bob, channel, &mut his, &mut say_to_him)
        )
    };
    let (alices, bobs) = soon("the game", games).await;
    let won = strait_examples::connect_four::Standing::Won(Side::Zero);
    assert_eq!((alices.expect("played"), bobs.expect("played")), ((Side::Zero, won), (Side::One, won)));
    assert!(told_her.iter().any(|line| line == "Your turn: you play X."), "{told_her:?}");
    assert!(told_him.iter().any(|line| line == "Your turn: you play O."), "{told_him:?}");
    soon("the payout", async {
        while chain.balance(Address::repeat_byte(0xb0)).is_zero() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(chain.balance(Address::repeat_byte(0xa0)), U256::from(1_300));
    assert_eq!(chain.balance(Address::repeat_byte(0xb0)), U256::from(700));
    alice.stop().await;
    bob.stop().await;
}
