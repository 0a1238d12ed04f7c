// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Errors} from "../interfaces/Errors.sol";
import {Record} from "../interfaces/Types.sol";
import {Hashing} from "./Hashing.sol";

/// @notice What is recorded of a channel, in one slot: fingerprint (200 bits), number of turns after the first (7), deadline (33:
/// until the year 2242), dispute number (16).
type Slot is uint256;

using Records for Slot global;

/// @title The recorded version of a channel
/// @dev The slot holds a fingerprint only; callers show what it is of. 200 bits, because the writer controls part of
/// the preimage and could search for collisions: 2^100 steps, where 160 bits would leave 2^80.
library Records {
    bytes32 private constant LOCKS_TAG = keccak256("Strait: pending locks");
    /// @dev Most forced moves in one dispute that give the pen away.
    uint256 internal constant MAX_MOVES = 127;
    uint256 private constant DEADLINE_MASK = (1 << 33) - 1;
    uint256 private constant FINGERPRINT_MASK = type(uint256).max << 56;

    /// @notice The record of a version. Its fingerprint is the first 25 bytes of
    /// keccak256(abi.encode(channelId, version, dispute, stateHash)): the dispute number in it keeps a record apart from
    /// its earlier self.
    /// @param deadline_ Zero means that no dispute is under way.
    function ofVersion(bytes32 channelId, uint256 version, bytes32 stateHash, uint256 deadline_, uint256 dispute_)
        internal
        pure
        returns (Slot)
    {
        uint256 hash = uint256(Hashing.words(channelId, bytes32(version), bytes32(dispute_), stateHash));
        return Slot.wrap(hash & FINGERPRINT_MASK | deadline_ << 16 | dispute_);
    }

    /// @notice A fresh record with its number of forced moves that gave the pen away.
    function withMoves(Slot slot, uint256 moves_) internal pure returns (Slot) {
        return Slot.wrap(Slot.unwrap(slot) | moves_ << 49);
    }

    /// @notice What is recorded of a settled channel that waits for locks. Its fingerprint is the first 25 bytes of
    /// keccak256(abi.encode(LOCKS_TAG, channelId, locksHash)); the tag keeps it apart from versions.
    function ofLocks(bytes32 channelId, bytes32 locksHash, uint256 dispute_) internal pure returns (Slot) {
        return Slot.wrap(uint256(keccak256(abi.encode(LOCKS_TAG, channelId, locksHash))) & FINGERPRINT_MASK | dispute_);
    }

    /// @notice Zero when nothing is recorded.
    function fingerprint(Slot slot) internal pure returns (bytes25) {
        return bytes25(bytes32(Slot.unwrap(slot)));
    }

    /// @notice Last second of the challenge period, or time at which the writer's turn began by a forced move; 0 without a dispute.
    function deadline(Slot slot) internal pure returns (uint256) {
        return Slot.unwrap(slot) >> 16 & DEADLINE_MASK;
    }

    /// @notice Number of forced moves in this dispute that gave the pen away, or that both signed.
    function moves(Slot slot) internal pure returns (uint256) {
        return Slot.unwrap(slot) >> 49 & MAX_MOVES;
    }

    /// @notice Number of the dispute under way, or else of the next one.
    function dispute(Slot slot) internal pure returns (uint256) {
        return uint16(Slot.unwrap(slot));
    }

    /// @notice Checks what the caller says is recorded; all zero stands for nothing.
    /// @return recorded Whether anything is.
    /// @return version Its version.
    function check(Slot slot, bytes32 channelId, Record calldata claimed)
        internal
        pure
        returns (bool recorded, uint256 version)
    {
        // A version that is out of its type's range is not the recorded one.
        assembly ("memory-safe") {
            version := calldataload(claimed)
        }
        recorded = slot.fingerprint() != 0;
        if (recorded) checkVersion(slot, channelId, version, claimed.stateHash);
        else require(version == 0 && claimed.stateHash == 0, Errors.RecordMismatch());
    }

    /// @notice Checks that this version is what is recorded.
    function checkVersion(Slot slot, bytes32 channelId, uint256 version, bytes32 stateHash) internal pure {
        Slot expected = ofVersion(channelId, version, stateHash, 0, slot.dispute());
        require(slot.fingerprint() == expected.fingerprint(), Errors.RecordMismatch());
    }

    /// @notice Checks that the settled channel waits for this list of locks.
    function checkLocks(Slot slot, bytes32 channelId, bytes32 locksHash) internal pure {
        Slot expected = ofLocks(channelId, locksHash, slot.dispute());
        require(Slot.unwrap(slot) == Slot.unwrap(expected), Errors.LocksMismatch());
    }
}
