// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Allocation} from "../interfaces/Types.sol";

/// @notice How one asset of a channel is divided.
struct Shares {
    uint256 pay0;
    uint256 pay1;
    /// Kept for the locks.
    uint256 reserve;
    /// Shortage of a participant whose claim was negative; taken from what unlocks to it. Zero without a reserve.
    uint256 debt0;
    uint256 debt1;
}

/// @title Who gets what of one asset
/// @dev All inputs have 128 bits or fewer, so that nothing here overflows 256: an asset with absurd amounts cannot
/// keep another one from being paid.
library Division {
    /// @notice What each participant may claim, including what is withdrawn but not yet paid. May be negative: a state
    /// can count on deposits that never came.
    function claims(Allocation calldata allocation, uint256 deposit0, uint256 deposit1, uint256 paid0, uint256 paid1)
        internal
        pure
        returns (int256 claim0, int256 claim1)
    {
        unchecked {
            claim0 = int256(deposit0 + allocation.withdrawn0) - int256(paid0) + allocation.delta0;
            claim1 = int256(deposit1 + allocation.withdrawn1) - int256(paid1) + allocation.delta1;
        }
    }

    /// @notice Divides what is held. Never reverts and never gives out more than `held`.
    /// @dev With `locked` the amount in locks: claim0 + claim1 + locked == held. A negative claim is that
    /// participant's debt. The other one's free balance comes first, then the locks get the rest; so the debtor's
    /// locks shrink, and the other loses only what was never deposited.
    function divide(int256 claim0, int256 claim1, uint256 held) internal pure returns (Shares memory shares) {
        unchecked {
            shares.pay0 = _payable(claim0, held);
            shares.pay1 = _payable(claim1, held);
            // Both together never exceed `held`: of two positive claims the sum is at most `held`, and
            // next to a claim that is not positive nothing is paid.
            shares.reserve = held - shares.pay0 - shares.pay1;
            if (shares.reserve != 0) {
                shares.debt0 = claim0 < 0 ? uint256(-claim0) : 0;
                shares.debt1 = claim1 < 0 ? uint256(-claim1) : 0;
            }
        }
    }

    function _payable(int256 claim, uint256 held) private pure returns (uint256) {
        if (claim <= 0) return 0;
        return uint256(claim) < held ? uint256(claim) : held;
    }
}
