//! `strait app`: for those who write the rules of channels.

mod check;
mod finish;
mod new;
mod open;
mod play;
mod reasons;
mod run;
mod watch;

use crate::context::Context;
use crate::failure::Failure;
use crate::output::Output;
use clap::{Args, Subcommand};
use std::path::Path;
use strait_app::AppCode;

/// Options of `strait app`.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  strait app new my-game\n  strait app check artifact.json\n  strait app run artifact.json play.json\n  strait app install artifact.json\n  strait app show 0x1a2b --fields \"uint128 stake, uint8 sticks\"\n\ndocs/apps.md: your first app in 15 minutes."
)]
pub(crate) struct AppArgs {
    #[command(subcommand)]
    command: AppCommand,
}

#[derive(Subcommand, Debug)]
enum AppCommand {
    /// Writes a project: a contract, its client in Rust, and tests that pass.
    New(new::NewArgs),
    /// Says whether compiled code is fit to be an app, and its address.
    Check(check::CheckArgs),
    /// Plays both sides of an app on this machine, by the contract's code.
    Run(run::RunArgs),
    /// Gives the node an app's code, so that it can be played.
    Install(open::InstallArgs),
    /// Lists the apps whose code the node holds.
    #[command(after_help = "Example:\n  strait app list")]
    List,
    /// Opens a channel with an app, and deposits the stake.
    Open(open::OpenArgs),
    /// Names what a game begins with, for `policy.starts` of those who are to play it.
    Start(open::StartArgs),
    /// Shows how play stands in a channel.
    Show(play::ShowArgs),
    /// Makes a move.
    Move(play::MoveArgs),
    /// Ends play by an outcome on which both agree.
    Finish(finish::FinishArgs),
    /// Takes play to the chain because the peer stalls: whoever does not move in time is judged by the app.
    Claim(play::ClaimArgs),
    /// Shows how play stands and all that happens, until Ctrl-C.
    Watch(watch::WatchArgs),
}

impl AppArgs {
    /// Whether no node is asked.
    pub(crate) fn is_offline(&self) -> bool {
        matches!(self.command, AppCommand::New(_) | AppCommand::Check(_) | AppCommand::Run(_))
    }
}

/// What asks a running node.
///
/// # Errors
/// What the node says.
pub(crate) async fn with_node(context: &Context, args: AppArgs) -> Result<(), Failure> {
    match args.command {
        AppCommand::Install(args) => open::install(context, &args).await,
        AppCommand::List => open::list(context).await,
        AppCommand::Start(args) => open::start(context, &args).await,
        AppCommand::Open(args) => open::run(context, args).await,
        AppCommand::Show(args) => play::show(context, &args).await,
        AppCommand::Move(args) => play::make(context, &args).await,
        AppCommand::Finish(args) => finish::run(context, args).await,
        AppCommand::Claim(args) => play::claim(context, &args).await,
        AppCommand::Watch(args) => watch::run(context, args).await,
        offline @ (AppCommand::New(_) | AppCommand::Check(_) | AppCommand::Run(_)) => {
            run(&AppArgs { command: offline }, &context.out)
        }
    }
}

/// Does it.
///
/// # Errors
/// What is wrong with files or code.
pub(crate) fn run(args: &AppArgs, out: &Output) -> Result<(), Failure> {
    match &args.command {
        AppCommand::New(args) => new::run(args, out),
        AppCommand::Check(args) => check::run(args, out),
        AppCommand::Run(args) => run::run(args, out),
        _ => Err(Failure::usage("this asks a node")),
    }
}

fn read(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path)
        .map_err(|error| Failure::usage(format!("{} can't be read: {error}", path.display())))
}

fn code(path: &Path) -> Result<AppCode, Failure> {
    code_of(&read(path)?, path)
}

fn code_of(artifact: &str, path: &Path) -> Result<AppCode, Failure> {
    AppCode::from_artifact(artifact).map_err(|error| Failure::usage(format!("{}: {error}", path.display())))
}
