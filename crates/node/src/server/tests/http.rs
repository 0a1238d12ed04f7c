use super::*;

const JSON: &str = "Content-Type: application/json\r\n";

fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n{JSON}")
}

const INFO: &str = r#"{"jsonrpc":"2.0","id":1,"method":"strait_node_info"}"#;

#[tokio::test]
async fn nothing_is_answered_without_a_token() {
    let world = World::new().await;
    for method in METHODS.iter().map(|method| method.name).chain(["rpc.discover", "strait_subscribe"]) {
        let call = json!({ "jsonrpc": "2.0", "id": 1, "method": method }).to_string();
        let (status, answer) = world.post(JSON, &call).await;
        assert_eq!((status, failed(&answer)), (401, ErrorCode::Unauthorized), "{method}");
    }
    let wrong = [&format!("strait_{}", "0".repeat(64)), "", "strait_"];
    for token in wrong {
        assert_eq!(world.post(&bearer(token), INFO).await.0, 401, "{token}");
    }
    let basic = format!("Authorization: Basic {}\r\n{JSON}", world.token(Scope::Admin));
    assert_eq!(world.post(&basic, INFO).await.0, 401);
    assert_eq!(world.get("/metrics", None).await.0, 401);
    assert!(world.socket(&[]).await.is_err());
}

#[tokio::test]
async fn each_method_wants_its_scope() {
    let world = World::new().await;
    for scope in [Scope::Read, Scope::Receive, Scope::Pay, Scope::Admin] {
        let token = world.token(scope);
        for method in METHODS {
            let answer = world.call(&token, method.name, json!({ "no": "such parameter" })).await;
            let is_forbidden = failed(&answer) == ErrorCode::Forbidden;
            assert_eq!(is_forbidden, !scope.allows(method.scope), "{scope:?} {}: {answer}", method.name);
        }
        let document = world.call(&token, "rpc.discover", json!([])).await;
        assert_eq!(document["result"], openrpc());
    }
}

#[tokio::test]
async fn a_token_that_is_over_or_revoked_opens_nothing() {
    let world = World::new().await;
    let admin = world.token(Scope::Admin);
    let wish = json!({ "name": "short", "scopes": ["read"], "expires_in": 10 });
    let made = &world.call(&admin, "strait_token_create", wish).await["result"];
    let (short, id) = (made["secret"].as_str().expect("a secret"), &made["info"]["id"]);
    assert_eq!(world.post(&bearer(short), INFO).await.0, 200);
    world.clock.0.fetch_add(10_000, Ordering::Relaxed);
    let (status, answer) = world.post(&bearer(short), INFO).await;
    assert_eq!((status, failed(&answer)), (401, ErrorCode::TokenExpired));
    assert_eq!(world.call(&admin, "strait_token_revoke", json!({ "id": id })).await["result"], json!({}));
    assert_eq!(failed(&world.post(&bearer(short), INFO).await.1), ErrorCode::Unauthorized);
    let listed = &world.call(&admin, "strait_token_list", json!({})).await["result"]["tokens"];
    assert_eq!(listed.as_array().map(Vec::len), Some(1));
    assert!(!listed.to_string().contains("secret"));
}

