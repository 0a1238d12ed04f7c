// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IApp} from "../interfaces/IApp.sol";
import {State} from "../interfaces/Types.sol";

/// @notice The app data: abi.encode of this.
struct Heap {
    /// Of the first asset, from each.
    uint128 stake;
    /// What is left.
    uint8 sticks;
}

/// @title Sticks: each in turn takes one to three, and who takes the last wins
contract Sticks is IApp {
    /// All sticks are taken.
    error GameOver();
    /// A move takes one to three of them.
    error TakeOneToThree(uint256 before, uint256 left);
    /// More than a balance can change by.
    error StakeTooHigh(uint128 stake);
    /// A move changes the number of sticks, and hands over to the other.
    error NothingElseMayChange();

    /// @inheritdoc IApp
    function validTransition(State calldata state, State calldata next) external pure returns (bool) {
        Heap memory heap = abi.decode(state.appData, (Heap));
        uint8 left = abi.decode(next.appData, (Heap)).sticks;
        require(heap.sticks != 0, GameOver());
        require(left < heap.sticks && heap.sticks - left <= 3, TakeOneToThree(heap.sticks, left));
        heap.sticks = left;
        bool sameData = keccak256(next.appData) == keccak256(abi.encode(heap));
        bool sameMoney = keccak256(abi.encode(next.allocations)) == keccak256(abi.encode(state.allocations));
        require(sameData && sameMoney && next.writer != state.writer, NothingElseMayChange());
        return true;
    }

    /// @inheritdoc IApp
    /// @dev Who is to move loses: it stalls, or the other took the last stick.
    function verdict(State calldata state) external pure returns (int128[2][] memory deltas) {
        Heap memory heap = abi.decode(state.appData, (Heap));
        require(heap.stake <= uint128(type(int128).max), StakeTooHigh(heap.stake));
        // forge-lint: disable-next-line(unsafe-typecast) checked
        int128 stake = int128(heap.stake);
        deltas = new int128[2][](state.allocations.length);
        for (uint256 k = 0; k < deltas.length; ++k) {
            deltas[k] = [state.allocations[k].delta0, state.allocations[k].delta1];
        }
        deltas[0][state.writer] -= stake;
        deltas[0][1 - state.writer] += stake;
    }
}
