//! The real binary: help, mistakes, and no node.

use serde_json::Value;
use std::process::{Command, Output};
use tempfile::TempDir;

struct Strait {
    home: TempDir,
}

impl Strait {
    fn new() -> Strait {
        Strait { home: TempDir::new().expect("a directory") }
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_strait"));
        command.args(words).env_clear().env("HOME", self.home.path()).env("STRAIT_HOME", self.home.path());
        command.current_dir(self.home.path());
        command
    }

    fn run(&self, words: &[&str]) -> Output {
        self.command(words).output().expect("it starts")
    }
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("text")
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("text")
}

/// Every command and subcommand, as help lists them.
fn commands(strait: &Strait, path: &[&str]) -> Vec<Vec<String>> {
    let words = [path, &["--help"]].concat();
    let help = out(&strait.run(&words));
    let mut all = vec![path.iter().map(|word| (*word).to_owned()).collect()];
    let listed =
        help.split("Commands:\n").nth(1).unwrap_or_default().split("\n\n").next().unwrap_or_default();
    for line in listed.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   ")) {
        let name = line.split_whitespace().next().expect("a name");
        if name != "help" {
            all.extend(commands(strait, &[path, &[name]].concat()));
        }
    }
    all
}

#[test]
fn the_help_of_every_command_has_examples() {
    let strait = Strait::new();
    let all = commands(&strait, &[]);
    assert!(all.len() > 30, "{all:?}");
    for path in all {
        let words: Vec<_> = path.iter().map(String::as_str).chain(["--help"]).collect();
        let output = strait.run(&words);
        assert_eq!(output.status.code(), Some(0), "{words:?}");
        assert!(out(&output).contains("Example"), "{words:?} has no example:\n{}", out(&output));
    }
}

#[test]
fn a_slip_is_answered_with_what_was_meant() {
    let strait = Strait::new();
    for (words, meant) in [
        (&["chanel", "list"][..], "channel"),
        (&["channel", "opne"], "open"),
        (&["info", "--jsno"], "--json"),
    ] {
        let output = strait.run(words);
        assert_eq!(output.status.code(), Some(2), "{words:?}");
        assert!(err(&output).contains("similar") && err(&output).contains(meant), "{}", err(&output));
    }
}

#[test]
fn wrong_use_ends_with_2_and_says_how() {
    let strait = Strait::new();
    for words in [
        &["channel", "open"][..],
        &["pay"],
        &["history", "prune", "0x1a2b"],
        &["token", "create", "x", "--scope", "all"],
        &["nothing"],
    ] {
        let output = strait.run(words);
        assert_eq!(output.status.code(), Some(2), "{words:?}");
        assert!(err(&output).starts_with("error: "), "{}", err(&output));
        let output = strait.run(&[words, &["--json"]].concat());
        let error: Value = serde_json::from_str(&err(&output)).expect("one JSON value");
        assert_eq!(error["error"]["code"], "usage", "{words:?}");
        assert!(error["error"]["hint"].is_string() && out(&output).is_empty());
    }
}

#[test]
fn without_a_node_the_next_step_is_told() {
    let strait = Strait::new();
    // Held, so that nobody else listens there, and refusing, since it does not listen either.
    let held = tokio::net::TcpSocket::new_v4().expect("a socket");
    held.bind(([127, 0, 0, 1], 0).into()).expect("a port");
    let url = held.local_addr().expect("an address").to_string();
    for words in [&["info"][..], &["channel", "list"], &["pay", "0x1234", "1 ether"], &["backup", "b"]] {
        let words = [words, &["--url", &url]].concat();
        let output = strait.run(&words);
        assert_eq!(output.status.code(), Some(3), "{words:?}: {}", err(&output));
        assert!(err(&output).contains("hint: ") && err(&output).contains("strait node"), "{}", err(&output));
        let output = strait.run(&[&words[..], &["--json"]].concat());
        let error: Value = serde_json::from_str(&err(&output)).expect("one JSON value");
        assert_eq!(error["error"]["code"], "node_unreachable");
        assert_eq!(error["error"]["kind"], "environment");
        assert!(out(&output).is_empty());
    }
}

