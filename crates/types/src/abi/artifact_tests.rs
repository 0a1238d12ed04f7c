//! The declarations of `solidity` against the committed artifacts.

use super::solidity::{Adjudicator, App, Token};
use alloy_sol_types::{SolCall, SolEvent};
use serde_json::Value;
use std::collections::BTreeSet;

pub(super) const ADJUDICATOR: &str = include_str!("../../../../contracts/artifacts/Adjudicator.json");
const APP: &str = include_str!("../../../../contracts/artifacts/IApp.json");
pub(super) const TOKEN: &str = include_str!("../../../../contracts/artifacts/TestUSDC.json");

fn canonical(parameters: &Value) -> String {
    let types: Vec<String> = parameters
        .as_array()
        .expect("a list")
        .iter()
        .map(|parameter| match (parameter["type"].as_str().expect("a type"), parameter.get("components")) {
            (of_type, Some(components)) => of_type.replacen("tuple", &canonical(components), 1),
            (of_type, None) => of_type.to_owned(),
        })
        .collect();
    format!("({})", types.join(","))
}

/// Canonical signatures of an artifact's functions, events or errors.
pub(super) fn signatures(artifact: &str, kind: &str) -> BTreeSet<String> {
    let artifact: Value = serde_json::from_str(artifact).expect("the artifact is JSON");
    let entries = artifact["abi"].as_array().expect("an ABI").iter().filter(|entry| entry["type"] == kind);
    entries
        .map(|entry| format!("{}{}", entry["name"].as_str().expect("a name"), canonical(&entry["inputs"])))
        .collect()
}

#[test]
fn calls_are_those_of_the_contracts() {
    let adjudicator = signatures(ADJUDICATOR, "function");
    let declared = [
        Adjudicator::depositCall::SIGNATURE,
        Adjudicator::depositManyCall::SIGNATURE,
        Adjudicator::depositTokenCall::SIGNATURE,
        Adjudicator::closeCall::SIGNATURE,
        Adjudicator::withdrawCall::SIGNATURE,
        Adjudicator::resumeCall::SIGNATURE,
        Adjudicator::challengeCall::SIGNATURE,
        Adjudicator::respondCall::SIGNATURE,
        Adjudicator::settleCall::SIGNATURE,
        Adjudicator::unlockCall::SIGNATURE,
        Adjudicator::registerPreimageCall::SIGNATURE,
        Adjudicator::withdrawCreditCall::SIGNATURE,
        Adjudicator::multicallCall::SIGNATURE,
        Adjudicator::progressCall::SIGNATURE,
        Adjudicator::deployAppCall::SIGNATURE,
        Adjudicator::closeChildCall::SIGNATURE,
        Adjudicator::resumeChildCall::SIGNATURE,
        Adjudicator::challengeChildCall::SIGNATURE,
        Adjudicator::respondChildCall::SIGNATURE,
        Adjudicator::progressChildCall::SIGNATURE,
        Adjudicator::settleChildCall::SIGNATURE,
        Adjudicator::outcomeCall::SIGNATURE,
        Adjudicator::channelIdCall::SIGNATURE,
        Adjudicator::channelCall::SIGNATURE,
        Adjudicator::fundsCall::SIGNATURE,
        Adjudicator::creditsCall::SIGNATURE,
        Adjudicator::registeredAtCall::SIGNATURE,
    ];
    for signature in declared {
        assert!(adjudicator.contains(signature), "{signature} is not in the artifact");
    }
    let questions = [App::validTransitionCall::SIGNATURE, App::verdictCall::SIGNATURE];
    assert_eq!(signatures(APP, "function"), questions.into_iter().map(str::to_owned).collect());
    let token = signatures(TOKEN, "function");
    for signature in [
        Token::allowanceCall::SIGNATURE,
        Token::approveCall::SIGNATURE,
        Token::balanceOfCall::SIGNATURE,
        Token::mintCall::SIGNATURE,
    ] {
        assert!(token.contains(signature), "{signature} is not in the artifact");
    }
}

#[test]
fn events_are_all_of_the_contract() {
    let declared = [
        Adjudicator::Deposited::SIGNATURE,
        Adjudicator::Challenged::SIGNATURE,
        Adjudicator::Responded::SIGNATURE,
        Adjudicator::Resumed::SIGNATURE,
        Adjudicator::Withdrawn::SIGNATURE,
        Adjudicator::Closed::SIGNATURE,
        Adjudicator::Settled::SIGNATURE,
        Adjudicator::Unlocked::SIGNATURE,
        Adjudicator::PreimageRegistered::SIGNATURE,
        Adjudicator::Credited::SIGNATURE,
        Adjudicator::CreditWithdrawn::SIGNATURE,
        Adjudicator::Progressed::SIGNATURE,
        Adjudicator::Finalised::SIGNATURE,
        Adjudicator::AppDeployed::SIGNATURE,
    ];
    let mut in_artifact = signatures(ADJUDICATOR, "event");
    // EIP-5267 declares it; the domain of this contract never changes, so that it is never emitted.
    in_artifact.remove("EIP712DomainChanged()");
    assert_eq!(in_artifact, declared.into_iter().map(str::to_owned).collect());
}
