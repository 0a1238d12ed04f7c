//! The committed bytecode of the contracts, compiled in so that nothing but Rust is needed to run.

use serde_json::Value;
use std::sync::LazyLock;
use strait_types::Bytes;

static ADJUDICATOR: LazyLock<Bytes> =
    LazyLock::new(|| init_code(include_str!("../../../contracts/artifacts/Adjudicator.json")));
static TEST_TOKEN: LazyLock<Bytes> =
    LazyLock::new(|| init_code(include_str!("../../../contracts/artifacts/TestUSDC.json")));

/// Init code of the adjudicator; its constructor takes no arguments.
pub(crate) fn adjudicator() -> Bytes {
    ADJUDICATOR.clone()
}

/// Init code of a stand-in for USDC that anyone can mint.
pub(crate) fn test_token() -> Bytes {
    TEST_TOKEN.clone()
}

fn init_code(artifact: &str) -> Bytes {
    let artifact: Value = serde_json::from_str(artifact).expect("a committed artifact is JSON");
    let bytecode = artifact["bytecode"].as_str().expect("a committed artifact has bytecode");
    bytecode.parse().expect("bytecode is hexadecimal")
}
