//! The release build and what it costs.

use crate::command::{cargo, release_dir, root, run};
use crate::usage::cpu_time;
use anyhow::{Context, Result, bail};
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

/// What a cold build may take, in user and system time of all cores together; see docs/decisions/0011.
const LIMIT: Duration = Duration::from_secs(30 * 60);
const BUILD: &str = "build --release --workspace --locked";

/// Builds everything. When nothing was built before, or into an empty directory with `force_cold`, the CPU time is
/// held against the limit.
pub(crate) fn measured(force_cold: bool) -> Result<()> {
    if force_cold {
        return in_empty_directory();
    }
    if !is_cold(&release_dir()?)? {
        run(&mut cargo(BUILD))?;
        println!("warm build: its CPU time is not checked; `--cold` measures it in an empty directory");
        return Ok(());
    }
    run(&mut cargo(BUILD))?;
    // From this process' start: building this program belongs to a cold build.
    within_limit(cpu_time()?)
}

fn in_empty_directory() -> Result<()> {
    let target = root().join("target/cold");
    remove(&target)?;
    let before = cpu_time()?;
    run(cargo(BUILD).env("CARGO_TARGET_DIR", &target))?;
    let spent = cpu_time()?.saturating_sub(before);
    remove(&target)?;
    within_limit(spent)
}

/// Whether no crate of the product was compiled yet. That of this program says nothing: it runs.
fn is_cold(release: &Path) -> Result<bool> {
    for entry in fs::read_dir(release.join("deps")).context("what is built already?")? {
        if entry?.file_name().to_string_lossy().starts_with("libstrait_types-") {
            return Ok(false);
        }
    }
    Ok(true)
}

fn within_limit(spent: Duration) -> Result<()> {
    let minutes = |time: Duration| time.as_secs_f64() / 60.0;
    let figures = format!("{:.1} CPU minutes of {:.0}", minutes(spent), minutes(LIMIT));
    println!("cold build: {figures}");
    if spent > LIMIT {
        bail!("the cold build takes {figures}");
    }
    Ok(())
}

fn remove(directory: &Path) -> Result<()> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("{} can't be removed", directory.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cold_until_the_product_is_compiled() {
        let release = tempfile::tempdir().unwrap();
        assert!(is_cold(release.path()).is_err());
        fs::create_dir(release.path().join("deps")).unwrap();
        fs::write(release.path().join("deps/libanyhow-0.rlib"), "").unwrap();
        assert!(is_cold(release.path()).unwrap());
        fs::write(release.path().join("deps/libstrait_types-0.rlib"), "").unwrap();
        assert!(!is_cold(release.path()).unwrap());
    }

    #[test]
    fn the_limit_itself_is_allowed() {
        assert!(within_limit(LIMIT).is_ok());
        assert!(within_limit(LIMIT + Duration::from_millis(1)).is_err());
    }
}
