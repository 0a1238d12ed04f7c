// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Errors} from "../interfaces/Errors.sol";
import {Allocation, State} from "../interfaces/Types.sol";

/// @title What a state must look like, and its EIP-712 hashes
library States {
    bytes32 internal constant STATE_TYPEHASH = keccak256(
        "State(bytes32 channelId,uint64 version,uint8 writer,bool isFinal,uint64 validUntil,Allocation[] allocations,bytes32 locksHash,bytes32 history,bytes appData)"
        "Allocation(int128 delta0,int128 delta1,uint128 withdrawn0,uint128 withdrawn1)"
    );
    bytes32 internal constant ALLOCATION_TYPEHASH =
        keccak256("Allocation(int128 delta0,int128 delta1,uint128 withdrawn0,uint128 withdrawn1)");
    bytes32 internal constant CHALLENGE_TYPEHASH =
        keccak256("Challenge(bytes32 channelId,uint16 dispute,bytes32 stateHash)");
    bytes32 internal constant RESUME_TYPEHASH = keccak256("Resume(bytes32 channelId,uint16 dispute)");
    bytes32 private constant EMPTY_HASH = keccak256("");

    /// @notice Checks the rules that hold for every state of a payment channel, whoever signed it.
    function check(State calldata state, uint256 assetCount) internal pure {
        require(state.allocations.length == assetCount, Errors.WrongAllocationCount());
        require(state.writer < 2, Errors.InvalidWriter());
        require(state.appData.length == 0, Errors.UnexpectedAppData());
        bool noLocks = state.locksHash == 0;
        require(noLocks || !state.isFinal, Errors.FinalWithLocks());
        for (uint256 k = 0; k < assetCount; ++k) {
            int256 locked = lockedAmount(state.allocations[k]);
            require(locked >= 0, Errors.OverAllocated(k));
            // Otherwise no list could ever release what is locked.
            require(locked == 0 || !noLocks, Errors.LockedWithoutLocks(k));
        }
    }

    /// @notice What the locks hold of an asset; negative in a state that breaks the rules.
    function lockedAmount(Allocation calldata allocation) internal pure returns (int256) {
        // Four numbers of 128 bits cannot overflow 256.
        unchecked {
            return -(int256(allocation.delta0) + allocation.delta1
                    + int256(uint256(allocation.withdrawn0) + allocation.withdrawn1));
        }
    }

    /// @notice Version 0 is what holds before anything is signed, and nothing else.
    function checkZero(State calldata state) internal pure {
        bool zero = state.version == 0 && state.writer == 0 && !state.isFinal && state.validUntil == 0
            && state.locksHash == 0 && state.history == 0 && state.appData.length == 0;
        for (uint256 k = 0; k < state.allocations.length; ++k) {
            Allocation calldata a = state.allocations[k];
            zero = zero && a.delta0 == 0 && a.delta1 == 0 && a.withdrawn0 == 0 && a.withdrawn1 == 0;
        }
        require(zero, Errors.NotTheZeroState());
    }

    /// @notice EIP-712 hashStruct(State).
    function hash(State calldata state, bytes32 channelId) internal pure returns (bytes32) {
        uint256 count = state.allocations.length;
        bytes32[] memory hashes = new bytes32[](count);
        for (uint256 k = 0; k < count; ++k) {
            Allocation calldata a = state.allocations[k];
            hashes[k] = keccak256(abi.encode(ALLOCATION_TYPEHASH, a.delta0, a.delta1, a.withdrawn0, a.withdrawn1));
        }
        return keccak256(
            abi.encode(
                STATE_TYPEHASH,
                channelId,
                state.version,
                state.writer,
                state.isFinal,
                state.validUntil,
                keccak256(abi.encodePacked(hashes)),
                state.locksHash,
                state.history,
                state.appData.length == 0 ? EMPTY_HASH : keccak256(state.appData)
            )
        );
    }

    /// @notice EIP-712 hashStruct(Challenge).
    function challengeHash(bytes32 channelId, uint256 dispute, bytes32 stateHash) internal pure returns (bytes32) {
        return keccak256(abi.encode(CHALLENGE_TYPEHASH, channelId, dispute, stateHash));
    }

    /// @notice EIP-712 hashStruct(Resume).
    function resumeHash(bytes32 channelId, uint256 dispute) internal pure returns (bytes32) {
        return keccak256(abi.encode(RESUME_TYPEHASH, channelId, dispute));
    }
}
