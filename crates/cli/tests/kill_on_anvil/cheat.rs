//! A participant who goes to the chain with an old state, past its own node.

use crate::anvil::{Anvil, CHAIN_ID, post};
use crate::party::Party;
use serde_json::{Value, json};
use strait::{Address, Api, B256, ChannelId, ChannelRef};
use strait_types::abi::calls;
use strait_types::{ChannelParams, Domain, Participant, Side, State};

/// A transaction that challenges with the state before all payments.
pub(crate) async fn challenge(party: &Party, adjudicator: Address, channel: ChannelId) -> Value {
    let shown = party.api().await.channel_state(ChannelRef { channel }).await.expect("the channel's terms");
    let params = read_params(&shown.params);
    let domain = Domain::new(CHAIN_ID, adjudicator);
    assert_eq!(params.id(CHAIN_ID, adjudicator), channel, "the terms are read right");
    let state = State::zero(channel, params.assets.len());
    let authorisation = party.key.sign(domain.challenge_digest(channel, 0, state.hash()));
    let data = calls::challenge(&params, &state, None, None, Side::Zero, Some(&authorisation));
    json!({ "to": adjudicator, "data": data, "gas": "0x7a120" })
}

/// Sends it from an account of anvil's own. It may fail: it may have been sent before.
pub(crate) fn send(anvil: &Anvil, transaction: &Value) {
    let mut transaction = transaction.clone();
    transaction["from"] = anvil.ask("eth_accounts", &json!([]))[9].clone();
    let request =
        json!({ "jsonrpc": "2.0", "id": 1, "method": "eth_sendTransaction", "params": [transaction] });
    post(anvil.port, &request.to_string());
}

fn read_params(value: &Value) -> ChannelParams {
    let address = |name: &str| value[name].as_str().and_then(|text| text.parse().ok()).expect("an address");
    let participant = |signer, payout| Participant { signer: address(signer), payout: address(payout) };
    ChannelParams {
        participants: [participant("signer0", "payout0"), participant("signer1", "payout1")],
        challenge_duration: value["challengeDuration"]
            .as_u64()
            .and_then(|n| n.try_into().ok())
            .expect("seconds"),
        nonce: value["nonce"].as_str().and_then(|text| text.parse().ok()).expect("a number"),
        app: Address::ZERO,
        child: B256::ZERO,
        assets: vec![Address::ZERO],
    }
}
