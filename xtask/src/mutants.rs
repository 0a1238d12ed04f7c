//! Deliberately wrong variants of the product: each must be caught by the simulator, or where a rule of the contract is
//! missing by the contract's tests. Whatever is not caught shows what they do not see.

use crate::campaign::{revision, write_result};
use crate::command::{cargo, output, program, release_dir, root, run as run_command};
use crate::contracts;
use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

#[derive(Args)]
pub(crate) struct Arguments {
    /// Only mutants whose name contains one of these; the kept result of the others stays
    names: Vec<String>,
    /// Only those that the kept result does not say are caught: goes on where a run was stopped
    #[arg(long)]
    rest: bool,
    /// Seeds within which the simulator must catch one
    #[arg(long, default_value_t = 2_000)]
    seeds: u64,
}

/// Who has to notice.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Catcher {
    Simulator,
    /// Tests of the contract, as forge's `--match-path`.
    Forge(String),
}

/// A wrong variant: a patch, under a line that says what is wrong and one that says who notices.
#[derive(Debug)]
struct Mutant {
    name: String,
    wrong: String,
    catcher: Catcher,
    patch: PathBuf,
}

impl Mutant {
    fn parse(path: &Path) -> Result<Mutant> {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let text = fs::read_to_string(path)?;
        let mut lines = text.lines();
        let wrong = lines.next().unwrap_or_default().to_owned();
        let catcher = match lines.next().unwrap_or_default().strip_prefix("Caught by: ") {
            Some("simulator") => Catcher::Simulator,
            Some(other) if other.starts_with("forge ") => Catcher::Forge(other["forge ".len()..].to_owned()),
            _ => bail!("{name}: the second line says `Caught by: simulator` or `Caught by: forge TESTS`"),
        };
        Ok(Mutant { name, wrong, catcher, patch: path.to_owned() })
    }
}

/// All of them, by name.
fn all() -> Result<Vec<Mutant>> {
    let directory = root().join("xtask/mutants");
    let mut paths = Vec::new();
    for entry in fs::read_dir(&directory).context("the patches")? {
        paths.push(entry?.path());
    }
    paths.sort();
    paths.iter().map(|path| Mutant::parse(path)).collect()
}

/// Tries each mutant, and keeps its result at once: all of them take an hour.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let all = all()?;
    let mut kept = if arguments.rest || !arguments.names.is_empty() { kept() } else { BTreeMap::new() };
    kept.retain(|name, _| all.iter().any(|mutant| mutant.name == *name));
    let asked = |mutant: &&Mutant| {
        let is_named =
            arguments.names.is_empty() || arguments.names.iter().any(|part| mutant.name.contains(part));
        let is_caught = kept.get(&mutant.name).is_some_and(|result| result["caught"].is_string());
        is_named && !(arguments.rest && is_caught)
    };
    let mutants: Vec<&Mutant> = all.iter().filter(asked).collect();
    ensure!(!mutants.is_empty(), "no mutant is left to be tried, or none has such a name: see xtask/mutants");
    let revision = revision();
    let scratch = Scratch::make(mutants.iter().any(|mutant| mutant.catcher != Catcher::Simulator))?;
    let mut missed = Vec::new();
    for mutant in mutants {
        let start = Instant::now();
        // One that can't be tried is as bad as one that is missed, and keeps nobody from trying the others.
        let caught = scratch.try_one(mutant, arguments.seeds).unwrap_or_else(|error| {
            println!("{error:#}");
            None
        });
        let seconds = start.elapsed().as_secs();
        println!("{:<36} {seconds:>4} s  {}", mutant.name, caught.as_ref().map_or("NOT CAUGHT", |by| by));
        if caught.is_none() {
            missed.push(mutant.name.as_str());
        }
        let result = json!({
            "name": mutant.name, "wrong": mutant.wrong, "caught": caught,
            "seconds": seconds, "seeds": arguments.seeds, "revision": revision,
        });
        kept.insert(mutant.name.clone(), result);
        write_result("mutants", &summary(&kept, all.len()))?;
    }
    if missed.is_empty() { Ok(()) } else { bail!("not caught: {}", missed.join(", ")) }
}

