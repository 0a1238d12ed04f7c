//! The bill as a table, CSV or JSON.

use crate::amount::Assets;
use crate::app::{outcome, told};
use crate::context::Context;
use crate::failure::Failure;
use crate::follow::Follow;
use crate::text::{one_line, printable, short, time};
use clap::Args;
use serde::Serialize;
use serde_json::{Value, json};
use std::pin::pin;
use strait_api::{ChannelInfo, ChannelRef, History, HistoryEntry, HistoryLine, HistoryQuery, Phase};
use strait_app::Fields;
use strait_types::{Address, Amount};

/// Lines of one page.
const PAGE: u32 = 5_000;

#[derive(Args, Debug)]
pub(super) struct LinesArgs {
    /// The channel's id, or the first digits.
    #[arg(required = true)]
    channel: Option<String>,
    /// Prints CSV, for spreadsheets and accounting.
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    /// Goes on with what is agreed from now on, until Ctrl-C.
    #[arg(long)]
    follow: bool,
    /// Types and names of the fields of an app's data, for the moves of a game.
    #[arg(long, default_value = "", value_parser = Fields::read, hide_default_value = true)]
    fields: Fields,
}

/// One operation in CSV. Amounts stand both as people read them and in the smallest unit.
#[derive(Serialize, Debug, Default)]
struct Row {
    version: u64,
    by: &'static str,
    operation: &'static str,
    number: Option<u64>,
    amount: String,
    symbol: String,
    asset: String,
    units: String,
    invoice: String,
    memo: String,
    detail: String,
}

pub(super) async fn run(context: &Context, args: LinesArgs) -> Result<(), Failure> {
    let channel = context.channel(&args.channel.unwrap_or_default()).await?;
    // From before the first page on, so that nothing is missed.
    let follow =
        if args.follow { Some(Follow::start(context, Some(channel.channel), None).await?) } else { None };
    let fields = crate::app::names::fields(context, channel.app, &args.fields);
    let mut printer = Printer {
        context,
        channel: &channel,
        csv: args.csv,
        fields: &fields,
        lines: args.follow,
        is_first: true,
        is_agreed: false,
    };
    let resume = printer.pages(None).await?;
    printer.decided().await?;
    let Some(mut follow) = follow else { return Ok(()) };
    let mut cursor = Some(resume);
    let mut stopped = pin!(crate::stop::asked());
    loop {
        tokio::select! {
            event = follow.next() => {
                event?;
                cursor = Some(printer.pages(cursor).await?);
            }
            // What this node pays has no event.
            () = tokio::time::sleep(std::time::Duration::from_secs(1)) => {
                cursor = Some(printer.pages(cursor).await?);
            }
            () = &mut stopped => return Ok(()),
        }
    }
}

struct Printer<'a> {
    context: &'a Context,
    channel: &'a ChannelInfo,
    csv: bool,
    fields: &'a Fields,
    /// With JSON: each operation on a line of its own.
    lines: bool,
    is_first: bool,
    /// Both have signed the end of a game.
    is_agreed: bool,
}

