//! The transactions of one account: one after another by nonce, on disk before they are sent, sent again until they
//! are in a block, and replaced by ones that offer more when they wait too long.

mod broadcast;
mod journal;
mod receipts;
mod signing;
mod tending;

pub use journal::{Attempt, JournalError, SqliteJournal, StoredTransaction, TransactionJournal};

use super::endpoint::{self, Fault};
use super::endpoints::Endpoints;
use super::fees::{FeePolicy, Fees, Market};
use super::wire::Header;
use crate::artifacts;
use alloy_primitives::{U64, U128};
use broadcast::{Outcome, broadcast};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use strait_engine::ports::{ChainError, HandedIn, TxHash, TxRequest, Wanted};
use strait_types::{Address, B256, Bytes, SigningKey, U256};

/// Most gas of one transaction (EIP-7825).
const TRANSACTION_GAS_CAP: u64 = 1 << 24;
/// Gas beyond the estimate, besides half of that again. Unused gas costs nothing.
const GAS_HEAD_ROOM: u64 = 20_000;
/// Nonces that a transaction may find used by others before that is an error.
const NONCE_RACES: usize = 4;
/// How far an account may be ahead of what is known of it. An endpoint that claims more is not believed: a transaction with
/// a nonce far too high would be in no block for good, and all that is sent after it, too.
const MOST_UNKNOWN: u64 = 64;

/// What to send.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Call {
    /// None creates a contract.
    pub(super) to: Option<Address>,
    pub(super) value: U256,
    pub(super) data: Bytes,
}

impl From<&TxRequest> for Call {
    fn from(request: &TxRequest) -> Call {
        Call { to: Some(request.to), value: request.value, data: request.data.clone() }
    }
}

/// The account's state at the head and what a call would need.
struct Quote {
    head: u64,
    market: Market,
    gas_limit: u64,
    balance: U256,
    /// Transactions of the account in blocks.
    count: u64,
    /// The same with those that wait in the endpoint's pool.
    pending_count: u64,
}

/// The transactions of one account.
pub(super) struct Transactions {
    key: SigningKey,
    chain_id: u64,
    policy: FeePolicy,
    journal: Box<dyn TransactionJournal>,
    /// By nonce.
    entries: BTreeMap<u64, StoredTransaction>,
    /// Nonce of every attempt.
    by_hash: HashMap<TxHash, u64>,
    /// The head when they were last looked after.
    tended_at: Option<B256>,
    /// As of then.
    count: u64,
}

impl Transactions {
    pub(super) fn load(
        key: SigningKey,
        chain_id: u64,
        policy: FeePolicy,
        mut journal: Box<dyn TransactionJournal>,
    ) -> Result<Transactions, JournalError> {
        let stored = journal.load(key.address())?;
        let mut by_hash = HashMap::new();
        for transaction in &stored {
            by_hash.extend(transaction.attempts.iter().map(|attempt| (attempt.hash, transaction.nonce)));
        }
        let entries = stored.into_iter().map(|transaction| (transaction.nonce, transaction)).collect();
        Ok(Transactions { key, chain_id, policy, journal, entries, by_hash, tended_at: None, count: 0 })
    }

    /// The nonce of the transaction that has this hash or had it first.
    pub(super) fn nonce_of(&self, hash: TxHash) -> Option<u64> {
        self.by_hash.get(&hash).copied()
    }

    /// Those that are known, newest first, each with the hash by which callers know it.
    fn known(&self) -> impl Iterator<Item = (&StoredTransaction, TxHash)> {
        let newest_first = self.entries.values().rev();
        newest_first.filter_map(|entry| Some((entry, entry.attempts.first()?.hash)))
    }

    /// The transaction of a call that is in no block.
    pub(super) fn waiting_for(&self, call: &Call) -> Option<TxHash> {
        let is_same = |entry: &StoredTransaction| {
            let is_given_up = entry.attempts.last().is_some_and(|last| last.is_empty);
            !is_given_up && entry.to == call.to && entry.value == call.value && entry.data == call.data
        };
        self.known().find(|(entry, _)| entry.nonce >= self.count && is_same(entry)).map(|(_, hash)| hash)
    }

    /// See [`strait_engine::ports::Chain::under_way`]. One that was given up may still be included by an earlier attempt.
    pub(super) fn under_way(
        &self,
        endpoints: &mut Endpoints,
        is_wanted: Wanted<'_>,
        through: u64,
    ) -> Result<Vec<HandedIn>, ChainError> {
        let mut under_way = Vec::new();
        for (entry, transaction) in self.known() {
            let Some(to) = entry.to else { continue };
            let request = TxRequest { to, value: entry.value, data: entry.data.clone() };
            if !is_wanted(&request) {
                continue;
            }
            match self.receipt(endpoints, transaction) {
                Ok(Some(receipt)) if !receipt.success || receipt.block.number <= through => {}
                Err(ChainError::NotIncluded(_)) => {}
                Ok(_) => under_way.push(HandedIn { transaction, request }),
                Err(error) => return Err(error),
            }
        }
        Ok(under_way)
    }

