// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @title The structures that participants sign, hash and show to the adjudicator
/// @notice Amounts are in the asset's smallest unit (wei for the native coin), times in Unix seconds.

/// @notice What never changes in a channel. Its id commits to all of it, and to chain and contract:
/// `channelId = keccak256(abi.encode(chainId, adjudicator, termsHash, assets[0], moreAssets, child))` with
/// `termsHash = keccak256(abi.encode(signer0, payout0, signer1, payout1, challengeDuration, nonce, app))` and
/// `moreAssets = assets.length == 1 ? 0 : keccak256(abi.encode of assets[1..] as padded words, without a length)`.
/// The id has this shape so that a deposit, the dearest step of opening a channel, shows three words and not ten.
struct ChannelParams {
    /// ECDSA keys, always checked by ecrecover, whatever code sits at the address. Non-zero and distinct.
    address signer0;
    /// Receives what participant 0 owns; non-zero, may be a smart account, may equal the signer.
    address payout0;
    address signer1;
    address payout1;
    /// Seconds, 1 hour to 30 days.
    uint32 challengeDuration;
    /// Tells channels of the same two apart.
    uint64 nonce;
    /// Zero for a payment channel, else the rules.
    address app;
    /// Zero for a channel funded by deposits, else hashStruct(ChildTerms).
    bytes32 child;
    /// Strictly ascending, 1 to 4; the zero address is the native coin.
    address[] assets;
}

/// @notice What a child channel adds: it is funded by a lock in a parent (both parents, over a hub).
struct ChildTerms {
    bytes32 parent0;
    /// Version of the parent in which the lock first stands, so that no child id recurs.
    uint64 version0;
    /// Zero, with version1 and hub, when the child is between the parent's own two participants.
    bytes32 parent1;
    uint64 version1;
    address hub;
    /// Unix seconds; from then on the hub may challenge at the current record.
    uint64 end;
    /// What each participant of the child holds at its version 0.
    uint128 amount0;
    uint128 amount1;
}

/// @notice Per asset. `delta0 + delta1 + locked + withdrawn0 + withdrawn1 == 0` with `locked >= 0`.
/// Participant i owns `deposits_i + delta_i`.
struct Allocation {
    int128 delta0;
    int128 delta1;
    /// Cumulative amounts taken out to the payouts while the channel lives.
    uint128 withdrawn0;
    uint128 withdrawn1;
}

/// @notice One version of a channel, as calldata. What is signed is the EIP-712 struct
/// `State(bytes32 channelId,uint64 version,uint8 writer,bool isFinal,uint64 validUntil,Allocation[] allocations,bytes32 locksHash,bytes32 history,bytes appData)`.
struct State {
    uint64 version;
    /// 0 or 1: who alone may write the next version.
    uint8 writer;
    bool isFinal;
    /// Last chain time at which `withdraw` or `close` executes this version; 0 for versions that carry neither.
    uint64 validUntil;
    /// One per asset, in the order of `assets`.
    Allocation[] allocations;
    /// Zero without locks, else keccak256(abi.encode(Lock[])).
    bytes32 locksHash;
    /// Rolling hash over all operations ever agreed.
    bytes32 history;
    /// Empty in a payment channel.
    bytes appData;
}

enum LockKind {
    Hash,
    Channel
}

/// @notice An amount that leaves the free balances until a condition decides where it goes.
struct Lock {
    LockKind kind;
    uint8 assetIndex;
    /// Contributed by participant 0 and 1. A hash lock has exactly one contributor.
    uint128 amount0;
    uint128 amount1;
    /// Hash: sha256 of a 32-byte preimage. Channel: id of the child.
    bytes32 ref;
    /// Hash: last chain time at which the preimage's registration counts. Channel: 0.
    uint64 expiry;
    /// Channel: participant 0 of this channel plays index 1 of the child.
    bool flip;
}

/// @notice Identifies the version that the adjudicator has recorded; it stores only a fingerprint.
struct Record {
    uint64 version;
    /// hashStruct(State) of that version.
    bytes32 stateHash;
}

/// @notice Compact signature (EIP-2098).
struct Sig {
    bytes32 r;
    bytes32 vs;
}

/// @notice What is shown of a child channel, above what is recorded.
struct Shown {
    State state;
    /// Of both participants; all zero for version 0 and for the recorded state itself.
    Sig sig0;
    Sig sig1;
    /// Of the hub on Activation(channelId), with the first state above version 0; else all zero.
    Sig activation;
    /// What is recorded; all zero when nothing is.
    Record previous;
}

/// @notice One item of a payable batch of deposits in the native coin.
struct NativeDeposit {
    bytes32 terms;
    bytes32 moreAssets;
    uint8 participant;
    uint128 amount;
}
