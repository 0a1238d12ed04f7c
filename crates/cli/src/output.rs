//! What a command prints: for people in lines and tables that fit the terminal, or JSON for programs.

use crate::failure::Failure;
use comfy_table::{ContentArrangement, Table, presets};
use console::{Style, Term};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;
use std::io::{self, IsTerminal, Write, stderr, stdin, stdout};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Where a command prints.
pub(crate) struct Output {
    json: bool,
    width: Option<u16>,
    colours: bool,
    sink: Mutex<Box<dyn Write + Send>>,
}

impl Output {
    /// To standard output.
    pub(crate) fn new(json: bool) -> Output {
        let term = Term::stdout();
        let width = term.is_term().then(|| term.size().1);
        Output { json, width, colours: console::colors_enabled(), sink: Mutex::new(Box::new(stdout())) }
    }

    /// To wherever a test looks.
    #[cfg(test)]
    pub(crate) fn to(sink: Box<dyn Write + Send>, json: bool, width: Option<u16>) -> Output {
        Output { json, width, colours: false, sink: Mutex::new(sink) }
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
            Err(failure) if failure.is_told() => Ok(()),
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
        written.and_then(|()| sink.flush()).map_err(|error| {
            let failure = Failure::local(format!("the output cannot be written: {error}"));
            // `strait history ... | head` is no mistake.
            if error.kind() == io::ErrorKind::BrokenPipe { failure.told() } else { failure }
        })
    }

    /// A table without lines, as wide as the terminal.
    pub(crate) fn table(&self, header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
        let mut table = Table::new();
        table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
        if let Some(width) = self.width {
            table.set_width(width);
        }
        let bold = Style::new().bold();
        if !header.is_empty() {
            // Styled afterwards, since the codes would count as width.
            table.set_header(header.iter().copied());
        }
        for row in rows {
            table.add_row(row.iter().map(|cell| crate::text::printable(cell)));
        }
        for column in table.column_iter_mut() {
            column.set_padding((0, 2));
        }
        let text = table.to_string();
        let mut lines: Vec<String> = text.lines().map(|line| line.trim_end().to_owned()).collect();
        if self.colours
            && !header.is_empty()
            && let Some(first) = lines.first_mut()
        {
            *first = bold.force_styling(true).apply_to(&first).to_string();
        }
        lines.join("\n")
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

/// A note for people beside the result, on standard error.
pub(crate) fn note(json: bool, text: &str) {
    if !json {
        eprintln!("{}", crate::text::printable(text));
    }
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
        let out = Output::to(Box::new(Gone), false, None);
        out.result(&json!({}), |_| "a line".into()).expect("the command itself did what it should");
        assert!(out.raw("one of many lines").is_err());
        let failure = out.stream(&json!({}), |_| "one of many".into()).expect_err("a stream ends");
        assert!(failure.is_told(), "it is no mistake");
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
