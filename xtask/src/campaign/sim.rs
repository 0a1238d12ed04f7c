//! Many seeds of the simulator.

use super::{keep, revision};
use crate::system;
use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::{Value, json};
use std::time::Instant;

#[derive(Args)]
pub(super) struct Arguments {
    /// How many seeds
    #[arg(long, default_value_t = 10_000)]
    seeds: u64,
    /// The first seed
    #[arg(long, default_value_t = 0)]
    start: u64,
    /// How often each kind must occur, for 10,000 seeds
    #[arg(long, default_value_t = 100)]
    least: u64,
}

/// Simulates, and counts what occurred.
pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let revision = revision();
    let directory = tempfile::tempdir().context("a directory for the counts")?;
    let path = directory.path().join("counts.json");
    let start = Instant::now();
    let (seeds, first) = (arguments.seeds.to_string(), arguments.start.to_string());
    let counts = path.to_string_lossy();
    let outcome = system::sim(&["--seeds", &seeds, "--start", &first, "--counts", &counts]);
    let seconds = start.elapsed().as_secs();
    let text = std::fs::read(&path).context("the simulator wrote no counts")?;
    let run: Value = serde_json::from_slice(&text).context("the simulator's counts are no JSON")?;
    let least = arguments.least.saturating_mul(arguments.seeds) / 10_000;
    let rare = too_rare(&run["kinds"], least);
    let result = json!({
        "campaign": "sim",
        "revision": revision,
        "seeds": [arguments.start, arguments.start.saturating_add(arguments.seeds).saturating_sub(1)],
        "seconds": seconds,
        "cpu_seconds": run["cpu_seconds"],
        "cores": std::thread::available_parallelism().map_or(1, usize::from),
        "result": if outcome.is_ok() && rare.is_empty() { "passed" } else { "failed" },
        "least": least,
        "too_rare": rare,
        "counts": run["counts"],
        "failures": run["failures"],
    });
    keep("sim", &result)?;
    outcome?;
    if rare.is_empty() { Ok(()) } else { bail!("occurred less than {least} times: {}", rare.join(", ")) }
}

/// Kinds that must occur and did so less than `least` times.
fn too_rare(kinds: &Value, least: u64) -> Vec<String> {
    let kinds = kinds.as_array().map(Vec::as_slice).unwrap_or_default();
    let rare = kinds.iter().filter(|kind| kind["count"].as_u64().unwrap_or(0) < least);
    rare.map(|kind| kind["kind"].as_str().unwrap_or_default().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_occurs_too_seldom_is_named() {
        let kinds =
            json!([{ "kind": "fault: reorg", "count": 99 }, { "kind": "role: staller", "count": 100 }]);
        assert_eq!(too_rare(&kinds, 100), ["fault: reorg"]);
        assert!(too_rare(&kinds, 99).is_empty());
    }
}
