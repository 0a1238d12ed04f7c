//! The lines of a file of payments, CSV or JSON.

use crate::amount::{Among, Assets};
use crate::failure::Failure;
use crate::pay::is_invoice_text;
use crate::text::short;
use serde_json::{Map, Value};
use std::fs::File;
use std::io::{BufRead, BufReader, Read, stdin};
use std::path::Path;
use strait_api::{ChannelInfo, PayItem};
use strait_node::service::read_invoice;
use strait_types::{Address, Amount, B256};

const COLUMNS: [&str; 3] = ["amount", "memo", "invoice"];
const COLUMNS_HINT: &str = "the columns are amount, memo and invoice; only amount is needed";

/// One line of the file, as it was written.
#[derive(Default, Debug)]
pub(super) struct Row {
    pub(super) amount: String,
    pub(super) memo: String,
    /// An invoice's id or its text; empty: none.
    invoice: String,
}

impl Row {
    /// Every name is known, for the columns were looked at.
    fn set(&mut self, name: &str, text: &str) {
        let place = match name {
            "amount" => &mut self.amount,
            "memo" => &mut self.memo,
            _ => &mut self.invoice,
        };
        text.clone_into(place);
    }
}

type Rows = Result<Vec<(u64, Row)>, (u64, String)>;

/// Reads all lines, with their numbers from 1; a mistake in one is that of the whole.
///
/// # Errors
/// Names the line, and what is wrong with it.
pub(super) fn read(path: &Path) -> Result<Vec<(u64, Row)>, Failure> {
    let is_stdin = path == Path::new("-");
    let name = if is_stdin { "standard input".to_owned() } else { path.display().to_string() };
    let source: Box<dyn Read> = if is_stdin {
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
        Err((line, error)) => {
            Err(Failure::usage(format!("{name}, line {line}: {error}; nothing was paid")).hint(COLUMNS_HINT))
        }
    }
}

fn json_lines(source: impl BufRead) -> Rows {
    let mut rows = Vec::new();
    for (line, text) in (1..).zip(source.lines()) {
        let text = text.map_err(|error| (line, unreadable(&error)))?;
        if !text.trim().is_empty() {
            rows.push((line, json_row(&text).map_err(|error| (line, error))?));
        }
    }
    Ok(rows)
}

fn json_row(text: &str) -> Result<Row, String> {
    let fields: Map<String, Value> =
        serde_json::from_str(text).map_err(|_| "it is no JSON object".to_owned())?;
    check_columns(fields.keys().map(String::as_str))?;
    let mut row = Row::default();
    for (name, value) in &fields {
        match value {
            Value::String(text) => row.set(name, text),
            Value::Null if name != "amount" => {}
            _ => return Err(format!("{name} is to be text in quotes, such as {{\"amount\":\"0.5 ether\"}}")),
        }
    }
    Ok(row)
}

fn csv_lines(source: impl Read) -> Rows {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(source);
    let header = reader.headers().map_err(csv_fault)?.clone();
    if !header.is_empty() {
        check_columns(header.iter()).map_err(|error| (1, error))?;
    }
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(csv_fault)?;
        let mut row = Row::default();
        header.iter().zip(&record).for_each(|(name, text)| row.set(name, text));
        rows.push((record.position().map_or(0, csv::Position::line), row));
    }
    Ok(rows)
}

/// Where a CSV file is wrong, and how.
#[allow(clippy::needless_pass_by_value)] // as `map_err` gives it
fn csv_fault(error: csv::Error) -> (u64, String) {
    let line = error.position().map_or(1, csv::Position::line);
    let text = match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => format!(
            "it has {len} columns, the first line {expected_len}; a comma within a text needs quotes around the text"
        ),
        csv::ErrorKind::Utf8 { .. } => "it is no UTF-8 text".to_owned(),
        csv::ErrorKind::Io(error) => unreadable(error),
        _ => "it is no CSV".to_owned(),
    };
    (line, text)
}

fn unreadable(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::InvalidData => "it is no UTF-8 text".to_owned(),
        _ => format!("it cannot be read: {error}"),
    }
}

fn check_columns<'a>(names: impl Iterator<Item = &'a str>) -> Result<(), String> {
    let mut seen: Vec<&str> = Vec::new();
    for name in names {
        if !COLUMNS.contains(&name) {
            return Err(format!("there is no column \"{name}\""));
        }
        if seen.contains(&name) {
            return Err(format!("the column \"{name}\" is there twice"));
        }
        seen.push(name);
    }
    if seen.contains(&"amount") { Ok(()) } else { Err("the column \"amount\" is missing".to_owned()) }
}

/// What the rows ask to be paid over a channel.
///
/// # Errors
/// Names the line that cannot be paid over it.
pub(super) fn items(
    rows: &[(u64, Row)],
    assets: &Assets,
    channel: &ChannelInfo,
) -> Result<Vec<PayItem>, Failure> {
    let among = Among::channel(channel);
    let item = |(line, row): &(u64, Row)| {
        let of_line = |text: &dyn std::fmt::Display, hint: &str| {
            Failure::usage(format!("line {line}: {text}; nothing was paid")).hint(hint)
        };
        let read = assets
            .read(&row.amount, &among)
            .map_err(|failure| of_line(&failure, "correct the line, then repeat"))?;
        let invoice = invoice(&row.invoice, channel, read.asset).map_err(|text| {
            let hint = "give the invoice's text, straitinvoice1..., or its id, 0x and 64 hex digits, which `strait invoice read` shows";
            of_line(&text, hint)
        })?;
        if let Some(asked) =
            invoice.as_ref().and_then(|named| named.amount).filter(|asked| *asked != read.amount)
        {
            let write = |amount| assets.write(channel.chain_id, read.asset, amount);
            let text =
                format!("the invoice asks for {}, and the line pays {}", write(asked), write(read.amount));
            return Err(of_line(
                &text,
                "correct the amount; a part of it is paid with the invoice's id in place of its text",
            ));
        }
        let invoice = invoice.map(|named| named.id);
        Ok(PayItem { asset: Some(read.asset), amount: read.amount, invoice, memo: row.memo.clone() })
    };
    rows.iter().map(item).collect()
}

/// An invoice that a line names.
struct Named {
    id: B256,
    /// What it asks for, where its text is given.
    amount: Option<Amount>,
}

/// An invoice by its text or its id. One whose time is over is taken, for a repetition with the same key names it, too; the payee
/// counts what comes.
fn invoice(text: &str, channel: &ChannelInfo, asset: Address) -> Result<Option<Named>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    if !is_invoice_text(text) {
        let id = text.parse::<B256>().map_err(|_| format!("\"{text}\" is no invoice"))?;
        return Ok(Some(Named { id, amount: None }));
    }
    let terms = read_invoice(text).map_err(|error| error.to_string())?;
    let signer = terms.payee.trim_start_matches("strait://");
    let signer = signer.split('@').next().and_then(|signer| signer.parse::<Address>().ok());
    if signer != Some(channel.peer) {
        return Err(format!(
            "the invoice is of {}, and the channel's peer is {}",
            terms.payee,
            short(channel.peer)
        ));
    }
    if (terms.chain_id, terms.asset) != (channel.chain_id, asset) {
        return Err("the invoice asks for another asset, or on another chain".to_owned());
    }
    Ok(Some(Named { id: terms.id, amount: Some(terms.amount) }))
}
