//! Another revision of the product under the same load.

use anyhow::{Context as _, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Length of the part of a commit's hash that names its checkout.
const SHORT: usize = 12;

/// This executable and that of another revision.
pub(super) struct Built {
    pub(super) own: PathBuf,
    pub(super) other: PathBuf,
}

/// Builds another revision, with this revision's load, beside this executable.
///
/// # Errors
/// When there is no such revision, or this load does not compile with it.
pub(super) fn build(revision: &str) -> Result<Built> {
    let root =
        Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).context("crates/bench is two below")?;
    build_in(root, &std::env::current_exe()?, revision)
}

/// Checks the revision out below `target`, lays this load over it, and builds it. Compiled dependencies are shared, so
/// the executables are copied: cargo puts one in the place of the other.
fn build_in(root: &Path, running: &Path, revision: &str) -> Result<Built> {
    let profile = running.parent().context("an executable is in a directory")?;
    let target = profile.parent().context("it is in the target directory")?;
    let commit = commit_of(root, revision)?;
    let checkout = target.join("bench-vs").join(&commit);
    let built = Built { own: target.join("bench-own"), other: target.join("bench-other") };
    std::fs::copy(running, &built.own)?;
    if !checkout.exists() {
        check_out(root, &commit, &checkout)?;
    }
    let load = checkout.join("crates/bench");
    run(Command::new("rm").arg("-rf").arg(&load))?;
    run(Command::new("cp").arg("-r").arg(root.join("crates/bench")).arg(&load))?;
    let cargo = std::env::var_os("CARGO").unwrap_or("cargo".into());
    run(Command::new(cargo)
        .current_dir(&checkout)
        .args(["build", "--release", "--quiet", "--workspace", "--bin", "strait-bench", "--target-dir"])
        .arg(target))?;
    std::fs::copy(target.join("release/strait-bench"), &built.other)?;
    Ok(built)
}

fn commit_of(root: &Path, revision: &str) -> Result<String> {
    let mut command = Command::new("git");
    command.current_dir(root).args(["rev-parse", "--verify", "--quiet"]);
    let output = command.arg(format!("{revision}^{{commit}}")).output().context("git can't be started")?;
    let commit = String::from_utf8(output.stdout)?;
    match commit.get(..SHORT) {
        Some(short) if output.status.success() => Ok(short.to_owned()),
        _ => bail!("there is no revision {revision:?}; `git log --oneline` lists them"),
    }
}

/// The files get the present time: by their own, cargo would take them for those that it has compiled already.
fn check_out(root: &Path, commit: &str, checkout: &Path) -> Result<()> {
    let partial = checkout.with_extension("partial");
    let archive = checkout.with_extension("tar");
    run(Command::new("rm").arg("-rf").arg(&partial))?;
    std::fs::create_dir_all(&partial)?;
    run(Command::new("git").current_dir(root).arg("archive").arg("--output").arg(&archive).arg(commit))?;
    run(Command::new("tar").arg("-xmf").arg(&archive).arg("-C").arg(&partial))?;
    std::fs::remove_file(&archive)?;
    Ok(std::fs::rename(&partial, checkout)?)
}

fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("{command:?} can't be started"))?;
    if !status.success() {
        bail!("{command:?}: {status}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A workspace with a product, and a load that says what it runs with.
    fn write(root: &Path, product: &str, load: &str) {
        let file = |path: &str, text: String| {
            let path = root.join(path);
            std::fs::create_dir_all(path.parent().expect("below the root")).expect("made");
            std::fs::write(path, text).expect("written");
        };
        let package =
            |name: &str| format!("[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n");
        file("Cargo.toml", "[workspace]\nresolver = \"3\"\nmembers = [\"crates/*\"]\n".into());
        file(".gitignore", "target\n".into());
        file("crates/product/Cargo.toml", package("product"));
        file("crates/product/src/lib.rs", format!("pub const NAME: &str = {product:?};\n"));
        let depends = "[dependencies]\nproduct = { path = \"../product\" }\n";
        file("crates/bench/Cargo.toml", package("strait-bench") + depends);
        let main = format!("fn main() {{ print!(\"{load} with {{}}\", product::NAME); }}\n");
        file("crates/bench/src/main.rs", main);
    }

    fn git(root: &Path, arguments: &[&str]) {
        let mut command = Command::new("git");
        command.current_dir(root).args(["-c", "user.name=Bench", "-c", "user.email=bench@localhost"]);
        run(command.args(arguments)).expect("git works");
    }

    fn said(executable: &Path) -> String {
        String::from_utf8(Command::new(executable).output().expect("starts").stdout).expect("text")
    }

    #[test]
    fn another_revision_runs_under_this_load_and_this_one_stays_itself() {
        let directory = tempfile::tempdir().expect("a directory");
        let root = directory.path();
        git(root, &["init", "--quiet"]);
        write(root, "the first product", "the old load");
        git(root, &["add", "--all"]);
        git(root, &["commit", "--quiet", "--message", "First"]);
        write(root, "the second product", "the new load");
        git(root, &["commit", "--quiet", "--all", "--message", "Second"]);
        let running = root.join("target/release/strait-bench");
        let cargo = std::env::var_os("CARGO").unwrap_or("cargo".into());
        run(Command::new(cargo).current_dir(root).args([
            "build",
            "--release",
            "--quiet",
            "--target-dir",
            "target",
        ]))
        .expect("builds");
        for _ in 0..2 {
            let built = build_in(root, &running, "HEAD~1").expect("both");
            assert_eq!(said(&built.own), "the new load with the second product");
            assert_eq!(said(&built.other), "the new load with the first product");
            std::fs::copy(&built.own, &running).expect("as cargo does with the next build");
        }
        let error = build_in(root, &running, "nowhere").err().expect("no such revision");
        assert!(error.to_string().contains("nowhere"), "{error}");
    }
}
