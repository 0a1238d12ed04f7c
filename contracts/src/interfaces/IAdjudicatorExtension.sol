// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {ChannelParams, ChildTerms, Record, Shown, Sig, State} from "./Types.sol";

/// @title The arbiter of channels with an app or a parent
/// @notice Called at the adjudicator's address. A channel that is funded by deposits and has an app is closed, resumed,
/// challenged, answered and settled by the calls of IAdjudicator; a child channel by those here, which show its terms.
/// @dev Signed structure besides those of IAdjudicator: `Activation(bytes32 channelId)`, by the hub.
interface IAdjudicatorExtension {
    /// @notice A move, or a higher version that both signed, was recorded after the period of a dispute. Until and at the
    /// deadline the writer of `state` may move, unless all moves are used up; afterwards the channel can be settled.
    event Progressed(bytes32 indexed channelId, uint256 dispute, uint256 deadline, State state);
    /// @notice A child channel has its outcome for participant 0 and 1: the locks that wait for it can be resolved.
    event Finalised(bytes32 indexed channelId, uint256 outcome0, uint256 outcome1);
    /// @notice The app has code from now on.
    event AppDeployed(address indexed app);

    // ---- apps

    /// @notice A forced move, signed by the record's writer, once the period of a dispute is over. The app has to allow it.
    /// When it gives the pen away, the next writer's turn begins, which lasts one challenge duration; one that keeps it
    /// belongs to the same turn. At most 127 moves of a dispute begin a turn. With the other signature, too, `next` is any
    /// higher state that both signed; the app is not asked, and a turn begins.
    /// `settle` is possible when a turn has passed; what the app's verdict then gives is paid. A turn that was cut short,
    /// because all moves are used up or by the end of a hub's child, is nobody's fault: then a verdict counts only if it is the
    /// same for either writer, and else the state's own deltas are paid.
    /// @param state the recorded one; neither version 0 nor final.
    /// @param next in a forced move of the next version, not final, with `history` the hash of `state`.
    /// @param sig0 all zero when participant 1 moves alone. sig1 likewise.
    function progress(
        ChannelParams calldata params,
        State calldata state,
        State calldata next,
        Sig calldata sig0,
        Sig calldata sig1
    ) external;
    /// @notice Creates an app from its runtime code, at an address that this code alone decides on: that of CREATE2 by the
    /// adjudicator with salt 0 and the init code `0x600b5981380380925939f3` followed by `runtime`. Does nothing when it
    /// is there.
    function deployApp(bytes calldata runtime) external returns (address app);

    // ---- children

    /// @notice Records the outcome of a final state that both signed, and the hub if there is one, whatever is recorded.
    function closeChild(
        ChannelParams calldata params,
        ChildTerms calldata terms,
        State calldata state,
        Sig calldata sig0,
        Sig calldata sig1,
        Sig calldata hubSig
    ) external;
    /// @notice Like `resume`, where a hub has to sign, too.
    function resumeChild(
        ChannelParams calldata params,
        ChildTerms calldata terms,
        Record calldata recorded,
        Sig calldata sig0,
        Sig calldata sig1,
        Sig calldata hubSig
    ) external;
    /// @notice Like `challenge`. A hub is challenger 2: it starts a dispute at what is recorded, from `end` on or while that
    /// is version 0.
    function challengeChild(
        ChannelParams calldata params,
        ChildTerms calldata terms,
        Shown calldata shown,
        uint256 challenger,
        Sig calldata sig
    ) external;
    /// @notice Like `respond`.
    function respondChild(ChannelParams calldata params, ChildTerms calldata terms, Shown calldata shown) external;
    /// @notice Like `progress`. With a hub nobody moves any more when four challenge durations have passed since `end`.
    function progressChild(
        ChannelParams calldata params,
        ChildTerms calldata terms,
        State calldata state,
        State calldata next,
        Sig calldata sig0,
        Sig calldata sig1
    ) external;
    /// @notice Like `settle`: records the outcome of the recorded state.
    function settleChild(ChannelParams calldata params, ChildTerms calldata terms, State calldata state) external;
    /// @notice What a child channel's participants 0 and 1 got; zero before it is finalised.
    function outcome(bytes32 id) external view returns (bool finalised, uint128 outcome0, uint128 outcome1);
}
