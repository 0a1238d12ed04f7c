//! The processes.

use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use strait::{Address, Amount, Api, AssetAmount, ChannelId, ChannelOpen, ChannelRef, Client, Link};
use tempfile::TempDir;

/// Until what changes by itself has changed, even on a busy machine.
const LIMIT: Duration = Duration::from_secs(120);
const LOOK: Duration = Duration::from_millis(50);
const DEPOSIT: u64 = 1_000_000_000_000_000_000;

/// A process, and the first line that it printed.
pub(crate) struct Running {
    child: Child,
    pub(crate) said: Value,
    /// Kept for as long as it runs.
    home: Option<TempDir>,
}

impl Running {
    fn start(home: &Path, words: &[&str]) -> Running {
        let mut child = strait(home, words).stdout(Stdio::piped()).spawn().expect("it starts");
        let mut line = String::new();
        let mut output = BufReader::new(child.stdout.take().expect("piped"));
        output.read_line(&mut line).expect("a line");
        std::thread::spawn(move || std::io::copy(&mut output, &mut std::io::sink()));
        let said = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{words:?}: {error}: {line:?}"));
        Running { child, said, home: None }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        self.child.kill().ok();
        self.child.wait().ok();
        drop(self.home.take());
    }
}

fn strait(home: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_strait"));
    let variables = [("STRAIT_PASSWORD", "flood")];
    command.args(words).env_clear().envs(variables).env("STRAIT_HOME", home).stdin(Stdio::null());
    command
}

/// A development chain.
pub(crate) fn chain() -> Running {
    let home = TempDir::new().expect("a directory");
    let words = ["devnet", "--json", "--listen", "127.0.0.1:0", "--block-time", "0.2"];
    let mut chain = Running::start(home.path(), &words);
    chain.home = Some(home);
    chain
}

/// A node.
pub(crate) struct Party {
    home: TempDir,
    node: Running,
}

impl Party {
    pub(crate) fn start(rpc: &str, account: &str) -> Party {
        let home = TempDir::new().expect("a directory");
        let listen = ["--listen", "127.0.0.1:0", "--api", "127.0.0.1:0"];
        let words = [&["init", "--devnet", rpc, "--dev-key", account][..], &listen].concat();
        let made = strait(home.path(), &words).output().expect("it runs");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let node = Running::start(home.path(), &["node", "--json", "--log", "error"]);
        Party { home, node }
    }

    pub(crate) async fn client(&self) -> Client {
        let token = std::fs::read_to_string(self.home.path().join("admin.token")).expect("the token");
        let url = self.node.said["api"].as_str().expect("the API's address");
        Client::connect(url, token.trim()).await.expect("the node answers")
    }

    /// `strait://...`
    pub(crate) fn peer_address(&self) -> String {
        self.node.said["addresses"][0].as_str().expect("an address").to_owned()
    }

    /// The most memory that it ever took.
    pub(crate) fn peak_mib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.node.child.id()));
        let status = status.expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("the kernel tells");
        let kib: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
        kib.div_ceil(1_024)
    }
}

/// A funded channel.
pub(crate) async fn open(payer: &Client, payee: &Party) -> ChannelId {
    let deposit = AssetAmount { asset: Address::ZERO, amount: Amount::from(DEPOSIT) };
    let request = ChannelOpen { deposit: vec![deposit], ..ChannelOpen::new(payee.peer_address()) };
    let channel = payer.channel_open(request).await.expect("it opens").channel.channel;
    until("the channel is open", async || {
        let info = payer.channel_show(ChannelRef { channel }).await.ok()?;
        (info.link == Link::Up && info.can_pay).then_some(())
    })
    .await;
    channel
}

/// What has come in a channel, as soon as nothing is in flight.
pub(crate) async fn received(client: &Client, channel: ChannelId) -> u128 {
    let info = client.channel_show(ChannelRef { channel }).await.expect("known");
    info.balances[0].own.to_string().parse().expect("a number")
}

async fn until<T, F: Future<Output = Option<T>>>(what: &str, mut ask: impl FnMut() -> F) -> T {
    let asking = async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::time::sleep(LOOK).await;
        }
    };
    tokio::time::timeout(LIMIT, asking).await.unwrap_or_else(|_| panic!("{what}: not within {LIMIT:?}"))
}
