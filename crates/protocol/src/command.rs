//! What a user asks of a channel, and what it tells the user.

use crate::app::AppMove;
use crate::channel::Completed;
use crate::child::{ChildOpening, NewChild};
use crate::operation::Payment;
use crate::operations::Payments;
use crate::rule::Rule;
use crate::rules::Refused;
use strait_types::{Amount, AssetIndex, B256, ChannelId, Lock, Side, State, Version};

/// The caller's handle on one command; comes back in [`Event::Done`].
pub type Token = u64;

/// A command. Each ends once, in an [`Event::Done`] or an [`Event::Completed`], unless the process ends first.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Command {
    /// Pays the peer.
    Pay(Payment),
    /// Locks an amount for the peer against a sha256 hash.
    AddLock {
        /// Which asset.
        asset: AssetIndex,
        /// In the smallest unit; positive.
        amount: Amount,
        /// sha256 of a 32-byte preimage.
        hash: B256,
        /// Last chain time, Unix seconds, at which the preimage's registration counts.
        expiry: u64,
    },
    /// Claims a lock of the peer's.
    SettleLock {
        /// Number of the lock.
        number: u64,
        /// Opens it.
        preimage: B256,
    },
    /// Gives a lock of the peer's back, or takes an expired one of one's own back.
    CancelLock {
        /// Number of the lock.
        number: u64,
    },
    /// Takes an amount out to one's payout address while the channel lives.
    Withdraw {
        /// Which asset.
        asset: AssetIndex,
        /// In the smallest unit; positive.
        amount: Amount,
    },
    /// Opens a child channel in this one, without a transaction.
    OpenChild(Box<NewChild>),
    /// Closes with the peer's agreement.
    Close,
    /// Takes the best state to the chain, without the peer.
    ForceClose,
    /// Makes a move in a channel with an app; by the chain when it is in dispute.
    Move(AppMove),
    /// Ends the app with the peer's agreement: both must ask for the same outcome.
    Finish {
        /// What participant 0 and 1 gain or lose, per asset.
        outcome: Vec<[i128; 2]>,
    },
    /// Plays on by the chain's clock, because the peer stalls, or is away on our turn. The channel lives on when the peer
    /// comes back.
    Dispute,
}

