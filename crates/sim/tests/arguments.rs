//! What is not understood runs nothing, and says what would be.

use std::process::Command;

#[test]
fn odd_arguments_end_with_2_and_name_the_mutations() {
    let odd: [&[&str]; 8] = [
        &[],
        &["one"],
        &["1", "NoSuchFault"],
        &["1", "NeverSettles", "more"],
        &["--seeds"],
        &["--seeds", "many"],
        &["--seeds", "1", "NeverSettles"],
        &["--seeds", "1", "--begin", "2"],
    ];
    for arguments in odd {
        let output = Command::new(env!("CARGO_BIN_EXE_strait-sim")).args(arguments).output().expect("runs");
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
        let text = String::from_utf8(output.stderr).expect("text");
        assert!(text.contains("usage:") && text.contains("NeverSettles"), "{arguments:?}: {text}");
    }
}

#[test]
fn a_seed_is_replayed_with_its_mutation() {
    let output = Command::new(env!("CARGO_BIN_EXE_strait-sim")).args(["1", "LeakyAdjudicator"]).output();
    let output = output.expect("runs");
    let text = String::from_utf8(output.stdout).expect("text");
    assert!(text.contains("replay it with `cargo xtask sim 1 LeakyAdjudicator`"), "{text}");
}
