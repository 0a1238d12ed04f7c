//! What is wrong before a chain can be followed.

use super::transactions::JournalError;
use strait_engine::ports::ChainError;
use strait_types::{Address, B256};

/// A chain cannot be used as configured. All but [`ConnectError::Chain`] and [`ConnectError::System`] need the
/// configuration to be changed; trying again does not help.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The list is empty.
    #[error("no chain endpoint is configured; name at least one address")]
    NoEndpoint,
    /// Neither HTTP nor WebSocket.
    #[error(
        "the chain endpoint {endpoint} cannot be used; its address must begin with http, https, ws or wss"
    )]
    Scheme {
        /// Without path and credentials.
        endpoint: String,
    },
    /// An endpoint serves another chain.
    #[error(
        "the chain endpoint {endpoint} is of chain {found}, {expected} is configured; correct the one or the other"
    )]
    WrongChain {
        /// Without path and credentials.
        endpoint: String,
        /// What it says.
        found: u64,
        /// What is configured.
        expected: u64,
    },
    /// An endpoint serves another chain of the same id.
    #[error(
        "the chain {chain_id} at {endpoint} is not the one that the data of this node is of: it begins with the block {found}, that one with {known}; nothing was sent to it. If the old chain is gone (a test chain that was started anew), use another --home for the new one; else correct the endpoint"
    )]
    OtherGenesis {
        /// Without path and credentials.
        endpoint: String,
        /// The id of both.
        chain_id: u64,
        /// Hash of its first block.
        found: B256,
        /// Hash of the first block at the first connection.
        known: B256,
    },
    /// Nothing lives at the adjudicator's address.
    #[error(
        "there is no contract at {address} on chain {chain_id}; check the address, or deploy the adjudicator"
    )]
    NoContract {
        /// The configured address.
        address: Address,
        /// The chain.
        chain_id: u64,
    },
    /// Something else lives there.
    #[error(
        "the contract at {address} on chain {chain_id} is not this version's adjudicator; check the address, or deploy one"
    )]
    AnotherContract {
        /// The configured address.
        address: Address,
        /// The chain.
        chain_id: u64,
    },
    /// The chain does not answer or answers nonsense.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The record of sent transactions cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The operating system refuses threads, sockets or the like.
    #[error("requests to the chain cannot be made: {0}; check the limits of the process")]
    System(String),
}