/// Why a command was not carried out; nothing has moved.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// Zero.
    #[error("the amount is zero; give a positive amount")]
    ZeroAmount,
    /// More than is free.
    #[error("the balance is {available}, {wanted} are needed, in the asset's smallest unit")]
    InsufficientBalance {
        /// Free now, in the smallest unit.
        available: Amount,
        /// Asked for.
        wanted: Amount,
    },
    /// No connection to the peer.
    #[error("the peer is not connected; it is tried again by itself, repeat the command when it is back")]
    PeerOffline,
    /// The channel is closing, disputed or closed.
    #[error("the channel takes no more commands: it is closing, in dispute or closed; open another one")]
    NotOpen,
    /// Restored from a backup.
    #[error(
        "the channel was restored from a backup: it waits until what it may have forgotten can no longer be executed, and for the peer to sign a rebase; if it never does, `dispute` takes the money out"
    )]
    Restoring,
    /// The chain's history was replaced deeper than was thought possible.
    #[error(
        "the chain was reorganised so deeply that deposits may be gone; nothing of value moves until this node has read the channels' events anew, which it does by itself"
    )]
    Halted,
    /// The chain was not read for long, and there are locks.
    #[error(
        "the chain was not read for a quarter of the challenge period, and what this channel holds may have changed there; nothing is signed until the chain is read again"
    )]
    ChainUnread,
    /// Nobody has put anything in.
    #[error(
        "nobody has deposited anything that counts in this channel: there is nothing to pay with, and nothing to close"
    )]
    NothingDeposited,
    /// The peer's deposit is below what we demand.
    #[error(
        "the peer has not deposited the minimum that this node demands, or its deposit lacks confirmations; wait for it, or force-close the channel"
    )]
    AwaitingDeposit,
    /// Our deposit is below what the peer demands.
    #[error(
        "the peer signs nothing in this channel before {demanded} are deposited, and {deposited} count, in the asset's smallest unit; deposit more, or close the channel"
    )]
    DepositDemanded {
        /// Of which asset.
        asset: AssetIndex,
        /// In the smallest unit.
        demanded: Amount,
        /// What counts of ours.
        deposited: Amount,
    },
    /// Breaks a rule of the protocol by itself.
    #[error("refused: {0}")]
    Rule(Rule),
    /// The peer said no.
    #[error("the peer refused: {0}")]
    PeerRefused(Rule),
    /// An earlier withdrawal or close is under way.
    #[error("a withdrawal or close is under way; wait for it to end")]
    Busy,
    /// The app says no, or nothing that counts.
    #[error("{0}; look at the app's rules and the channel's state")]
    App(#[from] Refused),
    /// The other side is to move.
    #[error("it is the peer's turn")]
    NotYourTurn,
    /// A dispute would be one against ourselves.
    #[error(
        "it is this node's own turn, and the peer is there: the chain's clock would run against this node"
    )]
    YourTurn,
    /// Our last move is not decided.
    #[error("the last move awaits the peer or the chain; wait for its end")]
    MoveInFlight,
    /// Nothing is left to play for.
    #[error("the game is over, and nothing is moved, claimed or ended in it any more")]
    AppOver,
    /// Another end took the place of the one that was waited for.
    #[error("another end than this one was asked for since, or is agreed")]
    EndReplaced,
    /// Play went on, and left the end behind that was waited for.
    #[error("play has gone on since, by a move or by its start, so this end is not proposed any more")]
    EndOvertaken,
    /// We have agreed to an end that the peer may sign.
    #[error(
        "this node has agreed to the end that the peer proposed, which the peer may be signing now; if it does not within `hold_timeout`, this node is free again"
    )]
    EndAgreed,
    /// The chain must show more first.
    #[error(
        "the chain has not recorded the newest state with its confirmations; repeat the move when it has"
    )]
    AwaitingChain,
    /// Both stakes are not there yet.
    #[error("the app has not started: both sides must deposit their stakes first, with their confirmations")]
    NotStarted,
    /// A close while there are child channels.
    #[error(
        "{0} child channels are open in this channel: finish each with the peer, or `dispute` it, and close when they have ended; a forced close takes them to the chain, too"
    )]
    ChildrenOpen(usize),
    /// The key cannot be used.
    #[error(transparent)]
    Signer(#[from] crate::signer::SignerError),
}

/// How a command ended well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The peer countersigned the payment.
    Paid {
        /// Its number among our payments.
        number: u64,
        /// The version that holds it.
        version: Version,
    },
    /// The peer countersigned the new lock.
    Locked {
        /// Its number.
        number: u64,
    },
    /// The peer countersigned the lock's settlement.
    LockSettled {
        /// Its number.
        number: u64,
    },
    /// The peer countersigned the lock's cancellation.
    LockCancelled {
        /// Its number.
        number: u64,
    },
    /// The peer countersigned the lock of the child channel, which lives from now on.
    ChildOpened {
        /// Its id.
        child: ChannelId,
    },
    /// Both signed; the call on chain is under way.
    Agreed {
        /// The version that the chain will execute.
        version: Version,
    },
    /// The challenge is under way.
    ForceClosing,
    /// The peer countersigned the move, or the chain has recorded it.
    Moved {
        /// The version that it made.
        version: Version,
    },
    /// The dispute is under way.
    Disputing,
}

