//! A development chain in memory: revm under mainnet's rules, the committed contracts, and time, mining and
//! reorgs under the caller's control. Deterministic: the same calls give the same hashes.

mod block;
mod call;
mod execution;
mod mine;
mod pool;
mod port;
mod shared;
mod transaction;
#[cfg(test)]
mod undo_tests;
mod world;

pub use alloy_primitives::Log;
pub use block::{Included, SealedBlock};
pub use call::{Call, CallError, Override, Within};
pub use mine::Reinclude;
pub use pool::{MAX_POOL_TRANSACTIONS, MAX_TRANSACTION_BYTES, PoolError};
pub use shared::{DevAccount, SharedChain};
pub use transaction::{SignedTransaction, Transaction, UnsignedTransaction};

use crate::artifacts;
use alloy_consensus::{Header, TxLegacy};
use alloy_primitives::TxKind;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use strait_engine::ports::{BlockRef, TxHash};
use strait_types::{Address, B256, Bytes, SigningKey, U256, keccak256};
use world::{Undo, World};

/// Most blocks that a reorg can replace; older ones are final.
pub const MAX_REORG_DEPTH: usize = 256;

/// When blocks are made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mining {
    /// A block for every transaction, at once.
    Automatic,
    /// Only by [`DevChain::mine`]; who wants intervals calls it at intervals.
    Manual,
}

/// How a development chain starts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DevChainConfig {
    /// EIP-155 id.
    pub chain_id: u64,
    /// Unix seconds of the first block.
    pub genesis_time: u64,
    /// Price of gas in wei; it does not move.
    pub base_fee: u64,
    /// Most gas of a block.
    pub block_gas_limit: u64,
    /// When blocks are made, once the contracts are deployed.
    pub mining: Mining,
    /// Accounts and what they hold in wei.
    pub accounts: Vec<(Address, U256)>,
}

impl Default for DevChainConfig {
    fn default() -> Self {
        DevChainConfig {
            chain_id: 31_337,
            genesis_time: 1_800_000_000,
            base_fee: 1_000_000,
            block_gas_limit: 60_000_000,
            mining: Mining::Automatic,
            accounts: Vec::new(),
        }
    }
}

/// What the development chain cannot do; the caller's misuse.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DevChainError {
    /// A contract's constructor failed.
    #[error("the contract cannot be deployed: {0}; check its bytecode and constructor arguments")]
    Deployment(String),
    /// Deeper than what is remembered.
    #[error("a reorg of {asked} blocks is asked for, {possible} can be replaced; ask for fewer")]
    TooDeep {
        /// Blocks to be replaced.
        asked: usize,
        /// Most that can be.
        possible: usize,
    },
}

/// Who deploys the contracts: a key that everybody knows, with more wei than it needs.
pub fn deployer() -> SigningKey {
    SigningKey::from_bytes(keccak256("development chain deployer").0)
        .expect("a hash below the order of the curve")
}

/// The chain. One owner; see [`SharedChain`] for several accounts on one chain.
#[derive(Clone)]
pub struct DevChain {
    config: DevChainConfig,
    world: World,
    /// By number.
    blocks: Vec<Arc<SealedBlock>>,
    /// Of the latest blocks, oldest first.
    undos: VecDeque<Undo>,
    /// Where a transaction is: block number and index.
    included: HashMap<TxHash, (u64, usize)>,
    /// In order of arrival.
    pool: Vec<Transaction>,
    /// Numbers of the blocks with events of the adjudicator, ascending.
    event_blocks: Vec<u64>,
    now: u64,
    forks: u64,
    adjudicator: Address,
    token: Address,
}

