//! What comes into the engine and what goes out of it.

use crate::calls::{Submission, SubmissionKey};
use crate::ports::{Account, Block, BlockRef, ChainError, Followed, Receipt, TxHash};
use crate::status::BlockView;
use strait_protocol::{AppStart, Command, Event, FrameError, Refused, Rule, Settings, SignerError, Token};
use strait_types::{Address, Amount, AssetIndex, B256, ChannelId, ChannelParams, Version};

/// An input.
#[derive(Clone, Debug)]
pub enum Input {
    /// An authenticated connection is up.
    Connected {
        /// The peer's signer.
        peer: Address,
    },
    /// It is gone.
    Disconnected {
        /// The peer's signer.
        peer: Address,
    },
    /// Bytes from an authenticated peer.
    Frame {
        /// The peer's signer.
        peer: Address,
        /// As they came.
        bytes: Vec<u8>,
    },
    /// The user makes a channel known. Answered by [`Notice::Opened`] or an error with the token.
    Open {
        /// The caller's handle.
        token: Token,
        /// Its terms.
        params: ChannelParams,
        /// What we demand.
        settings: Settings,
    },
    /// The user makes a channel with an app known, whose code is installed. Answered by [`Notice::Opened`] or an error
    /// with the token.
    OpenApp {
        /// The caller's handle.
        token: Token,
        /// Its terms.
        params: ChannelParams,
        /// What both begin with.
        start: AppStart,
        /// What we demand.
        settings: Settings,
    },
    /// The operator installs an app. Answered by [`Notice::Installed`] or an error with the token.
    InstallApp {
        /// The caller's handle.
        token: Token,
        /// Its runtime code.
        runtime: Vec<u8>,
    },
    /// The user commands a channel.
    Command {
        /// The caller's handle.
        token: Token,
        /// Which channel.
        channel: ChannelId,
        /// What to do.
        command: Command,
    },
    /// The user deposits from the node's account.
    Deposit {
        /// The caller's handle.
        token: Token,
        /// Which channel.
        channel: ChannelId,
        /// Which asset.
        asset: AssetIndex,
        /// In the smallest unit.
        amount: Amount,
    },
    /// The operator takes a channel that a peer offers. Answered by [`Notice::Opened`] or an error with the token.
    Approve {
        /// The caller's handle.
        token: Token,
        /// Which channel; see [`Notice::Proposed`].
        channel: ChannelId,
    },
    /// The operator does not take it. Answered by [`Notice::Rejected`] or an error with the token.
    Reject {
        /// The caller's handle.
        token: Token,
        /// Which channel.
        channel: ChannelId,
        /// The operator's words to the peer; empty: a sentence that says just that. Words beyond 256 bytes are cut off.
        reason: String,
    },
    /// The user takes back what was approved and not used up, or rejected.
    Reconsider {
        /// Comes back with the answer.
        token: Token,
        /// Which offer.
        channel: ChannelId,
    },
    /// The chain was followed from [`crate::Engine::known_blocks`].
    Followed(Followed),
    /// The answer to [`Effect::FetchEvents`].
    ChannelEvents {
        /// Which channel.
        channel: ChannelId,
        /// Up to which block.
        through: BlockRef,
        /// Its past.
        blocks: Vec<Block>,
    },
    /// The answer to [`Effect::LookUp`].
    Registered {
        /// Which channel.
        channel: ChannelId,
        /// The newest block that was followed when the registry was read.
        through: BlockRef,
        /// Hashes whose preimages are registered, with the time of the registration in Unix seconds.
        registered: Vec<(B256, u64)>,
    },
    /// The answer to [`Effect::FindCode`].
    Code {
        /// Of which app.
        app: Address,
        /// The newest block that was followed when the chain was asked.
        through: BlockRef,
        /// Whether the chain has it.
        is_there: bool,
    },
    /// The answer to [`Effect::Submit`].
    Submitted {
        /// Which submission.
        key: SubmissionKey,
        /// The last transaction's hash, or why not.
        result: Result<TxHash, ChainError>,
    },
    /// What became of a transaction that [`Input::Submitted`] told of; only for the user's eyes.
    Mined {
        /// Which submission.
        key: SubmissionKey,
        /// The transaction.
        transaction: TxHash,
        /// `None`: many blocks have passed, and it is in none of them.
        receipt: Option<Receipt>,
    },
    /// Of the towers that guard this node's channels.
    Tower(TowerInput),
    /// The account that pays gas; only for the user's eyes.
    Account(Account),
    /// Time has passed; see [`crate::Engine::next_tick`].
    Tick,
}

