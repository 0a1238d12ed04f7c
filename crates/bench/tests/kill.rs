//! A run that is killed midway: nothing that a caller was told is lost, on either side.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use strait_engine::ports::Store as _;
use strait_protocol::{Bill, Channel, Record};
use strait_store::SqliteStore;

/// Payments that are acknowledged before the kill.
const BEFORE: u64 = 5_000;

struct Party {
    child: Child,
    orders: ChildStdin,
    said: BufReader<ChildStdout>,
}

impl Drop for Party {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

impl Party {
    fn start(directory: &Path, role: &str, peer: Option<&str>) -> Party {
        let setup = serde_json::json!({
            "scenario": "stream",
            "bare": false,
            "role": role,
            "directory": directory.join(role),
            "peer": peer,
            "aloud": true,
        });
        let mut child = Command::new(env!("CARGO_BIN_EXE_strait-bench"))
            .args(["--party", &setup.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("starts");
        let orders = child.stdin.take().expect("piped");
        let said = BufReader::new(child.stdout.take().expect("piped"));
        Party { child, orders, said }
    }

    /// `None`: it is dead. A line that the kill cut off was not said.
    fn hear(&mut self) -> Option<serde_json::Value> {
        let mut line = String::new();
        self.said.read_line(&mut line).expect("readable");
        serde_json::from_str(&line).ok()
    }
}

/// Payments of participant 0 that are agreed by the records of one side.
fn agreed(directory: &Path) -> u64 {
    let store = SqliteStore::open(directory).expect("opens after a kill");
    let mut found = None;
    let mut visit = |recovered: strait_engine::ports::Recovered| {
        found = Some(Channel::recover(recovered.snapshot.as_deref(), &recovered.records).expect("recovers"));
    };
    store.recover(&mut visit).expect("readable");
    let channel = found.expect("the channel is there");
    let mut bill = Bill::new(channel.side());
    let mut after = None;
    loop {
        let page = store.history(channel.id(), after, 500).expect("readable");
        let Some(last) = page.last() else { return bill.payments()[0] };
        after = Some(last.position);
        for entry in &page {
            bill.read(Record::decode(&entry.payload).expect("a record"));
        }
    }
}

#[test]
fn nothing_acknowledged_is_lost_when_a_run_is_killed() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut payee = Party::start(directory.path(), "Payee", None);
    let address = payee.hear().expect("it listens")["Listening"].as_str().expect("an address").to_owned();
    let mut payer = Party::start(directory.path(), "Payer", Some(&address));
    assert_eq!(payer.hear(), Some("Ready".into()));
    writeln!(payer.orders, "{}", serde_json::json!({ "Run": { "millis": 600_000 } })).expect("told");
    let mut told = 0;
    while told < BEFORE {
        told = payer.hear().expect("it goes on")["Acknowledged"].as_u64().expect("a number");
    }
    // SIGKILL.
    payer.child.kill().expect("killed");
    payee.child.kill().expect("killed");
    while let Some(said) = payer.hear() {
        told = said["Acknowledged"].as_u64().expect("a number");
    }
    for party in [&mut payer, &mut payee] {
        party.child.wait().expect("reaped");
    }
    for role in ["Payer", "Payee"] {
        let agreed = agreed(&directory.path().join(role));
        assert!(agreed >= told, "{role} knows {agreed} payments, {told} were acknowledged");
    }
}
