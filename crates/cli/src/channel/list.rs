//! `strait channel list`.

use crate::context::Context;
use crate::failure::Failure;
use crate::text::short;
use clap::{Args, ValueEnum};
use strait_api::{ChannelInfo, ChannelList, Channels, Link, Phase};

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  strait channel list\n  strait channel list --phase open --peer 0x5151\n  strait channel list --json | jq -r '.channels[].channel'"
)]
pub(super) struct ListArgs {
    /// Only on this chain, by name or number.
    #[arg(long)]
    chain: Option<String>,
    /// Only with this peer.
    #[arg(long)]
    peer: Option<String>,
    /// Only in this phase.
    #[arg(long, value_enum)]
    phase: Option<PhaseName>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum PhaseName {
    Open,
    Disputed,
    Settled,
    Closed,
}

impl From<PhaseName> for Phase {
    fn from(name: PhaseName) -> Phase {
        match name {
            PhaseName::Open => Phase::Open,
            PhaseName::Disputed => Phase::Disputed,
            PhaseName::Settled => Phase::Settled,
            PhaseName::Closed => Phase::Closed,
        }
    }
}

pub(super) fn phase(info: &ChannelInfo) -> &'static str {
    match info.phase {
        Phase::Open if info.is_closing => "closing",
        Phase::Open if info.is_dispute_ordered => "leaving",
        Phase::Open if info.awaits_approval => "waits for approval",
        Phase::Open if info.declined.is_some() => "declined",
        Phase::Open if info.is_restoring => "restoring",
        Phase::Open if info.is_peer_restoring => "peer restoring",
        Phase::Open => "open",
        Phase::Disputed => "disputed",
        Phase::Settled => "settled",
        Phase::Closed if info.awaits_parent.is_some() => "decided",
        Phase::Closed => "closed",
    }
}

/// What a closed channel came to is no longer in it.
pub(super) fn held(info: &ChannelInfo, amount: String) -> String {
    match info.phase {
        Phase::Closed if info.awaits_parent.is_some() => format!("{amount} decided"),
        Phase::Closed => format!("{amount} paid"),
        _ => amount,
    }
}

/// Of a closed channel nothing is said to the peer any more, and of one that it does not take, nothing yet: the peer may well be
/// connected.
pub(super) fn link(info: &ChannelInfo) -> &'static str {
    match info.link {
        _ if info.phase == Phase::Closed || info.declined.is_some() => "-",
        Link::Down => "offline",
        Link::Syncing => "comparing",
        Link::Up => "connected",
    }
}

/// Short; a child's with that of its parent.
fn name(info: &ChannelInfo) -> String {
    match info.parent {
        Some(parent) => format!("{} in {}", short(info.channel), short(parent)),
        None => short(info.channel),
    }
}

pub(super) async fn run(context: &Context, args: ListArgs) -> Result<(), Failure> {
    let assets = context.assets().await?;
    let query = ChannelList {
        chain_id: args.chain.as_deref().map(|chain| assets.chain(Some(chain))).transpose()?,
        peer: match &args.peer {
            Some(peer) => Some(context.signer(peer).await?),
            None => None,
        },
        phase: args.phase.map(Phase::from),
        ..ChannelList::default()
    };
    let found = Channels { channels: context.all_channels(query).await?, next: None };
    context.out.result(&found, |out| {
        if found.channels.is_empty() {
            return "no channels; `strait channel open` makes one".into();
        }
        let mut rows = Vec::new();
        for info in &found.channels {
            for (index, balance) in info.balances.iter().enumerate() {
                let is_first = index == 0;
                let once = |text: String| if is_first { text } else { String::new() };
                rows.push(vec![
                    once(name(info)),
                    once(assets.chain_name(info.chain_id)),
                    once(short(info.peer)),
                    once(phase(info).into()),
                    once(link(info).into()),
                    held(info, assets.write(info.chain_id, balance.asset, balance.own)),
                    held(info, assets.write(info.chain_id, balance.asset, balance.peer)),
                ]);
            }
        }
        out.table(&["CHANNEL", "CHAIN", "PEER", "PHASE", "LINK", "OURS", "THEIRS"], rows)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Fake, channel_info};
    use serde_json::json;

    fn pages(json: bool) -> Fake {
        Fake::new(json).on("strait_channel_list", |asked| {
            Ok(match asked["cursor"].as_str() {
                None => json!({"channels": [channel_info(0xab)], "next": "2"}),
                Some(_) => json!({"channels": [channel_info(0xac)], "next": null}),
            })
        })
    }

    #[tokio::test]
    async fn all_pages_are_listed_with_amounts_for_people() {
        let (context, seen) = pages(false).start();
        run(&context, ListArgs { chain: None, peer: None, phase: None }).await.expect("listed");
        for part in ["0xabababab", "0xacacacac", "1 ETH", "100 USDC", "mainnet", "connected"] {
            assert!(seen.text().contains(part), "{part} is missing in {}", seen.text());
        }
    }

    #[tokio::test]
    async fn json_is_one_value_in_the_smallest_unit() {
        let (context, seen) = pages(true).start();
        run(&context, ListArgs { chain: None, peer: None, phase: None }).await.expect("listed");
        let channels: Channels = serde_json::from_str(&seen.text()).expect("one value");
        assert_eq!(channels.channels.len(), 2);
        assert_eq!(channels.channels[0].balances[0].own.to_string(), "1000000000000000000");
    }
}
