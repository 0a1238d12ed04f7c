//! The client of a remote node: the same interface, over connections that break.

mod world;

use futures_util::StreamExt as _;
use std::sync::{Arc, Mutex};
use strait::{
    Amount, Api, ChannelRef, Client, ClientConfig, Connection, ErrorCode, Event, EventQuery, EventStream,
    Nothing, Pay, Scope, ServerConfig, Subscribe, TokenRef,
};
use world::{World, loopback, soon, token};

async fn next_payment(news: &mut EventStream) -> u128 {
    loop {
        let record = soon("an event", news.next()).await.expect("an open stream").expect("an event");
        if let Event::Received { payments, .. } = record.event {
            assert_eq!(payments.len(), 1);
            return payments[0].amount.units();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_remote_node_answers_like_the_node_itself() {
    let mut world = World::new().await;
    let client = world.connect_to_store(&[Scope::Pay]).await;
    world.pay(50).await;
    let channel = ChannelRef { channel: world.channel };
    let own = world.store.channel_show(channel).await;
    assert_eq!(client.channel_show(channel).await, own);
    let paid = client.pay(Pay::new(world.channel, Amount::from(20))).await.expect("paid back");
    assert_eq!((paid.channel, paid.number), (world.channel, 0));
    let error = client.pay(Pay::new(world.channel, Amount::from(31))).await.expect_err("too much");
    assert_eq!(error.code, ErrorCode::InsufficientBalance);
    assert!(!error.hint.is_empty());
    let error = client.channel_close(channel).await.expect_err("no admin");
    assert_eq!(error.code, ErrorCode::Forbidden);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscription_outlives_a_restart_of_the_server_and_misses_nothing() {
    let mut world = World::new().await;
    let address = world.store.serve(ServerConfig::new(loopback())).await.expect("serves");
    let secret = token(&world.store, &[Scope::Read]);
    let told = Arc::new(Mutex::new(Vec::new()));
    let listener = told.clone();
    let mut config = ClientConfig::new(format!("ws://{address}"), &secret);
    config.on_connection = Some(Arc::new(move |connection| {
        let is_lost = matches!(connection, Connection::Lost(_));
        listener.lock().expect("not poisoned").push(is_lost);
    }));
    let client = Client::with(config).await.expect("a client");
    let mut news = client.subscribe(EventQuery::default()).await.expect("subscribed");
    world.pay(1).await;
    assert_eq!(next_payment(&mut news).await, 1);
    world.pay(2).await;
    // The same port, so that the client finds it again.
    world.store.serve(ServerConfig::new(address)).await.expect("serves again");
    world.pay(3).await;
    assert_eq!(next_payment(&mut news).await, 2);
    assert_eq!(next_payment(&mut news).await, 3);
    assert_eq!(*told.lock().expect("not poisoned"), [true, false], "lost, and there again");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_mended_is_told() {
    let mut world = World::new().await;
    let address = world.store.serve(ServerConfig::new(loopback())).await.expect("serves");
    let url = format!("http://{address}");
    let secret = token(&world.store, &[Scope::Read]);
    let client = Client::connect(&url, &secret).await.expect("a client");
    let mut news = client.subscribe(EventQuery::default()).await.expect("subscribed");
    let lost = EventQuery { after: Some("00000000.7".into()), ..EventQuery::default() };
    assert_eq!(client.subscribe(lost).await.err().expect("another log").code, ErrorCode::EventsLost);
    let id = world.store.tokens().list().expect("tokens")[0].id.clone();
    world.store.tokens().revoke(&id).expect("revoked");
    // What happened before may be told still.
    let end = loop {
        if let Err(error) = soon("the end", news.next()).await.expect("an error") {
            break error;
        }
    };
    assert_eq!(end.code, ErrorCode::Unauthorized);
    assert!(soon("the end", news.next()).await.is_none());
    let code = |result: Result<Client, strait::ApiError>| result.map(drop).expect_err("refused").code;
    assert_eq!(code(Client::connect(&url, &secret).await), ErrorCode::Unauthorized);
    let error = client.node_info(Nothing {}).await.expect_err("revoked");
    assert_eq!(error.code, ErrorCode::Unauthorized);
    let admin = Client::connect(&url, &token(&world.store, &[Scope::Admin])).await.expect("a client");
    let error = admin.token_revoke(TokenRef { id }).await.expect_err("gone already");
    assert_eq!(error.code, ErrorCode::UnknownToken);
    world.stop().await;
    assert_eq!(code(Client::connect(&url, &secret).await), ErrorCode::NodeUnreachable);
}

#[tokio::test]
async fn a_token_is_not_sent_unencrypted_to_other_machines() {
    for url in
        ["http://203.0.113.7:8645", "ws://node.example", "http://localhost.example", "ftp://localhost", "x"]
    {
        let error = Client::connect(url, "strait_").await.expect_err("refused");
        assert_eq!(error.code, ErrorCode::InvalidAddress, "{url}");
    }
    let nobody = ClientConfig::new("https://localhost:1", "strait_");
    assert_eq!(Client::with(nobody).await.expect_err("nobody there").code, ErrorCode::NodeUnreachable);
}
