//! Developer tasks: `cargo xtask help` lists them.

mod assure;
mod campaign;
mod ci;
mod command;
mod contracts;
mod deny;
mod mutants;
mod readme;
mod system;
mod usage;

use clap::{Args, Parser};
use std::ffi::OsString;
use std::process::ExitCode;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Developer tasks of Strait")]
enum Task {
    /// Analyses the contracts by slither, and proves properties of their bytecode by halmos
    Assure(assure::Arguments),
    /// Runs a long campaign and keeps its result in docs/campaigns
    Campaign(campaign::Arguments),
    /// Measures payments between real nodes, beside the same work without product code
    #[command(disable_help_flag = true)]
    Bench(PassedOn),
    /// Runs everything that a change must pass, in order, and stops at the first failure
    Ci(ci::Arguments),
    /// Compiles the contracts and rewrites contracts/artifacts, which the Rust side reads
    Contracts,
    /// Measures what the adjudicator's calls cost and holds that against the targets
    #[command(disable_help_flag = true)]
    Gas(PassedOn),
    /// Builds deliberately wrong variants, and sees that each is caught
    Mutants(mutants::Arguments),
    /// Runs the `sh` blocks of README.md and of the documents in docs/ that ask for it
    Readme,
    /// Replays one simulated run, `sim SEED`, or runs many, `sim --seeds N [--start S]`
    #[command(disable_help_flag = true)]
    Sim(PassedOn),
}

#[derive(Args)]
struct PassedOn {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    arguments: Vec<OsString>,
}

fn main() -> ExitCode {
    let outcome = match Task::parse() {
        Task::Assure(arguments) => assure::run(&arguments),
        Task::Campaign(arguments) => campaign::run(&arguments),
        Task::Bench(PassedOn { arguments }) => system::bench(&arguments),
        Task::Ci(arguments) => ci::run(&arguments),
        Task::Contracts => contracts::rebuild(),
        Task::Gas(PassedOn { arguments }) => system::gas(&arguments),
        Task::Mutants(arguments) => mutants::run(&arguments),
        Task::Readme => readme::run(),
        Task::Sim(PassedOn { arguments }) => system::sim(&arguments),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
