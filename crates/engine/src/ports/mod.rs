//! The six ports: what the engine needs of the world. Every backend of a port runs the port's exported
//! conformance suite.

mod chain;
mod store;

pub use chain::{
    Account, Block, BlockRef, Chain, ChainError, Event, Followed, HandedIn, LogEvent, Receipt, TxHash,
    TxRequest, Wake, Wanted, in_ether,
};
pub use store::{Batch, HistoryEntry, Kind, Record, Recovered, Snapshot, Store, StoreError};

pub use strait_protocol::{Signer, SignerError};
use strait_types::Address;

/// Time that passes. Milliseconds since the Unix epoch; never goes back within a process.
pub trait Clock {
    /// Now.
    fn now_ms(&self) -> u64;
}

/// Randomness for the nonces of channels.
pub trait Rng: Send {
    /// Fills with random bytes; cryptographic in production, seeded in tests.
    ///
    /// # Errors
    /// When the system gives none.
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), RngError>;
}

/// No randomness is to be had; environment's fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the system gives no randomness: {0}; check that the process may read it")]
pub struct RngError(pub String);

/// Carries opaque frames between peers that are identified by their signer. Frames may be lost when a
/// connection breaks; within a connection they arrive in order. Fire and forget.
pub trait Transport: Send {
    /// Hands a frame to the connection with `peer`; dropped when there is none.
    fn send(&mut self, peer: Address, frame: Vec<u8>);

    /// Ends the connection with a peer that sends what no honest node sends.
    fn disconnect(&mut self, peer: Address);
}