/// What happens between this node and its towers.
#[derive(Clone, Debug)]
pub enum TowerInput {
    /// From now on these are the towers.
    Set {
        /// Their signers.
        towers: Vec<Address>,
    },
    /// An authenticated connection is up.
    Connected {
        /// The tower's signer.
        tower: Address,
    },
    /// It is gone.
    Disconnected {
        /// The tower's signer.
        tower: Address,
    },
    /// Bytes from an authenticated tower.
    Frame {
        /// The tower's signer.
        tower: Address,
        /// As they came.
        bytes: Vec<u8>,
    },
}

/// Something to be done with a tower.
#[derive(Clone, Debug)]
pub enum TowerEffect {
    /// A frame; dropped when the tower is not connected.
    Send {
        /// The tower's signer.
        tower: Address,
        /// The bytes.
        frame: Vec<u8>,
    },
    /// It says what cannot be: close the connection.
    Disconnect {
        /// The tower's signer.
        tower: Address,
        /// Why.
        reason: String,
    },
}

/// Something to be done, after the batch that it came with is durable.
#[derive(Clone, Debug)]
pub enum Effect {
    /// A frame for a peer; dropped when it is not connected.
    Send {
        /// The peer's signer.
        peer: Address,
        /// The bytes.
        frame: Vec<u8>,
    },
    /// News for the user.
    Notify(Notice),
    /// Transactions to send, in order.
    Submit(Submission),
    /// All past events of a channel that became known late.
    FetchEvents {
        /// Which channel.
        channel: ChannelId,
        /// Up to which block.
        through: BlockRef,
    },
    /// Read the registry of preimages: a lock became known, whose preimage may have been registered before.
    LookUp {
        /// For which channel.
        channel: ChannelId,
        /// Hashes of its locks.
        hashes: Vec<B256>,
    },
    /// Ask the chain whether it has the code of an app, which a call needs.
    FindCode {
        /// Its address.
        app: Address,
    },
    /// For a tower of ours.
    Tower(TowerEffect),
    /// Follow the chain from these blocks now, newest first, whatever was asked before.
    FollowFrom {
        /// See [`crate::ports::Chain::follow`].
        known: Vec<BlockRef>,
    },
    /// The peer sends what no honest node sends: close the connection.
    Disconnect {
        /// The peer's signer.
        peer: Address,
        /// Why.
        reason: FrameError,
    },
    /// Close the connection with whom nothing is to be done for; that is no fault of the peer's.
    Dismiss {
        /// The peer's signer.
        peer: Address,
    },
}

