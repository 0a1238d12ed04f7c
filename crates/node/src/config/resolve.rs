//! From values as written to values that are checked. All problems are collected, so that one run shows them all.

mod chain;
mod node;
mod policy;
mod tower;

pub(super) use node::key_name as check_name;

use super::error::{ConfigError, Problem};
use super::layers::{Layers, Source, Stack};
use super::raw::{Raw, Text};
use super::units::parse_duration;
use super::{AssetList, Config};
use figment::error::Kind;
use std::collections::BTreeMap;
use std::time::Duration;
use strait_types::Address;

/// Farther than this a key is no misspelling of another.
const LEAST_SIMILARITY: f64 = 0.7;

pub(super) fn resolve(layers: &Layers, stack: &Stack) -> Result<Config, ConfigError> {
    let raw: Raw = stack.figment.extract().map_err(|error| {
        ConfigError::Problems(error.into_iter().map(|error| explain(stack, &error)).collect())
    })?;
    let mut checker = Checker { stack, problems: Vec::new() };
    let node = node::node(&mut checker, &layers.home, raw.node);
    let tls = node::tls(&mut checker, &layers.home, raw.tls);
    let mut chains = BTreeMap::new();
    for (name, raw) in raw.chains {
        if let Some(chain) = chain::chain(&mut checker, &name, raw, &node.key) {
            chains.insert(name, chain);
        }
    }
    chain::no_domain_twice(&mut checker, &chains);
    let assets = chain::assets(&mut checker, raw.assets, &chains);
    let assets = AssetList::new(assets);
    let policy = policy::policy(&mut checker, raw.policy, &chains, &assets);
    let tower = tower::tower(&mut checker, raw.tower);
    if !checker.problems.is_empty() {
        return Err(ConfigError::Problems(checker.problems));
    }
    Ok(Config { home: layers.home.clone(), node, tls, chains, assets, policy, tower })
}

/// Collects problems.
struct Checker<'a> {
    stack: &'a Stack,
    problems: Vec<Problem>,
}

impl Checker<'_> {
    fn problem(&mut self, key: impl Into<String>, text: impl Into<String>) {
        let key = key.into();
        let source = self.stack.source(&key);
        let source = if source == Source::Default { self.stack.in_file(&key) } else { source };
        self.problems.push(Problem { key, source, text: text.into() });
    }

    /// Reads a text if there is one.
    fn read<T>(
        &mut self,
        key: &str,
        text: Option<Text>,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let Text(text) = text?;
        match read(text.trim()) {
            Ok(value) => Some(value),
            Err(problem) => {
                self.problem(key, problem);
                None
            }
        }
    }

    /// A duration within a range.
    fn duration(
        &mut self,
        key: &str,
        text: Option<Text>,
        range: std::ops::RangeInclusive<Duration>,
    ) -> Option<Duration> {
        self.read(key, text, |text| {
            let duration = parse_duration(text)?;
            if range.contains(&duration) {
                return Ok(duration);
            }
            let (from, to) = (super::show_duration(*range.start()), super::show_duration(*range.end()));
            Err(format!("'{text}' is out of range; give {from} to {to}"))
        })
    }
}

/// An address with a right checksum; one in a single case is taken as it is.
fn read_address(text: &str) -> Result<Address, String> {
    let address: Address =
        text.parse().map_err(|_| format!("'{text}' is no address; it is 0x and 40 hex digits"))?;
    let digits = text.trim_start_matches("0x");
    let mixed =
        digits.bytes().any(|c| c.is_ascii_uppercase()) && digits.bytes().any(|c| c.is_ascii_lowercase());
    if mixed && Address::parse_checksummed(text, None).is_err() {
        return Err(format!(
            "the upper and lower case of '{text}' do not fit its digits, so it is mistyped; copy it again"
        ));
    }
    Ok(address)
}

/// Turns figment's error into ours.
fn explain(stack: &Stack, error: &figment::Error) -> Problem {
    let mut key = String::new();
    for part in &error.path {
        match part.parse::<usize>() {
            Ok(index) if !key.is_empty() => key.push_str(&format!("[{index}]")),
            _ if key.is_empty() => key.push_str(part),
            _ => key.push_str(&format!(".{part}")),
        }
    }
    let text = match &error.kind {
        Kind::UnknownField(name, expected) => unknown(name, expected),
        Kind::InvalidType(actual, expected) => format!("this is {actual}, but it must be {expected}"),
        Kind::InvalidValue(actual, expected) => format!("{actual} does not fit; it must be {expected}"),
        other => other.to_string(),
    };
    let source = match stack.source(&key) {
        Source::Default => stack.in_file(&key),
        source => source,
    };
    Problem { key, source, text }
}

fn unknown(name: &str, expected: &[&str]) -> String {
    let alike = |known: &str| strsim::jaro_winkler(name, known);
    let best = expected.iter().max_by(|a, b| alike(a).total_cmp(&alike(b)));
    match best {
        Some(best) if alike(best) >= LEAST_SIMILARITY => {
            format!("there is no such key; did you mean '{best}'?")
        }
        _ => format!("there is no such key; there are {}", expected.join(", ")),
    }
}
