//! A process that follows orders and is ended with its owner.

use anyhow::{Context as _, Result, bail};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

pub(crate) struct Process {
    child: Child,
    orders: ChildStdin,
    said: BufReader<ChildStdout>,
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

impl Process {
    /// Starts this program, or another build of it, with what it is to do behind a flag.
    pub(crate) fn start(executable: &Path, flag: &str, setup: &impl Serialize) -> Result<Process> {
        let mut child = Command::new(executable)
            .arg(flag)
            .arg(serde_json::to_string(setup)?)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("{} can't be started", executable.display()))?;
        let orders = child.stdin.take().context("piped")?;
        let said = BufReader::new(child.stdout.take().context("piped")?);
        Ok(Process { child, orders, said })
    }

    pub(crate) fn order(&mut self, order: &impl Serialize) -> Result<()> {
        writeln!(self.orders, "{}", serde_json::to_string(order)?).context("a party has ended")
    }

    pub(crate) fn hear<Said: DeserializeOwned>(&mut self) -> Result<Said> {
        let mut line = String::new();
        if self.said.read_line(&mut line)? == 0 {
            bail!("a party has ended; what it said is above");
        }
        serde_json::from_str(&line).with_context(|| format!("a party said: {line}"))
    }
}
