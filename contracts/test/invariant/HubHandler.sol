// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {ChannelParams, Lock, Record, Shown, Sig, State} from "../../src/interfaces/Types.sol";
import {HostileApp} from "../mocks/Apps.sol";
import {ChildTest} from "../utils/ChildTest.sol";

/// @notice A child over a hub, in which the two work together against the hub: they sign whatever they like, dispute the
/// child and both parents whenever they like, and play by an app that does whatever the state says. The hub shows its last
/// state of a parent within each period, challenges the child from `end` on, and settles and unlocks what it can.
contract HubHandler is ChildTest {
    uint256 public constant DEPOSIT = 1 ether;

    struct Known {
        bytes state;
        bytes32 hash;
        uint64 version;
        bool agreed;
    }

    Child internal child;
    /// Of the child.
    Known[] internal states;
    /// The hub signs one final of the child.
    bytes internal last;
    /// The hub took part in this many disputes of the child by agreeing to resume.
    uint256 public resumed;
    /// How often a step did what it tries.
    mapping(bytes32 step => uint256) public taken;

    constructor() {
        setUp();
        child = hubChild(hostile);
        for (uint256 i = 0; i < 2; ++i) {
            depositNative(parent(i), 0, DEPOSIT);
            depositNative(parent(i), 1, DEPOSIT);
        }
        add(zeroState(1), true);
        depositNative(nativeParams(), 0, 5 ether);
    }

    function parent(uint256 i) public view returns (ChannelParams memory) {
        return i % 2 == 0 ? parent0() : parent1();
    }

    /// 0: nothing signed; 1: a payment to the hub that is older than 2: the child's lock.
    function parentState(uint256 which) private view returns (State memory s) {
        which %= 3;
        if (which == 0) return zeroState(1);
        s = which == 1 ? paidState(3, 1, 0.1 ether) : lockedState(9, 1, listOf(childLock(child)));
    }

    // ---- what the two do

    /// Any state of the child, signed by both.
    function fabricate(uint64 version, uint8 writer, bool isFinal, int128 paid, uint8 mode) external {
        if (paid == type(int128).min) return;
        State memory s = paidState(uint64(bound(version, 1, 20)), 1, paid);
        (s.writer, s.isFinal, s.appData) = (writer % 2, isFinal, data(mode));
        add(s, true);
    }

    /// A final that the hub signs, too: the first it is asked for, and only while the child has no dispute.
    function agreeFinal(uint64 version, int128 paid) external {
        if (last.length != 0 || phaseOf(child.params) != 0 || deadlineOf(child.params) != 0) return;
        paid = int128(bound(paid, -int128(AMOUNT1), int128(AMOUNT0)));
        last = abi.encode(lastState(uint64(bound(version, 1, 30)), paid));
    }

    function tryClose() external {
        if (last.length == 0 || phaseOf(child.params) != 0) return;
        closeChild(child, abi.decode(last, (State)));
        ++taken["close"];
    }

    function tryChallenge(uint256 which, uint256 challenger) external {
        Known storage known = states[which % states.length];
        State memory s = abi.decode(known.state, (State));
        Record memory previous = recordIn();
        Shown memory x = known.agreed ? shown(child, s, previous) : unsigned(s, previous);
        (, uint16 dispute,,) = adjudicator.channel(idOf(child));
        Sig memory sig = challengeSig(challenger % 2 == 0 ? KEY0 : KEY1, child.params, s, dispute);
        try this.rawChallenge(x, challenger % 3, sig) {
            ++taken["challenge"];
        } catch {}
    }

    function rawChallenge(Shown memory x, uint256 challenger, Sig memory sig) external {
        challengeChild(child, x, challenger, sig);
    }

    function tryRespond(uint256 which) public {
        Known storage known = states[which % states.length];
        if (!known.agreed) return;
        Shown memory x = shown(child, abi.decode(known.state, (State)), recordIn());
        try this.rawRespond(x) {
            ++taken["respond"];
        } catch {}
    }

    function rawRespond(Shown memory x) external {
        respondChild(child, x);
    }

    function tryProgress(uint256 which, bool alone, int128 paid, uint8 writer, uint8 mode) public {
        // The period of showing states is waited for.
        if (block.timestamp <= deadlineOf(child.params)) passUntil(deadlineOf(child.params) + 1);
        State memory s = recorded();
        State memory next;
        Sig[2] memory g;
        if (alone) {
            if (paid == type(int128).min) return;
            next = paidState(s.version + 1, 1, paid);
            (next.writer, next.history, next.appData) = (writer % 2, hashOf(child.params, s), data(mode));
            (g[0], g[1]) = moveSigs(child.params, s, next);
        } else {
            Known storage known = states[which % states.length];
            if (!known.agreed) return;
            next = abi.decode(known.state, (State));
            (g[0], g[1]) = sigs(child.params, next);
        }
        try extension.progressChild(child.params, child.terms, s, next, g[0], g[1]) {
            ++taken["progress"];
            if (block.timestamp == lastMove()) ++taken["progress at the end"];
            if (alone) add(next, false);
        } catch {}
    }

    /// At the last second at which anyone may move.
    function tryProgressAtTheEnd(int128 paid, uint8 writer, uint8 mode) external {
        if (block.timestamp > lastMove()) return;
        passUntil(child.terms.end);
        tryRespond(states.length - 1);
        passUntil(lastMove());
        tryProgress(0, true, paid, writer, mode);
    }

    function lastMove() private view returns (uint256) {
        return child.terms.end + 4 * DURATION;
    }

    function trySettle() external {
        try extension.settleChild(child.params, child.terms, recorded()) {
            ++taken["settle"];
        } catch {}
    }

    /// The hub agrees once; it need not at all.
    function agreeResume() external {
        if (resumed != 0 || phaseOf(child.params) != 0 || deadlineOf(child.params) == 0) return;
        (, uint16 dispute,,) = adjudicator.channel(idOf(child));
        resumeChild(child, recorded(), dispute);
        ++resumed;
    }

    function tryChallengeParent(uint256 i, uint256 which) external {
        ChannelParams memory p = parent(i);
        if (phaseOf(p) != 0 || deadlineOf(p) != 0) return;
        challengeParent(p, which % 3, p.signer0 == hub ? 1 : 0);
    }

    function trySettleParent(uint256 i) external {
        settleParent(parent(i));
    }

    function tryUnlock(uint256 i) external {
        unlockParent(parent(i));
    }

    // ---- time, and what the hub does about it

    function pass(uint32 duration) external {
        passUntil(block.timestamp + bound(duration, 1, 20 days));
    }

    function passUntil(uint256 until) private {
        while (block.timestamp < until) {
            act();
            uint256 step = block.timestamp + DURATION / 2;
            vm.warp(step < until ? step : until);
        }
        act();
    }

    function act() public {
        for (uint256 i = 0; i < 2; ++i) {
            ChannelParams memory p = parent(i);
            if (phaseOf(p) != 0 || block.timestamp > deadlineOf(p)) continue;
            uint256 which = recordedOf(p);
            if (which != 2) respondParent(p, which);
        }
        bool idle = phaseOf(child.params) == 0 && deadlineOf(child.params) == 0;
        if (idle && block.timestamp >= child.terms.end) hubChallenge();
    }

    function hubChallenge() private {
        State memory s = recorded();
        (, uint16 dispute,,) = adjudicator.channel(idOf(child));
        challengeChild(child, unsigned(s, recordIn()), 2, challengeSig(HUB_KEY, child.params, s, dispute));
    }

    /// The hub leaves all three, alone: five challenge durations after the child's end at the latest, and a period more.
    function exit() external {
        act();
        if (block.timestamp < child.terms.end) vm.warp(child.terms.end);
        act();
        if (phaseOf(child.params) == 0) {
            vm.warp(block.timestamp + DURATION + 1);
            uint256 free = child.terms.end + 5 * DURATION + 1;
            if (block.timestamp < free) vm.warp(free);
            extension.settleChild(child.params, child.terms, recorded());
        }
        for (uint256 i = 0; i < 2; ++i) {
            ChannelParams memory p = parent(i);
            if (phaseOf(p) == 0 && deadlineOf(p) == 0) challengeParent(p, 2, p.signer0 == hub ? 0 : 1);
        }
        vm.warp(block.timestamp + DURATION + 1);
        for (uint256 i = 0; i < 2; ++i) {
            settleParent(parent(i));
            unlockParent(parent(i));
        }
    }

    // ---- calls about parents

    function keyOf(address signer) private view returns (uint256) {
        return signer == hub ? HUB_KEY : signer == signer0 ? KEY0 : KEY1;
    }

    function parentSigs(ChannelParams memory p, State memory s) private view returns (Sig memory a, Sig memory b) {
        bytes32 hash = hashOf(p, s);
        if (s.version != 0) (a, b) = (sign(keyOf(p.signer0), hash), sign(keyOf(p.signer1), hash));
    }

    function challengeParent(ChannelParams memory p, uint256 which, uint256 challenger) private {
        State memory s = parentState(which);
        (Sig memory a, Sig memory b) = parentSigs(p, s);
        vm.prank(challenger == 0 ? p.payout0 : p.payout1);
        adjudicator.challenge(p, s, a, b, nothing(), challenger, noSig());
    }

    function respondParent(ChannelParams memory p, uint256 which) private {
        State memory s = parentState(2);
        (Sig memory a, Sig memory b) = parentSigs(p, s);
        adjudicator.respond(p, s, a, b, recordOf(p, parentState(which)));
    }

    function settleParent(ChannelParams memory p) private {
        if (phaseOf(p) != 0 || deadlineOf(p) == 0 || block.timestamp <= deadlineOf(p)) return;
        adjudicator.settle(p, parentState(recordedOf(p)));
    }

    function unlockParent(ChannelParams memory p) private {
        (bool finalised,,) = extension.outcome(idOf(child));
        if (phaseOf(p) == 1 && finalised) adjudicator.unlock(p, listOf(childLock(child)));
    }

    function recordedOf(ChannelParams memory p) private view returns (uint256 which) {
        while (!recordedAs(p, parentState(which))) ++which;
    }

    // ---- the model of the child

    /// Honest half of the time, so that there is somewhere to move on from.
    function data(uint8 mode) private pure returns (bytes memory) {
        return abi.encodePacked(mode % 2 == 0 ? 0 : mode / 2 % (uint8(type(HostileApp.Mode).max) + 1));
    }

    function add(State memory s, bool both) private {
        states.push(Known(abi.encode(s), hashOf(child.params, s), s.version, both && s.version != 0));
    }

    function recorded() private view returns (State memory) {
        bytes32 id = idOf(child);
        (, uint16 dispute,, bytes25 print) = adjudicator.channel(id);
        for (uint256 i = states.length; i > 0; --i) {
            Known storage known = states[i - 1];
            if (bytes25(keccak256(abi.encode(id, known.version, dispute, known.hash))) == print) {
                return abi.decode(known.state, (State));
            }
        }
        return zeroState(1);
    }

    function recordIn() private view returns (Record memory) {
        (,,, bytes25 print) = adjudicator.channel(idOf(child));
        return print == 0 ? nothing() : recordOf(child.params, recorded());
    }

    function contractUnderTest() external view returns (address) {
        return address(adjudicator);
    }

    function payouts() external view returns (address, address, address) {
        return (payout0, payout1, hubPayout);
    }

    function childId() external view returns (bytes32) {
        return idOf(child);
    }
}
