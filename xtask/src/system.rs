//! Tasks that run Strait itself. They are programs of their own, so that this one builds when Strait does not.

use crate::command::{cargo, program, release_dir, run as run_command};
use anyhow::Result;
use std::ffi::OsStr;

/// Measures gas: `xtask/system`.
pub(crate) fn gas<A: AsRef<OsStr>>(arguments: &[A]) -> Result<()> {
    run("xtask-system", Some("gas"), arguments)
}

/// Measures payments: `crates/bench`.
pub(crate) fn bench(arguments: &[impl AsRef<OsStr>]) -> Result<()> {
    run("strait-bench", None, arguments)
}

/// Simulates: `crates/sim`.
pub(crate) fn sim(arguments: &[impl AsRef<OsStr>]) -> Result<()> {
    run("strait-sim", None, arguments)
}

fn run(binary: &str, task: Option<&str>, arguments: &[impl AsRef<OsStr>]) -> Result<()> {
    // Named as part of the workspace it shares what `cargo build --workspace` compiled. Named by `--package` its
    // dependencies would be compiled once more, with fewer features.
    run_command(&mut cargo(&format!("build --release --quiet --workspace --bin {binary}")))?;
    run_command(program(release_dir()?.join(binary)).args(task).args(arguments))
}
