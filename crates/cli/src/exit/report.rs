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
    /// It was closed and paid before this command began.
    was_closed: bool,
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
        [is_empty, was_closed]: [bool; 2],
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
        Exited {
            chain: chain.to_owned(),
            chain_id,
            channel,
            is_empty,
            was_closed,
            payout,
            paid: paid.collect(),
        }
    }
}

/// Prints all.
///
/// # Errors
/// When nobody reads.
pub(super) fn print(exits: &[Exited], out: &Output, assets: &Assets) -> Result<(), Failure> {
    out.result(&exits, |out| {
        if exits.is_empty() {
            return "the backup holds no channels".into();
        }
        let mut rows = Vec::new();
        for exit in exits {
            let nothing = match exit {
                Exited { is_empty: true, .. } => Some("nothing was deposited"),
                Exited { was_closed: true, .. } => Some("closed and paid before"),
                _ => None,
            };
            if let Some(nothing) = nothing {
                let cells =
                    [exit.chain.clone(), short(exit.channel), nothing.into(), String::new(), String::new()];
                rows.push(cells.to_vec());
            }
            for paid in exit.paid.iter().filter(|_| nothing.is_none()) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{MAINNET, Page, USDC, node_info};
    use strait_types::B256;

    fn exited(id: u8, is_empty: bool, was_closed: bool) -> Exited {
        let paid = Paid { asset: USDC, to_us: "45400000".into(), to_peer: "0".into() };
        Exited {
            chain: "mainnet".into(),
            chain_id: MAINNET,
            channel: ChannelId(B256::repeat_byte(id)),
            is_empty,
            was_closed,
            payout: Address::repeat_byte(0xac),
            paid: vec![paid],
        }
    }

    #[test]
    fn what_was_paid_now_is_told_in_the_units_of_people() {
        let page = Page::new(false, None);
        let exits = [exited(0xab, false, false), exited(0xcd, false, true), exited(0xef, true, false)];
        print(&exits, &page.out, &Assets::new(&node_info())).expect("printed");
        let text = page.text();
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[1].contains("0xabababab") && lines[1].contains("45.4 USDC"), "{text}");
        assert!(lines[2].contains("closed and paid before") && !lines[2].contains("USDC"), "{text}");
        assert!(lines[3].contains("nothing was deposited"), "{text}");
    }
}
