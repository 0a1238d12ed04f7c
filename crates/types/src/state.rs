//! One version of a channel.

use crate::{ChannelId, Side, Version, eip712};
use alloy_primitives::B256;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

/// Longest application data, in bytes, so that a challenge stays far below 2M gas.
pub const MAX_APP_DATA: usize = 8 * 1024;

/// What a state says of one asset, relative to deposits: participant i owns `deposits_i + delta_i`.
#[derive(
    Clone, Copy, PartialEq, Eq, Hash, Debug, Default, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
pub struct Allocation {
    /// Change against the deposits, per participant, in the smallest unit.
    pub delta: [i128; 2],
    /// Cumulative amounts taken out while the channel lives, per participant.
    pub withdrawn: [u128; 2],
}

impl Allocation {
    /// What the locks hold: `-(delta0 + delta1 + withdrawn0 + withdrawn1)`. `None` when it is negative or
    /// overflows, which makes the state invalid.
    pub fn locked(&self) -> Option<u128> {
        let withdrawn: i128 = self.withdrawn[0].checked_add(self.withdrawn[1])?.try_into().ok()?;
        let sum = self.delta[0].checked_add(self.delta[1])?.checked_add(withdrawn)?;
        sum.checked_neg()?.try_into().ok()
    }
}

/// A version of a channel, as both sides compute, hash and sign it.
/// Mirrors the EIP-712 struct `State` of `contracts/src/interfaces/Types.sol`.
#[derive(Clone, PartialEq, Eq, Debug, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct State {
    /// The channel.
    pub channel: ChannelId,
    /// Its number in the channel.
    pub version: Version,
    /// Who alone may write the next version.
    pub writer: Side,
    /// Agreed as the last word; `close` pays it at once.
    pub is_final: bool,
    /// Last chain time, in Unix seconds, at which `withdraw` or `close` executes this version; else 0.
    pub valid_until: u64,
    /// One per asset.
    pub allocations: Vec<Allocation>,
    /// See [`crate::locks_hash`].
    pub locks_hash: B256,
    /// Rolling hash over all operations ever agreed.
    pub history: B256,
    /// Empty in a payment channel.
    pub app_data: Vec<u8>,
}

impl State {
    /// The unsigned start: nothing moved, participant 0 writes.
    pub fn zero(channel: ChannelId, assets: usize) -> State {
        State {
            channel,
            version: Version::ZERO,
            writer: Side::Zero,
            is_final: false,
            valid_until: 0,
            allocations: vec![Allocation::default(); assets],
            locks_hash: B256::ZERO,
            history: B256::ZERO,
            app_data: Vec::new(),
        }
    }

    /// EIP-712 `hashStruct(State)`: identifies the state; with the domain it becomes the digest to sign.
    pub fn hash(&self) -> B256 {
        eip712::state_hash(self)
    }
}
