//! `strait help exit-codes`.

use crate::failure::{Exit, Failure};
use crate::output::Output;
use serde_json::{Map, Value};
use std::fmt::Write;

/// What the codes mean.
pub(crate) fn text() -> String {
    let mut text = "Exit codes:\n".to_owned();
    for (code, meaning) in Exit::TABLE {
        // Writing to a String cannot fail.
        let _infallible = writeln!(text, "  {code:>3}  {meaning}");
    }
    text.push_str("\nOn an error, standard error says `error: ...` and, with the next step, `hint: ...`;\n");
    text.push_str("with --json it says {\"error\":{\"code\",\"kind\",\"message\",\"hint\"}}.");
    text
}

/// The same for programs.
pub(crate) fn table() -> Map<String, Value> {
    Exit::TABLE.iter().map(|(code, meaning)| (code.to_string(), Value::from(*meaning))).collect()
}

/// Prints them.
///
/// # Errors
/// When nobody reads.
pub(crate) fn run(out: &Output) -> Result<(), Failure> {
    out.result(&table(), |_| text())
}
