//! Payments in number: one by one, and streamed with every caller waiting for its own acknowledgement.

use super::DemoError;
use std::collections::VecDeque;
use std::time::{Duration, Instant};
use strait_node::{Node, NodeError};
use strait_protocol::{CommandError, Outcome, Payment};
use strait_types::{Amount, AssetIndex, ChannelId};

/// Payments that wait for their acknowledgement at once.
const IN_FLIGHT: usize = 8_192;

pub(super) fn payment(amount: Amount, memo: String) -> Payment {
    Payment { asset: AssetIndex(0), amount, invoice: None, memo: memo.into_bytes() }
}

/// What came of many payments.
#[derive(Debug, Default)]
pub(super) struct Streamed {
    /// Acknowledged to their callers.
    pub(super) acknowledged: u64,
    /// Not acknowledged when the node stopped: the bill tells which of them were made.
    pub(super) unanswered: Vec<u64>,
    /// How often a payment was made anew, since the node said that nothing had moved.
    pub(super) repeated: u64,
}

/// Pays one by one; returns each payment's latency.
pub(super) async fn one_by_one(
    node: &Node,
    channel: ChannelId,
    count: u64,
    amount: Amount,
) -> Result<Vec<Duration>, DemoError> {
    let mut latencies = Vec::new();
    for number in 0..count {
        let started = Instant::now();
        node.pay(channel, payment(amount, format!("request {number}"))).await?;
        latencies.push(started.elapsed());
    }
    Ok(latencies)
}

/// Makes the payments with the given numbers, as many at once as the client likes. When the peer is away, what did
/// not move is paid again; when the node itself stops, the rest is left unanswered.
pub(super) async fn stream(
    node: &Node,
    channel: ChannelId,
    numbers: impl IntoIterator<Item = u64>,
    amount: Amount,
    label: &str,
    mut progress: impl FnMut(),
) -> Result<Streamed, DemoError> {
    let mut result = Streamed::default();
    let mut waiting = VecDeque::new();
    let mut to_start: VecDeque<u64> = numbers.into_iter().collect();
    while !(waiting.is_empty() && to_start.is_empty()) {
        while waiting.len() < IN_FLIGHT
            && let Some(number) = to_start.pop_front()
        {
            waiting.push_back((number, node.pay(channel, payment(amount, format!("{label} {number}")))));
        }
        let Some((number, answer)) = waiting.pop_front() else { continue };
        match answer.await {
            Ok(Outcome::Paid { .. }) => {
                result.acknowledged += 1;
                progress();
            }
            Ok(other) => return Err(DemoError::Unexpected(format!("a payment ended as {other:?}"))),
            Err(NodeError::Command(CommandError::PeerOffline)) => {
                result.repeated += 1;
                to_start.push_back(number);
                node.wait_until(channel, |view| view.link == "up").await?;
            }
            Err(NodeError::Stopped(_)) => {
                result.unanswered.push(number);
                result.unanswered.extend(waiting.drain(..).map(|(number, _)| number));
                result.unanswered.extend(to_start.drain(..));
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(result)
}
