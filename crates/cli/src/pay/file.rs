//! Many payments from a file.

use super::random_key;
use crate::amount::{Among, Assets};
use crate::context::Context;
use crate::failure::Failure;
use crate::output::tell;
use crate::text::{one_line, short};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{BufRead, BufReader, Read, stdin};
use std::path::Path;
use strait_api::{ApiError, ChannelInfo, ErrorCode, PayItem, PayMany, PayResult};
use strait_types::B256;

/// Most payments in one call.
const CHUNK: usize = 1_000;

/// One line of the file.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
struct Row {
    amount: String,
    #[serde(default)]
    memo: String,
    #[serde(default)]
    invoice: Option<B256>,
}

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
    /// An earlier call failed, so that this line was not asked for.
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
    lines: Vec<Line>,
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
    let ends = pay(context, channel, &items, &key).await;
    let line = |((line, row), (end, was_told)): ((u64, Row), (End, bool))| {
        let was_paid_before = was_told && end.is_paid();
        Line { line, amount: row.amount, memo: row.memo, was_paid_before, end }
    };
    let report = Report::new(key, rows.into_iter().zip(ends).map(line).collect());
    print(context, channel, &report)?;
    if report.paid < report.lines.len() {
        Err(Failure::local("not all lines were paid").told())
    } else {
        Ok(())
    }
}

/// One end per item, and whether it is that of an earlier call; what follows a failed call is not sent.
async fn pay(context: &Context, channel: &ChannelInfo, items: &[PayItem], key: &str) -> Vec<(End, bool)> {
    let line = context.out.count(items.len() as u64);
    let mut ends = Vec::with_capacity(items.len());
    let mut failed = false;
    for (index, chunk) in items.chunks(CHUNK).enumerate() {
        if failed {
            ends.extend(chunk.iter().map(|_| (End::NotSent { hint: repeat(key) }, false)));
            continue;
        }
        let request = PayMany {
            channel: channel.channel,
            payments: chunk.to_vec(),
            idempotency_key: Some(format!("{key}/{index}")),
        };
        match context.api.pay_many(request).await {
            Ok(done) => {
                let was_told = done.was_paid_before;
                ends.extend(done.results.into_iter().map(|result| (End::Known(result), was_told)));
            }
            Err(error) => {
                failed = true;
                ends.extend(chunk.iter().map(|_| (unknown(&error, key), false)));
            }
        }
        line.advance(chunk.len() as u64);
    }
    ends
}

fn unknown(error: &ApiError, key: &str) -> End {
    End::Unknown { code: error.code, message: error.message.clone(), hint: repeat(key) }
}

/// A repetition gives each call the same end as before, and carries out what has none.
fn repeat(key: &str) -> String {
    format!("repeat the same file with --key {key}: no line is paid twice")
}

impl Report {
    fn new(key: String, lines: Vec<Line>) -> Report {
        let count = |is: fn(&End) -> bool| lines.iter().filter(|line| is(&line.end)).count();
        Report {
            key,
            paid: count(End::is_paid),
            paid_before: lines.iter().filter(|line| line.was_paid_before).count(),
            failed: count(|end| matches!(end, End::Known(PayResult::Failed { .. }))),
            unknown: count(|end| matches!(end, End::Unknown { .. })),
            not_sent: count(|end| matches!(end, End::NotSent { .. })),
            lines,
        }
    }

    /// What to do about lines that are not paid.
    fn next(&self) -> Option<String> {
        if self.unknown > 0 {
            return Some(format!(
                "next: {}; lines that it reports as not paid then go into a new file with a new key",
                repeat(&self.key)
            ));
        }
        (self.failed > 0).then(|| {
            "next: put the lines that are not paid into a new file, with a new key; this key reports the same again"
                .to_owned()
        })
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
        if let Some(next) = report.next() {
            text.push_str(&format!("\n{next}"));
        }
        text
    })
}

