//! `strait tower`: a watchtower in the foreground, and the towers of a node.

use crate::command::Global;
use crate::context::Context;
use crate::failure::Failure;
use crate::init::{self, InitArgs};
use crate::local::{ConfigFlags, load};
use crate::node::{Stop, start_log, unlock};
use crate::output::{Output, note};
use clap::{Args, Subcommand};
use serde_json::json;
use std::path::PathBuf;
use strait_api::TowerQuery;
use strait_engine::tower::Admission;
use strait_node::config::{Config, Flag};
use strait_node::daemon::{DaemonConfig, TowerDaemon};

/// Options of `strait tower`.
#[derive(Args, Debug)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  strait --home /srv/tower tower init --devnet\n  strait --home /srv/tower tower --client 0x5151..5151\n  strait --home /srv/tower tower --listen 0.0.0.0:4040 --client any\n\nWithout a subcommand it runs a watchtower in the foreground: it guards the channels of its clients while they are away,\nand holds no key of theirs; its own pays the gas. A client names it by the address that it prints: node.towers = [\"strait-tower://...\"].\nSIGTERM or Ctrl-C stops it cleanly. Exit code: 0 when it was stopped, 1 when it failed, 2 when the configuration is wrong."
)]
pub(crate) struct TowerArgs {
    #[command(subcommand)]
    command: Option<TowerCommand>,
    #[command(flatten)]
    run: RunArgs,
}

#[derive(Args, Clone, Debug)]
struct RunArgs {
    #[command(flatten)]
    flags: ConfigFlags,
    /// A key that is served, or any; may be given several times, in place of tower.clients.
    #[arg(long, value_name = "SIGNER")]
    client: Vec<String>,
    /// Where clients connect.
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<String>,
    /// Which log messages appear, such as info or strait_node=debug,warn.
    #[arg(long, value_name = "FILTER")]
    log: Option<String>,
    /// How the log is written: text or json.
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<String>,
    /// The file that holds the key's password.
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
}

#[derive(Subcommand, Debug)]
enum TowerCommand {
    /// Lists the towers of a running node, and what each has signed for.
    #[command(
        after_help = "Examples:\n  strait tower list\n  strait tower list 0x1a2b\n\nTowers are named in the node's configuration: node.towers = [\"strait-tower://0xSIGNER@host:port\"]."
    )]
    List {
        /// Shows which version of this channel each tower has signed for: its id, or the first digits.
        channel: Option<String>,
    },
    /// Makes a home directory for a tower, with a key that pays gas and a configuration: the same as `strait init`.
    Init(InitArgs),
}

/// Runs it.
///
/// # Errors
/// Why it does not start, or why it stopped.
pub(crate) fn run(global: &Global, args: &TowerArgs, out: &Output) -> Result<(), Failure> {
    match &args.command {
        Some(TowerCommand::Init(args)) => init::run(global, args, out),
        // It asks a node.
        Some(TowerCommand::List { .. }) => Ok(()),
        None => watch(global, &args.run, out),
    }
}

impl TowerArgs {
    /// Whether it needs no running node.
    pub(crate) fn is_offline(&self) -> bool {
        !matches!(self.command, Some(TowerCommand::List { .. }))
    }
}

/// Runs what asks a node.
///
/// # Errors
/// What the node says.
pub(crate) async fn with_node(context: &Context, args: TowerArgs) -> Result<(), Failure> {
    let Some(TowerCommand::List { channel }) = args.command else { return Ok(()) };
    let channel = match channel {
        Some(text) => Some(context.channel(&text).await?.channel),
        None => None,
    };
    let towers = context.api.tower_list(TowerQuery { channel }).await?;
    let assets = context.assets().await?;
    context.out.result(&towers, |out| {
        if towers.towers.is_empty() {
            return "no watchtower guards this node's channels while it is off; name one in node.towers"
                .into();
        }
        let rows = towers.towers.iter().map(|tower| {
            let problem = tower.problem.as_ref().or(tower.refusal.as_ref());
            let mut row = vec![
                tower.address.clone(),
                assets.chain_name(tower.chain_id),
                if tower.is_connected { "yes".into() } else { "no".into() },
                tower.held.to_string(),
                tower.behind.to_string(),
            ];
            if channel.is_some() {
                row.push(tower.version.map_or_else(|| "none".into(), |version| version.to_string()));
            }
            row.push(problem.cloned().unwrap_or_else(|| "-".into()));
            row
        });
        let mut heads = vec!["TOWER", "CHAIN", "CONNECTED", "HOLDS", "BEHIND"];
        heads.extend(channel.map(|_| "VERSION"));
        heads.push("PROBLEM");
        out.table(&heads, rows)
    })
}

fn watch(global: &Global, args: &RunArgs, out: &Output) -> Result<(), Failure> {
    let flag = |name: &str, key: &str, value: &Option<String>| {
        value.as_ref().map(|value| Flag { name: name.into(), key: key.into(), value: value.clone() })
    };
    let clients = (!args.client.is_empty()).then(|| args.client.join(","));
    let flags = [
        flag("--listen", "node.listen", &args.listen),
        flag("--log", "node.log", &args.log),
        flag("--log-format", "node.log_format", &args.log_format),
        flag("--client", "tower.clients", &clients),
    ];
    let config = load(global, &args.flags, flags.into_iter().flatten().collect())?.config;
    start_log(&config)?;
    let daemon = unlock(config, args.password_file.as_deref(), false)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Failure::local)?;
    runtime.block_on(serve(daemon, out))
}

async fn serve(daemon: DaemonConfig, out: &Output) -> Result<(), Failure> {
    let mut stop = Stop::listen().map_err(Failure::local)?;
    let tower = tokio::select! {
        started = TowerDaemon::start(&daemon) => started?,
        () = stop.requested() => return Ok(()),
    };
    for text in tower.notes() {
        tracing::warn!("{text}");
    }
    announce(&tower, &daemon.config, out)?;
    let failure = tokio::select! {
        () = stop.requested() => None,
        reason = tower.failed() => Some(reason),
    };
    note(out.is_json(), "stopping; a second signal stops at once");
    tokio::select! {
        () = tower.stop() => {}
        () = stop.requested() => return Err(Failure::interrupted("stopped at once").told()),
    }
    match failure {
        None => Ok(()),
        Some(reason) => Err(Failure::local(format!("the tower stopped by itself: {reason}"))),
    }
}

fn announce(tower: &TowerDaemon, config: &Config, out: &Output) -> Result<(), Failure> {
    let addresses: Vec<String> = tower.addresses().iter().map(ToString::to_string).collect();
    let clients = match &config.tower.quotas.admission {
        Admission::Anybody => "any key".to_owned(),
        Admission::Keys(keys) if keys.is_empty() => "nobody yet; set tower.clients".to_owned(),
        Admission::Keys(keys) => keys.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    };
    let value = json!({ "addresses": addresses, "clients": clients });
    out.result(&value, |out| {
        let mut pairs: Vec<_> = addresses.iter().map(|address| ("tower", address.clone())).collect();
        pairs.push(("serves", clients.clone()));
        pairs.extend(config.chains.iter().map(|(name, chain)| {
            ("chain", format!("{name} ({}), adjudicator {}", chain.chain_id, chain.adjudicator))
        }));
        out.pairs(&pairs)
    })
}
