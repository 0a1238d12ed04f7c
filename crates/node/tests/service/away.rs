//! A chain whose blocks are seen while it answers nothing else.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use strait_chain::dev::DevAccount;
use strait_engine::ports::{
    Account, Block, BlockRef, Chain, ChainError, Followed, HandedIn, Receipt, TxHash, TxRequest, Wake, Wanted,
};
use strait_types::{Address, Bytes, ChannelId, U256};

pub(crate) struct ChainThatMayBeAway {
    pub(crate) account: DevAccount,
    pub(crate) is_away: Arc<AtomicBool>,
    pub(crate) takes_nothing: Arc<AtomicBool>,
}

impl ChainThatMayBeAway {
    fn reached(&mut self) -> Result<&mut DevAccount, ChainError> {
        if self.is_away.load(Ordering::Relaxed) {
            return Err(ChainError::Unreachable("it is away".into()));
        }
        Ok(&mut self.account)
    }
}

impl Chain for ChainThatMayBeAway {
    fn chain_id(&self) -> u64 {
        self.account.chain_id()
    }

    fn adjudicator(&self) -> Address {
        self.account.adjudicator()
    }

    fn follow(&mut self, known: &[BlockRef], limit: usize) -> Result<Followed, ChainError> {
        self.account.follow(known, limit)
    }

    fn wake_by(&mut self, wake: Wake) {
        self.account.wake_by(wake);
    }

    fn events_of(&mut self, channel: ChannelId, through: BlockRef) -> Result<Vec<Block>, ChainError> {
        self.account.events_of(channel, through)
    }

    fn submit(&mut self, request: &TxRequest) -> Result<TxHash, ChainError> {
        if self.takes_nothing.load(Ordering::Relaxed) {
            return Err(ChainError::Unreachable("it takes no transaction".into()));
        }
        self.reached()?.submit(request)
    }

    fn receipt(&mut self, transaction: TxHash) -> Result<Option<Receipt>, ChainError> {
        self.reached()?.receipt(transaction)
    }

    fn under_way(&mut self, is_wanted: Wanted<'_>, through: u64) -> Result<Vec<HandedIn>, ChainError> {
        self.reached()?.under_way(is_wanted, through)
    }

    fn account(&mut self) -> Result<Account, ChainError> {
        self.reached()?.account()
    }

    fn needed_for(&mut self, gas: &[u64], is_urgent: bool) -> Result<U256, ChainError> {
        self.reached()?.needed_for(gas, is_urgent)
    }

    fn call(&mut self, to: Address, data: Bytes) -> Result<Bytes, ChainError> {
        self.reached()?.call(to, data)
    }

    fn has_code(&mut self, address: Address) -> Result<bool, ChainError> {
        self.reached()?.has_code(address)
    }
}
