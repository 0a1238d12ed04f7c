//! What is read from answers: only the fields that are used, since chains differ in the others.

use alloy_primitives::{Bloom, BloomInput, U64};
use serde::Deserialize;
use strait_engine::ports::{BlockRef, TxHash};
use strait_types::{Address, B256, Bytes, U256};

/// A block's header.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Header {
    pub(super) number: U64,
    pub(super) hash: B256,
    pub(super) parent_hash: B256,
    pub(super) timestamp: U64,
    pub(super) logs_bloom: Bloom,
    /// None before EIP-1559.
    #[serde(default)]
    pub(super) base_fee_per_gas: Option<U256>,
    pub(super) gas_limit: U64,
}

impl Header {
    pub(super) fn at(&self) -> BlockRef {
        BlockRef { number: self.number(), hash: self.hash }
    }

    pub(super) fn number(&self) -> u64 {
        self.number.to()
    }

    pub(super) fn time(&self) -> u64 {
        self.timestamp.to()
    }

    /// Whether the block may hold a log of the address. A header without any bloom bit may be of a chain that makes
    /// none; it promises nothing.
    pub(super) fn promises(&self, address: Address) -> bool {
        self.logs_bloom.contains_input(BloomInput::Raw(address.as_slice()))
    }

    /// Whether the block can hold the log.
    pub(super) fn admits(&self, log: &Log) -> bool {
        let has = |bytes: &[u8]| self.logs_bloom.contains_input(BloomInput::Raw(bytes));
        self.logs_bloom == Bloom::ZERO
            || (has(log.address.as_slice()) && log.topics.iter().all(|topic| has(topic.as_slice())))
    }
}

/// A log with its place.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Log {
    pub(super) address: Address,
    pub(super) topics: Vec<B256>,
    pub(super) data: Bytes,
    pub(super) block_number: U64,
    pub(super) block_hash: B256,
    pub(super) transaction_hash: TxHash,
    pub(super) log_index: U64,
    #[serde(default)]
    pub(super) removed: bool,
}

/// A transaction's receipt.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TransactionReceipt {
    pub(super) transaction_hash: TxHash,
    pub(super) block_hash: B256,
    pub(super) block_number: U64,
    pub(super) gas_used: U64,
    pub(super) status: U64,
}
