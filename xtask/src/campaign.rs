//! Long runs with many seeds, whose results are kept in `docs/campaigns/`.

mod sim;

use crate::command::{cargo, output, program, root, run as run_command};
use crate::contracts;
use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

#[derive(Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    campaign: Campaign,
}

#[derive(Subcommand)]
enum Campaign {
    /// Kills `strait node` processes on anvil; with a seed, replays its session alone and keeps no result
    Kill(KillArguments),
    /// Compares the adjudicator's bytecode with its model on random calls; with a seed, replays it alone
    Adjudicator(AdjudicatorArguments),
    /// Explores every run of two channels within bounds that are larger than those of the tests
    Model,
    /// Floods a node with hostile messages and strangers while an honest peer pays it
    Flood(FloodArguments),
    /// Damages what decoders read and what decides over two nodes, for minutes or hours; keeps what shows something new
    Fuzz(FuzzArguments),
    /// Compares the examples' rules in Rust with their bytecode on random legal and illegal moves
    Moves(MovesArguments),
    /// Simulates many seeds, and fails if a fault, a role or a path of a dispute occurred too seldom
    Sim(sim::Arguments),
}

#[derive(Args)]
struct AdjudicatorArguments {
    /// How many calls
    #[arg(long, default_value_t = 1_000_000)]
    calls: u64,
    /// Replays the calls of this seed, and keeps no result
    #[arg(long, conflicts_with = "calls")]
    seed: Option<u64>,
}

#[derive(Args)]
struct FloodArguments {
    /// Messages of strangers who have shaken hands
    #[arg(long, default_value_t = 1_000_000)]
    messages: u64,
    /// Connections of strangers who have not
    #[arg(long, default_value_t = 10_000)]
    strangers: u64,
    /// How often quiet and flood take turns
    #[arg(long, default_value_t = 10)]
    rounds: u64,
    /// How long each of them is
    #[arg(long, default_value_t = 12)]
    seconds: u64,
}

#[derive(Args)]
struct FuzzArguments {
    /// For how long
    #[arg(long, default_value_t = 10)]
    minutes: u64,
    /// Another one tries other inputs
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Searches in this target alone, and keeps no result
    #[arg(long)]
    target: Option<String>,
    /// Is guided by the regions of our code that an input passes too, for which it is compiled once more
    #[arg(long)]
    coverage: bool,
}

#[derive(Args)]
struct MovesArguments {
    /// How many moves of each example
    #[arg(long, default_value_t = 100_000)]
    moves: u64,
    /// Which moves
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

#[derive(Args)]
struct KillArguments {
    /// How many sessions of 50 kills
    #[arg(long, default_value_t = 10)]
    sessions: u64,
    /// Seed of the first session
    #[arg(long, default_value_t = 1)]
    start: u64,
    /// Replays the session of this seed, and prints what it does
    #[arg(long, conflicts_with_all = ["sessions", "start"])]
    seed: Option<u64>,
}

/// What runs is built like this program, and so by `cargo xtask` for release: name and cargo's flag.
const PROFILE: (&str, &str) = if cfg!(debug_assertions) { ("dev", "") } else { ("release", "--release") };

/// Runs a campaign.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    match &arguments.campaign {
        Campaign::Kill(arguments) => kill(arguments),
        Campaign::Adjudicator(arguments) => adjudicator(arguments),
        Campaign::Model => measured("model", &[], &json!("those of each run stand with its counts")),
        Campaign::Flood(arguments) => flood(arguments),
        Campaign::Moves(arguments) => moves(arguments),
        Campaign::Fuzz(arguments) => fuzz(arguments),
        Campaign::Sim(arguments) => sim::run(arguments),
    }
}

fn flood(arguments: &FloodArguments) -> Result<()> {
    let FloodArguments { messages, strangers, rounds, seconds } = arguments;
    let settings = [
        ("STRAIT_FLOOD_MESSAGES", messages.to_string()),
        ("STRAIT_FLOOD_STRANGERS", strangers.to_string()),
        ("STRAIT_FLOOD_ROUNDS", rounds.to_string()),
        ("STRAIT_FLOOD_SECONDS", seconds.to_string()),
    ];
    let bounds = json!({
        "messages": messages, "strangers": strangers, "rounds": rounds, "seconds_of_each": seconds,
        "most_memory_mib": 512, "least_part_of_the_quiet_throughput": 0.5,
    });
    measured("flood", &settings, &bounds)
}

fn fuzz(arguments: &FuzzArguments) -> Result<()> {
    let seconds = arguments.minutes.saturating_mul(60);
    let mut settings = vec![
        ("STRAIT_FUZZ_SECONDS", seconds.to_string()),
        ("STRAIT_FUZZ_SEED", arguments.seed.to_string()),
        ("STRAIT_FUZZ_KEEP", "1".to_owned()),
    ];
    let counters = tempfile::tempdir().context("a directory for the counters")?;
    if arguments.coverage {
        let directory = counters.path().to_string_lossy();
        settings.push(("STRAIT_FUZZ_COVERAGE", directory.to_string()));
        // What other tests pass is not the inputs' doing.
        settings.push(("RUST_TEST_THREADS", "1".to_owned()));
        // By process; `%c` keeps the file up to date while the process runs.
        settings.push(("LLVM_PROFILE_FILE", format!("{directory}/%p.profraw%c")));
        let wrapper = root().join("xtask/rustc-coverage");
        settings.push(("RUSTC_WORKSPACE_WRAPPER", wrapper.to_string_lossy().into_owned()));
    }
    if let Some(target) = &arguments.target {
        settings.push(("STRAIT_FUZZ_TARGET", target.clone()));
        return run_command(test("fuzz").envs(settings));
    }
    let bounds = json!({ "seconds": seconds, "seed": arguments.seed, "coverage": arguments.coverage });
    measured("fuzz", &settings, &bounds)
}

