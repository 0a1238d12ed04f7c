//! `strait devnet` as it is typed.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};

const STRAIT: &str = env!("CARGO_BIN_EXE_strait");

/// Ends with the value.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

fn start(listen: &str) -> (Running, Value) {
    let mut child = Command::new(STRAIT)
        .args(["devnet", "--listen", listen, "--block-time", "instant", "--json"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut line = String::new();
    let mut output = BufReader::new(child.stdout.take().expect("piped"));
    output.read_line(&mut line).expect("it speaks");
    (Running(child), serde_json::from_str(&line).expect("one line of JSON"))
}

#[test]
fn it_says_where_it_listens_and_ends_on_request() {
    let (mut running, says) = start("127.0.0.1:0");
    assert_eq!(
        (says["chain_id"].as_u64(), says["accounts"].as_array().map(Vec::len)),
        (Some(31_337), Some(10))
    );
    let address = says["http"].as_str().and_then(|url| url.strip_prefix("http://")).expect("an address");

    let taken = Command::new(STRAIT).args(["devnet", "--listen", address]).output().expect("it runs");
    let error = String::from_utf8_lossy(&taken.stderr);
    let json =
        Command::new(STRAIT).args(["devnet", "--json", "--listen", address]).output().expect("it runs");
    let told: Value = serde_json::from_slice(&json.stderr).expect("an error for programs");
    assert!(told["error"]["message"].as_str().is_some_and(|message| message.contains(address)), "{told}");
    assert_eq!(taken.status.code(), Some(1));
    assert!(error.contains(address) && error.contains("choose another port"), "{error}");

    let pid = Pid::from_raw(i32::try_from(running.0.id()).expect("a process id"));
    kill(pid, Signal::SIGTERM).expect("it runs");
    assert_eq!(running.0.wait().expect("it ends").code(), Some(0));
}

#[test]
fn the_table_warns_of_the_keys() {
    let mut child = Command::new(STRAIT)
        .args(["devnet", "--listen", "127.0.0.1:0", "--block-time", "0.5"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut output = child.stdout.take().expect("piped");
    let running = Running(child);
    let mut text = String::new();
    let mut bytes = [0; 4_096];
    while !text.contains("Ctrl-C") {
        let read = output.read(&mut bytes).expect("it speaks");
        assert!(read > 0, "it ended after: {text}");
        text.push_str(&String::from_utf8_lossy(&bytes[..read]));
    }
    drop(running);
    for part in
        ["one every 0.5 s", "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266", "These private keys are public"]
    {
        assert!(text.contains(part), "'{part}' is missing in: {text}");
    }
}

#[test]
fn viem_and_cast_can_use_it() {
    let contracts = concat!(env!("CARGO_MANIFEST_DIR"), "/../../contracts");
    let installed = std::path::Path::new(contracts).join("node_modules/viem").exists();
    assert!(
        installed,
        "viem is not installed; run: (cd contracts && npm ci --ignore-scripts --no-audit --no-fund)"
    );
    let script = Command::new("node").args(["script/devnet.mjs", STRAIT]).current_dir(contracts).output();
    let script = script.expect("node runs");
    let (said, error) = (String::from_utf8_lossy(&script.stdout), String::from_utf8_lossy(&script.stderr));
    assert!(script.status.success(), "{said}{error}");
    assert!(said.contains("viem: ") && said.contains("cast: "), "{said}");
}
