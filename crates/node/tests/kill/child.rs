//! One node in a process of its own: pays for ever, and prints a line for every acknowledgement.

use std::collections::VecDeque;
use std::io::{BufRead, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use strait_chain::{DevChain, DevChainConfig, SharedChain};
use strait_engine::ports::{Chain, TxRequest};
use strait_node::transport::{Limits, Listen, PeerAddress};
use strait_node::{Node, NodeConfig, NodeError, SystemRng};
use strait_protocol::{CommandError, NoRules, Payment, Settings};
use strait_store::SqliteStore;
use strait_types::abi::calls;
use strait_types::{
    Address, Amount, AssetIndex, B256, ChannelId, ChannelParams, Participant, Side, SigningKey, U256,
};

/// What each side deposits, in wei.
pub(crate) const DEPOSIT: u64 = 1_000_000_000;
/// Payments of one process that wait at once.
const IN_FLIGHT: usize = 64;

/// What a process is told by its environment.
pub(crate) struct Config {
    pub(crate) side: Side,
    pub(crate) directory: PathBuf,
    pub(crate) listen: Option<SocketAddr>,
    pub(crate) peer: Option<PeerAddress>,
    /// Unix seconds at which both chains begin.
    pub(crate) genesis: u64,
    /// Tells the payments of this life apart.
    pub(crate) life: u64,
}

impl Config {
    pub(crate) fn to_environment(&self) -> Vec<(&'static str, String)> {
        let mut variables = vec![
            ("STRAIT_CHILD_SIDE", self.side.index().to_string()),
            ("STRAIT_CHILD_DIR", self.directory.display().to_string()),
            ("STRAIT_CHILD_GENESIS", self.genesis.to_string()),
            ("STRAIT_CHILD_LIFE", self.life.to_string()),
        ];
        variables.extend(self.listen.map(|listen| ("STRAIT_CHILD_LISTEN", listen.to_string())));
        variables.extend(self.peer.as_ref().map(|peer| ("STRAIT_CHILD_PEER", peer.to_string())));
        variables
    }

    pub(crate) fn from_environment() -> Option<Config> {
        let variable = |name: &str| std::env::var(name).ok();
        let number = |name: &str| variable(name)?.parse::<u64>().ok();
        Some(Config {
            side: Side::from_index(usize::try_from(number("STRAIT_CHILD_SIDE")?).ok()?)?,
            directory: variable("STRAIT_CHILD_DIR")?.into(),
            listen: variable("STRAIT_CHILD_LISTEN").and_then(|text| text.parse().ok()),
            peer: variable("STRAIT_CHILD_PEER").and_then(|text| text.parse().ok()),
            genesis: number("STRAIT_CHILD_GENESIS")?,
            life: number("STRAIT_CHILD_LIFE")?,
        })
    }
}

fn key(side: Side) -> SigningKey {
    SigningKey::from_bytes([side.index() as u8 + 1; 32]).expect("in range")
}

fn account(side: Side) -> Address {
    Address::repeat_byte(0xa0 + side.index() as u8)
}

/// The terms of the only channel.
pub(crate) fn params() -> ChannelParams {
    let participant = |side| Participant { signer: key(side).address(), payout: account(side) };
    ChannelParams {
        participants: Side::BOTH.map(participant),
        challenge_duration: 24 * 3_600,
        nonce: 1,
        app: Address::ZERO,
        child: B256::ZERO,
        assets: vec![Address::ZERO],
    }
}

/// The same chain in every process: deterministic, with both deposits in it and deep enough.
fn chain(genesis: u64) -> SharedChain {
    let ether = U256::from(1_000_000_000_000_000_000u64);
    let accounts = Side::BOTH.map(|side| (account(side), ether)).to_vec();
    let config = DevChainConfig { genesis_time: genesis, accounts, ..DevChainConfig::default() };
    let chain = SharedChain::new(DevChain::new(config).expect("a chain"));
    for side in Side::BOTH {
        let mut port = chain.account(account(side));
        let data = calls::deposit(&params(), side);
        let request = TxRequest { to: port.adjudicator(), value: U256::from(DEPOSIT), data };
        port.submit(&request).expect("a deposit");
    }
    chain.with(|chain| chain.mine_empty(4));
    chain
}

/// The channel's id on that chain.
pub(crate) fn channel_id(genesis: u64) -> ChannelId {
    let port = chain(genesis).account(account(Side::Zero));
    params().id(port.chain_id(), port.adjudicator())
}

async fn start(config: &Config) -> Node {
    let store = SqliteStore::open(&config.directory).expect("the store opens after a kill");
    let node_config = NodeConfig {
        signer: Arc::new(key(config.side)),
        listen: config.listen.map_or(Listen::Off, Listen::At),
        payout: account(config.side),
        allow_plain_remote: false,
        limits: Limits {
            min_backoff: Duration::from_millis(5),
            max_backoff: Duration::from_millis(50),
            ..Limits::default()
        },
        policy: Default::default(),
        settings: Settings { retry_ms: 200, ..Settings::default() },
        poll: Duration::from_millis(20),
        alarms: Default::default(),
        capacity: Default::default(),
        restored: false,
        rng: Box::new(SystemRng),
        rules: Arc::new(NoRules),
        towers: Vec::new(),
    };
    let port = chain(config.genesis).account(account(config.side));
    Node::start(node_config, Box::new(port), Box::new(store)).await.expect("the node starts")
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    // Without a parent to read there is nobody to tell.
    let _ = writeln!(out, "@{line}").and_then(|()| out.flush());
}

/// Runs until killed, or until the parent says stop.
pub(crate) fn run(config: &Config) {
    let stop = Arc::new(AtomicBool::new(false));
    let told = stop.clone();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines() {
            if line.is_ok_and(|line| line == "stop") {
                told.store(true, Ordering::Release);
            }
        }
    });
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    runtime.expect("a runtime").block_on(live(config, &stop));
}

