//! What a command prints: for people in lines and tables that fit the terminal, or JSON for programs.

use crate::failure::Failure;
use comfy_table::{ColumnConstraint, ContentArrangement, Table, Width, presets};
use console::{Style, Term};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;
use std::io::{self, IsTerminal, Write, stderr, stdin, stdout};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Between two columns.
const GAP: u16 = 2;

/// Where a command prints.
pub(crate) struct Output {
    json: bool,
    width: Option<u16>,
    colours: bool,
    sink: Mutex<Box<dyn Write + Send>>,
    notes: Mutex<Box<dyn Write + Send>>,
}

impl Output {
    /// To standard output, with notes to standard error.
    pub(crate) fn new(json: bool) -> Output {
        let term = Term::stdout();
        let width = term.is_term().then(|| term.size().1);
        let (sink, notes) =
            (Mutex::new(Box::new(stdout()) as Box<_>), Mutex::new(Box::new(stderr()) as Box<_>));
        Output { json, width, colours: console::colors_enabled(), sink, notes }
    }

    /// To wherever a test looks.
    #[cfg(test)]
    pub(crate) fn to(
        sink: Box<dyn Write + Send>,
        notes: Box<dyn Write + Send>,
        json: bool,
        width: Option<u16>,
    ) -> Output {
        Output { json, width, colours: false, sink: Mutex::new(sink), notes: Mutex::new(notes) }
    }

    /// Whether programs read it.
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// The result of a command: one JSON value, or what `human` says.
    ///
    /// # Errors
    /// When it cannot be written; a reader that has seen enough is no error.
    pub(crate) fn result(
        &self,
        value: &impl Serialize,
        human: impl FnOnce(&Output) -> String,
    ) -> Result<(), Failure> {
        match self.stream(value, human) {
            // The command is done, whether or not its reader has seen enough.
            Err(failure) if failure.is_unread() => Ok(()),
            printed => printed,
        }
    }

    /// One of many results of a command that goes on.
    ///
    /// # Errors
    /// When nobody reads any more; the command is to end then.
    pub(crate) fn stream(
        &self,
        value: &impl Serialize,
        human: impl FnOnce(&Output) -> String,
    ) -> Result<(), Failure> {
        let text =
            if self.json { serde_json::to_string(value).map_err(Failure::local)? } else { human(self) };
        self.raw(text.trim_end_matches('\n'))
    }

    /// Lines as they are.
    ///
    /// # Errors
    /// When nobody reads any more.
    pub(crate) fn raw(&self, text: &str) -> Result<(), Failure> {
        let mut sink = self.sink.lock().unwrap_or_else(PoisonError::into_inner);
        let written = if text.is_empty() { Ok(()) } else { writeln!(sink, "{text}") };
        written.and_then(|()| sink.flush()).map_err(|error| match error.kind() {
            io::ErrorKind::BrokenPipe => Failure::unread(),
            _ => Failure::local(format!("the output cannot be written: {error}")),
        })
    }

    /// A note for people beside the result; where nobody reads it, there is nobody to tell.
    pub(crate) fn note(&self, text: &str) {
        if !self.json {
            let mut notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
            drop(writeln!(notes, "{}", crate::text::printable(text)));
        }
    }

