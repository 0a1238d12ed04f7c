//! The chain's blocks, transactions and logs in the form of JSON-RPC.

use alloy_consensus::Transaction as _;
use alloy_consensus::transaction::{Recovered, TransactionInfo};
use alloy_eips::eip4895::Withdrawals;
use alloy_primitives::Sealed;
use alloy_rpc_types_eth::{Block, BlockTransactions, Header, Log, ReceiptEnvelope, TransactionReceipt};
use strait_chain::dev::{Included, SealedBlock, SignedTransaction, Transaction};

pub(super) type RpcTransaction = alloy_rpc_types_eth::Transaction<SignedTransaction>;
pub(super) type RpcBlock = Block<RpcTransaction>;

pub(super) fn header(block: &SealedBlock) -> Header {
    Header::from_sealed(Sealed::new_unchecked(block.header.clone(), block.at.hash))
}

pub(super) fn block(block: &SealedBlock, with_transactions: bool) -> RpcBlock {
    let all = block.transactions.iter();
    let transactions = if with_transactions {
        let full = all.enumerate().map(|(index, one)| included(block, index, one));
        BlockTransactions::Full(full.collect())
    } else {
        BlockTransactions::Hashes(all.map(|one| one.transaction.hash).collect())
    };
    Block::new(header(block), transactions).with_withdrawals(Some(Withdrawals::default()))
}

pub(super) fn included(block: &SealedBlock, index: usize, included: &Included) -> RpcTransaction {
    let info = TransactionInfo {
        hash: Some(included.transaction.hash),
        index: Some(index as u64),
        block_hash: Some(block.at.hash),
        block_number: Some(block.at.number),
        base_fee: block.header.base_fee_per_gas,
        block_timestamp: Some(block.time()),
    };
    RpcTransaction::from_transaction(recovered(&included.transaction), info)
}

pub(super) fn waiting(transaction: &Transaction) -> RpcTransaction {
    RpcTransaction::from_transaction(recovered(transaction), TransactionInfo::default())
}

fn recovered(transaction: &Transaction) -> Recovered<SignedTransaction> {
    Recovered::new_unchecked(transaction.envelope().clone(), transaction.from)
}

pub(super) fn receipt(block: &SealedBlock, index: usize, included: &Included) -> TransactionReceipt {
    let before: usize = block.transactions.iter().take(index).map(|earlier| earlier.logs.len()).sum();
    let logs = (before..).zip(&included.logs);
    let mut logs: Vec<Log> = logs.map(|(place, log)| rpc_log(block, index, included, place, log)).collect();
    let envelope = included.transaction.envelope();
    TransactionReceipt {
        inner: with_logs(included.receipt(), &mut logs),
        transaction_hash: included.transaction.hash,
        transaction_index: Some(index as u64),
        block_hash: Some(block.at.hash),
        block_number: Some(block.at.number),
        gas_used: included.gas_used,
        effective_gas_price: envelope.effective_gas_price(block.header.base_fee_per_gas),
        blob_gas_used: None,
        blob_gas_price: None,
        from: included.transaction.from,
        to: envelope.to(),
        contract_address: included.created,
    }
}

/// The receipt with logs that know their places.
fn with_logs(receipt: ReceiptEnvelope<alloy_primitives::Log>, logs: &mut Vec<Log>) -> ReceiptEnvelope<Log> {
    let mut in_order = std::mem::take(logs).into_iter();
    receipt.map_logs(|log| in_order.next().unwrap_or(Log { inner: log, ..Log::default() }))
}

/// All logs of a block.
pub(super) fn logs(block: &SealedBlock) -> impl Iterator<Item = Log> {
    let all = block.transactions.iter().enumerate();
    let all = all.flat_map(|(index, one)| one.logs.iter().map(move |log| (index, one, log)));
    all.enumerate().map(|(place, (index, one, log))| rpc_log(block, index, one, place, log))
}

fn rpc_log(
    block: &SealedBlock,
    index: usize,
    included: &Included,
    place: usize,
    log: &alloy_primitives::Log,
) -> Log {
    Log {
        inner: log.clone(),
        block_hash: Some(block.at.hash),
        block_number: Some(block.at.number),
        block_timestamp: Some(block.time()),
        transaction_hash: Some(included.transaction.hash),
        transaction_index: Some(index as u64),
        log_index: Some(place as u64),
        removed: false,
    }
}
