//! Figures for operators, through the `metrics` facade: whoever embeds the service installs a recorder, or none.

use super::Core;
use metrics::{
    Counter, Gauge, Histogram, counter, describe_counter, describe_gauge, describe_histogram, gauge,
    histogram,
};
use std::collections::BTreeMap;
use std::sync::Weak;
use std::time::Duration;
use strait_api::{ChannelInfo, Phase};
use strait_types::Address;

/// Time between two looks at the channels.
const INTERVAL: Duration = Duration::from_secs(10);
/// Looks between two clearances of old idempotency keys: about an hour.
const LOOKS_PER_CLEARANCE: u32 = 360;
/// Channels that are looked at together.
const CHUNK: usize = 1_024;

/// Figures that change with every payment.
pub(crate) struct Metrics {
    pub(crate) sent: Counter,
    pub(crate) received: Counter,
    latency: Histogram,
    listeners: Gauge,
}

impl Metrics {
    pub(crate) fn register() -> Metrics {
        describe_counter!(
            "strait_payments_sent_total",
            "Payments of this node that its peers have countersigned"
        );
        describe_counter!("strait_payments_received_total", "Payments of peers that were told as events");
        describe_histogram!(
            "strait_payment_seconds",
            "From the request of a payment to its countersignature"
        );
        describe_gauge!("strait_event_subscribers", "Clients that listen to events");
        describe_gauge!("strait_channels", "Channels by chain and phase");
        describe_gauge!(
            "strait_channel_balance",
            "Sum of own or peers' free balances by chain and asset, smallest unit"
        );
        describe_gauge!(
            "strait_deadline_seconds",
            "Time to the nearest deadline of a dispute without our answer on chain"
        );
        describe_gauge!("strait_chain_head", "Number of the newest block that was processed");
        describe_gauge!("strait_chain_lag_seconds", "Age of the newest block that was processed");
        Metrics {
            sent: counter!("strait_payments_sent_total"),
            received: counter!("strait_payments_received_total"),
            latency: histogram!("strait_payment_seconds"),
            listeners: gauge!("strait_event_subscribers"),
        }
    }

    /// A payment was countersigned after so long.
    pub(crate) fn paid(&self, took: Duration) {
        self.sent.increment(1);
        self.latency.record(took);
    }
}

/// Looks at the channels and clears old keys, until the service is gone.
pub(crate) async fn chores(core: Weak<Core>) {
    let mut looks = 0_u32;
    while let Some(core) = core.upgrade() {
        if looks.is_multiple_of(LOOKS_PER_CLEARANCE)
            && let Err(error) = core.forget_keys().await
        {
            tracing::warn!(%error, "old idempotency keys are kept for now");
        }
        looks = looks.wrapping_add(1);
        core.measure().await;
        drop(core);
        tokio::time::sleep(INTERVAL).await;
    }
}

/// What the channels of one chain add up to.
#[derive(Default)]
struct Sums {
    phases: BTreeMap<&'static str, u32>,
    own: BTreeMap<Address, f64>,
    peers: BTreeMap<Address, f64>,
    deadline: Option<u64>,
}

impl Sums {
    fn add(&mut self, info: &ChannelInfo) {
        *self.phases.entry(name(info.phase)).or_default() += 1;
        if info.phase == Phase::Closed {
            return;
        }
        for balance in &info.balances {
            // A figure for a chart; the exact one is the channel's.
            *self.own.entry(balance.asset).or_default() += balance.own.units() as f64;
            *self.peers.entry(balance.asset).or_default() += balance.peer.units() as f64;
        }
        if let Some(dispute) = info.dispute.as_ref().filter(|dispute| !dispute.is_answered) {
            self.deadline = Some(self.deadline.map_or(dispute.deadline, |first| first.min(dispute.deadline)));
        }
    }
}

fn name(phase: Phase) -> &'static str {
    match phase {
        Phase::Open => "open",
        Phase::Disputed => "disputed",
        Phase::Settled => "settled",
        Phase::Closed => "closed",
    }
}

impl Core {
    async fn measure(&self) {
        self.metrics.listeners.set(self.log.listeners() as f64);
        let mut sums: BTreeMap<u64, Sums> = BTreeMap::new();
        for chunk in self.registry.all().chunks(CHUNK) {
            let Ok(infos) = self.look(chunk).await else { return };
            for info in infos {
                sums.entry(info.chain_id).or_default().add(&info);
            }
        }
        for chain in &self.nodes {
            let chain_id = chain.node.domain().chain_id();
            let Ok(head) = chain.node.head().await else { return };
            let label = chain_id.to_string();
            if let Some((block, time)) = head {
                let age = self.now().saturating_sub(time);
                gauge!("strait_chain_head", "chain" => label.clone()).set(block.number as f64);
                gauge!("strait_chain_lag_seconds", "chain" => label.clone()).set(age as f64);
            }
            let sums = sums.remove(&chain_id).unwrap_or_default();
            for phase in [Phase::Open, Phase::Disputed, Phase::Settled, Phase::Closed].map(name) {
                let count = sums.phases.get(phase).copied().unwrap_or_default();
                gauge!("strait_channels", "chain" => label.clone(), "phase" => phase).set(count);
            }
            for (side, balances) in [("own", &sums.own), ("peers", &sums.peers)] {
                for (asset, sum) in balances {
                    let asset = asset.to_string();
                    gauge!("strait_channel_balance", "chain" => label.clone(), "asset" => asset, "side" => side)
                        .set(*sum);
                }
            }
            let head_time = head.map_or(0, |(_, time)| time);
            let left =
                sums.deadline.map_or(f64::INFINITY, |deadline| deadline.saturating_sub(head_time) as f64);
            gauge!("strait_deadline_seconds", "chain" => label).set(left);
        }
    }
}
