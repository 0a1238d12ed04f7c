//! `strait channel watch`.

use super::events::{self, Place, needs_place};
use crate::context::Context;
use crate::failure::Failure;
use crate::follow::Follow;
use clap::Args;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::pin::pin;
use std::time::Duration;
use strait_api::{ChannelInfo, ChannelList, ChannelRef, EventRecord, HistoryEntry, HistoryQuery};
use strait_app::Fields;
use strait_types::ChannelId;

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  strait channel watch\n  strait channel watch 0x1a2b\n  strait channel watch --json | jq 'select(.event == \"received\")'\n  strait channel watch --after CURSOR --json\n\nThis node's own payments are shown, too, a second later; they are no events, so that --json has none of them. It survives restarts of the node and loses nothing. With --json every line is one event; its `cursor` goes on after it."
)]
pub(super) struct WatchArgs {
    /// Only this channel: its id, or the first digits.
    channel: Option<String>,
    /// Goes on after this event's cursor.
    #[arg(long)]
    after: Option<String>,
}

/// How often it is looked for payments of this node, which have no events.
const LOOK: Duration = Duration::from_secs(1);
/// Channels that are looked at, and lines of history in one page.
const MOST_CHANNELS: u32 = 1_000;
const PAGE: u32 = 5_000;

/// Payments of this node: people want to see them beside what happens, and programs know what they pay.
struct OwnPayments {
    channel: Option<ChannelId>,
    seen: HashMap<ChannelId, Seen>,
}

#[derive(Default)]
struct Seen {
    payments: u64,
    cursor: Option<String>,
}

impl OwnPayments {
    async fn start(context: &Context, channel: Option<ChannelId>) -> Result<OwnPayments, Failure> {
        let mut own = OwnPayments { channel, seen: HashMap::new() };
        if !context.out.is_json() {
            for info in own.channels(context).await? {
                own.seen.insert(info.channel, Seen { payments: info.payments_made, cursor: None });
            }
        }
        Ok(own)
    }

    async fn channels(&self, context: &Context) -> Result<Vec<ChannelInfo>, Failure> {
        match self.channel {
            Some(channel) => Ok(vec![context.api.channel_show(ChannelRef { channel }).await?]),
            None => {
                let newest = ChannelList { limit: Some(MOST_CHANNELS), ..ChannelList::default() };
                Ok(context.api.channel_list(newest).await?.channels)
            }
        }
    }

    /// Prints what was paid since the last look. A node that is away is waited for by the events.
    async fn look(&mut self, context: &Context) -> Result<(), Failure> {
        let Ok(channels) = self.channels(context).await else { return Ok(()) };
        for info in channels {
            let seen = self.seen.entry(info.channel).or_default();
            if info.payments_made > seen.payments {
                seen.print(context, &info).await?;
            }
        }
        Ok(())
    }
}

impl Seen {
    async fn print(&mut self, context: &Context, info: &ChannelInfo) -> Result<(), Failure> {
        let assets = context.assets().await?;
        loop {
            let query =
                HistoryQuery { channel: info.channel, cursor: self.cursor.clone(), limit: Some(PAGE) };
            let Ok(page) = context.api.history(query).await else { return Ok(()) };
            for line in page.lines.iter().filter(|line| line.is_ours) {
                let HistoryEntry::Pay { number, asset, amount, memo, .. } = &line.entry else { continue };
                if *number < self.payments {
                    continue;
                }
                self.payments = number.saturating_add(1);
                let amount = assets.write(info.chain_id, *asset, *amount);
                context.out.raw(&events::paid(info.channel, *number, &amount, memo))?;
            }
            self.cursor = Some(page.resume);
            if page.next.is_none() {
                return Ok(());
            }
        }
    }
}

/// The channels of games that something has happened in, and what their data are called.
#[derive(Default)]
struct Places(HashMap<ChannelId, (ChannelInfo, Fields)>);

impl Places {
    /// Where an event happened, if that makes it easier to read. A node that does not say is no reason not to tell the event.
    async fn of(&mut self, context: &Context, record: &EventRecord) -> Option<Place<'_>> {
        let channel = record.channel.filter(|_| !context.out.is_json() && needs_place(&record.event))?;
        let (channel, fields) = match self.0.entry(channel) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => {
                let info = context.api.channel_show(ChannelRef { channel }).await.ok()?;
                let fields = crate::app::names::fields(context, info.app, &Fields::default());
                place.insert((info, fields))
            }
        };
        Some(Place { channel, fields })
    }
}

pub(super) async fn run(context: &Context, args: WatchArgs) -> Result<(), Failure> {
    let channel = match &args.channel {
        Some(text) => Some(context.channel(text).await?.channel),
        None => None,
    };
    let assets = context.assets().await?;
    let mut follow = Follow::start(context, channel, args.after).await?;
    let mut own = OwnPayments::start(context, channel).await?;
    let mut places = Places::default();
    let mut looks = tokio::time::interval(LOOK);
    let mut stopped = pin!(crate::stop::asked());
    loop {
        tokio::select! {
            _ = looks.tick(), if !context.out.is_json() => own.look(context).await?,
            event = follow.next() => {
                let event = event?;
                let place = places.of(context, &event).await;
                context.out.stream(&event, |_| events::line(&event, assets, place.as_ref()))?;
            }
            // It is how watching ends.
            () = &mut stopped => return Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Fake, MAINNET, USDC, channel_info};
    use serde_json::json;
    use std::sync::atomic::{AtomicU64, Ordering};

    #[tokio::test]
    async fn it_ends_when_nobody_reads_any_more() {
        for json in [false, true] {
            let event =
                json!({"cursor": "a", "at_ms": 0, "chain_id": MAINNET, "channel": null, "event": "ready"});
            let none = |_| Ok(json!({"channels": [], "next": null}));
            let context = Fake::new(json).on("strait_channel_list", none).tells([Ok(event)]).unread(json);
            let failure = run(&context, WatchArgs { channel: None, after: None }).await.expect_err("an end");
            assert!(failure.is_unread(), "{failure}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_this_node_pays_is_shown_beside_what_happens() {
        let looks = AtomicU64::new(0);
        let pay = |number: u64| {
            json!({"version": 9 + number, "is_ours": true, "operation": "pay", "number": number, "asset": USDC,
                "amount": "1500000", "invoice": null, "memo": "tea"})
        };
        let (context, seen) = Fake::new(false)
            .on("strait_channel_show", move |_| {
                // Three are made before it watches.
                let payments_made = if looks.fetch_add(1, Ordering::Relaxed) < 3 { 3 } else { 4 };
                Ok(json!(ChannelInfo { payments_made, ..channel_info(0xab) }))
            })
            .on("strait_history", move |_| {
                Ok(json!({"lines": [pay(2), pay(3)], "next": null, "resume": "4"}))
            })
            .tells([])
            .start();
        let args = WatchArgs { channel: Some(channel_info(0xab).channel.to_string()), after: None };
        let watched = tokio::time::timeout(Duration::from_secs(30), run(&context, args)).await;
        assert!(watched.is_err(), "it goes on");
        let text = seen.text();
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(text.contains("paid 1.5 USDC, payment 3: tea"), "{text}");
    }
}
