//! Keys in files: Web3 Secret Storage version 3, as every Ethereum wallet reads and writes it.
//!
//! The format is put together here from RustCrypto's primitives. The libraries for the whole format fix a work factor
//! of scrypt that is 32 times below what wallets use, and bring older releases of all these primitives along.

mod files;
mod format;
#[cfg(test)]
mod tests;

pub use files::{list, load, read_address, save};
pub use format::{Cost, KeyFile};

use std::path::PathBuf;
use strait_types::{Address, SigningKey};
use zeroize::Zeroizing;

/// A private key; its bytes are wiped when it goes.
#[derive(Clone)]
pub struct Secret(Zeroizing<[u8; 32]>);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Why a key cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum KeystoreError {
    /// No such file.
    #[error("there is no key file {0}; `strait key list` shows those that exist, `strait key new` makes one")]
    Missing(PathBuf),
    /// It would be overwritten.
    #[error("the key file {0} exists already; a key is never overwritten, choose another name")]
    Exists(PathBuf),
    /// The system does not let us.
    #[error("the key file {path} cannot be used: {source}; check its owner and permissions")]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// The password is another.
    #[error("the password does not open the key; check for a wrong keyboard layout or a trailing space")]
    WrongPassword,
    /// Not a key file, or a damaged one.
    #[error("this is no key file that can be read: {0}; restore it from a backup")]
    Malformed(String),
    /// The same of a file.
    #[error("{path}: {source}")]
    In {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<KeystoreError>,
    },
    /// It asks for more memory or time than any wallet does.
    #[error(
        "the key file asks for {0}, far more than any wallet does; it was tampered with, restore it from a backup"
    )]
    TooCostly(&'static str),
    /// The key opened, but is not the one that the file names.
    #[error(
        "the key file names {named}, but holds the key of {held}; it was tampered with, restore it from a backup"
    )]
    OtherAddress {
        /// In the file.
        named: Address,
        /// Of the key.
        held: Address,
    },
    /// Not a private key.
    #[error("this is no private key: {0}; it is 0x and 64 hex digits")]
    NoKey(&'static str),
    /// The system gives no random bytes.
    #[error("the operating system gives no random bytes: {0}")]
    NoRandomness(String),
    /// Too easily guessed.
    #[error("the password is empty; whoever gets the file would have the key")]
    EmptyPassword,
}

impl Secret {
    /// From the 32 bytes of a private key.
    ///
    /// # Errors
    /// When they are zero or not below the order of the curve.
    pub fn new(bytes: [u8; 32]) -> Result<Secret, KeystoreError> {
        let secret = Secret(Zeroizing::new(bytes));
        secret.signing_key()?;
        Ok(secret)
    }

    /// A fresh one from the system's randomness.
    ///
    /// # Errors
    /// When the system gives none.
    pub fn random() -> Result<Secret, KeystoreError> {
        loop {
            let mut bytes = Zeroizing::new([0; 32]);
            fill(bytes.as_mut_slice())?;
            // All but a few of 2^256 are keys.
            if let Ok(secret) = Secret::new(*bytes) {
                return Ok(secret);
            }
        }
    }

    /// From hex, with or without `0x`.
    ///
    /// # Errors
    /// When it is not 32 bytes of hex, or no key.
    pub fn from_hex(text: &str) -> Result<Secret, KeystoreError> {
        let mut bytes = Zeroizing::new([0; 32]);
        alloy_primitives::hex::decode_to_slice(text.trim(), bytes.as_mut_slice())
            .map_err(|_| KeystoreError::NoKey("it is not 32 bytes of hex"))?;
        Secret::new(*bytes)
    }

    /// As hex with `0x`. Whoever sees it has the key.
    pub fn to_hex(&self) -> Zeroizing<String> {
        Zeroizing::new(alloy_primitives::hex::encode_prefixed(self.0.as_slice()))
    }

    /// The key to sign with.
    ///
    /// # Errors
    /// When the bytes are no key.
    pub fn signing_key(&self) -> Result<SigningKey, KeystoreError> {
        SigningKey::from_bytes(*self.0).map_err(|_| KeystoreError::NoKey("it is out of the curve's range"))
    }

    /// Its address.
    ///
    /// # Errors
    /// When the bytes are no key.
    pub fn address(&self) -> Result<Address, KeystoreError> {
        Ok(self.signing_key()?.address())
    }

    fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

fn fill(bytes: &mut [u8]) -> Result<(), KeystoreError> {
    getrandom::fill(bytes).map_err(|error| KeystoreError::NoRandomness(error.to_string()))
}
