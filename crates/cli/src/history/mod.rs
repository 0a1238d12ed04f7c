//! `strait history`.

mod export;
mod lines;
mod proof;
mod prune;
mod terms;
mod verify;

use crate::amount::Assets;
use crate::command::Global;
use crate::context::Context;
use crate::failure::Failure;
use crate::output::Output;
use clap::{Args, Subcommand};

/// Options of `strait history`.
#[derive(Args, Debug)]
#[command(
    args_conflicts_with_subcommands = true,
    arg_required_else_help = true,
    after_help = "Examples:\n  strait history 0x1a2b\n  strait history 0x1a2b --csv > bill.csv\n  strait history 0x1a2b --follow --json\n  strait history export 0x1a2b --proof bill.json\n  strait history verify bill.json\n  strait history prune 0x1a2b --keep 10000\n\nA bill lists what both have signed, operation by operation. `verify` needs no node and no chain: it checks every signature and hash of an exported bill."
)]
pub(crate) struct HistoryArgs {
    #[command(subcommand)]
    command: Option<HistoryCommand>,
    #[command(flatten)]
    lines: lines::LinesArgs,
}

#[derive(Subcommand, Debug)]
enum HistoryCommand {
    /// Writes a bill with the signatures that prove it.
    Export(export::ExportArgs),
    /// Forgets the older part of a channel's history for good.
    Prune(prune::PruneArgs),
    /// Checks an exported bill, without a node.
    Verify(verify::VerifyArgs),
}

impl HistoryArgs {
    /// Whether it needs no node.
    pub(crate) fn is_offline(&self) -> bool {
        matches!(self.command, Some(HistoryCommand::Verify(_)))
    }
}

/// Runs what needs no node.
///
/// # Errors
/// When the bill does not hold.
pub(crate) fn offline(global: &Global, args: &HistoryArgs, out: &Output) -> Result<(), Failure> {
    match &args.command {
        Some(HistoryCommand::Verify(args)) => verify::run(args, out, &Assets::of_home(global)),
        _ => Ok(()),
    }
}

/// Runs what asks the node.
///
/// # Errors
/// What the node says.
pub(crate) async fn run(context: &Context, args: HistoryArgs) -> Result<(), Failure> {
    match args.command {
        None => lines::run(context, args.lines).await,
        Some(HistoryCommand::Export(args)) => export::run(context, args).await,
        Some(HistoryCommand::Prune(args)) => prune::run(context, args).await,
        Some(HistoryCommand::Verify(args)) => verify::run(&args, &context.out, context.assets().await?),
    }
}
