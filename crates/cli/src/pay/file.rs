//! Many payments from a file.

mod rows;

use super::random_key;
use crate::context::Context;
use crate::failure::Failure;
use crate::output::tell;
use crate::text::{one_line, short};
use rows::{Row, items, read};
use serde::Serialize;
use std::path::Path;
use strait_api::{ApiError, ChannelInfo, ErrorCode, PaidMany, PayItem, PayMany, PayResult};

/// Most payments in one call.
const CHUNK: usize = 1_000;

/// What became of one line.
#[derive(Serialize)]
struct Line {
    /// In the file, from 1.
    line: u64,
    amount: String,
    memo: String,
    /// The key had ended the line so before: nothing was paid now.
    was_paid_before: bool,
    #[serde(flatten)]
    end: End,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum End {
    /// The call failed as a whole: the line may be paid or not.
    Unknown { code: ErrorCode, message: String, hint: String },
    /// It was not asked for, as an earlier call failed or the peer is away; or the peer was not there to take it.
    NotSent { hint: String },
    /// The node says.
    #[serde(untagged)]
    Known(PayResult),
}

/// What became of all.
#[derive(Serialize)]
struct Report {
    /// Makes a repetition with the same file pay nothing twice.
    key: String,
    /// Those that were paid before included.
    paid: usize,
    paid_before: usize,
    failed: usize,
    unknown: usize,
    not_sent: usize,
    /// Why the rest is not sent, where the peer is away.
    #[serde(skip_serializing_if = "Option::is_none")]
    peer_offline: Option<String>,
    lines: Vec<Line>,
}

/// What became of the items.
#[derive(Default)]
struct Ends {
    /// One per item, and whether it is that of an earlier run.
    of_items: Vec<(End, bool)>,
    /// What is said of the peer that is away.
    peer_offline: Option<String>,
}

impl Ends {
    /// Takes what a call did for the items at these places from `start` on; gives the places for which the peer was away, and what
    /// was said of it.
    fn take(&mut self, start: usize, places: Vec<usize>, done: PaidMany) -> (Vec<usize>, Option<String>) {
        let (mut away, mut why) = (Vec::new(), None);
        for (place, result) in places.into_iter().zip(done.results) {
            match result {
                PayResult::Failed { code: ErrorCode::PeerOffline, message, .. } => {
                    away.push(place);
                    why = Some(message);
                }
                result => self.set(start + place, End::Known(result), done.was_paid_before),
            }
        }
        (away, why)
    }

