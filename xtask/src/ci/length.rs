//! Files stay short enough to be read in one go.

use crate::command::{output, program, root};
use anyhow::{Context, Result, bail};
use std::fs;

/// Most lines of a file, its unit tests not counted.
const LONGEST: usize = 800;

/// Counts the lines of all sources that git knows or would add.
pub(crate) fn check() -> Result<()> {
    let arguments =
        ["ls-files", "--cached", "--others", "--exclude-standard", "--", "*.rs", "*.sol", "*.mjs"];
    let listed = output(program("git").args(arguments)).context("`git ls-files` failed: is this a clone?")?;
    let mut lengths = Vec::new();
    for path in listed.lines().filter(|path| !is_test(path)) {
        // Git still lists what was deleted and not yet committed.
        if let Ok(text) = fs::read_to_string(root().join(path)) {
            lengths.push((lines_without_tests(&text), path));
        }
    }
    lengths.sort_unstable();
    let (longest, path) = lengths.last().context("there are no sources")?;
    let median = lengths[lengths.len() / 2].0;
    println!("{} files, median {median} lines, longest {longest}: {path}", lengths.len());
    let too_long: Vec<_> = lengths.iter().filter(|(lines, _)| *lines > LONGEST).collect();
    if !too_long.is_empty() {
        bail!("longer than {LONGEST} lines: {too_long:?}");
    }
    Ok(())
}

fn is_test(path: &str) -> bool {
    path.split('/').any(|part| part == "tests" || part == "test") || path.ends_with("tests.rs")
}

/// Lines before the unit tests, which stand last in a file.
fn lines_without_tests(text: &str) -> usize {
    let lines: Vec<_> = text.lines().collect();
    let starts_tests =
        |pair: &[&str]| pair[0] == "#[cfg(test)]" && pair[1].starts_with("mod ") && pair[1].ends_with('{');
    lines.windows(2).position(starts_tests).unwrap_or(lines.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unit_tests_do_not_count() {
        assert_eq!(lines_without_tests("fn f() {}\n#[cfg(test)]\nmod tests {\n}\n"), 1);
        assert_eq!(lines_without_tests("#[cfg(test)]\nmod tests;\nfn f() {}\n"), 3);
        assert_eq!(lines_without_tests("#[cfg(test)]\nuse a::b;\n"), 2);
    }

    #[test]
    fn test_files_do_not_count() {
        assert!(is_test("crates/chain/tests/dev_chain.rs"));
        assert!(is_test("contracts/test/Gas.t.sol"));
        assert!(is_test("crates/types/src/abi/artifact_tests.rs"));
        assert!(!is_test("crates/store/src/testing.rs"));
    }
}