impl Printer<'_> {
    /// What the chain decided of a game is nothing that both have signed.
    async fn decided(&self) -> Result<(), Failure> {
        let is_paid = matches!(self.channel.phase, Phase::Closed | Phase::Settled);
        let is_shown = !self.csv && !self.context.out.is_json();
        if self.channel.app.is_none() || !is_paid || self.is_agreed || !is_shown {
            return Ok(());
        }
        let play = self.context.api.app_show(ChannelRef { channel: self.channel.channel }).await?;
        let gains = told(&outcome(&play, self.channel), self.channel, self.context.assets().await?);
        self.context.out.raw(&format!("decided by the chain: {gains}"))
    }

    /// Prints all pages after a cursor; gives the cursor that goes on.
    async fn pages(&mut self, mut cursor: Option<String>) -> Result<String, Failure> {
        let mut all = Vec::new();
        loop {
            let query = HistoryQuery { channel: self.channel.channel, cursor, limit: Some(PAGE) };
            let page = self.context.api.history(query).await?;
            let through = page.pruned_through;
            if self.is_first && through > 0 {
                let text = format!("what was agreed up to version {through} was pruned, and is not listed");
                self.context.out.note(&text);
            }
            self.is_agreed |= page.lines.iter().any(|line| matches!(line.entry, HistoryEntry::Finish { .. }));
            if self.context.out.is_json() && !self.lines {
                all.extend(page.lines);
            } else {
                self.print(&page.lines, through > 0).await?;
            }
            match page.next {
                Some(next) => cursor = Some(next),
                None => {
                    if self.context.out.is_json() && !self.lines {
                        let lines: Vec<Value> = all.iter().map(|line| value(line, self.fields)).collect();
                        let (resume, next) = (page.resume.clone(), None);
                        let bill = History { lines: Vec::new(), next, resume, pruned_through: through };
                        let mut bill = json!(bill);
                        bill["lines"] = lines.into();
                        self.context.out.result(&bill, |_| String::new())?;
                    }
                    return Ok(page.resume);
                }
            }
        }
    }

    async fn print(&mut self, lines: &[HistoryLine], is_pruned: bool) -> Result<(), Failure> {
        let out = &self.context.out;
        let is_first = std::mem::replace(&mut self.is_first, false);
        if out.is_json() {
            return lines
                .iter()
                .try_for_each(|line| out.stream(&value(line, self.fields), |_| String::new()));
        }
        let assets = self.context.assets().await?;
        let rows = lines.iter().map(|line| row(line, self.channel, assets, self.fields));
        if self.csv {
            let text = csv(rows, is_first).map_err(Failure::local)?;
            return out.raw(text.trim_end_matches('\n'));
        }
        if lines.is_empty() {
            return if is_first && !self.lines && !is_pruned {
                out.raw("nothing is agreed yet")
            } else {
                Ok(())
            };
        }
        let header = ["VERSION", "BY", "OPERATION", "NUMBER", "AMOUNT", "MEMO"];
        let header: &[&str] = if is_first { &header } else { &[] };
        let cells = rows.map(|row| {
            let amount = if row.symbol.is_empty() && row.units.is_empty() {
                String::new()
            } else if row.symbol.is_empty() {
                format!("{} units of {}", row.units, row.asset)
            } else {
                format!("{} {}", row.amount, row.symbol)
            };
            let number = row.number.map(|number| number.to_string()).unwrap_or_default();
            let memo = if row.memo.is_empty() { row.detail } else { one_line(&row.memo) };
            vec![row.version.to_string(), row.by.into(), row.operation.into(), number, amount, memo]
        });
        out.raw(&out.table(header, cells))
    }
}

