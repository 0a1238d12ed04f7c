// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IAdjudicator} from "../interfaces/IAdjudicator.sol";
import {ChannelParams, Record, Sig, State} from "../interfaces/Types.sol";
import {Division, Shares} from "../libraries/Division.sol";
import {Holding, Holdings, Pairs} from "../libraries/Holdings.sol";
import {Params} from "../libraries/Params.sol";
import {Records, Slot} from "../libraries/Records.sol";
import {States} from "../libraries/States.sol";
import {Agreements} from "./Agreements.sol";

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
        bytes32 id = Params.paymentChannelId(params);
        _openChannel(id);
        Slot slot = _records[id];
        require(slot.deadline() == 0, AlreadyDisputed());
        bytes32 stateHash = _challengeable(params, id, state, sig0, sig1, slot.check(id, previous), previous);
        uint256 dispute = slot.dispute();
        _requireChallenger(params, States.challengeHash(id, dispute, stateHash), challenger, sig);
        uint256 deadline = block.timestamp + params.challengeDuration;
        _recordVersion(id, state.version, stateHash, deadline, dispute);
        emit Challenged(id, challenger, dispute, deadline, state);
    }

    /// @inheritdoc IAdjudicator
    function respond(
        ChannelParams calldata params,
        State calldata state,
        Sig calldata sig0,
        Sig calldata sig1,
        Record calldata previous
    ) external whenIdle {
        bytes32 id = Params.paymentChannelId(params);
        _openChannel(id);
        Slot slot = _records[id];
        uint256 deadline = slot.deadline();
        require(deadline != 0, NotDisputed());
        require(block.timestamp <= deadline, PeriodOver());
        slot.check(id, previous);
        require(state.version > previous.version, StaleState());
        bytes32 stateHash = _requireAgreed(params, id, state, sig0, sig1);
        uint256 dispute = slot.dispute();
        _recordVersion(id, state.version, stateHash, deadline, dispute);
        emit Responded(id, dispute, state);
    }

    /// @inheritdoc IAdjudicator
    function settle(ChannelParams calldata params, State calldata state) external nonReentrant {
        bytes32 id = Params.paymentChannelId(params);
        Holding first = _openChannel(id);
        Slot slot = _records[id];
        uint256 deadline = slot.deadline();
        require(deadline != 0, NotDisputed());
        require(block.timestamp > deadline, PeriodRunning());
        bytes25 print = Records.fingerprintOf(id, state.version, slot.dispute(), States.hash(state, id));
        require(slot.fingerprint() == print, RecordMismatch());

        // The recorded state was checked when it was recorded: it has one allocation per asset.
        (uint256[2][] memory pays, uint256[] memory reserves) = _divide(id, first, slot, state);
        emit Settled(id, pays, reserves, state.locksHash);
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
        bool recorded,
        Record calldata previous
    ) private view returns (bytes32 stateHash) {
        if (recorded && state.version == previous.version) {
            // It was checked when it was recorded, signatures and all.
            stateHash = States.hash(state, id);
            require(stateHash == previous.stateHash, ConflictingState());
            return stateHash;
        }
        require(state.version >= previous.version, StaleState());
        if (state.version != 0) return _requireAgreed(params, id, state, sig0, sig1);
        require(state.allocations.length == params.assets.length, WrongAllocationCount());
        States.checkZero(state);
        return States.hash(state, id);
    }

    /// @dev The payout may challenge too, so that a lost signing key is not a lost channel.
    function _requireChallenger(
        ChannelParams calldata params,
        bytes32 challengeHash,
        uint256 challenger,
        Sig calldata sig
    ) private view {
        require(challenger < 2, InvalidParticipant());
        address signer = challenger == 0 ? params.signer0 : params.signer1;
        address payout = challenger == 0 ? params.payout0 : params.payout1;
        if (msg.sender == signer || msg.sender == payout) return;
        _requireSigner(_hashTypedDataV4(challengeHash), sig, signer, challenger);
    }

    /// @dev Divides every asset and writes what remains: reserves and debts, or the tombstone.
    function _divide(bytes32 id, Holding first, Slot slot, State calldata state)
        private
        returns (uint256[2][] memory pays, uint256[] memory reserves)
    {
        uint256 count = state.allocations.length;
        pays = new uint256[2][](count);
        reserves = new uint256[](count);
        Holding remaining = Holdings.TOMBSTONE;
        bool ended = true;
        for (uint256 k = 0; k < count; ++k) {
            Shares memory shares = _sharesOf(id, first, k, state);
            pays[k] = [shares.pay0, shares.pay1];
            reserves[k] = shares.reserve;
            _forget(id, first, k);
            if (shares.reserve == 0) continue;
            ended = false;
            bool hasDebts = shares.debt0 | shares.debt1 != 0;
            if (hasDebts) _debts[id][k] = Pairs.pack(shares.debt0, shares.debt1);
            Holding holding = Holdings.ofReserve(shares.reserve, hasDebts);
            if (k == 0) remaining = holding;
            else _others[id][k] = holding;
        }
        _first[id] = remaining.withStatus(ended ? Holdings.CLOSED : Holdings.SETTLED);
        // Nothing is held back without locks: a state that names none locks nothing, and then the claims cover all.
        _records[id] =
            ended ? Slot.wrap(0) : Records.pack(Records.fingerprintOfLocks(id, state.locksHash), 0, slot.dispute());
    }

    function _sharesOf(bytes32 id, Holding first, uint256 assetIndex, State calldata state)
        private
        view
        returns (Shares memory)
    {
        (uint256 deposit0, uint256 deposit1) = _holding(id, first, assetIndex).deposits();
        (uint256 paid0, uint256 paid1) = _paid(id, first, assetIndex);
        (int256 claim0, int256 claim1) =
            Division.claims(state.allocations[assetIndex], deposit0, deposit1, paid0, paid1);
        return Division.divide(claim0, claim1, deposit0 + deposit1 - paid0 - paid1);
    }
}