impl DevChain {
    /// A chain with the adjudicator and a test token deployed.
    ///
    /// # Errors
    /// When a contract refuses to be deployed.
    pub fn new(config: DevChainConfig) -> Result<DevChain, DevChainError> {
        let mining = config.mining;
        let genesis = SealedBlock::seal(
            Header {
                gas_limit: config.block_gas_limit,
                timestamp: config.genesis_time,
                base_fee_per_gas: Some(config.base_fee),
                ..Header::default()
            },
            Vec::new(),
        );
        let mut chain = DevChain {
            now: config.genesis_time,
            world: World::default(),
            blocks: vec![Arc::new(genesis)],
            undos: VecDeque::new(),
            included: HashMap::new(),
            pool: Vec::new(),
            event_blocks: Vec::new(),
            forks: 0,
            adjudicator: Address::ZERO,
            token: Address::ZERO,
            config: DevChainConfig { mining: Mining::Automatic, ..config },
        };
        for (address, amount) in chain.config.accounts.clone() {
            chain.fund(address, amount);
        }
        let deployer = deployer();
        chain.fund(deployer.address(), U256::from(u128::MAX));
        chain.adjudicator = chain.deploy_signed(&deployer, artifacts::adjudicator())?;
        chain.token = chain.deploy_signed(&deployer, artifacts::test_token())?;
        chain.config.mining = mining;
        chain.undos.clear();
        Ok(chain)
    }

    /// How it was started.
    pub fn config(&self) -> &DevChainConfig {
        &self.config
    }

    /// The adjudicator's address.
    pub fn adjudicator(&self) -> Address {
        self.adjudicator
    }

    /// An ERC-20 token that anyone can mint.
    pub fn token(&self) -> Address {
        self.token
    }

    /// The latest block.
    pub fn head(&self) -> &SealedBlock {
        // The genesis block is never removed.
        &self.blocks[self.blocks.len() - 1]
    }

    /// A block of the canonical chain.
    pub fn block(&self, number: u64) -> Option<&SealedBlock> {
        self.blocks.get(usize::try_from(number).ok()?).map(Arc::as_ref)
    }

    /// The blocks of the canonical chain, by number.
    pub fn blocks(&self) -> &[Arc<SealedBlock>] {
        &self.blocks
    }

    /// A block of the canonical chain; late blocks are found soonest.
    pub fn block_by_hash(&self, hash: B256) -> Option<&Arc<SealedBlock>> {
        self.blocks.iter().rev().find(|block| block.at.hash == hash)
    }

    /// The chain as it was when a block was its latest, with nothing waiting; none if that is longer ago than
    /// [`MAX_REORG_DEPTH`] blocks. A copy of all accounts.
    pub fn as_of(&self, number: u64) -> Option<DevChain> {
        let depth = usize::try_from(self.head().at.number.checked_sub(number)?).ok()?;
        if depth > self.undos.len() {
            return None;
        }
        let mut past = DevChain { pool: Vec::new(), ..self.clone() };
        past.remove_blocks(depth);
        past.now = past.head().time();
        Some(past)
    }

    /// The chain as it will be after a block of what waits. A copy of all accounts.
    pub fn as_of_next(&self) -> DevChain {
        let mut next = self.clone();
        next.mine();
        next
    }

    /// Number of the block that holds a transaction, and its index there.
    pub fn position(&self, transaction: TxHash) -> Option<(u64, usize)> {
        self.included.get(&transaction).copied()
    }

    /// A transaction of the canonical chain with what became of it.
    pub fn included(&self, transaction: TxHash) -> Option<&Included> {
        let (number, index) = self.position(transaction)?;
        self.block(number)?.transactions.get(index)
    }

    /// Transactions that wait for a block, in order of arrival.
    pub fn pending(&self) -> &[Transaction] {
        &self.pool
    }

    /// Chain time for the next block, Unix seconds.
    pub fn now(&self) -> u64 {
        self.now
    }

    /// Sets the time of the next block, Unix seconds. Chain time never runs back: an earlier time is ignored.
    pub fn set_time(&mut self, time: u64) {
        self.now = self.now.max(time);
    }

