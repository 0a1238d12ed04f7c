//! A block as a running shell.

use crate::command::{program, release_dir};
use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use std::io::{PipeReader, Read, pipe};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A home directory that is shared by the blocks of a document, so that they neither see nor touch the user's.
pub(super) struct Home(TempDir);

impl Home {
    pub(super) fn new() -> Result<Home> {
        Ok(Home(TempDir::new().context("no temporary directory can be made")?))
    }

    fn enter(&self, command: &mut Command) -> Result<()> {
        for (name, folder) in
            [("CARGO_HOME", ".cargo"), ("RUSTUP_HOME", ".rustup"), ("npm_config_cache", ".npm")]
        {
            if let (None, Some(home)) = (std::env::var_os(name), std::env::home_dir()) {
                command.env(name, home.join(folder));
            }
        }
        // What the build made is found as if it were installed.
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{}:{path}", release_dir()?.display()));
        for name in ["XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"] {
            command.env_remove(name);
        }
        command.env("HOME", self.0.path());
        Ok(())
    }
}

/// A shell with all that it started; ended when it is dropped.
pub(super) struct Running {
    child: Child,
    parts: Receiver<Vec<u8>>,
    output: Vec<u8>,
}

impl Running {
    pub(super) fn start(code: &str, home: &Home) -> Result<Running> {
        let (reader, writer) = pipe()?;
        let mut command = program("bash");
        command.args(["-euo", "pipefail", "-c", code]).process_group(0);
        home.enter(&mut command)?;
        command.stdin(Stdio::null()).stdout(writer.try_clone()?).stderr(writer);
        let child = command.spawn().context("`bash` can't be started; is it installed?")?;
        let (sender, parts) = channel();
        thread::spawn(move || forward(reader, &sender));
        Ok(Running { child, parts, output: Vec::new() })
    }

    /// Waits until the output contains the text.
    pub(super) fn wait_for(&mut self, text: &str, limit: Duration) -> Result<()> {
        let deadline = Instant::now() + limit;
        while !self.text().contains(text) {
            if !self.read(deadline)? {
                bail!("the block ended without {text:?} in its output:\n{}", self.text());
            }
        }
        Ok(())
    }

    /// Waits for its end; gives whether it was a success, and the whole output.
    pub(super) fn finish(mut self, limit: Duration) -> Result<(bool, String)> {
        let deadline = Instant::now() + limit;
        while self.read(deadline)? {}
        let success = self.child.wait()?.success();
        Ok((success, self.text()))
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.output).into_owned()
    }

    /// Waits for more output; false when there won't be any.
    fn read(&mut self, deadline: Instant) -> Result<bool> {
        match self.parts.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(part) => {
                self.output.extend(part);
                Ok(true)
            }
            Err(RecvTimeoutError::Disconnected) => Ok(false),
            Err(RecvTimeoutError::Timeout) => bail!("the block takes too long; its output:\n{}", self.text()),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Once it has been waited for, its number may be another's.
        if let (Ok(None), Ok(id)) = (self.child.try_wait(), i32::try_from(self.child.id())) {
            // It may end just now, which is what is wanted.
            let _ = killpg(Pid::from_raw(id), Signal::SIGKILL);
            let _ = self.child.wait();
        }
    }
}

fn forward(mut reader: PipeReader, sender: &Sender<Vec<u8>>) {
    let mut buffer = [0; 8192];
    while let Ok(length @ 1..) = reader.read(&mut buffer) {
        if sender.send(buffer[..length].to_vec()).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(60);

    #[test]
    fn dropping_ends_all_that_was_started() {
        let home = Home::new().unwrap();
        let mut running = Running::start("tail -f /dev/null & echo started; wait", &home).unwrap();
        running.wait_for("started", LIMIT).unwrap();
        let parts = std::mem::replace(&mut running.parts, channel().1);
        drop(running);
        // Both the shell and its child hold the pipe until they end.
        assert_eq!(parts.recv_timeout(LIMIT), Err(RecvTimeoutError::Disconnected));
    }

    #[test]
    fn a_block_that_hangs_is_an_error() {
        let running = Running::start("echo waits; tail -f /dev/null", &Home::new().unwrap()).unwrap();
        let error = running.finish(Duration::from_millis(300)).unwrap_err().to_string();
        assert!(error.contains("too long"), "{error}");
    }

    #[test]
    fn the_users_home_is_not_seen() {
        let home = Home::new().unwrap();
        let (success, output) = Running::start("echo $HOME", &home).unwrap().finish(LIMIT).unwrap();
        assert!(success);
        assert_eq!(output.trim(), home.0.path().to_str().unwrap());
    }
}
