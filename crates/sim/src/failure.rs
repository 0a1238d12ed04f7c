//! What a run can find.

use crate::mutation::Mutation;
use std::fmt;

/// A property of `docs/protocol.md`, or one that the simulator adds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Property {
    /// Property 1.
    Conservation,
    /// Property 2.
    Safety,
    /// Property 3.
    NoHostage,
    /// Property 4.
    NoEquivocation,
    /// Property 5.
    BoundedGriefing,
    /// Property 6.
    NeutralHub,
    /// Property 7.
    Agreement,
    /// Property 8.
    Progress,
    /// Each command ends once, and what it was told is what the history says.
    Outcomes,
    /// What leaves a node rests on what its store has.
    DurableBeforeSent,
    /// A recovered engine equals the one that ran.
    Replay,
    /// Nothing panics.
    NoPanic,
}

impl fmt::Display for Property {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Property::Conservation => "1, conservation",
            Property::Safety => "2, safety",
            Property::NoHostage => "3, no hostage",
            Property::NoEquivocation => "4, no equivocation",
            Property::BoundedGriefing => "5, bounded griefing",
            Property::NeutralHub => "6, neutral hub",
            Property::Agreement => "7, agreement",
            Property::Progress => "8, progress",
            Property::Outcomes => "each command ends once and truly",
            Property::DurableBeforeSent => "durable before sent",
            Property::Replay => "replay gives the same",
            Property::NoPanic => "nothing panics",
        })
    }
}

/// A broken property, before the seed and the trace are added.
#[derive(Debug)]
pub(crate) struct Broken {
    pub(crate) property: Property,
    pub(crate) what: String,
}

impl Property {
    pub(crate) fn broken(self, what: impl Into<String>) -> Broken {
        Broken { property: self, what: what.into() }
    }

    /// Fails unless `holds`.
    pub(crate) fn check(self, holds: bool, what: impl FnOnce() -> String) -> Result<(), Broken> {
        if holds { Ok(()) } else { Err(self.broken(what())) }
    }
}

/// A seed that breaks a property. Its text begins with the seed and ends with the last lines of the trace.
#[derive(Clone, Debug, thiserror::Error)]
pub struct Failure {
    /// Replays the run.
    pub seed: u64,
    /// The fault that was built in, if any.
    pub mutation: Option<Mutation>,
    /// What broke.
    pub property: Property,
    /// How.
    pub what: String,
    /// The trace: its last lines, or all if [`crate::Options::trace`] asks for it.
    pub trace: Vec<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {} breaks property {}: {}", self.seed, self.property, self.what)?;
        let mutation = self.mutation.map(|mutation| format!(" {mutation:?}")).unwrap_or_default();
        writeln!(f, "replay it with `cargo xtask sim {}{mutation}`; the last that happened:", self.seed)?;
        self.trace.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}
