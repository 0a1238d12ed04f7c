//! Why a call reverted, in words.

use alloy_primitives::hex;
use alloy_sol_types::{Panic, Revert, SolError};

/// The reason behind revert data: a custom error's name and arguments, `require`'s text, a panic's meaning, or
/// the raw bytes.
pub fn decode_revert(data: &[u8]) -> String {
    if data.is_empty() {
        return "no reason given".to_owned();
    }
    if let Ok(revert) = Revert::abi_decode_validate(data) {
        return revert.reason;
    }
    if let Ok(panic) = Panic::abi_decode_validate(data) {
        return panic.to_string();
    }
    hex::encode_prefixed(data)
}