/// What was kept of each mutant, by name.
fn kept() -> BTreeMap<String, Value> {
    let text = fs::read_to_string(root().join("docs/campaigns/mutants.json")).unwrap_or_default();
    let result: Value = serde_json::from_str(&text).unwrap_or_default();
    let results = result["mutants"].as_array().cloned().unwrap_or_default();
    let named = |result: Value| Some((result["name"].as_str()?.to_owned(), result));
    results.into_iter().filter_map(named).collect()
}

fn summary(results: &BTreeMap<String, Value>, all: usize) -> Value {
    let (caught, missed): (Vec<_>, Vec<_>) =
        results.values().partition(|result| result["caught"].is_string());
    let missed: Vec<_> = missed.iter().map(|result| &result["name"]).collect();
    json!({
        "campaign": "mutants",
        "profile": format!("dev, {}", OPTIMISED.join("=")),
        "caught": caught.len(),
        "missed": missed,
        "untried": all.saturating_sub(results.len()),
        "mutants": results.values().collect::<Vec<_>>(),
    })
}

/// The dev profile compiles what a patch changes in a fifth of release's time, and shares what it stands on with the tests.
const OPTIMISED: [&str; 2] = ["CARGO_PROFILE_DEV_OPT_LEVEL", "1"];

/// A copy of the sources, in which patches are applied. It has a target directory of its own: what cargo makes of it has
/// the names of the originals.
struct Scratch {
    directory: PathBuf,
}

impl Scratch {
    fn make(needs_contracts: bool) -> Result<Scratch> {
        let target = release_dir()?.parent().context("executables are in a target directory")?.to_owned();
        let scratch = Scratch { directory: target.join("mutants") };
        let listed = output(program("git").args(["ls-files", "-co", "--exclude-standard"]));
        let listed = listed.context("`git ls-files` failed: is this a clone?")?;
        // Deleted and not yet committed: still listed.
        let paths = listed.lines().filter(|path| root().join(path).exists());
        for path in paths {
            let (from, to) = (root().join(path), scratch.directory.join(path));
            // What is as it was keeps its time, so that it is not compiled again.
            let wanted = fs::read(&from).with_context(|| format!("{path} can't be read"))?;
            if fs::read(&to).ok().as_ref() != Some(&wanted) {
                fs::create_dir_all(to.parent().unwrap_or(&scratch.directory))?;
                fs::copy(&from, &to).with_context(|| format!("{} can't be written", to.display()))?;
            }
        }
        if needs_contracts && !scratch.directory.join("contracts/node_modules").exists() {
            contracts::install()?;
            let from = root().join("contracts/node_modules");
            run_command(program("cp").arg("-al").arg(from).arg(scratch.directory.join("contracts")))?;
        }
        scratch.warm()?;
        Ok(scratch)
    }

    /// Dependencies that the workspace's tests have compiled are not compiled again.
    fn warm(&self) -> Result<()> {
        let (from, to) = (root().join("target/debug"), self.directory.join("target/debug"));
        if to.exists() || !from.join("deps").exists() {
            return Ok(());
        }
        fs::create_dir_all(to.join("deps"))?;
        let [fingerprints, builds] = [".fingerprint", "build"].map(|name| from.join(name));
        run_quietly(program("cp").arg("-a").args([fingerprints, builds]).arg(&to))?;
        // Libraries are replaced when they are compiled anew, never changed in place.
        let libraries = "-maxdepth 1 ( -name *.rlib -o -name *.rmeta -o -name *.so ) -exec cp -al -t";
        let mut link = program("find");
        link.arg(from.join("deps")).args(libraries.split(' ')).arg(to.join("deps")).args(["{}", "+"]);
        run_quietly(&mut link)
    }

    fn command(&self, mut command: Command) -> Command {
        // A patch that is applied below a repository would be taken to concern that one's files.
        let above = self.directory.parent().unwrap_or(&self.directory);
        command.current_dir(&self.directory).env("GIT_CEILING_DIRECTORIES", above);
        command
    }

    fn apply(&self, mutant: &Mutant, reverse: bool) -> Result<()> {
        let mut git = self.command(program("git"));
        // The copy's, since the original may be written anew meanwhile.
        let patch = self.directory.join("xtask/mutants").join(mutant.patch.file_name().unwrap_or_default());
        git.arg("apply").args(reverse.then_some("-R")).arg(patch);
        run_quietly(&mut git).with_context(|| format!("{}: write its patch anew", mutant.name))?;
        Ok(())
    }

