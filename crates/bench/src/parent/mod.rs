//! The measuring process: runs scenario after scenario with all contenders in turn, several times over.

mod pair;
mod report;
mod versus;

use crate::scenario::{self, SCENARIOS, Scenario};
use anyhow::{Context as _, Result};
use clap::{ArgAction, Args};
use pair::{Measured, Plan};
use report::Row;
use std::path::PathBuf;

#[derive(Args)]
pub(crate) struct Arguments {
    /// Writes the figures to a file as well
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Measures the ceiling in turn with the product: the same bytes, hashes, signatures and syncs without its code
    #[arg(long, default_value_t = true, num_args = 0..=1, default_missing_value = "true", action = ArgAction::Set)]
    bare: bool,
    /// Measures another revision in turn with this one
    #[arg(long, value_name = "REV")]
    vs: Option<String>,
    /// Measures only this scenario; may be given several times
    #[arg(long, value_name = "NAME", value_parser = scenario::parse)]
    only: Vec<Scenario>,
    /// Seconds of each measurement
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// How often everything is measured; the figures are the medians
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Where the nodes keep their data while they are measured: on the disk that counts
    #[arg(long, default_value = "target/bench", value_name = "DIRECTORY")]
    directory: PathBuf,
}

/// All measurements of one scenario.
struct Series {
    scenario: Scenario,
    product: Vec<Measured>,
    bare: Vec<Measured>,
    other: Vec<Measured>,
}

/// Measures and reports.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let (own, other) = match arguments.vs.as_deref().map(versus::build).transpose()? {
        Some(built) => (built.own, Some(built.other)),
        None => (std::env::current_exe().context("where is this executable?")?, None),
    };
    let millis = (arguments.seconds * 1_000.0) as u64;
    let plan = Plan { directory: &arguments.directory, warm_up: millis / 4, millis };
    let chosen = if arguments.only.is_empty() { &SCENARIOS[..] } else { &arguments.only };
    let mut all: Vec<_> = chosen.iter().map(Series::new).collect();
    for round in 1..=arguments.rounds.max(1) {
        for series in &mut all {
            eprintln!("round {round}: {}", series.scenario.name);
            series.product.push(plan.measure(&own, &series.scenario, false)?);
            if arguments.bare {
                series.bare.push(plan.measure(&own, &series.scenario, true)?);
            }
            if let Some(other) = &other {
                series.other.push(plan.measure(other, &series.scenario, false)?);
            }
        }
    }
    let mut rows = Vec::new();
    for series in &all {
        rows.push(Row::new(series.scenario.name.to_owned(), &series.product, &series.bare));
        if let Some(revision) = &arguments.vs {
            let name = format!("{}@{revision}", series.scenario.name);
            rows.push(Row::new(name, &series.other, &series.bare));
        }
    }
    report::print(&rows, &all);
    if let Some(path) = &arguments.json {
        let text = serde_json::to_string_pretty(&rows)?;
        std::fs::write(path, text + "\n").with_context(|| format!("{} can't be written", path.display()))?;
    }
    Ok(())
}

impl Series {
    fn new(scenario: &Scenario) -> Series {
        Series { scenario: *scenario, product: Vec::new(), bare: Vec::new(), other: Vec::new() }
    }
}
