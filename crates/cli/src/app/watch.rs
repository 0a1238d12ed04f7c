//! `strait app watch`.

use super::play::{fields, look, pairs};
use crate::channel::events;
use crate::context::Context;
use crate::failure::Failure;
use crate::follow::Follow;
use crate::text::time;
use clap::Args;
use std::pin::pin;
use strait_api::{Event, EventRecord};
use strait_app::Fields;

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  strait app watch 0x1a2b --fields \"uint128 stake, uint8 sticks\"\n  strait app watch 0x1a2b --json | jq -r 'select(.event == \"app_moved\" and .our_turn).position.data'\n  strait app watch 0x1a2b --after CURSOR --json\n\nIt survives restarts of the node and loses nothing. With --json every line is one event; its `cursor` goes on after it."
)]
pub(super) struct WatchArgs {
    /// Its id, or the first digits.
    channel: String,
    /// Types and names of the app data's fields.
    #[arg(long, default_value = "", value_parser = fields, hide_default_value = true)]
    fields: Fields,
    /// Goes on after this event's cursor.
    #[arg(long)]
    after: Option<String>,
}

/// Shows how play stands, for people, and then all that happens in the channel.
pub(super) async fn run(context: &Context, args: WatchArgs) -> Result<(), Failure> {
    let looked = context.channel(&args.channel).await?;
    let channel = looked.channel;
    let assets = context.assets().await?;
    let goes_on = args.after.is_some();
    let mut follow = Follow::start(context, Some(channel), args.after).await?;
    if !goes_on && !context.out.is_json() {
        let info = look(context, channel).await?;
        context
            .out
            .result(&info, |out| format!("{}\n", out.pairs(&pairs(&info, &looked, assets, &args.fields))))?;
    }
    let mut ctrl_c = pin!(tokio::signal::ctrl_c());
    loop {
        tokio::select! {
            record = follow.next() => {
                let record = record?;
                let line = || moved(&record, &args.fields).unwrap_or_else(|| events::line(&record, assets));
                context.out.stream(&record, |_| line())?;
            }
            // It is how watching ends.
            _ = &mut ctrl_c => return Ok(()),
        }
    }
}

/// A move, with its data by their names.
fn moved(record: &EventRecord, fields: &Fields) -> Option<String> {
    let Event::AppMoved { version, is_ours, our_turn, position } = &record.event else { return None };
    let by = events::who(*is_ours);
    let turn = if *our_turn { "our turn" } else { "the peer's turn" };
    let gains: Vec<_> = position.deltas.iter().map(|[zero, one]| format!("{zero}, {one}")).collect();
    let data = fields.show(&position.data);
    Some(format!(
        "{}  version {version} by {by}: {data}; gains {}; {turn}",
        time(record.at_ms / 1_000),
        gains.join("; ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Fake, MAINNET, channel_info};
    use serde_json::{Value, json};
    use strait_api::{ApiError, ErrorCode};

    fn happened(event: &Value) -> Result<Value, ApiError> {
        let mut record = json!({"cursor": "a", "at_ms": 0, "chain_id": MAINNET,
            "channel": channel_info(0xab).channel});
        record.as_object_mut().expect("object").extend(event.as_object().expect("object").clone());
        Ok(record)
    }

    #[tokio::test]
    async fn each_move_is_a_line_with_the_names_of_its_data() {
        let data = format!("0x{:064x}{:064x}", 1_000, 3);
        let position = json!({"writer": 0, "deltas": [["5", "-5"]], "data": data});
        let moved = json!({"event": "app_moved", "version": 2, "is_ours": false, "our_turn": true, "position": position});
        let end = json!({"event": "app_finished", "version": 3, "outcome": [["5", "-5"]]});
        let stopped = Err(ApiError::new(ErrorCode::Stopping, "no more"));
        let (context, seen) = Fake::new(false).tells([happened(&moved), happened(&end), stopped]).start();
        let fields = Fields::read("uint128 stake, uint8 sticks").expect("fields");
        let args =
            WatchArgs { channel: channel_info(0xab).channel.to_string(), fields, after: Some("0".into()) };
        run(&context, args).await.expect_err("it ends");
        let text = seen.text();
        let mut lines = text.lines();
        let first = lines.next().expect("a line");
        assert!(
            first.ends_with("version 2 by the peer: stake 1000, sticks 3; gains 5, -5; our turn"),
            "{first}"
        );
        assert!(lines.next().expect("a line").contains("play ends in version 3: 5, -5"), "{text}");
    }
}
