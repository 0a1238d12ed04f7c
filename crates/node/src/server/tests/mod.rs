//! The server over a fake node, spoken to byte by byte.

mod http;
mod limits;
mod spending;
mod subscriptions;

use super::tokens::Tokens;
use super::*;
use crate::shell::SystemRng;
use async_trait::async_trait;
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use strait_api::*;
use strait_engine::ports::Clock;
use strait_types::{Address, Amount, B256, ChannelId};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{self, Message};

/// A clock that is set by hand.
pub(super) struct Hand(AtomicU64);

impl Clock for Hand {
    fn now_ms(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A node whose answers are made up.
struct Fake {
    /// What a payment answers; `Ok` pays.
    fails_with: Mutex<Option<ErrorCode>>,
    paid: Mutex<BTreeMap<ChannelId, u128>>,
    payments: AtomicU64,
    keys: Mutex<HashSet<String>>,
    /// Payments wait while it is true.
    held: watch::Sender<bool>,
    is_fresh: AtomicBool,
    is_halted: AtomicBool,
    log: watch::Sender<Vec<EventRecord>>,
    /// Events before it are no longer held.
    first_held: AtomicU64,
}

impl Default for Fake {
    fn default() -> Fake {
        Fake {
            fails_with: Mutex::default(),
            paid: Mutex::default(),
            payments: AtomicU64::new(0),
            keys: Mutex::default(),
            held: watch::Sender::new(false),
            is_fresh: AtomicBool::new(true),
            is_halted: AtomicBool::new(false),
            log: watch::Sender::new(Vec::new()),
            first_held: AtomicU64::new(0),
        }
    }
}

fn channel() -> ChannelId {
    ChannelId(B256::repeat_byte(7))
}

impl Fake {
    fn happen(&self, version: u64) {
        self.log.send_modify(|log| {
            log.push(EventRecord {
                cursor: log.len().to_string(),
                at_ms: 0,
                chain_id: 1,
                channel: Some(channel()),
                event: Event::Withdrawn { version },
            });
        });
    }

    async fn pay(&self, channel: ChannelId, amount: Amount, key: Option<String>) -> Result<Value, ApiError> {
        let mut held = self.held.subscribe();
        held.wait_for(|held| !held).await.expect("the fake lives");
        if let Some(code) = *lock(&self.fails_with) {
            return Err(ApiError::new(code, "as the test wants"));
        }
        let is_new = key.is_none_or(|key| lock(&self.keys).insert(key));
        if is_new {
            *lock(&self.paid).entry(channel).or_default() += amount.units();
            self.payments.fetch_add(1, Ordering::Relaxed);
        }
        Ok(json!(Paid { channel, number: 0, version: 1, was_paid_before: false }))
    }

    fn channel_info(&self, channel: ChannelId) -> Value {
        let zero = Address::ZERO;
        let balance = json!({ "asset": zero, "own": "1000", "peer": "5", "locked": "0", "in_children": "0", "deposited": "0",
            "peer_deposited": "0", "arriving": "0", "peer_arriving": "0", "withdrawn": "0", "peer_withdrawn": "0" });
        json!({ "channel": channel, "chain_id": 1, "peer": zero, "payout": zero, "peer_payout": zero, "side": 0,
            "challenge_duration": 3600, "phase": "disputed", "can_pay": true, "link": "up", "is_closing": false,
            "is_restoring": false, "restoring_until": null, "is_peer_restoring": false, "balances": [balance], "version": 3, "withdrawn_version": 0, "history": B256::ZERO, "payments_made": 4,
            "payments_received": 2, "locks": [], "children": [], "parent": null,
            "dispute": { "recorded": 1, "deadline": 160, "is_ours": false, "is_answered": false } })
    }

    fn node_info(&self) -> Value {
        let is_halted = self.is_halted.load(Ordering::Relaxed);
        let (halted_since, problem) =
            if is_halted { (json!(5), json!("events are read anew")) } else { (json!(null), json!(null)) };
        let chain = json!({ "name": "test", "chain_id": 1, "adjudicator": Address::ZERO, "account": Address::ZERO,
            "account_balance": "5", "payout": Address::ZERO, "head": 9, "head_time": 100,
            "is_fresh": self.is_fresh.load(Ordering::Relaxed), "problem": problem, "halted_since": halted_since,
            "confirmations": 1 });
        json!({ "version": "0.0.0", "signer": Address::ZERO, "addresses": [], "uptime": 5, "chains": [chain],
            "assets": [] })
    }
}

#[async_trait]
impl Call for Fake {
    async fn call(&self, method: &'static str, params: Box<RawValue>) -> Result<Box<RawValue>, ApiError> {
        let params = params.get();
        let answer = match method {
            "strait_node_info" => self.node_info(),
            "strait_channel_show" => {
                self.channel_info(serde_json::from_str::<ChannelRef>(params).expect("params").channel)
            }
            "strait_channel_list" => json!({ "channels": [self.channel_info(channel())], "next": null }),
            "strait_pay" => {
                let pay: Pay = serde_json::from_str(params).expect("params");
                self.pay(pay.channel, pay.amount, pay.idempotency_key).await?
            }
            "strait_lock_add" => {
                let add: LockAdd = serde_json::from_str(params).expect("params");
                self.pay(add.channel, add.amount, add.idempotency_key).await?;
                json!({ "number": 1 })
            }
            "strait_pay_many" => {
                let many: PayMany = serde_json::from_str(params).expect("params");
                let mut results = Vec::new();
                for item in many.payments {
                    // Those with a memo fail.
                    results.push(match item.memo.is_empty() {
                        true => {
                            self.pay(many.channel, item.amount, None).await?;
                            PayResult::Paid { number: 0, version: 1 }
                        }
                        false => PayResult::Failed {
                            code: ErrorCode::InsufficientBalance,
                            message: String::new(),
                            hint: String::new(),
                        },
                    });
                }
                json!(PaidMany { results, was_paid_before: false })
            }
            "strait_invoice_read" => json!({ "id": B256::repeat_byte(3), "payee": "", "chain_id": 1,
                "adjudicator": Address::ZERO, "asset": Address::ZERO, "amount": "40", "description": "",
                "created": 0, "expires": 9 }),
            "strait_invoice_pay" => {
                let pay: InvoicePay = serde_json::from_str(params).expect("params");
                let over = pay.channel.unwrap_or(channel());
                self.pay(over, Amount::from(40), Some(pay.text)).await?
            }
            "strait_tower_list" => json!({ "towers": [] }),
            "strait_peer_list" => panic!("a bug of the node"),
            _ => return Err(ApiError::new(ErrorCode::PeerOffline, format!("the fake has no {method}"))),
        };
        Ok(to_raw_value(&answer).expect("JSON"))
    }
}

#[async_trait]
impl Subscribe for Fake {
    async fn subscribe(&self, query: EventQuery) -> Result<EventStream, ApiError> {
        let lost = || ApiError::new(ErrorCode::EventsLost, "no longer held");
        let log = self.log.subscribe();
        let next = match query.after {
            Some(after) => after.parse::<usize>().map_err(|_| lost())? + 1,
            None => log.borrow().len(),
        };
        let first = self.first_held.load(Ordering::Relaxed) as usize;
        if next < first {
            return Err(lost());
        }
        let stream = futures_util::stream::unfold((log, next), async |(mut log, next)| {
            let record = log.wait_for(|log| log.len() > next).await.ok()?[next].clone();
            Some((Ok(record), (log, next + 1)))
        });
        Ok(Box::pin(stream))
    }
}

/// A served fake.
struct World {
    fake: Arc<Fake>,
    clock: Arc<Hand>,
    tokens: Tokens,
    server: ApiServer,
    _directory: tempfile::TempDir,
}

fn loopback() -> ServerConfig {
    ServerConfig::new(([127, 0, 0, 1], 0).into())
}

struct Shareable(Arc<Fake>);

#[async_trait]
impl Call for Shareable {
    async fn call(&self, method: &'static str, params: Box<RawValue>) -> Result<Box<RawValue>, ApiError> {
        self.0.call(method, params).await
    }
}

impl World {
    async fn new() -> World {
        World::with(loopback()).await
    }

    async fn with(config: ServerConfig) -> World {
        let directory = tempfile::tempdir().expect("a directory");
        let clock = Arc::new(Hand(AtomicU64::new(1_000_000_000)));
        let path = directory.path().join("tokens.db");
        let tokens = Tokens::open(path, clock.clone(), Box::new(SystemRng)).expect("tokens");
        let fake = Arc::new(Fake::default());
        let api = Arc::new(Remote(Shareable(fake.clone())));
        let server = ApiServer::start(config, api, fake.clone(), tokens.clone()).await.expect("a server");
        World { fake, clock, tokens, server, _directory: directory }
    }

    fn token(&self, scope: Scope) -> String {
        self.make(&TokenCreate {
            name: "test".into(),
            scopes: vec![scope],
            limits: SpendLimits::default(),
            expires_in: None,
        })
    }

    fn make(&self, wish: &TokenCreate) -> String {
        self.tokens.create(wish).expect("a token").secret
    }

    /// Sends a whole request and reads the whole answer: status, headers, body.
    async fn exchange(&self, request: &str) -> (u16, String, String) {
        exchange_with(self.server.local_addr(), request).await
    }

    async fn get(&self, path: &str, token: Option<&str>) -> (u16, String) {
        get_from(self.server.local_addr(), path, token).await
    }

    /// Posts a body with further headers.
    async fn post(&self, headers: &str, body: &str) -> (u16, Value) {
        let request = format!(
            "POST / HTTP/1.1\r\nHost: localhost:1234\r\nConnection: close\r\nContent-Length: {}\r\n{headers}\r\n{body}",
            body.len()
        );
        let (status, _, body) = self.exchange(&request).await;
        (status, serde_json::from_str(&body).unwrap_or(Value::Null))
    }

    /// Posts to a fresh connection, as JSON, with a token.
    async fn rpc(&self, token: &str, body: &str) -> Value {
        let headers = format!("Authorization: Bearer {token}\r\nContent-Type: application/json\r\n");
        self.post(&headers, body).await.1
    }

    async fn call(&self, token: &str, method: &str, params: Value) -> Value {
        let call = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        self.rpc(token, &call.to_string()).await
    }

    async fn socket(&self, headers: &[(&'static str, String)]) -> Result<Socket, tungstenite::Error> {
        let stream = TcpStream::connect(self.server.local_addr()).await.expect("connected");
        let mut request = "ws://localhost/".into_client_request().expect("a request");
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().expect("a value"));
        }
        let (socket, _) = tokio_tungstenite::client_async(request, stream).await?;
        Ok(Socket(socket))
    }

    async fn connect(&self, token: &str) -> Socket {
        self.socket(&[("authorization", format!("Bearer {token}"))]).await.expect("a WebSocket")
    }
}

/// A client of a WebSocket.
struct Socket(WebSocketStream<TcpStream>);

impl Socket {
    async fn send(&mut self, text: impl Into<String>) {
        self.0.send(Message::text(text.into())).await.expect("sent");
    }

    async fn ask(&mut self, method: &str, params: Value) -> Value {
        self.send(json!({ "jsonrpc": "2.0", "id": "a", "method": method, "params": params }).to_string())
            .await;
        self.next().await
    }

    async fn frame(&mut self) -> Message {
        loop {
            match self.0.next().await.expect("an open WebSocket").expect("a frame") {
                Message::Ping(_) | Message::Pong(_) => {}
                message => return message,
            }
        }
    }

    async fn next(&mut self) -> Value {
        match self.frame().await {
            Message::Text(text) => serde_json::from_str(&text).expect("JSON"),
            other => panic!("no text: {other:?}"),
        }
    }
}

/// The error of an answer, after a look at its form.
fn failed(answer: &Value) -> ErrorCode {
    let error = &answer["error"];
    let data: ErrorData = serde_json::from_value(error["data"].clone()).expect("data of an error");
    assert_eq!(error["code"], data.code.number(), "{answer}");
    assert_eq!(data.kind, data.code.kind());
    assert!(!data.hint.is_empty() && !error["message"].as_str().expect("a message").is_empty());
    data.code
}

async fn exchange_with(server: SocketAddr, request: &str) -> (u16, String, String) {
    let mut stream = TcpStream::connect(server).await.expect("connected");
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer");
    let (head, body) = answer.split_once("\r\n\r\n").expect("headers");
    let status = head.split(' ').nth(1).expect("a status").parse().expect("a number");
    (status, head.to_lowercase(), body.to_owned())
}

async fn get_from(server: SocketAddr, path: &str, token: Option<&str>) -> (u16, String) {
    let bearer = token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
    let request = format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n{bearer}\r\n");
    let (status, _, body) = exchange_with(server, &request).await;
    (status, body)
}
