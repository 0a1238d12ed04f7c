//! The store's watchtower: a process that dies, too.

use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use strait::Address;
use tempfile::TempDir;

/// A home, and the tower while that lives.
pub(crate) struct Tower {
    home: TempDir,
    client: String,
    child: Option<Child>,
    /// Where it was reached last; it has another port in each life.
    pub(crate) address: String,
}

impl Tower {
    /// Sets a home up, with the key of an account of the development chain, and starts it.
    pub(crate) async fn start(account: u8, rpc: &str, adjudicator: Address, client: Address) -> Tower {
        let home = TempDir::new().expect("a directory");
        let (account, adjudicator) = (account.to_string(), adjudicator.to_string());
        let words = ["tower", "init", "--devnet", rpc, "--dev-key", &account, "--adjudicator", &adjudicator];
        let mut tower = Tower { home, client: client.to_string(), child: None, address: String::new() };
        let made = tower.command(&words).output().expect("it runs");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        tower.restart().await;
        tower
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_strait"));
        command.args(words).env_clear().env("STRAIT_HOME", self.home.path()).stdin(Stdio::null());
        command
    }

    /// Starts it again.
    pub(crate) async fn restart(&mut self) {
        let poll = "chains.devnet.poll_ms=20";
        let words = ["tower", "--json", "--log", "error", "--client", &self.client, "--set", poll];
        let listen = ["--listen", "127.0.0.1:0"];
        let mut command = self.command(&[&words[..], &listen].concat());
        let mut child = command.stdout(Stdio::piped()).spawn().expect("the tower starts");
        let mut out = BufReader::new(child.stdout.take().expect("piped"));
        self.child = Some(child);
        let read = tokio::task::spawn_blocking(move || {
            let mut line = String::new();
            out.read_line(&mut line).map(|_| line)
        });
        let line = read.await.expect("it reads").expect("readable");
        let told: Value =
            serde_json::from_str(&line).unwrap_or_else(|error| panic!("the tower did not start: {error}"));
        self.address = told["addresses"][0].as_str().expect("an address").to_owned();
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("killed");
            child.wait().expect("reaped");
        }
    }
}

impl Drop for Tower {
    fn drop(&mut self) {
        self.kill();
    }
}
