//! `strait channel proposals`, `approve`, `reject` and `reconsider`.

use super::show;
use crate::amount::Assets;
use crate::context::{Context, pick};
use crate::failure::Failure;
use crate::text::{duration, one_line, short};
use clap::Args;
use serde_json::json;
use strait_api::{ChannelRef, DecidedProposal, Nothing, Proposal, ProposalReject};
use strait_app::Fields;
use strait_types::ChannelId;

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  strait channel proposals\n  strait channel proposals --fields \"uint128 stake, uint8 sticks\"\n\nOf a game it shows which app, what both put in, where it begins and who moves first: a start can be lost already."
)]
pub(super) struct ListArgs {
    /// Types and names of the fields of a game's data.
    #[arg(long, default_value = "", value_parser = crate::app::fields, hide_default_value = true)]
    fields: Fields,
}

#[derive(Args, Debug)]
#[command(
    after_help = "Example:\n  strait channel approve 0x1a2b\n\nWhat a peer would open within a channel it may then open once: it has to ask again."
)]
pub(super) struct ApproveArgs {
    /// Its id, or the first digits.
    channel: String,
}

#[derive(Args, Debug)]
#[command(after_help = "Example:\n  strait channel reject 0x1a2b --reason \"we take USDC only\"")]
pub(super) struct RejectArgs {
    /// Its id, or the first digits.
    channel: String,
    /// What the peer is told.
    #[arg(long, default_value = "")]
    reason: String,
}

#[derive(Args, Debug)]
#[command(
    after_help = "Example:\n  strait channel reconsider 0x1a2b\n\n`strait channel proposals` lists what can be taken back. A channel that is open is left by `strait channel close`."
)]
pub(super) struct ReconsiderArgs {
    /// Its id, or the first digits.
    channel: String,
}

pub(super) async fn list(context: &Context, args: ListArgs) -> Result<(), Failure> {
    let waiting = context.api.proposal_list(Nothing {}).await?;
    let assets = context.assets().await?;
    let mut value = json!(waiting);
    for (index, proposal) in waiting.proposals.iter().enumerate() {
        let fields = fields_of(context, proposal, &args.fields);
        let named = proposal.game.as_ref().and_then(|game| fields.named(&game.start.data));
        if let Some(named) = named {
            value["proposals"][index]["game"]["start"]["fields"] = named;
        }
    }
    context.out.result(&value, |out| {
        let shown = |of| out.pairs(&pairs(of, assets, &fields_of(context, of, &args.fields)));
        let mut blocks: Vec<_> = waiting.proposals.iter().map(shown).collect();
        if blocks.is_empty() {
            blocks.push("nothing waits for approval".into());
        }
        if !waiting.decided.is_empty() {
            let row = |of: &DecidedProposal| {
                let said = of.rejection.as_ref().map_or("approved, not opened yet".into(), |reason| {
                    format!("rejected: {}", one_line(reason))
                });
                vec![short(of.channel), assets.chain_name(of.chain_id), said]
            };
            blocks.push(out.table(&["DECIDED", "CHAIN", "SAID"], waiting.decided.iter().map(row)));
        }
        blocks.join("\n\n")
    })
}

fn fields_of(context: &Context, proposal: &Proposal, given: &Fields) -> Fields {
    crate::app::names::fields(context, proposal.game.as_ref().map(|game| game.app), given)
}

/// All that an operator says yes to.
fn pairs(proposal: &Proposal, assets: &Assets, fields: &Fields) -> Vec<(&'static str, String)> {
    let symbols: Vec<_> =
        proposal.assets.iter().map(|asset| assets.symbol(proposal.chain_id, *asset)).collect();
    let what = if proposal.game.is_some() { "a game" } else { "a channel for payments" };
    let place = match proposal.parent {
        Some(parent) => format!("within the channel {}, without a transaction", short(parent)),
        None => format!("of its own, in {}", symbols.join(", ")),
    };
    let mut pairs = vec![
        ("proposal", short(proposal.channel)),
        ("what", format!("{what}, {place}")),
        ("chain", assets.chain_name(proposal.chain_id)),
        ("peer", proposal.peer.to_string()),
        ("challenge period", duration(proposal.challenge_duration.into())),
    ];
    for ([ours, theirs], asset) in proposal.stakes.iter().zip(&proposal.assets) {
        let write = |amount| assets.write(proposal.chain_id, *asset, amount);
        pairs.push(("stakes", format!("ours {}, the peer's {}", write(*ours), write(*theirs))));
    }
    if let Some(game) = &proposal.game {
        let first = if game.start.writer == game.side { "this node" } else { "the peer" };
        pairs.extend([
            ("app", game.app.to_string()),
            ("begins with", fields.show(&game.start.data)),
            ("moves first", format!("{first} (we are participant {})", game.side)),
            ("start", game.start_id.to_string()),
        ]);
    }
    pairs
}

