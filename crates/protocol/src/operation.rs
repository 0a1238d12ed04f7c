//! What an update can do.

use crate::app::AppMove;
use crate::child::ChildOpening;
use crate::position::NumberedLock;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};
use strait_types::{Amount, AssetIndex, B256, ChannelId, Lock, Side, Version};

/// Longest memo of a payment, in bytes.
pub const MAX_MEMO_BYTES: usize = 512;
/// Most operations in one version.
pub const MAX_OPERATIONS: usize = 4_096;

/// A payment from the writer to the reader. Its number is its position among all payments of its writer in the
/// channel, counted from 0.
#[derive(Clone, PartialEq, Eq, Debug, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct Payment {
    /// Which asset.
    pub asset: AssetIndex,
    /// In the smallest unit; positive.
    pub amount: Amount,
    /// Identifies the payee's invoice, if any.
    pub invoice: Option<B256>,
    /// Free text or bytes for the bill that both sign, at most [`MAX_MEMO_BYTES`].
    pub memo: Vec<u8>,
}

/// One step of an update. The numbers of the variants are part of the signed format.
#[derive(Clone, PartialEq, Eq, Debug, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[borsh(use_discriminant = true)]
#[repr(u8)]
pub enum Operation {
    /// Moves an amount from the writer to the reader.
    Pay(Payment) = 0,
    /// Locks an amount of the writer's.
    AddLock(Lock) = 1,
    /// Pays a hash lock to the side that did not contribute.
    SettleLock {
        /// The lock's number in the channel.
        number: u64,
        /// Opens it.
        preimage: B256,
    } = 2,
    /// Gives a hash lock back to its contributor.
    CancelLock {
        /// The lock's number in the channel.
        number: u64,
    } = 3,
    /// Takes an amount out to a payout address while the channel lives. Alone in its version.
    Withdraw {
        /// Whose.
        side: Side,
        /// Which asset.
        asset: AssetIndex,
        /// In the smallest unit; positive.
        amount: Amount,
        /// Last chain time, Unix seconds, at which `withdraw` executes it.
        valid_until: u64,
    } = 4,
    /// Gives the pen to the reader; last in its version.
    HandOver = 5,
    /// The last word: `close` pays it at once. Alone in its version.
    Finalise {
        /// Last chain time, Unix seconds, at which `close` executes it.
        valid_until: u64,
    } = 6,
    /// Opens a child channel, whose funds it locks. Alone in its version, which the child's terms name.
    OpenChild {
        /// The child's id.
        child: ChannelId,
        /// Which asset of this channel.
        asset: AssetIndex,
        /// Participant 0 of this channel plays index 1 of the child.
        flip: bool,
        /// The child.
        opening: Box<ChildOpening>,
    } = 7,
    /// Replaces the lock of a child channel by what the child has come to.
    CloseChild {
        /// The child.
        child: ChannelId,
        /// What the child's participants 0 and 1 get; together what is locked.
        outcome: [Amount; 2],
    } = 8,
    /// A move of the writer's in a channel with an app, or its start at version 0. Alone in its version.
    Move(AppMove) = 9,
    /// Ends an app by agreement. It is written by the side that is not to move, so that who is to move never signs two
    /// states of one version. Alone in its version.
    Finish {
        /// What participant 0 and 1 gain or lose, per asset.
        outcome: Vec<[i128; 2]>,
        /// Last chain time, Unix seconds, at which `close` executes it.
        valid_until: u64,
    } = 10,
}

impl Operation {
    /// About how many bytes it takes on the wire; what is alone in its version counts as little.
    pub(crate) fn encoded_len(&self) -> usize {
        match self {
            Operation::Pay(payment) => payment.memo.len().saturating_add(64),
            _ => 128,
        }
    }

    /// Whether it takes a lock off the list.
    pub(crate) fn takes_lock(&self) -> bool {
        use Operation::{CancelLock, CloseChild, SettleLock};
        matches!(self, SettleLock { .. } | CancelLock { .. } | CloseChild { .. })
    }

    /// Whether it takes this lock off the list.
    pub fn resolves(&self, entry: &NumberedLock) -> bool {
        match self {
            Operation::SettleLock { number, .. } | Operation::CancelLock { number } => {
                *number == entry.number
            }
            Operation::CloseChild { child, .. } => entry.lock.holds(*child),
            _ => false,
        }
    }

    /// Whether it belongs to a channel with an app.
    pub fn is_of_app(&self) -> bool {
        matches!(self, Operation::Move(_) | Operation::Finish { .. })
    }

    /// Whether the reader agreed to it for one version only, so that it is not written into another one.
    pub fn is_bound(&self) -> bool {
        self.valid_until().is_some() || matches!(self, Operation::OpenChild { .. })
    }

    /// The version of a child's parent that opens it.
    pub(crate) fn opens_child_in(&self) -> Option<Version> {
        match self {
            Operation::OpenChild { opening, .. } => Some(Version(opening.terms.version0)),
            _ => None,
        }
    }

    /// The limit of an operation that is to be executed on chain.
    pub fn valid_until(&self) -> Option<u64> {
        match self {
            Operation::Withdraw { valid_until, .. }
            | Operation::Finalise { valid_until }
            | Operation::Finish { valid_until, .. } => Some(*valid_until),
            _ => None,
        }
    }
}