fn read(path: &Path) -> Result<Vec<(u64, Row)>, Failure> {
    let name = path.display();
    let source: Box<dyn Read> = if path == Path::new("-") {
        Box::new(stdin())
    } else {
        Box::new(File::open(path).map_err(|error| {
            Failure::usage(format!("{name} cannot be read: {error}"))
                .hint("give the path of a CSV or JSON file")
        })?)
    };
    let mut source = BufReader::new(source);
    let start = source.fill_buf().map_err(|error| Failure::local(format!("{name}: {error}")))?;
    let is_json = start.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{');
    let rows = if is_json { json_lines(source) } else { csv_lines(source) };
    match rows {
        Ok(rows) if rows.is_empty() => Err(Failure::usage(format!("{name} has no payments"))
            .hint("the first line names the columns: amount,memo,invoice")),
        Ok(rows) => Ok(rows),
        Err((line, error)) => Err(Failure::usage(format!("{name}, line {line}: {error}; nothing was paid"))
            .hint("the columns are amount, memo and invoice; only amount is needed")),
    }
}

type Rows = Result<Vec<(u64, Row)>, (u64, String)>;

fn json_lines(source: impl BufRead) -> Rows {
    let mut rows = Vec::new();
    for (line, text) in (1..).zip(source.lines()) {
        let text = text.map_err(|error| (line, error.to_string()))?;
        if !text.trim().is_empty() {
            rows.push((line, serde_json::from_str(&text).map_err(|error| (line, error.to_string()))?));
        }
    }
    Ok(rows)
}

fn csv_lines(source: impl Read) -> Rows {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(source);
    let place = |error: csv::Error| (error.position().map_or(1, csv::Position::line), error.to_string());
    let header = reader.headers().map_err(place)?.clone();
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(place)?;
        let line = record.position().map_or(0, csv::Position::line);
        rows.push((line, record.deserialize(Some(&header)).map_err(|error| (line, error.to_string()))?));
    }
    Ok(rows)
}