    /// A table without lines, as wide as the terminal.
    ///
    /// Words are not broken, so that no number is: where they do not fit beside each other, each row becomes a block of lines.
    pub(crate) fn table(&self, header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
        let printable =
            |row: Vec<String>| row.iter().map(|cell| held_together(&crate::text::printable(cell))).collect();
        let rows: Vec<Vec<String>> = rows.into_iter().map(printable).collect();
        let least = least_widths(header, &rows);
        let fits = self.width.is_none_or(|width| least.iter().copied().fold(0, u16::saturating_add) <= width);
        if !fits && !header.is_empty() {
            return self.blocks(header, &rows);
        }
        let mut table = Table::new();
        table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
        if let Some(width) = self.width {
            table.set_width(width);
        }
        // Where nothing else helps, an amount is broken before its unit.
        let rows: Vec<Vec<String>> = match fits {
            true => rows,
            false => {
                rows.iter().map(|row| row.iter().map(|cell| cell.replace(HELD, " ")).collect()).collect()
            }
        };
        let bold = Style::new().bold();
        if !header.is_empty() {
            // Styled afterwards, since the codes would count as width.
            table.set_header(header.iter().copied());
        }
        for row in rows {
            table.add_row(row);
        }
        let last = least.len().saturating_sub(1);
        for (index, (column, least)) in table.column_iter_mut().zip(least).enumerate() {
            column.set_padding((0, if index == last { 0 } else { GAP }));
            if fits && self.width.is_some() {
                column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(least)));
            }
        }
        let text = table.to_string().replace(HELD, " ");
        let mut lines: Vec<String> = text.lines().map(|line| line.trim_end().to_owned()).collect();
        if self.colours
            && !header.is_empty()
            && let Some(first) = lines.first_mut()
        {
            *first = bold.force_styling(true).apply_to(&first).to_string();
        }
        lines.join("\n")
    }

    /// Each row as names and values, with those that begin with nothing: they go on with the row before.
    fn blocks(&self, header: &[&str], rows: &[Vec<String>]) -> String {
        let mut blocks: Vec<Vec<(&str, String)>> = Vec::new();
        for row in rows {
            let pairs = header.iter().zip(row).filter(|(_, cell)| !cell.is_empty());
            let pairs = pairs.map(|(name, cell)| (*name, cell.clone()));
            let is_next = row.first().is_some_and(|cell| !cell.is_empty());
            match blocks.last_mut().filter(|_| !is_next) {
                Some(block) => block.extend(pairs),
                None => blocks.push(pairs.collect()),
            }
        }
        blocks.iter().map(|block| self.pairs(block)).collect::<Vec<_>>().join("\n\n")
    }

    /// Names and values, one pair a line.
    pub(crate) fn pairs(&self, pairs: &[(&str, String)]) -> String {
        self.table(&[], pairs.iter().map(|(name, value)| vec![(*name).to_owned(), value.clone()]))
    }

    /// Shows on standard error what is waited for.
    pub(crate) fn wait(&self, what: &str) -> Wait {
        let bar = ProgressBar::new_spinner();
        let is_shown = stderr().is_terminal();
        bar.set_draw_target(if is_shown {
            ProgressDrawTarget::stderr_with_hz(10)
        } else {
            ProgressDrawTarget::hidden()
        });
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} ({elapsed})") {
            bar.set_style(style);
        }
        bar.set_message(what.to_owned());
        if is_shown {
            bar.enable_steady_tick(Duration::from_millis(100));
        }
        Wait { bar }
    }

    /// Counts towards a total on standard error.
    pub(crate) fn count(&self, total: u64) -> Wait {
        let wait = self.wait("");
        wait.bar.set_length(total);
        if let Ok(style) = ProgressStyle::with_template("{bar:40} {human_pos}/{human_len} {msg} ({elapsed})")
        {
            wait.bar.set_style(style);
        }
        wait
    }
}

/// Stands for the space between a number and its unit while a table is laid out.
const HELD: char = '\u{a0}';

/// An amount is not broken between its number and its unit.
fn held_together(cell: &str) -> String {
    match cell.split_once(' ') {
        Some((number, unit)) if number.starts_with(|c: char| c.is_ascii_digit()) && !unit.contains(' ') => {
            format!("{number}{HELD}{unit}")
        }
        _ => cell.to_owned(),
    }
}

/// How wide each column has to be, with the gap between it and the next, so that no word is broken.
fn least_widths(header: &[&str], rows: &[Vec<String>]) -> Vec<u16> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0).max(header.len());
    let longest =
        |text: &str| text.split([' ', '\n', '\t']).map(console::measure_text_width).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(String::as_str);
        let widest = header.get(column).copied().into_iter().chain(cells).map(longest).max().unwrap_or(0);
        let gap = if column.saturating_add(1) == columns { 0 } else { GAP };
        u16::try_from(widest).unwrap_or(u16::MAX).saturating_add(gap)
    };
    (0..columns).map(width).collect()
}

/// A line on the terminal while something is under way; gone when dropped.
pub(crate) struct Wait {
    bar: ProgressBar,
}

