//! A party: its home, and its node while that lives.

use crate::chain::Blocks;
use serde_json::Value;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use strait::{Address, Api, ChannelList, Client, SigningKey};
use tempfile::TempDir;
use tokio::sync::watch;

/// Blocks on top of a deposit before it counts; no reorg is deeper.
pub(crate) const CONFIRMATIONS: u64 = 3;
/// Last lines of a log that are shown on a failure.
const LOG_LINES: usize = 15;

/// A party: its home, and its node while that lives.
pub(crate) struct Party {
    pub(crate) name: &'static str,
    pub(crate) key: SigningKey,
    /// Nothing else is ever paid there.
    pub(crate) payout: Address,
    home: TempDir,
    node: Mutex<Option<Child>>,
    api: watch::Sender<Option<Client>>,
}

impl Party {
    /// Sets a home up, with the key of an account of the development chain.
    pub(crate) fn new(name: &'static str, account: u8, rpc: &str, adjudicator: Address) -> Party {
        let home = TempDir::new().expect("a directory");
        let secret = strait_devnet::account_secret(account.into()).expect("there are ten");
        let key = SigningKey::from_bytes(secret.0).expect("a key");
        let payout = Address::repeat_byte(0xc0 + account);
        let (account, adjudicator) = (account.to_string(), adjudicator.to_string());
        let (api, _) = watch::channel(None);
        let party = Party { name, key, payout, home, node: Mutex::new(None), api };
        let payout = party.payout.to_string();
        let words = [
            "init",
            "--devnet",
            rpc,
            "--dev-key",
            &account,
            "--adjudicator",
            &adjudicator,
            "--payout",
            &payout,
            "--listen",
            "127.0.0.1:0",
            "--api",
            "127.0.0.1:0",
        ];
        let output = party.command(&words).output().expect("it runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        party
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_strait"));
        command.args(words).env_clear().env("STRAIT_HOME", self.home.path()).stdin(Stdio::null());
        command
    }

    /// Starts the node; gives the port that peers reach it at, once it can be asked.
    pub(crate) async fn start(&self) -> SocketAddr {
        let log = OpenOptions::new().create(true).append(true).open(self.log()).expect("a log");
        let confirmations = format!("chains.devnet.confirmations={CONFIRMATIONS}");
        let words = [
            "node",
            "--json",
            "--log",
            "warn",
            "--set",
            &confirmations,
            "--set",
            "chains.devnet.poll_ms=20",
            "--set",
            "chains.devnet.settings.retry=500ms",
        ];
        let mut child =
            self.command(&words).stdout(Stdio::piped()).stderr(log).spawn().expect("the node starts");
        let mut out = BufReader::new(child.stdout.take().expect("piped"));
        *self.node.lock().expect("not poisoned") = Some(child);
        let read = tokio::task::spawn_blocking(move || {
            let mut line = String::new();
            out.read_line(&mut line).map(|_| line)
        });
        let line = read.await.expect("it reads").expect("readable");
        let told: Value = serde_json::from_str(&line)
            .unwrap_or_else(|error| panic!("{} did not start: {error}", self.name));
        let token = std::fs::read_to_string(self.home.path().join("admin.token")).expect("the token");
        let api = told["api"].as_str().expect("the API's address");
        let client = Client::connect(api, token.trim()).await.expect("the node answers");
        self.api.send_replace(Some(client));
        let address = told["addresses"][0].as_str().expect("an address");
        address.rsplit('@').next().expect("host and port").parse().expect("an IP address and port")
    }

    /// SIGKILL: nothing of it runs on when this returns.
    pub(crate) fn kill(&self) {
        self.api.send_replace(None);
        if let Some(mut child) = self.node.lock().expect("not poisoned").take() {
            child.kill().expect("killed");
            child.wait().expect("reaped");
        }
    }

    /// The node's API, as soon as it lives.
    pub(crate) async fn api(&self) -> Client {
        let mut api = self.api.subscribe();
        let client = api.wait_for(Option::is_some).await.expect("the party is there").clone();
        client.expect("waited for")
    }

    /// Asks until the answer is as wanted, once a block, across the node's deaths.
    pub(crate) async fn until<T, F>(&self, blocks: &Blocks, what: &str, mut ask: impl FnMut(Client) -> F) -> T
    where
        F: Future<Output = Option<T>>,
    {
        let asking = async {
            loop {
                if let Some(answer) = ask(self.api().await).await {
                    return answer;
                }
                blocks.next().await;
            }
        };
        tokio::select! {
            answer = asking => answer,
            () = blocks.patience() => {
                let channels = self.api().await.channel_list(ChannelList::default()).await;
                panic!("{}: {what} did not come: {channels:#?}", self.name)
            }
        }
    }

    fn log(&self) -> std::path::PathBuf {
        self.home.path().join("log")
    }

    /// The end of what the node logged.
    fn last_words(&self) -> Vec<String> {
        let lines: Vec<_> = File::open(self.log())
            .map(|log| BufReader::new(log).lines().map_while(Result::ok).collect())
            .unwrap_or_default();
        lines[lines.len().saturating_sub(LOG_LINES)..].to_vec()
    }
}

impl Drop for Party {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!(
                "--- {}, in {}:\n{}",
                self.name,
                Path::display(self.home.path()),
                self.last_words().join("\n")
            );
        }
    }
}
