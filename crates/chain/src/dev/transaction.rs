//! Transactions as the network carries them, with their senders.

use alloy_consensus::transaction::SignableTransaction;
use alloy_consensus::{EthereumTxEnvelope, EthereumTypedTransaction, Transaction as _, TxEip4844, TxLegacy};
use alloy_primitives::Signature as WireSignature;
use std::sync::Arc;
use strait_engine::ports::TxHash;
use strait_types::{Address, B256, Signature, SignatureError, SigningKey, U256, recover};

/// A transaction of any type with its signature.
pub type SignedTransaction = EthereumTxEnvelope<TxEip4844>;

/// A transaction of any type that waits for a signature.
pub type UnsignedTransaction = EthereumTypedTransaction<TxEip4844>;

/// A transaction and its sender. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Transaction {
    /// Identifies it: keccak256 of its encoding.
    pub hash: TxHash,
    /// Who sends and pays.
    pub from: Address,
    envelope: Arc<SignedTransaction>,
}

impl Transaction {
    /// A signed transaction; the signature names the sender.
    ///
    /// # Errors
    /// When the signature is none.
    pub fn recovered(envelope: SignedTransaction) -> Result<Transaction, SignatureError> {
        let from = signer(envelope.signature(), envelope.signature_hash())?;
        Ok(Transaction { hash: *envelope.tx_hash(), from, envelope: Arc::new(envelope) })
    }

    /// Signs a transaction.
    pub fn signed(unsigned: UnsignedTransaction, key: &SigningKey) -> Transaction {
        let signature = WireSignature::from_erc2098(&key.sign(unsigned.signature_hash()).0);
        Transaction::new(unsigned, signature, key.address())
    }

    /// A transaction whose sender is taken at its word: the address stands where a signature would.
    pub(super) fn unsigned(unsigned: TxLegacy, from: Address) -> Transaction {
        let signature = WireSignature::new(U256::from_be_bytes(from.into_word().0), U256::ONE, false);
        Transaction::new(unsigned.into(), signature, from)
    }

    fn new(unsigned: UnsignedTransaction, signature: WireSignature, from: Address) -> Transaction {
        let envelope = SignedTransaction::new_unhashed(unsigned, signature);
        Transaction { hash: *envelope.tx_hash(), from, envelope: Arc::new(envelope) }
    }

    /// All of it but the sender.
    pub fn envelope(&self) -> &SignedTransaction {
        &self.envelope
    }

    /// Number of the sender's transactions before this one.
    pub fn nonce(&self) -> u64 {
        self.envelope.nonce()
    }

    /// The most that it can cost its sender, in wei.
    pub fn most_expensive(&self) -> U256 {
        let price = U256::from(self.envelope.max_fee_per_gas());
        let gas = U256::from(self.envelope.gas_limit()).saturating_mul(price);
        gas.saturating_add(self.envelope.value())
    }
}

/// Whose signature it is.
pub(super) fn signer(signature: &WireSignature, digest: B256) -> Result<Address, SignatureError> {
    let mut bytes = [0; 65];
    bytes[..32].copy_from_slice(&signature.r().to_be_bytes::<32>());
    bytes[32..64].copy_from_slice(&signature.s().to_be_bytes::<32>());
    bytes[64] = u8::from(signature.v());
    recover(digest, &Signature::from_rsv(&bytes)?)
}
