//! Amounts that leave the free balances until a condition decides where they go.

use crate::{Amount, AssetIndex, ChannelId, Side};
use alloy_primitives::{B256, U256, keccak256};
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

/// Most locks in one state, so that unlocking always fits a block.
pub const MAX_LOCKS: usize = 64;

/// What decides a lock.
#[derive(
    Clone, Copy, PartialEq, Eq, Hash, Debug, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[borsh(use_discriminant = true)]
#[repr(u8)]
pub enum LockKind {
    /// The preimage of a sha256 hash, registered on chain in time.
    Hash = 0,
    /// The finalised outcome of a child channel.
    Channel = 1,
}

/// Mirrors `Lock` in `contracts/src/interfaces/Types.sol`.
#[derive(Clone, PartialEq, Eq, Hash, Debug, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct Lock {
    /// What decides it.
    pub kind: LockKind,
    /// The asset that is locked.
    pub asset: AssetIndex,
    /// Contributed by participant 0 and 1.
    pub amounts: [Amount; 2],
    /// Hash: sha256 of a 32-byte preimage. Channel: id of the child.
    pub reference: B256,
    /// Hash: last chain time, in Unix seconds, at which the preimage's registration counts. Channel: 0.
    pub expiry: u64,
    /// Channel: participant 0 of this channel plays index 1 of the child.
    pub flip: bool,
}

impl Lock {
    /// A hash lock paid by `from` to the other side.
    pub fn hash(from: Side, asset: AssetIndex, amount: Amount, hash: B256, expiry: u64) -> Lock {
        let mut amounts = [Amount::ZERO; 2];
        amounts[from.index()] = amount;
        Lock { kind: LockKind::Hash, asset, amounts, reference: hash, expiry, flip: false }
    }

    /// The only side that contributed, if there is exactly one.
    pub fn contributor(&self) -> Option<Side> {
        match (self.amounts[0].is_zero(), self.amounts[1].is_zero()) {
            (false, true) => Some(Side::Zero),
            (true, false) => Some(Side::One),
            _ => None,
        }
    }

    /// Whether it waits for this child channel.
    pub fn holds(&self, child: ChannelId) -> bool {
        self.kind == LockKind::Channel && self.reference == child.0
    }

    /// Both contributions together.
    pub fn total(&self) -> Option<Amount> {
        self.amounts[0].checked_add(self.amounts[1])
    }
}

/// `locksHash` of a state: zero without locks, else `keccak256(abi.encode(Lock[]))`.
pub fn locks_hash<'a>(locks: impl ExactSizeIterator<Item = &'a Lock>) -> B256 {
    if locks.len() == 0 {
        return B256::ZERO;
    }
    let mut bytes = Vec::with_capacity(64 + locks.len() * 7 * 32);
    let mut push = |word: U256| bytes.extend_from_slice(&word.to_be_bytes::<32>());
    push(U256::from(32));
    push(U256::from(locks.len()));
    for lock in locks {
        push(U256::from(lock.kind as u8));
        push(U256::from(lock.asset.0));
        push(U256::from(lock.amounts[0].units()));
        push(U256::from(lock.amounts[1].units()));
        push(lock.reference.into());
        push(U256::from(lock.expiry));
        push(U256::from(lock.flip));
    }
    keccak256(&bytes)
}
