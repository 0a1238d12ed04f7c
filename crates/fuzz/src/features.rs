//! What a run shows of the paths that it took.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Words of a text that count.
const WORDS: usize = 14;

/// A set of traits of a run, each as a number.
#[derive(Clone, Default, Debug)]
pub struct Features(BTreeSet<u64>);

impl Features {
    /// Notes a trait. Numbers, what is quoted and what comes late do not count, so that pieces of the input in a text do
    /// not make it another trait.
    pub fn note(&mut self, kind: &str, text: impl Display) {
        self.0.insert(Features::number(kind, text));
    }

    /// Notes a region of the program that was passed so many times: once, twice, up to four times, eight ...
    pub(crate) fn note_region(&mut self, region: usize, times: u64) {
        let class = u64::from(times.saturating_sub(1).checked_ilog2().map_or(0, |log| log + 1).min(8));
        self.0.insert((region as u64) << 8 | class);
    }

    /// How many of another run's it has not seen.
    pub(crate) fn unseen(&self, other: &Features) -> usize {
        other.0.difference(&self.0).count()
    }

    /// Whether a trait was noted.
    pub fn has(&self, kind: &str, text: impl Display) -> bool {
        self.0.contains(&Features::number(kind, text))
    }

    fn number(kind: &str, text: impl Display) -> u64 {
        let mut hasher = DefaultHasher::new();
        kind.hash(&mut hasher);
        let text = text.to_string();
        let unquoted = text.split(['"', '\'', '`']).step_by(2);
        let words = unquoted.flat_map(|part| part.split(|c: char| !c.is_ascii_alphabetic()));
        words.filter(|word| word.len() > 1).take(WORDS).for_each(|word| word.hash(&mut hasher));
        hasher.finish()
    }

    /// Notes how an attempt to read something ended.
    pub fn outcome<T, E: Display>(&mut self, kind: &str, result: &Result<T, E>) {
        match result {
            Ok(_) => self.note(kind, "taken"),
            Err(error) => self.note(kind, error),
        }
    }

    /// Adds those of another run; says whether any was new.
    pub fn learn(&mut self, other: &Features) -> bool {
        let before = self.0.len();
        self.0.extend(&other.0);
        self.0.len() > before
    }

    /// How many.
    pub fn count(&self) -> usize {
        self.0.len()
    }
}
