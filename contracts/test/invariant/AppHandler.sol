// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {ChannelParams, Record, Sig, State} from "../../src/interfaces/Types.sol";
import {HostileApp} from "../mocks/Apps.sol";
import {AppTest} from "../utils/AppTest.sol";

/// @notice Drives two channels with an app at random. In the first, of the counting game, participant 0 is honest and
/// online: it shows its last state within every period and moves whenever it is its turn; participant 1 tries what it can.
/// In the second both work together, with an app that does whatever the state says, against everyone else.
contract AppHandler is AppTest {
    uint256 public constant CHANNELS = 2;
    uint256 public constant DEPOSIT = 1 ether;

    ChannelParams[CHANNELS] internal params;

    /// A state that is signed by both, or by its mover.
    struct Known {
        bytes state;
        bytes32 hash;
        uint64 version;
        bool agreed;
    }

    Known[][CHANNELS] internal states;
    uint256 public disputes;
    uint256 public responses;
    /// How often a step did what it tries.
    mapping(bytes32 step => uint256) public taken;

    constructor() {
        setUp();
        params[0] = appParams(counting);
        params[1] = appParams(hostile);
        for (uint256 c = 0; c < CHANNELS; ++c) {
            params[c].nonce = uint64(c);
            params[c].payout0 = address(uint160(0xa000 + c));
            params[c].payout1 = address(uint160(0xb000 + c));
            depositNative(params[c], 0, DEPOSIT);
            depositNative(params[c], 1, DEPOSIT);
            add(c, zeroState(1), true);
        }
        add(0, countState(1, 0, 0, 0), true);
        // Someone else's.
        depositNative(nativeParams(), 0, 5 ether);
    }

    // ---- off chain

    /// The game goes on.
    function play() external {
        if (deadlineOf(params[0]) != 0 || phaseOf(params[0]) != 0) return;
        add(0, countOn(params[0], last(0)), true);
    }

    /// The two of the second channel sign anything.
    function fabricate(uint64 version, uint8 writer, bool isFinal, int128 paid, uint8 mode) external {
        if (paid == type(int128).min) return;
        State memory s = paidState(uint64(bound(version, 1, 20)), 1, paid);
        (s.writer, s.isFinal) = (writer % 2, isFinal);
        s.validUntil = isFinal ? type(uint64).max : 0;
        s.appData = data(mode);
        add(1, s, true);
    }

    // ---- what the hostile try

    function tryChallenge(uint256 c, uint256 which) external {
        State memory s = stateAt(c %= CHANNELS, which);
        (, uint16 dispute,,) = adjudicator.channel(idOf(params[c]));
        (Sig memory a, Sig memory b) = sigs(params[c], s);
        Sig memory sig = challengeSig(KEY1, params[c], s, dispute);
        if (!isAgreed(c, which)) (a, b) = (noSig(), noSig());
        try adjudicator.challenge(params[c], s, a, b, recordIn(c), 1, sig) {
            ++taken["challenge"];
            if (c == 0) ++disputes;
        } catch {}
    }

    function tryRespond(uint256 c, uint256 which) external {
        State memory s = stateAt(c %= CHANNELS, which);
        if (!isAgreed(c, which)) return;
        (Sig memory a, Sig memory b) = sigs(params[c], s);
        try adjudicator.respond(params[c], s, a, b, recordIn(c)) {
            ++taken["respond"];
        } catch {}
    }

    /// A move of the game by participant 1, sound or not.
    function tryCount(bool sound) external {
        State memory s = recorded(0);
        if (s.writer != 1 || s.version == 0) return;
        State memory next = countOn(params[0], s);
        if (!sound) (next.allocations[0].delta0, next.allocations[0].delta1) = (-1, 1);
        tryMove(0, s, next);
    }

    /// A move in the second channel to whatever the app makes of it.
    function tryAnything(int128 paid, uint8 writer, uint8 mode) external {
        if (paid == type(int128).min) return;
        // The period of showing states is waited for.
        if (block.timestamp <= deadlineOf(params[1])) passUntil(deadlineOf(params[1]) + 1);
        State memory s = recorded(1);
        State memory next = paidState(s.version + 1, 1, paid);
        (next.writer, next.history) = (writer % 2, hashOf(params[1], s));
        next.appData = data(mode);
        tryMove(1, s, next);
    }

    function tryMove(uint256 c, State memory s, State memory next) private {
        (Sig memory a, Sig memory b) = moveSigs(params[c], s, next);
        try extension.progress(params[c], s, next, a, b) {
            ++taken[c == 0 ? bytes32("count") : bytes32("anything")];
            add(c, next, false);
        } catch {}
    }

    function tryAgreed(uint256 c, uint256 which) external {
        State memory next = stateAt(c %= CHANNELS, which);
        if (!isAgreed(c, which)) return;
        (Sig memory a, Sig memory b) = sigs(params[c], next);
        try extension.progress(params[c], recorded(c), next, a, b) {
            ++taken["agreed"];
        } catch {}
    }

    function tryClose(uint256 which) external {
        State memory s = stateAt(1, which);
        (Sig memory a, Sig memory b) = sigs(params[1], s);
        try adjudicator.close(params[1], s, a, b) {
            ++taken["close"];
        } catch {}
    }

    function trySettle(uint256 c, uint256 gasLimit) external {
        c %= CHANNELS;
        // Half of the time all periods are waited for, and an app's questions can be paid.
        uint256 deadline = deadlineOf(params[c]);
        if (deadline != 0 && gasLimit % 2 == 0) passUntil(deadline + DURATION + 1);
        gasLimit = bound(gasLimit, gasLimit % 2 == 0 ? 3_000_000 : 100_000, 4_000_000);
        try adjudicator.settle{gas: gasLimit}(params[c], recorded(c)) {
            ++taken["settle"];
        } catch {}
    }

    function agreeResume() external {
        if (phaseOf(params[1]) != 0 || deadlineOf(params[1]) == 0) return;
        (, uint16 dispute,,) = adjudicator.channel(idOf(params[1]));
        resume(params[1], recorded(1), dispute);
    }

    // ---- time, and what the honest side does about it

    function pass(uint32 duration) external {
        passUntil(block.timestamp + bound(duration, 1, 2 days));
    }

    function passUntil(uint256 until) private {
        while (block.timestamp < until) {
            act();
            uint256 step = block.timestamp + DURATION / 2;
            vm.warp(step < until ? step : until);
        }
        act();
    }

    /// Participant 0 of the game answers within the period, and moves when it is its turn.
    function act() public {
        ChannelParams memory p = params[0];
        if (phaseOf(p) != 0 || deadlineOf(p) == 0) return;
        State memory s = recorded(0);
        uint256 deadline = deadlineOf(p);
        State memory best = lastAgreed();
        if (block.timestamp <= deadline && best.version > s.version) {
            respond(p, best, recordOf(p, s));
            ++responses;
            return;
        }
        bool moving = block.timestamp > deadline || s.version > best.version;
        if (moving && s.version != 0 && s.writer == 0 && block.timestamp <= deadline + DURATION) {
            State memory next = countOn(p, s);
            progress(p, s, next);
            add(0, next, false);
        }
    }

    /// Either side gets out alone, whatever the other does and the app says.
    function exit(uint256 c) external {
        ChannelParams memory p = params[c];
        if (phaseOf(p) != 0) return;
        if (deadlineOf(p) == 0) {
            State memory s = c == 0 ? lastAgreed() : recorded(c);
            challenge(p, s, recordIn(c), 0);
        }
        for (uint256 i = 0; i < 3; ++i) {
            if (c == 0) act();
            vm.warp(block.timestamp + DURATION + 1);
        }
        adjudicator.settle(p, recorded(c));
    }

    // ---- views of the model

    /// Honest half of the time, so that there is somewhere to move on from.
    function data(uint8 mode) private pure returns (bytes memory) {
        return abi.encodePacked(mode % 2 == 0 ? 0 : mode / 2 % (uint8(type(HostileApp.Mode).max) + 1));
    }

    function paramsOfModel(uint256 c) external view returns (ChannelParams memory) {
        return params[c];
    }

    function contractUnderTest() external view returns (address) {
        return address(adjudicator);
    }

    function add(uint256 c, State memory s, bool both) private {
        states[c].push(Known(abi.encode(s), hashOf(params[c], s), s.version, both));
    }

    function stateAt(uint256 c, uint256 which) private view returns (State memory) {
        return abi.decode(states[c][which % states[c].length].state, (State));
    }

    function isAgreed(uint256 c, uint256 which) private view returns (bool) {
        return states[c][which % states[c].length].agreed;
    }

    function last(uint256 c) private view returns (State memory) {
        return stateAt(c, states[c].length - 1);
    }

    /// Highest state of the game that both signed.
    function lastAgreed() private view returns (State memory s) {
        for (uint256 i = states[0].length; i > 0; --i) {
            if (isAgreed(0, i - 1)) return stateAt(0, i - 1);
        }
    }

    /// What is recorded; version 0 when nothing is.
    function recorded(uint256 c) private view returns (State memory s) {
        bytes32 id = idOf(params[c]);
        (, uint16 dispute,, bytes25 print) = adjudicator.channel(id);
        for (uint256 i = states[c].length; i > 0; --i) {
            Known storage known = states[c][i - 1];
            if (bytes25(keccak256(abi.encode(id, known.version, dispute, known.hash))) == print) {
                return stateAt(c, i - 1);
            }
        }
        return stateAt(c, 0);
    }

    function recordIn(uint256 c) private view returns (Record memory) {
        (,,, bytes25 print) = adjudicator.channel(idOf(params[c]));
        return print == 0 ? nothing() : recordOf(params[c], recorded(c));
    }
}
