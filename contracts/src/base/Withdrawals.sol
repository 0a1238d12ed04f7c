// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {IAdjudicator} from "../interfaces/IAdjudicator.sol";
import {Allocation, ChannelParams, Record, Sig, State} from "../interfaces/Types.sol";
import {Division} from "../libraries/Division.sol";
import {Holding, Holdings, Pairs} from "../libraries/Holdings.sol";
import {Logs} from "../libraries/Logs.sol";
import {Params} from "../libraries/Params.sol";
import {Payments, PaymentsLib} from "../libraries/Payments.sol";
import {Records, Slot} from "../libraries/Records.sol";
import {States} from "../libraries/States.sol";
import {Channel} from "./Ledger.sol";
import {PaymentRules} from "./PaymentRules.sol";

/// @title What both participants of a payment channel take out of it by agreement while it lives
/// @dev EIP712 serves EIP-5267 only, by which wallets learn the domain.
abstract contract Withdrawals is IAdjudicator, PaymentRules, EIP712("Strait", "1") {
    /// @inheritdoc IAdjudicator
    function withdraw(
        ChannelParams calldata params,
        State calldata state,
        Sig calldata sig0,
        Sig calldata sig1,
        Record calldata previous
    ) external nonReentrant {
        bytes32 id = Params.checkPayment(params);
        (Channel storage channel_, Holding first) = _openChannel(id);
        require(!state.isFinal, WrongFinality());
        require(block.timestamp <= States.validUntil(state), Expired());
        Slot slot = channel_.record;
        uint256 deadline = slot.deadline();
        // In a dispute this is a response, and as one it comes too late after the period.
        require(deadline == 0 || block.timestamp <= deadline, PeriodOver());
        (, uint256 recordedVersion) = slot.check(id, previous);
        require(States.version(state) > recordedVersion, StaleState());
        bytes32 stateHash = _requireAgreed(params, id, state, sig0, sig1);
        channel_.record = Records.ofVersion(id, States.version(state), stateHash, deadline, slot.dispute());
        Payments pays = _withdrawnPays(channel_, first, States.allocationsOf(state));
        Logs.withdrawn(id, state, pays);
        _payOut(params, pays);
    }

    /// @dev What `withdrawn` grew by since the last withdrawal, where both keep a claim that is not negative.
    function _withdrawnPays(Channel storage channel_, Holding first, Allocation[] calldata allocations)
        private
        returns (Payments pays)
    {
        pays = PaymentsLib.create(allocations.length);
        for (uint256 k = 0; k < allocations.length; ++k) {
            (,, uint256 withdrawn0, uint256 withdrawn1) = States.allocation(allocations, k);
            (uint256 deposit0, uint256 deposit1, uint256 paid0, uint256 paid1) = _balance(channel_, first, k);
            require(withdrawn0 >= paid0 && withdrawn1 >= paid1, WithdrawnDecreased(k));
            pays.set(k, withdrawn0 - paid0, withdrawn1 - paid1);
            // What is left to each afterwards, when all that is withdrawn is paid.
            (int256 left0, int256 left1) = Division.claims(allocations, k, deposit0, deposit1, withdrawn0, withdrawn1);
            require(left0 >= 0 && left1 >= 0, Underfunded(k));
            channel_.paidOut[k] = Pairs.pack(withdrawn0, withdrawn1);
        }
        if (first.status() == Holdings.OPEN) channel_.holdings[0] = first.withStatus(Holdings.OPEN_WITHDRAWN);
    }
}