#[test]
fn exit_codes_and_completions_need_no_node() {
    let strait = Strait::new();
    let output = strait.run(&["help", "exit-codes"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(out(&output).contains("no node answers"), "{}", out(&output));
    let table: Value = serde_json::from_str(&out(&strait.run(&["exit-codes", "--json"]))).expect("JSON");
    assert!(table["3"].is_string());
    let help = out(&strait.run(&["--json", "help", "exit-codes"]));
    assert_eq!(serde_json::from_str::<Value>(&help).expect("JSON"), table);
    let version = out(&strait.run(&["--json", "--version"]));
    let version: Value = serde_json::from_str(&version).expect("JSON");
    assert_eq!(version["version"], env!("CARGO_PKG_VERSION"));
    for shell in ["bash", "zsh", "fish"] {
        let output = strait.run(&["completions", shell]);
        assert!(output.status.success() && out(&output).contains("channel"), "{shell}");
    }
}

#[test]
fn a_reader_that_leaves_early_breaks_nothing() {
    let strait = Strait::new();
    for words in [&["completions", "bash"][..], &["exit-codes"], &["--help"]] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let output = strait.command(words).stdout(writer).output().expect("it starts");
        assert!(!err(&output).contains("panicked"), "{words:?}: {}", err(&output));
        assert_eq!(output.status.code(), Some(0), "{words:?}");
    }
}

#[test]
fn a_mistake_in_the_configuration_asks_no_other_node() {
    let strait = Strait::new();
    std::fs::write(strait.home.path().join("strait.toml"), "[node]\napi = \"here\"\n").expect("written");
    let output = strait.run(&["info"]);
    assert_eq!(output.status.code(), Some(2), "{}", err(&output));
    assert!(err(&output).contains("node.api") && err(&output).contains("--url"), "{}", err(&output));
    let output = strait.run(&["info", "--url", "127.0.0.1:1"]);
    assert_eq!(output.status.code(), Some(3), "it needs no configuration: {}", err(&output));
}

#[test]
fn a_file_that_is_no_bill_fails_the_verification() {
    let strait = Strait::new();
    std::fs::write(strait.home.path().join("bill.json"), "{}").expect("written");
    let output = strait.run(&["history", "verify", "bill.json"]);
    assert_eq!(output.status.code(), Some(8), "{}", err(&output));
    assert!(err(&output).contains("no bill"), "{}", err(&output));
    let output = strait.run(&["history", "verify", "missing.json"]);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn what_is_no_address_reference_or_account_says_how_one_is_written() {
    let strait = Strait::new();
    let table = [
        (
            &[
                "init",
                "--chain",
                "x",
                "--chain-id",
                "1",
                "--rpc",
                "http://127.0.0.1:1",
                "--adjudicator",
                "0x1234",
            ][..],
            "40 hex digits",
        ),
        (&["init", "--devnet", "--dev-key", "10"], "give 0 to 9"),
        (&["pay", "0x1a2b", "1 ether", "--reference", "abc"], "64 hex digits"),
        (&["channel", "open", "0x5151", "--peer-payout", "0x1"], "40 hex digits"),
        (&["channel", "open", "0x5151", "--challenge", "5m"], "1h to 30d"),
        (&["request", "1 ether", "--expires-in", "0s"], "1s at least"),
        (&["demo", "--payments", "0"], "1000 to 10000000"),
    ];
    for (words, part) in table {
        let output = strait.run(words);
        assert_eq!(output.status.code(), Some(2), "{words:?}");
        assert!(err(&output).contains(part), "{words:?}: {}", err(&output));
    }
}

#[test]
fn the_help_on_exit_codes_is_the_table_alone() {
    let text = out(&Strait::new().run(&["help", "exit-codes"]));
    assert!(text.contains("130") && !text.contains("Usage") && !text.contains("STRAIT_HOME"), "{text}");
}
