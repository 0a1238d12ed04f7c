//! `strait channel close` and `strait channel dispute`.

use super::wait::{Progress, Waiting, agree};
use crate::context::Context;
use crate::failure::Failure;
use crate::follow::Follow;
use crate::text::{duration, short, time};
use clap::Args;
use strait_api::{Agreed, ApiError, ChannelInfo, ChannelRef, ErrorCode, Nothing, Phase};
use strait_types::ChannelId;

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  strait channel close 0x1a2b\n  strait channel close 0x1a2b --wait\n\nThe peer must agree and be connected; `strait channel dispute` needs neither. A channel into which nobody has put anything is given up at once, without the peer and the chain."
)]
pub(super) struct CloseArgs {
    /// Its id, or the first digits.
    channel: String,
    /// Waits until both are paid on chain.
    #[arg(long)]
    wait: bool,
}

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  strait channel dispute 0x1a2b\n  strait channel dispute 0x1a2b --yes --wait\n\nThe node shows the chain its best state, and is paid when the challenge period is over. It costs more gas and takes longer than `strait channel close`, and the channel ends by it. The node must run until then."
)]
pub(super) struct DisputeArgs {
    /// Its id, or the first digits.
    channel: String,
    /// Does not ask first.
    #[arg(long, short)]
    yes: bool,
    /// Waits until it is paid, or only locks are left.
    #[arg(long)]
    wait: bool,
}

pub(super) async fn close(context: &Context, args: CloseArgs) -> Result<(), Failure> {
    let info = context.channel(&args.channel).await?;
    let channel = info.channel;
    let follow = if args.wait { Some(Follow::start(context, Some(channel), None).await?) } else { None };
    let line = context.out.wait("asking the peer");
    let ask = async || ask_to_close(context, channel, args.wait).await;
    let agreed = agree(context, channel, args.wait.then_some(&line), ask).await?;
    note_hindrance(context, &agreed).await?;
    let is_awaited = follow.is_some();
    if let Some(follow) = follow {
        let mut waiting = Waiting { context, channel, follow, line };
        waiting
            .until(|info, _| {
                Ok(match info.phase {
                    Phase::Closed => Progress::Done,
                    _ => Progress::Waits(format!("{} agreed; waiting for the chain", short(channel))),
                })
            })
            .await?;
    } else {
        drop(line);
    }
    context.out.result(&agreed, |_| {
        // A version pays somebody.
        if agreed.version == 0 {
            return format!("{} is given up: nobody had put anything in", short(channel));
        }
        let end = if is_awaited {
            "is closed, and both are paid"
        } else {
            "is agreed to be closed; the chain pays both"
        };
        format!("{} {end} (version {})", short(channel), agreed.version)
    })
}

/// Says on standard error why the call cannot be made now, and who makes it then.
pub(super) async fn note_hindrance(context: &Context, agreed: &Agreed) -> Result<(), Failure> {
    if let Some(why) = &agreed.chain_away {
        let text = format!(
            "the node cannot reach the chain now: {why}; it makes the call when it can, or the peer does when half of the time for it has passed"
        );
        context.out.note(&text);
    }
    let Some(short) = &agreed.gas_shortage else { return Ok(()) };
    let assets = context.assets().await?;
    let write = |amount| assets.write(short.chain_id, short.asset, amount);
    let text = format!(
        "the node's account holds {}, the call takes up to {}: send it some, else the peer makes the call when half of the time for it has passed",
        write(short.balance),
        write(short.needed)
    );
    context.out.note(&text);
    Ok(())
}

/// Who waits for a close joins one that is under way.
async fn ask_to_close(context: &Context, channel: ChannelId, joins: bool) -> Result<Agreed, ApiError> {
    match context.api.channel_close(ChannelRef { channel }).await {
        Err(error) if joins && matches!(error.code, ErrorCode::ChannelBusy | ErrorCode::ChannelNotOpen) => {
            let info = context.api.channel_show(ChannelRef { channel }).await?;
            let agreed = Agreed { version: info.version, gas_shortage: None, chain_away: None };
            if info.is_closing { Ok(agreed) } else { Err(error) }
        }
        asked => asked,
    }
}

