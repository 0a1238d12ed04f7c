//! `cargo deny`: bans, licences and sources, as deny.toml says.

use crate::command::{cargo, output, program, root, run};
use anyhow::Result;
use std::path::{Path, PathBuf};

/// What is built when no usable one is installed.
const VERSION: &str = "0.20.2";
/// Older ones can't read the package ids of today's cargo.
const OLDEST: (u32, u32) = (0, 18);

/// Checks the dependencies; builds the tool first when it is lacking.
pub(crate) fn check() -> Result<()> {
    let tool = tool()?;
    let arguments = ["--locked", "check", "--hide-inclusion-graph", "bans", "licenses", "sources"];
    run(program(tool).args(arguments))
}

fn tool() -> Result<PathBuf> {
    let tools = root().join("target/tools");
    let own = tools.join("bin/cargo-deny");
    for candidate in [PathBuf::from("cargo-deny"), own.clone()] {
        if usable(&candidate) {
            return Ok(candidate);
        }
    }
    println!("cargo-deny is not installed: building it once, which takes some minutes");
    // Not optimised: that takes half the time, and there is little for it to do.
    run(cargo(&format!("install cargo-deny --version {VERSION} --locked --quiet --debug"))
        .arg("--root")
        .arg(&tools))?;
    Ok(own)
}

fn usable(tool: &Path) -> bool {
    let version = output(program(tool).arg("--version"));
    version.as_deref().and_then(parse).is_some_and(|version| version >= OLDEST)
}

/// Of `cargo-deny 0.20.2`.
fn parse(line: &str) -> Option<(u32, u32)> {
    let mut numbers = line.split_whitespace().nth(1)?.split('.');
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        assert_eq!(parse("cargo-deny 0.20.2\n"), Some((0, 20)));
        assert!(parse("cargo-deny 0.9.1") < Some(OLDEST));
        assert_eq!(parse("no version"), None);
    }
}
