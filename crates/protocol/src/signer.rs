//! The key behind a channel.

use strait_types::{Address, B256, Signature, SigningKey};

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

impl Signer for SigningKey {
    fn address(&self) -> Address {
        SigningKey::address(self)
    }

    fn sign(&self, digest: B256) -> Result<Signature, SignerError> {
        Ok(SigningKey::sign(self, digest))
    }
}
