//! The whole life of a channel with real processes: a chain, a customer, a store, and the commands of both.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// No step takes longer, even on a busy machine.
const LIMIT: Duration = Duration::from_secs(120);
/// Between two looks at what changes by itself.
const LOOK: Duration = Duration::from_millis(100);

/// What a command printed, and how it ended. One that goes on for longer than the limit is killed and shown.
fn run(mut command: Command) -> Output {
    let what = format!("{:?}", command.get_args().collect::<Vec<_>>());
    ended(&what, command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts"))
}

/// The same of one that runs.
fn ended(what: &str, child: Child) -> Output {
    let pid = Pid::from_raw(i32::try_from(child.id()).expect("a process id"));
    let (sender, waiting) = mpsc::channel();
    // Nobody listens any more only after the limit.
    thread::spawn(move || drop(sender.send(child.wait_with_output())));
    if let Ok(output) = waiting.recv_timeout(LIMIT) {
        return output.expect("waited for");
    }
    kill(pid, Signal::SIGKILL).expect("it runs");
    let output = waiting.recv_timeout(LIMIT);
    panic!("{what} did not end within {LIMIT:?}: {output:?}");
}

/// A process that goes on, and the first line that it printed.
struct Running {
    child: Child,
    said: Value,
}

impl Running {
    fn start(home: &Path, words: &[&str]) -> Running {
        Running::start_with(home, words, &[])
    }

    fn start_with(home: &Path, words: &[&str], env: &[(&str, &str)]) -> Running {
        let mut command = strait(home, words);
        command.envs(env.iter().copied()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("it starts");
        let mut output = BufReader::new(child.stdout.take().expect("its output"));
        let mut running = Running { child, said: Value::Null };
        let (sender, waiting) = mpsc::channel();
        thread::spawn(move || {
            let mut line = String::new();
            let read = output.read_line(&mut line).map(|_| line);
            drop(sender.send(read));
            // Held open: it may print more.
            drop(std::io::copy(&mut output, &mut std::io::sink()));
        });
        let line = waiting.recv_timeout(LIMIT).unwrap_or_else(|_| panic!("{words:?} says nothing"));
        let line = line.expect("a line");
        running.said =
            serde_json::from_str(&line).unwrap_or_else(|error| panic!("{words:?}: {error}: {line:?}"));
        running
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ended = self.child.kill();
        let _ended = self.child.wait();
    }
}

fn strait(home: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_strait"));
    command
        .args(words)
        .env_clear()
        .env("HOME", home)
        .env("STRAIT_HOME", home)
        .env("STRAIT_PASSWORD", "lifecycle")
        .stdin(Stdio::null());
    command
}

/// A node with its commands.
struct Party {
    home: TempDir,
    node: Running,
}

impl Party {
    fn start(rpc: &str, account: &str) -> Party {
        Party::start_with(rpc, account, &[])
    }

    fn start_with(rpc: &str, account: &str, env: &[(&str, &str)]) -> Party {
        let home = TempDir::new().expect("a directory");
        let words = [
            "init",
            "--devnet",
            rpc,
            "--dev-key",
            account,
            "--listen",
            "127.0.0.1:0",
            "--api",
            "127.0.0.1:0",
        ];
        let output = run(strait(home.path(), &words));
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let node = Running::start_with(home.path(), &["node", "--json", "--log", "error"], env);
        Party { home, node }
    }

    /// SIGKILL.
    fn kill(&mut self) {
        self.node.child.kill().expect("killed");
        self.node.child.wait().expect("reaped");
    }

    fn command(&self, words: &[&str]) -> Command {
        let url = self.node.said["api"].as_str().expect("the API's address");
        strait(self.home.path(), &[words, &["--url", url]].concat())
    }

    /// What a command prints for programs.
    fn json(&self, words: &[&str]) -> Value {
        let output = run(self.command(&[words, &["--json"]].concat()));
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{words:?}: {told}{said}");
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{words:?}: {error}: {told}"))
    }

    /// The exit code and the error of a command that fails.
    fn fails(&self, words: &[&str]) -> (i32, Value) {
        let output = run(self.command(&[words, &["--json"]].concat()));
        let error: Value = serde_json::from_slice(&output.stderr).expect("one JSON value");
        (output.status.code().expect("an exit code"), error["error"].clone())
    }

    fn address(&self) -> &str {
        self.node.said["addresses"][0].as_str().expect("an address")
    }

    fn show(&self, channel: &str) -> Value {
        self.json(&["channel", "show", channel])
    }

    /// Asks until a channel is as wanted.
    fn wait(&self, channel: &str, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let start = Instant::now();
        loop {
            let info = self.show(channel);
            if wanted(&info) {
                return info;
            }
            assert!(start.elapsed() < LIMIT, "{what} did not come: {info}");
            thread::sleep(LOOK);
        }
    }
}

/// What a party's API gives at a path: status line and headers, body.
fn get(party: &Party, path: &str) -> (String, String) {
    let address =
        party.node.said["api"].as_str().and_then(|api| api.strip_prefix("http://")).expect("its address");
    let token = std::fs::read_to_string(party.home.path().join("admin.token")).expect("its token");
    let mut stream = TcpStream::connect(address).expect("the API");
    let token = token.trim();
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\r\n"
    )
    .expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("answered");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a body");
    (head.to_owned(), body.to_owned())
}

/// Asks the chain over plain HTTP.
#[allow(clippy::needless_pass_by_value)] // as `json!` makes it
fn rpc(url: &str, method: &str, params: Value) -> Value {
    let address = url.strip_prefix("http://").expect("an address").trim_end_matches('/');
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string();
    let mut stream = TcpStream::connect(address).expect("the chain");
    stream.set_read_timeout(Some(LIMIT)).expect("set");
    write!(
        stream,
        "POST / HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("answered");
    let body = answer.split("\r\n\r\n").nth(1).expect("a body");
    let start = body.find('{').expect("JSON");
    let end = body.rfind('}').expect("JSON");
    let value: Value = serde_json::from_str(&body[start..=end]).expect("JSON");
    assert!(value["error"].is_null(), "{method}: {value}");
    value["result"].clone()
}

fn ether(text: &str) -> String {
    strait_types::Amount::parse_decimal(text, 18).expect("an amount").to_string()
}

#[test]
fn open_pay_top_up_withdraw_close_and_dispute() {
    let directory = TempDir::new().expect("a directory");
    let chain = Running::start(
        directory.path(),
        &["devnet", "--json", "--listen", "127.0.0.1:0", "--block-time", "0.2"],
    );
    let url = chain.said["http"].as_str().expect("the endpoint").to_owned();
    let (customer, store) = (Party::start(&url, "1"), Party::start(&url, "2"));

    let opened = customer.json(&["channel", "open", store.address(), "--deposit", "1 ether", "--wait"]);
    let channel = opened["channel"]["channel"].as_str().expect("an id").to_owned();
    let short = &channel[..10];
    assert_eq!(opened["channel"]["can_pay"], true);

    customer.json(&["pay", short, "0.25", "ether", "--memo", "coffee"]);
    store.json(&["pay", short, "0.05 ether", "--memo", "refund"]);
    let invoice = store.json(&["request", "0.1 ether", "--for", "order 17"]);
    customer.json(&["pay", invoice["text"].as_str().expect("an invoice")]);
    let paid = store.json(&["invoice", "wait", invoice["terms"]["id"].as_str().expect("an id")]);
    assert_eq!(paid["status"], "paid");
    let (code, error) = customer.fails(&["pay", short, "5 ether"]);
    assert_eq!((code, error["code"].as_str()), (7, Some("insufficient_balance")));
    assert_eq!(error["message"], "the balance is 0.7 ETH, 5 ETH are needed");
    assert_eq!(error["shortage"]["needed"], ether("5"));

    let (head, text) = get(&customer, "/ready");
    assert!(head.starts_with("HTTP/1.1 200"), "{head}: {text}");
    let (_, figures) = get(&customer, "/metrics");
    let figure = |name: &str| {
        let line = figures.lines().find(|line| line.starts_with(&format!("{name}{{chain=\"31337\"")));
        let value =
            line.and_then(|line| line.rsplit(' ').next()).unwrap_or_else(|| panic!("{name}: {figures}"));
        value.parse::<f64>().expect("a number")
    };
    assert!(figure("strait_store_commit_seconds_count") >= 3.0);
    assert!(figure("strait_chain_sync_age_seconds") < 60.0);
    assert!(figure("strait_payments_agreed") >= 1.0);

    customer.json(&["channel", "deposit", short, "0.5 ether", "--wait"]);
    store.json(&["channel", "withdraw", short, "0.2 ether", "--wait"]);
    let info =
        customer.wait(short, "the withdrawal", |info| info["balances"][0]["peer_withdrawn"] == ether("0.2"));
    assert_eq!(info["balances"][0]["own"], ether("1.2"));

    let bill = directory.path().join("bill.json");
    let bill = bill.to_str().expect("a path");
    customer.json(&["history", "export", short, "--proof", bill]);
    let output = run(strait(directory.path(), &["history", "verify", bill, "--json"]));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let verified: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(verified["totals"][0]["paid"], json!([ether("0.35"), ether("0.05")]));
    the_older_part_of_a_bill_is_forgotten(&customer, directory.path(), short);

    customer.json(&["channel", "close", short, "--wait"]);
    assert_eq!(store.wait(short, "the close", |info| info["phase"] == "closed")["phase"], "closed");

    let opened = customer.json(&["channel", "open", store.address(), "--deposit", "1 ether", "--wait"]);
    let second = opened["channel"]["channel"].as_str().expect("an id");
    customer.json(&["pay", second, "0.4 ether"]);
    store.json(&["channel", "dispute", second, "--yes"]);
    let info = store.wait(second, "the dispute", |info| info["phase"] == "disputed");
    let period = info["challenge_duration"].as_u64().expect("seconds") + 60;
    rpc(&url, "evm_increaseTime", json!([period]));
    let info = store.wait(second, "the settlement", |info| info["phase"] == "closed");
    assert_eq!(info["balances"][0]["own"], ether("0.4"));
}

/// Of coffee, a refund and an order's 0.1 ether the first is forgotten: what is left proves itself, and says so.
fn the_older_part_of_a_bill_is_forgotten(customer: &Party, directory: &Path, channel: &str) {
    let refused = customer.fails(&["history", "prune", channel, "--before", "2"]);
    assert_eq!(refused.0, 2, "it is not done unasked: {}", refused.1);
    let pruned = customer.json(&["history", "prune", channel, "--before", "2", "--yes"]);
    assert_eq!(pruned, json!({"through": 1, "before": 0}));
    let lines = customer.json(&["history", channel]);
    let paid: Vec<_> =
        lines["lines"].as_array().expect("lines").iter().filter_map(|line| line["memo"].as_str()).collect();
    assert_eq!((lines["pruned_through"].as_u64(), &paid[..]), (Some(1), &["refund", "order 17"][..]));
    let bill = directory.join("pruned.json");
    let bill = bill.to_str().expect("a path");
    customer.json(&["history", "export", channel, "--proof", bill]);
    let output = run(strait(directory, &["history", "verify", bill, "--json"]));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let verified: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(verified["pruned_through"], 1);
    assert_eq!(verified["totals"][0]["paid"], json!([ether("0.1"), ether("0.05")]));
    assert_eq!(verified["totals"][0]["change"][0], format!("-{}", ether("0.3")), "with what is forgotten");
}

/// A withdrawal that waits for gas money keeps others away: who waits says so, and says that nothing was begun when it ends.
#[test]
fn a_wait_says_what_it_waits_for_and_goes_on_when_that_has_ended() {
    let directory = TempDir::new().expect("a directory");
    let chain = Running::start(
        directory.path(),
        &["devnet", "--json", "--listen", "127.0.0.1:0", "--block-time", "0.2"],
    );
    let url = chain.said["http"].as_str().expect("the endpoint").to_owned();
    let (customer, store) = (Party::start(&url, "1"), Party::start(&url, "2"));
    let opened = customer.json(&["channel", "open", store.address(), "--deposit", "1 ether", "--wait"]);
    let channel = opened["channel"]["channel"].as_str().expect("an id").to_owned();
    customer.json(&["pay", &channel, "0.4 ether"]);
    let account = customer.json(&["info"])["chains"][0]["account"].clone();
    rpc(&url, "anvil_setBalance", json!([account, "0x0"]));
    let agreed = customer.json(&["channel", "withdraw", &channel, "0.1 ether"]);
    assert!(agreed["gas_shortage"].is_object(), "{agreed}");
    store.wait(&channel, "the withdrawal", |info| info["under_way"].is_object());

    let mut closing = store
        .command(&["channel", "close", &channel, "--wait"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut told = BufReader::new(closing.stderr.take().expect("its errors"));
    let mut line = String::new();
    told.read_line(&mut line).expect("a line");
    assert!(line.contains("waiting until what is under way has ended"), "{line}");
    kill(Pid::from_raw(i32::try_from(closing.id()).expect("a process id")), Signal::SIGINT).expect("sent");
    let mut rest = String::new();
    told.read_to_string(&mut rest).expect("text");
    assert!(rest.contains("nothing was begun"), "{rest}");
    assert_eq!(ended("close", closing).status.code(), Some(130));

    // With gas money both go on by themselves, one after the other.
    let waiting = store.command(&["channel", "withdraw", &channel, "0.05 ether", "--wait", "--json"]);
    let waiting = { waiting }.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    rpc(&url, "anvil_setBalance", json!([account, "0xde0b6b3a7640000"]));
    let done = ended("withdraw", waiting);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    customer.json(&["channel", "close", &channel, "--wait"]);
    let info = store.wait(&channel, "the close", |info| info["phase"] == "closed");
    assert_eq!(
        (&info["balances"][0]["withdrawn"], &info["balances"][0]["peer_withdrawn"]),
        (&json!(ether("0.05")), &json!(ether("0.1")))
    );
}

fn exit(home: &Path, backup: &str, rpc: &str) -> Child {
    let key = home.join("keys/node.json");
    let key = key.to_str().expect("a path");
    let words = ["exit", "--all", "--backup", backup, "--key", key, "--rpc", rpc, "--json", "--yes"];
    strait(home, &words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts")
}

/// What was paid.
fn exited(exit: Child) -> Value {
    let output = ended("exit", exit);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// Until the chain has so many events of a channel.
fn await_events(url: &str, channel: &str, count: usize) {
    let start = Instant::now();
    let filter = json!([{ "fromBlock": "0x0", "toBlock": "latest", "topics": [null, channel] }]);
    while rpc(url, "eth_getLogs", filter.clone()).as_array().expect("logs").len() < count {
        assert!(start.elapsed() < LIMIT, "{count} events did not come");
        thread::sleep(LOOK);
    }
}

/// What `strait doctor` finds of the backup.
fn backup_finding(party: &Party) -> Value {
    let findings = party.json(&["doctor"]);
    let found = findings.as_array().and_then(|all| all.iter().find(|found| found["what"] == "backup"));
    found.expect("it looks for one").clone()
}

/// A customer's channel with a store in which 0.4 ether were paid, and a backup from then.
fn backed_up(url: &str, accounts: [&str; 2], backup: &Path) -> (Party, Party, String) {
    let (customer, store) = (Party::start(url, accounts[0]), Party::start(url, accounts[1]));
    let opened = customer.json(&["channel", "open", store.address(), "--deposit", "1 ether", "--wait"]);
    let channel = opened["channel"]["channel"].as_str().expect("an id").to_owned();
    customer.json(&["pay", &channel, "0.4 ether"]);
    assert_eq!(backup_finding(&customer)["level"], "warn");
    customer.json(&["backup", backup.to_str().expect("a path")]);
    let found = backup_finding(&customer);
    assert_eq!(found["level"], "ok", "{found}");
    (customer, store, channel)
}

fn paid(exits: &Value) -> (&Value, &Value) {
    (&exits[0]["paid"][0]["to_us"], &exits[0]["paid"][0]["to_peer"])
}

#[test]
fn a_backup_and_the_key_alone_lead_out_of_a_channel() {
    let directory = TempDir::new().expect("a directory");
    let chain = Running::start(
        directory.path(),
        &["devnet", "--json", "--listen", "127.0.0.1:0", "--block-time", "0.2"],
    );
    let url = chain.said["http"].as_str().expect("the endpoint");
    let backup = directory.path().join("backup");
    let (mut customer, store, channel) = backed_up(url, ["1", "2"], &backup);
    let backup = backup.to_str().expect("a path");

    // Its data are those of a node that runs.
    let data = customer.home.path().join("data");
    let refused = exit(customer.home.path(), data.to_str().expect("a path"), url);
    assert_eq!(ended("exit", refused).status.code(), Some(2));

    // So is a backup's, when its key is that of a node that runs.
    let refused = ended("exit", exit(customer.home.path(), backup, url));
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("runs"));

    // Both nodes are gone for good, and the way out is interrupted once it is on chain.
    customer.kill();
    drop(store);
    // There is no terminal to confirm it on.
    let key = customer.home.path().join("keys/node.json");
    let key = key.to_str().expect("a path");
    let unsure =
        run(strait(customer.home.path(), &["exit", "--all", "--backup", backup, "--key", key, "--rpc", url]));
    assert_eq!(unsure.status.code(), Some(2));
    let mut interrupted = exit(customer.home.path(), backup, url);
    await_events(url, &channel, 2);
    interrupted.kill().expect("killed");
    interrupted.wait().expect("reaped");
    rpc(url, "evm_increaseTime", json!([25 * 3_600]));
    let exits = exited(exit(customer.home.path(), backup, url));
    assert_eq!(paid(&exits), (&json!(ether("0.6")), &json!(ether("0.4"))), "{exits}");
    assert_eq!(exits[0]["channel"], json!(channel));
    // Once more: there is nothing left to do.
    assert_eq!(exited(exit(customer.home.path(), backup, url)), exits);
}

#[test]
fn a_peer_that_lives_answers_an_old_backup() {
    let directory = TempDir::new().expect("a directory");
    let chain = Running::start(
        directory.path(),
        &["devnet", "--json", "--listen", "127.0.0.1:0", "--block-time", "0.2"],
    );
    let url = chain.said["http"].as_str().expect("the endpoint");
    let backup = directory.path().join("backup");
    let (mut customer, store, channel) = backed_up(url, ["1", "2"], &backup);
    customer.json(&["pay", &channel, "0.5 ether"]);
    customer.kill();
    let leaving = exit(customer.home.path(), backup.to_str().expect("a path"), url);
    let best = store.show(&channel)["version"].clone();
    store.wait(&channel, "the answer", |info| info["dispute"]["recorded"] == best);
    rpc(url, "evm_increaseTime", json!([25 * 3_600]));
    let exits = exited(leaving);
    assert_eq!(paid(&exits), (&json!(ether("0.1")), &json!(ether("0.9"))), "{exits}");
}

#[test]
fn a_node_restored_from_a_backup_goes_on_with_what_both_signed() {
    let directory = TempDir::new().expect("a directory");
    let chain = Running::start(
        directory.path(),
        &["devnet", "--json", "--listen", "127.0.0.1:0", "--block-time", "0.2"],
    );
    let url = chain.said["http"].as_str().expect("the endpoint");
    let backup = directory.path().join("backup");
    let (mut customer, store, channel) = backed_up(url, ["1", "2"], &backup);
    customer.json(&["pay", &channel, "0.1 ether"]);
    customer.kill();
    std::fs::remove_dir_all(customer.home.path().join("data")).expect("the disk is lost");
    let words = ["restore", backup.to_str().expect("a path"), "--json"];
    let output = run(strait(customer.home.path(), &words));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    customer.node = Running::start(customer.home.path(), &["node", "--json", "--log", "error"]);
    let info = customer.wait(&channel, "the chain", |info| info["restoring_until"].is_u64());
    assert_eq!(info["is_restoring"], true);
    // Nothing waits in silence: both are told at once, and are not paid twice later.
    store.wait(&channel, "the peer's word", |info| info["is_peer_restoring"] == true);
    for party in [&customer, &store] {
        let (_, error) = party.fails(&["pay", &channel, "0.05 ether"]);
        assert_eq!(error["code"], "channel_restoring", "{error}");
    }
    let (_, error) = customer.fails(&["pay", &channel, "0.05 ether"]);
    assert!(
        error["message"].as_str().is_some_and(|text| text.contains("of chain time at the earliest")),
        "{error}"
    );
    // What both signed may still be executed for a time that is agreed; it passes first.
    rpc(url, "evm_increaseTime", json!([3 * 3_600]));
    let info = customer.wait(&channel, "the rebase", |info| info["can_pay"] == true);
    assert_eq!(info["balances"][0]["own"], ether("0.5"));
    customer.json(&["pay", &channel, "0.2 ether"]);
    store.wait(&channel, "the payment", |info| info["balances"][0]["own"] == ether("0.7"));
}

/// Sticks, by the commands of two people in two terminals, up to the payout.
#[test]
fn a_game_by_commands() {
    const FIELDS: &str = "uint128 stake, uint8 sticks";
    let directory = TempDir::new().expect("a directory");
    let chain = Running::start(
        directory.path(),
        &["devnet", "--json", "--listen", "127.0.0.1:0", "--block-time", "0.2"],
    );
    let url = chain.said["http"].as_str().expect("the endpoint").to_owned();
    let adjudicator = chain.said["adjudicator"].as_str().expect("its address");
    let artifact = concat!(env!("CARGO_MANIFEST_DIR"), "/../../contracts/artifacts/Sticks.json");
    let words = ["app", "check", artifact, "--adjudicator", adjudicator, "--json"];
    let checked = strait(directory.path(), &words).output().expect("it runs");
    let checked: Value = serde_json::from_slice(&checked.stdout).expect("JSON");
    let app = checked["address"].as_str().expect("an address");
    let player = |account: &str, starts: &str| {
        let apps = format!("[\"{app}\"]");
        let env = [
            ("STRAIT_POLICY__APPS", apps.as_str()),
            ("STRAIT_POLICY__STAKES", "[\"0.2 ether\"]"),
            ("STRAIT_POLICY__STARTS", starts),
        ];
        let party = Party::start_with(&url, account, &env);
        assert_eq!(party.json(&["app", "install", artifact])["app"], app);
        party
    };
    let mut alice = player("1", "[]");
    let words =
        ["app", "start", "--app", app, "--fields", FIELDS, "--data", "[1000, 3]", "--stake", "0.1 ether"];
    let bob = player("2", &format!("[{}]", alice.json(&words)["start"]));
    let stake = ["--stake", "1 ether", "--fields", FIELDS, "--data", "[1000, 5]"];
    let opened = alice.json(&[&["app", "open", bob.address(), "--app", app], &stake[..]].concat());
    let channel = opened["channel"]["channel"].as_str().expect("an id");
    let started = |party: &Party, what: &str, wanted: &dyn Fn(&Value) -> bool| {
        let start = Instant::now();
        loop {
            let output = party.command(&["app", "show", channel, "--json"]).output().expect("it runs");
            if let Ok(info) = serde_json::from_slice::<Value>(&output.stdout)
                && wanted(&info)
            {
                return info;
            }
            assert!(start.elapsed() < LIMIT, "{what} did not come: {output:?}");
        }
    };
    started(&bob, "the channel", &|_| true);
    bob.json(&["channel", "deposit", channel, "1 ether"]);
    for (party, data) in [(&alice, "[1000, 3]"), (&bob, "[1000, 2]"), (&alice, "[1000, 0]")] {
        started(party, "the turn", &|info| info["our_turn"] == true && info["version"] != 0);
        party.json(&["app", "move", channel, data, "--fields", FIELDS]);
    }
    let shown = bob.command(&["app", "show", channel, "--fields", FIELDS]).output().expect("it runs");
    assert!(String::from_utf8_lossy(&shown.stdout).contains("stake 1000, sticks 0"), "{shown:?}");
    end_with_a_slip(&alice, &bob, channel);
    let parent = play_within_a_channel(&alice, &bob, app);
    let game = leave_a_game_open(&alice, &parent, app);
    let backup = directory.path().join("backup");
    let backup = backup.to_str().expect("a path");
    alice.json(&["backup", backup]);
    alice.kill();
    drop(bob);
    leave_with_the_game(&url, exit(alice.home.path(), backup, &url), &parent, &game);
}

/// The first proposal is a mistake, and its command is interrupted.
fn end_with_a_slip(alice: &Party, bob: &Party, channel: &str) {
    const FIELDS: &str = "uint128 stake, uint8 sticks";
    let mut slip = alice.command(&["app", "finish", channel, "--even", "--yes"]).spawn().expect("it runs");
    let start = Instant::now();
    while alice.json(&["app", "show", channel])["proposed"][0][0] != "0" {
        assert!(start.elapsed() < LIMIT, "the slip is not proposed");
        thread::sleep(LOOK);
    }
    slip.kill().and_then(|()| slip.wait()).expect("ends, as by Ctrl-C");
    let mut ours = alice.command(&["app", "finish", channel]).spawn().expect("it runs");
    bob.json(&["app", "finish", channel, "--we-lose", "1000 wei", "--yes"]);
    assert!(ours.wait().expect("it ends").success());
    alice.wait(channel, "the payout", |info| info["phase"] == "closed");
    let watched = run(bob.command(&["app", "watch", channel, "--fields", FIELDS]));
    let watched = String::from_utf8_lossy(&watched.stdout).into_owned();
    for part in
        ["by the peer: stake 1000, sticks 3", "the game is over", "the peer gains 0.000000000000001 ETH"]
    {
        assert!(watched.contains(part), "{part} is missing in {watched}");
    }
}

/// In a game in which the peer is to move.
fn leave_a_game_open(alice: &Party, parent: &str, app: &str) -> String {
    const FIELDS: &str = "uint128 stake, uint8 sticks";
    let words = ["app", "open", "--in", parent, "--app", app, "--fields", FIELDS, "--data", "[1000, 3]"];
    let opened = alice.json(&[&words[..], &["--stake", "0.1 ether"]].concat());
    let game = opened["channel"]["channel"].as_str().expect("an id");
    alice.wait(game, "the start", |info| info["version"] == 1);
    alice.json(&["app", "move", game, "[1000, 2]", "--fields", FIELDS]);
    game.to_owned()
}

/// From the backup and the key alone: the chain judges the game that the peer does not play on, and its stakes come back.
fn leave_with_the_game(url: &str, leaving: Child, parent: &str, game: &str) {
    await_events(url, game, 1);
    await_events(url, parent, 2);
    rpc(url, "evm_increaseTime", json!([25 * 3_600]));
    await_events(url, parent, 3);
    rpc(url, "evm_increaseTime", json!([25 * 3_600]));
    let exits = exited(leaving);
    let of_parent = exits.as_array().and_then(|all| all.iter().find(|exit| exit["channel"] == parent));
    let paid = &of_parent.expect("it was left")["paid"][0];
    let expected = (&json!("700000000000002000"), &json!("299999999999998000"));
    assert_eq!((&paid["to_us"], &paid["to_peer"]), expected, "{exits}");
}

/// The same within a payment channel: nothing is deposited for it, and its end goes back into the channel.
fn play_within_a_channel(alice: &Party, bob: &Party, app: &str) -> String {
    const FIELDS: &str = "uint128 stake, uint8 sticks";
    let opened = alice.json(&["channel", "open", bob.address(), "--deposit", "1 ether", "--wait"]);
    let parent = opened["channel"]["channel"].as_str().expect("an id");
    alice.json(&["pay", parent, "0.3 ether"]);
    let words = ["app", "open", "--in", parent, "--app", app, "--fields", FIELDS, "--data", "[1000, 3]"];
    let (code, _) = alice.fails(&[&words[..], &["--stake", "0.25 ether"]].concat());
    assert_ne!(code, 0, "more than the peer's node puts in unasked");
    let (_, error) = alice.fails(&[
        "app",
        "open",
        "--in",
        parent,
        "--app",
        app,
        "--data",
        &format!("0x{:0128}", 1),
        "--stake",
        "0.1 ether",
    ]);
    assert!(error["hint"].as_str().is_some_and(|hint| hint.contains("policy.starts")), "{error}");
    let opened = alice.json(&[&words[..], &["--stake", "0.1 ether"]].concat());
    let game = opened["channel"]["channel"].as_str().expect("an id");
    assert_eq!(opened["channel"]["parent"], parent);
    alice.wait(parent, "the lock", |info| info["balances"][0]["in_children"] == ether("0.2"));
    alice.wait(game, "the start", |info| info["version"] == 1);
    alice.json(&["app", "move", game, "[1000, 0]", "--fields", FIELDS]);
    let mut ours = alice.command(&["app", "finish", game, "--we-gain", "1000 wei"]).spawn().expect("it runs");
    bob.json(&["app", "finish", game, "--we-lose", "1000 wei", "--yes"]);
    assert!(ours.wait().expect("it ends").success());
    let info = bob.wait(parent, "the end", |info| info["balances"][0]["locked"] == "0");
    assert_eq!(info["balances"][0]["own"], "299999999999999000");
    let shown = run(bob.command(&["history", parent]));
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains("open child") && shown.contains("close child"), "{shown}");
    let shown = run(bob.command(&["history", game, "--fields", FIELDS]));
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains("stake 1000, sticks 0") && shown.contains("end of play"), "{shown}");
    parent.to_owned()
}

/// What a tower has signed for: the first tower of a node, once it is as wanted.
fn tower_of(party: &Party, channel: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let start = Instant::now();
    loop {
        let listed = party.json(&["tower", "list", channel]);
        if wanted(&listed["towers"][0]) {
            return listed["towers"][0].clone();
        }
        assert!(start.elapsed() < LIMIT, "the tower does not come to that: {listed}");
        thread::sleep(LOOK);
    }
}

#[test]
fn a_tower_is_added_to_a_running_node_and_guards_it_after_a_restart_too() {
    let directory = TempDir::new().expect("a directory");
    let chain = Running::start(
        directory.path(),
        &["devnet", "--json", "--listen", "127.0.0.1:0", "--block-time", "0.2"],
    );
    let url = chain.said["http"].as_str().expect("the endpoint");
    let (customer, mut store) = (Party::start(url, "1"), Party::start(url, "2"));
    let client =
        store.address().trim_start_matches("strait://").split('@').next().expect("a signer").to_owned();
    let home = TempDir::new().expect("a directory");
    let made = run(strait(home.path(), &["tower", "init", "--devnet", url, "--dev-key", "3"]));
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let words = ["tower", "--json", "--log", "error", "--listen", "127.0.0.1:0", "--client", &client];
    let tower = Running::start(home.path(), &[&words[..], &["--set", "tower.metrics=127.0.0.1:0"]].concat());
    let address = tower.said["addresses"][0].as_str().expect("an address");

    let looked = run(strait(home.path(), &["doctor"]));
    let found = String::from_utf8_lossy(&looked.stdout);
    assert!(found.contains("a tower runs here") && found.contains(&client), "{found}");
    assert!(
        found.contains("/metrics") && !found.contains("admin.token") && !found.contains("own view"),
        "{found}"
    );
    let asked = run(strait(home.path(), &["tower", "list"]));
    let text = String::from_utf8_lossy(&asked.stderr);
    assert!(!asked.status.success() && text.contains("a tower runs in") && text.contains(&client), "{text}");

    let (code, error) = store.fails(&["tower", "add", "strait-tower://nobody@host:1"]);
    assert_eq!(
        error["data"]["code"].as_str().or(error["code"].as_str()),
        Some("invalid_address"),
        "{code}: {error}"
    );
    store.json(&["tower", "add", address]);
    let opened = customer.json(&["channel", "open", store.address(), "--deposit", "1 ether", "--wait"]);
    let channel = opened["channel"]["channel"].as_str().expect("an id");
    customer.json(&["pay", channel, "0.25 ether"]);
    let version = store.show(channel)["version"].clone();
    tower_of(&store, channel, |tower| tower["version"] == version);
    let metrics = tower.said["metrics"].as_str().expect("where figures are").to_owned();
    let metrics = metrics.trim_start_matches("http://").trim_end_matches("/metrics");
    let mut stream = TcpStream::connect(metrics).expect("the figures");
    stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").expect("asks");
    let mut figures = String::new();
    stream.read_to_string(&mut figures).expect("answers");
    for wanted in
        ["strait_up 1", "strait_guard_channels{chain=", "link=\"up\"} 1", "strait_disputes_unanswered{chain="]
    {
        assert!(figures.contains(wanted), "{wanted}: {figures}");
    }

    store.kill();
    store.node = Running::start(store.home.path(), &["node", "--json", "--log", "error"]);
    let known = tower_of(&store, channel, |tower| tower["is_connected"] == true);
    assert_eq!((known["address"].as_str(), &known["version"]), (Some(address), &version));

    let signer = known["signer"].as_str().expect("a signer");
    assert_eq!(store.json(&["tower", "remove", &signer[..10]])["until_restart"], false);
    assert_eq!(store.json(&["tower", "list"])["towers"], json!([]));
    let (code, error) = store.fails(&["tower", "remove", signer]);
    assert!(error.to_string().contains("strait tower list"), "{code}: {error}");
}
