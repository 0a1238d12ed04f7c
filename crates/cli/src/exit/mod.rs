//! `strait exit`: out of all channels over the chain, from a backup and the key alone.

mod chain;
mod place;
mod report;

use crate::amount::Assets;
use crate::command::Global;
use crate::failure::Failure;
use crate::output::{Output, Wait, tell};
use crate::restore::stores;
use crate::unlock::UnlockArgs;
use chain::Leaving;
use clap::Args;
use place::Rpc;
use std::path::PathBuf;
use std::pin::pin;
use std::time::Duration;

/// Between two looks at the channels.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Options of `strait exit`.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  strait exit --all --backup ./strait-2026-11-22 --key keys/node.json --rpc https://rpc.example --yes\n  strait exit --all --backup ~/.strait/data --key ~/.strait/keys/node.json --rpc mainnet=https://rpc.example --rpc base=https://base.example\n\nIt needs no node and no peer. Every channel is brought to the chain with the best state that the backup holds; after the challenge period it is paid, and locks are taken back when they expire. That takes a day or more: leave it running, or start it again later with the same options, and it goes on. The backup is not changed; the work is done in a copy beside it. Never run it while the node of the same key runs: stop that for good first. It asks before it begins, unless --yes is given. A backup that is older than what you signed may lose: the peer can answer with the newer state, which is then paid."
)]
pub(crate) struct ExitArgs {
    /// Leaves every channel.
    #[arg(long, required = true)]
    all: bool,
    /// A directory of `strait backup`, or HOME/data of a stopped node.
    #[arg(long, value_name = "DIR")]
    backup: PathBuf,
    #[command(flatten)]
    key: UnlockArgs,
    /// A key whose account pays the gas [default: the key itself]; it has the same password.
    #[arg(long, value_name = "FILE")]
    gas_key: Option<PathBuf>,
    /// An endpoint of the chain; with several chains NAME=URL, NAME being the directory's name in the backup.
    #[arg(long, required = true, value_name = "[NAME=]URL")]
    rpc: Vec<Rpc>,
    /// Does not ask first.
    #[arg(long, short)]
    yes: bool,
    /// Where the copy is that the work is done in [default: the backup's name with .exit].
    #[arg(long, value_name = "DIR")]
    work: Option<PathBuf>,
}

/// Leaves all channels.
///
/// # Errors
/// When a chain cannot be reached, or on Ctrl-C.
pub(crate) fn run(global: &Global, args: &ExitArgs, out: &Output) -> Result<(), Failure> {
    let runtime = tokio::runtime::Runtime::new().map_err(Failure::local)?;
    runtime.block_on(leave(global, args, out))
}

async fn leave(global: &Global, args: &ExitArgs, out: &Output) -> Result<(), Failure> {
    let key = args.key.unlock()?;
    let gas_key = match &args.gas_key {
        Some(path) => args.key.other(path)?,
        None => key.clone(),
    };
    let _locks = place::lock_homes(&args.backup, args.key.file())?;
    if !args.yes {
        confirm()?;
    }
    let work = place::prepare(&args.backup, args.work.as_deref())?;
    let chains = stores(&work)?;
    let line = out.wait("reading the backup");
    let mut leaving = Vec::new();
    for name in &chains {
        let urls = place::urls(&args.rpc, name, chains.len())?;
        line.say(format!("{name}: connecting"));
        let (key, gas_key) = (key.clone(), gas_key.clone());
        leaving.extend(Leaving::start(&work, name, urls, key, gas_key).await?);
    }
    let mut stopped = pin!(crate::stop::asked());
    for chain in &mut leaving {
        tokio::select! {
            begun = chain.begin(&line) => begun?,
            () = &mut stopped => return Err(interrupted()),
        }
    }
    tokio::select! {
        ended = all_ended(&leaving, out, &line) => ended?,
        () = &mut stopped => return Err(interrupted()),
    }
    drop(line);
    let mut exits = Vec::new();
    for chain in leaving {
        exits.extend(chain.finish().await?);
    }
    report::print(&exits, out, &Assets::of_home(&place::home(global, args.key.file())))
}

/// Nobody goes to the chain with an old state by mistake.
fn confirm() -> Result<(), Failure> {
    crate::output::confirm(
        "This ends every channel of the backup over the chain, also one whose peer is there; it takes a challenge period.\nA node with this key must run nowhere, and a backup older than the last payment may lose what came after.\nLeave all channels? [y/N] ",
        "leaving all channels",
    )
}

async fn all_ended(leaving: &[Leaving], out: &Output, line: &Wait) -> Result<(), Failure> {
    let mut told: Vec<String> = Vec::new();
    loop {
        let mut open = Vec::new();
        for chain in leaving {
            open.extend(chain.open().await?);
        }
        if open.is_empty() {
            return Ok(());
        }
        // On a terminal the line says how it goes; in a log every change is one line.
        line.say(open.join("; "));
        if told != open {
            open.iter().filter(|text| !told.contains(text)).for_each(|text| tell_wait(out, text));
            told = open;
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// It takes a day: programs, too, see that it goes on.
fn tell_wait(out: &Output, text: &str) {
    if out.is_json() {
        tell(&serde_json::json!({ "waiting": text }).to_string());
    } else {
        out.note(text);
    }
}

fn interrupted() -> Failure {
    Failure::interrupted("not ended yet; what is on chain stays there")
        .hint("run the same command again before the challenge periods end: it goes on")
}
