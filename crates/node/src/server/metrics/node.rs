//! Figures of the node behind the server.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{SystemTime, UNIX_EPOCH};
use strait_api::{
    Api, ApiError, ChainInfo, ChannelInfo, ChannelList, Link, NodeInfo, Nothing, Phase, TowerInfo, TowerQuery,
};
use strait_types::{Address, Amount};

/// Channels that are asked for at once.
const PAGE: u32 = 1000;

type Figure = Gauge<f64, AtomicU64>;

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct ByChain {
    chain: u64,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct ByTower {
    chain: u64,
    tower: String,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct ByPhase {
    chain: u64,
    phase: &'static str,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct ByLink {
    chain: u64,
    link: &'static str,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct ByOwner {
    chain: u64,
    asset: String,
    owner: &'static str,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct ByDirection {
    chain: u64,
    direction: &'static str,
}

pub(super) struct NodeFigures {
    api: Arc<dyn Api>,
    /// One scrape at a time.
    busy: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Figures {
    up: Gauge,
    uptime: Gauge,
    fresh: Family<ByChain, Gauge>,
    halted: Family<ByChain, Gauge>,
    head: Family<ByChain, Gauge>,
    head_age: Family<ByChain, Figure>,
    account: Family<ByChain, Figure>,
    channels: Family<ByPhase, Gauge>,
    links: Family<ByLink, Gauge>,
    balances: Family<ByOwner, Figure>,
    payments: Family<ByDirection, Gauge>,
    locks: Family<ByChain, Gauge>,
    unanswered: Family<ByChain, Gauge>,
    next_deadline: Family<ByChain, Figure>,
    tower_connected: Family<ByTower, Gauge>,
    tower_behind: Family<ByTower, Gauge>,
}

impl NodeFigures {
    pub(super) fn new(api: Arc<dyn Api>) -> NodeFigures {
        NodeFigures { api, busy: tokio::sync::Mutex::new(()) }
    }

    /// Asks the node.
    pub(super) async fn look(&self) -> Registry {
        let _one_at_a_time = self.busy.lock().await;
        let figures = Figures::default();
        let (mut registry, filled) = (Registry::with_prefix("strait"), self.fill(&figures).await);
        if let Err(error) = filled {
            tracing::warn!(%error, "no figures of the node");
        } else {
            figures.up.set(1);
        }
        figures.register(&mut registry);
        registry
    }

    async fn fill(&self, figures: &Figures) -> Result<(), ApiError> {
        let node = self.api.node_info(Nothing {}).await?;
        figures.uptime.set(whole(node.uptime));
        for chain in &node.chains {
            figures.add_chain(chain);
        }
        for tower in &self.api.tower_list(TowerQuery::default()).await?.towers {
            figures.add_tower(tower);
        }
        let mut cursor = None;
        loop {
            let query = ChannelList { cursor, limit: Some(PAGE), ..ChannelList::default() };
            let page = self.api.channel_list(query).await?;
            for channel in &page.channels {
                figures.add_channel(&node, channel);
            }
            cursor = page.next;
            if cursor.is_none() {
                return Ok(());
            }
        }
    }
}

impl Figures {
    fn register(&self, registry: &mut Registry) {
        registry.register("up", "Whether the node answers", self.up.clone());
        registry.register_with_unit("uptime", "Since the node started", Unit::Seconds, self.uptime.clone());
        registry.register(
            "chain_fresh",
            "Whether the view of the chain is fresh enough to take value",
            self.fresh.clone(),
        );
        registry.register(
            "chain_halted",
            "Whether nothing of value moves until the channels' events are read anew after a deep reorg",
            self.halted.clone(),
        );
        registry.register("chain_head", "Number of the newest block that the node knows", self.head.clone());
        registry.register_with_unit(
            "chain_head_age",
            "Age of that block by the wall clock",
            Unit::Seconds,
            self.head_age.clone(),
        );
        registry.register(
            "account_balance",
            "What the account that pays gas holds, in wei",
            self.account.clone(),
        );
        registry.register("channels", "Channels by their place on chain", self.channels.clone());
        registry.register(
            "channel_links",
            "Open channels by their connection; syncing that lasts is a problem",
            self.links.clone(),
        );
        registry.register(
            "balance",
            "In channels that are not closed, in the asset's smallest unit",
            self.balances.clone(),
        );
        registry.register(
            "payments_agreed",
            "Payments that both have signed, in all known channels",
            self.payments.clone(),
        );
        registry.register("locks", "Pending locks", self.locks.clone());
        registry.register(
            "disputes_unanswered",
            "Disputes in which the chain does not hold the node's best state",
            self.unanswered.clone(),
        );
        registry.register(
            "tower_connected",
            "Whether a watchtower is connected",
            self.tower_connected.clone(),
        );
        registry.register(
            "tower_behind",
            "Channels whose newest state a watchtower lacks",
            self.tower_behind.clone(),
        );
        registry.register_with_unit(
            "dispute_deadline_left",
            "Chain time left in the dispute that ends first",
            Unit::Seconds,
            self.next_deadline.clone(),
        );
    }

    fn add_tower(&self, tower: &TowerInfo) {
        let label = ByTower { chain: tower.chain_id, tower: tower.signer.to_string() };
        self.tower_connected.get_or_create(&label).set(i64::from(tower.is_connected));
        self.tower_behind.get_or_create(&label).set(whole(tower.behind));
    }

    fn add_chain(&self, chain: &ChainInfo) {
        let label = ByChain { chain: chain.chain_id };
        self.fresh.get_or_create(&label).set(i64::from(chain.is_fresh));
        self.halted.get_or_create(&label).set(i64::from(chain.halted_since.is_some()));
        self.head.get_or_create(&label).set(whole(chain.head));
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        self.head_age.get_or_create(&label).set(now - chain.head_time as f64);
        if let Some(balance) = chain.account_balance {
            self.account.get_or_create(&label).set(f64::from(balance));
        }
    }

    fn add_channel(&self, node: &NodeInfo, channel: &ChannelInfo) {
        let chain = channel.chain_id;
        let phase = match channel.phase {
            Phase::Open => "open",
            Phase::Disputed => "disputed",
            Phase::Settled => "settled",
            Phase::Closed => "closed",
        };
        self.channels.get_or_create(&ByPhase { chain, phase }).inc();
        let made = i64::try_from(channel.payments_made).unwrap_or(i64::MAX);
        self.payments.get_or_create(&ByDirection { chain, direction: "made" }).inc_by(made);
        let received = i64::try_from(channel.payments_received).unwrap_or(i64::MAX);
        self.payments.get_or_create(&ByDirection { chain, direction: "received" }).inc_by(received);
        if channel.phase == Phase::Closed {
            return;
        }
        let link = match channel.link {
            Link::Down => "down",
            Link::Syncing => "syncing",
            Link::Up => "up",
        };
        self.links.get_or_create(&ByLink { chain, link }).inc();
        self.locks.get_or_create(&ByChain { chain }).inc_by(whole(channel.locks.len() as u64));
        for balance in &channel.balances {
            self.add_balance(chain, balance.asset, "own", balance.own);
            self.add_balance(chain, balance.asset, "peer", balance.peer);
            self.add_balance(chain, balance.asset, "locked", balance.locked);
        }
        let Some(dispute) = &channel.dispute else { return };
        let label = ByChain { chain };
        if !dispute.is_answered {
            self.unanswered.get_or_create(&label).inc();
        }
        let head_time = node.chains.iter().find(|known| known.chain_id == chain).map(|known| known.head_time);
        let left = dispute.deadline.saturating_sub(head_time.unwrap_or_default()) as f64;
        let is_first = self.next_deadline.get(&label).is_none_or(|first| left < first.get());
        if is_first {
            self.next_deadline.get_or_create(&label).set(left);
        }
    }

    fn add_balance(&self, chain: u64, asset: Address, owner: &'static str, amount: Amount) {
        let label = ByOwner { chain, asset: asset.to_string(), owner };
        self.balances.get_or_create(&label).inc_by(amount.units() as f64);
    }
}

fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
