// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {ChannelParams, Record, Sig, State} from "./Types.sol";

/// @title How every channel that is funded by deposits ends, with an app or without
/// @dev IAdjudicator has the events.
interface IArbitration {
    // ---- with agreement

    /// @notice Pays all by a final state, within its `validUntil`, whatever is recorded. Refused where the deposits do not
    /// cover what the state gives: then there is only `challenge` and `settle`, which divides the shortage.
    function close(ChannelParams calldata params, State calldata state, Sig calldata sig0, Sig calldata sig1) external;
    /// @notice Ends a dispute, within its period or after it as long as nobody settled; both signed
    /// Resume(channelId, dispute).
    /// @param recorded what is recorded.
    function resume(ChannelParams calldata params, Record calldata recorded, Sig calldata sig0, Sig calldata sig1)
        external;

    // ---- disputes

    /// @notice Records a state and starts the period: `respond` and `withdraw` are possible until and at the deadline,
    /// `settle` after it. Version 0 and the recorded state itself need no signatures (pass zeros).
    /// @param previous what is recorded; all zero when nothing is. The state must be above it, or equal to it.
    /// @param challenger 0 or 1.
    /// @param sig of the challenger on Challenge(channelId, dispute, stateHash); all zero when msg.sender is the
    /// challenger's signer or payout.
    function challenge(
        ChannelParams calldata params,
        State calldata state,
        Sig calldata sig0,
        Sig calldata sig1,
        Record calldata previous,
        uint256 challenger,
        Sig calldata sig
    ) external;
    /// @notice Replaces the record by a higher both-signed state within the period; the deadline stays.
    function respond(
        ChannelParams calldata params,
        State calldata state,
        Sig calldata sig0,
        Sig calldata sig1,
        Record calldata previous
    ) external;
    /// @notice Pays free balances by the recorded state after the period. Never refused for its amounts.
    /// @param state the recorded one.
    function settle(ChannelParams calldata params, State calldata state) external;
}
