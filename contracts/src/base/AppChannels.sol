// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IAdjudicatorExtension} from "../interfaces/IAdjudicatorExtension.sol";
import {IArbitration} from "../interfaces/IArbitration.sol";
import {ChannelParams, Sig, State} from "../interfaces/Types.sol";
import {Apps} from "../libraries/Apps.sol";
import {Division} from "../libraries/Division.sol";
import {Holding, Holdings} from "../libraries/Holdings.sol";
import {Logs} from "../libraries/Logs.sol";
import {Params} from "../libraries/Params.sol";
import {Payments, PaymentsLib} from "../libraries/Payments.sol";
import {Slot} from "../libraries/Records.sol";
import {FreeRules} from "./FreeRules.sol";
import {Channel} from "./Ledger.sol";

/// @title Channels with an app that are funded by deposits
/// @dev The adjudicator delegates the calls of IArbitration here when they show such a channel.
abstract contract AppChannels is FreeRules {
    uint256 private constant FOR_EVER = type(uint256).max;

    /// @inheritdoc IArbitration
    function settle(ChannelParams calldata params, State calldata state) external nonReentrant {
        bytes32 id = _checked(params);
        (Channel storage channel_, Holding first) = _openChannel(id);
        bool stalled = _requireSettled(params, id, channel_.record, FOR_EVER, state);
        uint256 deltas = _lastDeltas(params, state, stalled);
        Payments pays = _finalPays(channel_, first, deltas, Params.assetsOf(params).length);
        channel_.holdings[0] = Holdings.TOMBSTONE;
        channel_.record = Slot.wrap(0);
        Logs.settled(id, pays, new uint256[](Params.assetsOf(params).length), 0);
        _payOut(params, pays);
    }

    /// @inheritdoc IAdjudicatorExtension
    function progress(
        ChannelParams calldata params,
        State calldata state,
        State calldata next,
        Sig calldata sig0,
        Sig calldata sig1
    ) external whenIdle {
        _progress(params, _checked(params), FOR_EVER, state, next, sig0, sig1);
    }

    /// @inheritdoc IAdjudicatorExtension
    function deployApp(bytes calldata runtime) external whenIdle returns (address app) {
        bool created;
        (app, created) = Apps.deploy(runtime);
        if (created) emit AppDeployed(app);
    }

    /// @dev Divides all deposits: nothing was ever withdrawn, and nothing is locked.
    function _finalPays(Channel storage channel_, Holding first, uint256 deltas, uint256 assetCount)
        private
        returns (Payments pays)
    {
        pays = PaymentsLib.create(assetCount);
        for (uint256 k = 0; k < assetCount; ++k) {
            (uint256 deposit0, uint256 deposit1,,) = _balance(channel_, first, k);
            (int256 delta0, int256 delta1) = Apps.deltaOf(deltas, k);
            (uint256 pay0, uint256 pay1) = Division.share(deposit0, deposit1, delta0, delta1);
            pays.set(k, pay0, pay1);
            _forget(channel_, first, k);
        }
    }

    function _checked(ChannelParams calldata params) internal view override returns (bytes32) {
        require(params.child == 0, ChildChannel());
        require(params.app != address(0), NoApp());
        return Params.check(params);
    }
}
