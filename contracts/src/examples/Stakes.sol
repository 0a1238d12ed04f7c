// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {State} from "../interfaces/Types.sol";

/// @title Verdicts of games for a stake of the first asset
library Stakes {
    /// More than a balance can change by.
    error StakeTooHigh(uint128 stake);

    /// @notice What the state itself says: nobody wins.
    function draw(State calldata state) internal pure returns (int128[2][] memory deltas) {
        deltas = new int128[2][](state.allocations.length);
        for (uint256 k = 0; k < deltas.length; ++k) {
            deltas[k] = [state.allocations[k].delta0, state.allocations[k].delta1];
        }
    }

    /// @notice The loser's stake is the winner's.
    function wonBy(uint256 winner, uint128 stake, State calldata state)
        internal
        pure
        returns (int128[2][] memory deltas)
    {
        deltas = draw(state);
        // A stake that does not fit makes this revert: then there is no verdict, and no move to here was possible.
        require(stake <= uint128(type(int128).max), StakeTooHigh(stake));
        // forge-lint: disable-next-line(unsafe-typecast) checked
        int128 won = winner == 0 ? int128(stake) : -int128(stake);
        deltas[0][0] += won;
        deltas[0][1] -= won;
    }

    /// @notice A game's moves leave the balances alone until the verdict.
    function unchanged(State calldata state, State calldata next) internal pure returns (bool) {
        return keccak256(abi.encode(state.allocations)) == keccak256(abi.encode(next.allocations));
    }
}
