//! The committed bytecode of the contracts, compiled in so that nothing but Rust is needed to run.

use serde_json::Value;
use std::sync::LazyLock;
use strait_types::{Bytes, keccak256};

static ADJUDICATOR: LazyLock<Bytes> =
    LazyLock::new(|| init_code(include_str!("../../../contracts/artifacts/Adjudicator.json")));
static TEST_TOKEN: LazyLock<Bytes> =
    LazyLock::new(|| init_code(include_str!("../../../contracts/artifacts/TestUSDC.json")));
static STRICT_TOKEN: LazyLock<Bytes> =
    LazyLock::new(|| init_code(include_str!("../../../contracts/artifacts/TestUSDT.json")));

/// Init code of the adjudicator; its constructor takes no arguments.
pub(crate) fn adjudicator() -> Bytes {
    ADJUDICATOR.clone()
}

/// Init code of a stand-in for USDC that anyone can mint.
pub(crate) fn test_token() -> Bytes {
    TEST_TOKEN.clone()
}

/// Init code of a stand-in for USDT: its calls return nothing, and an allowance is changed only from or to nothing.
pub(crate) fn strict_token() -> Bytes {
    STRICT_TOKEN.clone()
}

/// Selectors of the adjudicator's calls by which a dispute is answered or a lock claimed: too late is as bad as never.
pub(crate) fn urgent_selectors() -> &'static [[u8; 4]] {
    &URGENT
}

static URGENT: LazyLock<Vec<[u8; 4]>> = LazyLock::new(|| {
    let artifact: Value = serde_json::from_str(include_str!("../../../contracts/artifacts/Adjudicator.json"))
        .expect("a committed artifact is JSON");
    let urgent = [
        "challenge",
        "challengeChild",
        "multicall",
        "progress",
        "progressChild",
        "registerPreimage",
        "respond",
        "respondChild",
        "unlock",
    ];
    let functions =
        artifact["abi"].as_array().into_iter().flatten().filter(|item| item["type"] == "function");
    functions
        .filter(|function| function["name"].as_str().is_some_and(|name| urgent.contains(&name)))
        .map(|function| selector(function["name"].as_str().unwrap_or_default(), &function["inputs"]))
        .collect()
});

fn selector(name: &str, inputs: &Value) -> [u8; 4] {
    let hash = keccak256(format!("{name}({})", types(inputs)));
    [hash[0], hash[1], hash[2], hash[3]]
}

/// `type,type`, with tuples written out.
fn types(parameters: &Value) -> String {
    let written = |parameter: &Value| {
        let of_type = parameter["type"].as_str().unwrap_or_default();
        match of_type.strip_prefix("tuple") {
            Some(array) => format!("({}){array}", types(&parameter["components"])),
            None => of_type.to_owned(),
        }
    };
    let all: Vec<String> = parameters.as_array().into_iter().flatten().map(written).collect();
    all.join(",")
}

fn init_code(artifact: &str) -> Bytes {
    let artifact: Value = serde_json::from_str(artifact).expect("a committed artifact is JSON");
    let bytecode = artifact["bytecode"].as_str().expect("a committed artifact has bytecode");
    bytecode.parse().expect("bytecode is hexadecimal")
}

#[cfg(test)]
mod tests {
    use super::*;
    use strait_types::abi::calls;
    use strait_types::{Address, B256, ChannelParams, Participant, Side};

    #[test]
    fn urgent_calls_are_known_by_their_selector() {
        let participant = Participant { signer: Address::repeat_byte(1), payout: Address::repeat_byte(2) };
        let params = ChannelParams {
            participants: [participant, participant],
            challenge_duration: 3_600,
            nonce: 1,
            app: Address::ZERO,
            child: B256::ZERO,
            assets: vec![Address::ZERO],
        };
        let is_urgent = |call: Bytes| urgent_selectors().iter().any(|selector| call.starts_with(selector));
        assert_eq!(urgent_selectors().len(), 9);
        assert!(is_urgent(calls::unlock(&params, [])));
        assert!(is_urgent(calls::register_preimage(B256::ZERO)));
        assert!(is_urgent(calls::multicall(Vec::new())));
        assert!(!is_urgent(calls::deposit(&params, Side::Zero)));
    }
}
