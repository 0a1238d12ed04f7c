//! A node that answers what a test says, and a page to print on.

use crate::context::Context;
use crate::output::Output;
use async_trait::async_trait;
use futures_util::{StreamExt, stream};
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};
use strait_api::{
    ApiError, AssetInfo, Call, ChainInfo, ChannelInfo, ErrorCode, EventQuery, EventRecord, EventStream,
    NodeInfo, Remote, Subscribe,
};
use strait_types::{Address, B256, ChannelId};

pub(crate) const MAINNET: u64 = 1;
pub(crate) const OTHER: u64 = 10;
pub(crate) const USDC: Address =
    Address::new(*b"\xa0\xb8\x69\x91\xc6\x21\x8b\x36\xc1\xd1\x9d\x4a\x2e\x9e\xb0\xce\x36\x06\xeb\x48");
pub(crate) const DAI: Address = Address::repeat_byte(0xda);

/// Two chains; USDC is on both.
pub(crate) fn node_info() -> NodeInfo {
    let chain = |name: &str, chain_id| ChainInfo {
        name: name.into(),
        chain_id,
        adjudicator: Address::repeat_byte(0xad),
        account: Address::repeat_byte(0xac),
        account_balance: Some("2000000000000000000".parse().expect("wei")),
        payout: Address::repeat_byte(0xac),
        head: 100,
        head_time: 1_700_000_000,
        is_fresh: true,
        halted_since: None,
        problem: None,
        confirmations: Some(12),
    };
    let asset = |chain_id, asset, symbol: &str, decimals| AssetInfo {
        chain_id,
        asset,
        symbol: symbol.into(),
        decimals,
    };
    NodeInfo {
        version: "0.1.0".into(),
        signer: Address::repeat_byte(0x51),
        addresses: vec!["strait://0x5151515151515151515151515151515151515151@127.0.0.1:4040".into()],
        uptime: 61,
        chains: vec![chain("mainnet", MAINNET), chain("other", OTHER)],
        assets: vec![
            asset(MAINNET, Address::ZERO, "ETH", 18),
            asset(MAINNET, USDC, "USDC", 6),
            asset(MAINNET, DAI, "DAI", 18),
            asset(OTHER, Address::ZERO, "ETH", 18),
            asset(OTHER, Address::repeat_byte(0x0b), "USDC", 6),
        ],
    }
}

/// An open channel with 1 ether and 100 USDC of this node's, and nothing of the peer's.
pub(crate) fn channel_info(id: u8) -> ChannelInfo {
    let balance = |asset: Address, own: &str| {
        json!({
            "asset": asset, "own": own, "peer": "0", "locked": "0", "deposited": own, "peer_deposited": "0",
            "arriving": "0", "peer_arriving": "0", "withdrawn": "0", "peer_withdrawn": "0",
        })
    };
    serde_json::from_value(json!({
        "channel": ChannelId(B256::repeat_byte(id)), "chain_id": MAINNET, "peer": Address::repeat_byte(0x99),
        "payout": Address::repeat_byte(0xac), "peer_payout": Address::repeat_byte(0x98), "side": 0,
        "challenge_duration": 86_400, "phase": "open", "can_pay": true, "link": "up", "is_closing": false,
        "is_restoring": false, "restoring_until": null, "is_peer_restoring": false, "version": 7, "withdrawn_version": 0, "history": B256::repeat_byte(1), "payments_made": 3,
        "payments_received": 0, "locks": [], "dispute": null,
        "balances": [balance(Address::ZERO, "1000000000000000000"), balance(USDC, "100000000")],
    }))
    .expect("a channel")
}

type Answer = Box<dyn Fn(Value) -> Result<Value, ApiError> + Send + Sync>;

struct Wire {
    answers: BTreeMap<&'static str, Answer>,
    asked: Arc<Mutex<Vec<(String, Value)>>>,
}

#[async_trait]
impl Call for Wire {
    async fn call(&self, method: &'static str, params: Box<RawValue>) -> Result<Box<RawValue>, ApiError> {
        let params: Value = serde_json::from_str(params.get()).expect("JSON");
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).push((method.into(), params.clone()));
        let answer = self.answers.get(method).unwrap_or_else(|| panic!("{method} was not expected"));
        Ok(to_raw_value(&answer(params)?).expect("JSON"))
    }
}

