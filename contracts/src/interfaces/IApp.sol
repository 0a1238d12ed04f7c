// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {State} from "./Types.sol";

/// @title The rules of a channel
/// @notice Both functions depend on their arguments alone: nodes run the same bytecode off chain, and the adjudicator when
/// there is a dispute. `ChannelParams.app` is the address that `deployApp` gives to it, so that its code is known before
/// it is on chain, and can never be another.
/// @dev Each call gets 1,000,000 gas and no more. Nodes refuse what takes more than half of that, and code with opcodes that
/// read anything but the arguments, or that call or create. A call that reverts, runs out of gas or returns anything
/// but the canonical encoding counts as no answer.
interface IApp {
    /// @notice Whether `state.writer` may move from `state` to `next`.
    /// @dev The adjudicator and the nodes see to the rest: that the version is one higher, that what participants own adds
    /// up, that there are no locks, and that `history` is right. The app decides on everything that is its own: who writes
    /// next, what the app data are, and how `allocations` may change. It is never asked about a final state.
    function validTransition(State calldata state, State calldata next) external pure returns (bool);

    /// @notice What participant 0 and 1 gain or lose, per asset, if `state` is the last word: `state.writer` had its time to
    /// move and did not. Of each asset both together give zero.
    /// @dev A move is valid only if this succeeds on the state that it leads to.
    /// When forced moves have reached their limit in number or time, nobody is to blame. Then this is asked for both writers,
    /// and counts if the answers are the same; else the deltas of the state itself are paid. So let the answer depend on
    /// `state.writer` as long as somebody may move, and not once the game is over; and let neither it nor `allocations`
    /// grant a claim that the other may still answer, except as the price of a stall.
    function verdict(State calldata state) external pure returns (int128[2][] memory deltas);
}
