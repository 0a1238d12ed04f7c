//! A development chain in memory: revm under mainnet's rules, the committed contracts, and time, mining and
//! reorgs under the caller's control. Deterministic: the same calls give the same hashes.

mod block;
mod execution;
mod mine;
mod port;
mod shared;
#[cfg(test)]
mod undo_tests;
mod world;

pub use block::{Included, Log, SealedBlock, Transaction};
pub use mine::Reinclude;
pub use shared::{DevAccount, SharedChain};

use crate::artifacts;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use strait_engine::ports::{BlockRef, TxHash};
use strait_types::{Address, B256, Bytes, U256, keccak256};
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
        let genesis = SealedBlock::seal(0, B256::ZERO, config.genesis_time, 0, Vec::new());
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
        let deployer = Address::from_slice(&keccak256("development chain deployer")[12..]);
        chain.fund(deployer, U256::from(u128::MAX));
        chain.adjudicator = chain.deploy(deployer, artifacts::adjudicator())?;
        chain.token = chain.deploy(deployer, artifacts::test_token())?;
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

    /// Lets time pass. Blocks made afterwards are later; none is made by it.
    pub fn advance(&mut self, seconds: u64) {
        self.now = self.now.saturating_add(seconds);
    }

    /// What an account holds, in wei.
    pub fn balance(&self, address: Address) -> U256 {
        self.world.balance(address)
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

    /// Gives wei to an account, out of nothing and outside of any block: no reorg takes it back.
    pub fn fund(&mut self, address: Address, amount: U256) {
        self.world.give(address, amount, self.undos.iter_mut());
    }

    /// Deploys a contract by a transaction of `from`, in a block of its own.
    ///
    /// # Errors
    /// When the constructor fails.
    pub fn deploy(&mut self, from: Address, init_code: Bytes) -> Result<Address, DevChainError> {
        let hash = self.enqueue(Transaction {
            hash: TxHash::ZERO,
            from,
            nonce: self.next_nonce(from),
            to: None,
            value: U256::ZERO,
            input: init_code,
            gas_limit: self.gas_cap(),
            gas_price: u128::from(self.config.base_fee),
        });
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
