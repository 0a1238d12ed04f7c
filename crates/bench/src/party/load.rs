//! In-process clients that pay, each awaiting its payment.

use super::node::Party;
use super::say;
use crate::latency::Histogram;
use crate::talk::{Ran, Said};
use anyhow::{Result, ensure};
use std::collections::VecDeque;
use std::time::Instant;
use strait_protocol::{Outcome, Payment};
use strait_types::{Amount, AssetIndex};

/// What a payment says: 8 bytes, as an order's number would take.
pub(crate) fn memo(number: u64) -> String {
    format!("{number:08x}")
}

fn payment(number: u64) -> Payment {
    Payment { asset: AssetIndex(0), amount: Amount::from(1), invoice: None, memo: memo(number).into_bytes() }
}

/// Pays over all channels in turn, with as many payments under way as the scenario says.
pub(crate) async fn stream(party: &Party, until: Instant) -> Result<Ran> {
    let mut waiting = VecDeque::with_capacity(party.scenario.in_flight);
    let mut channels = party.channels.iter().cycle();
    let mut latency = Histogram::default();
    let (mut started, mut ended) = (0, 0);
    let began = Instant::now();
    let mut now = began;
    loop {
        while now < until && waiting.len() < party.scenario.in_flight {
            let Some(channel) = channels.next() else { break };
            waiting.push_back((now, party.node.pay(*channel, payment(started))));
            started += 1;
        }
        let Some((start, paying)) = waiting.pop_front() else { break };
        let outcome = paying.await?;
        ensure!(matches!(outcome, Outcome::Paid { .. }), "a payment ended as {outcome:?}");
        now = Instant::now();
        latency.add(now - start);
        ended += 1;
        if party.setup.aloud {
            say(&Said::Acknowledged(ended))?;
        }
    }
    Ok(Ran { payments: ended, seconds: began.elapsed().as_secs_f64(), latency })
}
