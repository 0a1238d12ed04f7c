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
/// @dev After the period in which states are shown, it is the record's writer's turn: it has one challenge duration to
/// `progress`. Who moves and gives the pen away ends its turn and starts the other's; who moves and keeps the pen goes on in
/// the same turn. The record's deadline is then the time at which the turn began, just as the end of the first period is.
/// Whoever had its turn cut short by the limits is not to blame (docs/decisions/0009).
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
        bool agreed = _requireMove(params, state, stateHash, next, _digest(nextHash), sig0, sig1);
        (uint256 begin, uint256 moves) = (slot.deadline(), slot.moves());
        if (agreed || next.writer != state.writer) (begin, moves) = (block.timestamp, moves + 1);
        slot = Records.ofVersion(id, States.version(next), nextHash, begin, slot.dispute()).withMoves(moves);
        channel_.record = slot;
        (uint256 last,) = _turn(params, slot, lastMove, next);
        Logs.progressed(id, slot.dispute(), last, next);
    }

    /// @dev Checks that a dispute is over which stands at this state.
    /// @return stalled whether its writer let a full turn pass.
    function _requireSettled(
        ChannelParams calldata params,
        bytes32 id,
        Slot slot,
        uint256 lastMove,
        State calldata state
    ) internal view returns (bool stalled) {
        require(slot.deadline() != 0, NotDisputed());
        bytes32 stateHash = _stateHash(params, id, state);
        slot.checkVersion(id, States.version(state), stateHash);
        uint256 last;
        (last, stalled) = _turn(params, slot, lastMove, state);
        require(block.timestamp > last, PeriodRunning());
    }

    /// @dev What participant 0 and 1 gain or lose, per asset, if the state is the last word: pairs in a row, see
    /// `Apps.deltaOf`. When nobody is to blame, the app's verdict counts only if it is the same whoever stalls: that is the
    /// result of a game that is over. Where the app has no sound verdict, the state's own deltas count.
    /// @param stalled Whether the state's writer let a full turn pass.
    function _lastDeltas(ChannelParams calldata params, State calldata state, bool stalled)
        internal
        view
        returns (uint256 deltas)
    {
        uint256 assetCount = Params.assetsOf(params).length;
        if (_isForced(params, state)) {
            Apps.requireCode(params.app);
            bool ok;
            (ok, deltas) = Apps.verdict(params.app, state, state.writer, assetCount);
            if (ok && !stalled) {
                uint256 others;
                (ok, others) = Apps.verdict(params.app, state, 1 - state.writer, assetCount);
                ok = ok && Apps.same(deltas, others, assetCount);
            }
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
        require(slot.moves() < Records.MAX_MOVES, TooManyMoves());
        (uint256 last,) = _turn(params, slot, lastMove, state);
        require(block.timestamp <= last, PeriodOver());
    }

    /// @dev Either a higher state that both signed, or one that the writer alone signed and the app allows.
    /// @return agreed Whether both signed it.
    function _requireMove(
        ChannelParams calldata params,
        State calldata state,
        bytes32 stateHash,
        State calldata next,
        bytes32 digest,
        Sig calldata sig0,
        Sig calldata sig1
    ) private view returns (bool agreed) {
        uint256 version = States.version(state);
        uint256 writer = state.writer;
        Sig calldata other = writer == 0 ? sig1 : sig0;
        if (other.r | other.vs != 0) {
            require(States.version(next) > version, StaleState());
            _requireBoth(params, digest, sig0, sig1);
            return true;
        }
        Signatures.check(writer == 0 ? sig0 : sig1, digest, Params.signer(params, writer), writer);
        bool isNext = States.version(next) == version + 1 && !next.isFinal && States.validUntil(next) == 0;
        require(isNext && next.history == stateHash, NotAMove());
        Apps.requireCode(params.app);
        require(Apps.isValidTransition(params.app, state, next), InvalidMove());
        (bool judged,) = Apps.verdict(params.app, next, next.writer, Params.assetsOf(params).length);
        require(judged, InvalidMove());
    }

    /// @dev Whether the writer has to move on from this state.
    function _isForced(ChannelParams calldata params, State calldata state) private pure returns (bool) {
        return params.app != address(0) && States.version(state) != 0 && !state.isFinal;
    }

    /// @dev The turn of a record's writer.
    /// @return last its last second: afterwards the dispute can be settled.
    /// @return full whether it has a whole challenge duration. Only then letting it pass is the writer's fault.
    function _turn(ChannelParams calldata params, Slot slot, uint256 lastMove, State calldata state)
        private
        pure
        returns (uint256 last, bool full)
    {
        uint256 begin = slot.deadline();
        // The number of moves is a counter, and no balance that others could change.
        // slither-disable-next-line incorrect-equality
        if (!_isForced(params, state) || slot.moves() == Records.MAX_MOVES) return (begin, false);
        last = begin + Params.challengeDuration(params);
        if (last <= lastMove) return (last, true);
        return (lastMove > begin ? lastMove : begin, false);
    }
}
