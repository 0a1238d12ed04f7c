//! What `docs/security.md` promises is held by tests that exist.

use crate::command::{output, program, root};
use anyhow::{Context, Result, bail};
use std::collections::BTreeSet;
use std::fs;

/// Looks for every test that the document names.
pub(crate) fn check() -> Result<()> {
    let text = fs::read_to_string(root().join("docs/security.md"))?;
    let named = tests_in(&text);
    let listed = output(program("git").args(["ls-files", "--", "*.rs", "*.sol"]))
        .context("`git ls-files` failed: is this a clone?")?;
    let mut missing = named.clone();
    for path in listed.lines() {
        let Ok(source) = fs::read_to_string(root().join(path)) else { continue };
        missing.retain(|name| {
            !source.contains(&format!("fn {name}(")) && !source.contains(&format!("function {name}("))
        });
    }
    if !missing.is_empty() {
        bail!("docs/security.md names tests that do not exist: {missing:?}");
    }
    println!("{} tests are named, and exist", named.len());
    Ok(())
}

/// Names in backticks that are a function's.
fn tests_in(text: &str) -> BTreeSet<&str> {
    let quoted = text.split('`').skip(1).step_by(2);
    let is_name = |name: &&str| {
        name.contains('_') && name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
    };
    quoted.filter(is_name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_and_files_are_no_tests() {
        let text = "see `cargo xtask gas`, `docs/a.md`, `a_test`, `Plain` and `test_oneMore`";
        assert_eq!(tests_in(text).into_iter().collect::<Vec<_>>(), ["a_test", "test_oneMore"]);
    }
}
