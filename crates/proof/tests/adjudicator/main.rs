//! The adjudicator's bytecode against a model of it, on random calls, with tokens, payouts and apps that do what they
//! want.
//!
//! `cargo xtask campaign adjudicator` runs a million calls; a failure names the seed, which
//! `cargo xtask campaign adjudicator --seed SEED` replays.

mod calls;
mod contracts;
mod hostile;
mod model;
mod system;

use std::collections::BTreeMap;
use system::System;

/// Calls of one seed.
const CALLS: u64 = 400;

/// Runs the calls of one seed; counts those that the adjudicator took, by name, and all.
fn run(base: &System, seed: u64) -> BTreeMap<String, u64> {
    let mut system = base.clone();
    let mut dice = calls::Dice::new(seed);
    let mut counts = BTreeMap::new();
    for index in 0..CALLS {
        system.open(&mut dice);
        let call = calls::next(&mut dice, &mut system.model);
        // The bytecode first: what is signed depends on how things stood before.
        let actual = system.execute(&call);
        let expected = system.model.execute(&call);
        let place = || format!("seed {seed}, call {index}: {call:#?}\nin {:#?}", system.model);
        match (&expected, &actual) {
            (Ok(()), Ok(())) => *counts.entry(call.name().to_owned()).or_default() += 1,
            (Err(refusal), Err(_)) => *counts.entry(format!("refused: {refusal}")).or_default() += 1,
            _ => panic!("the model says {expected:?}, the bytecode {actual:?}; {}", place()),
        }
        if let Err(difference) = system.compare(call.channel()) {
            panic!("{difference}; {}", place());
        }
    }
    system.compare_all().unwrap_or_else(|difference| panic!("seed {seed}: {difference}"));
    counts
}

#[test]
fn the_bytecode_does_what_the_model_says() {
    let variable = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let first = variable("STRAIT_PROOF_SEED").unwrap_or(1);
    let calls = variable("STRAIT_PROOF_CALLS").unwrap_or(3_000);
    let last = first + calls.div_ceil(CALLS);
    let base = System::new();
    let mut sums: BTreeMap<String, u64> = BTreeMap::new();
    let threads = if calls > 100_000 { 2 } else { 1 };
    let counts: Vec<_> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|worker| {
                let base = &base;
                let seeds = (first..last).skip(worker).step_by(threads);
                scope.spawn(move || seeds.map(|seed| run(base, seed)).collect::<Vec<_>>())
            })
            .collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("a difference")).collect()
    });
    for (name, count) in counts.into_iter().flatten() {
        *sums.entry(name).or_default() += count;
    }
    println!("{sums:?}");
    if let Some(path) = std::env::var_os("STRAIT_PROOF_RESULT") {
        std::fs::write(path, serde_json::to_vec(&sums).expect("JSON")).expect("written");
    }
    if first == 1 {
        // Of a call that the adjudicator never takes nothing would be shown.
        for name in calls::NAMES {
            assert!(sums.get(*name).is_some_and(|count| *count >= 5), "{name}: {sums:?}");
        }
    }
}