async fn proposed(context: &Context, text: &str) -> Result<ChannelId, Failure> {
    let waiting = context.api.proposal_list(Nothing {}).await?.proposals;
    let channels = waiting.iter().map(|proposal| proposal.channel);
    pick("proposal", text, channels, ChannelId::to_string)
}

pub(super) async fn approve(context: &Context, args: ApproveArgs) -> Result<(), Failure> {
    let channel = proposed(context, &args.channel).await?;
    let info = context.api.proposal_approve(ChannelRef { channel }).await?;
    let assets = context.assets().await?;
    if info.channel != channel {
        context.out.note("approved: the peer may open it once, and has to ask again");
    }
    context.out.result(&info, |out| show::text(&info, assets, out))
}

pub(super) async fn reject(context: &Context, args: RejectArgs) -> Result<(), Failure> {
    let channel = proposed(context, &args.channel).await?;
    let done = context.api.proposal_reject(ProposalReject { channel, reason: args.reason }).await?;
    context.out.result(&done, |_| format!("{} is refused", short(channel)))
}

pub(super) async fn reconsider(context: &Context, args: ReconsiderArgs) -> Result<(), Failure> {
    let decided = context.api.proposal_list(Nothing {}).await?.decided;
    let channels = decided.iter().map(|decided| decided.channel);
    let channel = pick("decision", &args.channel, channels, ChannelId::to_string)?;
    let done = context.api.proposal_reconsider(ChannelRef { channel }).await?;
    context.out.result(&done, |_| format!("{} is asked about when the peer offers it again", short(channel)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Fake, MAINNET, USDC, channel_info};
    use serde_json::json;
    use strait_types::Address;

    #[tokio::test]
    async fn a_proposal_is_refused_by_its_first_digits() {
        let (context, seen) = Fake::new(false)
            .on("strait_proposal_list", |_| {
                Ok(json!({"proposals": [{"channel": channel_info(0xcd).channel, "chain_id": MAINNET,
                    "peer": Address::repeat_byte(9), "assets": [USDC], "challenge_duration": 3600}]}))
            })
            .on("strait_proposal_reject", |_| Ok(json!({})))
            .start();
        list(&context, ListArgs { fields: Fields::default() }).await.expect("listed");
        assert!(seen.text().contains("USDC") && seen.text().contains("1h"), "{}", seen.text());
        reject(&context, RejectArgs { channel: "0xcdcd".into(), reason: "no".into() })
            .await
            .expect("refused");
        let asked = &seen.asked("strait_proposal_reject")[0];
        assert_eq!(asked, &json!({"channel": channel_info(0xcd).channel, "reason": "no"}));
    }

    #[tokio::test]
    async fn what_was_decided_is_listed_and_taken_back() {
        let decided = |id: u8, rejection: Option<&str>| json!({"channel": channel_info(id).channel, "chain_id": MAINNET, "rejection": rejection});
        let listed =
            json!({"proposals": [], "decided": [decided(0xcd, Some("not today")), decided(0xef, None)]});
        let (context, seen) = Fake::new(false)
            .on("strait_proposal_list", move |_| Ok(listed.clone()))
            .on("strait_proposal_reconsider", |_| Ok(json!({})))
            .start();
        list(&context, ListArgs { fields: Fields::default() }).await.expect("listed");
        for part in ["nothing waits", "0xcdcdcdcd", "rejected: not today", "approved, not opened yet"] {
            assert!(seen.text().contains(part), "{part} is missing in {}", seen.text());
        }
        reconsider(&context, ReconsiderArgs { channel: "0xcdcd".into() }).await.expect("taken back");
        assert_eq!(
            seen.asked("strait_proposal_reconsider")[0],
            json!({"channel": channel_info(0xcd).channel})
        );
    }

    #[tokio::test]
    async fn a_game_is_shown_with_all_that_is_at_stake() {
        let (context, seen) = Fake::new(false)
            .on("strait_proposal_list", |_| {
                let start = json!({"writer": 1, "deltas": [["0", "0"]], "data": format!("0x{:064x}{:064x}", 1_000, 5)});
                Ok(json!({"proposals": [{"channel": channel_info(0xcd).channel, "chain_id": MAINNET,
                    "peer": Address::repeat_byte(9), "assets": [USDC], "challenge_duration": 3600,
                    "parent": channel_info(0xab).channel, "stakes": [["5000000", "1"]],
                    "game": {"app": Address::repeat_byte(7), "side": 1, "start": start,
                        "start_id": channel_info(0xef).channel}}]}))
            })
            .start();
        let fields = Fields::read("uint128 stake, uint8 sticks").expect("fields");
        list(&context, ListArgs { fields }).await.expect("listed");
        let text = seen.text();
        for part in [
            "a game, within the channel 0xabababab",
            "ours 5 USDC, the peer's 0.000001 USDC",
            "0x0707070707070707070707070707070707070707",
            "stake 1000, sticks 5",
            "this node (we are participant 1)",
        ] {
            assert!(text.contains(part), "{part} is missing in {text}");
        }
    }
}
