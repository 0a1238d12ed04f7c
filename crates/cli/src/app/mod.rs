//! `strait app`: for those who write the rules of channels.

mod check;
mod new;
mod run;

use crate::failure::Failure;
use crate::output::Output;
use clap::{Args, Subcommand};
use std::path::Path;
use strait_app::AppCode;

/// Options of `strait app`.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  strait app new my-game\n  strait app check artifact.json\n  strait app run artifact.json play.json\n\ndocs/apps.md: your first app in 15 minutes."
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
    }
}

fn read(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path)
        .map_err(|error| Failure::usage(format!("{} can't be read: {error}", path.display())))
}

fn code(path: &Path) -> Result<AppCode, Failure> {
    AppCode::from_artifact(&read(path)?)
        .map_err(|error| Failure::usage(format!("{}: {error}", path.display())))
}
