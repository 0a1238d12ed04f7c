//! `strait node`: a node in the foreground, until it is told to stop.

use crate::command::Global;
use crate::failure::Failure;
use crate::local::{ConfigFlags, load, password};
use crate::output::Output;
use crate::restore::RESTORED;
use clap::Args;
use serde_json::json;
use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use strait_node::config::{Config, Flag, LogFormat};
use strait_node::daemon::{Daemon, DaemonConfig, DaemonError};
use strait_node::keystore;
use strait_types::SigningKey;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, registry};
use zeroize::Zeroizing;

/// Options of `strait node`.
#[derive(Args, Clone, Debug)]
#[command(
    after_help = "Examples:\n  strait init --devnet && strait node\n  strait node --listen 0.0.0.0:4040 --log strait_node=debug,info\n  strait node --password-file /etc/strait/password --json | jq -r .addresses[0]\n\nSIGTERM or Ctrl-C stops it cleanly, a second one at once. Exit code: 0 when it was stopped, 1 when it failed, 2 when the configuration is wrong."
)]
pub(crate) struct NodeArgs {
    #[command(flatten)]
    flags: ConfigFlags,
    /// Where peers connect, or off.
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<String>,
    /// Where the API listens.
    #[arg(long, value_name = "ADDRESS:PORT")]
    api: Option<String>,
    /// Which log messages appear, such as info or strait_node=debug,warn.
    #[arg(long, value_name = "FILTER")]
    log: Option<String>,
    /// How the log is written: text or json.
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<String>,
    /// The file that holds the key's password.
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// The data comes from a backup: the node takes no value before its peers have agreed what counts.
    #[arg(long)]
    restored: bool,
}

/// Runs until it is stopped.
///
/// # Errors
/// Why it does not start, or why it stopped.
pub(crate) fn run(global: &Global, args: &NodeArgs, out: &Output) -> Result<(), Failure> {
    let flag = |name: &str, key: &str, value: &Option<String>| {
        value.as_ref().map(|value| Flag { name: name.into(), key: key.into(), value: value.clone() })
    };
    let flags = [
        flag("--listen", "node.listen", &args.listen),
        flag("--api", "node.api", &args.api),
        flag("--log", "node.log", &args.log),
        flag("--log-format", "node.log_format", &args.log_format),
    ];
    let config = load(global, &args.flags, flags.into_iter().flatten().collect())?.config;
    start_log(&config)?;
    let restored_from = config.database(RESTORED);
    let daemon = unlock(config, args.password_file.as_deref(), args.restored)?;
    // The channels know it by themselves; the note is for people who have not started the node yet.
    if restored_from.exists() {
        std::fs::remove_file(&restored_from).map_err(Failure::local)?;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Failure::local)?;
    runtime.block_on(serve(daemon, out))
}

pub(crate) fn start_log(config: &Config) -> Result<(), Failure> {
    let filter = filter(&config.node.log)?;
    let log = tracing_subscriber::fmt::layer::<Registry>()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    let log = match config.node.log_format {
        LogFormat::Text => log.boxed(),
        LogFormat::Json => log.json().boxed(),
    };
    registry()
        .with(log.with_filter(filter))
        .try_init()
        .map_err(|error| Failure::local(format!("the log cannot be started: {error}")))
}

fn filter(text: &str) -> Result<Targets, Failure> {
    text.parse().map_err(|error| {
        Failure::usage(format!("node.log: '{text}' is no filter: {error}"))
            .hint("write it as info, or strait_node=debug,warn")
    })
}

/// Opens the keys that the configuration names. Each is opened once; all have the same password unless asked for.
///
/// # Errors
/// When a key is missing, or its password is.
pub(crate) fn unlock(
    config: Config,
    password_file: Option<&Path>,
    restored: bool,
) -> Result<DaemonConfig, Failure> {
    let mut opened = Keys { config: &config, password_file, given: None, keys: BTreeMap::new() };
    let signer = opened.open(&config.node.key)?;
    let mut accounts = BTreeMap::new();
    for (name, chain) in &config.chains {
        accounts.insert(name.clone(), opened.open(&chain.account)?);
    }
    Ok(DaemonConfig { signer, accounts, restored, config })
}

struct Keys<'a> {
    config: &'a Config,
    password_file: Option<&'a Path>,
    given: Option<Zeroizing<String>>,
    keys: BTreeMap<String, SigningKey>,
}

