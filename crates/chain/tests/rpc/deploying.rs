//! Deploying goes on where an earlier run stopped.

use crate::anvil::{Anvil, CHAIN_ID};
use serde_json::json;
use strait_chain::rpc::{Contract, DeployError, Deployed, EndpointConfig, FeePolicy, SqliteJournal, deploy};
use strait_types::{SigningKey, U256};

#[test]
fn who_gave_up_waiting_goes_on_and_deploys_once() {
    let anvil = Anvil::start();
    let directory = tempfile::tempdir().expect("a directory");
    let key = SigningKey::from_bytes([0x98; 32]).expect("a key");
    anvil.fund(key.address(), U256::from(u128::MAX));
    let deploy = |go_on: &mut dyn FnMut() -> bool| -> Result<Deployed, DeployError> {
        let journal = SqliteJournal::open(directory.path().join("deploy.db"), CHAIN_ID).expect("a journal");
        let endpoints = EndpointConfig::new(CHAIN_ID, vec![anvil.url("http")]);
        let fees = FeePolicy::default();
        deploy(Contract::Adjudicator, endpoints, key.clone(), fees, Box::new(journal), go_on)
    };
    // As on a chain without the usual proxy, where the address depends on the nonce.
    anvil.ask("anvil_setCode", &json!(["0x4e59b44847b379578588920cA78FbF26c0B4956C", "0x"]));
    let Err(DeployError::Waiting { transaction }) = deploy(&mut || false) else {
        panic!("no block was made")
    };
    let deployed = deploy(&mut || {
        anvil.mine();
        true
    });
    let deployed = deployed.expect("deploys");
    assert_eq!(deployed.transaction, Some(transaction));
    assert_eq!(deployed.address, key.address().create(0));
    assert_eq!(anvil.number("eth_getTransactionCount", &json!([key.address(), "latest"])), U256::from(1));
}
