//! `strait-sim SEED [MUTATION]` replays a run with its trace, `strait-sim --seeds N [--start S]` runs many.

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use strait_sim::{Failure, Mutation, Options, Report, run};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |name: &str| {
        let at = arguments.iter().position(|argument| argument == name)?;
        arguments.get(at + 1)?.parse::<u64>().ok()
    };
    let seed = arguments.first().and_then(|seed| seed.parse().ok());
    match (seed, number("--seeds")) {
        (Some(seed), None) => replay(seed, arguments.get(1).map(String::as_str)),
        (None, Some(count)) => many(number("--start").unwrap_or(0), count),
        _ => {
            eprintln!("usage: strait-sim SEED [MUTATION] | strait-sim --seeds N [--start S]");
            ExitCode::from(2)
        }
    }
}

fn replay(seed: u64, mutation: Option<&str>) -> ExitCode {
    println!("seed {seed}");
    let mutation = mutation.and_then(|name| Mutation::ALL.into_iter().find(|one| format!("{one:?}") == name));
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