type Script = VecDeque<Result<EventRecord, ApiError>>;

/// Gives one script of events per subscription, after which nothing more happens; a further one is refused.
struct Told {
    scripts: Mutex<VecDeque<Script>>,
    asked: Arc<Mutex<Vec<(String, Value)>>>,
}

#[async_trait]
impl Subscribe for Told {
    async fn subscribe(&self, query: EventQuery) -> Result<EventStream, ApiError> {
        let asked = ("subscribe".to_owned(), serde_json::to_value(query).expect("JSON"));
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).push(asked);
        match self.scripts.lock().unwrap_or_else(PoisonError::into_inner).pop_front() {
            Some(script) => Ok(Box::pin(stream::iter(script).chain(stream::pending()))),
            None => Err(ApiError::new(ErrorCode::Unauthorized, "the test has no more events")),
        }
    }
}

/// A node that answers what a test says.
pub(crate) struct Fake {
    wire: Wire,
    scripts: VecDeque<Script>,
    page: Page,
}

impl Fake {
    /// One that knows its name.
    pub(crate) fn new(json: bool) -> Fake {
        let wire = Wire { answers: BTreeMap::new(), asked: Arc::default() };
        Fake { wire, scripts: VecDeque::new(), page: Page::new(json, None) }
            .on("strait_node_info", |_| Ok(serde_json::to_value(node_info()).expect("JSON")))
            .on("strait_channel_show", |_| Ok(serde_json::to_value(channel_info(0xab)).expect("JSON")))
    }

    /// What it answers.
    pub(crate) fn on(
        mut self,
        method: &'static str,
        answer: impl Fn(Value) -> Result<Value, ApiError> + Send + Sync + 'static,
    ) -> Fake {
        self.wire.answers.insert(method, Box::new(answer));
        self
    }

    /// What its next subscription tells.
    pub(crate) fn tells(mut self, events: impl IntoIterator<Item = Result<Value, ApiError>>) -> Fake {
        let read = |event: Result<Value, ApiError>| {
            event.map(|event| serde_json::from_value(event).expect("an event"))
        };
        self.scripts.push_back(events.into_iter().map(read).collect());
        self
    }

    /// For commands whose output nobody reads.
    pub(crate) fn unread(mut self, json: bool) -> Context {
        self.page.out = Output::to(Box::new(Gone), Box::new(Gone), json, None);
        self.context()
    }

    /// For commands that need no more than the context.
    pub(crate) fn context(self) -> Context {
        self.start().0
    }

    /// The context, and what can be looked at afterwards.
    pub(crate) fn start(self) -> (Context, Seen) {
        let asked = self.wire.asked.clone();
        let told = Told { scripts: Mutex::new(self.scripts), asked: asked.clone() };
        let Page { out, written, noted } = self.page;
        let context = Context::new(Arc::new(Remote(self.wire)), Arc::new(told), out);
        (context, Seen { asked, written, noted })
    }
}

/// What a command asked and printed.
pub(crate) struct Seen {
    asked: Arc<Mutex<Vec<(String, Value)>>>,
    written: Written,
    noted: Written,
}

impl Seen {
    /// The parameters of the calls of a method.
    pub(crate) fn asked(&self, method: &str) -> Vec<Value> {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.iter().filter(|(name, _)| name == method).map(|(_, params)| params.clone()).collect()
    }

    /// What was printed.
    pub(crate) fn text(&self) -> String {
        self.written.text()
    }

    /// The notes beside it.
    pub(crate) fn notes(&self) -> String {
        self.noted.text()
    }
}

/// What was written to it can be read.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Written {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()).expect("text")
    }
}

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A reader that has seen enough, such as `head`.
pub(crate) struct Gone;

impl Write for Gone {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Something to print on.
pub(crate) struct Page {
    pub(crate) out: Output,
    written: Written,
    noted: Written,
}

impl Page {
    pub(crate) fn new(json: bool, width: Option<u16>) -> Page {
        let (written, noted) = (Written::default(), Written::default());
        let out = Output::to(Box::new(written.clone()), Box::new(noted.clone()), json, width);
        Page { out, written, noted }
    }

    pub(crate) fn notes(&self) -> String {
        self.noted.text()
    }

    pub(crate) fn text(&self) -> String {
        self.written.text()
    }
}
