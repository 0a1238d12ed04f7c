//! What became of a transaction, whichever of its attempts came into a block.

use super::Transactions;
use crate::rpc::endpoint::Fault;
use crate::rpc::endpoints::Endpoints;
use crate::rpc::wire::TransactionReceipt;
use alloy_primitives::U64;
use serde_json::json;
use strait_engine::ports::{BlockRef, ChainError, Receipt, TxHash};

/// Blocks on top of a foreign use of a nonce before the own transaction is given up.
const GIVEN_UP_AFTER: u64 = 12;

impl Transactions {
    /// The receipt in the canonical chain of the transaction whose first attempt had this hash.
    pub(in crate::rpc) fn receipt(
        &self,
        endpoints: &mut Endpoints,
        hash: TxHash,
    ) -> Result<Option<Receipt>, ChainError> {
        let own = self.by_hash.get(&hash).and_then(|nonce| self.entries.get(nonce));
        let is_empty = |hash: TxHash| {
            own.is_some_and(|own| own.attempts.iter().any(|attempt| attempt.hash == hash && attempt.is_empty))
        };
        let hashes: Vec<TxHash> = match own {
            Some(transaction) => transaction.attempts.iter().rev().map(|attempt| attempt.hash).collect(),
            None => vec![hash],
        };
        endpoints
            .first(|endpoints, index| {
                let questions: Vec<_> =
                    hashes.iter().map(|hash| ("eth_getTransactionReceipt", json!([hash]))).collect();
                let answers = endpoints.many::<Option<TransactionReceipt>>(index, &questions);
                for (asked, answer) in hashes.iter().zip(answers) {
                    if let Some(receipt) = answer?
                        && let Some(receipt) = canonical(endpoints, index, *asked, &receipt)?
                    {
                        return Ok(Some((*asked, receipt)));
                    }
                }
                Ok(None)
            })
            .and_then(|found| match (found, own) {
                (None, Some(transaction)) if self.is_given_up(endpoints, transaction.nonce)? => {
                    Err(ChainError::NotIncluded(hash))
                }
                (Some((included, _)), _) if is_empty(included) => Err(ChainError::NotIncluded(hash)),
                (found, _) => Ok(found.map(|(_, receipt)| receipt)),
            })
    }

    /// Whether another transaction with this nonce is in a block that is not going to be undone.
    fn is_given_up(&self, endpoints: &mut Endpoints, nonce: u64) -> Result<bool, ChainError> {
        if nonce >= self.count {
            return Ok(false);
        }
        let head: U64 = endpoints.ask("eth_blockNumber", &json!([]))?;
        let Some(deep) = head.to::<u64>().checked_sub(GIVEN_UP_AFTER) else { return Ok(false) };
        let count: U64 =
            endpoints.ask("eth_getTransactionCount", &json!([self.address(), U64::from(deep)]))?;
        Ok(nonce < count.to())
    }
}

fn canonical(
    endpoints: &mut Endpoints,
    index: usize,
    asked: TxHash,
    receipt: &TransactionReceipt,
) -> Result<Option<Receipt>, Fault> {
    if receipt.transaction_hash != asked {
        return Err(Fault::nonsense("a receipt of another transaction"));
    }
    let block = BlockRef { number: receipt.block_number.to(), hash: receipt.block_hash };
    let is_canonical = endpoints.is_canonical(index, block)?;
    let success = receipt.status == U64::from(1);
    Ok(is_canonical.then(|| Receipt { block, success, gas_used: receipt.gas_used.to() }))
}
