//! Runs the shell commands of the documents, so that they stay true.
//!
//! Every block fenced as `sh` is run by bash from the root of the repository, each in a shell of its own that stops at
//! the first error, and must end well. Comments before a block change that:
//!
//! | comment | meaning |
//! |---|---|
//! | `<!-- xtask: skip REASON -->` | it is not run |
//! | `<!-- xtask: expect TEXT -->` | its output contains the text; may stand several times |
//! | `<!-- xtask: fails -->` | it ends with an error |
//! | `<!-- xtask: background until TEXT -->` | once its output contains the text the next block runs; it is ended after the document's last block |
//!
//! README.md is run; a document in `docs/` is when it contains `<!-- xtask: run -->`. `<!-- xtask: ports 4040 4041 -->` names
//! the ports that a document's commands listen on; they are looked at first.

mod block;
mod port;
mod shell;

use crate::command::{output, program, root};
use crate::contracts;
use anyhow::{Context, Result, bail, ensure};
use block::{Block, Kind};
use shell::{Home, Running};
use std::fs;
use std::time::{Duration, Instant};

/// No block may take longer.
const LIMIT: Duration = Duration::from_secs(600);

/// Runs README.md and the documents that ask for it.
pub(crate) fn run() -> Result<()> {
    // anvil and viem.
    contracts::install()?;
    let mut blocks = 0;
    for path in documents()? {
        let text = fs::read_to_string(root().join(&path)).with_context(|| format!("{path} can't be read"))?;
        if path == "README.md" || text.contains(block::RUN) {
            blocks += run_document(&path, &text)?;
        }
    }
    ensure!(blocks > 0, "no document has a block to run");
    println!("documents: {blocks} passed, 0 failed");
    Ok(())
}

fn documents() -> Result<Vec<String>> {
    let arguments =
        ["ls-files", "--cached", "--others", "--exclude-standard", "--", "README.md", "docs/*.md"];
    let listed = output(program("git").args(arguments)).context("`git ls-files` failed: is this a clone?")?;
    Ok(listed.lines().map(str::to_owned).collect())
}

/// Gives the number of blocks that were run.
fn run_document(path: &str, text: &str) -> Result<usize> {
    let blocks = block::parse(text).with_context(|| path.to_owned())?;
    port::check(text).with_context(|| path.to_owned())?;
    let home = Home::new()?;
    let mut background = Vec::new();
    let mut count = 0;
    for block in &blocks {
        let place = format!("{path}:{}", block.line);
        if let Kind::Skipped = block.kind {
            println!("{place}: skipped: {}", block.title());
            continue;
        }
        let start = Instant::now();
        if let Some(running) = run_block(block, &home).with_context(|| place.clone())? {
            background.push(running);
        }
        println!("{place}: ok, {:.1} s: {}", start.elapsed().as_secs_f64(), block.title());
        count += 1;
    }
    Ok(count)
}

/// Gives the block's shell when it goes on in the background.
fn run_block(block: &Block, home: &Home) -> Result<Option<Running>> {
    let mut running = Running::start(&block.code, home)?;
    if let Kind::Background { until } = &block.kind {
        running.wait_for(until, LIMIT)?;
        return Ok(Some(running));
    }
    let (success, output) = running.finish(LIMIT)?;
    if success == matches!(block.kind, Kind::Fails) {
        let what = if success { "succeeds, and should fail" } else { "fails" };
        bail!("the block {what}:\n{}\nIts output:\n{output}", block.code);
    }
    for text in &block.expected {
        ensure!(output.contains(text), "the output lacks {text:?}:\n{}\nIts output:\n{output}", block.code);
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fails_with(text: &str) -> String {
        format!("{:#}", run_document("doc.md", text).unwrap_err())
    }

    #[test]
    fn commands_run_from_the_root() {
        assert_eq!(run_document("doc.md", "```sh\ntest -f Cargo.lock\n```\n").unwrap(), 1);
    }

    #[test]
    fn a_failed_command_names_its_place_and_output() {
        let message = fails_with("Text\n\n```sh\necho broken\nfalse\ntrue\n```\n");
        assert!(message.starts_with("doc.md:3: the block fails"), "{message}");
        assert!(message.contains("broken"), "{message}");
    }

    #[test]
    fn expected_text_is_looked_for_in_both_streams() {
        let text =
            |expected| format!("<!-- xtask: expect {expected} -->\n```sh\necho -n 4; echo 2 >&2\n```\n");
        assert_eq!(run_document("doc.md", &text("42")).unwrap(), 1);
        assert!(fails_with(&text("43")).contains("lacks \"43\""));
    }

    #[test]
    fn failure_can_be_promised() {
        assert_eq!(run_document("doc.md", "<!-- xtask: fails -->\n```sh\nexit 3\n```\n").unwrap(), 1);
        assert!(fails_with("<!-- xtask: fails -->\n```sh\ntrue\n```\n").contains("should fail"));
    }

    #[test]
    fn a_background_block_lives_as_long_as_its_document() {
        let text = "<!-- xtask: background until ready -->\n```sh\necho $$ > $HOME/pid; echo ready; exec tail -f /dev/null\n```\n\n\
            <!-- xtask: expect alive -->\n```sh\nkill -0 $(cat $HOME/pid) && echo alive\n```\n";
        assert_eq!(run_document("doc.md", text).unwrap(), 2);
    }

    #[test]
    fn a_background_block_that_ends_early_is_an_error() {
        let message = fails_with("<!-- xtask: background until ready -->\n```sh\necho no\n```\n");
        assert!(message.contains("ended without") && message.contains("no"), "{message}");
    }
}
