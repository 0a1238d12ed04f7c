// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IAdjudicator} from "../interfaces/IAdjudicator.sol";
import {IAdjudicatorExtension} from "../interfaces/IAdjudicatorExtension.sol";
import {Allocation, State} from "../interfaces/Types.sol";
import {LockList} from "./LockLists.sol";
import {Payments} from "./Payments.sol";
import {Slot} from "./Records.sol";
import {States} from "./States.sol";

/// @title Events with a state or payments in them
/// @dev Written out by hand: what `emit` does costs 1,000 gas more for a state and 400 more for payments. The layout is
/// that of `abi.encode`, always the canonical one whatever offsets the caller's calldata had; the tests decode every
/// event by its declaration. States were checked before, so that their words are clean.
library Logs {
    /// @notice Emits `Challenged`.
    function challenged(bytes32 channelId, uint256 challenger, Slot slot, State calldata state) internal {
        uint256 data = _free();
        _put(data, 0, challenger);
        _put(data, 32, slot.dispute());
        _put(data, 64, slot.deadline());
        _put(data, 96, 128);
        _log(IAdjudicator.Challenged.selector, channelId, data, _putState(_at(data, 128), state));
    }

    /// @notice Emits `Responded`.
    function responded(bytes32 channelId, uint256 dispute, State calldata state) internal {
        uint256 data = _free();
        _put(data, 0, dispute);
        _put(data, 32, 64);
        _log(IAdjudicator.Responded.selector, channelId, data, _putState(_at(data, 64), state));
    }

    /// @notice Emits `Progressed`. `deadline`: until when the next move is possible.
    function progressed(bytes32 channelId, uint256 dispute, uint256 deadline, State calldata state) internal {
        uint256 data = _free();
        _put(data, 0, dispute);
        _put(data, 32, deadline);
        _put(data, 64, 96);
        _log(IAdjudicatorExtension.Progressed.selector, channelId, data, _putState(_at(data, 96), state));
    }

    /// @notice Emits `Withdrawn`.
    function withdrawn(bytes32 channelId, State calldata state, Payments pays) internal {
        uint256 data = _free();
        _put(data, 0, 64);
        uint256 end = _putState(_at(data, 64), state);
        _put(data, 32, _size(data, end));
        _log(IAdjudicator.Withdrawn.selector, channelId, data, _putPairs(end, pays));
    }

    /// @notice Emits `Closed`.
    function closed(bytes32 channelId, Payments pays) internal {
        uint256 data = _free();
        _put(data, 0, 32);
        _log(IAdjudicator.Closed.selector, channelId, data, _putPairs(_at(data, 32), pays));
    }

    /// @notice Emits `Settled`.
    function settled(bytes32 channelId, Payments pays, uint256[] memory reserves, bytes32 locksHash) internal {
        uint256 data = _free();
        _put(data, 0, 96);
        uint256 end = _putPairs(_at(data, 96), pays);
        _put(data, 32, _size(data, end));
        _put(data, 64, uint256(locksHash));
        _log(IAdjudicator.Settled.selector, channelId, data, _putArray(end, reserves));
    }

    /// @notice Emits `Unlocked`.
    function unlocked(bytes32 channelId, Payments pays, LockList remaining) internal {
        uint256 data = _free();
        _put(data, 0, 64);
        uint256 end = _putPairs(_at(data, 64), pays);
        _put(data, 32, _size(data, end));
        _log(IAdjudicator.Unlocked.selector, channelId, data, _putLocks(end, remaining));
    }

    /// @dev Where memory is free. Nothing else is allocated before the log is written.
    function _free() private pure returns (uint256 pos) {
        assembly ("memory-safe") {
            pos := mload(0x40)
        }
    }

    function _put(uint256 data, uint256 offset, uint256 word) private pure {
        assembly ("memory-safe") {
            mstore(add(data, offset), word)
        }
    }

    function _at(uint256 data, uint256 offset) private pure returns (uint256) {
        unchecked {
            return data + offset;
        }
    }

    function _size(uint256 data, uint256 end) private pure returns (uint256) {
        unchecked {
            return end - data;
        }
    }

    /// @dev A state at `pos`. Returns where it ends.
    function _putState(uint256 pos, State calldata state) private pure returns (uint256 end) {
        Allocation[] calldata allocations = States.allocationsOf(state);
        bytes calldata appData = States.appDataOf(state);
        assembly ("memory-safe") {
            let size := shl(7, allocations.length)
            // version, writer, isFinal, validUntil
            calldatacopy(pos, state, 128)
            mstore(add(pos, 128), 256)
            // locksHash, history
            calldatacopy(add(pos, 160), add(state, 160), 64)
            mstore(add(pos, 224), add(288, size))
            mstore(add(pos, 256), allocations.length)
            calldatacopy(add(pos, 288), allocations.offset, size)
            let tail := add(pos, add(288, size))
            mstore(tail, appData.length)
            tail := add(tail, 32)
            end := add(tail, and(add(appData.length, 31), not(31)))
            // Pads the last word with zeros. Without app data that is the length, which is zero anyway.
            mstore(sub(end, 32), 0)
            calldatacopy(tail, appData.offset, appData.length)
        }
    }

    function _putPairs(uint256 pos, Payments pays) private pure returns (uint256 end) {
        assembly ("memory-safe") {
            let size := add(32, shl(6, mload(pays)))
            mcopy(pos, pays, size)
            end := add(pos, size)
        }
    }

    function _putLocks(uint256 pos, LockList locks) private pure returns (uint256 end) {
        assembly ("memory-safe") {
            let size := add(32, mul(mload(locks), 224))
            mcopy(pos, locks, size)
            end := add(pos, size)
        }
    }

    function _putArray(uint256 pos, uint256[] memory array) private pure returns (uint256 end) {
        assembly ("memory-safe") {
            let size := add(32, shl(5, mload(array)))
            mcopy(pos, array, size)
            end := add(pos, size)
        }
    }

    function _log(bytes32 topic, bytes32 channelId, uint256 data, uint256 end) private {
        assembly ("memory-safe") {
            log2(data, sub(end, data), topic, channelId)
        }
    }
}
