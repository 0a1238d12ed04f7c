// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Allocation} from "../interfaces/Types.sol";
import {States} from "./States.sol";

/// @title Who gets what of one asset
/// @dev All inputs have 128 bits or fewer, so that nothing here overflows 256: an asset with absurd amounts cannot
/// keep another one from being paid.
library Division {
    /// @notice What each participant may claim, including what is withdrawn but not yet paid. May be negative: a state
    /// can count on deposits that never came.
    function claims(
        Allocation[] calldata allocations,
        uint256 assetIndex,
        uint256 deposit0,
        uint256 deposit1,
        uint256 paid0,
        uint256 paid1
    ) internal pure returns (int256 claim0, int256 claim1) {
        (int256 delta0, int256 delta1, uint256 withdrawn0, uint256 withdrawn1) =
            States.allocation(allocations, assetIndex);
        unchecked {
            claim0 = int256(deposit0 + withdrawn0) - int256(paid0) + delta0;
            claim1 = int256(deposit1 + withdrawn1) - int256(paid1) + delta1;
        }
    }

    /// @notice What is left of the deposits; never less than nothing, since only that is ever paid out.
    function held(uint256 deposit0, uint256 deposit1, uint256 paid0, uint256 paid1) internal pure returns (uint256) {
        unchecked {
            return deposit0 + deposit1 - paid0 - paid1;
        }
    }

    /// @notice Divides what is held. Never reverts and never gives out more than `total`.
    /// @dev With `locked` the amount in locks: claim0 + claim1 + locked == total. A negative claim is that
    /// participant's debt. The other one's free balance comes first, then the locks get the rest; so the debtor's
    /// locks shrink, and the other loses only what was never deposited.
    function divide(int256 claim0, int256 claim1, uint256 total)
        internal
        pure
        returns (uint256 pay0, uint256 pay1, uint256 reserve)
    {
        unchecked {
            pay0 = _payable(claim0, total);
            pay1 = _payable(claim1, total);
            // Both together never exceed `total`: of two positive claims the sum is at most `total`, and
            // next to a claim that is not positive nothing is paid.
            reserve = total - pay0 - pay1;
        }
    }

    /// @notice Divides what two put in, of which nothing is locked or was paid. The parts are all of it.
    /// @dev `delta0 + delta1` is zero, so that of the two claims at most one is negative, and then the other has all.
    function share(uint256 amount0, uint256 amount1, int256 delta0, int256 delta1)
        internal
        pure
        returns (uint256 part0, uint256 part1)
    {
        unchecked {
            (part0, part1,) = divide(int256(amount0) + delta0, int256(amount1) + delta1, amount0 + amount1);
        }
    }

    /// @notice A participant's shortage, which is taken from what unlocks to it.
    function debt(int256 claim) internal pure returns (uint256) {
        unchecked {
            return claim < 0 ? uint256(-claim) : 0;
        }
    }

    function _payable(int256 claim, uint256 total) private pure returns (uint256) {
        if (claim <= 0) return 0;
        return uint256(claim) < total ? uint256(claim) : total;
    }
}
