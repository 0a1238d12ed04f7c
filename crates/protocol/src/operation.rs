//! What an update can do, and the hash that binds all of it.

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};
use strait_types::{Amount, AssetIndex, B256, Lock, Side, keccak256};

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

/// One step of an update. The order of the variants is part of the signed format; 7 to 9 are reserved for
/// `OpenChild`, `CloseChild` and `Move`.
#[derive(Clone, PartialEq, Eq, Debug, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// Moves an amount from the writer to the reader.
    Pay(Payment),
    /// Locks an amount of the writer's.
    AddLock(Lock),
    /// Pays a hash lock to the side that did not contribute.
    SettleLock {
        /// The lock's number in the channel.
        number: u64,
        /// Opens it.
        preimage: B256,
    },
    /// Gives a hash lock back to its contributor.
    CancelLock {
        /// The lock's number in the channel.
        number: u64,
    },
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
    },
    /// Gives the pen to the reader; last in its version.
    HandOver,
    /// The last word: `close` pays it at once. Alone in its version.
    Finalise {
        /// Last chain time, Unix seconds, at which `close` executes it.
        valid_until: u64,
    },
}

impl Operation {
    /// The number of the lock that it settles or cancels.
    pub fn resolved_lock(&self) -> Option<u64> {
        match self {
            Operation::SettleLock { number, .. } | Operation::CancelLock { number } => Some(*number),
            _ => None,
        }
    }

    /// The limit of an operation that is to be executed on chain.
    pub fn valid_until(&self) -> Option<u64> {
        match self {
            Operation::Withdraw { valid_until, .. } | Operation::Finalise { valid_until } => {
                Some(*valid_until)
            }
            _ => None,
        }
    }
}

/// The rolling hash after a version:
/// `keccak256(history ‖ borsh(writer: u8, first_payment: u64, operations: Vec<Operation>))`, where
/// `first_payment` is how many payments the writer had made before.
pub fn history_hash(history: B256, writer: Side, first_payment: u64, operations: &[Operation]) -> B256 {
    let mut bytes = Vec::with_capacity(64 + operations.len() * 40);
    bytes.extend_from_slice(history.as_slice());
    bytes.push(writer as u8);
    bytes.extend_from_slice(&first_payment.to_le_bytes());
    let count = u32::try_from(operations.len()).unwrap_or(u32::MAX);
    bytes.extend_from_slice(&count.to_le_bytes());
    for operation in operations {
        // Writing to a Vec cannot fail.
        let _infallible = BorshSerialize::serialize(operation, &mut bytes);
    }
    keccak256(&bytes)
}
