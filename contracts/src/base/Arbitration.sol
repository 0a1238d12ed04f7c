// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IAdjudicator} from "../interfaces/IAdjudicator.sol";
import {IArbitration} from "../interfaces/IArbitration.sol";
import {Allocation, ChannelParams, Record, Sig, State} from "../interfaces/Types.sol";
import {Division} from "../libraries/Division.sol";
import {Hashing} from "../libraries/Hashing.sol";
import {Holding, Holdings} from "../libraries/Holdings.sol";
import {Logs} from "../libraries/Logs.sol";
import {Params} from "../libraries/Params.sol";
import {Payments, PaymentsLib} from "../libraries/Payments.sol";
import {Records, Slot} from "../libraries/Records.sol";
import {Signatures} from "../libraries/Signatures.sol";
import {States} from "../libraries/States.sol";
import {Channel, Ledger} from "./Ledger.sol";
import {Signing} from "./Signing.sol";

/// @title What every kind of channel has in common: agreed states, challenges, responses
/// @dev One period of fixed length, which nobody can extend or clear alone: both need show their best state only once.
abstract contract Arbitration is IArbitration, Ledger, Signing {
    /// @inheritdoc IArbitration
    function close(ChannelParams calldata params, State calldata state, Sig calldata sig0, Sig calldata sig1) external {
        _close(params, _checked(params), state, sig0, sig1);
    }

    /// @inheritdoc IArbitration
    function resume(ChannelParams calldata params, Record calldata recorded, Sig calldata sig0, Sig calldata sig1)
        external
        whenIdle
    {
        _requireBoth(params, _digest(_resume(_checked(params), recorded)), sig0, sig1);
    }

    /// @inheritdoc IArbitration
    function challenge(
        ChannelParams calldata params,
        State calldata state,
        Sig calldata sig0,
        Sig calldata sig1,
        Record calldata previous,
        uint256 challenger,
        Sig calldata sig
    ) external whenIdle {
        bytes32 challengeHash = _challenge(params, _checked(params), state, sig0, sig1, previous, challenger);
        _requireChallenger(params, challengeHash, challenger, sig);
    }

    /// @inheritdoc IArbitration
    function respond(
        ChannelParams calldata params,
        State calldata state,
        Sig calldata sig0,
        Sig calldata sig1,
        Record calldata previous
    ) external whenIdle {
        _respond(params, _checked(params), state, sig0, sig1, previous);
    }

    /// @dev Checks that the channel is one that this contract judges, and is funded by deposits. Returns its id.
    function _checked(ChannelParams calldata params) internal virtual returns (bytes32);

    /// @dev Checks that the state keeps the rules of its kind of channel, whoever signed it. Returns hashStruct(State).
    function _stateHash(ChannelParams calldata params, bytes32 id, State calldata state)
        internal
        view
        virtual
        returns (bytes32);

    /// @dev Checks that the state keeps the rules and that both signed it. Returns hashStruct(State).
    function _requireAgreed(
        ChannelParams calldata params,
        bytes32 id,
        State calldata state,
        Sig calldata sig0,
        Sig calldata sig1
    ) internal view returns (bytes32 stateHash) {
        stateHash = _stateHash(params, id, state);
        require(States.version(state) != 0, UnsignedVersion());
        _requireBoth(params, _digest(stateHash), sig0, sig1);
    }

    /// @dev Both signed the digest.
    function _requireBoth(ChannelParams calldata params, bytes32 digest, Sig calldata sig0, Sig calldata sig1)
        internal
        pure
    {
        Signatures.check(sig0, digest, Params.signer(params, 0), 0);
        Signatures.check(sig1, digest, Params.signer(params, 1), 1);
    }

    /// @dev Ends the dispute; the record stays. Returns the struct that has to be signed for it.
    function _resume(bytes32 id, Record calldata recorded) internal returns (bytes32 resumeHash) {
        (Channel storage channel_,) = _openChannel(id);
        Slot slot = channel_.record;
        require(slot.deadline() != 0, NotDisputed());
        (, uint256 version) = slot.check(id, recorded);
        uint256 dispute = slot.dispute();
        require(dispute != type(uint16).max, TooManyDisputes());
        channel_.record = Records.ofVersion(id, version, recorded.stateHash, 0, dispute + 1);
        emit IAdjudicator.Resumed(id, dispute);
        return Hashing.resume(id, dispute);
    }

    /// @dev Records the state and starts the period. Returns the struct that the challenger has to sign.
    function _challenge(
        ChannelParams calldata params,
        bytes32 id,
        State calldata state,
        Sig calldata sig0,
        Sig calldata sig1,
        Record calldata previous,
        uint256 challenger
    ) internal returns (bytes32 challengeHash) {
        (Channel storage channel_,) = _openChannel(id);
        Slot slot = channel_.record;
        require(slot.deadline() == 0, AlreadyDisputed());
        bytes32 stateHash = _challengeable(params, id, state, sig0, sig1, slot, previous);
        challengeHash = Hashing.challenge(id, slot.dispute(), stateHash);
        uint256 deadline;
        unchecked {
            deadline = block.timestamp + Params.challengeDuration(params);
        }
        slot = Records.ofVersion(id, States.version(state), stateHash, deadline, slot.dispute());
        channel_.record = slot;
        Logs.challenged(id, challenger, slot, state);
    }

    /// @dev The payout may challenge too, so that a lost signing key is not a lost channel.
    function _requireChallenger(
        ChannelParams calldata params,
        bytes32 challengeHash,
        uint256 challenger,
        Sig calldata sig
    ) internal view {
        require(challenger < 2, InvalidParticipant());
        address signer = Params.signer(params, challenger);
        if (msg.sender == signer || msg.sender == Params.payout(params, challenger)) return;
        Signatures.check(sig, _digest(challengeHash), signer, challenger);
    }

    /// @dev Replaces the record within the period.
    function _respond(
        ChannelParams calldata params,
        bytes32 id,
        State calldata state,
        Sig calldata sig0,
        Sig calldata sig1,
        Record calldata previous
    ) internal {
        (Channel storage channel_,) = _openChannel(id);
        Slot slot = channel_.record;
        uint256 deadline = slot.deadline();
        require(deadline != 0, NotDisputed());
        // After a forced move the deadline is that move's time, and the period is over even in its own block.
        require(block.timestamp <= deadline && slot.moves() == 0, PeriodOver());
        (, uint256 recordedVersion) = slot.check(id, previous);
        require(States.version(state) > recordedVersion, StaleState());
        bytes32 stateHash = _requireAgreed(params, id, state, sig0, sig1);
        uint256 dispute = slot.dispute();
        channel_.record = Records.ofVersion(id, States.version(state), stateHash, deadline, dispute);
        Logs.responded(id, dispute, state);
    }

    function _close(
        ChannelParams calldata params,
        bytes32 id,
        State calldata state,
        Sig calldata sig0,
        Sig calldata sig1
    ) private nonReentrant {
        (Channel storage channel_, Holding first) = _openChannel(id);
        require(state.isFinal, WrongFinality());
        require(block.timestamp <= States.validUntil(state), Expired());
        _requireAgreed(params, id, state, sig0, sig1);
        Payments pays = _closingPays(channel_, first, States.allocationsOf(state));
        channel_.holdings[0] = Holdings.TOMBSTONE;
        Logs.closed(id, pays);
        _payOut(params, pays);
    }

    /// @dev A final whose claims the deposits do not cover is refused: `settle` divides such shortages after the
    /// other side had its period to answer.
    function _closingPays(Channel storage channel_, Holding first, Allocation[] calldata allocations)
        private
        returns (Payments pays)
    {
        pays = PaymentsLib.create(allocations.length);
        for (uint256 k = 0; k < allocations.length; ++k) {
            (uint256 deposit0, uint256 deposit1, uint256 paid0, uint256 paid1) = _balance(channel_, first, k);
            (int256 claim0, int256 claim1) = Division.claims(allocations, k, deposit0, deposit1, paid0, paid1);
            require(claim0 >= 0 && claim1 >= 0, Underfunded(k));
            pays.set(k, uint256(claim0), uint256(claim1));
            _forget(channel_, first, k);
        }
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
        stateHash = _stateHash(params, id, state);
        // What is recorded was checked when it was recorded, signatures and all.
        if (recorded) require(stateHash == previous.stateHash, ConflictingState());
        else States.checkZero(state);
    }
}