fn adjudicator(arguments: &AdjudicatorArguments) -> Result<()> {
    if let Some(seed) = arguments.seed {
        let settings = [("STRAIT_PROOF_SEED", seed.to_string()), ("STRAIT_PROOF_CALLS", "1".to_owned())];
        return run_command(test("adjudicator").envs(settings));
    }
    let settings = [("STRAIT_PROOF_CALLS", arguments.calls.to_string())];
    measured("adjudicator", &settings, &json!({ "calls": arguments.calls }))
}

fn moves(MovesArguments { moves, seed }: &MovesArguments) -> Result<()> {
    let settings = [("STRAIT_PROOF_MOVES", moves.to_string()), ("STRAIT_PROOF_SEED", seed.to_string())];
    measured("differential", &settings, &json!({ "moves": moves, "seed": seed }))
}

/// Runs a test target with larger bounds, and keeps its result with the bounds.
fn measured(name: &str, settings: &[(&str, String)], bounds: &Value) -> Result<()> {
    let start = Instant::now();
    let directory = tempfile::tempdir().context("a directory for the result")?;
    let path = directory.path().join("result.json");
    run_command(test(name).envs(settings.iter().cloned()).env("STRAIT_PROOF_RESULT", &path))?;
    let text = std::fs::read(path).context("the test wrote no result")?;
    let counts: Value = serde_json::from_slice(&text).context("the test's result is no JSON")?;
    let result = json!({
        "campaign": name,
        "revision": revision(),
        "profile": PROFILE.0,
        "bounds": bounds,
        "seconds": start.elapsed().as_secs(),
        "counts": counts,
    });
    keep(name, &result)
}

fn test(target: &str) -> Command {
    cargo(&format!("test {} --workspace --locked --test {target} -- --nocapture", PROFILE.1))
}

fn kill(arguments: &KillArguments) -> Result<()> {
    contracts::install()?;
    if let Some(seed) = arguments.seed {
        return session(seed, None).map(|_| ());
    }
    let start = Instant::now();
    let seeds = arguments.start..arguments.start.saturating_add(arguments.sessions);
    let directory = tempfile::tempdir().context("a directory for the results of the sessions")?;
    let mut sums = Map::new();
    let mut failed = Vec::new();
    for seed in seeds.clone() {
        match session(seed, Some(&directory.path().join("session.json"))) {
            Ok(counts) => add(&mut sums, counts),
            Err(error) => {
                println!("seed {seed}: {error:#}");
                failed.push(seed);
            }
        }
    }
    let result = json!({
        "campaign": "kill",
        "revision": revision(),
        "profile": PROFILE.0,
        "seeds": [seeds.start, seeds.end.saturating_sub(1)],
        "seconds": start.elapsed().as_secs(),
        "counts": sums,
        "failed_seeds": failed,
    });
    keep("kill", &result)?;
    if failed.is_empty() { Ok(()) } else { bail!("sessions failed; replay one with --seed {}", failed[0]) }
}

/// Runs one session as a test; gives its counts when they are asked for.
fn session(seed: u64, result: Option<&Path>) -> Result<Map<String, Value>> {
    let mut test = test("kill_on_anvil");
    test.env("STRAIT_KILL_SEED", seed.to_string());
    let Some(path) = result else {
        run_command(&mut test)?;
        return Ok(Map::new());
    };
    test.env("STRAIT_KILL_RESULT", path);
    run_command(&mut test)?;
    let text = std::fs::read(path).context("the session wrote no result")?;
    serde_json::from_slice(&text).context("the session's result is no JSON")
}

fn add(sums: &mut Map<String, Value>, counts: Map<String, Value>) {
    for (name, count) in counts {
        let sum = sums.get(&name).and_then(Value::as_u64).unwrap_or(0);
        sums.insert(name, json!(sum.saturating_add(count.as_u64().unwrap_or(0))));
    }
}

/// The commit that is checked out, with a mark when files differ from it.
pub(crate) fn revision() -> String {
    let git = |arguments: &[&str]| output(program("git").args(arguments)).unwrap_or_default();
    let is_changed =
        !git(&["status", "--porcelain", "--", ":!docs/campaigns", ":!crates/fuzz/corpus"]).trim().is_empty();
    let commit = git(&["rev-parse", "HEAD"]);
    format!("{}{}", commit.trim(), if is_changed { " with changes" } else { "" })
}

pub(crate) fn keep(name: &str, result: &Value) -> Result<()> {
    let path = write_result(name, result)?;
    println!("{result:#}\nwritten to {}", path.display());
    Ok(())
}

/// Writes a result, and says where it is.
pub(crate) fn write_result(name: &str, result: &Value) -> Result<PathBuf> {
    let path = root().join("docs/campaigns").join(format!("{name}.json"));
    let text = format!("{result:#}\n");
    let written =
        std::fs::create_dir_all(root().join("docs/campaigns")).and_then(|()| std::fs::write(&path, &text));
    written.with_context(|| format!("{} can't be written", path.display()))?;
    Ok(path)
}
