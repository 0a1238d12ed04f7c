//! EIP-712 hashing of what participants sign, written out by hand for speed; the tests compare it with
//! `alloy-sol-types`, and the vectors with the contract and an independent library.

use crate::{Allocation, ChannelId, ChildTerms, State, Version};
use alloy_primitives::{Address, B256, Keccak256, U256, keccak256};
use std::sync::LazyLock;

const STATE_TYPE: &str = "State(bytes32 channelId,uint64 version,uint8 writer,bool isFinal,uint64 validUntil,\
Allocation[] allocations,bytes32 locksHash,bytes32 history,bytes appData)\
Allocation(int128 delta0,int128 delta1,uint128 withdrawn0,uint128 withdrawn1)";
const ALLOCATION_TYPE: &str = "Allocation(int128 delta0,int128 delta1,uint128 withdrawn0,uint128 withdrawn1)";
const CHALLENGE_TYPE: &str = "Challenge(bytes32 channelId,uint16 dispute,bytes32 stateHash)";
const RESUME_TYPE: &str = "Resume(bytes32 channelId,uint16 dispute)";
const CHILD_TYPE: &str = "ChildTerms(bytes32 parent0,uint64 version0,bytes32 parent1,uint64 version1,address hub,\
uint64 end,uint128 amount0,uint128 amount1)";
const ACTIVATION_TYPE: &str = "Activation(bytes32 channelId)";
const DOMAIN_TYPE: &str =
    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)";

static STATE_HASH: LazyLock<B256> = LazyLock::new(|| keccak256(STATE_TYPE));
static ALLOCATION_HASH: LazyLock<B256> = LazyLock::new(|| keccak256(ALLOCATION_TYPE));
static CHALLENGE_HASH: LazyLock<B256> = LazyLock::new(|| keccak256(CHALLENGE_TYPE));
static RESUME_HASH: LazyLock<B256> = LazyLock::new(|| keccak256(RESUME_TYPE));
static ACTIVATION_HASH: LazyLock<B256> = LazyLock::new(|| keccak256(ACTIVATION_TYPE));
static CHILD_HASH: LazyLock<B256> = LazyLock::new(|| keccak256(CHILD_TYPE));
static EMPTY_HASH: LazyLock<B256> = LazyLock::new(|| keccak256([]));

/// `keccak256` of words in a row, as `abi.encode` of static values lays them out.
pub(crate) fn hash_words(words: &[B256]) -> B256 {
    let mut hasher = Keccak256::new();
    for word in words {
        hasher.update(word);
    }
    hasher.finalize()
}

fn number(value: u128) -> B256 {
    let mut word = [0u8; 32];
    word[16..].copy_from_slice(&value.to_be_bytes());
    B256::new(word)
}

fn signed(value: i128) -> B256 {
    let mut word = if value < 0 { [0xffu8; 32] } else { [0u8; 32] };
    word[16..].copy_from_slice(&value.to_be_bytes());
    B256::new(word)
}

fn allocation_hash(allocation: &Allocation) -> B256 {
    hash_words(&[
        *ALLOCATION_HASH,
        signed(allocation.delta[0]),
        signed(allocation.delta[1]),
        number(allocation.withdrawn[0]),
        number(allocation.withdrawn[1]),
    ])
}

pub(crate) fn state_hash(state: &State) -> B256 {
    let mut allocations = Keccak256::new();
    for allocation in &state.allocations {
        allocations.update(allocation_hash(allocation));
    }
    hash_words(&[
        *STATE_HASH,
        state.channel.0,
        number(u128::from(state.version.0)),
        number(state.writer as u128),
        number(u128::from(state.is_final)),
        number(u128::from(state.valid_until)),
        allocations.finalize(),
        state.locks_hash,
        state.history,
        if state.app_data.is_empty() { *EMPTY_HASH } else { keccak256(&state.app_data) },
    ])
}

/// `hashStruct(ChildTerms)`: the `child` field of a child channel's parameters.
pub fn child_terms_hash(terms: &ChildTerms) -> B256 {
    hash_words(&[
        *CHILD_HASH,
        terms.parent0.0,
        number(u128::from(terms.version0)),
        terms.parent1.0,
        number(u128::from(terms.version1)),
        terms.hub.into_word(),
        number(u128::from(terms.end)),
        number(terms.amounts[0].units()),
        number(terms.amounts[1].units()),
    ])
}

/// The fingerprint that the adjudicator stores of a recorded version: the first 25 bytes of
/// `keccak256(abi.encode(channelId, version, dispute, stateHash))`.
pub fn record_fingerprint(channel: ChannelId, version: Version, dispute: u16, state_hash: B256) -> [u8; 25] {
    let hash =
        hash_words(&[channel.0, number(u128::from(version.0)), number(u128::from(dispute)), state_hash]);
    let mut fingerprint = [0u8; 25];
    fingerprint.copy_from_slice(&hash[..25]);
    fingerprint
}

