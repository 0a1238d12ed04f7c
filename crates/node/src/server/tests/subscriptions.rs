use super::*;

fn event(notification: &Value) -> (u64, u64) {
    assert_eq!(notification["method"], "strait_subscription", "{notification}");
    let params = &notification["params"];
    let number = |value: &Value| value.as_u64().expect("a number");
    (number(&params["subscription"]), number(&params["result"]["version"]))
}

#[tokio::test]
async fn events_arrive_in_order_and_go_on_after_a_disconnect() {
    let world = World::new().await;
    let token = world.token(Scope::Read);
    let mut first = world.connect(&token).await;
    assert_eq!(first.ask("strait_subscribe", json!({})).await["result"], 1);
    (10..13).for_each(|version| world.fake.happen(version));
    assert_eq!(event(&first.next().await), (1, 10));
    let seen = first.next().await;
    assert_eq!(event(&seen), (1, 11));
    drop(first);
    world.fake.happen(13);
    let mut second = world.connect(&token).await;
    let cursor = &seen["params"]["result"]["cursor"];
    assert_eq!(second.ask("strait_subscribe", json!({ "after": cursor })).await["result"], 1);
    assert_eq!(event(&second.next().await), (1, 12));
    assert_eq!(event(&second.next().await), (1, 13));
    // Calls go on beside a subscription.
    assert_eq!(second.ask("strait_node_info", json!({})).await["result"]["uptime"], 5);
}

#[tokio::test]
async fn an_ended_subscription_is_silent_and_frees_its_place() {
    let mut config = loopback();
    config.limits.max_subscriptions = 2;
    let world = World::with(config).await;
    let mut socket = world.connect(&world.token(Scope::Read)).await;
    assert_eq!(socket.ask("strait_subscribe", json!({})).await["result"], 1);
    assert_eq!(socket.ask("strait_subscribe", json!({})).await["result"], 2);
    assert_eq!(failed(&socket.ask("strait_subscribe", json!({})).await), ErrorCode::Busy);
    assert_eq!(socket.ask("strait_unsubscribe", json!({ "subscription": 1 })).await["result"], json!({}));
    let again = socket.ask("strait_unsubscribe", json!({ "subscription": 1 })).await;
    assert_eq!(failed(&again), ErrorCode::InvalidParams);
    world.fake.happen(1);
    assert_eq!(event(&socket.next().await), (2, 1));
    world.fake.happen(2);
    assert_eq!(event(&socket.next().await), (2, 2));
    assert_eq!(socket.ask("strait_subscribe", json!({})).await["result"], 3);
}

#[tokio::test]
async fn a_cursor_that_is_too_old_is_told_at_once() {
    let world = World::new().await;
    let mut socket = world.connect(&world.token(Scope::Read)).await;
    (0..5).for_each(|version| world.fake.happen(version));
    world.fake.first_held.store(3, Ordering::Relaxed);
    let answer = socket.ask("strait_subscribe", json!({ "after": "1" })).await;
    assert_eq!(failed(&answer), ErrorCode::EventsLost);
    let answer = socket.ask("strait_subscribe", json!({ "afterwards": "1" })).await;
    assert_eq!(failed(&answer), ErrorCode::InvalidParams);
}

#[tokio::test]
async fn revoking_a_token_ends_its_subscriptions_and_connections() {
    let world = World::new().await;
    let token = world.token(Scope::Read);
    let mut socket = world.connect(&token).await;
    let mut other = world.connect(&world.token(Scope::Read)).await;
    assert_eq!(socket.ask("strait_subscribe", json!({})).await["result"], 1);
    let id = world.tokens.authenticate(&token).expect("valid").info().id.clone();
    world.tokens.revoke(&id).expect("revoked");
    let end = socket.next().await;
    assert_eq!(failed(&end["params"]), ErrorCode::Unauthorized);
    assert!(matches!(socket.frame().await, Message::Close(Some(frame)) if u16::from(frame.code) == 1008));
    assert_eq!(other.ask("strait_node_info", json!({})).await["result"]["uptime"], 5);
}

#[tokio::test]
async fn a_token_whose_time_is_over_loses_its_connection() {
    let world = World::new().await;
    let token = world.make(&TokenCreate {
        name: "short".into(),
        scopes: vec![Scope::Read],
        limits: SpendLimits::default(),
        expires_in: Some(60),
    });
    let mut socket = world.connect(&token).await;
    assert_eq!(socket.ask("strait_subscribe", json!({})).await["result"], 1);
    world.clock.0.fetch_add(60_000, Ordering::Relaxed);
    assert_eq!(failed(&socket.next().await["params"]), ErrorCode::TokenExpired);
    assert!(matches!(socket.frame().await, Message::Close(Some(_))));
}

#[tokio::test]
async fn a_stop_tells_subscribers() {
    let world = World::new().await;
    let mut socket = world.connect(&world.token(Scope::Read)).await;
    assert_eq!(socket.ask("strait_subscribe", json!({})).await["result"], 1);
    let address = world.server.local_addr();
    let stop = tokio::spawn(world.server.stop());
    assert_eq!(failed(&socket.next().await["params"]), ErrorCode::Stopping);
    assert!(matches!(socket.frame().await, Message::Close(Some(frame)) if u16::from(frame.code) == 1001));
    stop.await.expect("stopped");
    assert!(TcpStream::connect(address).await.is_err(), "the port is free");
}

#[tokio::test]
async fn a_browser_shows_its_token_as_a_subprotocol() {
    let mut config = loopback();
    config.origins = vec!["https://wallet.example".into()];
    let world = World::with(config).await;
    let offer = format!("strait, bearer.{}", world.token(Scope::Read));
    let headers = [("sec-websocket-protocol", offer), ("origin", "https://wallet.example".into())];
    let mut socket = world.socket(&headers).await.expect("a WebSocket");
    assert_eq!(socket.ask("strait_node_info", json!({})).await["result"]["uptime"], 5);
}

#[tokio::test]
async fn errors_on_a_websocket_are_of_the_catalogue_too() {
    let world = World::new().await;
    let mut socket = world.connect(&world.token(Scope::Read)).await;
    socket.send("{").await;
    assert_eq!(failed(&socket.next().await), ErrorCode::ParseError);
    socket.send("[]").await;
    assert_eq!(failed(&socket.next().await), ErrorCode::InvalidRequest);
    assert_eq!(failed(&socket.ask("strait_pay", json!({})).await), ErrorCode::Forbidden);
    socket.send(r#"[{"jsonrpc":"2.0","id":1,"method":"strait_subscribe"}]"#).await;
    assert_eq!(failed(&socket.next().await[0]), ErrorCode::InvalidRequest);
}
