//! Which signed transactions may wait for a block, by the rules and in the words of other nodes.

use super::execution::{SPEC, TRANSACTION_GAS_CAP, environment};
use super::transaction::{SignedTransaction, Transaction};
use super::{DevChain, Mining};
use alloy_consensus::Transaction as _;
use alloy_eips::eip2718::Encodable2718 as _;
use revm::context::result::InvalidTransaction;
use revm::handler::validation::validate_initial_tx_gas;
use revm::primitives::eip3860::MAX_INITCODE_SIZE;
use strait_engine::ports::TxHash;
use strait_types::{Address, SignatureError, U256};

/// Most transactions that wait.
pub const MAX_POOL_TRANSACTIONS: usize = 4_096;

/// Most bytes of a transaction.
pub const MAX_TRANSACTION_BYTES: usize = 128 * 1_024;

/// Most bytes of all transactions that wait.
const MAX_POOL_BYTES: usize = 64 << 20;

/// By how many per cent a replacement must pay more.
const REPLACEMENT_BUMP: u128 = 10;

/// Why a signed transaction is refused. The sender's misuse; the words are those of other nodes, because clients look
/// for them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PoolError {
    /// A transaction of EIP-4844.
    #[error("transaction type not supported: blobs are not carried by this chain")]
    Blobs,
    /// Valid on every chain.
    #[error("only replay-protected (EIP-155) transactions allowed over RPC")]
    Unprotected,
    /// Of another chain.
    #[error("invalid chain id for signer: have {0} want {1}")]
    OtherChain(u64, u64),
    /// No signature.
    #[error("invalid sender: {0}")]
    InvalidSender(#[from] SignatureError),
    /// Too long.
    #[error("oversized data: transaction size {0}, limit {MAX_TRANSACTION_BYTES}")]
    Oversized(usize),
    /// Init code beyond the limit of EIP-3860.
    #[error("max initcode size exceeded: code size {0} limit {MAX_INITCODE_SIZE}")]
    InitCodeTooLong(usize),
    /// Needs more gas than a block has.
    #[error("exceeds block gas limit")]
    ExceedsBlock,
    /// Needs more gas than a transaction may use.
    #[error("transaction gas limit too high (cap: {TRANSACTION_GAS_CAP}, tx: {0})")]
    ExceedsCap(u64),
    /// Cannot even begin.
    #[error("intrinsic gas too low: gas {have}, minimum needed {want}")]
    IntrinsicGas {
        /// The transaction's limit.
        have: u64,
        /// What its data alone costs.
        want: u64,
    },
    /// The tip is above the whole price.
    #[error("max priority fee per gas higher than max fee per gas: address {0}")]
    TipAboveFee(Address),
    /// Would wait for ever: the base fee does not fall by itself.
    #[error("max fee per gas less than block base fee: address {0}, maxFeePerGas: {1}, baseFee: {2}")]
    FeeTooLow(Address, u128, u64),
    /// A contract cannot send (EIP-3607).
    #[error("sender not an eoa: address {0}")]
    SenderHasCode(Address),
    /// The nonce is used up.
    #[error("nonce too low: next nonce {next}, tx nonce {nonce}")]
    NonceTooLow {
        /// The sender's next nonce.
        next: u64,
        /// The transaction's.
        nonce: u64,
    },
    /// No nonce can follow it.
    #[error("nonce has max value: address {0}, nonce: {1}")]
    NonceMax(Address, u64),
    /// The same transaction waits.
    #[error("already known")]
    AlreadyKnown,
    /// Another with the same nonce waits and pays about as much.
    #[error("replacement transaction underpriced: raise both fees by at least {REPLACEMENT_BUMP} %")]
    Underpriced,
    /// The account cannot pay, counting what it has waiting with smaller nonces.
    #[error("insufficient funds for gas * price + value: balance {balance}, tx cost {cost}")]
    InsufficientFunds {
        /// In wei.
        balance: U256,
        /// In wei; with what waits.
        cost: U256,
    },
    /// Too many wait.
    #[error(
        "txpool is full: {MAX_POOL_TRANSACTIONS} transactions or {MAX_POOL_BYTES} bytes wait; mine a block"
    )]
    Full,
}

