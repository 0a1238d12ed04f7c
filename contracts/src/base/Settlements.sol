// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IArbitration} from "../interfaces/IArbitration.sol";
import {Allocation, ChannelParams, State} from "../interfaces/Types.sol";
import {Division} from "../libraries/Division.sol";
import {Holding, Holdings, Pairs} from "../libraries/Holdings.sol";
import {Logs} from "../libraries/Logs.sol";
import {Payments, PaymentsLib} from "../libraries/Payments.sol";
import {Records, Slot} from "../libraries/Records.sol";
import {States} from "../libraries/States.sol";
import {Channel} from "./Ledger.sol";
import {PaymentRules} from "./PaymentRules.sol";

/// @title How a payment channel is divided when its dispute ended by time
abstract contract Settlements is PaymentRules {
    /// @inheritdoc IArbitration
    function settle(ChannelParams calldata params, State calldata state) external {
        _settle(params, _checked(params), state);
    }

    function _settle(ChannelParams calldata params, bytes32 id, State calldata state) private nonReentrant {
        (Channel storage channel_, Holding first) = _openChannel(id);
        Slot slot = channel_.record;
        uint256 deadline = slot.deadline();
        require(deadline != 0, NotDisputed());
        require(block.timestamp > deadline, PeriodRunning());
        slot.checkVersion(id, States.version(state), _stateHash(params, id, state));

        (Payments pays, uint256[] memory reserves, bool ended) = _divide(channel_, first, States.allocationsOf(state));
        bytes32 locksHash = state.locksHash;
        // Without locks nothing is held back: such a state locks nothing, and then the claims cover all.
        channel_.record = ended ? Slot.wrap(0) : Records.ofLocks(id, locksHash, slot.dispute());
        Logs.settled(id, pays, reserves, locksHash);
        _payOut(params, pays);
    }

    /// @dev Divides every asset and writes what remains: reserves and debts, or the tombstone when nothing is kept.
    function _divide(Channel storage channel_, Holding first, Allocation[] calldata allocations)
        private
        returns (Payments pays, uint256[] memory reserves, bool ended)
    {
        pays = PaymentsLib.create(allocations.length);
        reserves = new uint256[](allocations.length);
        ended = true;
        Holding remaining = Holding.wrap(0);
        for (uint256 k = 0; k < allocations.length; ++k) {
            (Holding holding, uint256 reserve) = _divideAsset(channel_, first, allocations, k, pays);
            _forget(channel_, first, k);
            if (reserve == 0) continue;
            ended = false;
            reserves[k] = reserve;
            if (k == 0) remaining = holding;
            else channel_.holdings[k] = holding;
        }
        channel_.holdings[0] = remaining.withStatus(ended ? Holdings.CLOSED : Holdings.SETTLED);
    }

    function _divideAsset(
        Channel storage channel_,
        Holding first,
        Allocation[] calldata allocations,
        uint256 assetIndex,
        Payments pays
    ) private returns (Holding remaining, uint256 reserve) {
        (uint256 deposit0, uint256 deposit1, uint256 paid0, uint256 paid1) = _balance(channel_, first, assetIndex);
        (int256 claim0, int256 claim1) = Division.claims(allocations, assetIndex, deposit0, deposit1, paid0, paid1);
        uint256 pay0;
        uint256 pay1;
        (pay0, pay1, reserve) = Division.divide(claim0, claim1, Division.held(deposit0, deposit1, paid0, paid1));
        pays.set(assetIndex, pay0, pay1);
        if (reserve == 0) return (remaining, 0);
        bool hasDebts = claim0 < 0 || claim1 < 0;
        if (hasDebts) channel_.debts[assetIndex] = Pairs.pack(Division.debt(claim0), Division.debt(claim1));
        remaining = Holdings.ofReserve(reserve, hasDebts);
    }
}
