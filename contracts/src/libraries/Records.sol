// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Errors} from "../interfaces/Errors.sol";
import {Record} from "../interfaces/Types.sol";

/// @notice What is recorded of a channel, in one slot: fingerprint (200 bits), deadline (40), dispute number (16).
type Slot is uint256;

using Records for Slot global;

/// @title The recorded version of a channel
/// @dev The slot holds a fingerprint only; callers show what it is of. 200 bits, because the writer controls part of
/// the preimage and could search for collisions: 2^100 steps, where 160 bits would leave 2^80.
library Records {
    bytes32 private constant LOCKS_TAG = keccak256("Strait: pending locks");

    /// @notice Packs a slot. `deadline` 0 means that no dispute is under way.
    function pack(bytes25 print, uint256 deadline_, uint256 dispute_) internal pure returns (Slot) {
        return Slot.wrap(uint256(uint200(print)) << 56 | deadline_ << 16 | dispute_);
    }

    /// @notice Zero when nothing is recorded.
    function fingerprint(Slot slot) internal pure returns (bytes25) {
        return bytes25(uint200(Slot.unwrap(slot) >> 56));
    }

    /// @notice Last second of the challenge period; 0 without a dispute.
    function deadline(Slot slot) internal pure returns (uint256) {
        return uint40(Slot.unwrap(slot) >> 16);
    }

    /// @notice Number of the dispute under way, or else of the next one.
    function dispute(Slot slot) internal pure returns (uint256) {
        return uint16(Slot.unwrap(slot));
    }

    /// @notice Fingerprint of a version. The dispute number in it keeps a record apart from its earlier self.
    function fingerprintOf(bytes32 channelId, uint256 version, uint256 dispute_, bytes32 stateHash)
        internal
        pure
        returns (bytes25)
    {
        return bytes25(keccak256(abi.encode(channelId, version, dispute_, stateHash)));
    }

    /// @notice Fingerprint of the locks that a settled channel waits for; the tag keeps it apart from versions.
    function fingerprintOfLocks(bytes32 channelId, bytes32 locksHash) internal pure returns (bytes25) {
        return bytes25(keccak256(abi.encode(LOCKS_TAG, channelId, locksHash)));
    }

    /// @notice Checks what the caller says is recorded; all zero stands for nothing.
    /// @return Whether anything is recorded.
    function check(Slot slot, bytes32 channelId, Record calldata claimed) internal pure returns (bool) {
        bytes25 print = slot.fingerprint();
        bool match_ = print == 0
            ? claimed.version == 0 && claimed.stateHash == 0
            : print == fingerprintOf(channelId, claimed.version, slot.dispute(), claimed.stateHash);
        require(match_, Errors.RecordMismatch());
        return print != 0;
    }
}