    /// Who caught it, and with what.
    fn try_one(&self, mutant: &Mutant, seeds: u64) -> Result<Option<String>> {
        self.apply(mutant, false)?;
        let caught = match &mutant.catcher {
            Catcher::Simulator => self.simulate(seeds),
            Catcher::Forge(tests) => self.test_contract(tests),
        };
        self.apply(mutant, true)?;
        caught.with_context(|| mutant.name.clone())
    }

    fn simulate(&self, seeds: u64) -> Result<Option<String>> {
        let mut build = self.command(cargo("build --quiet --workspace --locked --bin strait-sim"));
        let target = self.directory.join("target");
        build.env("CARGO_TARGET_DIR", &target).env(OPTIMISED[0], OPTIMISED[1]);
        run_quietly(&mut build)?;
        let binary = target.join("debug/strait-sim");
        let counts = self.directory.join("counts.json");
        let mut simulator = self.command(program(&binary));
        simulator.args(["--seeds", &seeds.to_string(), "--until-failure", "--counts"]).arg(&counts);
        simulator.output().context("the simulator can't be started")?;
        let text = fs::read(&counts).context("the simulator wrote no result")?;
        fs::remove_file(&counts)?;
        Ok(first_failure(&serde_json::from_slice(&text)?))
    }

    fn test_contract(&self, tests: &str) -> Result<Option<String>> {
        let contracts = self.directory.join("contracts");
        let mut forge = program(contracts.join("node_modules/@foundry-rs/forge-linux-amd64/bin/forge"));
        let output = forge.current_dir(contracts).args(["test", "--match-path", tests]).output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        let failed = text.lines().find_map(failed_test);
        if failed.is_none() && !output.status.success() {
            bail!("the contract can't be tested: {text}{}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(failed.map(|test| format!("{tests}: {test}")))
    }
}

fn first_failure(result: &Value) -> Option<String> {
    let failures = result["failures"].as_array()?;
    let first = failures.iter().min_by_key(|failure| failure["seed"].as_u64())?;
    Some(format!("seed {}: {}", first["seed"], first["property"].as_str().unwrap_or_default()))
}

/// The name in a line of forge's that tells of a failed test.
fn failed_test(line: &str) -> Option<&str> {
    let told = line.trim_start().strip_prefix("[FAIL")?;
    told.split_whitespace().find(|word| word.starts_with("test") || word.starts_with("invariant"))
}

fn run_quietly(command: &mut Command) -> Result<()> {
    let output = command.output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_patch_fits_the_sources() {
        let mutants = all().unwrap();
        let of = |wanted: fn(&Mutant) -> bool| mutants.iter().filter(|mutant| wanted(mutant)).count();
        assert!(of(|mutant| mutant.catcher == Catcher::Simulator) >= 30);
        assert!(of(|mutant| mutant.catcher != Catcher::Simulator) >= 30);
        for mutant in &mutants {
            let fits = run_quietly(program("git").args(["apply", "--check"]).arg(&mutant.patch));
            assert!(
                fits.is_ok(),
                "{}: write its patch anew, what it changes has changed: {fits:?}",
                mutant.name
            );
            if let Catcher::Forge(tests) = &mutant.catcher {
                assert!(root().join("contracts").join(tests).exists(), "{}: no {tests}", mutant.name);
            }
        }
    }

    #[test]
    fn the_first_seed_that_failed_is_told() {
        let result = json!({ "failures": [{ "seed": 9, "property": "a" }, { "seed": 4, "property": "b" }] });
        assert_eq!(first_failure(&result), Some("seed 4: b".into()));
        assert_eq!(first_failure(&json!({ "failures": [] })), None);
    }

    #[test]
    fn the_failed_test_is_told() {
        let line = "[FAIL: next call did not revert as expected] test_staleStateReverts() (gas: 1)";
        assert_eq!(failed_test(line), Some("test_staleStateReverts()"));
        assert_eq!(failed_test("[PASS] test_staleStateReverts() (gas: 1)"), None);
    }
}
