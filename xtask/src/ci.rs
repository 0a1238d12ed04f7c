//! Everything that a change must pass.

mod build;
mod length;
mod promises;

use crate::command::{cargo, run as run_command};
use crate::{assure, contracts, deny, readme, system};
use anyhow::{Result, bail};
use clap::Args;
use std::fmt::Write;
use std::time::{Duration, Instant};

#[derive(Args)]
pub(crate) struct Arguments {
    /// Runs only this step; may be given several times
    #[arg(long, value_name = "STEP", value_parser = name)]
    only: Vec<&'static str>,
    /// Leaves this step out; may be given several times
    #[arg(long, value_name = "STEP", value_parser = name)]
    skip: Vec<&'static str>,
    /// Names the steps and what they do
    #[arg(long)]
    list: bool,
    /// Measures the build in an empty directory, even when everything is built already
    #[arg(long)]
    cold: bool,
}

struct Step {
    name: &'static str,
    does: &'static str,
    /// What to do when it fails.
    remedy: &'static str,
    run: fn(&Arguments) -> Result<()>,
}

// The build is the first that compiles, so that in a fresh clone it is measured cold.
const STEPS: &[Step] = &[
    Step {
        name: "format",
        does: "formatting of the Rust code",
        remedy: "run `cargo fmt --all`",
        run: |_| run_command(&mut cargo("fmt --all --check")),
    },
    Step {
        name: "length",
        does: "no file is too long to be read",
        remedy: "split the file by what changes together",
        run: |_| length::check(),
    },
    Step {
        name: "promises",
        does: "the tests that docs/security.md names exist",
        remedy: "name the test that holds the promise now",
        run: |_| promises::check(),
    },
    Step {
        name: "build",
        does: "release build, and the CPU time that a cold one takes",
        remedy: "mend what does not compile; if it is the CPU time: `cargo build --release --timings`",
        run: |arguments| build::measured(arguments.cold),
    },
    Step {
        name: "clippy",
        does: "lints, with warnings denied",
        remedy: "mend what clippy names",
        run: |_| {
            run_command(&mut cargo("clippy --release --workspace --all-targets --locked -- -D warnings"))
        },
    },
    Step {
        name: "deny",
        does: "bans, licences and sources of dependencies",
        remedy: "use another dependency, or change deny.toml with the reason",
        run: |_| deny::check(),
    },
    Step {
        name: "test",
        does: "all Rust tests",
        remedy: "run the failed one by `cargo test --release -p CRATE NAME`",
        run: |_| {
            // anvil, on which the real chain is tested.
            contracts::install()?;
            run_command(&mut cargo("test --release --workspace --locked"))
        },
    },
    Step {
        name: "contracts",
        does: "contract tests; artifacts, vectors and gas snapshots match the sources",
        remedy: "run `cargo xtask contracts` if an artifact differs, else see contracts/ci.sh for the command",
        run: |_| contracts::check(),
    },
    Step {
        name: "slither",
        does: "known faults of contracts: none without an answer",
        remedy: "mend it, or answer it at its place; `cargo xtask assure --only slither` runs this step alone",
        run: |_| assure::slither(),
    },
    Step {
        name: "gas",
        does: "gas of the adjudicator's calls is within the targets",
        remedy: "see docs/gas.md; `cargo xtask gas` runs this step alone",
        run: |_| system::gas::<&str>(&[]),
    },
    Step {
        name: "readme",
        does: "the commands in README.md do what it says",
        remedy: "mend README.md or the command; `cargo xtask readme` runs this step alone",
        run: |_| readme::run(),
    },
    Step {
        name: "sim",
        does: "the simulator breaks no property in 200 seeds",
        remedy: "replay the seed that it names by `cargo xtask sim SEED`",
        run: |_| system::sim(&["--seeds", "200"]),
    },
];

fn name(text: &str) -> Result<&'static str> {
    let known = || STEPS.iter().map(|step| step.name);
    match known().find(|name| *name == text) {
        Some(name) => Ok(name),
        None => bail!("the steps are {}", known().collect::<Vec<_>>().join(", ")),
    }
}

/// Runs the steps that are asked for.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    if arguments.list {
        for step in STEPS {
            println!("{:<10} {}", step.name, step.does);
        }
        return Ok(());
    }
    let asked = |step: &&Step| {
        (arguments.only.is_empty() || arguments.only.contains(&step.name))
            && !arguments.skip.contains(&step.name)
    };
    let mut times = Vec::new();
    for step in STEPS.iter().filter(asked) {
        println!("\n=== {}: {}", step.name, step.does);
        let start = Instant::now();
        let outcome = (step.run)(arguments);
        times.push((step.name, start.elapsed()));
        if let Err(error) = outcome {
            println!("\n{}", table(&times));
            bail!("step `{}` failed: {error:#}\nWhat to do: {}", step.name, step.remedy);
        }
    }
    println!("\n{}", table(&times));
    println!("steps: {} passed, 0 failed", times.len());
    Ok(())
}

fn table(times: &[(&str, Duration)]) -> String {
    let mut text = String::from("step         seconds\n");
    for (name, time) in times {
        // Writing to a string can't fail.
        let _ = writeln!(text, "{name:<10} {:>9.1}", time.as_secs_f64());
    }
    let total: Duration = times.iter().map(|(_, time)| time).sum();
    let _ = write!(text, "{:<10} {:>9.1}", "all", total.as_secs_f64());
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_known_by_its_name() {
        assert_eq!(name("clippy").unwrap(), "clippy");
        assert!(name("lint").unwrap_err().to_string().contains("clippy, deny"));
    }

    #[test]
    fn names_are_unique() {
        let mut names: Vec<_> = STEPS.iter().map(|step| step.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), STEPS.len());
    }
}
