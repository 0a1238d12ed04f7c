//! A whole node from the command line: set up, started, used, stopped, and what stands in its way.

use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use strait_devnet::{Devnet, DevnetConfig, Mining};
use tempfile::TempDir;

struct Home {
    directory: TempDir,
}

/// A command that runs on; it is killed should the test fail.
struct Running {
    child: Child,
    out: BufReader<ChildStdout>,
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ended = self.child.kill();
    }
}

impl Running {
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.out.read_line(&mut line).expect("readable");
        line
    }

    fn signal(&self, signal: nix::sys::signal::Signal) {
        let id = nix::unistd::Pid::from_raw(self.child.id().try_into().expect("an id"));
        nix::sys::signal::kill(id, signal).expect("it runs");
    }

    /// The exit code, and what was written to standard error.
    fn ended(mut self) -> (Option<i32>, String) {
        let code = self.child.wait().expect("it ends").code();
        let mut text = String::new();
        self.child.stderr.take().expect("piped").read_to_string(&mut text).expect("text");
        (code, text)
    }
}

impl Home {
    fn new() -> Home {
        Home { directory: TempDir::new().expect("a directory") }
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_strait"));
        command.args(words).env_clear().env("STRAIT_HOME", self.path()).stdin(Stdio::null());
        command
    }

    fn run(&self, words: &[&str]) -> Output {
        self.command(words).output().expect("it starts")
    }

    fn start(&self, words: &[&str]) -> Running {
        let mut command = self.command(words);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        let out = BufReader::new(child.stdout.take().expect("piped"));
        Running { child, out }
    }

    /// A set-up node for a chain, on ports that the system chooses.
    fn init(url: &str) -> Home {
        let home = Home::new();
        let words =
            ["init", "--devnet", url, "--dev-key", "1", "--listen", "127.0.0.1:0", "--api", "127.0.0.1:0"];
        let output = home.run(&words);
        assert_eq!(output.status.code(), Some(0), "{}", err(&output));
        home
    }
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("text")
}

async fn devnet() -> Devnet {
    let listen = "127.0.0.1:0".parse().expect("an address");
    let config = DevnetConfig { listen, mining: Mining::Instant, ..DevnetConfig::default() };
    Devnet::start(config).await.expect("starts")
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).expect("there").permissions().mode() & 0o777
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_is_set_up_started_asked_and_stopped() {
    let chain = devnet().await;
    let home = Home::init(&chain.http_url());
    for file in ["strait.toml", "keys/node.json", "password"] {
        assert_eq!(mode(&home.path().join(file)), 0o600, "{file}");
    }
    let doctor = home.run(&["doctor"]);
    assert_eq!(doctor.status.code(), Some(0), "{}", String::from_utf8_lossy(&doctor.stdout));
    let mut node = home.start(&["node", "--json"]);
    let told: Value = serde_json::from_str(&node.line()).expect("JSON");
    assert!(told["addresses"][0].as_str().expect("an address").starts_with("strait://0x"));
    assert_eq!(mode(&home.path().join("admin.token")), 0o600);
    let api = told["api"].as_str().expect("a URL");
    let info = home.run(&["info", "--json", "--url", api]);
    let shown: Value = serde_json::from_slice(&info.stdout).unwrap_or_else(|_| panic!("{}", err(&info)));
    let signer = |value: &Value| value["signer"].as_str().expect("an address").to_lowercase();
    assert_eq!(signer(&shown), signer(&told));
    assert_eq!(shown["chains"][0]["chain_id"], 31_337);
    for file in ["service.db", "tokens.db", "devnet/strait.db", "devnet/transactions.db"] {
        assert_eq!(mode(&home.path().join("data").join(file)), 0o600, "{file}");
    }
    // Beside the running node nothing is wrong: its ports are its own, its data is not touched.
    let place = api.trim_start_matches("http://").trim_end_matches('/');
    let doctor = home.run(&["doctor", "--set", &format!("node.api={place}")]);
    let found = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert_eq!(doctor.status.code(), Some(0), "{found}");
    assert!(found.contains("it is ready") && !found.contains("cannot be looked at"), "{found}");
    // The same home a second time.
    let second = home.run(&["node"]);
    assert_eq!(second.status.code(), Some(1));
    assert!(err(&second).contains("runs in"), "{}", err(&second));
    node.signal(nix::sys::signal::Signal::SIGTERM);
    let (code, log) = node.ended();
    assert_eq!(code, Some(0), "{log}");
    // All is released: it starts again.
    let mut again = home.start(&["node", "--json"]);
    assert!(again.line().contains("addresses"));
    again.signal(nix::sys::signal::Signal::SIGINT);
    assert_eq!(again.ended().0, Some(0));
    chain.shutdown().await;
}