impl DevChain {
    /// Lets a signed transaction wait for a block; with automatic mining, a block is made of it and of what waited for
    /// it, if no smaller nonce is missing.
    ///
    /// # Errors
    /// See [`PoolError`]; nothing waits then that did not before.
    pub fn send(&mut self, envelope: SignedTransaction) -> Result<TxHash, PoolError> {
        if envelope.is_eip4844() {
            return Err(PoolError::Blobs);
        }
        let chain_id = envelope.chain_id().ok_or(PoolError::Unprotected)?;
        if chain_id != self.config.chain_id {
            return Err(PoolError::OtherChain(chain_id, self.config.chain_id));
        }
        let size = envelope.encode_2718_len();
        if size > MAX_TRANSACTION_BYTES {
            return Err(PoolError::Oversized(size));
        }
        let transaction = Transaction::recovered(envelope)?;
        let hash = transaction.hash;
        if self.pool.iter().any(|waiting| waiting.hash == hash) {
            return Err(PoolError::AlreadyKnown);
        }
        self.check_gas(&transaction)?;
        self.check_sender(&transaction)?;
        let same_nonce = |waiting: &Transaction| {
            waiting.from == transaction.from && waiting.nonce() == transaction.nonce()
        };
        match self.pool.iter().position(same_nonce) {
            Some(place) if outbids(&transaction, &self.pool[place]) => self.pool[place] = transaction,
            Some(_) => return Err(PoolError::Underpriced),
            None if self.pool.len() >= MAX_POOL_TRANSACTIONS || self.pool_bytes() > MAX_POOL_BYTES => {
                return Err(PoolError::Full);
            }
            None => self.pool.push(transaction),
        }
        if self.config.mining == Mining::Automatic && self.pool.iter().any(|waiting| self.is_next(waiting)) {
            self.mine();
        }
        Ok(hash)
    }

    fn pool_bytes(&self) -> usize {
        self.pool.iter().map(|waiting| waiting.envelope().encode_2718_len()).sum()
    }

    fn is_next(&self, waiting: &Transaction) -> bool {
        waiting.nonce() == self.world.nonce(waiting.from)
    }

    fn check_gas(&self, transaction: &Transaction) -> Result<(), PoolError> {
        let envelope = transaction.envelope();
        let (size, limit) = (envelope.input().len(), envelope.gas_limit());
        if envelope.is_create() && size > MAX_INITCODE_SIZE {
            return Err(PoolError::InitCodeTooLong(size));
        }
        if limit > self.config.block_gas_limit {
            return Err(PoolError::ExceedsBlock);
        }
        if limit > TRANSACTION_GAS_CAP {
            return Err(PoolError::ExceedsCap(limit));
        }
        let intrinsic =
            validate_initial_tx_gas(environment(transaction), SPEC, false, false, TRANSACTION_GAS_CAP, None);
        match intrinsic {
            Err(InvalidTransaction::CallGasCostMoreThanGasLimit { initial_gas: want, .. }) => {
                Err(PoolError::IntrinsicGas { have: limit, want })
            }
            Err(InvalidTransaction::GasFloorMoreThanGasLimit { gas_floor: want, .. }) => {
                Err(PoolError::IntrinsicGas { have: limit, want })
            }
            Err(_) | Ok(_) => Ok(()),
        }
    }

    fn check_sender(&self, transaction: &Transaction) -> Result<(), PoolError> {
        let (envelope, from, nonce) = (transaction.envelope(), transaction.from, transaction.nonce());
        let fee = envelope.max_fee_per_gas();
        if envelope.max_priority_fee_per_gas().is_some_and(|tip| tip > fee) {
            return Err(PoolError::TipAboveFee(from));
        }
        if fee < u128::from(self.config.base_fee) {
            return Err(PoolError::FeeTooLow(from, fee, self.config.base_fee));
        }
        if self.world.code(from).is_some_and(|code| !code.is_empty() && !code.is_eip7702()) {
            return Err(PoolError::SenderHasCode(from));
        }
        if nonce == u64::MAX {
            return Err(PoolError::NonceMax(from, nonce));
        }
        let next = self.world.nonce(from);
        if nonce < next {
            return Err(PoolError::NonceTooLow { next, nonce });
        }
        let earlier = self.pool.iter().filter(|waiting| waiting.from == from && waiting.nonce() < nonce);
        let promised = |sum: U256, waiting: &Transaction| sum.saturating_add(waiting.most_expensive());
        let cost = earlier.fold(transaction.most_expensive(), promised);
        let balance = self.world.balance(from);
        if balance < cost {
            return Err(PoolError::InsufficientFunds { balance, cost });
        }
        Ok(())
    }
}

/// Whether it pays enough more to take the other's place.
fn outbids(new: &Transaction, old: &Transaction) -> bool {
    let raised = |price: u128| price.saturating_add(price.saturating_mul(REPLACEMENT_BUMP) / 100);
    let tip = |one: &Transaction| one.envelope().priority_fee_or_price();
    new.envelope().max_fee_per_gas() >= raised(old.envelope().max_fee_per_gas())
        && tip(new) >= raised(tip(old))
}