    /// The nonce after the last transaction of this account that is known.
    fn known_count(&self) -> u64 {
        let last = self.entries.keys().next_back().map_or(0, |nonce| nonce.saturating_add(1));
        self.count.max(last)
    }

    pub(super) fn address(&self) -> Address {
        self.key.address()
    }

    /// Sends a call. When this returns well it is on disk, and a pool has it or will be given it again.
    pub(super) fn submit(
        &mut self,
        endpoints: &mut Endpoints,
        adjudicator: Option<Address>,
        call: &Call,
    ) -> Result<TxHash, ChainError> {
        let is_urgent = adjudicator.is_some_and(|adjudicator| call.to == Some(adjudicator))
            && artifacts::urgent_selectors().iter().any(|selector| call.data.starts_with(selector));
        let mut quote = self.quote(endpoints, call)?;
        let fees = self.policy.initial(quote.market, is_urgent);
        self.require_money(&quote, call, fees, is_urgent)?;
        let mut at_least = quote.pending_count;
        for _ in 0..NONCE_RACES {
            let nonce = quote.count.max(at_least).max(self.known_count());
            let mut transaction = StoredTransaction {
                nonce,
                to: call.to,
                value: call.value,
                data: call.data.clone(),
                gas_limit: quote.gas_limit,
                is_urgent,
                attempts: Vec::new(),
            };
            let attempt = signing::sign(&self.key, self.chain_id, &transaction, fees, quote.head);
            let (hash, raw) = (attempt.hash, attempt.raw.clone());
            transaction.attempts.push(attempt);
            self.store(transaction)?;
            match broadcast(endpoints, &raw) {
                Outcome::Sent | Outcome::Unsure | Outcome::Underpriced => return Ok(hash),
                Outcome::NonceTooLow | Outcome::ReplacementUnderpriced => {
                    self.forget(nonce)?;
                    at_least = nonce.saturating_add(1);
                    quote = self.quote(endpoints, call)?;
                }
                Outcome::NoMoney => {
                    self.forget(nonce)?;
                    self.require_money(&quote, call, fees, is_urgent)?;
                    let (account, balance) = (self.address(), quote.balance);
                    let needed = balance.saturating_add(U256::ONE);
                    return Err(ChainError::NotEnoughGasMoney { account, balance, needed });
                }
                Outcome::Refused(reason) => {
                    self.forget(nonce)?;
                    return Err(ChainError::Unreachable(format!("every endpoint refuses it: {reason}")));
                }
            }
        }
        Err(ChainError::Unreachable(format!(
            "other programs use the account {} at the same time; give this node an account of its own",
            self.address()
        )))
    }

    fn require_money(
        &self,
        quote: &Quote,
        call: &Call,
        fees: Fees,
        is_urgent: bool,
    ) -> Result<(), ChainError> {
        let own = most_expensive(call.value, quote.gas_limit, fees);
        // What is urgent does not wait for money for the rest, which is given up for it if need be.
        let needed = if is_urgent { own } else { self.waiting(quote.count).fold(own, U256::saturating_add) };
        if quote.balance < needed {
            return Err(ChainError::NotEnoughGasMoney {
                account: self.address(),
                balance: quote.balance,
                needed,
            });
        }
        Ok(())
    }

    /// See [`strait_engine::ports::Chain::needed_for`].
    pub(super) fn needed_for(
        &self,
        endpoints: &mut Endpoints,
        gas: &[u64],
        is_urgent: bool,
    ) -> Result<U256, ChainError> {
        let market = endpoints.first(|endpoints, index| {
            let head: Option<Header> =
                endpoints.request(index, "eth_getBlockByNumber", json!(["latest", false]))?;
            let head = head.ok_or_else(|| Fault::nonsense("it has no head"))?;
            let tip = endpoints.request(index, "eth_maxPriorityFeePerGas", json!([]));
            market(endpoints, index, &head, tip)
        })?;
        let fees = self.policy.initial(market, is_urgent);
        let own = gas.iter().map(|gas| most_expensive(U256::ZERO, with_head_room(*gas), fees));
        Ok(self.waiting(self.count).chain(own).fold(U256::ZERO, U256::saturating_add))
    }

