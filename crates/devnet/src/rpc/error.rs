//! Errors by the codes and in the words of other nodes.

use alloy_primitives::Bytes;
use jsonrpsee::types::ErrorObjectOwned;
use strait_chain::dev::{CallError, PoolError};
use strait_types::abi::decode_revert;

pub(super) type Answer<T> = Result<T, ErrorObjectOwned>;

const FAILED: i32 = -32_000;
const INVALID_PARAMS: i32 = -32_602;
const LIMIT_EXCEEDED: i32 = -32_005;
const REVERTED: i32 = 3;

pub(super) fn failed(text: impl Into<String>) -> ErrorObjectOwned {
    ErrorObjectOwned::owned(FAILED, text, None::<()>)
}

pub(super) fn invalid(text: impl Into<String>) -> ErrorObjectOwned {
    ErrorObjectOwned::owned(INVALID_PARAMS, text, None::<()>)
}

pub(super) fn too_much(text: impl Into<String>) -> ErrorObjectOwned {
    ErrorObjectOwned::owned(LIMIT_EXCEEDED, text, None::<()>)
}

pub(super) fn refused(error: &PoolError) -> ErrorObjectOwned {
    failed(error.to_string())
}

pub(super) fn call_failed(error: &CallError) -> ErrorObjectOwned {
    match error {
        CallError::Reverted(data) if data.is_empty() => {
            ErrorObjectOwned::owned(REVERTED, "execution reverted", Some(Bytes::new()))
        }
        CallError::Reverted(data) => {
            let text = format!("execution reverted: {}", decode_revert(data));
            ErrorObjectOwned::owned(REVERTED, text, Some(data.clone()))
        }
        other => failed(other.to_string()),
    }
}
