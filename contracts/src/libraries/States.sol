// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Errors} from "../interfaces/Errors.sol";
import {Allocation, State} from "../interfaces/Types.sol";

/// @title What a state must look like
/// @dev `check` reads the words of a state as they lie in calldata and checks them all once. A state that was checked
/// is read without checking again. Offsets are followed wherever they lead: past the calldata all is zero, and whatever
/// is read is what is hashed, so that it counts only if it is what was signed.
library States {
    /// @dev Longest app data in bytes: a challenge stays below 2M gas.
    uint256 internal constant MAX_APP_DATA = 8192;

    /// @notice Checks the rules that hold for every state of a payment channel, whoever signed it.
    function checkPayment(State calldata state, uint256 assetCount) internal pure {
        (Allocation[] calldata allocations, uint256 isFinal_) = _checkWords(state, assetCount);
        require(appDataOf(state).length == 0, Errors.UnexpectedAppData());
        bool hasLocks = state.locksHash != 0;
        if (hasLocks) require(isFinal_ == 0, Errors.FinalWithLocks());
        for (uint256 k = 0; k < assetCount; ++k) {
            int256 locked = _lockedAmount(allocations, k);
            if (locked == 0) continue;
            require(locked > 0, Errors.OverAllocated(k));
            // Otherwise no list could ever release what is locked.
            require(hasLocks, Errors.LockedWithoutLocks(k));
        }
    }

    /// @notice Checks the rules that hold for every state of a channel with an app or a parent, whoever signed it: all is
    /// free balance, and nothing leaves before the end.
    function checkFree(State calldata state, uint256 assetCount, bool hasApp) internal pure {
        (Allocation[] calldata allocations,) = _checkWords(state, assetCount);
        require(appDataOf(state).length <= (hasApp ? MAX_APP_DATA : 0), Errors.UnexpectedAppData());
        require(state.locksHash == 0, Errors.UnexpectedLocks());
        for (uint256 k = 0; k < assetCount; ++k) {
            (,, uint256 withdrawn0, uint256 withdrawn1) = allocation(allocations, k);
            require(_lockedAmount(allocations, k) == 0 && withdrawn0 | withdrawn1 == 0, Errors.Unbalanced(k));
        }
    }

    /// @notice Version 0 is what holds before anything is signed, and nothing else. Of a state that was checked.
    function checkZero(State calldata state) internal pure {
        Allocation[] calldata allocations = allocationsOf(state);
        uint256 bits = uint256(state.locksHash | state.history) | version(state) | validUntil(state) | state.writer;
        bits |= appDataOf(state).length;
        for (uint256 k = 0; k < allocations.length; ++k) {
            (int256 delta0, int256 delta1, uint256 withdrawn0, uint256 withdrawn1) = allocation(allocations, k);
            bits |= uint256(delta0) | uint256(delta1) | withdrawn0 | withdrawn1;
        }
        require(bits == 0 && !state.isFinal, Errors.NotTheZeroState());
    }

    /// @notice The version of a state that was checked.
    function version(State calldata state) internal pure returns (uint256 result) {
        assembly ("memory-safe") {
            result := calldataload(state)
        }
    }

    /// @notice The time limit of a state that was checked.
    function validUntil(State calldata state) internal pure returns (uint256 result) {
        assembly ("memory-safe") {
            result := calldataload(add(state, 96))
        }
    }

    /// @notice The allocations of a state.
    function allocationsOf(State calldata state) internal pure returns (Allocation[] calldata allocations) {
        assembly ("memory-safe") {
            let pos := add(state, calldataload(add(state, 128)))
            allocations.length := calldataload(pos)
            allocations.offset := add(pos, 32)
        }
    }

    /// @notice The app data of a state. An offset out of calldata reads as empty, and as empty it is hashed and logged.
    // Its length and its offset, which are taken for one variable.
    // slither-disable-next-line write-after-write
    function appDataOf(State calldata state) internal pure returns (bytes calldata data) {
        assembly ("memory-safe") {
            let pos := add(state, calldataload(add(state, 224)))
            data.length := calldataload(pos)
            data.offset := add(pos, 32)
        }
    }

    /// @notice One allocation of a state that was checked. `k` must be below the length.
    function allocation(Allocation[] calldata allocations, uint256 k)
        internal
        pure
        returns (int256 delta0, int256 delta1, uint256 withdrawn0, uint256 withdrawn1)
    {
        assembly ("memory-safe") {
            let pos := add(allocations.offset, shl(7, k))
            delta0 := calldataload(pos)
            delta1 := calldataload(add(pos, 32))
            withdrawn0 := calldataload(add(pos, 64))
            withdrawn1 := calldataload(add(pos, 96))
        }
    }

    /// @notice The deltas of a state that was checked, as pairs in a row in memory.
    function copyDeltas(State calldata state) internal pure returns (uint256 deltas) {
        Allocation[] calldata allocations = allocationsOf(state);
        assembly ("memory-safe") {
            deltas := mload(0x40)
            mstore(0x40, add(deltas, shl(6, allocations.length)))
            for { let k := 0 } lt(k, allocations.length) { k := add(k, 1) } {
                calldatacopy(add(deltas, shl(6, k)), add(allocations.offset, shl(7, k)), 64)
            }
        }
    }

    /// @dev Checks the words that every state has.
    function _checkWords(State calldata state, uint256 assetCount)
        private
        pure
        returns (Allocation[] calldata allocations, uint256 isFinal_)
    {
        allocations = allocationsOf(state);
        require(allocations.length == assetCount, Errors.WrongAllocationCount());
        uint256 writer;
        assembly ("memory-safe") {
            writer := calldataload(add(state, 32))
            isFinal_ := calldataload(add(state, 64))
        }
        require((version(state) | validUntil(state)) >> 64 | isFinal_ >> 1 == 0, Errors.Malformed());
        require(writer < 2, Errors.InvalidWriter());
    }

    /// @dev What the locks hold of an asset; negative in a state that breaks the rules.
    function _lockedAmount(Allocation[] calldata allocations, uint256 k) private pure returns (int256) {
        (int256 delta0, int256 delta1, uint256 withdrawn0, uint256 withdrawn1) = allocation(allocations, k);
        // forge-lint: disable-next-line(unsafe-typecast) the comparison is what the cast is for
        bool fits = int128(delta0) == delta0 && int128(delta1) == delta1;
        require(fits && (withdrawn0 | withdrawn1) >> 128 == 0, Errors.Malformed());
        // Four numbers of 128 bits cannot overflow 256.
        unchecked {
            return -(delta0 + delta1 + int256(withdrawn0 + withdrawn1));
        }
    }
}
