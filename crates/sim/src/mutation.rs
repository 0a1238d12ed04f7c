//! Deliberately wrong nodes: each must be caught, or the checkers are blind.

/// A fault that is built into the honest nodes of a run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mutation {
    /// Effects are performed before their batch is durable.
    SendsBeforeCommit,
    /// The disk acknowledges commits and loses them in a crash.
    LosesCommits,
    /// After a crash a node goes on from an old copy of its data without saying so.
    StartsFromOldCopy,
    /// The key signs a second state of a version.
    SignsTwice,
    /// Answers to challenges never reach the chain.
    NeverResponds,
    /// Preimages are not registered on chain.
    NeverRegisters,
    /// Deposits count at once, although reorgs take them back.
    CountsDepositsAtHead,
    /// Synchronisation messages are not sent.
    NeverSyncs,
    /// A command is handed to the engine twice.
    PaysTwice,
    /// A failed payment is reported as paid.
    ReportsSuccess,
    /// The adjudicator holds more than its channels own.
    LeakyAdjudicator,
    /// A node stops following the chain.
    StopsFollowing,
    /// Wanted calls for settling are dropped.
    NeverSettles,
}

impl Mutation {
    /// All of them.
    pub const ALL: [Mutation; 13] = [
        Mutation::SendsBeforeCommit,
        Mutation::LosesCommits,
        Mutation::StartsFromOldCopy,
        Mutation::SignsTwice,
        Mutation::NeverResponds,
        Mutation::NeverRegisters,
        Mutation::CountsDepositsAtHead,
        Mutation::NeverSyncs,
        Mutation::PaysTwice,
        Mutation::ReportsSuccess,
        Mutation::LeakyAdjudicator,
        Mutation::StopsFollowing,
        Mutation::NeverSettles,
    ];

    /// Calls of this name never reach the chain.
    pub(crate) fn drops_call(self, name: &str) -> bool {
        match self {
            Mutation::NeverResponds => name == "respond",
            Mutation::NeverRegisters => name == "register preimage",
            Mutation::NeverSettles => name == "settle",
            _ => false,
        }
    }
}
