//! `strait-sim SEED [MUTATION]` replays a run with its trace, `strait-sim --seeds N [--start S]` runs many: with
//! `--counts FILE` what occurred and which seeds failed is written as JSON, with `--until-failure` the first failure is
//! the last.

use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use strait_sim::{Failure, KINDS, Mutation, Options, Report, run};

/// What is asked for.
enum Task {
    Replay { seed: u64, mutation: Option<Mutation> },
    Many(Many),
}

/// Many seeds.
#[derive(Default)]
struct Many {
    start: u64,
    count: u64,
    until_failure: bool,
    counts: Option<PathBuf>,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match parse(&arguments) {
        Ok(Task::Replay { seed, mutation }) => replay(seed, mutation),
        Ok(Task::Many(task)) => many(&task),
        Err(problem) => {
            let names: Vec<String> = Mutation::ALL.iter().map(|one| format!("{one:?}")).collect();
            eprintln!("{problem}");
            eprintln!("usage: strait-sim SEED [MUTATION]");
            eprintln!("       strait-sim --seeds N [--start S] [--until-failure] [--counts FILE]");
            eprintln!("mutations: {}", names.join(", "));
            ExitCode::from(2)
        }
    }
}

fn number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("'{text}' is not a number"))
}

fn parse(arguments: &[&str]) -> Result<Task, String> {
    let mutation = |name: &str| {
        let found = Mutation::ALL.into_iter().find(|one| format!("{one:?}") == name);
        found.ok_or_else(|| format!("there is no mutation '{name}'"))
    };
    match arguments {
        [] => Err("give a seed, or how many".into()),
        [first, ..] if first.starts_with("--") => Ok(Task::Many(parse_many(arguments)?)),
        [seed] => Ok(Task::Replay { seed: number(seed)?, mutation: None }),
        [seed, name] => Ok(Task::Replay { seed: number(seed)?, mutation: Some(mutation(name)?) }),
        _ => Err(format!("'{}' is not understood", arguments.join(" "))),
    }
}

fn parse_many(mut arguments: &[&str]) -> Result<Many, String> {
    let mut task = Many::default();
    loop {
        arguments = match arguments {
            ["--seeds", count, rest @ ..] => {
                task.count = number(count)?;
                rest
            }
            ["--start", start, rest @ ..] => {
                task.start = number(start)?;
                rest
            }
            ["--counts", path, rest @ ..] => {
                task.counts = Some(path.into());
                rest
            }
            ["--until-failure", rest @ ..] => {
                task.until_failure = true;
                rest
            }
            [] if task.count > 0 => return Ok(task),
            [] => return Err("say how many seeds".into()),
            _ => return Err(format!("'{}' is not understood", arguments.join(" "))),
        };
    }
}

fn replay(seed: u64, mutation: Option<Mutation>) -> ExitCode {
    println!("seed {seed}");
    match run(seed, &Options { trace: true, mutation }) {
        Ok(report) => {
            report.trace.iter().for_each(|line| println!("{line}"));
            println!("{report}seed {seed}: every property holds; trace {}", report.trace_hash);
            ExitCode::SUCCESS
        }
        Err(failure) => {
            println!("{failure}");
            println!("seed {} breaks property {}: {}", failure.seed, failure.property, failure.what);
            ExitCode::FAILURE
        }
    }
}

fn many(task: &Many) -> ExitCode {
    let began = Instant::now();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let (report, failures) = run_all(task, cores);
    let seconds = began.elapsed().as_secs_f64();
    let per_seed = seconds * 1_000.0 * cores as f64 / (task.count.max(1) as f64);
    print!("{report}");
    println!(
        "{} seeds from {} in {seconds:.1} s on {cores} cores, {per_seed:.0} ms each",
        task.count, task.start
    );
    for failure in &failures {
        println!("seed {} breaks property {}", failure.seed, failure.property);
    }
    println!("seeds: {} passed, {} failed", report.runs, failures.len());
    let written = task.counts.as_ref().map_or(Ok(()), |path| write_counts(path, &report, &failures));
    if let Err(error) = &written {
        eprintln!("the counts can't be written: {error}");
    }
    if failures.is_empty() && written.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn run_all(task: &Many, cores: usize) -> (Report, Vec<Failure>) {
    let end = task.start.saturating_add(task.count);
    let next = AtomicU64::new(task.start);
    let results: Mutex<(Report, Vec<Failure>)> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end {
                        break;
                    }
                    let result = run(seed, &Options::default());
                    let Ok(mut results) = results.lock() else { break };
                    match result {
                        Ok(report) => results.0.add(&report),
                        Err(failure) => {
                            eprintln!("{failure}");
                            results.1.push(failure);
                            if task.until_failure {
                                next.store(end, Ordering::Relaxed);
                            }
                        }
                    }
                }
            });
        }
    });
    results.into_inner().unwrap_or_default()
}

/// What this process has taken of its cores so far, which other programs on the machine make no longer. Linux tells it in
/// hundredths of a second.
fn cpu_seconds() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/stat").ok()?;
    let (_, after_name) = text.rsplit_once(") ")?;
    let mut ticks = after_name.split(' ').skip(11).map_while(|field| field.parse::<u64>().ok());
    Some(ticks.next()?.saturating_add(ticks.next()?) / 100)
}

fn write_counts(path: &Path, report: &Report, failures: &[Failure]) -> std::io::Result<()> {
    let mut counts: Map<String, Value> = Map::new();
    for ((group, name), count) in &report.counts {
        let group = counts.entry(*group).or_insert_with(|| json!({}));
        group[*name] = json!(count);
    }
    let of = |(group, name): &(&str, &str)| json!({ "kind": format!("{group}: {name}"), "count": report.of(group, name) });
    let failed = |failure: &Failure| json!({ "seed": failure.seed, "property": failure.property.to_string(), "what": failure.what });
    let result = json!({
        "passed": report.runs,
        "cpu_seconds": cpu_seconds(),
        "counts": counts,
        "kinds": KINDS.iter().map(of).collect::<Vec<_>>(),
        "failures": failures.iter().map(failed).collect::<Vec<_>>(),
    });
    std::fs::write(path, format!("{result:#}\n"))
}
