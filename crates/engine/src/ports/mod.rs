//! The six ports: what the engine needs of the world. Every backend of a port runs the port's exported
//! conformance suite.

mod chain;
mod store;

pub use chain::{Account, Block, BlockRef, Chain, ChainError, Event, Followed, LogEvent, Receipt, TxHash, TxRequest};
pub use store::{Batch, HistoryEntry, Kind, Record, Recovered, Snapshot, Store, StoreError};

use strait_types::{Address, B256, Signature};

/// Time that passes. Milliseconds since the Unix epoch; never goes back within a process.
pub trait Clock {
    /// Now.
    fn now_ms(&self) -> u64;
}

/// A key that signs digests; local, or remote behind a blocking call.
pub trait Signer: Send + Sync {
    /// The key's address.
    fn address(&self) -> Address;

    /// Signs. Deterministic, so that a resend after a crash is byte-identical.
    ///
    /// # Errors
    /// When the key is not to be had now; nothing has happened then.
    fn sign(&self, digest: B256) -> Result<Signature, SignerError>;
}

/// The key could not be used; environment's fault, try again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the signing key is not available: {0}; check the keystore or the remote signer")]
pub struct SignerError(pub String);

impl Signer for strait_types::SigningKey {
    fn address(&self) -> Address {
        strait_types::SigningKey::address(self)
    }

    fn sign(&self, digest: B256) -> Result<Signature, SignerError> {
        Ok(strait_types::SigningKey::sign(self, digest))
    }
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
