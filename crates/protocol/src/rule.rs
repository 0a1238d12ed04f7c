//! The rules that an update or message can break, as they are named to the peer.

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

/// A rule of the protocol. The discriminants are part of the wire format.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    Debug,
    BorshSerialize,
    BorshDeserialize,
    Serialize,
    Deserialize,
    thiserror::Error,
)]
#[borsh(use_discriminant = true)]
#[repr(u8)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// The signature is not the writer's on the resulting state.
    #[error("the signature does not fit the resulting state")]
    BadSignature = 0,
    /// The base is neither the confirmed state nor one in flight.
    #[error("the base of the update is unknown; synchronise and resend")]
    UnknownBase = 1,
    /// The base gives the pen to the other side.
    #[error("only the writer may write the next version; ask for the pen")]
    NotWriter = 2,
    /// The version is not above all that were signed or refused.
    #[error("the version is not above those already signed or refused")]
    StaleVersion = 3,
    /// The version skips more than the window allows.
    #[error("the version skips further than the window allows")]
    VersionJump = 4,
    /// The channel has no such asset.
    #[error("the channel has no such asset")]
    UnknownAsset = 5,
    /// An operation moves nothing.
    #[error("the amount is zero")]
    ZeroAmount = 6,
    /// An amount leaves the range.
    #[error("an amount leaves the range of the channel")]
    Overflow = 7,
    /// More than the side owns by the deposits that count.
    #[error("the balance does not cover it; deposits count after their confirmations")]
    Overdraw = 8,
    /// The memo is too long.
    #[error("the memo is longer than 512 bytes")]
    MemoTooLong = 9,
    /// Too many locks.
    #[error("the channel already has the most locks that it can carry")]
    LockCount = 10,
    /// A lock of this kind cannot be added so.
    #[error("a lock of this kind cannot be added")]
    LockKind = 11,
    /// A hash lock has exactly one contributor, the writer.
    #[error("a hash lock is paid by its writer alone")]
    LockContributor = 12,
    /// The expiry is too near or too far.
    #[error("the expiry of the lock is too near or too far away")]
    LockExpiry = 13,
    /// No lock has this number.
    #[error("no lock has this number")]
    UnknownLock = 14,
    /// The preimage does not hash to the lock's reference.
    #[error("the preimage does not open the lock")]
    WrongPreimage = 15,
    /// Too near the expiry for settling off chain without registration.
    #[error("too near the expiry: register the preimage on chain")]
    TooLate = 16,
    /// The contributor takes a lock back before it expired.
    #[error("the lock has not expired; its beneficiary must agree")]
    NotExpired = 17,
    /// The operation needs the reader's agreement first.
    #[error("the operation was not agreed beforehand; propose it first")]
    NotAgreed = 18,
    /// A final state has no locks.
    #[error("locks are pending; settle or cancel them first")]
    LocksPending = 19,
    /// The limit for execution on chain is out of bounds.
    #[error("the limit for the call on chain is too near or too far away")]
    ValidUntil = 20,
    /// Operations that must stand alone or last do not.
    #[error("operations are in an order that is not allowed")]
    OperationOrder = 21,
    /// A withdrawal or final state waits for the chain.
    #[error("a withdrawal or final state is waiting for its execution on chain")]
    ExecutionPending = 22,
    /// Reserved for a later release.
    #[error("the operation is not supported by this channel")]
    Unsupported = 23,
    /// A fact of the chain did not appear in time.
    #[error("the deposit or chain fact that the update rests on did not appear in time")]
    HoldTimeout = 24,
    /// The channel is in dispute or closed on chain.
    #[error("the channel is in dispute or closed on chain")]
    NotOpen = 25,
    /// Two states of one version were signed.
    #[error("two different states of one version were signed")]
    Equivocation = 26,
    /// The side was restored from a backup and takes no value before a rebase.
    #[error("the peer was restored from a backup; nothing moves until both have signed a rebase")]
    Restoring = 27,
    /// Too many operations in one version.
    #[error("too many operations in one version")]
    TooManyOperations = 28,
    /// The peer asks for something that it must not know or that makes no sense now.
    #[error("the message makes no sense in the channel's present state")]
    Unexpected = 29,
    /// The channel is closing.
    #[error("the channel is closing")]
    Closing = 30,
    /// The reader demands a larger deposit of the writer before anything counts.
    #[error("the deposit is below the minimum that the peer demands; deposit more")]
    DepositTooSmall = 31,
    /// What a move gives and takes does not add up, or is not of the channel's assets.
    #[error("what the move gives and takes does not add up to zero for each asset of the channel")]
    UnevenMove = 32,
    /// The app data are too long.
    #[error("the app data are longer than 8192 bytes")]
    AppDataTooLong = 33,
    /// The app does not allow the move, or has no verdict on where it leads.
    #[error("the app does not allow the move")]
    IllegalMove = 34,
    /// Nothing comes after the end.
    #[error("the app has ended; nothing can be played any more")]
    Finished = 35,
    /// The start is not the one that the channel was opened with.
    #[error("the start is not the one that the channel was opened with")]
    WrongStart = 36,
    /// The child is not one that this channel can have in this version.
    #[error("the child channel does not fit its parent")]
    ChildTerms = 37,
    /// Its app is unknown.
    #[error("the app of the child channel is not installed, or not on the list of those that are taken")]
    UnknownApp = 38,
    /// Its period is out of bounds.
    #[error("the challenge duration of the child channel is outside the range that is taken")]
    ChildPeriod = 39,
    /// More than a node puts in unasked.
    #[error(
        "the stake is more than the peer's node puts in unasked; let its operator raise `policy.stakes`, or open the child channel from there"
    )]
    StakeTooHigh = 40,
    /// The child has not come to this.
    #[error("the child channel has no end that both agreed or the chain recorded, or another one")]
    WrongOutcome = 41,
    /// The child's end is not known here, not yet.
    #[error("the child channel has not ended, as far as the reader knows")]
    ChildNotOver = 42,
    /// A game that begins so would be played unasked.
    #[error(
        "the peer's node does not play from this start unasked; let its operator add it to `policy.starts`, or open the game from there"
    )]
    UnknownStart = 43,
    /// The operator is asked about the child first.
    #[error("the operator of the peer's node is asked to approve it; open it again when that is done")]
    AwaitsApproval = 44,
    /// The payee takes no payment for an invoice any more.
    #[error("the payee takes nothing more for this invoice: it is paid, taken back, or its time is over")]
    InvoiceOver = 45,
    /// The app's verdict on its start is more than is put in.
    #[error("the app would give more than what is put in: the stakes are lower than the one in its data")]
    StakeTooLow = 46,
}
