//! Developer tasks that run Strait itself. `cargo xtask` builds and calls them; it can't contain them, because it has
//! to build when Strait does not.

mod gas;

use clap::Parser;
use std::process::ExitCode;

#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
enum Task {
    /// Measures what the adjudicator's calls cost and holds that against the targets
    Gas(gas::Arguments),
}

fn main() -> ExitCode {
    let outcome = match Task::parse() {
        Task::Gas(arguments) => gas::run(&arguments),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
