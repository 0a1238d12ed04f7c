// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Address} from "@openzeppelin/contracts/utils/Address.sol";
import {Credits} from "./base/Credits.sol";
import {Deposits} from "./base/Deposits.sol";
import {Channel} from "./base/Ledger.sol";
import {Locks} from "./base/Locks.sol";
import {Settlements} from "./base/Settlements.sol";
import {Withdrawals} from "./base/Withdrawals.sol";
import {IAdjudicator} from "./interfaces/IAdjudicator.sol";
import {ChannelParams} from "./interfaces/Types.sol";
import {Holding, Holdings} from "./libraries/Holdings.sol";
import {Params} from "./libraries/Params.sol";
import {Slot} from "./libraries/Records.sol";

/// @title The arbiter of two-party channels
/// @notice Holds deposits, and pays them out by the highest version that both participants signed.
/// @dev `Deposits` takes money in; `Arbitration` decides who may have what; `Withdrawals` and `Settlements` pay; `Locks` resolves what a settled channel keeps
/// back; `Ledger` holds and pays, `Credits` keeps what could not be paid. Channels with an app or a parent are judged by
/// `AdjudicatorExtension`, which did not fit into this contract: its code runs here, on this contract's storage, and its
/// functions are called at this contract's address.
contract Adjudicator is Withdrawals, Deposits, Settlements, Locks, Credits {
    /// @dev The functions of IAdjudicatorExtension.
    fallback() external {
        _delegate();
    }

    /// @inheritdoc IAdjudicator
    function multicall(bytes[] calldata calls) external {
        // Not payable: with a value, each call would count the same coins again. Every call takes the guard itself.
        for (uint256 i = 0; i < calls.length; ++i) {
            Address.functionDelegateCall(address(this), calls[i]);
        }
    }

    /// @inheritdoc IAdjudicator
    function channelId(ChannelParams calldata params) external view returns (bytes32) {
        return Params.check(params);
    }

    /// @inheritdoc IAdjudicator
    function channel(bytes32 id)
        external
        view
        returns (uint8 phase, uint16 dispute, uint40 deadline, bytes25 fingerprint)
    {
        Channel storage channel_ = _channels[id];
        uint256 status = channel_.holdings[0].status();
        // Whatever was recorded of a closed channel has lost its meaning.
        if (status == Holdings.CLOSED) return (2, 0, 0, 0);
        Slot slot = channel_.record;
        phase = status == Holdings.SETTLED ? 1 : 0;
        return (phase, uint16(slot.dispute()), uint40(slot.deadline()), slot.fingerprint());
    }

    /// @inheritdoc IAdjudicator
    function funds(bytes32 id, uint256 assetIndex)
        external
        view
        returns (uint128[2] memory deposited, uint128[2] memory withdrawn, uint128 reserve)
    {
        require(assetIndex < Params.MAX_ASSETS, InvalidAssetIndex());
        Channel storage channel_ = _channels[id];
        Holding first = channel_.holdings[0];
        uint256 status = first.status();
        if (status == Holdings.CLOSED) return (deposited, withdrawn, 0);
        if (status == Holdings.SETTLED) {
            return (deposited, withdrawn, uint128(channel_.holdings[assetIndex].reserve()));
        }
        (uint256 deposit0, uint256 deposit1, uint256 paid0, uint256 paid1) = _balance(channel_, first, assetIndex);
        deposited = [uint128(deposit0), uint128(deposit1)];
        withdrawn = [uint128(paid0), uint128(paid1)];
    }
}
