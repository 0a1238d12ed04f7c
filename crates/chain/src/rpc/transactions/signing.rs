//! Signed transactions.

use super::journal::{Attempt, StoredTransaction};
use crate::rpc::fees::Fees;
use alloy_consensus::{SignableTransaction, Signed, TxEip1559, TxLegacy};
use alloy_primitives::{Signature, TxKind};
use strait_types::{Bytes, SigningKey, U256};

/// Gas of a transfer to an ordinary account.
const TRANSFER_GAS: u64 = 21_000;

/// Signs a transaction with what it is to offer.
pub(super) fn sign(
    key: &SigningKey,
    chain_id: u64,
    transaction: &StoredTransaction,
    fees: Fees,
    head: u64,
) -> Attempt {
    let to = transaction.to.map_or(TxKind::Create, TxKind::Call);
    let StoredTransaction { nonce, value, gas_limit, .. } = *transaction;
    let input = transaction.data.clone();
    let mut raw = Vec::new();
    let hash = match fees.tip {
        Some(tip) => {
            let signed = signed(
                key,
                TxEip1559 {
                    chain_id,
                    nonce,
                    gas_limit,
                    max_fee_per_gas: fees.max_fee,
                    max_priority_fee_per_gas: tip,
                    to,
                    value,
                    access_list: Default::default(),
                    input,
                },
            );
            signed.eip2718_encode(&mut raw);
            *signed.hash()
        }
        None => {
            let gas_price = fees.max_fee;
            let signed = signed(
                key,
                TxLegacy { chain_id: Some(chain_id), nonce, gas_price, gas_limit, to, value, input },
            );
            signed.eip2718_encode(&mut raw);
            *signed.hash()
        }
    };
    Attempt { hash, raw: Bytes::from(raw), fees, signed_at: head, is_empty: false }
}

/// A transfer of nothing to oneself, which uses up a nonce.
pub(super) fn sign_empty(
    key: &SigningKey,
    chain_id: u64,
    nonce: u64,
    fees: Fees,
    head: u64,
) -> (StoredTransaction, Attempt) {
    let transfer = StoredTransaction {
        nonce,
        to: Some(key.address()),
        value: U256::ZERO,
        data: Bytes::new(),
        gas_limit: TRANSFER_GAS,
        is_urgent: false,
        attempts: Vec::new(),
    };
    let attempt = Attempt { is_empty: true, ..sign(key, chain_id, &transfer, fees, head) };
    (transfer, attempt)
}

fn signed<T: SignableTransaction<Signature>>(key: &SigningKey, transaction: T) -> Signed<T> {
    let signature = key.sign(transaction.signature_hash());
    transaction.into_signed(Signature::from_erc2098(&signature.0))
}