    /// Sets the time of the next block, Unix seconds, even to an earlier time than was set before, but to none before
    /// the latest block.
    pub fn set_next_time(&mut self, time: u64) {
        self.now = time.max(self.head().time());
    }

    /// Lets time pass. Blocks made afterwards are later; none is made by it.
    pub fn advance(&mut self, seconds: u64) {
        self.now = self.now.saturating_add(seconds);
    }

    /// What an account holds, in wei.
    pub fn balance(&self, address: Address) -> U256 {
        self.world.balance(address)
    }

    /// The nonce of an account's next transaction, after those that wait.
    pub fn next_nonce(&self, address: Address) -> u64 {
        let mut nonce = self.world.nonce(address);
        while self.pool.iter().any(|waiting| waiting.from == address && waiting.nonce() == nonce) {
            nonce += 1;
        }
        nonce
    }

    /// How many transactions of an account are in blocks.
    pub fn nonce(&self, address: Address) -> u64 {
        self.world.nonce(address)
    }

    /// A contract's code.
    pub fn code(&self, address: Address) -> Option<Bytes> {
        self.world.code(address).map(|code| code.original_bytes())
    }

    /// A contract's storage slot.
    pub fn slot(&self, address: Address, key: U256) -> U256 {
        self.world.slot(address, key)
    }

    /// Makes all blocks so far final: no reorg replaces them.
    pub fn finalize(&mut self) {
        self.undos.clear();
    }

    /// Gives wei to an account, out of nothing and outside of any block: no reorg takes it back.
    pub fn fund(&mut self, address: Address, amount: U256) {
        self.world.change_balance(address, |held| held.saturating_add(amount), self.undos.iter_mut());
    }

    /// Sets what an account holds in wei, outside of any block.
    pub fn set_balance(&mut self, address: Address, amount: U256) {
        self.world.change_balance(address, |_| amount, self.undos.iter_mut());
    }

    /// Says when blocks are made from now on.
    pub fn set_mining(&mut self, mining: Mining) {
        self.config.mining = mining;
    }

    /// Sets the price of gas in wei for the blocks to come.
    pub fn set_base_fee(&mut self, base_fee: u64) {
        self.config.base_fee = base_fee;
    }

    /// Deploys a contract by a transaction of `from`, whose key nobody asks for, in a block of its own.
    ///
    /// # Errors
    /// When the constructor fails.
    pub fn deploy(&mut self, from: Address, init_code: Bytes) -> Result<Address, DevChainError> {
        let unsigned = self.deployment(from, init_code);
        self.run_deployment(Transaction::unsigned(unsigned, from))
    }

    fn deploy_signed(&mut self, key: &SigningKey, init_code: Bytes) -> Result<Address, DevChainError> {
        let unsigned = self.deployment(key.address(), init_code);
        self.run_deployment(Transaction::signed(unsigned.into(), key))
    }

    fn deployment(&self, from: Address, input: Bytes) -> TxLegacy {
        TxLegacy {
            chain_id: Some(self.config.chain_id),
            nonce: self.next_nonce(from),
            gas_price: u128::from(self.config.base_fee),
            gas_limit: self.gas_cap(),
            to: TxKind::Create,
            value: U256::ZERO,
            input,
        }
    }

    fn run_deployment(&mut self, transaction: Transaction) -> Result<Address, DevChainError> {
        let hash = self.enqueue(transaction);
        self.mine();
        match self.included(hash) {
            Some(Included { success: true, created: Some(address), .. }) => Ok(*address),
            Some(included) => Err(DevChainError::Deployment(included.failure.clone().unwrap_or_default())),
            None => Err(DevChainError::Deployment("the sender cannot pay for it".to_owned())),
        }
    }

    /// Most gas of one transaction.
    fn gas_cap(&self) -> u64 {
        execution::TRANSACTION_GAS_CAP.min(self.config.block_gas_limit)
    }

    fn head_ref(&self) -> BlockRef {
        self.head().at
    }
}
