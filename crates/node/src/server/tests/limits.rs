use super::*;
use std::time::Instant;

#[tokio::test]
async fn a_body_that_is_too_large_is_refused() {
    let mut config = loopback();
    config.limits.max_request_bytes = 1000;
    let world = World::with(config).await;
    let token = world.token(Scope::Read);
    let large = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{}"}}"#, "x".repeat(1000));
    assert_eq!(failed(&world.rpc(&token, &large).await), ErrorCode::TooLarge);
    let mut socket = world.connect(&token).await;
    socket.send(large).await;
    assert_eq!(failed(&socket.next().await), ErrorCode::TooLarge);
    assert!(matches!(socket.frame().await, Message::Close(Some(_))));
}

#[tokio::test]
async fn whoever_never_ends_a_request_is_disconnected() {
    let mut config = loopback();
    config.limits.header_timeout = Duration::from_millis(200);
    config.limits.body_timeout = Duration::from_millis(200);
    let world = World::with(config).await;
    let token = world.token(Scope::Read);
    let body = format!(
        "POST / HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n\
         Content-Length: 10\r\n\r\n{{"
    );
    for start in ["", "POST / HT", "POST / HTTP/1.1\r\nHost: localhost\r\n", &body] {
        let began = Instant::now();
        let mut stream = TcpStream::connect(world.server.local_addr()).await.expect("connected");
        stream.write_all(start.as_bytes()).await.expect("sent");
        let mut answer = Vec::new();
        // It ends by the server's doing: nothing more is sent.
        let end = tokio::time::timeout(Duration::from_secs(60), stream.read_to_end(&mut answer)).await;
        drop(end.unwrap_or_else(|_| panic!("it was never disconnected: {start}")));
        assert!(began.elapsed() >= Duration::from_millis(200), "{start}");
    }
}

#[tokio::test]
async fn there_is_room_for_so_many_connections() {
    let mut config = loopback();
    config.limits.max_connections = 2;
    let world = World::with(config).await;
    let token = world.token(Scope::Read);
    let first = world.connect(&token).await;
    let mut second = world.connect(&token).await;
    let third = TcpStream::connect(world.server.local_addr()).await.expect("accepted by the system");
    let mut nothing = Vec::new();
    let mut third = third;
    assert!(matches!(third.read_to_end(&mut nothing).await, Ok(0) | Err(_)), "closed at once");
    assert_eq!(second.ask("strait_node_info", json!({})).await["result"]["uptime"], 5);
    drop(first);
    // The place is free as soon as the server has seen the end.
    loop {
        let authorization = [("authorization", format!("Bearer {token}"))];
        if world.socket(&authorization).await.is_ok() {
            return;
        }
    }
}

#[tokio::test]
async fn too_many_calls_at_once_are_busy_and_those_under_way_are_answered() {
    let mut config = loopback();
    config.limits.max_calls = 2;
    let world = World::with(config).await;
    let mut socket = world.connect(&world.token(Scope::Pay)).await;
    world.fake.held.send_replace(true);
    let pay = |id: u32| {
        let params = json!({ "channel": channel(), "asset": Address::ZERO, "amount": "1" });
        json!({ "jsonrpc": "2.0", "id": id, "method": "strait_pay", "params": params }).to_string()
    };
    for id in 0..3 {
        socket.send(pay(id)).await;
    }
    assert_eq!(failed(&socket.next().await), ErrorCode::Busy);
    world.fake.held.send_replace(false);
    for _ in 0..2 {
        assert!(socket.next().await["result"].is_object());
    }
    assert_eq!(world.fake.payments.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn a_client_that_goes_away_does_not_break_off_its_payment() {
    let world = World::new().await;
    world.fake.held.send_replace(true);
    let mut socket = world.connect(&world.token(Scope::Pay)).await;
    let params = json!({ "channel": channel(), "asset": Address::ZERO, "amount": "1" });
    let pay = json!({ "jsonrpc": "2.0", "id": 1, "method": "strait_pay", "params": params }).to_string();
    socket.send(pay).await;
    // Whether the call has begun is seen by who waits for the gate.
    while world.fake.held.receiver_count() == 0 {
        tokio::task::yield_now().await;
    }
    drop(socket);
    world.fake.held.send_replace(false);
    while world.fake.payments.load(Ordering::Relaxed) == 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_subscriber_that_reads_nothing_is_disconnected() {
    let mut config = loopback();
    config.limits.write_timeout = Duration::from_millis(300);
    let world = World::with(config).await;
    let token = world.token(Scope::Read);
    let mut slow = world.connect(&token).await;
    for _ in 0..30 {
        slow.send(r#"{"jsonrpc":"2.0","id":1,"method":"strait_subscribe"}"#).await;
    }
    let mut quick = world.connect(&token).await;
    assert_eq!(quick.ask("strait_subscribe", json!({})).await["result"], 1);
    // More than the sockets' buffers hold.
    (0..20_000).for_each(|version| world.fake.happen(version));
    for version in 0..20_000 {
        assert_eq!(quick.next().await["params"]["result"]["version"], version, "others are not held up");
    }
    loop {
        let (_, text) = world.get("/metrics", Some(&token)).await;
        if text.contains("strait_api_websockets 1\n") {
            return;
        }
    }
}
