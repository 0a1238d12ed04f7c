//! Figures of the nodes' own threads, by chain.

use crate::Node;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

#[derive(Debug)]
pub(super) struct ThreadFigures(pub(super) Vec<Node>);

impl Collector for ThreadFigures {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let chain = |node: &Node| [("chain", node.domain().chain_id().to_string())];
        let help = "How long the store took to bring a round to disk";
        let kind = MetricType::Histogram;
        let mut commits = encoder.encode_descriptor("store_commit", help, Some(&Unit::Seconds), kind)?;
        for node in &self.0 {
            node.figures().commits().encode(commits.encode_family(&chain(node))?)?;
        }
        let help = "Time since the chain last said how far it is";
        let kind = MetricType::Gauge;
        let mut ages = encoder.encode_descriptor("chain_sync_age", help, Some(&Unit::Seconds), kind)?;
        for node in &self.0 {
            if let Some(age) = node.figures().sync_age() {
                ConstGauge::new(age.as_secs_f64()).encode(ages.encode_family(&chain(node))?)?;
            }
        }
        Ok(())
    }
}
