//! Looking after transactions that are in no block yet, at every new head.

use super::broadcast::{Outcome, broadcast};
use super::{StoredTransaction, Transactions, market, signing};
use crate::rpc::endpoint::Fault;
use crate::rpc::endpoints::Endpoints;
use crate::rpc::fees::Market;
use crate::rpc::wire::Header;
use alloy_primitives::U64;
use serde_json::json;
use strait_engine::ports::ChainError;
use strait_types::{Bytes, U256};
use tracing::{info, warn};

/// Transactions that are sent again at one head; those behind them have to wait for them anyhow.
const AT_ONCE: usize = 16;
/// Nonces for which the attempts are kept after they were used, so that their receipts are found.
const KEPT: u64 = 256;
/// Replacements in a row, when a pool asks for more than is known.
const REPLACEMENTS: usize = 4;
/// Gas of a transfer to an ordinary account.
const TRANSFER_GAS: u64 = 21_000;

impl Transactions {
    /// Sends again what is in no block, and offers more for what waits too long. Does nothing twice at one head.
    pub(in crate::rpc) fn tend(
        &mut self,
        endpoints: &mut Endpoints,
        head: &Header,
    ) -> Result<(), ChainError> {
        if self.tended_at == Some(head.hash) || self.entries.is_empty() {
            return Ok(());
        }
        let account = self.address();
        let (count, pending, market) = endpoints.first(|endpoints, index| {
            let count = |endpoints: &mut Endpoints, tag: &str| {
                endpoints.request::<U64>(index, "eth_getTransactionCount", json!([account, tag]))
            };
            let (mined, pending) = (count(endpoints, "latest")?, count(endpoints, "pending")?);
            let tip = endpoints.request(index, "eth_maxPriorityFeePerGas", json!([]));
            Ok::<_, Fault>((mined.to::<u64>(), pending.to::<u64>(), market(endpoints, index, head, tip)?))
        })?;
        self.count = count;
        self.fill_gap(endpoints, head, pending.max(count), market)?;
        let waiting: Vec<u64> = self.entries.range(count..).map(|(nonce, _)| *nonce).take(AT_ONCE).collect();
        for nonce in waiting {
            self.tend_one(endpoints, nonce, nonce == count, head.number(), market)?;
        }
        self.prune(count)?;
        self.tended_at = Some(head.hash);
        Ok(())
    }

    fn tend_one(
        &mut self,
        endpoints: &mut Endpoints,
        nonce: u64,
        is_next: bool,
        head: u64,
        market: Market,
    ) -> Result<(), ChainError> {
        let Some(last) = self.entries.get(&nonce).and_then(|entry| entry.attempts.last()) else {
            return Ok(());
        };
        let waited = head.saturating_sub(last.signed_at);
        // One that waits for a lower nonce is not helped by offering more, unless it offers too little itself.
        let is_stuck = waited >= self.policy.bump_after_blocks && (is_next || !last.fees.suffice(market));
        let mut outcome = broadcast(endpoints, &last.raw.clone());
        if is_stuck {
            self.replace(endpoints, nonce, head, market, &mut outcome)?;
        }
        match outcome {
            Outcome::Sent | Outcome::Unsure => {}
            // A block with it or its rival is on the way here.
            Outcome::NonceTooLow => {}
            other => warn!(nonce, outcome = ?other, "a transaction waits"),
        }
        Ok(())
    }

    /// Offers more, and more again while a pool has a version that offers even more.
    fn replace(
        &mut self,
        endpoints: &mut Endpoints,
        nonce: u64,
        head: u64,
        market: Market,
        outcome: &mut Outcome,
    ) -> Result<(), ChainError> {
        for _ in 0..REPLACEMENTS {
            // What an urgent one waits for is urgent, too.
            let is_urgent = self.entries.range(nonce..).any(|(_, entry)| entry.is_urgent);
            let Some(entry) = self.entries.get(&nonce) else { return Ok(()) };
            let bumped = entry.fees().and_then(|fees| self.policy.bumped(fees, market, is_urgent));
            let Some(fees) = bumped else {
                warn!(nonce, ?market, "a transaction waits, and offers as much as is allowed");
                return Ok(());
            };
            let attempt = signing::sign(&self.key, self.chain_id, entry, fees, head);
            let raw = attempt.raw.clone();
            info!(nonce, hash = %attempt.hash, ?fees, "a transaction waits too long and offers more");
            let mut replaced = entry.clone();
            replaced.attempts.push(attempt);
            self.store(replaced)?;
            *outcome = broadcast(endpoints, &raw);
            if *outcome != Outcome::ReplacementUnderpriced {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Nonces below the first waiting one that no pool has any more: they were another program's, or a lost journal's.
    /// Nothing behind them can ever be included, so they are used up by transfers of nothing to oneself.
    fn fill_gap(
        &mut self,
        endpoints: &mut Endpoints,
        head: &Header,
        first_free: u64,
        market: Market,
    ) -> Result<(), ChainError> {
        let Some(first) = self.entries.range(self.count..).next().map(|(nonce, _)| *nonce) else {
            return Ok(());
        };
        for nonce in first_free..first {
            let is_urgent = self.entries.range(nonce..).any(|(_, entry)| entry.is_urgent);
            let mut filler = StoredTransaction {
                nonce,
                to: Some(self.address()),
                value: U256::ZERO,
                data: Bytes::new(),
                gas_limit: TRANSFER_GAS,
                is_urgent,
                attempts: Vec::new(),
            };
            let fees = self.policy.initial(market, is_urgent);
            let attempt = signing::sign(&self.key, self.chain_id, &filler, fees, head.number());
            let raw = attempt.raw.clone();
            filler.attempts.push(attempt);
            info!(nonce, "a nonce was left unused; an empty transfer uses it up");
            self.store(filler)?;
            broadcast(endpoints, &raw);
        }
        Ok(())
    }

    fn prune(&mut self, count: u64) -> Result<(), ChainError> {
        let Some(kept_from) = count.checked_sub(KEPT) else { return Ok(()) };
        let old: Vec<u64> = self.entries.range(..kept_from).map(|(nonce, _)| *nonce).collect();
        for nonce in old {
            self.forget(nonce)?;
        }
        Ok(())
    }
}
