//! The checkers are not blind: each built-in fault is caught within a bounded number of seeds, where a fault has a
//! property of its own by that one.

use strait_sim::{Failure, Mutation, Options, Property, run};

/// Seeds within which each is caught.
const SEEDS: u64 = 200;

fn meant(mutation: Mutation) -> Option<Property> {
    match mutation {
        Mutation::LeakyAdjudicator => Some(Property::Conservation),
        Mutation::NeverRegisters => Some(Property::Safety),
        Mutation::NeverSettles => Some(Property::NoHostage),
        Mutation::SignsTwice => Some(Property::NoEquivocation),
        Mutation::NeverSyncs => Some(Property::Progress),
        Mutation::PaysTwice | Mutation::ReportsSuccess => Some(Property::Outcomes),
        Mutation::SendsBeforeCommit => Some(Property::DurableBeforeSent),
        // These break several, and which comes first is the seed's matter.
        Mutation::LosesCommits
        | Mutation::StartsFromOldCopy
        | Mutation::NeverResponds
        | Mutation::CountsDepositsAtHead
        | Mutation::StopsFollowing => None,
    }
}

#[test]
fn every_mutation_is_caught() {
    for mutation in Mutation::ALL {
        let options = Options { mutation: Some(mutation), ..Options::default() };
        let is_meant =
            |failure: &Failure| meant(mutation).is_none_or(|property| failure.property == property);
        let caught = (0..SEEDS).find_map(|seed| run(seed, &options).err().filter(is_meant));
        let failure = caught.unwrap_or_else(|| panic!("{mutation:?} is not caught within {SEEDS} seeds"));
        println!("{mutation:?}: seed {}, property {}", failure.seed, failure.property);
    }
}
