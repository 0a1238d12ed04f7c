//! What the methods share: the chain, its clock, and what clients have asked to keep.

use crate::accounts::Account;
use crate::clock::Clock;
use crate::rpc::filters::Filters;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use strait_chain::dev::Mining as ChainMining;
use strait_chain::{DevChain, SharedChain};
use strait_engine::ports::BlockRef;
use strait_types::Address;
use tokio::sync::watch;

/// What the methods share.
pub(crate) struct Node {
    pub(crate) chain: SharedChain,
    pub(crate) accounts: Vec<Account>,
    pub(crate) clock: Mutex<Clock>,
    pub(crate) snapshots: Mutex<BTreeMap<u64, DevChain>>,
    pub(crate) filters: Mutex<Filters>,
    /// Time between blocks.
    pub(crate) interval: watch::Sender<Option<Duration>>,
    /// The latest block, and how often transactions came in.
    pub(crate) heads: watch::Sender<BlockRef>,
}

impl Node {
    pub(crate) fn new(chain: SharedChain, accounts: Vec<Account>, clock: Clock) -> Node {
        let heads = watch::Sender::new(chain.with(|chain| chain.head().at));
        let told = heads.clone();
        chain.on_new_head(move |head| {
            told.send_replace(head);
        });
        Node {
            chain,
            accounts,
            clock: Mutex::new(clock),
            snapshots: Mutex::default(),
            filters: Mutex::default(),
            interval: watch::Sender::new(None),
            heads,
        }
    }

    /// Does something with the chain at the time that the clock shows.
    pub(crate) fn with<T>(&self, action: impl FnOnce(&mut DevChain) -> T) -> T {
        let mut clock = lock(&self.clock);
        self.chain.with(|chain| {
            chain.set_next_time(clock.next());
            let before = chain.head().at;
            let result = action(chain);
            if chain.head().at != before {
                clock.mined(chain.head().time());
            }
            result
        })
    }

    /// Makes a block of what waits.
    pub(crate) fn mine(&self) -> BlockRef {
        self.with(DevChain::mine)
    }

    /// Whether every transaction gets its block at once.
    pub(crate) fn set_instant(&self, instant: bool) {
        let mining = if instant { ChainMining::Automatic } else { ChainMining::Manual };
        self.with(|chain| chain.set_mining(mining));
    }

    pub(crate) fn account(&self, address: Address) -> Option<&Account> {
        self.accounts.iter().find(|account| account.address() == address)
    }
}

/// A panic of another thread is its own matter: what the locks guard changes only as a whole.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
