//! The contracts' toolchain, which is Node's.

use crate::command::{output, program, root, run};
use anyhow::Result;

/// Compiles the contracts and rewrites the artifacts.
pub(crate) fn rebuild() -> Result<()> {
    install()?;
    run(program("node").arg("contracts/script/artifacts.mjs"))
}

/// Tests of the contracts, and whether what is generated from them is up to date.
pub(crate) fn check() -> Result<()> {
    run(program("bash").arg("contracts/ci.sh"))
}

/// Installs what package-lock.json pins, unless that is there. As in contracts/ci.sh, which runs without cargo, too.
pub(crate) fn install() -> Result<()> {
    let contracts = root().join("contracts");
    let complete = output(program("npm").args(["ls", "--all", "--silent"]).current_dir(&contracts)).is_some();
    if complete {
        return Ok(());
    }
    run(program("npm").args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(contracts))
}
