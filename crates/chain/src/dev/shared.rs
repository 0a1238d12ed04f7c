//! One chain under several accounts.

use super::DevChain;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use strait_engine::ports::{
    Account, Block, BlockRef, Chain, ChainError, Followed, HandedIn, Receipt, TxHash, TxRequest, Wanted,
};
use strait_types::{Address, Bytes, ChannelId, U256};

type Hook = Box<dyn Fn(BlockRef) + Send + Sync>;

struct Shared {
    chain: Mutex<DevChain>,
    new_head: Condvar,
    hooks: Mutex<Vec<Hook>>,
}

/// A handle on a chain that several accounts and their nodes use; clones mean the same chain.
#[derive(Clone)]
pub struct SharedChain(Arc<Shared>);

impl SharedChain {
    /// Shares a chain.
    pub fn new(chain: DevChain) -> SharedChain {
        let hooks = Mutex::new(Vec::new());
        SharedChain(Arc::new(Shared { chain: Mutex::new(chain), new_head: Condvar::new(), hooks }))
    }

    /// The port of an account: what it submits is sent and paid by `address`.
    pub fn account(&self, address: Address) -> DevAccount {
        DevAccount { chain: self.clone(), address }
    }

    /// Does something with the chain, alone. When that moved the head, those who wait are told afterwards.
    pub fn with<T>(&self, action: impl FnOnce(&mut DevChain) -> T) -> T {
        let mut chain = self.lock();
        let before = chain.head_ref();
        let result = action(&mut chain);
        let after = chain.head_ref();
        drop(chain);
        if before != after {
            self.0.new_head.notify_all();
            for hook in lock(&self.0.hooks).iter() {
                hook(after);
            }
        }
        result
    }

    /// Calls `hook` with every new head, on the thread that made it, after the chain is free again. The hook must
    /// not add hooks.
    pub fn on_new_head(&self, hook: impl Fn(BlockRef) + Send + Sync + 'static) {
        lock(&self.0.hooks).push(Box::new(hook));
    }

    /// Waits until the head is another than `known`, at most for `timeout`; returns the head.
    pub fn wait_for_new_head(&self, known: BlockRef, timeout: Duration) -> BlockRef {
        let waiting =
            self.0.new_head.wait_timeout_while(self.lock(), timeout, |chain| chain.head_ref() == known);
        waiting.unwrap_or_else(PoisonError::into_inner).0.head_ref()
    }

    fn lock(&self) -> MutexGuard<'_, DevChain> {
        lock(&self.0.chain)
    }
}

/// A panic of another thread is its own matter: the chain changes only in whole blocks.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An account of a shared chain: the engine's chain port.
#[derive(Clone)]
pub struct DevAccount {
    chain: SharedChain,
    address: Address,
}

impl DevAccount {
    /// Its address.
    pub fn address(&self) -> Address {
        self.address
    }

    /// The chain that it is on.
    pub fn chain(&self) -> &SharedChain {
        &self.chain
    }
}

impl Chain for DevAccount {
    fn chain_id(&self) -> u64 {
        self.chain.lock().config().chain_id
    }

    fn adjudicator(&self) -> Address {
        self.chain.lock().adjudicator()
    }

    fn follow(&mut self, known: &[BlockRef], limit: usize) -> Result<Followed, ChainError> {
        self.chain.lock().follow(known, limit)
    }

    fn events_of(&mut self, channel: ChannelId, through: BlockRef) -> Result<Vec<Block>, ChainError> {
        self.chain.lock().events_of(channel, through)
    }

    fn submit(&mut self, request: &TxRequest) -> Result<TxHash, ChainError> {
        self.chain.with(|chain| chain.submit_from(self.address, request))
    }

    fn receipt(&mut self, transaction: TxHash) -> Result<Option<Receipt>, ChainError> {
        Ok(self.chain.lock().receipt(transaction))
    }

    fn under_way(&mut self, is_wanted: Wanted<'_>, through: u64) -> Result<Vec<HandedIn>, ChainError> {
        Ok(self.chain.lock().under_way(self.address, is_wanted, through))
    }

    fn account(&mut self) -> Result<Account, ChainError> {
        Ok(Account { address: self.address, balance: self.chain.lock().balance(self.address) })
    }

    fn needed_for(&mut self, gas: &[u64], _is_urgent: bool) -> Result<U256, ChainError> {
        Ok(self.chain.lock().needed_for(self.address, gas))
    }

    fn call(&mut self, to: Address, data: Bytes) -> Result<Bytes, ChainError> {
        self.chain.lock().call_from(self.address, to, data)
    }

    fn has_code(&mut self, address: Address) -> Result<bool, ChainError> {
        Ok(self.chain.lock().code(address).is_some_and(|code| !code.is_empty()))
    }
}
