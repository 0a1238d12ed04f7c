//! Transactions, blocks and receipts of the development chain, with all that a JSON-RPC server shows of them.

use strait_engine::ports::{BlockRef, Receipt, TxHash};
use strait_types::{Address, B256, Bytes, U256, keccak256};

/// A transaction. The development chain takes the sender's word for `from`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Transaction {
    /// Identifies it: a hash over the other fields and the chain id.
    pub hash: TxHash,
    /// Who sends and pays.
    pub from: Address,
    /// Number of the sender's transactions before this one.
    pub nonce: u64,
    /// The recipient; none creates a contract.
    pub to: Option<Address>,
    /// In wei.
    pub value: U256,
    /// Calldata, or the init code of a contract.
    pub input: Bytes,
    /// Most gas that it may use.
    pub gas_limit: u64,
    /// Wei per gas.
    pub gas_price: u128,
}

impl Transaction {
    /// Fills in the hash.
    pub(super) fn sealed(mut self, chain_id: u64) -> Transaction {
        let mut bytes = Vec::with_capacity(160 + self.input.len());
        bytes.extend_from_slice(b"development chain transaction");
        bytes.extend_from_slice(&chain_id.to_be_bytes());
        bytes.extend_from_slice(self.from.as_slice());
        bytes.extend_from_slice(&self.nonce.to_be_bytes());
        bytes.push(u8::from(self.to.is_some()));
        bytes.extend_from_slice(self.to.unwrap_or_default().as_slice());
        bytes.extend_from_slice(&self.value.to_be_bytes::<32>());
        bytes.extend_from_slice(&self.gas_limit.to_be_bytes());
        bytes.extend_from_slice(&self.gas_price.to_be_bytes());
        bytes.extend_from_slice(&self.input);
        self.hash = keccak256(&bytes);
        self
    }

    /// The most that it can cost its sender, in wei.
    pub fn most_expensive(&self) -> U256 {
        let gas = U256::from(self.gas_limit).saturating_mul(U256::from(self.gas_price));
        gas.saturating_add(self.value)
    }
}

/// A log of a contract.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Log {
    /// Who wrote it.
    pub address: Address,
    /// Up to four.
    pub topics: Vec<B256>,
    /// The rest of it.
    pub data: Bytes,
}

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

/// A block.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SealedBlock {
    /// Number and hash.
    pub at: BlockRef,
    /// Hash of the block before.
    pub parent: B256,
    /// Unix seconds.
    pub time: u64,
    /// Gas that its transactions used.
    pub gas_used: u64,
    /// In order.
    pub transactions: Vec<Included>,
}

impl SealedBlock {
    /// Closes a block. `fork` counts the chain's reorgs, so that a block mined again has another hash.
    pub(super) fn seal(
        number: u64,
        parent: B256,
        time: u64,
        fork: u64,
        transactions: Vec<Included>,
    ) -> SealedBlock {
        let mut bytes = Vec::with_capacity(80 + transactions.len() * 41);
        bytes.extend_from_slice(b"development chain block");
        bytes.extend_from_slice(parent.as_slice());
        for value in [number, time, fork] {
            bytes.extend_from_slice(&value.to_be_bytes());
        }
        for included in &transactions {
            bytes.extend_from_slice(included.transaction.hash.as_slice());
            bytes.extend_from_slice(&included.gas_used.to_be_bytes());
            bytes.push(u8::from(included.success));
        }
        let gas_used = transactions.last().map_or(0, |last| last.cumulative_gas_used);
        let at = BlockRef { number, hash: keccak256(&bytes) };
        SealedBlock { at, parent, time, gas_used, transactions }
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
