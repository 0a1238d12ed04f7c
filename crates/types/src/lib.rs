//! The vocabulary of Strait: ids, amounts, channel parameters, states, locks, their EIP-712 digests and
//! signatures. Pure: no clock, no randomness, no I/O.
//!
//! Formats that are signed or hashed are specified in `docs/protocol.md` and pinned by `vectors/*.json`.

#![deny(clippy::disallowed_methods, clippy::iter_over_hash_type)]

mod amount;
mod eip712;
mod ids;
mod lock;
mod params;
mod signature;
mod state;

pub use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
pub use amount::{Amount, AmountError, Asset, NO_AMOUNT};
pub use eip712::{Domain, child_terms_hash, record_fingerprint};
pub use ids::{AssetIndex, ChannelId, Side, Version};
pub use lock::{Lock, LockKind, MAX_LOCKS, locks_hash};
pub use params::{
    ChannelParams, ChildTerms, MAX_ASSETS, MAX_CHALLENGE_SECONDS, MIN_CHALLENGE_SECONDS, ParamsError,
    Participant,
};
pub use signature::{Signature, SignatureError, SigningKey, recover};
pub use state::{Allocation, MAX_APP_DATA, State};

pub mod abi;