impl Keys<'_> {
    fn open(&mut self, name: &str) -> Result<SigningKey, Failure> {
        if let Some(key) = self.keys.get(name) {
            return Ok(key.clone());
        }
        let path = self.config.key_file(name);
        if self.config.chains.is_empty() && !path.exists() {
            return Err(Failure::usage(format!("{} is not set up yet", self.config.home.display()))
                .hint("`strait init --devnet`, or `strait init --chain NAME ...`, with the same --home"));
        }
        let file = keystore::load(&path)?;
        let with_path =
            |error: keystore::KeystoreError| Failure::usage(format!("{}: {error}", path.display()));
        let password = match &self.given {
            Some(password) => password.clone(),
            None => password(
                self.password_file,
                self.config.node.password_file.as_deref(),
                &format!("Password of the key '{name}': "),
            )?,
        };
        let key = file.decrypt(&password).map_err(with_path)?.signing_key()?;
        self.given = Some(password);
        self.keys.insert(name.to_owned(), key.clone());
        Ok(key)
    }
}

impl From<DaemonError> for Failure {
    fn from(error: DaemonError) -> Failure {
        match error {
            DaemonError::NoChain | DaemonError::Url { .. } | DaemonError::Chain { .. } => {
                Failure::usage(error)
            }
            error => Failure::local(error),
        }
    }
}

async fn serve(daemon: DaemonConfig, out: &Output) -> Result<(), Failure> {
    let mut stop = Stop::listen().map_err(Failure::local)?;
    let (config, signer) = (daemon.config.clone(), daemon.signer.address());
    let daemon = tokio::select! {
        started = Daemon::start(daemon) => started?,
        () = stop.requested() => return Ok(()),
    };
    for text in daemon.notes() {
        tracing::warn!("{text}");
    }
    announce(&daemon, &config, &signer.to_string(), out)?;
    let failure = tokio::select! {
        () = stop.requested() => None,
        reason = daemon.failed() => Some(reason),
    };
    out.note("stopping; a second signal stops at once");
    tokio::select! {
        () = daemon.stop() => {}
        () = stop.requested() => {
            tracing::warn!("stopped at once; what was accepted is on disk");
            return Err(Failure::interrupted("stopped at once").told());
        }
    }
    match failure {
        None => Ok(()),
        Some(reason) => Err(Failure::local(format!("the node stopped by itself: {reason}"))),
    }
}

fn announce(daemon: &Daemon, config: &Config, signer: &str, out: &Output) -> Result<(), Failure> {
    let addresses: Vec<String> = daemon.addresses().iter().map(ToString::to_string).collect();
    let api = format!("http://{}", daemon.api());
    let token: &Path = &config.admin_token_file();
    let chains: Vec<_> = config
        .chains
        .iter()
        .map(|(name, chain)| json!({ "name": name, "chain_id": chain.chain_id, "adjudicator": chain.adjudicator.to_string() }))
        .collect();
    let value = json!({ "signer": signer, "addresses": addresses, "api": api, "token_file": token, "chains": chains });
    out.result(&value, |out| {
        let mut pairs = vec![("key", signer.to_owned())];
        pairs.extend(addresses.iter().map(|address| ("peers", address.clone())));
        pairs.push(("API", format!("{api}  (token in {})", token.display())));
        pairs.extend(config.chains.iter().map(|(name, chain)| {
            ("chain", format!("{name} ({}), adjudicator {}", chain.chain_id, chain.adjudicator))
        }));
        out.pairs(&pairs)
    })
}

/// What asks the process to stop.
pub(crate) struct Stop {
    terminate: Signal,
    interrupt: Signal,
}

impl Stop {
    pub(crate) fn listen() -> std::io::Result<Stop> {
        Ok(Stop { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    pub(crate) async fn requested(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing::Level;

    #[test]
    fn a_filter_has_a_level_for_all_and_others_for_parts() {
        let debug = filter("strait_node=debug,warn").expect("a filter");
        assert!(debug.would_enable("strait_node::shell", &Level::DEBUG));
        assert!(debug.would_enable("strait_chain", &Level::WARN));
        assert!(!debug.would_enable("strait_chain", &Level::INFO));
        let info = filter("info").expect("a filter");
        assert!(info.would_enable("anything", &Level::INFO) && !info.would_enable("anything", &Level::DEBUG));
        assert!(!filter("off").expect("a filter").would_enable("anything", &Level::ERROR));
        assert!(filter("strait_node=loud").is_err());
    }
}
