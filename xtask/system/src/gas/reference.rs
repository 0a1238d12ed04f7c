//! What is promised, and what others take.

/// Figures that a scenario is held against, in gas of whole transactions.
#[derive(Clone, Copy, Default)]
pub(super) struct Reference {
    /// As the gas report names it.
    pub(super) scenario: &'static str,
    /// Most that it may take.
    pub(super) target: Option<u64>,
    /// go-nitro, from the gas file in its repository.
    pub(super) nitro: Option<u64>,
    /// perun-eth-contracts, measured.
    pub(super) perun: Option<u64>,
}

const fn target(scenario: &'static str, gas: u64) -> Reference {
    Reference { scenario, target: Some(gas), nitro: None, perun: None }
}

/// In ETH. Perun's figures for whole channels are to the thousand.
pub(super) const REFERENCES: &[Reference] = &[
    target("deposit, first", 47_000),
    target("deposit, second", 30_000),
    target("close, both paid", 69_000),
    Reference {
        nitro: Some(187_418),
        perun: Some(334_000),
        ..target("open to close, two deposits", 145_000)
    },
    target("20 deposits in one call", 650_000),
    Reference { nitro: Some(113_146), perun: Some(109_430), ..target("challenge", 75_000) },
    Reference { perun: Some(77_464), ..target("respond", 55_000) },
    target("settle, both paid", 60_000),
    Reference { scenario: "open to settle, unanswered", target: None, nitro: Some(271_076), perun: None },
    Reference {
        scenario: "open to settle, with a response",
        target: None,
        nitro: None,
        perun: Some(395_000),
    },
    target("unlock one hash lock", 50_000),
];
