//! `strait-sim SEED [MUTATION]` replays a run with its trace, `strait-sim --seeds N [--start S]` runs many.

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use strait_sim::{Failure, Mutation, Options, Report, run};

/// What is asked for.
enum Task {
    Replay { seed: u64, mutation: Option<Mutation> },
    Many { start: u64, count: u64 },
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match parse(&arguments) {
        Ok(Task::Replay { seed, mutation }) => replay(seed, mutation),
        Ok(Task::Many { start, count }) => many(start, count),
        Err(problem) => {
            let names: Vec<String> = Mutation::ALL.iter().map(|one| format!("{one:?}")).collect();
            eprintln!("{problem}");
            eprintln!("usage: strait-sim SEED [MUTATION] | strait-sim --seeds N [--start S]");
            eprintln!("mutations: {}", names.join(", "));
            ExitCode::from(2)
        }
    }
}

fn parse(arguments: &[&str]) -> Result<Task, String> {
    let number = |text: &str| text.parse::<u64>().map_err(|_| format!("'{text}' is not a number"));
    let mutation = |name: &str| {
        let found = Mutation::ALL.into_iter().find(|one| format!("{one:?}") == name);
        found.ok_or_else(|| format!("there is no mutation '{name}'"))
    };
    match arguments {
        ["--seeds", count] => Ok(Task::Many { start: 0, count: number(count)? }),
        ["--seeds", count, "--start", start] | ["--start", start, "--seeds", count] => {
            Ok(Task::Many { start: number(start)?, count: number(count)? })
        }
        [seed] => Ok(Task::Replay { seed: number(seed)?, mutation: None }),
        [seed, name] => Ok(Task::Replay { seed: number(seed)?, mutation: Some(mutation(name)?) }),
        [] => Err("give a seed, or how many".into()),
        _ => Err(format!("'{}' is not understood", arguments.join(" "))),
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

fn many(start: u64, count: u64) -> ExitCode {
    let began = Instant::now();
    let next = AtomicU64::new(start);
    let results: Mutex<(Report, Vec<Failure>)> = Mutex::default();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= start.saturating_add(count) {
                        break;
                    }
                    let result = run(seed, &Options::default());
                    let Ok(mut results) = results.lock() else { break };
                    match result {
                        Ok(report) => results.0.add(&report),
                        Err(failure) => {
                            eprintln!("{failure}");
                            results.1.push(failure);
                        }
                    }
                }
            });
        }
    });
    let (report, failures) = results.into_inner().unwrap_or_default();
    let seconds = began.elapsed().as_secs_f64();
    let per_seed = seconds * 1_000.0 * cores as f64 / (count.max(1) as f64);
    print!("{report}");
    println!("{count} seeds from {start} in {seconds:.1} s on {cores} cores, {per_seed:.0} ms each");
    for failure in &failures {
        println!("seed {} breaks property {}", failure.seed, failure.property);
    }
    println!("seeds: {} passed, {} failed", report.runs, failures.len());
    if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
