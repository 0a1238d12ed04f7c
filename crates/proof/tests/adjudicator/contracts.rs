//! The hostile contracts, and what the tests call of them.

use serde_json::Value;
use strait_types::{Address, Bytes, U256, keccak256};

pub(crate) const TOKEN: &str = include_str!("../../../../contracts/artifacts/MoodyToken.json");
pub(crate) const PAYOUT: &str = include_str!("../../../../contracts/artifacts/MoodyPayout.json");
pub(crate) const APP: &str = include_str!("../../../../contracts/artifacts/HostileApp.json");

pub(crate) fn init_code(artifact: &str) -> Bytes {
    let artifact: Value = serde_json::from_str(artifact).expect("an artifact is JSON");
    artifact["bytecode"].as_str().and_then(|code| code.parse().ok()).expect("an artifact has bytecode")
}

fn encode(signature: &str, words: &[[u8; 32]], tail: Option<&[u8]>) -> Bytes {
    let mut data = keccak256(signature)[..4].to_vec();
    words.iter().for_each(|word| data.extend_from_slice(word));
    if let Some(tail) = tail {
        let offset = (words.len() + 1) * 32;
        data.extend_from_slice(&number(offset as u128));
        data.extend_from_slice(&number(tail.len() as u128));
        data.extend_from_slice(tail);
        data.resize(data.len().div_ceil(32) * 32 + 4, 0);
    }
    data.into()
}

fn number(value: u128) -> [u8; 32] {
    U256::from(value).to_be_bytes()
}

pub(crate) fn mint(to: Address, amount: u128) -> Bytes {
    encode("mint(address,uint256)", &[to.into_word().0, number(amount)], None)
}

/// Of tokens and payouts.
pub(crate) fn feel(mood: u8, target: Address, call_back: &[u8]) -> Bytes {
    let words = [number(u128::from(mood)), target.into_word().0];
    encode("feel(uint8,address,bytes)", &words, Some(call_back))
}

/// Lets a payout call.
pub(crate) fn execute(target: Address, call: &[u8]) -> Bytes {
    encode("execute(address,bytes)", &[target.into_word().0], Some(call))
}
