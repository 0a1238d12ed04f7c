//! The checkers are not blind: each built-in fault is caught within a bounded number of seeds.

use strait_sim::{Mutation, Options, Property, run};

/// Seeds within which each is caught.
const SEEDS: u64 = 150;

fn caught(mutation: Mutation) -> (u64, Property) {
    let options = Options { mutation: Some(mutation), ..Options::default() };
    (0..SEEDS)
        .find_map(|seed| run(seed, &options).err().map(|failure| (seed, failure.property)))
        .unwrap_or_else(|| panic!("{mutation:?} is not caught within {SEEDS} seeds"))
}

#[test]
fn every_mutation_is_caught() {
    for mutation in Mutation::ALL {
        let (seed, property) = caught(mutation);
        println!("{mutation:?}: seed {seed}, property {property}");
    }
}
