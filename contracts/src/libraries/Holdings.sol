// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Errors} from "../interfaces/Errors.sol";

/// @notice What a channel holds of one asset, in one slot. Two bits of status (of the first asset only), then
/// while the channel is open: deposits of participant 0 and 1 (127 bits each);
/// after settle: a flag for debts, and what is kept for the locks (128 bits);
/// of a closed child channel: its outcome for participant 0 and 1 (127 bits each).
type Holding is uint256;

using Holdings for Holding global;

/// @title Packing of a holding
library Holdings {
    /// @dev A channel's status. Below SETTLED it is open.
    uint256 internal constant OPEN = 0;
    /// @dev Open, and something was withdrawn: the slots of `paidOut` count. Spares closings their reading.
    uint256 internal constant OPEN_WITHDRAWN = 1;
    uint256 internal constant SETTLED = 2;
    uint256 internal constant CLOSED = 3;

    /// @dev Of one participant's deposits, and of the funds of a child.
    uint256 internal constant MAX_DEPOSIT = (1 << 127) - 1;
    uint256 private constant DEPOSITS_MASK = (1 << 254) - 1;
    uint256 private constant DEBTS_FLAG = 1 << 253;

    /// @notice What is left of a closed channel for ever, so that no old state and no deposit is ever taken again.
    Holding internal constant TOMBSTONE = Holding.wrap(CLOSED << 254);

    /// @notice One of the four constants above.
    function status(Holding holding) internal pure returns (uint256) {
        return Holding.unwrap(holding) >> 254;
    }

    /// @notice The same holding with another status.
    function withStatus(Holding holding, uint256 status_) internal pure returns (Holding) {
        return Holding.wrap(Holding.unwrap(holding) & DEPOSITS_MASK | status_ << 254);
    }

    /// @notice Neither settled nor closed.
    function isOpen(Holding holding) internal pure returns (bool) {
        return Holding.unwrap(holding) >> 255 == 0;
    }

    /// @notice Cumulative deposits of both participants in an open channel.
    function deposits(Holding holding) internal pure returns (uint256 deposit0, uint256 deposit1) {
        return (Holding.unwrap(holding) >> 127 & MAX_DEPOSIT, Holding.unwrap(holding) & MAX_DEPOSIT);
    }

    /// @notice The tombstone of a child channel. Both amounts together are at most MAX_DEPOSIT.
    function ofOutcome(uint256 outcome0, uint256 outcome1) internal pure returns (Holding) {
        return Holding.wrap(CLOSED << 254 | outcome0 << 127 | outcome1);
    }

    /// @notice What a closed child channel gave to participant 0 and 1; zero of any other closed channel.
    function outcome(Holding holding) internal pure returns (uint256 outcome0, uint256 outcome1) {
        return deposits(holding);
    }

    /// @notice Adds to one participant's deposits.
    function add(Holding holding, uint256 participant, uint256 amount) internal pure returns (Holding) {
        require(participant < 2, Errors.InvalidParticipant());
        uint256 shift = participant == 0 ? 127 : 0;
        uint256 deposited = Holding.unwrap(holding) >> shift & MAX_DEPOSIT;
        require(amount <= MAX_DEPOSIT - deposited, Errors.DepositTooLarge());
        // Cannot carry into the neighbouring bits: just checked.
        unchecked {
            return Holding.wrap(Holding.unwrap(holding) + (amount << shift));
        }
    }

    /// @notice What a settled channel keeps for its locks. `hasDebts`: the slot of debts is to be read.
    function ofReserve(uint256 reserve_, bool hasDebts_) internal pure returns (Holding) {
        return Holding.wrap(reserve_ | (hasDebts_ ? DEBTS_FLAG : 0));
    }

    /// @notice What is kept for the locks of a settled channel.
    function reserve(Holding holding) internal pure returns (uint256) {
        return uint128(Holding.unwrap(holding));
    }

    /// @notice Whether a participant's shortage is to be taken from what unlocks to it.
    function hasDebts(Holding holding) internal pure returns (bool) {
        return Holding.unwrap(holding) & DEBTS_FLAG != 0;
    }
}

/// @notice Two amounts of 128 bits, of participant 0 (high) and 1 (low).
type Pair is uint256;

using Pairs for Pair global;

/// @title Packing of a pair
library Pairs {
    /// @notice Both below 2^128.
    function pack(uint256 amount0, uint256 amount1) internal pure returns (Pair) {
        return Pair.wrap(amount0 << 128 | amount1);
    }

    /// @notice Both amounts.
    function unpack(Pair pair) internal pure returns (uint256 amount0, uint256 amount1) {
        return (Pair.unwrap(pair) >> 128, uint128(Pair.unwrap(pair)));
    }
}