#[test]
fn before_the_set_up_doctor_says_so_and_nothing_else() {
    let home = Home::new();
    let doctor = home.run(&["doctor"]);
    assert_eq!(doctor.status.code(), Some(1));
    let found = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert!(found.contains("strait init") && !found.contains("key new"), "{found}");
}

#[test]
fn what_is_written_wrongly_is_said_with_how_to_write_it() {
    let home = Home::new();
    for (words, said) in [
        (&["init", "--devnet", "127.0.0.1:8545"][..], "http://127.0.0.1:8545"),
        (&["init", "--devnet", "localhost:8545"], "http://localhost:8545"),
        (&["init", "--devnet", "--listen", "4040"], "127.0.0.1:4040"),
        (&["deploy", "--rpc", "127.0.0.1:8545", "--chain-id", "1", "--key", "k"], "http://127.0.0.1:8545"),
    ] {
        let output = home.run(words);
        assert_eq!(output.status.code(), Some(2), "{words:?}");
        assert!(err(&output).contains(said), "{words:?}: {}", err(&output));
    }
    // Without a terminal no password can be asked for; what was begun leaves nothing behind.
    let nested = home.path().join("new");
    let words = ["--home", nested.to_str().expect("text"), "init", "--devnet", "http://127.0.0.1:1"];
    let output = home.run(&words);
    assert_ne!(output.status.code(), Some(0));
    assert!(!nested.exists(), "{}", err(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stands_in_the_way_is_said_with_the_next_step() {
    let chain = devnet().await;
    let home = Home::init(&chain.http_url());
    let taken = TcpListener::bind("127.0.0.1:0").expect("binds");
    let place = taken.local_addr().expect("bound").to_string();
    let nobody = "chains.devnet.adjudicator=0x00000000000000000000000000000000000000aa";
    let usdc = format!("chains.devnet.adjudicator={}", chain.usdc());
    std::fs::write(home.path().join("wrong"), "wrong").expect("written");
    for (words, code, said) in [
        (vec!["--set", "chains.devnet.chain_id=5"], 2, "is of chain 31337, 5 is configured"),
        (vec!["--set", nobody], 2, "there is no contract at"),
        (vec!["--set", &usdc], 2, "is not this version's adjudicator"),
        (vec!["--password-file", "wrong"], 2, "the password does not open the key"),
        (vec!["--set", "node.key=other"], 2, "there is no key file"),
        (vec!["--set", "node.lisen=x"], 2, "did you mean 'listen'"),
        (vec!["--listen", &place], 1, "choose another port"),
        (vec!["--api", &place], 1, "choose another port"),
    ] {
        let mut command = home.command(&[&["node"], words.as_slice()].concat());
        let output = command.current_dir(home.path()).output().expect("it starts");
        assert_eq!(output.status.code(), Some(code), "{words:?}: {}", err(&output));
        assert!(err(&output).contains(said), "{words:?}: {}", err(&output));
    }
    chain.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_chain_of_the_same_id_is_noticed_before_anything_is_sent() {
    let chain = devnet().await;
    let home = Home::init(&chain.http_url());
    let mut node = home.start(&["node", "--json"]);
    assert!(node.line().contains("addresses"));
    node.signal(nix::sys::signal::Signal::SIGTERM);
    assert_eq!(node.ended().0, Some(0));
    assert_eq!(home.run(&["doctor"]).status.code(), Some(0));
    chain.shutdown().await;
    // Started anew: the same id, accounts and contracts, and another first block.
    let listen = "127.0.0.1:0".parse().expect("an address");
    let config = DevnetConfig { listen, genesis_time: Some(1_700_000_000), ..DevnetConfig::default() };
    let anew = Devnet::start(config).await.expect("starts");
    let rpc = format!("chains.devnet.rpc={}", anew.http_url());
    let words = ["--set", &rpc, "--set", "chains.devnet.check_clock=false"];
    let refused = home.run(&[&["node"], &words[..]].concat());
    assert_eq!(refused.status.code(), Some(2), "{}", err(&refused));
    assert!(err(&refused).contains("another --home"), "{}", err(&refused));
    let doctor = home.run(&[&["doctor"], &words[..]].concat());
    assert_eq!(doctor.status.code(), Some(1));
    let found = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert!(found.contains("another chain of the same id"), "{found}");
    anew.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_that_does_not_answer_is_waited_for() {
    let chain = devnet().await;
    let home = Home::init(&chain.http_url());
    // Held, so that nobody else listens there, and refusing, since it does not listen either.
    let held = tokio::net::TcpSocket::new_v4().expect("a socket");
    held.bind(([127, 0, 0, 1], 0).into()).expect("a port");
    let dead = held.local_addr().expect("bound");
    let rpc = format!("chains.devnet.rpc=http://{dead}");
    let mut node = home.start(&["node", "--json", "--set", &rpc]);
    assert!(node.line().contains("addresses"));
    node.signal(nix::sys::signal::Signal::SIGTERM);
    let (code, log) = node.ended();
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("The node starts nevertheless"), "{log}");
    let doctor = home.run(&["doctor", "--set", &rpc]);
    assert_eq!(doctor.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&doctor.stdout).contains("no endpoint can be used"));
    chain.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_home_that_lost_its_configuration_is_set_up_again_with_the_same_key() {
    let chain = devnet().await;
    let home = Home::init(&chain.http_url());
    std::fs::remove_file(home.path().join("strait.toml")).expect("removed");
    let url = chain.http_url();
    let init = |key: &str| home.run(&["init", "--devnet", &url, "--dev-key", key]);
    let other = init("2");
    assert_eq!(other.status.code(), Some(2), "another key is there");
    assert!(err(&other).contains("--dev-key asks for"), "{}", err(&other));
    assert!(!home.path().join("strait.toml").exists());
    assert_eq!(init("1").status.code(), Some(0));
    // The password lies where the configuration says, or nothing could be unlocked.
    let ports = ["--listen", "127.0.0.1:0", "--api", "127.0.0.1:0"];
    let mut node = home.start(&[&["node", "--json"], &ports[..]].concat());
    assert!(node.line().contains("addresses"));
    node.signal(nix::sys::signal::Signal::SIGTERM);
    assert_eq!(node.ended().0, Some(0));
    chain.shutdown().await;
}

#[test]
fn keys_are_made_listed_moved_and_opened_by_their_password_only() {
    let (home, other) = (Home::new(), Home::new());
    std::fs::write(home.path().join("password"), "correct horse\n").expect("written");
    let password = home.path().join("password").display().to_string();
    let made = home.run(&["key", "new", "gas", "--password-file", &password, "--json"]);
    let made: Value = serde_json::from_slice(&made.stdout).unwrap_or_else(|_| panic!("{}", err(&made)));
    let again = home.run(&["key", "new", "gas", "--password-file", &password]);
    assert_eq!(again.status.code(), Some(2));
    assert!(err(&again).contains("never overwritten"), "{}", err(&again));
    let exported = home.run(&["key", "export", "gas"]);
    let file = other.path().join("exported.json");
    std::fs::write(&file, &exported.stdout).expect("written");
    let file = file.display().to_string();
    let wrong =
        other.command(&["key", "import", "node", "--keystore", &file]).env("STRAIT_PASSWORD", "no").output();
    let wrong = wrong.expect("it starts");
    assert!(err(&wrong).contains("the password does not open the key"), "{}", err(&wrong));
    let right = other.run(&["key", "import", "node", "--keystore", &file, "--password-file", &password]);
    assert_eq!(right.status.code(), Some(0), "{}", err(&right));
    let address = other.run(&["key", "address", "node", "--json"]);
    let address: Value = serde_json::from_slice(&address.stdout).expect("JSON");
    assert_eq!(address["address"], made["address"]);
    let listed = other.run(&["key", "list", "--json"]);
    let listed: Value = serde_json::from_slice(&listed.stdout).expect("JSON");
    assert_eq!(listed[0]["name"], "node");
}

/// One answer of a node's API to a raw request.
fn post(api: &str, token: &str, body: &str) -> Value {
    let place = api.trim_start_matches("http://").trim_end_matches('/');
    let mut stream = TcpStream::connect(place).expect("connects");
    let head = format!(
        "POST / HTTP/1.1\r\nhost: {place}\r\nconnection: close\r\nauthorization: Bearer {token}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).expect("sent");
    // What is too large is refused while it is being sent.
    let _sent = stream.write_all(body.as_bytes());
    let mut answer = Vec::new();
    let _read = stream.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer);
    let (_, body) = answer.split_once("\r\n\r\n").expect("an answer");
    serde_json::from_str(body).unwrap_or_else(|_| panic!("no JSON: {answer}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_wrongly_is_answered_with_the_next_step() {
    let chain = devnet().await;
    let home = Home::init(&chain.http_url());
    let mut node = home.start(&["node", "--json"]);
    let told: Value = serde_json::from_str(&node.line()).expect("JSON");
    let api = told["api"].as_str().expect("a URL").to_owned();
    let ask = |words: &[&str]| home.run(&[words, &["--url", &api]].concat());
    let secret = |scope: &str, rest: &[&str]| {
        let output = ask(&[&["token", "create", scope, "--scope", scope, "--json"], rest].concat());
        let made: Value =
            serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", err(&output)));
        made["secret"].as_str().expect("a secret").to_owned()
    };
    let weak = secret("read", &[]);
    let lost = secret("pay", &[]);
    let revoked = ask(&["token", "revoke", "pay"]);
    assert!(revoked.status.success(), "{}", err(&revoked));
    let short = secret("receive", &["--expires-in", "1s"]);
    let stranger = "0x90F79bf6EB2c4f870365E785982E1f101E93b906";
    let nobody = format!("strait://{stranger}@127.0.0.1:1");
    let itself = format!(
        "strait://{stranger}@{}",
        told["addresses"][0].as_str().expect("text").split_once('@').expect("a place").1
    );
    for (words, code, next) in [
        (&["channel", "show", "0xdeadbeef"][..], 2, "`strait channel list`"),
        (&["pay", "0xdeadbeef", "1 wei"], 2, "`strait channel list`"),
        (&["channel", "open", stranger], 2, "strait://SIGNER@HOST:PORT"),
        (&["channel", "open", &itself], 5, "give every node a key of its own"),
        (&["channel", "open", &nobody, "--deposit", "5 DOGE"], 2, "ETH"),
        (&["request", "5 DOGE"], 2, "ETH"),
        (&["request", "0.1234567890123456789 ether"], 2, "round it to 18"),
        (&["pay", "straitinvoice1qqq"], 2, "copy the whole invoice"),
        (&["info", "--token", "guessed"], 4, "strait token create"),
        (&["token", "list", "--token", &weak], 4, "strait token list"),
        (&["info", "--token", &lost], 4, "strait token create"),
    ] {
        let output = ask(words);
        assert_eq!(output.status.code(), Some(code), "{words:?}: {}", err(&output));
        assert!(err(&output).contains(next), "{words:?}: {}", err(&output));
    }
    let expired = loop {
        let output = ask(&["info", "--token", &short]);
        if output.status.code() != Some(0) {
            break output;
        }
    };
    assert_eq!(expired.status.code(), Some(4), "{}", err(&expired));
    assert!(err(&expired).contains("strait token create"), "{}", err(&expired));

    let admin = std::fs::read_to_string(home.path().join("admin.token")).expect("a token");
    let call = r#"{"jsonrpc":"2.0","id":1,"method":"strait_node_info"}"#;
    for (body, code) in [
        ("{".to_owned(), "parse_error"),
        ("[]".to_owned(), "invalid_request"),
        ("[1]".to_owned(), "invalid_request"),
        (format!("[{}]", vec![call; 101].join(",")), "too_large"),
        ("x".repeat(5 << 20), "too_large"),
        (call.replace("node_info", "nod_info"), "unknown_method"),
        (call.replace('}', r#","params":{"x":1}}"#), "invalid_params"),
    ] {
        let answer = post(&api, admin.trim(), &body);
        let error = if answer.is_array() { &answer[0]["error"] } else { &answer["error"] };
        assert_eq!(error["data"]["code"], code, "{answer}");
        assert!(error["data"]["hint"].as_str().is_some_and(|hint| hint.len() > 20), "{answer}");
    }
    node.signal(nix::sys::signal::Signal::SIGTERM);
    assert_eq!(node.ended().0, Some(0));
    chain.shutdown().await;
}

/// The money is said to be missing before it is needed, and a clock that is off before deadlines are missed.
#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_off_and_an_account_without_gas_money_are_told_at_the_start() {
    let chain = devnet().await;
    let home = Home::new();
    std::fs::write(home.path().join("secret"), "correct horse\n").expect("written");
    let password = home.path().join("secret").display().to_string();
    let url = chain.http_url();
    let ports = ["--listen", "127.0.0.1:0", "--api", "127.0.0.1:0", "--password-file", &password];
    let made = home.run(&[&["init", "--devnet", &url], &ports[..]].concat());
    assert_eq!(made.status.code(), Some(0), "{}", err(&made));
    let doctor = home.run(&["doctor"]);
    let found = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert_eq!(doctor.status.code(), Some(1), "{found}");
    assert!(found.contains("holds 0 ETH") && found.contains("send it some"), "{found}");
    let mut node = home.start(&["node", "--json"]);
    assert!(node.line().contains("addresses"));
    node.signal(nix::sys::signal::Signal::SIGTERM);
    let (code, log) = node.ended();
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("send it some"), "{log}");

    let later = r#"{"jsonrpc":"2.0","id":1,"method":"evm_increaseTime","params":[3600]}"#;
    post(&url, "", later);
    post(&url, "", r#"{"jsonrpc":"2.0","id":1,"method":"evm_mine","params":[]}"#);
    let clock = ["--set", "chains.devnet.check_clock=true"];
    let refused = home.run(&[&["node"], &clock[..]].concat());
    assert_eq!(refused.status.code(), Some(1), "{}", err(&refused));
    assert!(err(&refused).contains("behind the chain's newest block; set the clock"), "{}", err(&refused));
    let doctor = home.run(&[&["doctor"], &clock[..]].concat());
    let found = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert!(found.contains("seconds behind the chain; timedatectl"), "{found}");
    chain.shutdown().await;
}

/// Answers every request with the same; it ends with the test.
fn endpoint(status: &'static str, body: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("binds");
    let place = listener.local_addr().expect("bound");
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut request = [0; 4_096];
            // One read holds the whole question; whoever asked may have gone away.
            let _asked = stream.read(&mut request);
            let answer = format!(
                "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            );
            let _answered = stream.write_all(answer.as_bytes());
        }
    });
    format!("http://{place}")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_is_no_good_is_told_with_what_to_do_about_it() {
    let chain = devnet().await;
    let home = Home::init(&chain.http_url());
    for (status, body, next) in [
        ("429 Too Many Requests", "", "raise `poll_ms`, or name another endpoint beside it"),
        ("401 Unauthorized", "no such project", "check its address"),
        ("500 Internal Server Error", "oops", "check its address"),
        ("200 OK", "<html>", "name the address of an Ethereum JSON-RPC"),
        (
            "200 OK",
            r#"{"jsonrpc":"2.0","id":0,"error":{"code":-32000,"message":"not for you"}}"#,
            "ask its operator",
        ),
    ] {
        let rpc = format!("chains.devnet.rpc={}", endpoint(status, body));
        let doctor = home.run(&["doctor", "--set", &rpc]);
        let found = String::from_utf8_lossy(&doctor.stdout).into_owned();
        assert_eq!(doctor.status.code(), Some(1), "{status}: {found}");
        assert!(found.contains(next), "{status} {body}: {found}");
        let mut node = home.start(&["node", "--json", "--set", &rpc]);
        assert!(node.line().contains("addresses"), "{status}: it starts nevertheless, and tries again");
        node.signal(nix::sys::signal::Signal::SIGTERM);
        let (code, log) = node.ended();
        assert_eq!(code, Some(0), "{log}");
        assert!(log.contains(next), "{status}: {log}");
    }
    chain.shutdown().await;
}
