//! Figures for Prometheus, in the OpenMetrics text format: what the server counts itself, and what the node says when it
//! is asked.

mod node;
mod threads;

use crate::Node;
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};
use std::sync::Arc;
use std::time::Duration;
use strait_api::{Api, ErrorCode, METHODS};

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct ByMethod {
    method: &'static str,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct ByError {
    method: &'static str,
    code: &'static str,
}

/// From 100 microseconds to about 13 seconds.
fn latencies() -> Histogram {
    Histogram::new(exponential_buckets(0.0001, 2.0, 18))
}

pub(super) struct Metrics {
    registry: Registry,
    node: node::NodeFigures,
    calls: Family<ByMethod, Histogram, fn() -> Histogram>,
    failures: Family<ByError, Counter>,
    connections: Gauge,
    refused: Counter,
    subscriptions: Gauge,
    events: Counter,
}

/// Counted as long as it is held.
pub(super) struct Counted(Gauge);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Metrics {
    pub(super) fn new(api: Arc<dyn Api>, nodes: Vec<Node>) -> Metrics {
        let mut registry = Registry::with_prefix("strait");
        let metrics = Metrics {
            node: node::NodeFigures::new(api),
            calls: Family::new_with_constructor(latencies as fn() -> Histogram),
            failures: Family::default(),
            connections: Gauge::default(),
            refused: Counter::default(),
            subscriptions: Gauge::default(),
            events: Counter::default(),
            registry: Registry::default(),
        };
        let calls = metrics.calls.clone();
        registry.register_with_unit(
            "api_call",
            "How long calls took, payments included",
            Unit::Seconds,
            calls,
        );
        registry.register("api_errors", "Calls that failed", metrics.failures.clone());
        registry.register("api_websockets", "Open WebSockets", metrics.connections.clone());
        registry.register(
            "api_connections_refused",
            "Connections for which there was no room",
            metrics.refused.clone(),
        );
        registry.register("api_subscriptions", "Running subscriptions", metrics.subscriptions.clone());
        registry.register("api_events_sent", "Events sent to subscribers", metrics.events.clone());
        registry.register_collector(Box::new(threads::ThreadFigures(nodes)));
        Metrics { registry, ..metrics }
    }

    /// A call has ended.
    pub(super) fn call(&self, method: &str, took: Duration, error: Option<ErrorCode>) {
        // Names that a client made up must not fill the memory.
        let known = METHODS.iter().find(|known| known.name == method).map(|known| known.name);
        let method = known.unwrap_or(if method == "rpc.discover" { "rpc.discover" } else { "unknown" });
        self.calls.get_or_create(&ByMethod { method }).observe(took.as_secs_f64());
        if let Some(code) = error {
            self.failures.get_or_create(&ByError { method, code: code.name() }).inc();
        }
    }

    pub(super) fn connection_refused(&self) {
        self.refused.inc();
    }

    pub(super) fn connected(&self) -> Counted {
        self.connections.inc();
        Counted(self.connections.clone())
    }

    pub(super) fn subscribed(&self) -> Counted {
        self.subscriptions.inc();
        Counted(self.subscriptions.clone())
    }

    pub(super) fn event_sent(&self) {
        self.events.inc();
    }

    /// All figures.
    pub(super) async fn render(&self) -> String {
        let mut text = String::new();
        let node = self.node.look().await;
        let written = text::encode_registry(&mut text, &self.registry)
            .and_then(|()| text::encode_registry(&mut text, &node))
            .and_then(|()| text::encode_eof(&mut text));
        if let Err(error) = written {
            tracing::error!(%error, "figures have no text");
        }
        text
    }
}
