//! The stage: a chain, and services that can be stopped, killed and started again.

use crate::away::ChainThatMayBeAway;
use futures_util::StreamExt;
use rusqlite::Connection;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use strait_api::{
    Api, ApiError, AssetAmount, ChannelInfo, ChannelOpen, ChannelRef, Event, EventQuery, EventRecord,
    EventStream, Link, Pay, PayMany, Subscribe,
};
use strait_app::EvmApps;
use strait_chain::{DevChain, DevChainConfig, SharedChain};
use strait_engine::ports::{Clock, Rng, RngError, StoreError};
use strait_engine::tower::{Admission, Quotas, TowerConfig};
use strait_engine::{Policy, Starts};
use strait_node::service::{ChainNode, CopyStore, Retention, Service, ServiceConfig, ServiceError};
use strait_node::transport::{Limits, Listen, TowerAddress};
use strait_node::{Node, NodeConfig, SystemClock, SystemRng, Watchtower, WatchtowerConfig};
use strait_protocol::Settings;
use strait_store::{BackupSource, SqliteStore};
use strait_types::{Address, Amount, ChannelId, SigningKey, U256, Version};
use tempfile::TempDir;

pub(crate) const ETHER: u64 = 1_000_000_000_000_000_000;
/// Nothing here takes long; what never comes must not be waited for.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct World {
    pub(crate) chain: SharedChain,
    directory: TempDir,
    /// No node reaches the chain but for looking at its blocks.
    pub(crate) chain_is_away: Arc<AtomicBool>,
    /// The chain takes no transaction, and answers all else.
    pub(crate) chain_takes_nothing: Arc<AtomicBool>,
    copies_fail: Arc<AtomicBool>,
    /// Services that start draw the same ids.
    same_ids: AtomicBool,
    /// Towers of the nodes that start, by party.
    towers: Mutex<HashMap<u8, Vec<TowerAddress>>>,
    /// Of the stores, by party.
    sources: Mutex<HashMap<u8, BackupSource>>,
}

/// The system's clock, which a test can put forward.
pub(crate) struct TestClock {
    system: SystemClock,
    ahead_ms: AtomicU64,
}

impl TestClock {
    pub(crate) fn advance(&self, seconds: u64) {
        self.ahead_ms.fetch_add(seconds * 1_000, Ordering::Relaxed);
    }
}

impl Clock for TestClock {
    fn now_ms(&self) -> u64 {
        self.system.now_ms() + self.ahead_ms.load(Ordering::Relaxed)
    }
}

/// No randomness at all.
struct Sevens;

impl Rng for Sevens {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), RngError> {
        bytes.fill(7);
        Ok(())
    }
}

pub(crate) fn key(index: u8) -> SigningKey {
    SigningKey::from_bytes([index; 32]).expect("in range")
}

pub(crate) fn account(index: u8) -> Address {
    Address::repeat_byte(0xa0 + index)
}

pub(crate) async fn soon<T>(what: &str, act: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, act).await.unwrap_or_else(|_| panic!("{what} never came"))
}

impl World {
    pub(crate) fn new() -> World {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
        let accounts = (1..=4).map(|index| (account(index), U256::from(ETHER) * U256::from(1_000))).collect();
        let config = DevChainConfig { genesis_time: now, accounts, ..DevChainConfig::default() };
        let chain = SharedChain::new(DevChain::new(config).expect("a chain"));
        World {
            chain,
            directory: TempDir::new().expect("a directory"),
            chain_is_away: Arc::default(),
            chain_takes_nothing: Arc::default(),
            copies_fail: Arc::default(),
            same_ids: AtomicBool::new(false),
            towers: Mutex::default(),
            sources: Mutex::default(),
        }
    }

