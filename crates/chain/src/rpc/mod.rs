//! A real chain by JSON-RPC over HTTP or WebSocket: several endpoints, none of which is believed blindly, and a
//! transaction manager that keeps what it sends on disk. `docs/chain.md` says how it is meant to be used.
//!
//! Calls block, at most for a few times the configured timeout; there are no retries that sleep. An endpoint that
//! fails rests for a while, and a caller without any endpoint is told so at once and comes back later.

mod again;
mod background;
mod code;
mod config;
mod deploy;
mod endpoint;
mod endpoints;
mod error;
mod fees;
mod follow;
mod history;
mod logs;
mod probe;
mod range;
mod transactions;
mod wire;

pub use config::{EndpointConfig, Head, RpcConfig, UnixMillis, system_time};
pub use deploy::{Contract, DeployError, Deployed, deploy};
pub use error::ConnectError;
pub use fees::{FeePolicy, Fees};
pub use reqwest::Url;
pub use transactions::{Attempt, JournalError, SqliteJournal, StoredTransaction, TransactionJournal};

use again::SecondLook;
use endpoints::Endpoints;
use follow::Follower;
use history::Histories;
use logs::Filter;
use serde_json::json;
use strait_engine::ports::{
    Account, Block, BlockRef, Chain, ChainError, Followed, HandedIn, Receipt, TxHash, TxRequest, Wake, Wanted,
};
use strait_types::{Address, B256, Bytes, ChannelId, U256};
use tracing::warn;
use transactions::{Call, Transactions};

/// One chain with its adjudicator, seen and written to from one account.
pub struct RpcChain {
    endpoints: Endpoints,
    transactions: Transactions,
    follower: Follower,
    second_look: SecondLook,
    histories: Histories,
}

impl RpcChain {
    /// Connects: the endpoints must be of the configured chain, and the adjudicator be where it is said to be.
    /// Transactions of the journal that are in no block are sent again.
    ///
    /// # Errors
    /// See [`ConnectError`]. An endpoint that does not answer is no error while another one does.
    pub fn connect(
        config: RpcConfig,
        journal: Box<dyn TransactionJournal>,
    ) -> Result<RpcChain, ConnectError> {
        let chain_id = config.endpoints.chain_id;
        let mut journal = journal;
        // Before what waits is sent again: on another chain of the same id it would be valid, too.
        let mut endpoints = Endpoints::connected(config.endpoints, journal.genesis()?)?;
        if let Some(genesis) = endpoints.genesis() {
            journal.note_genesis(genesis)?;
        }
        let transactions = Transactions::load(config.account, chain_id, config.fees, journal)?;
        let (_, head) = endpoints.best()?;
        code::verify(&mut endpoints, config.adjudicator)?;
        let deployed_at = match config.deployed_at {
            Some(number) => number,
            None => code::deployed_at(&mut endpoints, config.adjudicator, head.number()),
        };
        let follower = Follower { adjudicator: config.adjudicator, deployed_at };
        let histories = Histories::new(config.adjudicator, deployed_at);
        let mut chain =
            RpcChain { endpoints, transactions, follower, second_look: SecondLook::default(), histories };
        chain.tend(&head);
        Ok(chain)
    }

    /// Hash of the chain's first block; `None` when no endpoint has it.
    pub fn genesis(&self) -> Option<B256> {
        self.endpoints.genesis()
    }

    /// The block from which on logs are read.
    pub fn deployed_at(&self) -> u64 {
        self.follower.deployed_at
    }

    /// A failure here is no failure of what the caller asked for; the next head is the next occasion.
    fn tend(&mut self, head: &wire::Header) {
        let newest = match self.endpoints.config().head {
            Head::Latest => Ok(Some(head.clone())),
            // Prices and waiting times are those of the newest block.
            Head::Safe | Head::Finalized => {
                self.endpoints.ask("eth_getBlockByNumber", &json!(["latest", false]))
            }
        };
        let tended = newest.and_then(|newest| {
            let newest = newest.unwrap_or_else(|| head.clone());
            self.transactions.tend(&mut self.endpoints, &newest)
        });
        if let Err(error) = tended {
            warn!(%error, "waiting transactions could not be looked after");
        }
    }
}

impl Chain for RpcChain {
    fn chain_id(&self) -> u64 {
        self.endpoints.config().chain_id
    }

    fn adjudicator(&self) -> Address {
        self.follower.adjudicator
    }

    fn follow(&mut self, known: &[BlockRef], limit: usize) -> Result<Followed, ChainError> {
        let filter = Filter { adjudicator: self.follower.adjudicator, channel: None };
        self.second_look.look(&mut self.endpoints, &filter);
        let known = self.second_look.certain(known);
        let (followed, head) = self.follower.follow(&mut self.endpoints, known, limit)?;
        self.second_look.note(&followed);
        self.tend(&head);
        Ok(followed)
    }

    fn wake_by(&mut self, wake: Wake) {
        self.endpoints.wake_by(wake);
    }

    fn events_of(&mut self, channel: ChannelId, through: BlockRef) -> Result<Vec<Block>, ChainError> {
        self.histories.events_of(&mut self.endpoints, channel, through)
    }

    fn submit(&mut self, request: &TxRequest) -> Result<TxHash, ChainError> {
        self.transactions.submit(&mut self.endpoints, Some(self.follower.adjudicator), &Call::from(request))
    }

    fn receipt(&mut self, transaction: TxHash) -> Result<Option<Receipt>, ChainError> {
        self.transactions.receipt(&mut self.endpoints, transaction)
    }

    fn under_way(&mut self, is_wanted: Wanted<'_>, through: u64) -> Result<Vec<HandedIn>, ChainError> {
        self.transactions.under_way(&mut self.endpoints, is_wanted, through)
    }

    fn account(&mut self) -> Result<Account, ChainError> {
        let address = self.transactions.address();
        let balance: U256 = self.endpoints.ask("eth_getBalance", &json!([address, "latest"]))?;
        Ok(Account { address, balance })
    }

    fn needed_for(&mut self, gas: &[u64], is_urgent: bool) -> Result<U256, ChainError> {
        self.transactions.needed_for(&mut self.endpoints, gas, is_urgent)
    }

    fn call(&mut self, to: Address, data: Bytes) -> Result<Bytes, ChainError> {
        let call = json!({ "from": self.transactions.address(), "to": to, "data": data });
        self.endpoints.ask("eth_call", &json!([call, "latest"]))
    }

    fn has_code(&mut self, address: Address) -> Result<bool, ChainError> {
        let code: Bytes = self.endpoints.ask("eth_getCode", &json!([address, "latest"]))?;
        Ok(!code.is_empty())
    }
}
