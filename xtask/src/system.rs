//! Tasks that run Strait itself. They are a program of their own, so that this one builds when Strait does not.

use crate::command::{cargo, program, release_dir, run as run_command};
use anyhow::Result;
use std::ffi::OsStr;

/// Builds the program and passes a task to it.
pub(crate) fn run(task: &str, arguments: &[impl AsRef<OsStr>]) -> Result<()> {
    // Named as part of the workspace it shares what `cargo build --workspace` compiled. Named by `--package` its
    // dependencies would be compiled once more, with fewer features.
    run_command(&mut cargo("build --release --quiet --workspace --bin xtask-system"))?;
    run_command(program(release_dir()?.join("xtask-system")).arg(task).args(arguments))
}
