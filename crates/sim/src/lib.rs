//! Whole-system simulation: nodes that run the production engine, over stores that fail, a network that loses,
//! an embedded chain with the real contracts that reorgs, and a peer that lies. All that happens follows from a seed.
//! Checkers that no node knows of hold what they see against the properties of the protocol.
//!
//! ```
//! let report = strait_sim::run(1, &strait_sim::Options::default()).expect("no property breaks");
//! assert!(report.group("operation") > 100);
//! ```
//!
//! `docs/simulation.md` tells how a run goes and how to read a failure.

mod check;
mod children;
mod dice;
mod drive;
mod ending;
mod ends;
mod failure;
mod games;
mod genesis;
mod hub;
mod kinds;
mod liar;
mod miner;
mod mutation;
mod network;
mod node;
mod notice;
mod phases;
mod plan;
mod players;
mod queue;
mod report;
mod restore;
mod towers;
mod trace;
mod weather;
mod workload;
mod world;

pub use failure::{Failure, Property};
pub use kinds::KINDS;
pub use mutation::Mutation;
pub use report::Report;

use std::panic::{AssertUnwindSafe, catch_unwind};
use world::World;

/// How a seed is run.
#[derive(Clone, Copy, Default, Debug)]
pub struct Options {
    /// Builds a fault into the honest nodes, to see that it is caught.
    pub mutation: Option<Mutation>,
    /// Keeps the whole trace.
    pub trace: bool,
}

/// Runs a seed. The same seed gives the same run, down to the trace's hash.
///
/// # Errors
/// When a property breaks.
pub fn run(seed: u64, options: &Options) -> Result<Report, Failure> {
    let mut world = World::new(seed, options.mutation);
    let result = catch_unwind(AssertUnwindSafe(|| world.run()));
    let broken = match result {
        Ok(Ok(())) => None,
        Ok(Err(broken)) => Some(broken),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("of an unknown kind");
            Some(Property::NoPanic.broken(format!("a panic: {text}")))
        }
    };
    let (mut report, trace) = world.into_parts();
    match broken {
        None => {
            report.runs = 1;
            report.trace_hash = trace.hash();
            report.trace = if options.trace { trace.into_lines() } else { Vec::new() };
            Ok(report)
        }
        Some(broken) => {
            let trace = if options.trace { trace.into_lines() } else { trace.last_lines() };
            Err(Failure {
                seed,
                mutation: options.mutation,
                property: broken.property,
                what: broken.what,
                trace,
            })
        }
    }
}
