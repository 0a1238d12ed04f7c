// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Lock} from "../interfaces/Types.sol";

/// @notice The locks that remain after `unlock`, in memory.
type LockList is uint256;

using LockLists for LockList global;

/// @title A list of locks in memory
/// @dev Behind a word of 32 the list lies as `abi.encode` lays out `Lock[]`: so it is hashed as it is, and an event takes
/// it by one copy. A list of Solidity's own would cost 700 gas per lock.
library LockLists {
    uint256 private constant LOCK_SIZE = 224;

    /// @notice An empty list with room for so many locks.
    function create(uint256 capacity) internal pure returns (LockList list) {
        assembly ("memory-safe") {
            let start := mload(0x40)
            mstore(start, 32)
            list := add(start, 32)
            mstore(list, 0)
            mstore(0x40, add(add(list, 32), mul(capacity, LOCK_SIZE)))
        }
    }

    /// @notice Number of locks.
    function length(LockList list) internal pure returns (uint256 result) {
        assembly ("memory-safe") {
            result := mload(list)
        }
    }

    /// @notice Appends a lock; there must be room.
    function push(LockList list, Lock calldata lock) internal pure {
        assembly ("memory-safe") {
            let count := mload(list)
            calldatacopy(add(add(list, 32), mul(count, LOCK_SIZE)), lock, LOCK_SIZE)
            mstore(list, add(count, 1))
        }
    }

    /// @notice Removes all locks.
    function clear(LockList list) internal pure {
        assembly ("memory-safe") {
            mstore(list, 0)
        }
    }

    /// @notice `locksHash` of a list that is not empty: keccak256(abi.encode(locks)).
    function hash(LockList list) internal pure returns (bytes32 result) {
        assembly ("memory-safe") {
            result := keccak256(sub(list, 32), add(64, mul(mload(list), LOCK_SIZE)))
        }
    }
}
