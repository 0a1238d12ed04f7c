//! Measures what payments cost: real nodes in processes of their own, beside the same work without product code.
//! `cargo xtask bench` calls it; `docs/performance.md` says what the figures mean.

mod bare;
mod chain;
mod latency;
mod parent;
mod party;
mod process;
mod scale;
mod scenario;
mod talk;
mod usage;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

#[derive(Parser)]
#[command(
    name = "cargo xtask bench",
    bin_name = "cargo xtask bench",
    about = "Measures what payments cost",
    args_conflicts_with_subcommands = true
)]
struct CommandLine {
    #[command(flatten)]
    measure: parent::Arguments,
    #[command(subcommand)]
    task: Option<Task>,
    /// What the measuring process starts
    #[arg(long, hide = true)]
    party: Option<String>,
    /// What the measuring process of `scale` starts
    #[arg(long, hide = true)]
    measured_node: Option<String>,
}

#[derive(Subcommand)]
enum Task {
    /// Measures what many channels and many payments cost: memory, restarts, disk, speed
    Scale(scale::Arguments),
}

fn main() -> ExitCode {
    let arguments = CommandLine::parse();
    let outcome = match &arguments {
        CommandLine { party: Some(setup), .. } => party::run(setup),
        CommandLine { measured_node: Some(setup), .. } => scale::serve(setup),
        CommandLine { task: Some(Task::Scale(arguments)), .. } => scale::run(arguments),
        CommandLine { measure, .. } => parent::run(measure),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The middle of some figures; 0 of none.
fn median(figures: impl Iterator<Item = f64>) -> f64 {
    let mut figures: Vec<_> = figures.collect();
    figures.sort_by(f64::total_cmp);
    match figures.len() {
        0 => 0.0,
        count if count % 2 == 1 => figures[count / 2],
        count => f64::midpoint(figures[count / 2 - 1], figures[count / 2]),
    }
}