#[tokio::test]
async fn every_bad_request_gets_an_error_of_the_catalogue() {
    let world = World::new().await;
    let token = world.token(Scope::Admin);
    let batch = format!("[{}]", vec![INFO; 101].join(","));
    let cases = [
        ("{", ErrorCode::ParseError),
        ("", ErrorCode::ParseError),
        ("\u{0}", ErrorCode::ParseError),
        ("[1,", ErrorCode::ParseError),
        ("[]", ErrorCode::InvalidRequest),
        ("1", ErrorCode::InvalidRequest),
        (r#"{"jsonrpc":"1.0","id":1,"method":"strait_node_info"}"#, ErrorCode::InvalidRequest),
        (r#"{"jsonrpc":"2.0","id":{},"method":"strait_node_info"}"#, ErrorCode::InvalidRequest),
        (r#"{"jsonrpc":"2.0","id":1,"method":7}"#, ErrorCode::InvalidRequest),
        (r#"{"jsonrpc":"2.0","id":1,"method":"eth_accounts"}"#, ErrorCode::UnknownMethod),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"strait_pay","params":{"channel":1}}"#,
            ErrorCode::InvalidParams,
        ),
        (r#"{"jsonrpc":"2.0","id":1,"method":"strait_node_info","params":[1]}"#, ErrorCode::InvalidParams),
        (r#"{"jsonrpc":"2.0","id":1,"method":"strait_subscribe"}"#, ErrorCode::InvalidRequest),
        (r#"{"jsonrpc":"2.0","id":1,"method":"strait_peer_list"}"#, ErrorCode::Internal),
        (&batch, ErrorCode::TooLarge),
    ];
    for (body, expected) in cases {
        assert_eq!(failed(&world.rpc(&token, body).await), expected, "{body:.100}");
    }
    for (body, part) in [
        ("1", "it is no object"),
        (r#"{"jsonrpc":"1.0","id":1,"method":"strait_node_info"}"#, "`jsonrpc` is not"),
        (r#"{"jsonrpc":"2.0","id":{},"method":"strait_node_info"}"#, "its `id` is neither"),
        (r#"{"jsonrpc":"2.0","id":1,"method":7}"#, "no `method`"),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"strait_pay","params":[]}"#,
            "the parameter `channel` is missing",
        ),
    ] {
        let answer = world.rpc(&token, body).await;
        let message = answer["error"]["message"].as_str().unwrap_or_default();
        assert!(message.contains(part), "{body}: {answer}");
    }
    let with_id = r#"{"jsonrpc":"2.0","id":"mine","method":7}"#;
    assert_eq!(world.rpc(&token, with_id).await["id"], "mine");
    let (status, answer) = world.post(&format!("Authorization: Bearer {token}\r\n"), INFO).await;
    assert_eq!((status, failed(&answer)), (415, ErrorCode::InvalidRequest), "as a web page can send unasked");
    let (status, body) = world.get("/nowhere", Some(&token)).await;
    assert_eq!(
        (status, failed(&serde_json::from_str(&body).expect("JSON"))),
        (404, ErrorCode::InvalidRequest)
    );
    assert_eq!(world.get("/", Some(&token)).await.0, 405);
}

#[tokio::test]
async fn a_batch_is_answered_in_order_without_its_notifications() {
    let world = World::new().await;
    let token = world.token(Scope::Read);
    let notification = r#"{"jsonrpc":"2.0","method":"strait_node_info"}"#;
    let call = |id| format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"strait_node_info","params":{{}}}}"#);
    let batch = format!("[{},{notification},7,{}]", call(5), call(4));
    let answers = world.rpc(&token, &batch).await;
    assert_eq!(answers[0]["id"], 5);
    assert_eq!(failed(&answers[1]), ErrorCode::InvalidRequest);
    assert_eq!(answers[2]["result"]["uptime"], 5);
    assert_eq!(answers.as_array().map(Vec::len), Some(3));
    assert_eq!(world.post(&bearer(&token), notification).await, (204, Value::Null));
}

#[tokio::test]
async fn strange_names_and_pages_are_refused() {
    let mut config = loopback();
    config.hosts = vec!["node.example".into()];
    config.origins = vec!["https://wallet.example".into()];
    let world = World::with(config).await;
    let token = world.token(Scope::Read);
    let status = async |host: &str, origin: &str| {
        let headers =
            format!("Host: {host}\r\nConnection: close\r\nContent-Length: {}\r\n{origin}", INFO.len());
        let request = format!("POST / HTTP/1.1\r\n{headers}{}\r\n{INFO}", bearer(&token));
        world.exchange(&request).await
    };
    for host in ["127.0.0.1", "localhost:8", "LOCALHOST", "[::1]:80", "node.example", "node.example:443"] {
        assert_eq!(status(host, "").await.0, 200, "{host}");
    }
    for host in ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80", ""] {
        let (code, _, body) = status(host, "").await;
        assert_eq!(code, 403, "{host}");
        assert_eq!(failed(&serde_json::from_str(&body).expect("JSON")), ErrorCode::Forbidden);
    }
    let (code, head, _) = status("localhost", "Origin: https://wallet.example\r\n").await;
    assert_eq!(code, 200);
    assert!(head.contains("access-control-allow-origin: https://wallet.example"));
    for origin in ["https://evil.example", "null", "https://wallet.example.evil.example"] {
        assert_eq!(status("localhost", &format!("Origin: {origin}\r\n")).await.0, 403, "{origin}");
        let upgrade = [("origin", origin.to_owned()), ("authorization", format!("Bearer {token}"))];
        assert!(world.socket(&upgrade).await.is_err());
    }
    let preflight = "OPTIONS / HTTP/1.1\r\nHost: localhost\r\nOrigin: https://wallet.example\r\nConnection: close\r\n\r\n";
    assert_eq!(world.exchange(preflight).await.0, 204);
}

#[tokio::test]
async fn health_and_readiness_tell_a_stranger_no_more_than_they_must() {
    let world = World::new().await;
    let token = world.token(Scope::Read);
    assert_eq!(world.get("/health", None).await, (200, "ok\n".into()));
    let (status, body) = world.get("/ready", None).await;
    assert_eq!((status, body.as_str()), (200, r#"{"missing":[],"ready":true}"#));
    let world = World::new().await;
    world.fake.is_fresh.store(false, Ordering::Relaxed);
    let (status, body) = world.get("/ready", None).await;
    assert_eq!((status, body.as_str()), (503, r#"{"missing":["chain"],"ready":false}"#));
    let (_, foreign) = world.get("/ready", Some(&token)).await;
    assert!(!foreign.contains("newest block"), "a token of another node");
    let own = world.token(Scope::Read);
    assert!(world.get("/ready", Some(&own)).await.1.contains("chain test: its newest block is too old"));
}

#[tokio::test]
async fn a_deep_reorg_and_a_disk_that_takes_nothing_are_seen_before_they_cost_anything() {
    let world = World::new().await;
    let token = world.token(Scope::Read);
    world.fake.is_halted.store(true, Ordering::Relaxed);
    let (status, body) = world.get("/ready", Some(&token)).await;
    assert_eq!((status, body.contains("events are read anew")), (503, true), "{body}");
    let figures = world.get("/metrics", Some(&token)).await.1;
    assert!(figures.contains("strait_chain_halted{chain=\"1\"} 1"), "{figures}");

    let directory = tempfile::TempDir::new().expect("a directory");
    let data = directory.path().join("data");
    std::fs::create_dir(&data).expect("made");
    let start = |directories| {
        let config = ServerConfig { directories, ..ServerConfig::new(([127, 0, 0, 1], 0).into()) };
        let api = Arc::new(Remote(Shareable(world.fake.clone())));
        ApiServer::start(config, api, world.fake.clone(), world.tokens.clone())
    };
    world.fake.is_halted.store(false, Ordering::Relaxed);
    for (there, part) in [(true, "[]"), (false, "[\"store\"]")] {
        if !there {
            std::fs::remove_dir(&data).expect("removed, so that nothing but the directory was in it");
        }
        let server = start(vec![data.clone()]).await.expect("starts");
        let body = get_from(server.local_addr(), "/ready", None).await.1;
        assert!(body.contains(part), "{body}");
        server.stop().await;
    }
}

#[tokio::test]
async fn figures_count_what_happened() {
    let world = World::new().await;
    let token = world.token(Scope::Read);
    let _ = world.call(&token, "strait_node_info", json!({})).await;
    let _ = world.call(&token, "made_up", json!({})).await;
    let (status, text) = world.get("/metrics", Some(&token)).await;
    assert_eq!(status, 200);
    for line in [
        "strait_up 1",
        "strait_api_call_seconds_count{method=\"strait_node_info\"} 1",
        "strait_api_errors_total{method=\"unknown\",code=\"unknown_method\"} 1",
        "strait_channels{chain=\"1\",phase=\"disputed\"} 1",
        "strait_balance{chain=\"1\",asset=\"0x0000000000000000000000000000000000000000\",owner=\"own\"} 1000.0",
        "strait_disputes_unanswered{chain=\"1\"} 1",
        "strait_dispute_deadline_left_seconds{chain=\"1\"} 60.0",
        "strait_payments_agreed{chain=\"1\",direction=\"received\"} 2",
        "strait_chain_fresh{chain=\"1\"} 1",
        "# EOF",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
    }
}

#[tokio::test]
async fn a_taken_port_is_named() {
    let world = World::new().await;
    let config = ServerConfig::new(world.server.local_addr());
    let api = Arc::new(Remote(Shareable(world.fake.clone())));
    let error = ApiServer::start(config, api.clone(), world.fake.clone(), world.tokens.clone()).await;
    let text = error.expect_err("taken").to_string();
    assert!(text.contains(&world.server.local_addr().to_string()) && text.contains("another port"), "{text}");
    let remote = ServerConfig::new(([0, 0, 0, 0], 0).into());
    let error = ApiServer::start(remote, api, world.fake.clone(), world.tokens.clone()).await;
    assert!(matches!(error, Err(ServerError::PlainListen(_))));
}