    /// What each transaction that is in no block can cost.
    fn waiting(&self, count: u64) -> impl Iterator<Item = U256> + '_ {
        self.entries.range(count..).map(|(_, transaction)| transaction.most_expensive())
    }

    /// Asks one endpoint for all that a transaction needs. A call that would revert is refused here.
    fn quote(&self, endpoints: &mut Endpoints, call: &Call) -> Result<Quote, ChainError> {
        endpoints.first(|endpoints, index| self.quote_at(endpoints, index, call))
    }

    fn quote_at(&self, endpoints: &mut Endpoints, index: usize, call: &Call) -> Result<Quote, Fault> {
        let account = self.address();
        let mut estimate = json!({ "from": account, "value": call.value, "data": call.data });
        if let Some(to) = call.to {
            estimate["to"] = json!(to);
        }
        // What this account already sent may be what makes the call possible.
        let state = if self.entries.range(self.count..).next().is_some() { "pending" } else { "latest" };
        // Whether a call reverts is another question than whether its sender can pay.
        let lent = json!({ account.to_string(): { "balance": U256::MAX >> 1 } });
        let mut answers = endpoints
            .many::<Value>(
                index,
                &[
                    ("eth_getBlockByNumber", json!(["latest", false])),
                    ("eth_getBalance", json!([account, "latest"])),
                    ("eth_getTransactionCount", json!([account, "latest"])),
                    ("eth_getTransactionCount", json!([account, "pending"])),
                    ("eth_maxPriorityFeePerGas", json!([])),
                    ("eth_estimateGas", json!([estimate, state, lent])),
                ],
            )
            .into_iter();
        let mut next = || answers.next().unwrap_or_else(|| Err(Fault::nonsense("no answer")));
        let head: Option<Header> = endpoint::read("eth_getBlockByNumber", next()?)?;
        let head = head.ok_or_else(|| Fault::nonsense("it has no head"))?;
        let balance: U256 = endpoint::read("eth_getBalance", next()?)?;
        let count = endpoint::read::<U64>("eth_getTransactionCount", next()?)?.to::<u64>();
        let pending_count = endpoint::read::<U64>("eth_getTransactionCount", next()?)?.to::<u64>();
        let known = self.known_count();
        let is_implausible = |of: u64, at_least: u64| of > at_least.saturating_add(MOST_UNKNOWN);
        // Of an account that nothing was sent from yet, nothing is known.
        if is_implausible(pending_count, count.max(known)) || known > 0 && is_implausible(count, known) {
            return Err(Fault::nonsense(format!(
                "it counts {count} transactions of the account and {pending_count} with those that wait; {known} are known"
            )));
        }
        let (tip, gas) = (next(), next());
        let market = market(endpoints, index, &head, tip)?;
        let gas: U64 = match gas {
            // Not every node can lend.
            Err(Fault::Refused { .. }) => {
                endpoints.request(index, "eth_estimateGas", json!([estimate, state]))?
            }
            gas => endpoint::read("eth_estimateGas", gas?)?,
        };
        Ok(Quote {
            head: head.number(),
            market,
            gas_limit: with_head_room(gas.to()).min(head.gas_limit.to()),
            balance,
            count,
            pending_count,
        })
    }

    /// Writes a transaction down; only then it may be sent.
    fn store(&mut self, transaction: StoredTransaction) -> Result<(), ChainError> {
        self.journal
            .store(self.key.address(), &transaction)
            .map_err(|error| ChainError::Journal(error.to_string()))?;
        let nonce = transaction.nonce;
        self.by_hash.extend(transaction.attempts.iter().map(|attempt| (attempt.hash, nonce)));
        self.entries.insert(nonce, transaction);
        Ok(())
    }

    fn forget(&mut self, nonce: u64) -> Result<(), ChainError> {
        self.journal
            .remove(self.key.address(), nonce)
            .map_err(|error| ChainError::Journal(error.to_string()))?;
        self.entries.remove(&nonce);
        self.by_hash.retain(|_, of| *of != nonce);
        Ok(())
    }
}

impl StoredTransaction {
    fn fees(&self) -> Option<Fees> {
        self.attempts.last().map(|attempt| attempt.fees)
    }

    fn most_expensive(&self) -> U256 {
        self.fees().map_or(U256::ZERO, |fees| most_expensive(self.value, self.gas_limit, fees))
    }
}

/// The limit of a transaction that is estimated to use this much gas.
fn with_head_room(gas: u64) -> u64 {
    gas.saturating_add(gas / 2).saturating_add(GAS_HEAD_ROOM).min(TRANSACTION_GAS_CAP)
}

/// What the account must hold for it.
fn most_expensive(value: U256, gas_limit: u64, fees: Fees) -> U256 {
    U256::from(gas_limit).saturating_mul(U256::from(fees.max_fee)).saturating_add(value)
}

/// What the chain asks for. `tip` is the answer to `eth_maxPriorityFeePerGas`, which not every node has.
fn market(
    endpoints: &mut Endpoints,
    index: usize,
    head: &Header,
    tip: Result<Value, Fault>,
) -> Result<Market, Fault> {
    let Some(base_fee) = head.base_fee_per_gas else {
        let price: U128 = endpoints.request(index, "eth_gasPrice", json!([]))?;
        return Ok(Market { base_fee: None, tip: price.to() });
    };
    let tip: U128 = match tip {
        Ok(tip) => endpoint::read("eth_maxPriorityFeePerGas", tip)?,
        Err(Fault::Refused { .. }) => U128::ZERO,
        Err(fault) => return Err(fault),
    };
    Ok(Market { base_fee: Some(base_fee.saturating_to()), tip: tip.to() })
}
