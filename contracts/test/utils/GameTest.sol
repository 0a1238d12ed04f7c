// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Errors} from "../../src/interfaces/Errors.sol";
import {IApp} from "../../src/interfaces/IApp.sol";
import {ChannelParams, State} from "../../src/interfaces/Types.sol";
import {AppTest} from "./AppTest.sol";

/// @notice Plays whole games on chain: at every step the move is forced through, and whoever stalls instead ends as the
/// rules say.
abstract contract GameTest is AppTest {
    ChannelParams internal p;
    /// abi.encode of the states of a game, one after the other.
    bytes[] internal game;

    /// A channel of the app, as committed in artifacts/, in which each deposited one coin, and its first state.
    function start(string memory app, uint8 writer, bytes memory appData) internal {
        p = appParams(extension.deployApp(artifactCode(app, ".deployedBytecode")));
        depositNative(p, 0, 1 ether);
        depositNative(p, 1, 1 ether);
        State memory s = paidState(1, 1, 0.1 ether);
        (s.writer, s.appData) = (writer, appData);
        game.push(abi.encode(s));
    }

    function current() internal view returns (State memory) {
        return abi.decode(game[game.length - 1], (State));
    }

    /// What a move from here must look like, but for what the app decides.
    function following(uint8 writer, bytes memory appData) internal view returns (State memory next) {
        State memory s = current();
        next = copy(s);
        next.version = s.version + 1;
        next.history = hashOf(p, s);
        (next.writer, next.appData) = (writer, appData);
    }

    /// A move that the app must allow; the game goes on from there.
    function move(uint8 writer, bytes memory appData) internal {
        move(following(writer, appData));
    }

    function move(State memory next) internal {
        State memory s = current();
        uint256 snapshot = vm.snapshotState();
        challengeAndWait(p, s);
        progress(p, s, next);
        vm.revertToState(snapshot);
        game.push(abi.encode(next));
    }

    function refused(uint8 writer, bytes memory appData, bytes4 reason) internal {
        refused(following(writer, appData), reason);
    }

    /// A player, whose node asks the app itself, is told why. A dispute needs the no alone.
    function refused(State memory next, bytes4 reason) internal {
        State memory s = current();
        vm.expectPartialRevert(reason);
        IApp(p.app).validTransition(s, next);
        uint256 snapshot = vm.snapshotState();
        challengeAndWait(p, s);
        expectProgressRevert(p, s, next, Errors.InvalidMove.selector);
        vm.revertToState(snapshot);
    }

    /// If nobody moves any more, participant 0 leaves with this, and participant 1 with the rest.
    function stalledHere(uint256 gets0) internal {
        uint256 snapshot = vm.snapshotState();
        challengeAndWait(p, current());
        skip(DURATION);
        adjudicator.settle(p, current());
        assertEq(payout0.balance, gets0);
        assertEq(payout1.balance, 2 ether - gets0);
        vm.revertToState(snapshot);
    }
}