/// Where signatures count: one adjudicator on one chain.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Domain {
    chain_id: u64,
    adjudicator: Address,
    separator: B256,
}

impl Domain {
    /// EIP-712 domain {"Strait", "1", chainId, adjudicator}.
    pub fn new(chain_id: u64, adjudicator: Address) -> Domain {
        let separator = hash_words(&[
            keccak256(DOMAIN_TYPE),
            keccak256("Strait"),
            keccak256("1"),
            U256::from(chain_id).into(),
            adjudicator.into_word(),
        ]);
        Domain { chain_id, adjudicator, separator }
    }

    /// The chain's EIP-155 id.
    pub fn chain_id(&self) -> u64 {
        self.chain_id
    }

    /// The adjudicator's address.
    pub fn adjudicator(&self) -> Address {
        self.adjudicator
    }

    /// The domain separator.
    pub fn separator(&self) -> B256 {
        self.separator
    }

    /// The digest of any struct hash in this domain.
    fn digest(&self, struct_hash: B256) -> B256 {
        let mut bytes = [0u8; 66];
        bytes[0] = 0x19;
        bytes[1] = 0x01;
        bytes[2..34].copy_from_slice(self.separator.as_slice());
        bytes[34..].copy_from_slice(struct_hash.as_slice());
        keccak256(bytes)
    }

    /// What is signed for a state with the given [`State::hash`].
    pub fn state_digest(&self, state_hash: B256) -> B256 {
        self.digest(state_hash)
    }

    /// What a participant signs to start the channel's dispute with the given number at a state.
    pub fn challenge_digest(&self, channel: ChannelId, dispute: u16, state_hash: B256) -> B256 {
        self.digest(hash_words(&[*CHALLENGE_HASH, channel.0, number(u128::from(dispute)), state_hash]))
    }

    /// What both sign to end a dispute and keep the channel.
    pub fn resume_digest(&self, channel: ChannelId, dispute: u16) -> B256 {
        self.digest(hash_words(&[*RESUME_HASH, channel.0, number(u128::from(dispute))]))
    }

    /// What a hub signs once both parents' locks bind it to a child channel: only then states above version 0 count.
    pub fn activation_digest(&self, child: ChannelId) -> B256 {
        self.digest(hash_words(&[*ACTIVATION_HASH, child.0]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Side;
    use alloy_sol_types::SolStruct;

    mod signed_types {
        alloy_sol_types::sol! {
            struct Allocation { int128 delta0; int128 delta1; uint128 withdrawn0; uint128 withdrawn1; }
            struct State {
                bytes32 channelId; uint64 version; uint8 writer; bool isFinal; uint64 validUntil;
                Allocation[] allocations; bytes32 locksHash; bytes32 history; bytes appData;
            }
            struct Challenge { bytes32 channelId; uint16 dispute; bytes32 stateHash; }
        }
    }

    #[test]
    fn hashes_equal_the_reference_library() {
        let channel = ChannelId(keccak256("channel"));
        let mut state = State::zero(channel, 2);
        state.version = Version(7);
        state.writer = Side::One;
        state.is_final = true;
        state.valid_until = 1_800_000_000;
        state.allocations[1] = Allocation { delta: [-5, 2], withdrawn: [1, 2] };
        state.history = keccak256("history");
        state.app_data = vec![1, 2, 3];
        let reference = signed_types::State {
            channelId: channel.0,
            version: 7,
            writer: 1,
            isFinal: true,
            validUntil: 1_800_000_000,
            allocations: state
                .allocations
                .iter()
                .map(|a| signed_types::Allocation {
                    delta0: a.delta[0],
                    delta1: a.delta[1],
                    withdrawn0: a.withdrawn[0],
                    withdrawn1: a.withdrawn[1],
                })
                .collect(),
            locksHash: B256::ZERO,
            history: state.history,
            appData: vec![1, 2, 3].into(),
        };
        assert_eq!(state.hash(), reference.eip712_hash_struct());
        let domain = Domain::new(1, Address::repeat_byte(9));
        let reference_domain = alloy_sol_types::eip712_domain! {
            name: "Strait", version: "1", chain_id: 1, verifying_contract: Address::repeat_byte(9),
        };
        assert_eq!(domain.state_digest(state.hash()), reference.eip712_signing_hash(&reference_domain));
        let challenge = signed_types::Challenge { channelId: channel.0, dispute: 3, stateHash: state.hash() };
        assert_eq!(
            domain.challenge_digest(channel, 3, state.hash()),
            challenge.eip712_signing_hash(&reference_domain)
        );
    }
}
