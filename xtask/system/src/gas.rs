//! Gas beside that of other systems, and whether it is within the targets.

mod reference;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use indicatif::HumanCount;
use reference::{REFERENCES, Reference};
use serde::Serialize;
use std::fs;
use std::path::PathBuf;
use strait_chain::gas::{GasRow, gas_report};

#[derive(Args)]
pub(crate) struct Arguments {
    /// Writes the figures to a file as well
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// One line of the table.
#[derive(Serialize)]
struct Line {
    scenario: &'static str,
    gas: u64,
    calldata_bytes: usize,
    /// Most gas that it may take.
    target: Option<u64>,
    nitro: Option<u64>,
    perun: Option<u64>,
}

/// Plays all scenarios on the development chain, with the committed bytecode.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let lines = compare(&gas_report()?)?;
    print(&lines);
    if let Some(path) = &arguments.json {
        let text = serde_json::to_string_pretty(&lines)?;
        fs::write(path, text + "\n").with_context(|| format!("{} can't be written", path.display()))?;
    }
    within_targets(&lines)
}

fn compare(rows: &[GasRow]) -> Result<Vec<Line>> {
    for reference in REFERENCES {
        let played = rows.iter().any(|row| row.name == reference.scenario);
        ensure!(played, "the scenario '{}' has a target and is not played any more", reference.scenario);
    }
    let line = |row: &GasRow| {
        let known = REFERENCES.iter().find(|reference| reference.scenario == row.name);
        let Reference { target, nitro, perun, .. } = known.copied().unwrap_or_default();
        Line { scenario: row.name, gas: row.gas, calldata_bytes: row.calldata_bytes, target, nitro, perun }
    };
    Ok(rows.iter().map(line).collect())
}

fn within_targets(lines: &[Line]) -> Result<()> {
    let excess = |line: &Line| line.target.and_then(|target| line.gas.checked_sub(target)).unwrap_or(0);
    let above: Vec<_> = lines
        .iter()
        .filter(|line| excess(line) > 0)
        .map(|line| format!("'{}' by {}", line.scenario, excess(line)))
        .collect();
    if !above.is_empty() {
        bail!("above the target: {}", above.join(", "));
    }
    println!("all within their targets");
    Ok(())
}

fn print(lines: &[Line]) {
    println!(
        "| transactions | gas | target | Nitro | Perun | calldata bytes |\n|---|---:|---:|---:|---:|---:|"
    );
    for line in lines {
        let or_nothing =
            |figure: Option<u64>| figure.map(|gas| HumanCount(gas).to_string()).unwrap_or_default();
        println!(
            "| {} | {} | {} | {} | {} | {} |",
            line.scenario,
            HumanCount(line.gas),
            or_nothing(line.target),
            or_nothing(line.nitro),
            or_nothing(line.perun),
            line.calldata_bytes
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(first_deposit: u64) -> Vec<GasRow> {
        let gas = |scenario| if scenario == "deposit, first" { first_deposit } else { 1 };
        let row = |reference: &Reference| GasRow {
            name: reference.scenario,
            gas: gas(reference.scenario),
            calldata_bytes: 4,
        };
        REFERENCES.iter().map(row).collect()
    }

    #[test]
    fn the_target_itself_is_allowed() {
        assert!(within_targets(&compare(&rows(47_000)).unwrap()).is_ok());
        let error = within_targets(&compare(&rows(47_002)).unwrap()).unwrap_err();
        assert_eq!(error.to_string(), "above the target: 'deposit, first' by 2");
    }

    #[test]
    fn a_target_without_its_scenario_is_an_error() {
        let mut rows = rows(1);
        rows.retain(|row| row.name != "respond");
        assert!(compare(&rows).err().unwrap().to_string().contains("'respond'"));
    }
}