async fn live(config: &Config, stop: &AtomicBool) {
    let node = start(config).await;
    let channel = channel_id(config.genesis);
    if config.side == Side::Zero && node.view(channel).await.is_err() {
        node.open(params(), Settings { retry_ms: 200, ..Settings::default() }).await.expect("opens");
    }
    if let Some(address) = node.address() {
        say(&format!("listen {address}"));
    }
    if let Some(peer) = &config.peer {
        node.add_peer(peer.clone());
    }
    node.wait_until(channel, |view| view.link == "up" && view.balances[0].deposited[0] > Amount::ZERO)
        .await
        .expect("up");
    say("up");
    pay_until(&node, channel, config, stop).await;
    let view = node.wait_until(channel, |view| view.in_flight == 0).await.expect("quiet");
    say(&format!("paying ended {}", view.payments[0]));
    // The peer may still pay: it says when all is quiet.
    std::future::pending::<()>().await;
}

async fn pay_until(node: &Node, channel: ChannelId, config: &Config, stop: &AtomicBool) {
    let mut waiting = VecDeque::new();
    let mut number = 0u64;
    loop {
        while waiting.len() < IN_FLIGHT && !stop.load(Ordering::Acquire) {
            let memo = format!("{}-{}-{number}", config.side.index(), config.life);
            number += 1;
            let payment = Payment {
                asset: AssetIndex(0),
                amount: Amount::from(1),
                invoice: None,
                memo: memo.clone().into_bytes(),
            };
            waiting.push_back((memo, node.pay(channel, payment)));
        }
        let Some((memo, answer)) = waiting.pop_front() else { return };
        match answer.await {
            Ok(_) => say(&format!("ack {memo}")),
            Err(NodeError::Command(CommandError::PeerOffline)) => {
                say(&format!("not {memo}"));
                node.wait_until(channel, |view| view.link == "up").await.expect("up again");
            }
            Err(error) => say(&format!("error {memo}: {error}")),
        }
    }
}
