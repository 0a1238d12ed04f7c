//! ECDSA over secp256k1 in the compact form of EIP-2098: 64 bytes, low s, parity in the top bit of s.

use alloy_primitives::{Address, B256, keccak256};
use borsh::{BorshDeserialize, BorshSerialize};
use secp256k1::ecdsa::{RecoverableSignature, RecoveryId};
use secp256k1::{All, Message, PublicKey, Secp256k1, SecretKey};
use std::fmt;
use std::sync::LazyLock;

static CONTEXT: LazyLock<Secp256k1<All>> = LazyLock::new(Secp256k1::new);

/// `r` followed by `vs` (EIP-2098).
#[derive(Clone, Copy, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub struct Signature(pub [u8; 64]);

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature({}..)", B256::from_slice(&self.0[..32]))
    }
}

/// Why a signature says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// r or s out of range, or high s.
    #[error("the signature is malformed")]
    Malformed,
    /// Valid, but of somebody else.
    #[error("the signature is by {actual}, not by {expected}")]
    WrongSigner {
        /// Who should have signed.
        expected: Address,
        /// Who signed.
        actual: Address,
    },
    /// The bytes are no private key.
    #[error("the private key is not a number between 1 and the order of secp256k1")]
    BadKey,
}

impl Signature {
    /// The first word on the contract's side.
    pub fn r(&self) -> B256 {
        B256::from_slice(&self.0[..32])
    }

    /// The second word: s with the parity in its top bit.
    pub fn vs(&self) -> B256 {
        B256::from_slice(&self.0[32..])
    }

    /// From the 65 bytes that wallets return (r, s, v with v in {0, 1, 27, 28}).
    ///
    /// # Errors
    /// When v or s is out of range.
    pub fn from_rsv(bytes: &[u8; 65]) -> Result<Signature, SignatureError> {
        let parity = match bytes[64] {
            0 | 27 => 0u8,
            1 | 28 => 1,
            _ => return Err(SignatureError::Malformed),
        };
        if bytes[32] & 0x80 != 0 {
            return Err(SignatureError::Malformed);
        }
        let mut compact = [0u8; 64];
        compact.copy_from_slice(&bytes[..64]);
        compact[32] |= parity << 7;
        Ok(Signature(compact))
    }

    /// Checks that `signer` signed `digest`.
    ///
    /// # Errors
    /// Malformed bytes, or another signer.
    pub fn verify(&self, digest: B256, signer: Address) -> Result<(), SignatureError> {
        let actual = recover(digest, self)?;
        if actual == signer { Ok(()) } else { Err(SignatureError::WrongSigner { expected: signer, actual }) }
    }
}

/// Whose signature it is.
///
/// # Errors
/// When the bytes are no signature, or s is in the upper half (the contract refuses those too).
pub fn recover(digest: B256, signature: &Signature) -> Result<Address, SignatureError> {
    let mut compact = signature.0;
    let parity = i32::from(compact[32] >> 7);
    compact[32] &= 0x7f;
    let malformed = |_| SignatureError::Malformed;
    let id = RecoveryId::try_from(parity).map_err(malformed)?;
    let parsed = RecoverableSignature::from_compact(&compact, id).map_err(malformed)?;
    let mut normal = parsed.to_standard();
    normal.normalize_s();
    if normal != parsed.to_standard() {
        return Err(SignatureError::Malformed);
    }
    let key = CONTEXT.recover_ecdsa(Message::from_digest(digest.0), &parsed).map_err(malformed)?;
    Ok(address_of(&key))
}

fn address_of(key: &PublicKey) -> Address {
    let hash = keccak256(&key.serialize_uncompressed()[1..]);
    Address::from_slice(&hash[12..])
}

/// A private key in memory. Signing is deterministic (RFC 6979): the same digest gives the same bytes.
#[derive(Clone)]
pub struct SigningKey {
    secret: SecretKey,
    address: Address,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.address)
    }
}

impl SigningKey {
    /// From the 32 bytes of the private key.
    ///
    /// # Errors
    /// When the bytes are zero or not below the order of the curve.
    pub fn from_bytes(bytes: [u8; 32]) -> Result<SigningKey, SignatureError> {
        let secret = SecretKey::from_byte_array(bytes).map_err(|_| SignatureError::BadKey)?;
        let address = address_of(&PublicKey::from_secret_key(&CONTEXT, &secret));
        Ok(SigningKey { secret, address })
    }

    /// The Ethereum address of the key.
    pub fn address(&self) -> Address {
        self.address
    }

    /// Signs a digest.
    pub fn sign(&self, digest: B256) -> Signature {
        let (id, mut compact) =
            CONTEXT.sign_ecdsa_recoverable(Message::from_digest(digest.0), &self.secret).serialize_compact();
        compact[32] |= ((i32::from(id) & 1) as u8) << 7;
        Signature(compact)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> SigningKey {
        SigningKey::from_bytes([byte; 32]).expect("in range")
    }

    #[test]
    fn only_the_signer_verifies() {
        let digest = keccak256(b"digest");
        let signature = key(1).sign(digest);
        assert_eq!(signature, key(1).sign(digest));
        assert_eq!(signature.verify(digest, key(1).address()), Ok(()));
        assert!(signature.verify(digest, key(2).address()).is_err());
        assert!(signature.verify(keccak256(b"other"), key(1).address()).is_err());
    }

    #[test]
    fn garbage_is_an_error() {
        for bytes in [[0u8; 64], [0xff; 64]] {
            assert_eq!(recover(B256::ZERO, &Signature(bytes)), Err(SignatureError::Malformed));
        }
    }

    #[test]
    fn wallets_form_converts() {
        let digest = keccak256(b"digest");
        let signature = key(3).sign(digest);
        let mut rsv = [0u8; 65];
        rsv[..64].copy_from_slice(&signature.0);
        rsv[64] = 27 + (rsv[32] >> 7);
        rsv[32] &= 0x7f;
        assert_eq!(Signature::from_rsv(&rsv), Ok(signature));
        rsv[64] = 2;
        assert_eq!(Signature::from_rsv(&rsv), Err(SignatureError::Malformed));
    }
}