impl Wait {
    /// Says where it stands.
    pub(crate) fn say(&self, what: impl Into<String>) {
        self.bar.set_message(what.into());
    }

    /// So many more are done.
    pub(crate) fn advance(&self, count: u64) {
        self.bar.inc(count);
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// One line on standard error; where nobody reads it, there is nobody to tell.
pub(crate) fn tell(text: &str) {
    drop(writeln!(stderr(), "{text}"));
}

/// Asks on the terminal before something that cannot be taken back.
///
/// # Errors
/// When the answer is no, or there is no terminal to ask on.
pub(crate) fn confirm(question: &str, what: &str) -> Result<(), Failure> {
    if !stdin().is_terminal() || !stderr().is_terminal() {
        return Err(Failure::usage(format!(
            "{what} has to be confirmed, and there is no terminal to ask on"
        ))
        .hint("add --yes when you are sure"));
    }
    eprint!("{question}");
    let mut answer = String::new();
    stdin().read_line(&mut answer).map_err(Failure::local)?;
    if matches!(answer.trim().to_lowercase().as_str(), "y" | "yes") {
        return Ok(());
    }
    Err(Failure::declined("not confirmed; nothing was done"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Gone, Page};
    use serde_json::json;

    #[test]
    fn a_reader_that_has_seen_enough_fails_no_command_that_is_done() {
        let out = Output::to(Box::new(Gone), Box::new(Gone), false, None);
        out.result(&json!({}), |_| "a line".into()).expect("the command itself did what it should");
        assert!(out.raw("one of many lines").is_err());
        let failure = out.stream(&json!({}), |_| "one of many".into()).expect_err("a stream ends");
        assert!(failure.is_unread(), "it is no mistake");
    }

    #[test]
    fn a_table_fits_the_terminal_and_loses_nothing() {
        let page = Page::new(false, Some(40));
        let long = "a memo that is much longer than the terminal is wide";
        let text = page.out.table(&["NAME", "MEMO"], [vec!["coffee".into(), long.into()]]);
        assert!(text.lines().all(|line| line.chars().count() <= 40), "{text}");
        for word in long.split(' ') {
            assert!(text.contains(word), "{word} is missing in {text}");
        }
    }

    #[test]
    fn no_number_is_broken_on_a_narrow_terminal() {
        let amount = "1234567.123456789012345678 ETH".to_owned();
        let row = vec!["0x2365332e".to_owned(), "mainnet".into(), amount.clone(), amount];
        let more = vec![String::new(), String::new(), "12.5 USDC".into(), "3 USDC".into()];
        for width in [40, 60, 80] {
            let page = Page::new(false, Some(width));
            let text = page.out.table(&["CHANNEL", "CHAIN", "OURS", "THEIRS"], [row.clone(), more.clone()]);
            assert_eq!(text.matches("1234567.123456789012345678 ETH").count(), 2, "{width}: {text}");
            assert!(!text.contains(HELD), "{text:?}");
            assert!(text.lines().all(|line| line.chars().count() <= usize::from(width)), "{width}: {text}");
        }
    }

    #[test]
    fn the_values_of_one_block_stand_below_each_other() {
        let page = Page::new(false, Some(30));
        let rows = [
            vec!["0x2365332e".to_owned(), "mainnet-with-a-long-name".into(), "0.8 ETH".into()],
            vec![String::new(), String::new(), "65.49 USDC".into()],
        ];
        let text = page.out.table(&["CHANNEL", "ON THE CHAIN", "OURS"], rows);
        let at = |value: &str| text.lines().find_map(|line| line.find(value)).expect(value);
        assert_eq!((at("0x2365332e"), at("0.8 ETH")), (at("65.49 USDC"), at("65.49 USDC")), "{text}");
    }

    #[test]
    fn without_a_terminal_a_row_is_a_line() {
        let page = Page::new(false, None);
        let text = page.out.table(&["A"], [vec!["x".repeat(500)]]);
        assert_eq!(text.lines().count(), 2);
    }

    #[test]
    fn json_is_one_value_and_nothing_else() {
        let page = Page::new(true, Some(40));
        page.out.result(&json!({"a": 1}), |_| unreachable!()).expect("printed");
        assert_eq!(page.text(), "{\"a\":1}\n");
    }
}
