//! Looking after transactions that are in no block yet, at every new head.

use super::broadcast::{Outcome, broadcast};
use super::{Attempt, Fees, MOST_UNKNOWN, StoredTransaction, Transactions, market, signing};
use crate::rpc::endpoint::{self, Fault};
use crate::rpc::endpoints::Endpoints;
use crate::rpc::fees::Market;
use crate::rpc::wire::Header;
use alloy_primitives::U64;
use serde_json::json;
use strait_engine::ports::ChainError;
use tracing::{info, warn};

/// Transactions that are sent again at one head; those behind them have to wait for them anyhow.
const AT_ONCE: usize = 16;
/// Unused nonces that are used up at one head. Each costs gas, and an endpoint may be wrong about them.
const USED_UP_AT_ONCE: usize = 4;
/// Nonces for which the attempts are kept after they were used, so that their receipts are found.
const KEPT: u64 = 256;
/// Replacements in a row, when a pool asks for more than is known.
const REPLACEMENTS: usize = 4;

/// When transactions are looked after.
#[derive(Clone, Copy)]
struct Moment {
    /// Number of the newest block.
    head: u64,
    /// What it asks for.
    market: Market,
}

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
        self.count = self.count_at_head(endpoints)?;
        let waiting: Vec<u64> =
            self.entries.range(self.count..).map(|(nonce, _)| *nonce).take(AT_ONCE).collect();
        if let Some(first) = waiting.first() {
            let (account, most) = (self.address(), self.known_count().saturating_add(MOST_UNKNOWN));
            let (pending, market) = endpoints.first(|endpoints, index| {
                let count = json!([account, "pending"]);
                let pending = endpoints.request::<U64>(index, "eth_getTransactionCount", count)?.to::<u64>();
                if pending > most {
                    return Err(Fault::nonsense(format!("it claims that {pending} transactions wait")));
                }
                let tip = endpoints.request(index, "eth_maxPriorityFeePerGas", json!([]));
                Ok((pending, market(endpoints, index, head, tip)?))
            })?;
            let now = Moment { head: head.number(), market };
            for unused in (pending.max(self.count)..*first).take(USED_UP_AT_ONCE) {
                self.use_up(endpoints, unused, now)?;
            }
            for nonce in waiting {
                self.tend_one(endpoints, nonce, now)?;
            }
        }
        self.prune()?;
        self.tended_at = Some(head.hash);
        Ok(())
    }

    /// How many transactions of the account are in blocks. What is forgotten rests on it, so that an endpoint which knows of
    /// far more than anybody sent from here is believed when no other one disagrees.
    fn count_at_head(&self, endpoints: &mut Endpoints) -> Result<u64, ChainError> {
        let parameters = json!([self.address(), "latest"]);
        let count = endpoints.ask::<U64>("eth_getTransactionCount", &parameters)?.to::<u64>();
        if count <= self.known_count().saturating_add(MOST_UNKNOWN) {
            return Ok(count);
        }
        let others = endpoints.everywhere("eth_getTransactionCount", &parameters).into_iter();
        let counts = others.filter_map(|(_, answer)| {
            endpoint::read::<U64>("eth_getTransactionCount", answer.ok()?).ok().map(|count| count.to())
        });
        Ok(counts.fold(count, u64::min))
    }

    fn tend_one(&mut self, endpoints: &mut Endpoints, nonce: u64, now: Moment) -> Result<(), ChainError> {
        let Some(last) = self.entries.get(&nonce).and_then(|entry| entry.attempts.last()) else {
            return Ok(());
        };
        let waited = now.head.saturating_sub(last.signed_at);
        // One that waits for a lower nonce is not helped by offering more, unless it offers too little itself.
        let may_replace = nonce == self.count || !last.fees.suffice(now.market);
        let is_stuck = waited >= self.policy.bump_after_blocks && may_replace;
        match broadcast(endpoints, &last.raw.clone()) {
            Outcome::NoMoney | Outcome::Refused(_) if is_stuck && self.is_urgent(nonce.saturating_add(1)) => {
                self.cancel(endpoints, nonce, now)
            }
            // A block with it or its rival is on the way here.
            Outcome::NonceTooLow => Ok(()),
            _ if is_stuck => self.replace(endpoints, nonce, now),
            Outcome::Sent | Outcome::Unsure => Ok(()),
            outcome => {
                warn!(nonce, ?outcome, "a transaction waits");
                Ok(())
            }
        }
    }

    /// Whether a transaction from this nonce on is urgent: what an urgent one waits for is so, too.
    fn is_urgent(&self, nonce: u64) -> bool {
        self.entries.range(nonce..).any(|(_, entry)| entry.is_urgent)
    }

    /// Offers more, and more again while a pool has a version that offers even more.
    fn replace(&mut self, endpoints: &mut Endpoints, nonce: u64, now: Moment) -> Result<(), ChainError> {
        for _ in 0..REPLACEMENTS {
            let is_urgent = self.is_urgent(nonce);
            let Some(entry) = self.entries.get(&nonce).cloned() else { return Ok(()) };
            let bumped = entry.fees().and_then(|fees| self.policy.bumped(fees, now.market, is_urgent));
            let Some(fees) = bumped else {
                warn!(nonce, market = ?now.market, "a transaction waits, and offers as much as is allowed");
                return Ok(());
            };
            let attempt = match entry.attempts.last() {
                Some(last) if last.is_empty => self.empty(nonce, fees, now).1,
                _ => signing::sign(&self.key, self.chain_id, &entry, fees, now.head),
            };
            match self.offer(endpoints, entry.clone(), attempt)? {
                Outcome::ReplacementUnderpriced => {}
                outcome @ (Outcome::NoMoney | Outcome::Refused(_)) => {
                    // No pool has it; the former one stays the one to send.
                    warn!(nonce, ?outcome, "a transaction waits and cannot offer more");
                    return self.store(entry);
                }
                _ => return Ok(()),
            }
        }
        Ok(())
    }

    /// Gives up a transaction that no pool takes, for the urgent ones behind it.
    fn cancel(&mut self, endpoints: &mut Endpoints, nonce: u64, now: Moment) -> Result<(), ChainError> {
        let Some(entry) = self.entries.get(&nonce).cloned() else { return Ok(()) };
        let fresh = self.policy.initial(now.market, true);
        let fees = entry.fees().and_then(|fees| self.policy.bumped(fees, now.market, true)).unwrap_or(fresh);
        warn!(nonce, "a transaction that no pool takes is given up for an urgent one behind it");
        let (_, attempt) = self.empty(nonce, fees, now);
        self.offer(endpoints, entry, attempt).map(drop)
    }

    /// A nonce below the first waiting one that no pool has any more: it was another program's, or a lost journal's.
    /// Nothing behind it can ever be included unless it is used up.
    fn use_up(&mut self, endpoints: &mut Endpoints, nonce: u64, now: Moment) -> Result<(), ChainError> {
        let fees = self.policy.initial(now.market, self.is_urgent(nonce));
        let (transfer, attempt) = self.empty(nonce, fees, now);
        self.offer(endpoints, transfer, attempt).map(drop)
    }

    fn empty(&self, nonce: u64, fees: Fees, now: Moment) -> (StoredTransaction, Attempt) {
        signing::sign_empty(&self.key, self.chain_id, nonce, fees, now.head)
    }

    /// Writes down one more attempt, and sends it.
    fn offer(
        &mut self,
        endpoints: &mut Endpoints,
        mut entry: StoredTransaction,
        attempt: Attempt,
    ) -> Result<Outcome, ChainError> {
        info!(nonce = entry.nonce, hash = %attempt.hash, fees = ?attempt.fees, "one more attempt");
        let raw = attempt.raw.clone();
        entry.attempts.push(attempt);
        self.store(entry)?;
        Ok(broadcast(endpoints, &raw))
    }

    fn prune(&mut self) -> Result<(), ChainError> {
        let Some(kept_from) = self.count.checked_sub(KEPT) else { return Ok(()) };
        let old: Vec<u64> = self.entries.range(..kept_from).map(|(nonce, _)| *nonce).collect();
        for nonce in old {
            self.forget(nonce)?;
        }
        Ok(())
    }
}