pub(super) async fn dispute(context: &Context, args: DisputeArgs) -> Result<(), Failure> {
    let info = context.channel(&args.channel).await?;
    let channel = info.channel;
    if !args.yes {
        confirm(&info)?;
    }
    let follow = if args.wait { Some(Follow::start(context, Some(channel), None).await?) } else { None };
    let line = context.out.wait("going to the chain");
    let done = match context.api.channel_dispute(ChannelRef { channel }).await {
        // Who waits for the end of a dispute joins the one that runs.
        Err(_) if args.wait && info.phase == Phase::Disputed => Nothing {},
        done => done?,
    };
    let mut end = None;
    if let Some(follow) = follow {
        let mut waiting = Waiting { context, channel, follow, line };
        let last = waiting
            .until(|info, _| {
                Ok(match (info.phase, &info.dispute) {
                    (Phase::Closed | Phase::Settled, _) => Progress::Done,
                    (_, Some(dispute)) => Progress::Waits(format!(
                        "{} disputed; the period ends at {} of chain time",
                        short(channel),
                        time(dispute.deadline)
                    )),
                    (_, None) => Progress::Waits(format!("{} waiting for the chain", short(channel))),
                })
            })
            .await?;
        end = Some(last.phase);
    } else {
        drop(line);
    }
    context.out.result(&done, |_| match end {
        Some(Phase::Closed) => format!("{} is paid", short(channel)),
        Some(_) => format!("{} is paid but for its locks; the node resolves them", short(channel)),
        None if is_game_there(&info) => format!(
            "the dispute of {0} runs already, and goes to its end now: the peer's coming back does not end it any more; `strait app show {0}` tells whose turn it is",
            short(channel)
        ),
        None => format!(
            "the best state of {} goes to the chain; it is paid after the challenge period",
            short(channel)
        ),
    })?;
    if end.is_none() {
        context.out.note(&format!("`strait channel watch {}` tells what happens", short(channel)));
    }
    Ok(())
}

/// A game that the chain has goes on, or the dispute may end, until it is left for good.
fn is_game_there(info: &ChannelInfo) -> bool {
    info.phase == Phase::Disputed && info.app.is_some()
}

