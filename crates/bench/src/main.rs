//! Measures what payments cost: real nodes in processes of their own, beside the same work without product code.
//! `cargo xtask bench` calls it; `docs/performance.md` says what the figures mean.

mod bare;
mod chain;
mod latency;
mod parent;
mod party;
mod scenario;
mod talk;
mod usage;

use clap::Parser;
use std::process::ExitCode;

#[derive(Parser)]
#[command(name = "cargo xtask bench", bin_name = "cargo xtask bench", about = "Measures what payments cost")]
struct CommandLine {
    #[command(flatten)]
    measure: parent::Arguments,
    /// What the measuring process starts
    #[arg(long, hide = true)]
    party: Option<String>,
}

fn main() -> ExitCode {
    let arguments = CommandLine::parse();
    let outcome = match &arguments.party {
        Some(setup) => party::run(setup),
        None => parent::run(&arguments.measure),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
