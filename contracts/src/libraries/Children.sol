// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Errors} from "../interfaces/Errors.sol";
import {ChannelParams, ChildTerms} from "../interfaces/Types.sol";
import {Hashing} from "./Hashing.sol";
import {Holdings} from "./Holdings.sol";
import {Params} from "./Params.sol";

/// @title Terms of child channels
library Children {
    /// @notice Challenge durations after `end` during which a hub's child can still be forced to move: one in which states
    /// are shown, three of moves.
    uint256 internal constant PERIODS_AFTER_END = 4;

    /// @notice Checks everything that the parameters and the terms alone can break.
    /// @return The child's id.
    function check(ChannelParams calldata params, ChildTerms calldata terms) internal view returns (bytes32) {
        require(params.child == Hashing.childTerms(terms), Errors.ChildTermsMismatch());
        require(Params.assetsOf(params).length == 1, Errors.InvalidChild());
        uint256 amount0 = terms.amount0;
        require(amount0 + terms.amount1 <= Holdings.MAX_DEPOSIT, Errors.InvalidChild());
        return Params.check(params);
    }

    /// @notice Last second at which anyone can be forced to move: the hub's capital must come free.
    function lastMove(ChannelParams calldata params, ChildTerms calldata terms) internal pure returns (uint256) {
        if (terms.hub == address(0)) return type(uint256).max;
        return uint256(terms.end) + PERIODS_AFTER_END * Params.challengeDuration(params);
    }
}
