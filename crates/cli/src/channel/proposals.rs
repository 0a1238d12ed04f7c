//! `strait channel proposals`, `approve` and `reject`.

use super::show;
use crate::context::{Context, pick};
use crate::failure::Failure;
use crate::text::{duration, short};
use clap::Args;
use strait_api::{ChannelRef, Nothing, ProposalReject};
use strait_types::ChannelId;

#[derive(Args, Debug)]
#[command(after_help = "Example:\n  strait channel approve 0x1a2b")]
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

pub(super) async fn list(context: &Context) -> Result<(), Failure> {
    let waiting = context.api.proposal_list(Nothing {}).await?;
    let assets = context.assets().await?;
    context.out.result(&waiting, |out| {
        if waiting.proposals.is_empty() {
            return "nothing waits for approval".into();
        }
        let rows = waiting.proposals.iter().map(|proposal| {
            let symbols: Vec<_> =
                proposal.assets.iter().map(|asset| assets.symbol(proposal.chain_id, *asset)).collect();
            vec![
                short(proposal.channel),
                assets.chain_name(proposal.chain_id),
                proposal.peer.to_string(),
                symbols.join(", "),
                duration(proposal.challenge_duration.into()),
            ]
        });
        out.table(&["CHANNEL", "CHAIN", "PEER", "ASSETS", "CHALLENGE PERIOD"], rows)
    })
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
    context.out.result(&info, |out| show::text(&info, assets, out))
}

pub(super) async fn reject(context: &Context, args: RejectArgs) -> Result<(), Failure> {
    let channel = proposed(context, &args.channel).await?;
    let done = context.api.proposal_reject(ProposalReject { channel, reason: args.reason }).await?;
    context.out.result(&done, |_| format!("{} is refused", short(channel)))
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
        list(&context).await.expect("listed");
        assert!(seen.text().contains("USDC") && seen.text().contains("1h"), "{}", seen.text());
        reject(&context, RejectArgs { channel: "0xcdcd".into(), reason: "no".into() })
            .await
            .expect("refused");
        let asked = &seen.asked("strait_proposal_reject")[0];
        assert_eq!(asked, &json!({"channel": channel_info(0xcd).channel, "reason": "no"}));
    }
}