/// What a channel tells its user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A command ended.
    Done {
        /// Whose.
        token: Token,
        /// How.
        result: Result<Outcome, CommandError>,
    },
    /// The peer has countersigned a version, and with it commands have ended.
    Completed(Completed),
    /// The peer paid us; safe, since its signature is on disk.
    Received {
        /// The version that holds the payments.
        version: Version,
        /// Number of the first among the peer's payments; the others follow.
        first: u64,
        /// In order.
        payments: Payments,
    },
    /// The peer locked an amount for us.
    LockOffered {
        /// Its number.
        number: u64,
        /// Its terms.
        lock: Lock,
    },
    /// A lock was settled and its preimage is known.
    LockSettled {
        /// Its number.
        number: u64,
        /// The preimage.
        preimage: B256,
    },
    /// A lock went back to its contributor.
    LockCancelled {
        /// Its number.
        number: u64,
    },
    /// Both signed the lock of a child channel.
    ChildOpened {
        /// The child.
        child: ChannelId,
    },
    /// The peer would open a child channel about which the operator is asked first; it was told so, and may come again.
    ChildOffered {
        /// What it would open, in a version of then.
        opening: Box<ChildOpening>,
    },
    /// Both replaced the lock of a child channel by what it has come to.
    ChildClosed {
        /// The child.
        child: ChannelId,
        /// What its participants 0 and 1 got.
        outcome: [Amount; 2],
    },
    /// Nothing more happens in it: a child, whose parent has taken its end over, or a channel that was given up before anybody
    /// had put anything in.
    ClosedBack,
    /// The peer broke a rule; nothing was changed.
    PeerFault(Rule),
    /// We refused a version of the peer's.
    Refused {
        /// Which.
        version: Version,
        /// Why.
        rule: Rule,
    },
    /// The channel's life on chain changed.
    Chain(ChainNews),
    /// Synchronised with the peer: payments flow.
    Ready,
    /// Both signed a rebase after a restore.
    Rebased {
        /// Its version.
        version: Version,
    },
    /// A move counts: the other has countersigned it, or the chain has recorded it. The first one is the start.
    Moved {
        /// Where the app stands now.
        state: Box<State>,
        /// Whether it is this side's.
        is_ours: bool,
    },
    /// Both signed the end of the app; the call on chain is under way.
    Finished {
        /// The version that the chain will execute.
        version: Version,
        /// What participant 0 and 1 gain or lose, per asset.
        outcome: Vec<[i128; 2]>,
    },
    /// The peer refused our move. It is not rewritten: it goes to the chain.
    MoveRefused {
        /// Which.
        version: Version,
        /// Why.
        rule: Rule,
    },
    /// The peer would end the app so; `finish` with the same outcome agrees.
    FinishOffered {
        /// Version that it rests on.
        version: Version,
        /// What participant 0 and 1 would gain or lose, per asset.
        outcome: Vec<[i128; 2]>,
    },
}

impl Event {
    /// The commands that ended, each with how.
    pub fn ended(&self) -> impl Iterator<Item = (Token, Result<&Outcome, &CommandError>)> {
        let (one, together) = match self {
            Event::Done { token, result } => (Some((*token, result.as_ref())), None),
            Event::Completed(completed) => (None, Some(completed)),
            _ => (None, None),
        };
        let together = together.into_iter().flat_map(Completed::commands);
        one.into_iter().chain(together.map(|(token, outcome)| (token, Ok(outcome))))
    }
}

/// A change of the channel's life on chain, as of the head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChainNews {
    /// A deposit arrived; it counts after its confirmations.
    Deposited {
        /// For whom.
        side: Side,
        /// Which asset.
        asset: AssetIndex,
        /// In the smallest unit.
        amount: Amount,
    },
    /// A dispute began at a version.
    Challenged {
        /// The version that was shown.
        version: Version,
        /// Who brought it.
        challenger: Side,
        /// Unix seconds.
        deadline: u64,
    },
    /// The record was replaced.
    Responded {
        /// By this version.
        version: Version,
    },
    /// The dispute ended by agreement.
    Resumed,
    /// A move was recorded by the chain.
    Progressed {
        /// The version that it made.
        version: Version,
        /// Until when the next one may be made, Unix seconds.
        deadline: u64,
    },
    /// A withdrawal was paid.
    Withdrawn {
        /// The version that was recorded.
        version: Version,
    },
    /// Free balances were paid by the recorded version.
    Settled,
    /// Locks were resolved on chain.
    Unlocked,
    /// All is paid.
    Closed,
    /// A reorg took events back.
    Reorganised,
}