/// News for the user.
#[derive(Clone, Debug, PartialEq)]
pub enum Notice {
    /// A channel became known, by us or by a peer.
    Opened {
        /// The command, when it was ours.
        token: Option<Token>,
        /// The channel.
        channel: ChannelId,
    },
    /// An app can be played from now on.
    Installed {
        /// The command.
        token: Token,
        /// Its address, which its code and the adjudicator decide on.
        app: Address,
    },
    /// Something happened in a channel.
    Channel {
        /// Which.
        channel: ChannelId,
        /// What.
        event: Event,
    },
    /// A user's transaction was handed to the chain.
    Submitted {
        /// The command.
        token: Token,
        /// Its hash.
        transaction: TxHash,
    },
    /// A transaction is in a block; a reorg may still take it out.
    Included {
        /// Whose.
        key: SubmissionKey,
        /// Its hash.
        transaction: TxHash,
        /// The block.
        block: BlockRef,
        /// Whether it took effect.
        success: bool,
        /// Gas that it used.
        gas_used: u64,
    },
    /// Many blocks have passed and a transaction is in none of them. A channel's call that is still wanted is sent anew.
    NotIncluded {
        /// Whose.
        key: SubmissionKey,
        /// Its hash.
        transaction: TxHash,
    },
    /// A peer that has a channel with us is connected.
    Connected {
        /// The peer's signer.
        peer: Address,
    },
    /// It is not any more.
    Disconnected {
        /// The peer's signer.
        peer: Address,
    },
    /// A call that guards our money is not on chain yet, and its time runs out. Told when less than three, two and one
    /// quarter of the time are left, and when it is over.
    DeadlineInDanger {
        /// For which channel.
        channel: ChannelId,
        /// Which call.
        call: &'static str,
        /// Until when it counts, Unix seconds.
        deadline: u64,
        /// Quarters of its time that are not over, 3 to 0.
        quarters_left: u8,
    },
    /// No new block has come for [`crate::Alarms::stale_after`]: neither dangers nor deposits are seen. Payments end when
    /// the view is older than a quarter of a channel's challenge duration.
    ChainStale {
        /// The newest known block; `None`: none since the start.
        head: Option<BlockView>,
    },
    /// New blocks come again.
    ChainFresh {
        /// The newest block.
        head: Option<BlockView>,
    },
    /// The chain's clock is ahead of this node's by more than [`crate::Alarms::clock_skew`]: set the clock.
    ClockSkew {
        /// By how much.
        seconds: u64,
    },
    /// A command could not be carried out; nothing has moved.
    Failed {
        /// The command.
        token: Token,
        /// Why.
        error: EngineError,
    },
    /// A peer offers a channel that waits for the operator's approval; told once. See [`crate::Engine::proposals`].
    Proposed {
        /// Which.
        channel: ChannelId,
        /// Its terms.
        params: ChannelParams,
        /// Who offers it.
        peer: Address,
    },
    /// What a peer would open within a payment channel is approved: it may open it once.
    Approved {
        /// The command.
        token: Token,
        /// The payment channel.
        channel: ChannelId,
    },
    /// A channel that a peer offered was rejected by the operator.
    Rejected {
        /// The command.
        token: Token,
        /// Which.
        channel: ChannelId,
    },
    /// What the operator had said of an offer is forgotten: the next one is asked about.
    Reconsidered {
        /// The command.
        token: Token,
        /// Which.
        channel: ChannelId,
    },
    /// The peer does not take a channel; told once for each reason. It is offered again, more and more rarely.
    Declined {
        /// Which.
        channel: ChannelId,
        /// The peer's reason.
        reason: String,
    },
    /// The chain's history changed deeper than can be undone; deposits may be gone. Nothing of value moves until each
    /// channel's events are read anew, which begins at once; then comes [`Notice::ChainRebuilt`].
    DeepReorg {
        /// Height of the chain as it is now.
        head: u64,
    },
    /// The events that a deep reorg made necessary are still not read; check the chain's endpoint.
    Halted {
        /// Since when nothing of value moves, in milliseconds since the Unix epoch.
        since_ms: u64,
        /// Channels whose events are awaited.
        waiting: usize,
    },
    /// Every channel's events are read anew after a deep reorg, and value moves again where deposits cover it.
    ChainRebuilt,
    /// The key could not be used; what was to be signed waits, and it is tried again.
    NoSigner {
        /// For which channel.
        channel: ChannelId,
        /// Why.
        error: SignerError,
    },
    /// A tower of ours has lacked the newest state of some channels for [`crate::HandoverConfig::behind_after_ms`]: if
    /// this node were away now, it could not defend all.
    TowerBehind {
        /// The tower's signer.
        tower: Address,
        /// How many channels.
        channels: usize,
        /// Since when the first of them, in milliseconds since the Unix epoch.
        since_ms: u64,
    },
    /// It has all again.
    TowerCurrent {
        /// The tower's signer.
        tower: Address,
    },
    /// A tower of ours does not serve this node at all.
    TurnedAway {
        /// The tower's signer.
        tower: Address,
    },
    /// A client that this tower does not serve wanted it to.
    ClientTurnedAway {
        /// The client's signer.
        client: Address,
    },
    /// A tower of ours does not guard a channel.
    TowerRefused {
        /// The tower's signer.
        tower: Address,
        /// Which channel.
        channel: ChannelId,
        /// Its reason.
        reason: String,
    },
    /// A tower of ours said what cannot be, or has lost what it signed for: use another one.
    TowerFault {
        /// The tower's signer.
        tower: Address,
        /// Of which channel.
        channel: Option<ChannelId>,
        /// What was wrong.
        what: String,
    },
    /// A tower handed back a state that this node had signed and forgotten: its data is old. The channel goes on as after
    /// a restore from a backup.
    HandedBack {
        /// By which tower.
        tower: Address,
        /// Which channel.
        channel: ChannelId,
        /// The version.
        version: Version,
    },
    /// A tower makes no more transactions for a client today, and one is due. Its operator decides: the quota is
    /// [`crate::tower::Quotas::calls_per_day`].
    ClientOverdrawn {
        /// Who.
        client: Address,
        /// For which channel.
        channel: ChannelId,
    },
    /// A call that guards our money was refused by the chain; it is tried again.
    CallFailed {
        /// For which channel.
        channel: ChannelId,
        /// Which call.
        call: &'static str,
        /// Why.
        error: ChainError,
    },
}

