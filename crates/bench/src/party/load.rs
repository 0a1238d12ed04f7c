//! In-process clients that pay, each awaiting its payment.

use super::say;
use crate::latency::Histogram;
use crate::talk::{Ran, Said};
use anyhow::{Result, ensure};
use std::collections::VecDeque;
use std::time::Instant;
use strait_node::Node;
use strait_protocol::{Outcome, Payment};
use strait_types::{Amount, AssetIndex, ChannelId};

/// What a payment says: 8 bytes, as an order's number would take.
pub(crate) fn memo(number: u64) -> String {
    format!("{number:08x}")
}

fn payment(number: u64) -> Payment {
    Payment { asset: AssetIndex(0), amount: Amount::from(1), invoice: None, memo: memo(number).into_bytes() }
}

/// Who pays, over which channels.
pub(crate) struct Stream<'a> {
    pub(crate) node: &'a Node,
    /// Paid over in turn.
    pub(crate) channels: &'a [ChannelId],
    /// Payments under way at once.
    pub(crate) in_flight: usize,
    /// Says each acknowledgement.
    pub(crate) aloud: bool,
}

/// Makes payments as long as `more` wants, by the time and the number of those that were started.
pub(crate) async fn pay(stream: &Stream<'_>, mut more: impl FnMut(Instant, u64) -> bool) -> Result<Ran> {
    let mut waiting = VecDeque::with_capacity(stream.in_flight);
    let mut channels = stream.channels.iter().cycle();
    let mut latency = Histogram::default();
    let (mut started, mut ended) = (0, 0);
    let began = Instant::now();
    let mut now = began;
    loop {
        while waiting.len() < stream.in_flight && more(now, started) {
            let Some(channel) = channels.next() else { break };
            waiting.push_back((now, stream.node.pay(*channel, payment(started))));
            started += 1;
        }
        let Some((start, paying)) = waiting.pop_front() else { break };
        let outcome = paying.await?;
        ensure!(matches!(outcome, Outcome::Paid { .. }), "a payment ended as {outcome:?}");
        now = Instant::now();
        latency.add(now - start);
        ended += 1;
        if stream.aloud {
            say(&Said::Acknowledged(ended))?;
        }
    }
    Ok(Ran { payments: ended, seconds: began.elapsed().as_secs_f64(), latency })
}
