//! Seeds hold, replay exactly, and make occur what is meant to occur.

use strait_sim::{Failure, Mutation, Options, Property, Report, run};

/// Seeds that broke a property once. What a seed stands for changes with the simulator; they cost little.
const REGRESSIONS: [u64; 31] = [
    8, 43, 45, 56, 62, 75, 89, 94, 101, 115, 136, 142, 161, 172, 176, 182, 186, 195, 362, 396, 558, 580, 650,
    671, 755, 865, 881, 21413, 22267, 22395, 22397,
];

fn hold(seeds: impl IntoIterator<Item = u64>) -> Report {
    let mut sum = Report::default();
    for seed in seeds {
        match run(seed, &Options::default()) {
            Ok(report) => sum.add(&report),
            Err(failure) => panic!("{failure}"),
        }
    }
    sum
}

#[test]
fn every_property_holds_and_every_fault_occurs() {
    let report = hold(1_000..1_250);
    println!("{report}");
    assert_eq!(report.runs, 250);
    assert!(report.group("operation") > 250 * 100, "at least a hundred operations a seed");
    for fault in [
        "asleep while challenged",
        "chain view delayed",
        "connection broken",
        "crash after a commit, before its effects",
        "crash before a commit",
        "crash between effects",
        "crash with a torn commit",
        "deep reorg",
        "disk full",
        "disk full after a commit",
        "endpoint unreachable",
        "message duplicated",
        "message lost",
        "message out of order",
        "reorg",
        "restart",
        "restored from a backup",
        "transaction delayed",
        "transaction lost",
    ] {
        assert!(report.of("fault", fault) > 0, "{fault} never occurred");
    }
    for role in [
        "all honest",
        "double signer",
        "forger",
        "garbage sender",
        "late executor",
        "lock griefer",
        "replayer",
        "stale challenger",
        "staller",
        "turncoat",
        "withholder of acknowledgements",
    ] {
        assert!(report.of("role", role) > 0, "{role} never took part");
    }
    for path in
        ["challenged", "responded", "settled", "unlocked", "withdrawn", "closed", "preimage registered"]
    {
        assert!(report.of("chain", path) > 0, "no channel was ever {path}");
    }
    for done in
        ["pay", "add lock", "settle lock", "cancel lock", "withdraw", "close", "force close", "deposit"]
    {
        assert!(report.of("done", done) > 0, "no {done} ever succeeded");
    }
}

#[test]
fn what_broke_once_holds() {
    hold(REGRESSIONS);
}

#[test]
fn the_same_seed_gives_the_same_run() {
    for seed in 0..12 {
        let options = Options { trace: true, ..Options::default() };
        let [first, second] = [(); 2].map(|()| run(seed, &options).expect("every property holds"));
        assert!(first.trace == second.trace, "seed {seed}: {:?}", first_difference(&first, &second));
        assert_eq!(first.trace_hash, second.trace_hash);
    }
    let [one, other] =
        [1, 2].map(|seed| run(seed, &Options::default()).expect("every property holds").trace_hash);
    assert_ne!(one, other);
}

fn first_difference(a: &Report, b: &Report) -> Option<(String, String)> {
    a.trace.iter().zip(&b.trace).find(|(a, b)| a != b).map(|(a, b)| (a.clone(), b.clone()))
}

#[test]
fn a_failure_begins_with_its_seed_and_ends_with_its_trace() {
    let failure = Failure {
        seed: 17,
        mutation: Some(Mutation::NeverSettles),
        property: Property::Safety,
        what: "bob is short".into(),
        trace: vec!["first".into(), "last".into()],
    };
    let text = failure.to_string();
    assert!(text.starts_with("seed 17 breaks property 2, safety: bob is short\n"));
    assert!(text.contains("`cargo xtask sim 17 NeverSettles`"), "{text}");
    assert!(text.ends_with("first\nlast\n"));
}
