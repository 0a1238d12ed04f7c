//! `strait app`: for those who write the rules of channels.

mod check;
mod commit;
mod finish;
pub(crate) mod names;
mod new;
mod open;
mod patient;
mod play;
mod run;
mod state;
mod watch;

pub(crate) use finish::told;
pub(crate) use play::with_fields;
pub(crate) use state::{awaits, outcome};

use crate::command::Global;
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
    /// Hides values behind a hash, with a random salt, and keeps them to be revealed.
    Commit(commit::CommitArgs),
    /// Shows what a commitment hides.
    Reveal(commit::RevealArgs),
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
        matches!(
            self.command,
            AppCommand::New(_)
                | AppCommand::Check(_)
                | AppCommand::Run(_)
                | AppCommand::Commit(_)
                | AppCommand::Reveal(_)
        )
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
        // Run without a node.
        AppCommand::New(_)
        | AppCommand::Check(_)
        | AppCommand::Run(_)
        | AppCommand::Commit(_)
        | AppCommand::Reveal(_) => Ok(()),
    }
}

/// Does it.
///
/// # Errors
/// What is wrong with files or code.
pub(crate) fn run(global: &Global, args: &AppArgs, out: &Output) -> Result<(), Failure> {
    match &args.command {
        AppCommand::New(args) => new::run(args, out),
        AppCommand::Check(args) => check::run(args, out),
        AppCommand::Run(args) => run::run(args, out),
        AppCommand::Commit(args) => commit::commit(&global.home()?, args, out),
        AppCommand::Reveal(args) => commit::reveal(&global.home()?, args, out),
        _ => Err(Failure::usage("this asks a node")),
    }
}

/// A list of fields, as an argument.
pub(crate) fn fields(text: &str) -> Result<strait_app::Fields, String> {
    strait_app::Fields::read(text)
}

fn read(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path)
        .map_err(|error| Failure::usage(format!("{} can't be read: {error}", path.display())))
}

fn code(path: &Path) -> Result<AppCode, Failure> {
    code_of(&read(path)?, path)
}

/// Tells of what is no fault, but may be a mistake.
fn warn_of(code: &AppCode, out: &Output) {
    if code.has_constructor() {
        let text = "the contract has a constructor, which never runs: an app is its runtime code alone, and what a constructor \
                    would set is zero";
        out.note(text);
    }
}

fn code_of(artifact: &str, path: &Path) -> Result<AppCode, Failure> {
    AppCode::from_artifact(artifact).map_err(|error| Failure::usage(format!("{}: {error}", path.display())))
}
