//! The blocks of a document and what the comments before them say.

use anyhow::{Context, Result, bail, ensure};
use pulldown_cmark::{CodeBlockKind, Event, Parser, Tag, TagEnd};

/// A document with this comment is run.
pub(super) const RUN: &str = "<!-- xtask: run -->";

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Block {
    /// Of the opening fence, from 1.
    pub(super) line: usize,
    pub(super) code: String,
    pub(super) kind: Kind,
    /// What the output must contain.
    pub(super) expected: Vec<String>,
}

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) enum Kind {
    #[default]
    Succeeds,
    Fails,
    Skipped,
    Background {
        until: String,
    },
}

impl Block {
    /// Its first command.
    pub(super) fn title(&self) -> &str {
        let command = |line: &&str| !line.trim().is_empty() && !line.starts_with('#');
        self.code.lines().find(command).unwrap_or("nothing")
    }
}

#[derive(Default)]
struct Directives {
    kind: Kind,
    expected: Vec<String>,
}

impl Directives {
    fn add(&mut self, directive: &str) -> Result<()> {
        let (word, rest) = directive.split_once(char::is_whitespace).unwrap_or((directive, ""));
        let rest = rest.trim();
        match word {
            "expect" if !rest.is_empty() => self.expected.push(rest.to_owned()),
            "fails" if rest.is_empty() => self.kind = Kind::Fails,
            "skip" if !rest.is_empty() => self.kind = Kind::Skipped,
            "background" => {
                let until = rest.strip_prefix("until ").context("say `background until TEXT`")?;
                self.kind = Kind::Background { until: until.trim().to_owned() };
            }
            _ => bail!("`xtask: {directive}` is not understood; see xtask/src/readme.rs"),
        }
        Ok(())
    }

    fn is_empty(&self) -> bool {
        self.kind == Kind::Succeeds && self.expected.is_empty()
    }
}

/// The blocks fenced as `sh`, in order.
///
/// # Errors
/// When a comment is not understood or no such block follows it, or a block would run this very command again.
pub(super) fn parse(text: &str) -> Result<Vec<Block>> {
    let mut blocks = Vec::new();
    let mut directives = Directives::default();
    let mut html = String::new();
    let mut open: Option<Block> = None;
    for (event, range) in Parser::new(text).into_offset_iter() {
        let line = text[..range.start].matches('\n').count() + 1;
        match event {
            Event::Html(part) => html.push_str(&part),
            Event::End(TagEnd::HtmlBlock) => {
                for directive in comments(&std::mem::take(&mut html)) {
                    directives.add(directive).with_context(|| format!("line {line}"))?;
                }
            }
            Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(language))) if &*language == "sh" => {
                let Directives { kind, expected } = std::mem::take(&mut directives);
                open = Some(Block { line, code: String::new(), kind, expected });
            }
            Event::Text(part) if open.is_some() => {
                open.iter_mut().for_each(|block| block.code.push_str(&part));
            }
            Event::End(TagEnd::CodeBlock) => blocks.extend(open.take()),
            Event::Start(Tag::HtmlBlock) => {}
            _ => ensure!(directives.is_empty(), "line {line}: no `sh` block follows the comment before"),
        }
    }
    ensure!(directives.is_empty(), "no `sh` block follows the last comment");
    match blocks.iter().find(|block| block.kind != Kind::Skipped && recursive(&block.code)) {
        Some(block) => {
            bail!("line {}: this would run itself; mark it by `<!-- xtask: skip REASON -->`", block.line)
        }
        None => Ok(blocks),
    }
}

fn comments(html: &str) -> impl Iterator<Item = &str> {
    let comments = html.split("<!--").skip(1).filter_map(|rest| rest.split("-->").next());
    comments
        .filter_map(|comment| comment.trim().strip_prefix("xtask:"))
        .map(str::trim)
        .filter(|text| *text != "run" && !text.starts_with("ports "))
}

fn recursive(code: &str) -> bool {
    let runs_documents = |line: &str| {
        ["cargo xtask ci", "cargo xtask readme", ".ci/run"].iter().any(|name| line.contains(name))
    };
    code.lines().any(|line| runs_documents(line) && !line.contains("--list"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        format!("{:#}", parse(text).unwrap_err())
    }

    #[test]
    fn only_sh_blocks_count() {
        let blocks =
            parse("# T\n\n```rust\nfn f() {}\n```\n\n1. do\n\n   ```sh\n   # why\n   ls\n   ```\n").unwrap();
        assert_eq!(blocks.len(), 1);
        assert_eq!((blocks[0].line, blocks[0].code.as_str(), blocks[0].title()), (9, "# why\nls\n", "ls"));
        assert_eq!(blocks[0].kind, Kind::Succeeds);
    }

    #[test]
    fn comments_hold_for_the_next_block_alone() {
        let text = "<!-- xtask: run -->\n<!-- xtask: expect a b -->\n<!-- xtask: expect c -->\n\n```sh\nx\n```\n\n```sh\ny\n```\n";
        let blocks = parse(text).unwrap();
        assert_eq!(blocks[0].expected, ["a b", "c"]);
        assert!(blocks[1].expected.is_empty());
    }

    #[test]
    fn kinds_are_told_apart() {
        let kind = |comment: &str| {
            parse(&format!("<!-- xtask: {comment} -->\n```sh\nx\n```\n")).unwrap().remove(0).kind
        };
        assert_eq!(kind("fails"), Kind::Fails);
        assert_eq!(kind("skip needs a clone"), Kind::Skipped);
        assert_eq!(kind("background until it listens"), Kind::Background { until: "it listens".into() });
    }

    #[test]
    fn slips_are_errors() {
        assert!(error("<!-- xtask: expct a -->\n```sh\nx\n```\n").contains("not understood"));
        assert!(error("<!-- xtask: skip -->\n```sh\nx\n```\n").contains("not understood"));
        assert!(error("<!-- xtask: expect a -->\n\nText.\n\n```sh\nx\n```\n").contains("no `sh` block"));
        assert!(error("<!-- xtask: expect a -->\n").contains("no `sh` block"));
        assert!(error("```sh\ncargo xtask ci\n```\n").contains("line 1: this would run itself"));
        assert!(parse("```sh\ncargo xtask ci --list\n```\n").is_ok());
    }
}
