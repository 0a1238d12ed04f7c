//! The contracts' analysers, which are Python's: slither looks for known faults, halmos proves what
//! `contracts/test/halmos` states.

use crate::command::{program, root, run as run_command};
use crate::contracts;
use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

#[derive(Args)]
pub(crate) struct Arguments {
    /// Runs only this one
    #[arg(long)]
    only: Option<Tool>,
    /// Proves only the properties whose name begins so
    #[arg(long, value_name = "NAME")]
    function: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Tool {
    Slither,
    Halmos,
}

/// Runs both, or the one that is asked for.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let asked = |tool| arguments.only.is_none_or(|only| only == tool);
    if asked(Tool::Slither) {
        slither()?;
    }
    if asked(Tool::Halmos) { halmos(arguments.function.as_deref().unwrap_or("check_")) } else { Ok(()) }
}

/// Fails on any finding that has no answer at its place, or in `contracts/slither.config.json`.
pub(crate) fn slither() -> Result<()> {
    run_command(tool("slither")?.arg("src/Adjudicator.sol"))
}

fn halmos(function: &str) -> Result<()> {
    let contract = ["--contract", "AdjudicatorProofs", "--forge-build-out", "out/halmos"];
    // Milliseconds for one question to the solver.
    let limits = ["--solver-timeout-assertion", "600000", "--no-status"];
    // It proves properties of the code that is deployed, which a fresh checkout has not built.
    run_command(tool("forge")?.args(["build", "--quiet", "--skip", "test"]))?;
    let mut halmos = tool("halmos")?;
    halmos.env("FOUNDRY_PROFILE", "halmos").args(contract).args(limits).args(["--function", function]);
    run_command(&mut halmos)
}

/// A tool, run in `contracts/` with forge in reach.
fn tool(name: &str) -> Result<Command> {
    contracts::install()?;
    let own = install()?;
    let contracts = root().join("contracts");
    let forge = contracts.join("node_modules/@foundry-rs/forge-linux-amd64/bin");
    let before = env::var_os("PATH").unwrap_or_default();
    let path: OsString =
        env::join_paths([own.clone(), forge.clone()].into_iter().chain(env::split_paths(&before)))?;
    let directory = if name == "forge" { forge } else { own };
    let mut command = program(directory.join(name));
    command.current_dir(contracts).env("PATH", path);
    Ok(command)
}

/// Installs what `contracts/requirements.txt` pins, unless that is there. Gives the directory of the programs.
fn install() -> Result<PathBuf> {
    let wanted = fs::read_to_string(root().join("contracts/requirements.txt")).context("what to install?")?;
    let directory = root().join("target/tools/python");
    let installed = directory.join("installed.txt");
    if fs::read_to_string(&installed).is_ok_and(|text| text == wanted) {
        return Ok(directory.join("bin"));
    }
    run_command(program("python3").args(["-m", "venv", "--clear"]).arg(&directory))?;
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"];
    run_command(
        program(directory.join("bin/python")).args(pip).arg(root().join("contracts/requirements.txt")),
    )?;
    fs::write(&installed, wanted).context("what is installed can't be noted")?;
    Ok(directory.join("bin"))
}
