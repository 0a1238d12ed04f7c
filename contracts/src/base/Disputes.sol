// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IAdjudicator} from "../interfaces/IAdjudicator.sol";
import {Allocation, ChannelParams, Record, Sig, State} from "../interfaces/Types.sol";
import {Division} from "../libraries/Division.sol";
import {Hashing} from "../libraries/Hashing.sol";
import {Holding, Holdings, Pairs} from "../libraries/Holdings.sol";
import {Logs} from "../libraries/Logs.sol";
import {Params} from "../libraries/Params.sol";
import {Payments, PaymentsLib} from "../libraries/Payments.sol";
import {Records, Slot} from "../libraries/Records.sol";
import {Signatures} from "../libraries/Signatures.sol";
import {States} from "../libraries/States.sol";
import {Agreements} from "./Agreements.sol";
import {Channel} from "./Ledger.sol";

/// @title What one participant can do alone: challenge, respond, settle
/// @dev One period of fixed length, which nobody can extend or clear alone: both need show their best state only once.
abstract contract Disputes is Agreements {
    /// @inheritdoc IAdjudicator
    function challenge(
        ChannelParams calldata params,
        State calldata state,
        Sig calldata sig0,
        Sig calldata sig1,
        Record calldata previous,
        uint256 challenger,
        Sig calldata sig
    ) external whenIdle {
        bytes32 id = Params.checkPayment(params);
        (Channel storage channel_,) = _openChannel(id);
        Slot slot = channel_.record;
        require(slot.deadline() == 0, AlreadyDisputed());
        bytes32 stateHash = _challengeable(params, id, state, sig0, sig1, slot, previous);
        _requireChallenger(params, Hashing.challenge(id, slot.dispute(), stateHash), challenger, sig);
        uint256 deadline;
        unchecked {
            deadline = block.timestamp + Params.challengeDuration(params);
        }
        slot = Records.ofVersion(id, States.version(state), stateHash, deadline, slot.dispute());
        channel_.record = slot;
        Logs.challenged(id, challenger, slot, state);
    }

    /// @inheritdoc IAdjudicator
    function respond(
        ChannelParams calldata params,
        State calldata state,
        Sig calldata sig0,
        Sig calldata sig1,
        Record calldata previous
    ) external whenIdle {
        bytes32 id = Params.checkPayment(params);
        (Channel storage channel_,) = _openChannel(id);
        Slot slot = channel_.record;
        uint256 deadline = slot.deadline();
        require(deadline != 0, NotDisputed());
        require(block.timestamp <= deadline, PeriodOver());
        (, uint256 recordedVersion) = slot.check(id, previous);
        require(States.version(state) > recordedVersion, StaleState());
        bytes32 stateHash = _requireAgreed(params, id, state, sig0, sig1);
        uint256 dispute = slot.dispute();
        channel_.record = Records.ofVersion(id, States.version(state), stateHash, deadline, dispute);
        Logs.responded(id, dispute, state);
    }

    /// @inheritdoc IAdjudicator
    function settle(ChannelParams calldata params, State calldata state) external nonReentrant {
        bytes32 id = Params.checkPayment(params);
        (Channel storage channel_, Holding first) = _openChannel(id);
        Slot slot = channel_.record;
        uint256 deadline = slot.deadline();
        require(deadline != 0, NotDisputed());
        require(block.timestamp > deadline, PeriodRunning());
        States.check(state, Params.assetsOf(params).length);
        slot.checkVersion(id, States.version(state), Hashing.state(state, id));

        (Payments pays, uint256[] memory reserves, bool ended) = _divide(channel_, first, States.allocationsOf(state));
        bytes32 locksHash = state.locksHash;
        // Without locks nothing is held back: such a state locks nothing, and then the claims cover all.
        channel_.record = ended ? Slot.wrap(0) : Records.ofLocks(id, locksHash, slot.dispute());
        Logs.settled(id, pays, reserves, locksHash);
        _payOut(params, pays);
    }

    /// @dev The hash of a state at which a challenge may start: the recorded one, or a higher one that both signed,
    /// or, when nothing is recorded, version 0.
    function _challengeable(
        ChannelParams calldata params,
        bytes32 id,
        State calldata state,
        Sig calldata sig0,
        Sig calldata sig1,
        Slot slot,
        Record calldata previous
    ) private view returns (bytes32 stateHash) {
        (bool recorded, uint256 recordedVersion) = slot.check(id, previous);
        uint256 version = States.version(state);
        require(version >= recordedVersion, StaleState());
        if (version != 0 && (!recorded || version != recordedVersion)) {
            return _requireAgreed(params, id, state, sig0, sig1);
        }
        States.check(state, Params.assetsOf(params).length);
        stateHash = Hashing.state(state, id);
        // What is recorded was checked when it was recorded, signatures and all.
        if (recorded) require(stateHash == previous.stateHash, ConflictingState());
        else States.checkZero(state);
    }

    /// @dev The payout may challenge too, so that a lost signing key is not a lost channel.
    function _requireChallenger(
        ChannelParams calldata params,
        bytes32 challengeHash,
        uint256 challenger,
        Sig calldata sig
    ) private view {
        require(challenger < 2, InvalidParticipant());
        address signer = Params.signer(params, challenger);
        if (msg.sender == signer || msg.sender == Params.payout(params, challenger)) return;
        Signatures.check(sig, _digest(challengeHash), signer, challenger);
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