fn confirm(info: &ChannelInfo) -> Result<(), Failure> {
    if is_game_there(info) {
        let question = format!(
            "The chain has {} already; by this the node leaves it for good: the dispute goes to its end even when the peer comes back.\nLeave it? [y/N] ",
            short(info.channel)
        );
        return crate::output::confirm(&question, "a dispute");
    }
    let question = format!(
        "This ends channel {} over the chain: it takes {} and a few transactions.\nWhen the peer is connected, `strait channel close` is faster and cheaper. Go to the chain? [y/N] ",
        short(info.channel),
        duration(info.challenge_duration.into()),
    );
    crate::output::confirm(&question, "a dispute")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Exit;
    use crate::testing::{Fake, channel_info};
    use serde_json::json;
    use std::sync::atomic::{AtomicU32, Ordering};

    fn id() -> String {
        channel_info(0xab).channel.to_string()
    }

    #[tokio::test]
    async fn a_dispute_is_never_begun_unasked() {
        let (context, seen) = Fake::new(false).on("strait_channel_dispute", |_| Ok(json!({}))).start();
        let unsure = DisputeArgs { channel: id(), yes: false, wait: false };
        // Tests have no terminal.
        let failure = dispute(&context, unsure).await.expect_err("not confirmed");
        assert_eq!(failure.exit(), Exit::Usage);
        assert_eq!(seen.asked("strait_channel_dispute").len(), 0);
        dispute(&context, DisputeArgs { channel: id(), yes: true, wait: false }).await.expect("begun");
        assert_eq!(seen.asked("strait_channel_dispute").len(), 1);
    }

    #[tokio::test]
    async fn to_leave_a_game_that_the_chain_has_is_not_called_a_new_dispute() {
        let (context, seen) = Fake::new(false)
            .on("strait_channel_dispute", |_| Ok(json!({})))
            .on("strait_channel_show", |_| {
                let app = Some(strait_types::Address::repeat_byte(7));
                Ok(json!(ChannelInfo { phase: Phase::Disputed, app, ..channel_info(0xab) }))
            })
            .start();
        dispute(&context, DisputeArgs { channel: id(), yes: true, wait: false }).await.expect("ordered");
        assert!(
            seen.text().contains("runs already") && !seen.text().contains("goes to the chain"),
            "{}",
            seen.text()
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_withdrawal_is_waited_for_and_locks_are_not() {
        let busy = |code| move |_| Err(ApiError::new(code, "not now"));
        for (code, asks) in [(ErrorCode::LocksPending, 1..2), (ErrorCode::ChannelBusy, 100..10_000)] {
            let fake = Fake::new(false).on("strait_channel_close", busy(code)).tells([]);
            let (context, seen) = fake.start();
            let failure =
                close(&context, CloseArgs { channel: id(), wait: true }).await.expect_err("it never ends");
            assert_eq!(failure.to_string(), "not now");
            assert!(asks.contains(&seen.asked("strait_channel_close").len()), "{code:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_joins_the_end_that_is_under_way() {
        let looks = AtomicU32::new(0);
        let (context, seen) = Fake::new(false)
            .on("strait_channel_close", |_| Err(ApiError::new(ErrorCode::ChannelNotOpen, "it is closing")))
            .on("strait_channel_dispute", |_| Err(ApiError::new(ErrorCode::ChannelNotOpen, "in dispute")))
            .on("strait_channel_show", move |_| {
                let (phase, is_closing) = match looks.fetch_add(1, Ordering::Relaxed) {
                    0..4 => (Phase::Open, true),
                    4 => (Phase::Closed, false),
                    5..8 => (Phase::Disputed, false),
                    _ => (Phase::Closed, false),
                };
                Ok(json!(ChannelInfo { phase, is_closing, ..channel_info(0xab) }))
            })
            .tells([])
            .tells([])
            .start();
        close(&context, CloseArgs { channel: id(), wait: true }).await.expect("closed");
        assert!(seen.text().contains("both are paid"), "{}", seen.text());
        let args = DisputeArgs { channel: id(), yes: true, wait: true };
        dispute(&context, args).await.expect("paid");
        assert!(seen.text().contains("is paid"), "{}", seen.text());
        for wait in [false, true] {
            // A channel that is neither closing nor in dispute gives no end to join.
            let (context, _) = Fake::new(false)
                .on("strait_channel_dispute", |_| Err(ApiError::new(ErrorCode::ChannelNotOpen, "closed")))
                .tells([])
                .start();
            let args = DisputeArgs { channel: id(), yes: true, wait };
            assert_eq!(dispute(&context, args).await.expect_err("it is over").to_string(), "closed");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_close_is_awaited_until_the_chain_has_paid() {
        let looks = AtomicU32::new(0);
        let (context, seen) = Fake::new(false)
            .on("strait_channel_close", |_| Ok(json!({"version": 8})))
            .on("strait_channel_show", move |_| {
                let mut info = channel_info(0xab);
                info.phase =
                    if looks.fetch_add(1, Ordering::Relaxed) < 4 { Phase::Open } else { Phase::Closed };
                Ok(serde_json::to_value(info).expect("JSON"))
            })
            .tells([])
            .start();
        close(&context, CloseArgs { channel: id(), wait: true }).await.expect("closed");
        assert!(seen.text().contains("both are paid (version 8)"), "{}", seen.text());
        assert!(seen.asked("strait_channel_show").len() >= 5);
    }
}
