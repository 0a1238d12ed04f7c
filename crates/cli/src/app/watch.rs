//! `strait app watch`.

use super::fields;
use super::finish::told;
use super::play::{look, with_fields};
use super::state::pairs;
use crate::amount::Assets;
use crate::channel::events;
use crate::context::Context;
use crate::failure::Failure;
use crate::follow::Follow;
use crate::text::{short, time};
use clap::Args;
use serde_json::json;
use std::pin::pin;
use strait_api::{
    AppPosition, ChannelInfo, ChannelRef, Event, EventRecord, HistoryEntry, HistoryQuery, Phase,
};
use strait_app::Fields;

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  strait app watch 0x1a2b --fields \"uint128 stake, uint8 sticks\"\n  strait app watch 0x1a2b --json | jq -r 'select(.event == \"app_moved\" and .our_turn).position.data'\n  strait app watch 0x1a2b --after CURSOR --json\n\nPeople are shown what was played before and how play stands first. It ends when the game is closed, survives restarts of the node and loses nothing. With --json every line is one event; its `cursor` goes on after it."
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

/// Lines of history in one page.
const PAGE: u32 = 1_000;

/// Shows what was played before and how play stands, for people, and then all that happens until the game is closed.
pub(super) async fn run(context: &Context, args: WatchArgs) -> Result<(), Failure> {
    let looked = context.channel(&args.channel).await?;
    let assets = context.assets().await?;
    let goes_on = args.after.is_some();
    let fields = super::names::fields(context, looked.app, &args.fields);
    let mut watch = Watch { context, fields: &fields, channel: looked, assets };
    let mut follow = Follow::start(context, Some(watch.channel.channel), args.after).await?;
    if !goes_on {
        watch.before().await?;
        if watch.channel.phase == Phase::Closed {
            return Ok(());
        }
    }
    let mut stopped = pin!(crate::stop::asked());
    loop {
        tokio::select! {
            record = follow.next() => {
                if watch.tell(record?).await? {
                    return Ok(());
                }
            }
            // It is how watching ends.
            () = &mut stopped => return Ok(()),
        }
    }
}

struct Watch<'a> {
    context: &'a Context,
    fields: &'a Fields,
    channel: ChannelInfo,
    assets: &'a Assets,
}

