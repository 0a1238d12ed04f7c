//! The six ports: what the engine needs of the world. Every backend of a port runs the port's exported
//! conformance suite.

mod chain;
mod store;

pub use chain::{
    Account, Block, BlockRef, Chain, ChainError, Event, Followed, LogEvent, Receipt, TxHash, TxRequest,
};
pub use store::{Batch, HistoryEntry, Kind, Record, Recovered, Snapshot, Store, StoreError};

pub use strait_protocol::{Signer, SignerError};
use strait_types::Address;

/// Time that passes. Milliseconds since the Unix epoch; never goes back within a process.
pub trait Clock {
    /// Now.
    fn now_ms(&self) -> u64;
}

/// Randomness for nonces, preimages and jitter.
pub trait Rng {
    /// Fills with random bytes; cryptographic in production, seeded in the simulator.
    fn fill(&mut self, bytes: &mut [u8]);
}

/// Carries opaque frames between peers that are identified by their signer. Frames may be lost when a
/// connection breaks; within a connection they arrive in order. Fire and forget.
pub trait Transport {
    /// Hands a frame to the connection with `peer`; dropped when there is none.
    fn send(&mut self, peer: Address, frame: &[u8]);
}
