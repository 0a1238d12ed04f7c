//! `strait tower`: a watchtower in the foreground, and the towers of a node.

use crate::command::Global;
use crate::context::{Context, pick};
use crate::failure::Failure;
use crate::init::{self, InitArgs};
use crate::local::{ConfigFlags, load};
use crate::node::{Stop, start_log, unlock};
use crate::output::Output;
use clap::{Args, Subcommand};
use serde_json::json;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;
use strait_api::{TowerAdd, TowerQuery, TowerRemove};
use strait_engine::tower::Admission;
use strait_node::config::{Config, Flag};
use strait_node::daemon::{DaemonConfig, TowerDaemon};
use strait_node::transport::TowerAddress;
use strait_types::Address;
use tokio::time::{Instant, sleep};

/// Options of `strait tower`.
#[derive(Args, Debug)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  strait --home /srv/tower tower init --devnet\n  strait --home /srv/tower tower --client 0x5151..5151\n  strait --home /srv/tower tower --listen 0.0.0.0:4040 --client any\n  strait tower add strait-tower://0x5151..5151@tower.example:4040\n\nWithout a subcommand it runs a watchtower in the foreground: it guards the channels of its clients while they are away, and holds no key of theirs; its own pays the gas. A client names it by the address that it prints: node.towers = [\"strait-tower://...\"]. SIGTERM or Ctrl-C stops it cleanly. Exit code: 0 when it was stopped, 1 when it failed, 2 when the configuration is wrong."
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
    /// Hands this node's channels over to a tower from now on.
    #[command(after_help = "Example:\n  strait tower add strait-tower://0x5151..5151@tower.example:4040")]
    Add {
        /// `strait-tower://SIGNER@HOST:PORT`; the tower prints it when it starts.
        address: String,
    },
    /// Hands over to a tower no more; it guards what it holds until the channels are closed.
    #[command(after_help = "Example:\n  strait tower remove 0x5151")]
    Remove {
        /// Its signer, or the first digits.
        tower: String,
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
        Some(TowerCommand::Init(args)) => init::set_up(global, args, out, "tower --client SIGNER"),
        // They ask a node.
        Some(TowerCommand::List { .. } | TowerCommand::Add { .. } | TowerCommand::Remove { .. }) => Ok(()),
        None => watch(global, &args.run, out),
    }
}

impl TowerArgs {
    /// Whether it needs no running node.
    pub(crate) fn is_offline(&self) -> bool {
        matches!(self.command, None | Some(TowerCommand::Init(_)))
    }
}

/// Runs what asks a node.
///
/// # Errors
/// What the node says.
pub(crate) async fn with_node(context: &Context, args: TowerArgs) -> Result<(), Failure> {
    match args.command {
        None | Some(TowerCommand::Init(_)) => Ok(()),
        Some(TowerCommand::List { channel }) => list(context, channel).await,
        Some(TowerCommand::Add { address }) => {
            let done = context.api.tower_add(TowerAdd { address: address.clone() }).await?;
            if let Some(problem) = first_problem(context, &address).await? {
                context
                    .out
                    .note(&format!("the tower is kept, and nothing is handed over to it yet: {problem}"));
            }
            context.out.result(&done, |_| {
                format!("hands over to {address}; `strait tower list` shows what it has signed for")
            })
        }
        Some(TowerCommand::Remove { tower }) => remove(context, &tower).await,
    }
}

/// How long a tower that was just added may take to answer.
const ANSWERS_WITHIN: Duration = Duration::from_secs(3);

/// Why a tower that was just added does not answer; `None`: it does.
async fn first_problem(context: &Context, address: &str) -> Result<Option<String>, Failure> {
    // What the node has taken is an address.
    let Ok(address) = address.parse::<TowerAddress>() else { return Ok(None) };
    let end = Instant::now() + ANSWERS_WITHIN;
    loop {
        let mut towers = context.api.tower_list(TowerQuery::default()).await?.towers;
        towers.retain(|tower| tower.signer == address.signer() && !tower.has_told);
        let Some(silent) = towers.pop() else { return Ok(None) };
        if Instant::now() >= end {
            let unknown = || "it has not answered yet; `strait tower list` shows how it goes on".to_owned();
            return Ok(Some(silent.problem.unwrap_or_else(unknown)));
        }
        sleep(Duration::from_millis(100)).await;
    }
}

async fn remove(context: &Context, tower: &str) -> Result<(), Failure> {
    let signer = match tower.parse() {
        Ok(signer) => signer,
        Err(_) => {
            let towers = context.api.tower_list(TowerQuery::default()).await?.towers;
            // A tower stands there once for each chain.
            let signers: BTreeSet<Address> = towers.into_iter().map(|tower| tower.signer).collect();
            pick("tower", tower, signers, Address::to_string)?
        }
    };
    let done = context.api.tower_remove(TowerRemove { signer }).await?;
    context.out.result(&done, |_| {
        let back = if done.until_restart {
            "; node.towers names it, so that it is back after a restart: take it out there too"
        } else {
            ""
        };
        format!("{signer} is handed nothing any more{back}")
    })
}

async fn list(context: &Context, channel: Option<String>) -> Result<(), Failure> {
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
    out.note("stopping; a second signal stops at once");
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
    let metrics = tower.metrics().map(|address| format!("http://{address}/metrics"));
    let value = json!({ "addresses": addresses, "clients": clients, "metrics": metrics });
    out.result(&value, |out| {
        let mut pairs: Vec<_> = addresses.iter().map(|address| ("tower", address.clone())).collect();
        pairs.push(("serves", clients.clone()));
        pairs.extend(metrics.clone().map(|metrics| ("figures", metrics)));
        pairs.extend(config.chains.iter().map(|(name, chain)| {
            ("chain", format!("{name} ({}), adjudicator {}", chain.chain_id, chain.adjudicator))
        }));
        out.pairs(&pairs)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Fake, MAINNET};
    use clap::Parser;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: TowerArgs,
    }

    #[tokio::test(start_paused = true)]
    async fn a_tower_that_is_added_has_three_seconds_to_answer() {
        let signer = Address::repeat_byte(0x77);
        let address = format!("strait-tower://{signer}@127.0.0.1:4040");
        // How many looks it takes until it has told what it holds.
        for (looks, problem) in [(3, None), (u32::MAX, Some("nobody answers there"))] {
            let (looked, listed) = (AtomicU32::new(0), address.clone());
            let (context, seen) = Fake::new(false)
                .on("strait_tower_add", |_| Ok(json!({})))
                .on("strait_tower_list", move |_| {
                    let has_told = looked.fetch_add(1, Ordering::Relaxed) >= looks;
                    Ok(json!({"towers": [{"address": listed, "signer": signer, "chain_id": MAINNET,
                        "is_connected": has_told, "has_told": has_told, "held": 0, "behind": 0, "behind_for": null,
                        "refused": 0, "refusal": null, "last_receipt": null, "problem": problem, "version": null}]}))
                })
                .start();
            let begin = Instant::now();
            let args = Line::parse_from(["tower", "add", &address]).args;
            with_node(&context, args).await.expect("kept");
            assert!(seen.text().contains("hands over to"), "{}", seen.text());
            assert_eq!(begin.elapsed() >= ANSWERS_WITHIN, problem.is_some());
            assert!(begin.elapsed() < ANSWERS_WITHIN + Duration::from_secs(1));
            let notes = seen.notes();
            assert_eq!(notes.contains("nothing is handed over to it yet"), problem.is_some(), "{notes}");
            assert!(problem.is_none_or(|problem| notes.contains(problem)), "{notes}");
        }
    }
}