    fn set(&mut self, place: usize, end: End, was_told: bool) {
        if let Some(held) = self.of_items.get_mut(place) {
            *held = (end, was_told);
        }
    }
}

/// Reads everything first, so that a mistake in the last line pays nothing; then pays in order.
pub(super) async fn run(
    context: &Context,
    channel: &ChannelInfo,
    path: &Path,
    key: Option<String>,
) -> Result<(), Failure> {
    let assets = context.assets().await?;
    let rows = read(path)?;
    let items = items(&rows, assets, channel)?;
    let key = match key {
        Some(key) => key,
        None => {
            let key = random_key()?;
            // Before the first payment: whoever interrupts this needs it.
            if context.out.is_json() {
                tell(&serde_json::json!({ "key": key }).to_string());
            } else {
                tell(&format!("key {key}: with the same file and --key {key} no line is paid twice"));
            }
            key
        }
    };
    let Ends { of_items, peer_offline } = pay(context, channel, &items, &key).await;
    let line = |((line, row), (end, was_told)): ((u64, Row), (End, bool))| {
        let was_paid_before = was_told && end.is_paid();
        Line { line, amount: row.amount, memo: row.memo, was_paid_before, end }
    };
    let report = Report::new(key, peer_offline, rows.into_iter().zip(of_items).map(line).collect());
    print(context, channel, &report)?;
    if report.paid < report.lines.len() {
        Err(Failure::local("not all lines were paid").told())
    } else {
        Ok(())
    }
}

/// What follows a failed call, or finds the peer away, is not sent.
async fn pay(context: &Context, channel: &ChannelInfo, items: &[PayItem], key: &str) -> Ends {
    let line = context.out.count(items.len() as u64);
    let mut ends = Ends::default();
    let mut goes_on = true;
    for (index, chunk) in items.chunks(CHUNK).enumerate() {
        if goes_on {
            goes_on = pay_chunk(context, channel, chunk, (key, index), &mut ends).await;
            line.advance(chunk.len() as u64);
        } else {
            ends.of_items.extend(chunk.iter().map(|_| (not_sent(key), false)));
        }
    }
    ends
}

/// Pays one chunk, and tells whether the next one may follow. What an earlier run found the peer away for has that end under its
/// key for good, so that it is asked for again with a key of the next round, which every run derives alike.
async fn pay_chunk(
    context: &Context,
    channel: &ChannelInfo,
    chunk: &[PayItem],
    (key, index): (&str, usize),
    ends: &mut Ends,
) -> bool {
    let start = ends.of_items.len();
    ends.of_items.extend(chunk.iter().map(|_| (not_sent(key), false)));
    let mut open: Vec<usize> = (0..chunk.len()).collect();
    for round in 0_u64.. {
        let payments = open.iter().filter_map(|place| chunk.get(*place).cloned()).collect();
        let call_key = if round == 0 { format!("{key}/{index}") } else { format!("{key}/{index}/{round}") };
        let request = PayMany { channel: channel.channel, payments, idempotency_key: Some(call_key) };
        let done = match context.api.pay_many(request).await {
            Ok(done) => done,
            // Nothing of it was made, and its key is free again.
            Err(error) if error.code == ErrorCode::PeerOffline => {
                ends.peer_offline = Some(error.message);
                return false;
            }
            Err(error) => {
                open.iter().for_each(|place| ends.set(start + place, unknown(&error, key), false));
                return false;
            }
        };
        let was_told = done.was_paid_before;
        let (away, why) = ends.take(start, open, done);
        if away.is_empty() {
            return true;
        }
        if !was_told {
            ends.peer_offline = why;
            return false;
        }
        open = away;
    }
    true
}

fn unknown(error: &ApiError, key: &str) -> End {
    End::Unknown { code: error.code, message: error.message.clone(), hint: repeat(key) }
}

fn not_sent(key: &str) -> End {
    End::NotSent { hint: repeat(key) }
}

/// A repetition gives each call the same end as before, and carries out what has none.
fn repeat(key: &str) -> String {
    format!("repeat the same file with --key {key}: no line is paid twice")
}

impl Report {
    fn new(key: String, peer_offline: Option<String>, lines: Vec<Line>) -> Report {
        let count = |is: fn(&End) -> bool| lines.iter().filter(|line| is(&line.end)).count();
        Report {
            key,
            paid: count(End::is_paid),
            paid_before: lines.iter().filter(|line| line.was_paid_before).count(),
            failed: count(|end| matches!(end, End::Known(PayResult::Failed { .. }))),
            unknown: count(|end| matches!(end, End::Unknown { .. })),
            not_sent: count(|end| matches!(end, End::NotSent { .. })),
            peer_offline,
            lines,
        }
    }

    /// What to do about lines that are not paid.
    fn next(&self) -> Option<String> {
        let repeat = repeat(&self.key);
        let then = "lines that it reports as not paid then go into a new file with a new key";
        match &self.peer_offline {
            Some(why) => Some(format!("{why}\nnext: when the peer is back, {repeat}; {then}")),
            None if self.unknown > 0 => Some(format!("next: {repeat}; {then}")),
            None => (self.failed > 0).then(|| {
                "next: put the lines that are not paid into a new file, with a new key; this key reports the same again"
                    .to_owned()
            }),
        }
    }
}

impl End {
    fn is_paid(&self) -> bool {
        matches!(self, End::Known(PayResult::Paid { .. }))
    }

    fn text(&self, was_paid_before: bool) -> String {
        match self {
            End::Known(PayResult::Paid { number, .. }) if was_paid_before => {
                format!("was paid already, payment {number}")
            }
            End::Known(PayResult::Paid { number, .. }) => format!("paid, payment {number}"),
            End::Known(PayResult::Failed { message, hint, .. }) => format!("not paid: {message}; {hint}"),
            End::Unknown { message, .. } => format!("unknown: {message}"),
            End::NotSent { .. } => "not sent".to_owned(),
        }
    }
}

fn print(context: &Context, channel: &ChannelInfo, report: &Report) -> Result<(), Failure> {
    context.out.result(report, |out| {
        let row = |line: &Line| {
            vec![
                line.line.to_string(),
                line.amount.clone(),
                one_line(&line.memo),
                line.end.text(line.was_paid_before),
            ]
        };
        let table = out.table(&["LINE", "AMOUNT", "MEMO", "RESULT"], report.lines.iter().map(row));
        let now = report.paid.saturating_sub(report.paid_before);
        let mut text = format!("{table}\n\n{now} paid over {}", short(channel.channel));
        if report.paid_before > 0 {
            text.push_str(&format!(", {} were paid already", report.paid_before));
        }
        for (count, what) in
            [(report.failed, "not paid"), (report.unknown, "unknown"), (report.not_sent, "not sent")]
        {
            if count > 0 {
                text.push_str(&format!(", {count} {what}"));
            }
        }
        text
    })?;
    if let Some(next) = report.next() {
        context.out.note(&next);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
