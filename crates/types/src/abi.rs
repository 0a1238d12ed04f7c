//! The adjudicator's face in this crate's own types: calls, events, views and reverts. The Solidity side is
//! declared in `solidity`; a test compares it with the committed artifact, so that the two cannot drift apart.

pub mod app;
#[cfg(test)]
mod artifact_tests;
pub mod calls;
pub mod child;
mod convert;
mod event;
mod revert;
mod solidity;
pub mod views;

pub use event::{AdjudicatorEvent, Paid, decode_event};
pub use revert::decode_revert;

use crate::{State, Version};
use alloy_primitives::B256;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

/// The number of a child channel's hub as challenger, after participants 0 and 1.
const HUB: u8 = 2;

/// Identifies the version that the adjudicator has recorded of a channel.
#[derive(
    Clone, Copy, PartialEq, Eq, Hash, Debug, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
pub struct Record {
    /// The recorded version.
    pub version: Version,
    /// `hashStruct` of the recorded state.
    pub state_hash: B256,
}

impl Record {
    /// The record that a state makes.
    pub fn of(state: &State) -> Record {
        Record { version: state.version, state_hash: state.hash() }
    }
}

/// What the chain gave is not what the adjudicator's ABI describes: an endpoint's fault, or another contract's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AbiError {
    /// The bytes do not decode.
    #[error(
        "the {what} does not decode: {reason}; check that the adjudicator's address and the chain are the right ones"
    )]
    Malformed {
        /// Event or view.
        what: &'static str,
        /// The decoder's words.
        reason: String,
    },
    /// A value that the adjudicator cannot produce.
    #[error(
        "the {what} has an impossible {field}; check that the adjudicator's address and the chain are the right ones"
    )]
    Impossible {
        /// Event or view.
        what: &'static str,
        /// The field.
        field: &'static str,
    },
}