fn csv(rows: impl Iterator<Item = Row>, has_header: bool) -> Result<String, csv::Error> {
    let mut writer = csv::WriterBuilder::new().has_headers(false).from_writer(Vec::new());
    if has_header {
        writer.write_record([
            "version",
            "by",
            "operation",
            "number",
            "amount",
            "symbol",
            "asset",
            "units",
            "invoice",
            "memo",
            "detail",
        ])?;
    }
    for mut row in rows {
        // Of the peer's making, and a terminal may be what reads it.
        row.memo = printable(&row.memo);
        row.detail = printable(&row.detail);
        writer.serialize(row)?;
    }
    writer.flush()?;
    let bytes = writer.into_inner().map_err(|error| csv::Error::from(error.into_error()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn row(line: &HistoryLine, channel: &ChannelInfo, assets: &Assets, fields: &Fields) -> Row {
    let mut row =
        Row { version: line.version, by: if line.is_ours { "us" } else { "peer" }, ..Row::default() };
    match &line.entry {
        HistoryEntry::Restored { missing_made, missing_received } => {
            row.restored(*missing_made, *missing_received);
        }
        HistoryEntry::Rebase => {
            row.by = "both";
            row.operation = "signed again";
            row.detail = "after a restore, under a number that no earlier version can reach".into();
        }
        HistoryEntry::Pay { number, asset, amount, invoice, memo } => {
            row.operation = "pay";
            row.number = Some(*number);
            row.invoice = invoice.map(|invoice| invoice.to_string()).unwrap_or_default();
            row.memo.clone_from(memo);
            row.money(channel, assets, *asset, *amount);
        }
        HistoryEntry::AddLock { number, asset, amount, hash, expiry } => {
            row.operation = "lock";
            row.number = Some(*number);
            row.detail = format!("until {}, hash {hash}", time(*expiry));
            row.money(channel, assets, *asset, *amount);
        }
        HistoryEntry::SettleLock { number, preimage } => {
            row.operation = "lock paid";
            row.number = Some(*number);
            row.detail = format!("secret {preimage}");
        }
        HistoryEntry::CancelLock { number } => {
            row.operation = "lock given back";
            row.number = Some(*number);
        }
        HistoryEntry::Withdraw { to_us, asset, amount, valid_until } => {
            row.operation = "withdraw";
            let to = if *to_us { "us" } else { "the peer" };
            row.detail = format!("to {to}, until {}", time(*valid_until));
            row.money(channel, assets, *asset, *amount);
        }
        HistoryEntry::OpenChild { number, child, asset, stakes: [zero, one], app } => {
            row.operation = "open child";
            row.number = Some(*number);
            let app = app.map(|app| format!(", app {app}")).unwrap_or_default();
            row.detail = format!("child {child}{app}");
            row.money(channel, assets, *asset, zero.checked_add(*one).unwrap_or(Amount::MAX));
        }
        HistoryEntry::CloseChild { child, outcome: [zero, one] } => {
            row.operation = "close child";
            row.close_child(channel, assets, &child.to_string(), [*zero, *one]);
        }
        HistoryEntry::HandOver => row.operation = "hand over",
        HistoryEntry::Finalise { valid_until } => {
            row.operation = "close";
            row.detail = format!("until {}", time(*valid_until));
        }
        HistoryEntry::Move { position } => {
            row.operation = "move";
            let turn = if position.writer == channel.side { "our turn" } else { "the peer's turn" };
            row.detail = format!(
                "{}; so far {}; {turn}",
                fields.show(&position.data),
                told(&position.deltas, channel, assets)
            );
        }
        HistoryEntry::Finish { outcome } => {
            row.operation = "end of play";
            row.detail = told(outcome, channel, assets);
        }
    }
    row
}

/// A move with its data by their names, for programs.
fn value(line: &HistoryLine, fields: &Fields) -> Value {
    let value = json!(line);
    match &line.entry {
        HistoryEntry::Move { position } => crate::app::with_fields(value, position, fields),
        _ => value,
    }
}

fn payments(count: u64) -> String {
    if count == 1 { "1 payment".to_owned() } else { format!("{count} payments") }
}

impl Row {
    fn restored(&mut self, missing_made: u64, missing_received: u64) {
        self.by = "both";
        self.operation = "restored";
        self.detail = format!(
            "from a backup: items between it and this version are missing here, {} made and {missing_received} received; the balances are right, and the peer's bill has the items",
            payments(missing_made)
        );
    }

    fn close_child(&mut self, channel: &ChannelInfo, assets: &Assets, child: &str, parts: [Amount; 2]) {
        // The line does not name the asset; most channels have one.
        if let [balance] = &channel.balances[..] {
            let [zero, one] = parts.map(|part| assets.write(channel.chain_id, balance.asset, part));
            self.detail = format!("child {child}, {zero} to its participant 0 and {one} to 1");
            self.money(channel, assets, balance.asset, parts[0].checked_add(parts[1]).unwrap_or(Amount::MAX));
        } else {
            let [zero, one] = parts;
            self.detail =
                format!("child {child}, {zero} of the smallest unit to its participant 0 and {one} to 1");
        }
    }

    fn money(&mut self, channel: &ChannelInfo, assets: &Assets, asset: Address, amount: Amount) {
        if let Some((symbol, decimals)) = assets.unit(channel.chain_id, asset) {
            self.amount = amount.format_decimal(decimals);
            self.symbol = symbol.to_owned();
        }
        self.asset = asset.to_string();
        self.units = amount.to_string();
    }
}

/// The name of a file for a channel's bill.
pub(super) fn file_name(channel: &ChannelInfo) -> String {
    format!("bill-{}.json", short(channel.channel))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Fake, USDC, channel_info};

    fn pay(version: u64, amount: &str, memo: &str) -> Value {
        json!({"version": version, "is_ours": true, "operation": "pay", "number": version - 1, "asset": USDC,
            "amount": amount, "invoice": null, "memo": memo})
    }

    fn fake(json: bool) -> Fake {
        Fake::new(json).on("strait_history", |asked| {
            Ok(match asked["cursor"].as_str() {
                None => json!({"lines": [pay(1, "1500000", "tea, \"green\"")], "next": "2", "resume": "2"}),
                Some("2") => json!({"lines": [
                    pay(2, "1", "a\u{1b}[2J"), {"version": 3, "is_ours": false, "operation": "hand_over"},
                ], "next": null, "resume": "3"}),
                _ => json!({"lines": [], "next": null, "resume": "3"}),
            })
        })
    }

    fn args(csv: bool) -> LinesArgs {
        LinesArgs {
            channel: Some(channel_info(0xab).channel.to_string()),
            csv,
            follow: false,
            fields: Fields::default(),
        }
    }

    #[tokio::test]
    async fn csv_has_exact_amounts_one_header_and_quoted_memos() {
        let (context, seen) = fake(false).start();
        run(&context, args(true)).await.expect("printed");
        let text = seen.text();
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let header = reader.headers().expect("a header").clone();
        let records: Vec<_> = reader.records().map(|record| record.expect("a record")).collect();
        assert_eq!(records.len(), 3);
        let field = |record: usize, name: &str| {
            let column = header.iter().position(|column| column == name).expect(name);
            records[record][column].to_owned()
        };
        assert_eq!(
            (field(0, "amount"), field(0, "symbol"), field(0, "units")),
            ("1.5".into(), "USDC".into(), "1500000".into())
        );
        assert_eq!(field(0, "memo"), "tea, \"green\"");
        assert_eq!((field(1, "amount"), field(2, "operation")), ("0.000001".into(), "hand over".into()));
        assert!(!text.contains('\u{1b}'), "a peer's text steers no terminal: {text}");
    }

    #[tokio::test]
    async fn json_is_one_value_over_all_pages() {
        let (context, seen) = fake(true).start();
        run(&context, args(false)).await.expect("printed");
        let bill: History = serde_json::from_str(&seen.text()).expect("one value");
        assert_eq!((bill.lines.len(), bill.resume.as_str()), (3, "3"));
    }

    #[tokio::test]
    async fn a_game_is_told_from_this_side_and_with_what_the_chain_decided() {
        let game = |json: bool| {
            let app = strait_types::Address::repeat_byte(7);
            let channel = move || {
                let mut info =
                    ChannelInfo { app: Some(app), phase: Phase::Closed, side: 1, ..channel_info(0xab) };
                info.balances.truncate(1);
                (info.balances[0].own, info.balances[0].peer) = (Amount::from(1_500), Amount::from(500));
                info
            };
            let position = json!({"writer": 1, "deltas": [["-5", "5"]], "data": format!("0x{:064x}", 9)});
            let line = json!({"version": 2, "is_ours": false, "operation": "move", "position": position});
            let play = json!({"channel": channel().channel, "app": app, "side": 1, "version": 2,
                "stakes": [["1000", "1000"]], "position": position, "our_turn": false, "in_flight": false,
                "deadline": null, "offer": null});
            Fake::new(json)
                .on("strait_channel_show", move |_| Ok(json!(channel())))
                .on("strait_app_show", move |_| Ok(play.clone()))
                .on("strait_history", move |_| Ok(json!({"lines": [line], "next": null, "resume": "1"})))
        };
        let args = || LinesArgs { fields: Fields::read("uint256 sticks").expect("fields"), ..args(false) };
        let (context, seen) = game(false).start();
        run(&context, args()).await.expect("printed");
        let text = seen.text();
        for part in [
            "sticks 9; so far this node gains 0.000000000000000005 ETH from the peer; our turn",
            "decided by the chain: this node gains 0.0000000000000005 ETH from the peer",
        ] {
            assert!(text.contains(part), "{part} is missing in {text}");
        }
        let (context, seen) = game(true).start();
        run(&context, args()).await.expect("printed");
        let bill: Value = serde_json::from_str(&seen.text()).expect("one value");
        assert_eq!(bill["lines"][0]["position"]["fields"], json!({"sticks": "9"}));
    }

    #[tokio::test]
    async fn a_pruned_bill_says_from_where_on_it_tells() {
        for json in [true, false] {
            let (context, seen) = Fake::new(json)
                .on("strait_history", |_| {
                    Ok(json!({"lines": [], "next": null, "resume": "3", "pruned_through": 9}))
                })
                .start();
            run(&context, args(false)).await.expect("printed");
            let told: Value = serde_json::from_str(&seen.text()).unwrap_or_default();
            assert_eq!(told["pruned_through"].as_u64(), json.then_some(9));
            assert!(!seen.text().contains("nothing is agreed"), "{}", seen.text());
        }
    }

    #[tokio::test]
    async fn following_ends_when_nobody_reads_any_more() {
        for json in [false, true] {
            let context = fake(json).tells([]).unread(json);
            let failure = run(&context, LinesArgs { follow: true, ..args(false) }).await.expect_err("an end");
            assert!(failure.is_unread(), "{failure}");
        }
    }

    #[tokio::test]
    async fn a_table_shows_memos_that_cannot_steer_the_terminal() {
        let (context, seen) = fake(false).start();
        run(&context, args(false)).await.expect("printed");
        assert!(
            seen.text().contains("1.5 USDC") && seen.text().contains("tea, \"green\""),
            "{}",
            seen.text()
        );
        assert!(!seen.text().contains('\u{1b}'));
    }
}
