//! Many payments from a file.

use crate::amount::{Among, Assets};
use crate::context::Context;
use crate::failure::Failure;
use crate::text::{one_line, short};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{BufRead, BufReader, Read, stdin};
use std::path::Path;
use strait_api::{ApiError, ChannelInfo, PayItem, PayMany, PayResult};
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
    #[serde(flatten)]
    result: PayResult,
}

/// What became of all.
#[derive(Serialize)]
struct Report {
    paid: usize,
    failed: usize,
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
    let line = context.out.count(items.len() as u64);
    let mut results = Vec::with_capacity(items.len());
    for (index, chunk) in items.chunks(CHUNK).enumerate() {
        let request = PayMany {
            channel: channel.channel,
            payments: chunk.to_vec(),
            idempotency_key: key.as_ref().map(|key| format!("{key}/{index}")),
        };
        match context.api.pay_many(request).await {
            Ok(done) => results.extend(done.results),
            Err(error) => {
                let unknown = rows.len().saturating_sub(results.len());
                results.extend(std::iter::repeat_n(failed(error), unknown));
                break;
            }
        }
        line.advance(chunk.len() as u64);
    }
    drop(line);
    let lines: Vec<_> = rows
        .into_iter()
        .zip(results)
        .map(|((line, row), result)| Line { line, amount: row.amount, memo: row.memo, result })
        .collect();
    let failed = lines.iter().filter(|line| matches!(line.result, PayResult::Failed { .. })).count();
    let report = Report { paid: lines.len().saturating_sub(failed), failed, lines };
    print(context, channel, &report)?;
    if failed > 0 { Err(Failure::local("not all lines were paid").told()) } else { Ok(()) }
}

/// The call failed as a whole: what it got done is not known.
fn failed(error: ApiError) -> PayResult {
    let hint =
        "the history tells what was paid; with the same file and --key a repetition pays only the rest";
    PayResult::Failed { code: error.code, message: error.message, hint: hint.to_owned() }
}

fn print(context: &Context, channel: &ChannelInfo, report: &Report) -> Result<(), Failure> {
    context.out.result(report, |out| {
        let rows: Vec<_> = report
            .lines
            .iter()
            .map(|line| {
                let end = match &line.result {
                    PayResult::Paid { number, .. } => format!("paid, payment {number}"),
                    PayResult::Failed { message, hint, .. } => format!("not paid: {message}; {hint}"),
                };
                vec![line.line.to_string(), line.amount.clone(), one_line(&line.memo), end]
            })
            .collect();
        let table = out.table(&["LINE", "AMOUNT", "MEMO", "RESULT"], rows);
        format!("{table}\n\n{} paid over {}, {} not", report.paid, short(channel.channel), report.failed)
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
    async fn what_was_paid_before_a_failure_is_told() {
        let rows: String = (0..1_500).map(|_| "1 wei\n").collect();
        let (_directory, path) = file(&format!("amount\n{rows}"));
        let fake = Fake::new(true).on("strait_pay_many", |asked| match asked["idempotency_key"].as_str() {
            Some("k/0") => Ok(pays(&asked)),
            _ => Err(ApiError::new(ErrorCode::PeerOffline, "gone")),
        });
        let (context, seen) = fake.start();
        run(&context, args(&[&id(), "--file", &path, "--key", "k"])).await.expect_err("half");
        let report: Value = serde_json::from_str(&seen.text()).expect("one value");
        assert_eq!((&report["paid"], &report["failed"]), (&json!(1_000), &json!(500)));
    }
}
