// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IApp} from "../interfaces/IApp.sol";
import {State} from "../interfaces/Types.sol";
import {Stakes} from "./Stakes.sol";

/// @notice The app data: abi.encode of this. Bit 7 * column + row of a participant's discs, rows from below; row 6 stays
/// empty, so that no line wraps.
struct Board {
    /// Of the first asset, from each.
    uint128 stake;
    uint64 discs0;
    uint64 discs1;
}

/// @title Connect four, on 7 columns of 6
/// @notice Who stalls loses, unless there are four in a row or the board is full.
contract ConnectFour is IApp {
    /// There are four in a row, or no cell is free.
    error GameOver();
    /// A move adds one disc, in the lowest free cell of a column. What was added or taken away, as bits of the board.
    error OneDiscFalls(uint256 changed);
    /// A move adds a disc to the mover's own, and hands over to the other.
    error NothingElseMayChange();

    /// @dev The lowest cell of every column.
    uint256 private constant BOTTOM = 0x40810204081;
    uint256 private constant ALL = BOTTOM * 63;

    /// @inheritdoc IApp
    function validTransition(State calldata state, State calldata next) external pure returns (bool) {
        Board memory board = abi.decode(state.appData, (Board));
        require(_winner(board) == 2 && !_isFull(board), GameOver());
        uint256 taken = board.discs0 | board.discs1;
        Board memory after_ = abi.decode(next.appData, (Board));
        uint256 disc = (after_.discs0 | after_.discs1) ^ taken;
        // Adding the lowest cell of each column carries into its lowest free one.
        bool falls = disc & (taken + BOTTOM) == disc && disc & ALL == disc;
        bool one = disc != 0 && disc & (disc - 1) == 0;
        require(falls && one, OneDiscFalls(disc));
        if (state.writer == 0) board.discs0 |= uint64(disc);
        else board.discs1 |= uint64(disc);
        bool asComputed = keccak256(next.appData) == keccak256(abi.encode(board));
        require(asComputed && next.writer != state.writer && Stakes.unchanged(state, next), NothingElseMayChange());
        return true;
    }

    /// @inheritdoc IApp
    function verdict(State calldata state) external pure returns (int128[2][] memory deltas) {
        Board memory board = abi.decode(state.appData, (Board));
        uint256 winner = _winner(board);
        if (winner > 1) {
            if (_isFull(board)) return Stakes.draw(state);
            winner = 1 - state.writer;
        }
        return Stakes.wonBy(winner, board.stake, state);
    }

    /// @dev 2 when nobody has won.
    function _winner(Board memory board) private pure returns (uint256) {
        if (_hasFour(board.discs0)) return 0;
        return _hasFour(board.discs1) ? 1 : 2;
    }

    function _isFull(Board memory board) private pure returns (bool) {
        return board.discs0 | board.discs1 == ALL;
    }

    /// @dev Upright, level, and both diagonals.
    function _hasFour(uint256 discs) private pure returns (bool) {
        return _inLine(discs, 1) || _inLine(discs, 7) || _inLine(discs, 6) || _inLine(discs, 8);
    }

    function _inLine(uint256 discs, uint256 step) private pure returns (bool) {
        uint256 pairs = discs & discs >> step;
        return pairs & pairs >> 2 * step != 0;
    }
}
