// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {State} from "../../src/interfaces/Types.sol";
import {ChildTest} from "../utils/ChildTest.sol";

/// @notice The counting game in a child over a hub. Participant 0 is honest and online; participant 1 shows old states,
/// moves at the last second or not at all, and drags the game to where nobody may move any more.
contract PlayHandler is ChildTest {
    Child internal child;
    /// Version i is at index i: signed by both up to `agreed`, by their movers above.
    bytes[] internal states;
    uint256 public agreed = 1;
    /// Forced moves of this dispute.
    uint256 public turns;
    /// How often a step of participant 1, or a settlement, was taken.
    mapping(bytes32 step => uint256) public taken;

    constructor() {
        setUp();
        child = hubChild(counting);
        states.push(abi.encode(zeroState(1)));
        State memory s = countState(1, 0, 0, 0);
        s.appData = abi.encode(0, uint128(0.25 ether));
        states.push(abi.encode(s));
    }

    // ---- off chain

    function play() external {
        if (deadlineOf(child.params) != 0 || phaseOf(child.params) != 0) return;
        states.push(abi.encode(countOn(child.params, stateOf(agreed))));
        ++agreed;
    }

    // ---- what participant 1 tries

    function tryChallenge(uint256 which) external {
        try this.rawChallenge(which % (agreed + 1)) {
            ++taken["challenge"];
        } catch {}
    }

    function rawChallenge(uint256 which) external {
        challengeChild(child, stateOf(which), nothing(), 1);
    }

    /// One old state after another.
    function tryRespond(uint256 which) external {
        if (deadlineOf(child.params) == 0) this.tryChallenge(0);
        try this.rawRespond(which % (agreed + 1)) {
            ++taken["respond"];
        } catch {}
    }

    function rawRespond(uint256 which) external {
        respondChild(child, stateOf(which), recordOf(child.params, recorded()));
    }

    function tryMove() public {
        if (phaseOf(child.params) != 0 || deadlineOf(child.params) == 0) return;
        State memory s = recorded();
        if (s.version == 0 || s.writer != 1) return;
        try this.rawMove(s) {
            ++taken["move"];
        } catch {}
    }

    function rawMove(State memory s) external {
        move(s);
    }

    /// Always at the last second, and at last at the one at which anyone may move: no time is left for the answer.
    function tryMoveAtTheEnd() external {
        passUntil(child.terms.end);
        while (block.timestamp < lastMove() && phaseOf(child.params) == 0) {
            uint256 deadline = deadlineOf(child.params);
            bool running = turns == 0 && block.timestamp <= deadline;
            uint256 next = running ? deadline + 1 : deadline + DURATION;
            if (next < block.timestamp) return;
            vm.warp(next < lastMove() ? next : lastMove());
            uint256 moves = taken["move"];
            tryMove();
            if (taken["move"] > moves && block.timestamp == lastMove()) ++taken["move at the end"];
            else act();
        }
        vm.warp(block.timestamp + 1);
        this.trySettle();
    }

    /// Both move in turns without losing time, as often as there may be moves.
    function tryAllMoves() external {
        if (deadlineOf(child.params) == 0) this.tryChallenge(agreed);
        act();
        uint256 deadline = deadlineOf(child.params);
        if (turns == 0 && block.timestamp <= deadline) vm.warp(deadline + 1);
        for (uint256 i = 0; i < 130; ++i) {
            act();
            tryMove();
        }
        if (turns == 127) ++taken["all moves"];
    }

    function trySettle() external {
        try extension.settleChild(child.params, child.terms, recorded()) {
            ++taken["settle"];
        } catch {}
    }

    // ---- time, and what participant 0 does about it

    function pass(uint32 duration) external {
        passUntil(block.timestamp + bound(duration, 1, 12 days));
    }

    function passUntil(uint256 time) private {
        while (block.timestamp < time) {
            act();
            uint256 step = block.timestamp + DURATION / 2;
            vm.warp(step < time ? step : time);
        }
        act();
    }

    /// It begins the dispute itself when the child ends, shows its best state, and moves when it is its turn.
    function act() public {
        if (phaseOf(child.params) != 0) return;
        uint256 deadline = deadlineOf(child.params);
        State memory best = stateOf(agreed);
        if (deadline == 0) {
            if (block.timestamp >= child.terms.end) challengeChild(child, best, nothing(), 0);
            return;
        }
        State memory s = recorded();
        if (s.version < agreed && block.timestamp <= deadline) {
            respondChild(child, best, recordOf(child.params, s));
            return;
        }
        bool over = block.timestamp > deadline || turns != 0;
        bool inTime = block.timestamp <= deadline + DURATION && block.timestamp <= lastMove();
        if (over && inTime && turns < 127 && s.version != 0 && s.writer == 0) move(s);
    }

    function exit() external {
        if (block.timestamp < child.terms.end) passUntil(child.terms.end);
        passUntil(lastMove() + DURATION + 1);
        if (phaseOf(child.params) == 0) extension.settleChild(child.params, child.terms, recorded());
    }

    // ---- the model

    function move(State memory s) private {
        State memory next = countOn(child.params, s);
        progressChild(child, s, next);
        if (states.length == next.version) states.push();
        states[next.version] = abi.encode(next);
        ++turns;
    }

    function lastMove() private view returns (uint256) {
        return child.terms.end + 4 * DURATION;
    }

    /// What is recorded; version 0 when nothing is.
    function recorded() private view returns (State memory) {
        for (uint256 i = states.length; i > 0; --i) {
            if (recordedAs(child.params, stateOf(i - 1))) return stateOf(i - 1);
        }
        return stateOf(0);
    }

    function stateOf(uint256 version) private view returns (State memory) {
        return abi.decode(states[version], (State));
    }

    function outcome0() external view returns (bool finalised, uint256 amount) {
        (finalised, amount,) = extension.outcome(idOf(child));
    }

    function amount0() external view returns (uint256) {
        return child.terms.amount0;
    }
}
