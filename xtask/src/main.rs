//! Developer tasks: `cargo xtask help` lists them.

mod ci;
mod command;
mod contracts;
mod deny;
mod readme;
mod usage;

use clap::Parser;
use std::process::ExitCode;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Developer tasks of Strait")]
enum Task {
    /// Runs everything that a change must pass, in order, and stops at the first failure
    Ci(ci::Arguments),
    /// Compiles the contracts and rewrites contracts/artifacts, which the Rust side reads
    Contracts,
    /// Runs the `sh` blocks of README.md and of the documents in docs/ that ask for it
    Readme,
}

fn main() -> ExitCode {
    let outcome = match Task::parse() {
        Task::Ci(arguments) => ci::run(&arguments),
        Task::Contracts => contracts::rebuild(),
        Task::Readme => readme::run(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
