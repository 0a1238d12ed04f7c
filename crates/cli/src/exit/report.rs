//! What was paid where.

use crate::amount::Assets;
use crate::failure::Failure;
use crate::output::Output;
use crate::text::short;
use serde::Serialize;
use strait_engine::ports::Event;
use strait_types::abi::AdjudicatorEvent;
use strait_types::{Address, Amount, ChannelId, ChannelParams, Side};

/// One channel that was left.
#[derive(Serialize, Debug, PartialEq, Eq)]
pub(super) struct Exited {
    chain: String,
    chain_id: u64,
    channel: ChannelId,
    /// Nothing was ever deposited, so that nothing had to be done.
    is_empty: bool,
    payout: Address,
    /// One per asset, in the smallest unit, over the channel's life.
    paid: Vec<Paid>,
}

#[derive(Serialize, Debug, PartialEq, Eq)]
struct Paid {
    asset: Address,
    to_us: String,
    to_peer: String,
}

impl Exited {
    pub(super) fn new(
        chain: &str,
        chain_id: u64,
        channel: ChannelId,
        is_empty: bool,
        side: Side,
        params: &ChannelParams,
        events: impl Iterator<Item = Event>,
    ) -> Exited {
        let mut sums = vec![[0_u128; 2]; params.assets.len()];
        for event in events {
            let paid = match event.event {
                AdjudicatorEvent::Withdrawn { paid, .. }
                | AdjudicatorEvent::Closed { paid, .. }
                | AdjudicatorEvent::Settled { paid, .. }
                | AdjudicatorEvent::Unlocked { paid, .. } => paid,
                _ => continue,
            };
            for (sum, paid) in sums.iter_mut().zip(paid) {
                *sum = [0, 1].map(|side| sum[side].saturating_add(paid[side]));
            }
        }
        let paid = params.assets.iter().zip(sums).map(|(asset, sum)| Paid {
            asset: *asset,
            to_us: sum[side.index()].to_string(),
            to_peer: sum[side.other().index()].to_string(),
        });
        let payout = params.participant(side).payout;
        Exited { chain: chain.to_owned(), chain_id, channel, is_empty, payout, paid: paid.collect() }
    }
}

/// Prints all.
///
/// # Errors
/// When nobody reads.
pub(super) fn print(exits: &[Exited], out: &Output) -> Result<(), Failure> {
    out.result(&exits, |out| {
        if exits.is_empty() {
            return "the backup holds no channels".into();
        }
        let assets = Assets::default();
        let mut rows = Vec::new();
        for exit in exits {
            if exit.is_empty {
                let nothing = ["nothing was deposited", "", ""].map(str::to_owned);
                rows.push([vec![exit.chain.clone(), short(exit.channel)], nothing.to_vec()].concat());
            }
            for paid in exit.paid.iter().filter(|_| !exit.is_empty) {
                let write = |units: &str| match units.parse::<u128>().ok().and_then(Amount::new) {
                    Some(amount) => assets.write(exit.chain_id, paid.asset, amount),
                    None => format!("{units} units of {}", paid.asset),
                };
                rows.push(vec![
                    exit.chain.clone(),
                    short(exit.channel),
                    write(&paid.to_us),
                    exit.payout.to_string(),
                    write(&paid.to_peer),
                ]);
            }
        }
        out.table(&["CHAIN", "CHANNEL", "PAID", "TO", "PAID TO THE PEER"], rows)
    })
}
