//! The chain: followed by number and hash, so that a reorg is seen and undone; written to by transactions.

use strait_types::abi::AdjudicatorEvent;
use strait_types::{Address, Amount, B256, Bytes, ChannelId, U256};

/// Hash of a transaction.
pub type TxHash = B256;

/// A block by number and hash.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct BlockRef {
    /// Height.
    pub number: u64,
    /// Hash.
    pub hash: B256,
}

/// An event of the adjudicator. `channel` is `None` for registry and credit events.
#[derive(Clone, PartialEq, Debug)]
pub struct Event {
    /// The channel it speaks of.
    pub channel: Option<ChannelId>,
    /// Which transaction emitted it.
    pub transaction: TxHash,
    /// The decoded event.
    pub event: LogEvent,
}

/// The decoded form, see `strait_types::abi`.
pub type LogEvent = AdjudicatorEvent;

/// A block with the adjudicator's events in it, in order.
#[derive(Clone, PartialEq, Debug)]
pub struct Block {
    /// Which block.
    pub at: BlockRef,
    /// Its timestamp, Unix seconds.
    pub time: u64,
    /// Its events.
    pub events: Vec<Event>,
}

/// What following the chain yields.
#[derive(Clone, PartialEq, Debug)]
pub struct Followed {
    /// The highest of the caller's known blocks that is still canonical. `None`: none of them is, or the
    /// caller knew none; `blocks` then starts at the adjudicator's deployment.
    pub fork: Option<BlockRef>,
    /// Canonical blocks after `fork`, ascending, contiguous in events: blocks without events may be left out,
    /// except the last of the answer.
    pub blocks: Vec<Block>,
    /// The chain's head at the time of the answer; later than the last of `blocks` when there is more to fetch.
    pub head: BlockRef,
    /// The head's timestamp, Unix seconds.
    pub head_time: u64,
}

/// A transaction to be sent from the port's own account.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TxRequest {
    /// The contract.
    pub to: Address,
    /// Native coin to send along, in wei.
    pub value: U256,
    /// Calldata.
    pub data: Bytes,
}

/// Whether a transaction is of the content that is asked for.
pub type Wanted<'a> = &'a dyn Fn(&TxRequest) -> bool;

/// A transaction that was handed in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HandedIn {
    /// As `submit` told it.
    pub transaction: TxHash,
    /// Its content.
    pub request: TxRequest,
}

/// What became of a transaction.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Receipt {
    /// The block it is in, on the canonical chain.
    pub block: BlockRef,
    /// Whether it took effect.
    pub success: bool,
    /// Gas that it used.
    pub gas_used: u64,
}

/// The account that pays gas and sends transactions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Account {
    /// Its address.
    pub address: Address,
    /// Its balance in wei.
    pub balance: U256,
}

/// Wei as people read them: in ether, the name of every native coin's larger unit.
pub fn in_ether(wei: U256) -> String {
    match u128::try_from(wei).ok().and_then(Amount::new) {
        Some(amount) => format!("{} ether", amount.format_decimal(18)),
        None => format!("{wei} wei"),
    }
}

/// A failure of the chain or of the way to it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// No answer; try again.
    #[error("the chain endpoint does not answer: {0}")]
    Unreachable(String),
    /// The call would revert; the reason is the contract's error by name where it is known.
    #[error("the transaction would fail on chain: {reason}")]
    Reverts {
        /// Name of the contract's error, or raw data.
        reason: String,
    },
    /// The gas account cannot pay.
    #[error("the gas account {account} holds {}, this transaction needs {}", in_ether(*balance), in_ether(*needed))]
    NotEnoughGasMoney {
        /// The account.
        account: Address,
        /// What it holds, in wei.
        balance: U256,
        /// What it needs, in wei.
        needed: U256,
    },
    /// A transaction was handed in and came into no block.
    #[error("transaction {0} is in no block yet, although many have passed; look it up, and try again")]
    NotIncluded(TxHash),
    /// A reorg has removed the block that the question is about.
    #[error("block {} is no longer part of the chain; follow it again first", .0.number)]
    NotCanonical(BlockRef),
    /// The endpoint contradicts itself or the protocol.
    #[error("the chain endpoint gave an answer that cannot be true: {0}")]
    Nonsense(String),
    /// The port's own record of sent transactions fails; nothing was sent.
    #[error("nothing was sent: {0}")]
    Journal(String),
}

/// Called when there may be something new to follow; it must return at once.
pub type Wake = std::sync::Arc<dyn Fn() + Send + Sync>;

/// One chain with one adjudicator. Calls may block; a node gives the port a thread of its own.
pub trait Chain: Send {
    /// EIP-155 id.
    fn chain_id(&self) -> u64;

    /// The adjudicator's address.
    fn adjudicator(&self) -> Address;

    /// What is new after the caller's known blocks (newest first, a few dozen suffice), at most `limit` blocks.
    ///
    /// # Errors
    /// See [`ChainError`].
    fn follow(&mut self, known: &[BlockRef], limit: usize) -> Result<Followed, ChainError>;

    /// From now on `wake` is called when a new block is heard of, so that its caller follows sooner than at its next look. A port
    /// that hears of nothing calls nobody.
    fn wake_by(&mut self, wake: Wake) {
        drop(wake);
    }

    /// All events of a channel from the adjudicator's deployment through `through`, for a channel that becomes known late.
    ///
    /// # Errors
    /// See [`ChainError`].
    fn events_of(&mut self, channel: ChannelId, through: BlockRef) -> Result<Vec<Block>, ChainError>;

    /// Sends a transaction. `Ok` says that it was handed in, not that it is in a block; also when the endpoint was lost while it
    /// was sent, so that it may have arrived.
    ///
    /// # Errors
    /// [`ChainError::Reverts`] when the simulation of the call fails. After any error nothing was sent.
    fn submit(&mut self, request: &TxRequest) -> Result<TxHash, ChainError>;

    /// The receipt, while the transaction is in the canonical chain.
    ///
    /// # Errors
    /// See [`ChainError`].
    fn receipt(&mut self, transaction: TxHash) -> Result<Option<Receipt>, ChainError>;

    /// The transactions of some content that were handed in and may take effect above the block `through`: they wait, or they
    /// are in a later block. What an earlier process of the same account handed in counts, too.
    ///
    /// # Errors
    /// See [`ChainError`]; nothing can be said then.
    fn under_way(&mut self, is_wanted: Wanted<'_>, through: u64) -> Result<Vec<HandedIn>, ChainError>;

    /// The account that pays gas and deposits.
    ///
    /// # Errors
    /// See [`ChainError`].
    fn account(&mut self) -> Result<Account, ChainError>;

    /// What the account must hold, in wei, to send calls that use this much gas each: at most, at today's price, and with what
    /// waits already. What is urgent may be offered at a higher price.
    ///
    /// # Errors
    /// See [`ChainError`].
    fn needed_for(&mut self, gas: &[u64], is_urgent: bool) -> Result<U256, ChainError>;

    /// Reads from a contract at the head.
    ///
    /// # Errors
    /// [`ChainError::Reverts`] when it reverts.
    fn call(&mut self, to: Address, data: Bytes) -> Result<Bytes, ChainError>;

    /// Whether an address has code at the head.
    ///
    /// # Errors
    /// See [`ChainError`].
    fn has_code(&mut self, address: Address) -> Result<bool, ChainError>;
}
