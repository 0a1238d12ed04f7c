//! Transactions, blocks and receipts of the development chain, with all that a JSON-RPC server shows of them.

use super::transaction::Transaction;
use alloy_consensus::constants::{EMPTY_OMMER_ROOT_HASH, EMPTY_ROOT_HASH};
use alloy_consensus::proofs::{calculate_receipt_root, calculate_transaction_root};
use alloy_consensus::{Eip658Value, Header, ReceiptEnvelope, ReceiptWithBloom};
use alloy_primitives::{Bloom, Log, b256};
use strait_engine::ports::{BlockRef, Receipt, TxHash};
use strait_types::{Address, B256, Bytes};

/// SHA-256 of nothing: no block holds a request of EIP-7685.
const NO_REQUESTS: B256 = b256!("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");

/// A transaction in a block, and what became of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Included {
    /// The transaction.
    pub transaction: Transaction,
    /// Whether it took effect.
    pub success: bool,
    /// Gas that it used.
    pub gas_used: u64,
    /// Gas that the block used up to and including this transaction.
    pub cumulative_gas_used: u64,
    /// The contract that it created.
    pub created: Option<Address>,
    /// Return data, or the revert data.
    pub output: Bytes,
    /// Why it failed, in words.
    pub failure: Option<String>,
    /// Empty when it failed.
    pub logs: Vec<Log>,
}

impl Included {
    /// The receipt as consensus knows it.
    pub fn receipt(&self) -> ReceiptEnvelope {
        let receipt = alloy_consensus::Receipt {
            status: Eip658Value::Eip658(self.success),
            cumulative_gas_used: self.cumulative_gas_used,
            logs: self.logs.clone(),
        };
        ReceiptEnvelope::from_typed(self.transaction.envelope().tx_type(), ReceiptWithBloom::from(receipt))
    }
}

/// A block.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SealedBlock {
    /// Number and hash.
    pub at: BlockRef,
    /// As of mainnet, but for the state root, which is that of no accounts.
    pub header: Header,
    /// In order.
    pub transactions: Vec<Included>,
}

impl SealedBlock {
    /// Closes a block: completes the header by what the transactions say.
    pub(super) fn seal(header: Header, transactions: Vec<Included>) -> SealedBlock {
        let mut header = Header {
            ommers_hash: EMPTY_OMMER_ROOT_HASH,
            transactions_root: EMPTY_ROOT_HASH,
            receipts_root: EMPTY_ROOT_HASH,
            withdrawals_root: Some(EMPTY_ROOT_HASH),
            blob_gas_used: Some(0),
            excess_blob_gas: Some(0),
            parent_beacon_block_root: Some(B256::ZERO),
            requests_hash: Some(NO_REQUESTS),
            gas_used: transactions.last().map_or(0, |last| last.cumulative_gas_used),
            ..header
        };
        if !transactions.is_empty() {
            let receipts: Vec<ReceiptEnvelope> = transactions.iter().map(Included::receipt).collect();
            header.logs_bloom =
                receipts.iter().fold(Bloom::ZERO, |bloom, receipt| bloom | *receipt.logs_bloom());
            header.receipts_root = calculate_receipt_root(&receipts);
            let envelopes: Vec<_> = transactions.iter().map(|one| one.transaction.envelope()).collect();
            header.transactions_root = calculate_transaction_root(&envelopes);
        }
        let at = BlockRef { number: header.number, hash: header.hash_slow() };
        SealedBlock { at, header, transactions }
    }

    /// Unix seconds.
    pub fn time(&self) -> u64 {
        self.header.timestamp
    }

    /// Gas that its transactions used.
    pub fn gas_used(&self) -> u64 {
        self.header.gas_used
    }

    pub(super) fn receipt(&self, index: usize) -> Option<Receipt> {
        let included = self.transactions.get(index)?;
        Some(Receipt { block: self.at, success: included.success, gas_used: included.gas_used })
    }

    pub(super) fn logs(&self) -> impl Iterator<Item = (TxHash, &Log)> {
        let of_one = |included: &'_ Included| included.transaction.hash;
        self.transactions
            .iter()
            .flat_map(move |included| included.logs.iter().map(move |log| (of_one(included), log)))
    }
}
