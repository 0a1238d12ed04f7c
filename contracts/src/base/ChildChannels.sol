// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IAdjudicatorExtension} from "../interfaces/IAdjudicatorExtension.sol";
import {ChannelParams, ChildTerms, Record, Shown, Sig, State} from "../interfaces/Types.sol";
import {Apps} from "../libraries/Apps.sol";
import {Children} from "../libraries/Children.sol";
import {Division} from "../libraries/Division.sol";
import {Hashing} from "../libraries/Hashing.sol";
import {Holding, Holdings} from "../libraries/Holdings.sol";
import {Slot} from "../libraries/Records.sol";
import {Signatures} from "../libraries/Signatures.sol";
import {States} from "../libraries/States.sol";
import {FreeRules} from "./FreeRules.sol";
import {Channel} from "./Ledger.sol";

/// @title Channels that are funded by a lock in a parent, or over a hub in two
/// @dev Nothing is paid here: the outcome is recorded, and the parents' locks are resolved by it. A hub takes no part in
/// what the two agree on: so nothing counts before it is bound to both of them (Activation), no outcome is agreed without
/// it, no dispute is resumed without it, and from `end` on it brings one about itself.
abstract contract ChildChannels is FreeRules {
    /// @dev As challenger, and in errors.
    uint256 private constant HUB = 2;

    /// @inheritdoc IAdjudicatorExtension
    function closeChild(
        ChannelParams calldata params,
        ChildTerms calldata terms,
        State calldata state,
        Sig calldata sig0,
        Sig calldata sig1,
        Sig calldata hubSig
    ) external whenIdle {
        bytes32 id = Children.check(params, terms);
        (Channel storage channel_,) = _openChannel(id);
        require(state.isFinal, WrongFinality());
        require(block.timestamp <= States.validUntil(state), Expired());
        bytes32 stateHash = _requireAgreed(params, id, state, sig0, sig1);
        _requireHub(terms, stateHash, hubSig);
        (int256 delta0, int256 delta1,,) = States.allocation(States.allocationsOf(state), 0);
        require(_owns(terms.amount0, delta0) && _owns(terms.amount1, delta1), Underfunded(0));
        _finalise(channel_, id, terms, delta0, delta1);
    }

    /// @inheritdoc IAdjudicatorExtension
    function resumeChild(
        ChannelParams calldata params,
        ChildTerms calldata terms,
        Record calldata recorded,
        Sig calldata sig0,
        Sig calldata sig1,
        Sig calldata hubSig
    ) external whenIdle {
        bytes32 resumeHash = _resume(Children.check(params, terms), recorded);
        _requireBoth(params, _digest(resumeHash), sig0, sig1);
        _requireHub(terms, resumeHash, hubSig);
    }

    /// @inheritdoc IAdjudicatorExtension
    function challengeChild(
        ChannelParams calldata params,
        ChildTerms calldata terms,
        Shown calldata shown,
        uint256 challenger,
        Sig calldata sig
    ) external whenIdle {
        bytes32 id = Children.check(params, terms);
        State calldata state = shown.state;
        _requireActive(terms, id, shown);
        bytes32 challengeHash = _challenge(params, id, state, shown.sig0, shown.sig1, shown.previous, challenger);
        if (challenger != HUB || terms.hub == address(0)) {
            _requireChallenger(params, challengeHash, challenger, sig);
            return;
        }
        bool atRecord = state.version == shown.previous.version;
        require(atRecord && (state.version == 0 || block.timestamp >= terms.end), HubNotEntitled());
        if (msg.sender != terms.hub) _requireHub(terms, challengeHash, sig);
    }

    /// @inheritdoc IAdjudicatorExtension
    function respondChild(ChannelParams calldata params, ChildTerms calldata terms, Shown calldata shown)
        external
        whenIdle
    {
        bytes32 id = Children.check(params, terms);
        _requireActive(terms, id, shown);
        _respond(params, id, shown.state, shown.sig0, shown.sig1, shown.previous);
    }

    /// @inheritdoc IAdjudicatorExtension
    function progressChild(
        ChannelParams calldata params,
        ChildTerms calldata terms,
        State calldata state,
        State calldata next,
        Sig calldata sig0,
        Sig calldata sig1
    ) external whenIdle {
        bytes32 id = Children.check(params, terms);
        _progress(params, id, Children.lastMove(params, terms), state, next, sig0, sig1);
    }

    /// @inheritdoc IAdjudicatorExtension
    function settleChild(ChannelParams calldata params, ChildTerms calldata terms, State calldata state)
        external
        whenIdle
    {
        bytes32 id = Children.check(params, terms);
        (Channel storage channel_,) = _openChannel(id);
        bool stalled = _requireSettled(params, id, channel_.record, Children.lastMove(params, terms), state);
        (int256 delta0, int256 delta1) = Apps.deltaOf(_lastDeltas(params, state, stalled), 0);
        _finalise(channel_, id, terms, delta0, delta1);
    }

    /// @inheritdoc IAdjudicatorExtension
    function outcome(bytes32 id) external view returns (bool finalised, uint128 outcome0, uint128 outcome1) {
        Holding holding = _channels[id].holdings[0];
        if (holding.status() != Holdings.CLOSED) return (false, 0, 0);
        (uint256 amount0, uint256 amount1) = holding.outcome();
        return (true, uint128(amount0), uint128(amount1));
    }

    /// @dev Writes the outcome, for ever.
    function _finalise(Channel storage channel_, bytes32 id, ChildTerms calldata terms, int256 delta0, int256 delta1)
        private
    {
        (uint256 outcome0, uint256 outcome1) = Division.share(terms.amount0, terms.amount1, delta0, delta1);
        channel_.holdings[0] = Holdings.ofOutcome(outcome0, outcome1);
        channel_.record = Slot.wrap(0);
        emit Finalised(id, outcome0, outcome1);
    }

    /// @dev Above version 0 nothing counts before the hub has signed that it is bound in both parents. What is recorded
    /// above version 0 was recorded with that.
    function _requireActive(ChildTerms calldata terms, bytes32 id, Shown calldata shown) private view {
        if (shown.state.version != 0 && shown.previous.version == 0) {
            _requireHub(terms, Hashing.activation(id), shown.activation);
        }
    }

    /// @dev The hub signed this struct, if there is a hub.
    function _requireHub(ChildTerms calldata terms, bytes32 structHash, Sig calldata sig) private view {
        if (terms.hub != address(0)) Signatures.check(sig, _digest(structHash), terms.hub, HUB);
    }

    function _owns(uint128 amount, int256 delta) private pure returns (bool) {
        return int256(uint256(amount)) + delta >= 0;
    }
}