fn items(rows: &[(u64, Row)], assets: &Assets, channel: &ChannelInfo) -> Result<Vec<PayItem>, Failure> {
    let among = Among::channel(channel);
    let item = |(line, row): &(u64, Row)| {
        let read = assets.read(&row.amount, &among).map_err(|failure| {
            Failure::usage(format!("line {line}: {failure}; nothing was paid"))
                .hint("correct the line, then repeat")
        })?;
        Ok(PayItem {
            asset: Some(read.asset),
            amount: read.amount,
            invoice: row.invoice,
            memo: row.memo.clone(),
        })
    };
    rows.iter().map(item).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{args, id};
    use crate::failure::Exit;
    use crate::pay::run;
    use crate::testing::Fake;
    use serde_json::{Value, json};
    use std::fs;
    use strait_api::{ApiError, ErrorCode};

    fn pays(asked: &Value) -> Value {
        let payments = asked["payments"].as_array().expect("payments");
        let result = |payment: &Value| match payment["memo"].as_str() {
            Some("too much") => {
                json!({"failed": {"code": "insufficient_balance", "message": "poor", "hint": "pay less"}})
            }
            _ => json!({"paid": {"number": 0, "version": 1}}),
        };
        json!({"results": payments.iter().map(result).collect::<Vec<_>>()})
    }

    fn file(text: &str) -> (tempfile::TempDir, String) {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("payments");
        fs::write(&path, text).expect("written");
        let path = path.to_str().expect("a path").to_owned();
        (directory, path)
    }

    #[tokio::test]
    async fn every_line_has_its_own_result() {
        let csv = "amount,memo\n0.5 ether,\"rent, November\"\n100 ether,too much\n12.50 USDC,\n";
        let jsonl = "{\"amount\":\"0.5 ether\",\"memo\":\"rent, November\"}\n\n{\"amount\":\"100 ether\",\"memo\":\"too much\"}\n{\"amount\":\"12.50 USDC\"}\n";
        for (text, lines) in [(csv, [2, 3, 4]), (jsonl, [1, 3, 4])] {
            let (_directory, path) = file(text);
            let (context, seen) = Fake::new(true).on("strait_pay_many", |asked| Ok(pays(&asked))).start();
            let failure =
                run(&context, args(&[&id(), "--file", &path, "--key", "k"])).await.expect_err("one failed");
            assert_eq!(failure.exit(), Exit::Failed);
            let asked = &seen.asked("strait_pay_many")[0];
            let amounts: Vec<_> =
                asked["payments"].as_array().expect("payments").iter().map(|p| &p["amount"]).collect();
            assert_eq!(amounts, ["500000000000000000", "100000000000000000000", "12500000"]);
            assert_eq!(
                (&asked["idempotency_key"], &asked["payments"][0]["memo"]),
                (&json!("k/0"), &json!("rent, November"))
            );
            let report: Value = serde_json::from_str(&seen.text()).expect("one value");
            assert_eq!((&report["paid"], &report["failed"]), (&json!(2), &json!(1)));
            let places: Vec<_> =
                report["lines"].as_array().expect("lines").iter().map(|l| l["line"].as_u64()).collect();
            assert_eq!(places, lines.map(Some));
            assert_eq!(report["lines"][1]["failed"]["code"], "insufficient_balance");
        }
    }

    #[tokio::test]
    async fn a_mistake_in_the_last_line_pays_nothing() {
        for last in ["1 DAI,", "zero,x", "1 ether,a,b,c"] {
            let (_directory, path) = file(&format!("amount,memo\n1 wei,fine\n{last}\n"));
            let (context, seen) = Fake::new(false).on("strait_pay_many", |asked| Ok(pays(&asked))).start();
            let failure = run(&context, args(&[&id(), "--file", &path])).await.expect_err("a mistake");
            assert!(
                failure.to_string().contains("line 3") && failure.to_string().contains("nothing was paid"),
                "{failure}"
            );
            assert!(seen.asked("strait_pay_many").is_empty());
        }
    }

    #[tokio::test]
    async fn after_a_failed_call_nothing_is_claimed_and_a_repetition_pays_the_rest() {
        let rows: String = (0..2_500).map(|_| "1 wei\n").collect();
        let (_directory, path) = file(&format!("amount\n{rows}"));
        let fake = Fake::new(true).on("strait_pay_many", |asked| match asked["idempotency_key"].as_str() {
            Some("k/0") => Ok(pays(&asked)),
            _ => Err(ApiError::new(ErrorCode::NoAnswer, "gone")),
        });
        let (context, seen) = fake.start();
        run(&context, args(&[&id(), "--file", &path, "--key", "k"])).await.expect_err("a part");
        let report: Value = serde_json::from_str(&seen.text()).expect("one value");
        let counts = ["paid", "failed", "unknown", "not_sent"].map(|name| report[name].as_u64());
        assert_eq!(counts, [1_000, 0, 1_000, 500].map(Some));
        assert_eq!(report["lines"][1_000]["unknown"]["code"], "no_answer");
        for (line, end) in [(1_000, "unknown"), (2_000, "not_sent")] {
            let hint = report["lines"][line][end]["hint"].as_str().expect("a hint");
            assert!(hint.contains("same file") && hint.contains("--key k"), "{hint}");
        }
        assert_eq!(report["lines"][0]["paid"]["version"], 1);
    }

    #[tokio::test]
    async fn without_a_key_there_is_one_that_is_told() {
        let (_directory, path) = file("amount\n1 wei\n");
        let mut keys = Vec::new();
        for _ in 0..2 {
            let (context, seen) = Fake::new(true).on("strait_pay_many", |asked| Ok(pays(&asked))).start();
            run(&context, args(&[&id(), "--file", &path])).await.expect("paid");
            let report: Value = serde_json::from_str(&seen.text()).expect("one value");
            let key = report["key"].as_str().expect("a key").to_owned();
            assert_eq!(seen.asked("strait_pay_many")[0]["idempotency_key"], format!("{key}/0"));
            keys.push(key);
        }
        assert_ne!(keys[0], keys[1]);
    }

    #[tokio::test]
    async fn lines_that_were_paid_already_are_told_apart() {
        let (_directory, path) = file("amount,memo\n1 wei,tea\n2 wei,too much\n");
        for json in [false, true] {
            let again = |asked: Value| {
                let mut done = pays(&asked);
                done["was_paid_before"] = json!(true);
                Ok(done)
            };
            let (context, seen) = Fake::new(json).on("strait_pay_many", again).start();
            run(&context, args(&[&id(), "--file", &path, "--key", "k"])).await.expect_err("one is not paid");
            let text = seen.text();
            if json {
                let report: Value = serde_json::from_str(&text).expect("one value");
                assert_eq!((&report["paid"], &report["paid_before"]), (&json!(1), &json!(1)));
                assert_eq!(report["lines"][0]["was_paid_before"], true);
                assert_eq!(report["lines"][1]["was_paid_before"], false);
            } else {
                assert!(text.contains("was paid already, payment 0"), "{text}");
                assert!(text.contains("0 paid over") && text.contains("1 were paid already"), "{text}");
            }
        }
    }

    #[tokio::test]
    async fn what_to_do_about_lines_that_are_not_paid_is_told() {
        let (_directory, path) = file("amount,memo\n1 wei,too much\n");
        let (context, seen) = Fake::new(false).on("strait_pay_many", |asked| Ok(pays(&asked))).start();
        run(&context, args(&[&id(), "--file", &path, "--key", "k"])).await.expect_err("poor");
        let text = seen.text();
        assert!(text.contains("a new file, with a new key") && !text.contains("same file"), "{text}");
    }
}
