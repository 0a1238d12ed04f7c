//! What never changes in a channel, and the id that commits to it.

use crate::{Amount, ChannelId, Side, eip712};
use alloy_primitives::{Address, B256, U256, keccak256};
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

/// Most assets in one channel.
pub const MAX_ASSETS: usize = 4;
/// Shortest challenge period that the adjudicator takes, in seconds.
pub const MIN_CHALLENGE_SECONDS: u32 = 3_600;
/// Longest challenge period that the adjudicator takes, in seconds.
pub const MAX_CHALLENGE_SECONDS: u32 = 30 * 24 * 3_600;

/// A participant: the key that signs and the address that is paid.
#[derive(
    Clone, Copy, PartialEq, Eq, Hash, Debug, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
pub struct Participant {
    /// Address of the ECDSA key that signs states; hot.
    pub signer: Address,
    /// Receives what this participant owns; may be cold, may be a smart account.
    pub payout: Address,
}

/// The fixed terms of a channel. Mirrors `ChannelParams` in `contracts/src/interfaces/Types.sol`.
#[derive(Clone, PartialEq, Eq, Hash, Debug, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct ChannelParams {
    /// Participant 0 is the writer at version 0.
    pub participants: [Participant; 2],
    /// Seconds that the other side has to answer a challenge, 1 hour to 30 days.
    pub challenge_duration: u32,
    /// Tells channels of the same two apart.
    pub nonce: u64,
    /// Zero for a payment channel, else the rules.
    pub app: Address,
    /// Zero for a channel funded by deposits, else the hash of its [`ChildTerms`].
    pub child: B256,
    /// Strictly ascending, 1 to 4; the zero address is the native coin.
    pub assets: Vec<Address>,
}

/// What a child channel adds to the parameters. Mirrors `ChildTerms` in the contracts.
#[derive(Clone, PartialEq, Eq, Hash, Debug, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct ChildTerms {
    /// The parent, or the hub's channel with the child's participant 0.
    pub parent0: ChannelId,
    /// Version of that parent in which the lock first stands.
    pub version0: u64,
    /// The hub's channel with the child's participant 1; zero without a hub.
    pub parent1: ChannelId,
    /// Version of that parent in which the lock first stands; zero without a hub.
    pub version1: u64,
    /// Zero without a hub.
    pub hub: Address,
    /// Unix seconds from which the hub may challenge at the current record.
    pub end: u64,
    /// What each participant holds at the child's version 0.
    pub amounts: [Amount; 2],
}

/// Why parameters are refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParamsError {
    /// A signer is the zero address.
    #[error("a signer is the zero address; give the address of the key that will sign")]
    ZeroSigner,
    /// A payout is the zero address.
    #[error("a payout is the zero address; give the address that shall be paid")]
    ZeroPayout,
    /// Both signers are one key.
    #[error("both participants have the same signer; a channel is between two")]
    SameSigner,
    /// Outside the contract's bounds.
    #[error("the challenge duration is {0} seconds; the contract takes 3600 to 2592000")]
    ChallengeDuration(u32),
    /// None or too many.
    #[error("a channel has 1 to 4 assets, not {0}")]
    AssetCount(usize),
    /// Not strictly ascending.
    #[error("the assets are not strictly ascending by address; sort them and remove duplicates")]
    AssetOrder,
}

impl ChannelParams {
    /// Checks everything that the adjudicator checks.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn check(&self) -> Result<(), ParamsError> {
        let [zero, one] = &self.participants;
        if zero.signer.is_zero() || one.signer.is_zero() {
            return Err(ParamsError::ZeroSigner);
        }
        if zero.payout.is_zero() || one.payout.is_zero() {
            return Err(ParamsError::ZeroPayout);
        }
        if zero.signer == one.signer {
            return Err(ParamsError::SameSigner);
        }
        if !(MIN_CHALLENGE_SECONDS..=MAX_CHALLENGE_SECONDS).contains(&self.challenge_duration) {
            return Err(ParamsError::ChallengeDuration(self.challenge_duration));
        }
        if self.assets.is_empty() || self.assets.len() > MAX_ASSETS {
            return Err(ParamsError::AssetCount(self.assets.len()));
        }
        if !self.assets.windows(2).all(|pair| pair[0] < pair[1]) {
            return Err(ParamsError::AssetOrder);
        }
        Ok(())
    }

    /// Which side the signer plays, if any.
    pub fn side_of(&self, signer: Address) -> Option<Side> {
        Side::BOTH.into_iter().find(|side| self.participants[side.index()].signer == signer)
    }

    /// The participant on a side.
    pub fn participant(&self, side: Side) -> &Participant {
        &self.participants[side.index()]
    }

    /// `termsHash` of the id: what a deposit shows instead of the participants.
    pub fn terms_hash(&self) -> B256 {
        let [zero, one] = &self.participants;
        eip712::hash_words(&[
            zero.signer.into_word(),
            zero.payout.into_word(),
            one.signer.into_word(),
            one.payout.into_word(),
            U256::from(self.challenge_duration).into(),
            U256::from(self.nonce).into(),
            self.app.into_word(),
        ])
    }

    /// `moreAssets` of the id: zero for one asset, else a hash of all but the first.
    pub fn more_assets_hash(&self) -> B256 {
        match self.assets.get(1..) {
            None | Some([]) => B256::ZERO,
            Some(rest) => {
                let words: Vec<B256> = rest.iter().map(|asset| asset.into_word()).collect();
                eip712::hash_words(&words)
            }
        }
    }

    /// The channel's id on a chain and adjudicator:
    /// `keccak256(abi.encode(chainId, adjudicator, termsHash, assets[0], moreAssets, child))`.
    pub fn id(&self, chain_id: u64, adjudicator: Address) -> ChannelId {
        let first = self.assets.first().copied().unwrap_or_default();
        let mut bytes = [0u8; 192];
        let words = [
            U256::from(chain_id).into(),
            adjudicator.into_word(),
            self.terms_hash(),
            first.into_word(),
            self.more_assets_hash(),
            self.child,
        ];
        for (slot, word) in bytes.chunks_exact_mut(32).zip(words) {
            slot.copy_from_slice(word.as_slice());
        }
        ChannelId(keccak256(bytes))
    }
}
