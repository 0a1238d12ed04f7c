//! `strait channel watch`.

use super::events;
use crate::context::Context;
use crate::failure::Failure;
use crate::follow::Follow;
use clap::Args;
use std::pin::pin;

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  strait channel watch\n  strait channel watch 0x1a2b\n  strait channel watch --json | jq 'select(.event == \"received\")'\n  strait channel watch --after CURSOR --json\n\nIt survives restarts of the node and loses nothing. With --json every line is one event; its `cursor` goes on after it."
)]
pub(super) struct WatchArgs {
    /// Only this channel: its id, or the first digits.
    channel: Option<String>,
    /// Goes on after this event's cursor.
    #[arg(long)]
    after: Option<String>,
}

pub(super) async fn run(context: &Context, args: WatchArgs) -> Result<(), Failure> {
    let channel = match &args.channel {
        Some(text) => Some(context.channel(text).await?.channel),
        None => None,
    };
    let assets = context.assets().await?;
    let mut follow = Follow::start(context, channel, args.after).await?;
    let mut ctrl_c = pin!(tokio::signal::ctrl_c());
    loop {
        tokio::select! {
            event = follow.next() => {
                let event = event?;
                context.out.stream(&event, |_| events::line(&event, assets))?;
            }
            // It is how watching ends.
            _ = &mut ctrl_c => return Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Fake, MAINNET};
    use serde_json::json;

    #[tokio::test]
    async fn it_ends_when_nobody_reads_any_more() {
        for json in [false, true] {
            let event =
                json!({"cursor": "a", "at_ms": 0, "chain_id": MAINNET, "channel": null, "event": "ready"});
            let context = Fake::new(json).tells([Ok(event)]).unread(json);
            let failure = run(&context, WatchArgs { channel: None, after: None }).await.expect_err("an end");
            assert!(failure.is_told(), "{failure}");
        }
    }
}
