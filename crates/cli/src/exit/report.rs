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
    /// One per asset, in the smallest unit.
    paid: Vec<Paid>,
}

#[derive(Serialize, Debug, PartialEq, Eq)]
struct Paid {
    asset: Address,
    /// By the channel's end.
    to_us: String,
    to_peer: String,
    /// By withdrawals, before it.
    withdrawn: String,
    withdrawn_by_peer: String,
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
        let nothing = vec![[0_u128; 2]; params.assets.len()];
        let (mut ended, mut drawn) = (nothing.clone(), nothing);
        for event in events {
            let (sums, paid) = match event.event {
                AdjudicatorEvent::Withdrawn { paid, .. } => (&mut drawn, paid),
                AdjudicatorEvent::Closed { paid, .. }
                | AdjudicatorEvent::Settled { paid, .. }
                | AdjudicatorEvent::Unlocked { paid, .. } => (&mut ended, paid),
                _ => continue,
            };
            for (sum, paid) in sums.iter_mut().zip(paid) {
                *sum = [0, 1].map(|side| sum[side].saturating_add(paid[side]));
            }
        }
        let (own, peer) = (side.index(), side.other().index());
        let paid = params.assets.iter().zip(ended.iter().zip(&drawn)).map(|(asset, (ended, drawn))| Paid {
            asset: *asset,
            to_us: ended[own].to_string(),
            to_peer: ended[peer].to_string(),
            withdrawn: drawn[own].to_string(),
            withdrawn_by_peer: drawn[peer].to_string(),
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

impl Exited {
    /// By this command.
    fn is_left(&self) -> bool {
        !self.is_empty && !self.was_closed
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
        let is_withdrawn = |paid: &Paid| paid.withdrawn != "0" || paid.withdrawn_by_peer != "0";
        let has_withdrawals =
            exits.iter().filter(|exit| exit.is_left()).flat_map(|exit| &exit.paid).any(is_withdrawn);
        let mut header = vec!["CHAIN", "CHANNEL", "PAID", "TO", "PAID TO THE PEER"];
        if has_withdrawals {
            header.extend(["WITHDRAWN BEFORE", "BY THE PEER"]);
        }
        let mut rows = Vec::new();
        for exit in exits {
            let nothing = match exit {
                Exited { is_empty: true, .. } => Some("nothing was deposited"),
                Exited { was_closed: true, .. } => Some("closed and paid before"),
                _ => None,
            };
            if let Some(nothing) = nothing {
                let mut cells = vec![exit.chain.clone(), short(exit.channel), nothing.into()];
                cells.resize(header.len(), String::new());
                rows.push(cells);
            }
            for paid in exit.paid.iter().filter(|_| nothing.is_none()) {
                let write = |units: &str| match units.parse::<u128>().ok().and_then(Amount::new) {
                    Some(amount) => assets.write(exit.chain_id, paid.asset, amount),
                    None => format!("{units} units of {}", paid.asset),
                };
                let mut cells = vec![
                    exit.chain.clone(),
                    short(exit.channel),
                    write(&paid.to_us),
                    exit.payout.to_string(),
                    write(&paid.to_peer),
                    write(&paid.withdrawn),
                    write(&paid.withdrawn_by_peer),
                ];
                cells.truncate(header.len());
                rows.push(cells);
            }
        }
        out.table(&header, rows)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{MAINNET, Page, USDC, node_info};
    use strait_engine::ports::TxHash;
    use strait_types::{B256, Participant, State, Version};

    fn exited(id: u8, is_empty: bool, was_closed: bool) -> Exited {
        let signer =
            |byte| Participant { signer: Address::repeat_byte(byte), payout: Address::repeat_byte(0xac) };
        let params = ChannelParams {
            participants: [signer(1), signer(2)],
            assets: vec![USDC],
            app: Address::ZERO,
            challenge_duration: 86_400,
            nonce: 1,
            child: B256::ZERO,
        };
        let channel = ChannelId(B256::repeat_byte(id));
        let state = State { version: Version(5), ..State::zero(channel, 1) };
        let events = [
            AdjudicatorEvent::Withdrawn { channel, state, paid: vec![[50_000, 20_000_000]] },
            AdjudicatorEvent::Closed { channel, paid: vec![[1_190_000, 65_400_000]] },
        ];
        let events = events
            .map(|event| Event { channel: Some(channel), transaction: TxHash::ZERO, event })
            .into_iter();
        Exited::new("mainnet", MAINNET, channel, [is_empty, was_closed], Side::One, &params, events)
    }

    #[test]
    fn what_was_paid_now_is_told_apart_from_what_was_withdrawn_before() {
        let page = Page::new(false, None);
        let exits = [exited(0xab, false, false), exited(0xcd, false, true), exited(0xef, true, false)];
        let paid = &exits[0].paid[0];
        assert_eq!(
            [&paid.to_us, &paid.to_peer, &paid.withdrawn, &paid.withdrawn_by_peer],
            ["65400000", "1190000", "20000000", "50000"]
        );
        print(&exits, &page.out, &Assets::new(&node_info())).expect("printed");
        let text = page.text();
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].contains("WITHDRAWN BEFORE"), "{text}");
        assert!(lines[1].contains("0xabababab") && lines[1].contains("65.4 USDC"), "{text}");
        assert!(lines[1].contains("20 USDC") && !lines[1].contains("85.4"), "{text}");
        assert!(lines[2].contains("closed and paid before") && !lines[2].contains("USDC"), "{text}");
        assert!(lines[3].contains("nothing was deposited"), "{text}");
        let page = Page::new(false, None);
        print(&exits[1..], &page.out, &Assets::new(&node_info())).expect("printed");
        assert!(!page.text().contains("WITHDRAWN"), "{}", page.text());
    }
}
