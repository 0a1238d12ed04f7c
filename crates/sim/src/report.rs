//! What occurred in a run or in many.

use std::collections::BTreeMap;
use std::fmt;
use strait_types::B256;

/// Counts of a run, so that one sees that what is meant to occur does.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// How many runs it sums up.
    pub runs: u64,
    /// Hash of the trace; of a sum it is zero.
    pub trace_hash: B256,
    /// The whole trace, if [`crate::Options::trace`] asks for it.
    pub trace: Vec<String>,
    /// By group and name: operations, faults, roles, paths of disputes.
    pub counts: BTreeMap<(&'static str, &'static str), u64>,
}

impl Report {
    pub(crate) fn count(&mut self, group: &'static str, name: &'static str) {
        *self.counts.entry((group, name)).or_default() += 1;
    }

    /// Adds the counts of another.
    pub fn add(&mut self, other: &Report) {
        self.runs += other.runs;
        self.trace_hash = B256::ZERO;
        for (key, count) in &other.counts {
            *self.counts.entry(*key).or_default() += count;
        }
    }

    /// How often something occurred, by group and name.
    pub fn of(&self, group: &str, name: &str) -> u64 {
        self.counts.iter().filter(|((g, n), _)| *g == group && *n == name).map(|(_, count)| count).sum()
    }

    /// Sum of a group.
    pub fn group(&self, group: &str) -> u64 {
        self.counts.iter().filter(|((g, _), _)| *g == group).map(|(_, count)| count).sum()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut last = "";
        for ((group, name), count) in &self.counts {
            if *group != last {
                writeln!(f, "{group}")?;
                last = group;
            }
            writeln!(f, "  {count:>9}  {name}")?;
        }
        Ok(())
    }
}