impl Watch<'_> {
    /// What people want to know who come late; programs ask for the history.
    async fn before(&mut self) -> Result<(), Failure> {
        if self.context.out.is_json() {
            return Ok(());
        }
        let mut query = HistoryQuery { channel: self.channel.channel, cursor: None, limit: Some(PAGE) };
        loop {
            let page = self.context.api.history(query.clone()).await?;
            for line in &page.lines {
                if let HistoryEntry::Move { position } = &line.entry {
                    let told = self.moved(line.version, line.is_ours, None, position);
                    self.context.out.raw(&told)?;
                }
            }
            match page.next {
                Some(next) => query.cursor = Some(next),
                None => break,
            }
        }
        self.stands().await
    }

    async fn stands(&mut self) -> Result<(), Failure> {
        self.channel = self.context.api.channel_show(ChannelRef { channel: self.channel.channel }).await?;
        let info = look(self.context, self.channel.channel).await?;
        let pairs = pairs(&info, &self.channel, self.assets, self.fields);
        self.context.out.raw(&format!("{}\n", self.context.out.pairs(&pairs)))
    }

    /// Tells an event; whether it is the last.
    async fn tell(&mut self, record: EventRecord) -> Result<bool, Failure> {
        let out = &self.context.out;
        let is_last = matches!(record.event, Event::PhaseChanged { phase: Phase::Closed });
        if out.is_json() {
            let value = match &record.event {
                Event::AppMoved { position, .. } => with_fields(json!(record), position, self.fields),
                _ => json!(record),
            };
            out.stream(&value, |_| String::new())?;
            return Ok(is_last);
        }
        out.raw(&self.line(&record))?;
        if is_last {
            self.stands().await?;
        }
        Ok(is_last)
    }

    fn line(&self, record: &EventRecord) -> String {
        let at = time(record.at_ms / 1_000);
        let id = short(self.channel.channel);
        let gains = |outcome: &[[String; 2]]| told(outcome, &self.channel, self.assets);
        match &record.event {
            Event::AppMoved { version, is_ours, our_turn, position } => {
                format!("{at}  {}", self.moved(*version, *is_ours, Some(*our_turn), position))
            }
            Event::AppFinishOffered { version, outcome } => format!(
                "{at}  the peer would end play at version {version}: {}; `strait app finish {id} --accept` agrees",
                gains(outcome)
            ),
            Event::AppFinished { version, outcome } => {
                format!("{at}  both have signed the end, version {version}: {}", gains(outcome))
            }
            Event::AppEnded { outcome } => format!("{at}  the game has ended: {}", gains(outcome)),
            _ => {
                let place = events::Place { channel: &self.channel, fields: self.fields };
                events::line(record, self.assets, Some(&place))
            }
        }
    }

    /// A move, with its data by their names.
    fn moved(&self, version: u64, is_ours: bool, our_turn: Option<bool>, position: &AppPosition) -> String {
        let by = events::who(is_ours);
        let our_turn = our_turn.unwrap_or(position.writer == self.channel.side);
        let turn = if our_turn { "our turn" } else { "the peer's turn" };
        let data = self.fields.show(&position.data);
        let gains = if position.deltas.iter().flatten().all(|delta| delta == "0") {
            String::new()
        } else {
            format!("; {}", told(&position.deltas, &self.channel, self.assets))
        };
        format!("version {version} by {by}: {data}{gains}; {turn}")
    }
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
        let (context, seen) = Fake::new(false)
            .on("strait_channel_show", |_| Ok(json!(channel_info(0xab))))
            .tells([happened(&moved), happened(&end), stopped])
            .start();
        let fields = Fields::read("uint128 stake, uint8 sticks").expect("fields");
        let args =
            WatchArgs { channel: channel_info(0xab).channel.to_string(), fields, after: Some("0".into()) };
        run(&context, args).await.expect_err("it ends");
        let text = seen.text();
        let mut lines = text.lines();
        let first = lines.next().expect("a line");
        assert!(
            first.ends_with(
                "version 2 by the peer: stake 1000, sticks 3; this node gains 0.000000000000000005 ETH from the peer; our turn"
            ),
            "{first}"
        );
        assert!(
            lines.next().expect("a line").contains("both have signed the end, version 3: this node gains"),
            "{text}"
        );
    }

    fn game(phase: &str, json: bool) -> Fake {
        let mut channel = json!(channel_info(0xab));
        channel["phase"] = json!(phase);
        let data = format!("0x{:064x}{:064x}", 1_000, 0);
        let position = json!({"writer": 1, "deltas": [["0", "0"]], "data": data});
        let line = json!({"version": 4, "is_ours": true, "operation": "move", "position": position});
        let play = json!({"channel": channel_info(0xab).channel, "app": MAINNET_APP, "side": 0, "version": 4,
            "stakes": [["1000", "1000"], ["0", "0"]], "position": position, "our_turn": false, "in_flight": false,
            "deadline": null, "offer": null});
        Fake::new(json)
            .on("strait_channel_show", move |_| Ok(channel.clone()))
            .on("strait_app_show", move |_| Ok(play.clone()))
            .on("strait_history", move |_| Ok(json!({"lines": [line], "next": null, "resume": "1"})))
    }

    const MAINNET_APP: &str = "0x0707070707070707070707070707070707070707";

    fn args(after: Option<&str>) -> WatchArgs {
        let fields = Fields::read("uint128 stake, uint8 sticks").expect("fields");
        WatchArgs { channel: channel_info(0xab).channel.to_string(), fields, after: after.map(str::to_owned) }
    }

    #[tokio::test]
    async fn who_comes_late_is_told_what_was_played_and_a_closed_game_is_not_waited_for() {
        let (context, seen) = game("closed", false).tells([]).start();
        run(&context, args(None)).await.expect("nothing more will happen");
        let text = seen.text();
        assert!(text.starts_with("version 4 by this node: stake 1000, sticks 0; the peer's turn"), "{text}");
        assert!(text.contains("the game is over") && text.contains("outcome"), "{text}");
    }

    #[tokio::test]
    async fn it_ends_with_the_game_and_json_has_the_fields() {
        let position =
            json!({"writer": 0, "deltas": [["0", "0"]], "data": format!("0x{:064x}{:064x}", 1_000, 3)});
        let moved = json!({"event": "app_moved", "version": 2, "is_ours": false, "our_turn": true, "position": position});
        let closed = json!({"event": "phase_changed", "phase": "closed"});
        let (context, seen) = game("open", true).tells([happened(&moved), happened(&closed)]).start();
        run(&context, args(None)).await.expect("closed");
        let lines: Vec<Value> =
            seen.text().lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        assert_eq!(lines[0]["position"]["fields"], json!({"stake": "1000", "sticks": "3"}));
        assert_eq!((lines.len(), &lines[1]["event"]), (2, &json!("phase_changed")));
    }
}
