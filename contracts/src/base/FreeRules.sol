// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {ChannelParams, Sig, State} from "../interfaces/Types.sol";
import {IAdjudicatorExtension} from "../interfaces/IAdjudicatorExtension.sol";
import {Apps} from "../libraries/Apps.sol";
import {Hashing} from "../libraries/Hashing.sol";
import {Logs} from "../libraries/Logs.sol";
import {Params} from "../libraries/Params.sol";
import {Records, Slot} from "../libraries/Records.sol";
import {Signatures} from "../libraries/Signatures.sol";
import {States} from "../libraries/States.sol";
import {Arbitration} from "./Arbitration.sol";
import {Channel} from "./Ledger.sol";

/// @title What channels with an app or a parent have in common: states of free balances only, and forced moves
/// @dev After the period in which states are shown, `progress` lets the record's writer move, and each move starts a new
/// period for the next one. The record's deadline is then the time of the last move: the writer has one challenge duration
/// from there, just as it has after the first period.
abstract contract FreeRules is Arbitration, IAdjudicatorExtension {
    function _stateHash(ChannelParams calldata params, bytes32 id, State calldata state)
        internal
        pure
        override
        returns (bytes32)
    {
        States.checkFree(state, Params.assetsOf(params).length, params.app != address(0));
        return Hashing.state(state, id, Hashing.appData(state));
    }

    /// @param lastMove no move is possible afterwards.
    function _progress(
        ChannelParams calldata params,
        bytes32 id,
        uint256 lastMove,
        State calldata state,
        State calldata next,
        Sig calldata sig0,
        Sig calldata sig1
    ) internal {
        require(params.app != address(0), NoApp());
        (Channel storage channel_,) = _openChannel(id);
        Slot slot = channel_.record;
        bytes32 stateHash = _stateHash(params, id, state);
        slot.checkVersion(id, States.version(state), stateHash);
        _requireMovable(params, slot, lastMove, state);

        bytes32 nextHash = _stateHash(params, id, next);
        _requireMove(params, state, stateHash, next, _digest(nextHash), sig0, sig1);
        uint256 dispute = slot.dispute();
        channel_.record =
            Records.ofVersion(id, States.version(next), nextHash, block.timestamp, dispute).withMoves(slot.moves() + 1);
        Logs.progressed(id, dispute, _lastWord(params, block.timestamp, lastMove, next), next);
    }

    /// @dev Checks that a dispute is over which stands at this state.
    function _requireSettled(
        ChannelParams calldata params,
        bytes32 id,
        Slot slot,
        uint256 lastMove,
        State calldata state
    ) internal view {
        uint256 deadline = slot.deadline();
        require(deadline != 0, NotDisputed());
        bytes32 stateHash = _stateHash(params, id, state);
        slot.checkVersion(id, States.version(state), stateHash);
        require(block.timestamp > _lastWord(params, deadline, lastMove, state), PeriodRunning());
    }

    /// @dev What participant 0 and 1 gain or lose, per asset, if the state is the last word: pairs in a row, see
    /// `Apps.deltaOf`. Where the app has no sound verdict it is what the state itself says.
    function _lastDeltas(ChannelParams calldata params, State calldata state) internal view returns (uint256 deltas) {
        uint256 assetCount = Params.assetsOf(params).length;
        if (_isForced(params, state)) {
            Apps.requireCode(params.app);
            bool ok;
            (ok, deltas) = Apps.verdict(params.app, state, assetCount);
            if (ok) return deltas;
        }
        return States.copyDeltas(state);
    }

    function _requireMovable(ChannelParams calldata params, Slot slot, uint256 lastMove, State calldata state)
        private
        view
    {
        uint256 deadline = slot.deadline();
        require(deadline != 0, NotDisputed());
        // A move may be answered in its own block.
        require(block.timestamp > deadline || slot.moves() != 0, PeriodRunning());
        require(States.version(state) != 0, UnsignedVersion());
        require(!state.isFinal, WrongFinality());
        require(block.timestamp <= _lastWord(params, deadline, lastMove, state), PeriodOver());
        require(slot.moves() < Records.MAX_MOVES, TooManyMoves());
    }

    /// @dev Either a higher state that both signed, or one that the writer alone signed and the app allows.
    function _requireMove(
        ChannelParams calldata params,
        State calldata state,
        bytes32 stateHash,
        State calldata next,
        bytes32 digest,
        Sig calldata sig0,
        Sig calldata sig1
    ) private view {
        uint256 version = States.version(state);
        uint256 writer = state.writer;
        Sig calldata other = writer == 0 ? sig1 : sig0;
        if (other.r | other.vs != 0) {
            require(States.version(next) > version, StaleState());
            _requireBoth(params, digest, sig0, sig1);
            return;
        }
        Signatures.check(writer == 0 ? sig0 : sig1, digest, Params.signer(params, writer), writer);
        bool isNext = States.version(next) == version + 1 && !next.isFinal && States.validUntil(next) == 0;
        require(isNext && next.history == stateHash, NotAMove());
        Apps.requireCode(params.app);
        require(Apps.isValidTransition(params.app, state, next), InvalidMove());
        (bool judged,) = Apps.verdict(params.app, next, Params.assetsOf(params).length);
        require(judged, InvalidMove());
    }

    /// @dev Whether a writer has to move on from this state, so that the app says what it is worth if none does.
    function _isForced(ChannelParams calldata params, State calldata state) private pure returns (bool) {
        return params.app != address(0) && States.version(state) != 0 && !state.isFinal;
    }

    /// @dev Last second before a dispute that stands at this state can be settled.
    function _lastWord(ChannelParams calldata params, uint256 deadline, uint256 lastMove, State calldata state)
        private
        pure
        returns (uint256 last)
    {
        if (!_isForced(params, state)) return deadline;
        last = deadline + Params.challengeDuration(params);
        if (last > lastMove) last = lastMove > deadline ? lastMove : deadline;
    }
}
