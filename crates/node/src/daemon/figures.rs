//! Figures of a watchtower for Prometheus, in the OpenMetrics text format, on a port of this machine alone: they name no
//! client and no channel, so that no token guards them.

use super::DaemonError;
use crate::{NodeError, Watchtower};
use axum::Router;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use std::net::SocketAddr;
use std::sync::atomic::AtomicU64;
use std::time::{SystemTime, UNIX_EPOCH};
use strait_engine::tower::TowerStatus;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

type Figure = Gauge<f64, AtomicU64>;

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct ByChain {
    chain: u64,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct ByLink {
    chain: u64,
    link: &'static str,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct ByCall {
    chain: u64,
    call: &'static str,
}

#[derive(Default)]
struct Figures {
    up: Gauge,
    fresh: Family<ByChain, Gauge>,
    head: Family<ByChain, Gauge>,
    behind: Family<ByChain, Gauge>,
    head_age: Family<ByChain, Figure>,
    account: Family<ByChain, Figure>,
    clients: Family<ByLink, Gauge>,
    channels: Family<ByChain, Gauge>,
    bytes: Family<ByChain, Gauge>,
    disputes: Family<ByChain, Gauge>,
    unanswered: Family<ByChain, Gauge>,
    next_deadline: Family<ByChain, Figure>,
    sent: Family<ByCall, Counter>,
    failed: Family<ByCall, Counter>,
}

/// Serves the figures of these towers until the task is aborted; where it listens.
///
/// # Errors
/// When the address cannot be listened on.
pub(super) async fn serve(
    listen: SocketAddr,
    towers: Vec<Watchtower>,
) -> Result<(SocketAddr, JoinHandle<()>), DaemonError> {
    let failed = |source| DaemonError::Figures { listen, source };
    let listener = TcpListener::bind(listen).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let router = Router::new().route("/metrics", get(metrics)).route("/health", get(|| async { "ok\n" }));
    let server = axum::serve(listener, router.with_state(towers));
    // It never ends by itself.
    let task = tokio::spawn(async move { drop(server.await) });
    Ok((address, task))
}

async fn metrics(State(towers): State<Vec<Watchtower>>) -> Response {
    let figures = Figures::default();
    match figures.fill(&towers).await {
        Ok(()) => drop(figures.up.set(1)),
        Err(error) => tracing::warn!(%error, "no figures of the tower"),
    }
    let mut registry = Registry::with_prefix("strait");
    figures.register(&mut registry);
    let mut body = String::new();
    if let Err(error) = text::encode(&mut body, &registry) {
        tracing::error!(%error, "figures have no text");
    }
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], body).into_response()
}

impl Figures {
    fn register(&self, registry: &mut Registry) {
        registry.register("up", "Whether the tower answers", self.up.clone());
        registry.register("chain_fresh", "Whether the view of the chain is fresh", self.fresh.clone());
        registry.register("chain_head", "Number of the newest block that is known", self.head.clone());
        registry.register("chain_behind", "Blocks that are known and not processed", self.behind.clone());
        let age = self.head_age.clone();
        registry.register_with_unit("chain_head_age", "Age of the newest block", Unit::Seconds, age);
        registry.register(
            "account_balance",
            "What the account that pays gas holds, in wei",
            self.account.clone(),
        );
        registry.register(
            "guard_clients",
            "Clients with a channel here, by connection",
            self.clients.clone(),
        );
        registry.register("guard_channels", "Channels that are guarded", self.channels.clone());
        registry.register("guard_bytes", "What they take", self.bytes.clone());
        registry.register(
            "disputes",
            "Disputes of guarded channels that run or have run out",
            self.disputes.clone(),
        );
        registry.register(
            "disputes_unanswered",
            "Disputes in which the chain does not hold the best state that is held here",
            self.unanswered.clone(),
        );
        let left = self.next_deadline.clone();
        registry.register_with_unit(
            "dispute_deadline_left",
            "Chain time left in the unanswered dispute that ends first",
            Unit::Seconds,
            left,
        );
        registry.register("guard_calls_sent", "Transactions that the chain took", self.sent.clone());
        registry.register("guard_calls_failed", "Transactions that it did not take", self.failed.clone());
    }

    async fn fill(&self, towers: &[Watchtower]) -> Result<(), NodeError> {
        for tower in towers {
            self.add(tower.domain().chain_id(), &tower.status().await?);
        }
        Ok(())
    }

    fn add(&self, chain: u64, status: &TowerStatus) {
        let label = ByChain { chain };
        self.fresh.get_or_create(&label).set(i64::from(!status.chain.stale));
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        let head = status.chain.head.map_or((0, 0), |head| (head.number, head.time));
        self.head.get_or_create(&label).set(whole(head.0));
        if status.chain.head.is_some() {
            self.head_age.get_or_create(&label).set(now - head.1 as f64);
        }
        let processed = status.chain.processed.map_or(0, |block| block.number);
        self.behind.get_or_create(&label).set(whole(head.0.saturating_sub(processed)));
        if let Some(balance) = status.account.as_ref().and_then(|account| account.balance.parse().ok()) {
            self.account.get_or_create(&label).set(balance);
        }
        for link in ["up", "down"] {
            let count = status
                .clients
                .iter()
                .filter(|client| client.channels > 0 && client.connected == (link == "up"));
            self.clients.get_or_create(&ByLink { chain, link }).set(whole(count.count() as u64));
        }
        self.channels.get_or_create(&label).set(whole(status.channels as u64));
        self.bytes.get_or_create(&label).set(whole(status.bytes));
        self.disputes.get_or_create(&label).set(whole(status.disputes.len() as u64));
        let unanswered = status.disputes.iter().filter(|dispute| !dispute.answered);
        self.unanswered.get_or_create(&label).set(whole(unanswered.clone().count() as u64));
        if let Some(first) = unanswered.map(|dispute| dispute.deadline).min() {
            self.next_deadline.get_or_create(&label).set(first.saturating_sub(head.1) as f64);
        }
        for (call, count) in &status.calls {
            self.sent.get_or_create(&ByCall { chain, call }).inc_by(count.sent);
            self.failed.get_or_create(&ByCall { chain, call }).inc_by(count.failed);
        }
    }
}

fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
