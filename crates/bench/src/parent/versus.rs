//! Another revision of the product under the same load.

use anyhow::{Context as _, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

/// This executable and that of another revision.
pub(super) struct Built {
    pub(super) own: PathBuf,
    pub(super) other: PathBuf,
}

/// Checks a revision out below `target`, lays this revision's load over it, and builds it. Compiled dependencies are
/// shared, so the executables are copied: cargo puts one in the place of the other.
///
/// # Errors
/// When there is no such revision, or this load does not compile with it.
pub(super) fn build(revision: &str) -> Result<Built> {
    let root =
        Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).context("crates/bench is two below")?;
    let running = std::env::current_exe()?;
    let profile = running.parent().context("an executable is in a directory")?;
    let target = profile.parent().context("it is in the target directory")?;
    let built = Built { own: target.join("bench-own"), other: target.join("bench-other") };
    std::fs::copy(&running, &built.own)?;
    let checkout = target.join("bench-vs");
    let git = |arguments: &[&str]| {
        let mut command = Command::new("git");
        command.current_dir(root).args(arguments);
        command
    };
    if checkout.exists() {
        run(git(&["worktree", "remove", "--force"]).arg(&checkout))?;
    }
    run(git(&["worktree", "add", "--quiet", "--force", "--detach"]).arg(&checkout).arg(revision))?;
    let load = checkout.join("crates/bench");
    run(Command::new("rm").arg("-rf").arg(&load))?;
    run(Command::new("cp").arg("-r").arg(root.join("crates/bench")).arg(&load))?;
    let cargo = std::env::var_os("CARGO").unwrap_or("cargo".into());
    run(Command::new(cargo)
        .current_dir(&checkout)
        .args(["build", "--release", "--quiet", "--workspace", "--bin", "strait-bench", "--target-dir"])
        .arg(target))?;
    std::fs::copy(target.join("release/strait-bench"), &built.other)?;
    Ok(built)
}

fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("{command:?} can't be started"))?;
    if !status.success() {
        bail!("{command:?}: {status}");
    }
    Ok(())
}