/// Why the engine did not take a command; the caller's misuse or the environment, nothing has moved.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// No such channel here.
    #[error("no channel {0} is known here; list the channels, or open one")]
    UnknownChannel(ChannelId),
    /// No such channel waits.
    #[error("no channel {0} waits for approval; the peer may have to offer it again")]
    NotProposed(ChannelId),
    /// Nothing was said of it, or it is used up.
    #[error("nothing is decided of {0}, or it was opened since; a channel that is open can be closed")]
    NotDecided(ChannelId),
    /// The peer does not take the channel.
    #[error("the peer declines the channel: {0}; it is offered again by itself")]
    Declined(String),
    /// A tower was asked for what only a participant can do.
    #[error("a tower has no channels of its own; ask a node")]
    NoChannels,
    /// The channel is already known.
    #[error("channel {0} exists already; use another nonce for a second one")]
    AlreadyOpen(ChannelId),
    /// Its code is not here.
    #[error("the app {0} is not installed here; install its runtime code first")]
    UnknownApp(Address),
    /// An app without a start, or a start without an app.
    #[error("a channel with an app is opened with its start, and a payment channel without")]
    Start,
    /// The rules refuse it.
    #[error(transparent)]
    Rules(#[from] Refused),
    /// A peer offers a channel of others.
    #[error("the participants are not the two of us")]
    NotOurs,
    /// Our key is in neither place.
    #[error("this node's signer {0} is not a participant of these parameters")]
    NotParticipant(Address),
    /// The parameters are invalid or against our policy.
    #[error(transparent)]
    Policy(#[from] crate::policy::PolicyError),
    /// The channel has no such asset.
    #[error("{0}")]
    Rule(Rule),
    /// The amount is zero.
    #[error("the amount is zero; give a positive amount")]
    ZeroAmount,
    /// The channel takes no deposits any more.
    #[error("the channel is closed on chain and takes no deposit; open another one")]
    Closed,
    /// The user has ordered a dispute.
    #[error(
        "a dispute of the channel was ordered, and what is put in now comes back only at its end; open another one"
    )]
    Leaving,
    /// A deposit for a child channel.
    #[error(
        "a child channel holds what its parent has locked for it, and takes no deposit; pay within it instead"
    )]
    ChildDeposit,
    /// The chain did not take the transaction.
    #[error(transparent)]
    Chain(#[from] ChainError),
}
