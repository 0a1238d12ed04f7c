//! `strait backup`.

use crate::context::Context;
use crate::failure::Failure;
use clap::Args;
use std::path::{PathBuf, absolute};
use strait_api::BackupTo;

/// Options of `strait backup`.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  strait backup /var/backups/strait-2026-11-22\n  strait backup \"$(date +%F)\" --json\n\nThe node goes on while it is written. Keys are not in it: keep a copy of HOME/keys apart, once. API tokens are not either: after a restore new ones are made."
)]
pub(crate) struct BackupArgs {
    /// A directory that does not exist yet, on the node's machine.
    directory: PathBuf,
}

/// Writes it.
///
/// # Errors
/// What the node says.
pub(crate) async fn run(context: &Context, args: BackupArgs) -> Result<(), Failure> {
    let directory = absolute(&args.directory).map_err(Failure::usage)?;
    let directory = directory
        .to_str()
        .ok_or_else(|| Failure::usage("the directory's name is no UTF-8").hint("choose another name"))?
        .to_owned();
    let wait = context.out.wait("writing the backup");
    let done = context.api.backup(BackupTo { directory }).await?;
    drop(wait);
    context.out.result(&done, |_| format!("{} bytes in {}", done.bytes, done.directory))
}