    pub(crate) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) async fn start(&self, index: u8) -> Party {
        self.start_with(index, Retention::default()).await
    }

    pub(crate) async fn start_with(&self, index: u8, retention: Retention) -> Party {
        let node = self.node(index).await;
        self.serve(index, node, retention).await
    }

    /// The app that all nodes may play.
    fn sticks(&self) -> Address {
        let code = strait_examples::sticks::code().expect("fit to be an app");
        self.chain.with(|chain| code.address(chain.adjudicator()))
    }

    fn sale(&self) -> Address {
        let code = strait_examples::fair_exchange::code().expect("fit to be an app");
        self.chain.with(|chain| code.address(chain.adjudicator()))
    }

    /// A node alone, over what its last life left.
    pub(crate) async fn node(&self, index: u8) -> Node {
        self.node_with(index, |_| ()).await
    }

    pub(crate) async fn node_with(&self, index: u8, change: impl FnOnce(&mut NodeConfig)) -> Node {
        let store = SqliteStore::open(self.path(format!("store-{index}"))).expect("opens");
        self.sources.lock().expect("no panic").insert(index, store.backup_source());
        let mut config = NodeConfig {
            signer: Arc::new(key(index)),
            listen: Listen::At("127.0.0.1:0".parse().expect("an address")),
            payout: Address::repeat_byte(0xb0 + index),
            allow_plain_remote: false,
            limits: Limits {
                min_backoff: Duration::from_millis(5),
                max_backoff: Duration::from_millis(50),
                ..Limits::default()
            },
            policy: Policy {
                apps: vec![self.sticks(), self.sale()],
                stakes: [(Address::ZERO, Amount::from(ETHER))].into(),
                starts: Starts::Any,
                ..Policy::default()
            },
            alarms: Default::default(),
            capacity: Default::default(),
            settings: settings(),
            poll: Duration::from_millis(5),
            restored: false,
            rng: Box::new(SystemRng),
            rules: Arc::new(EvmApps),
            towers: self.towers.lock().expect("no panic").get(&index).cloned().unwrap_or_default(),
        };
        change(&mut config);
        let account = self.chain.account(account(index));
        let (is_away, takes_nothing) = (self.chain_is_away.clone(), self.chain_takes_nothing.clone());
        let chain = Box::new(ChainThatMayBeAway { account, is_away, takes_nothing });
        Node::start(config, chain, Box::new(store)).await.expect("starts")
    }

    /// A tower that serves one party; its account is that of another.
    pub(crate) async fn tower(&self, index: u8, client: u8) -> Watchtower {
        let store = SqliteStore::open(self.path(format!("tower-{index}"))).expect("opens");
        let admission = Admission::Keys([key(client).address()].into());
        let config = WatchtowerConfig {
            signer: Arc::new(key(index)),
            listen: Listen::At("127.0.0.1:0".parse().expect("an address")),
            allow_plain_remote: false,
            limits: Limits::default(),
            poll: Duration::from_millis(5),
            tower: TowerConfig {
                quotas: Quotas { admission, ..Quotas::default() },
                confirmations: 0,
                ..TowerConfig::default()
            },
        };
        let chain = Box::new(self.chain.account(account(index)));
        Watchtower::start(config, chain, Box::new(store)).await.expect("starts")
    }

    /// The party hands over to these towers from its next start on.
    pub(crate) fn guard(&self, index: u8, towers: &[&Watchtower]) {
        let addresses = towers.iter().map(|tower| tower.address().expect("it listens")).collect();
        self.towers.lock().expect("no panic").insert(index, addresses);
    }

    /// Chain time passes, and a block is made.
    pub(crate) fn time_passes(&self, seconds: u64) {
        self.chain.with(|chain| {
            chain.advance(seconds);
            chain.mine();
        });
    }

    /// A copy of a party's store as it is now.
    pub(crate) fn copy(&self, index: u8, to: &Path) {
        self.copy_store(index)(to).expect("copied");
    }

    /// Starts a party that was stopped, over a copy of its store from before.
    pub(crate) async fn start_from(&self, index: u8, copy: &Path) -> Party {
        let place = self.path(format!("store-{index}"));
        std::fs::rename(&place, place.with_extension("new")).expect("moved");
        std::fs::rename(copy, &place).expect("moved");
        std::fs::remove_file(self.path(format!("service-{index}.db"))).expect("removed");
        self.start(index).await
    }

    /// From now on all services that start choose the same ids.
    pub(crate) fn draw_the_same(&self) {
        self.same_ids.store(true, Ordering::Relaxed);
    }

    /// From now on no store can be copied.
    pub(crate) fn break_copies(&self) {
        self.copies_fail.store(true, Ordering::Relaxed);
    }

    fn copy_store(&self, index: u8) -> CopyStore {
        let source = self.sources.lock().expect("no panic").get(&index).cloned().expect("a store");
        let fail = self.copies_fail.clone();
        Arc::new(move |to| {
            if fail.load(Ordering::Relaxed) {
                return Err(StoreError::DiskFull { path: to.display().to_string() });
            }
            source.copy_to(to)
        })
    }

    pub(crate) async fn serve(&self, index: u8, node: Node, retention: Retention) -> Party {
        self.try_serve(index, node, retention).await.expect("starts")
    }

    pub(crate) async fn try_serve(
        &self,
        index: u8,
        node: Node,
        retention: Retention,
    ) -> Result<Party, ServiceError> {
        let clock = Arc::new(TestClock { system: SystemClock::start(), ahead_ms: AtomicU64::new(0) });
        let config = ServiceConfig {
            nodes: vec![ChainNode {
                name: "dev".into(),
                account: account(index),
                payout: Address::repeat_byte(0xb0 + index),
                settings: settings(),
                challenge_duration: 24 * 3_600,
                copy_store: Some(self.copy_store(index)),
                transactions: None,
                node,
            }],
            signer: Arc::new(key(index)),
            assets: Vec::new(),
            addresses: Vec::new(),
            database: self.path(format!("service-{index}.db")),
            restored: false,
            retention,
            clock: clock.clone(),
            rng: if self.same_ids.load(Ordering::Relaxed) { Box::new(Sevens) } else { Box::new(SystemRng) },
        };
        Ok(Party { service: Service::start(config).await?, clock })
    }

    /// Kills a party and starts it again as if no result of a key had been stored.
    pub(crate) async fn crash_without_results(&self, index: u8, party: Party) -> Party {
        soon("the crash", party.service.kill()).await;
        self.change(index, "UPDATE idempotency SET result = NULL, done_ms = NULL");
        self.start(index).await
    }

    /// Changes what the service of a party that does not run has stored.
    pub(crate) fn change(&self, index: u8, sql: &str) {
        let db = Connection::open(self.path(format!("service-{index}.db"))).expect("opens");
        db.execute_batch(sql).expect("changes");
    }

    /// Lets time pass on the chain and for a party, and waits until it has seen that.
    pub(crate) async fn pass(&self, party: &Party, seconds: u64) {
        party.clock.advance(seconds);
        let head = self.chain.with(|chain| {
            chain.advance(seconds);
            chain.mine_empty(1)
        });
        soon("the block", async {
            while party
                .node()
                .head()
                .await
                .expect("it runs")
                .is_none_or(|(seen, _)| seen.number < head.number)
            {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }

    /// Two services with a channel into which the first has deposited ten ether, ready to be paid over.
    pub(crate) async fn pair(&self) -> (Party, Party, ChannelId) {
        let (alice, bob) = (self.start(1).await, self.start(2).await);
        let channel = alice.open(&bob, 10 * ETHER).await;
        (alice, bob, channel)
    }
}

pub(crate) fn settings() -> Settings {
    Settings { confirmations: 0, execution_window: 600, retry_ms: 200, ..Settings::default() }
}

pub(crate) struct Party {
    pub(crate) service: Arc<Service>,
    pub(crate) clock: Arc<TestClock>,
}

impl Party {
    pub(crate) fn node(&self) -> &Node {
        self.service.nodes().next().expect("one")
    }

    pub(crate) fn address(&self) -> String {
        self.node().address().expect("it listens").to_string()
    }

    pub(crate) async fn open(&self, peer: &Party, deposit: u64) -> ChannelId {
        let request = ChannelOpen {
            deposit: vec![AssetAmount { asset: Address::ZERO, amount: Amount::from(deposit) }],
            ..ChannelOpen::new(peer.address())
        };
        let opened = soon("the opening", self.service.channel_open(request)).await.expect("opens");
        let channel = opened.channel.channel;
        let is_funded = |info: &ChannelInfo| {
            info.link == Link::Up
                && info.balances[0].deposited.units() + info.balances[0].peer_deposited.units() > 0
        };
        self.until(channel, is_funded).await;
        peer.until(channel, is_funded).await;
        channel
    }

    pub(crate) async fn show(&self, channel: ChannelId) -> Result<ChannelInfo, ApiError> {
        self.service.channel_show(ChannelRef { channel }).await
    }

    /// Waits until the channel looks as wanted, by the node's own news.
    pub(crate) async fn until(
        &self,
        channel: ChannelId,
        wanted: impl Fn(&ChannelInfo) -> bool,
    ) -> ChannelInfo {
        soon("the channel's state", async {
            loop {
                if let Ok(info) = self.show(channel).await
                    && wanted(&info)
                {
                    return info;
                }
                let mut is_first_look = true;
                let changed = self.node().wait_until(channel, |_| !std::mem::take(&mut is_first_look));
                changed.await.expect("it runs");
            }
        })
        .await
    }

    pub(crate) async fn pay(
        &self,
        channel: ChannelId,
        amount: u64,
        memo: &str,
    ) -> Result<strait_api::Paid, ApiError> {
        soon("the payment", self.service.pay(payment(channel, amount, memo))).await
    }

    /// Waits until every tower of the node has signed for a version.
    pub(crate) async fn until_guarded(&self, channel: ChannelId, version: u64) {
        soon("the towers' receipts", async {
            loop {
                let held = self.node().guarded_by(channel).await.expect("it runs");
                let is_held = |(_, held): &(_, Option<Version>)| *held == Some(Version(version));
                if !held.is_empty() && held.iter().all(is_held) {
                    return;
                }
                let mut is_first_look = true;
                let changed = self.node().wait_until(channel, |_| !std::mem::take(&mut is_first_look));
                changed.await.expect("it runs");
            }
        })
        .await;
    }

    pub(crate) async fn listen(&self, after: Option<String>) -> EventStream {
        let query = EventQuery { after, ..EventQuery::default() };
        self.service.subscribe(query).await.expect("subscribes")
    }

    pub(crate) async fn all_events(&self) -> Vec<EventRecord> {
        let query = EventQuery { limit: Some(10_000), ..EventQuery::default() };
        self.service.events(query).await.expect("events").events
    }
}

pub(crate) fn payment(channel: ChannelId, amount: u64, memo: &str) -> Pay {
    Pay {
        channel,
        asset: None,
        amount: Amount::from(amount),
        invoice: None,
        memo: memo.into(),
        idempotency_key: None,
    }
}

pub(crate) fn many(channel: ChannelId, amounts: impl IntoIterator<Item = u64>, memo: &str) -> PayMany {
    let item = |amount| strait_api::PayItem {
        asset: None,
        amount: Amount::from(amount),
        invoice: None,
        memo: memo.into(),
    };
    PayMany { channel, payments: amounts.into_iter().map(item).collect(), idempotency_key: None }
}

/// Reads on until an event is as wanted.
pub(crate) async fn event(
    stream: &mut EventStream,
    what: &str,
    wanted: impl Fn(&Event) -> bool,
) -> EventRecord {
    soon(what, async {
        loop {
            let record = stream.next().await.expect("it goes on").expect("no error");
            if wanted(&record.event) {
                return record;
            }
        }
    })
    .await
}

/// Memos of the payments that events tell of, in order.
pub(crate) fn told_memos(events: &[EventRecord]) -> Vec<String> {
    let payments = events.iter().filter_map(|record| match &record.event {
        Event::Received { payments, .. } => Some(payments),
        _ => None,
    });
    payments.flatten().map(|payment| payment.memo.clone()).collect()
}
