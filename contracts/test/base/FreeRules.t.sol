// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Errors} from "../../src/interfaces/Errors.sol";
import {IAdjudicatorExtension} from "../../src/interfaces/IAdjudicatorExtension.sol";
import {ChannelParams, Sig, State} from "../../src/interfaces/Types.sol";
import {SoloApp, WonApp} from "../mocks/Apps.sol";
import {AppTest} from "../utils/AppTest.sol";

/// @notice Forced moves.
contract FreeRulesTest is AppTest {
    ChannelParams internal p;

    function setUp() public override {
        super.setUp();
        p = openCounting();
    }

    /// Settled one second after so long, and not before.
    function settleAfter(ChannelParams memory p_, State memory s, uint256 wait) private {
        skip(wait);
        vm.expectRevert(Errors.PeriodRunning.selector);
        adjudicator.settle(p_, s);
        skip(1);
        adjudicator.settle(p_, s);
    }

    function test_aMoveStartsAPeriodForTheNext() public {
        State memory start = countState(3, 0, 0, 0);
        challengeAndWait(p, start);
        State memory next = countOn(p, start);
        vm.expectEmit(address(adjudicator));
        emit IAdjudicatorExtension.Progressed(idOf(p), 0, block.timestamp + DURATION, next);
        vm.prank(stranger);
        progress(p, start, next);
        assertTrue(recordedAs(p, next));
        assertEq(deadlineOf(p), block.timestamp);
        settleAfter(p, next, DURATION);
        assertEq(payout0.balance, 1.5 ether, "1 did not answer");
        assertEq(payout1.balance, 0.5 ether);
    }

    function test_movesInTurns() public {
        State memory start = countState(3, 0, 0, 0);
        challengeAndWait(p, start);
        State memory s = start;
        for (uint256 i = 0; i < 5; ++i) {
            State memory next = countOn(p, s);
            progress(p, s, next);
            s = next;
            skip(DURATION);
        }
        skip(1);
        adjudicator.settle(p, s);
        assertEq(payout1.balance, 0.5 ether);
    }

    function test_severalMovesInOneBlock() public {
        State memory start = countState(3, 0, 0, 0);
        challengeAndWait(p, start);
        State memory second = countOn(p, start);
        progress(p, start, second);
        State memory third = countOn(p, second);
        progress(p, second, third);
        assertTrue(recordedAs(p, third));
        vm.expectRevert(Errors.PeriodRunning.selector);
        adjudicator.settle(p, third);
    }

    function test_onlyAfterThePeriodAndWithinTheWritersOwn() public {
        State memory start = countState(3, 0, 0, 0);
        challenge(p, start, nothing(), 0);
        State memory next = countOn(p, start);
        expectProgressRevert(p, start, next, Errors.PeriodRunning.selector);
        skip(DURATION);
        expectProgressRevert(p, start, next, Errors.PeriodRunning.selector);
        skip(1);
        uint256 snapshot = vm.snapshotState();
        progress(p, start, next);
        vm.revertToState(snapshot);
        skip(DURATION - 1);
        progress(p, start, next);
        vm.revertToState(snapshot);
        skip(DURATION);
        expectProgressRevert(p, start, next, Errors.PeriodOver.selector);
    }

    function test_neitherWithoutDisputeNorWithoutApp() public {
        State memory start = countState(3, 0, 0, 0);
        State memory next = countOn(p, start);
        expectProgressRevert(p, start, next, Errors.RecordMismatch.selector);
        challenge(p, start, nothing(), 0);
        resume(p, start, 0);
        expectProgressRevert(p, start, next, Errors.NotDisputed.selector);
        p = nativeParams();
        expectProgressRevert(p, start, next, Errors.NoApp.selector);
        p.app = counting;
        p.child = "child";
        expectProgressRevert(p, start, next, Errors.ChildChannel.selector);
    }

    function test_neitherFromVersionZeroNorFromAFinal() public {
        State memory start = countState(3, 0, 0, 0);
        State memory zero = zeroState(1);
        challengeAndWait(p, zero);
        State memory next = copy(start);
        (next.version, next.history) = (1, hashOf(p, zero));
        expectProgressRevert(p, zero, next, Errors.UnsignedVersion.selector);
        p.nonce = 2;
        State memory last = finalState(3, 1, 0);
        last.appData = start.appData;
        challengeAndWait(p, last);
        expectProgressRevert(p, last, countOn(p, last), Errors.WrongFinality.selector);
    }

    function test_onlyTheWriterAndItsOwnSignature() public {
        State memory start = countState(3, 0, 0, 0);
        challengeAndWait(p, start);
        State memory next = countOn(p, start);
        Sig memory wrong = sign(KEY1, hashOf(p, next));
        vm.expectRevert(abi.encodeWithSelector(Errors.BadSignature.selector, 0));
        extension.progress(p, start, next, wrong, noSig());
        vm.expectRevert(abi.encodeWithSelector(Errors.BadSignature.selector, 0));
        extension.progress(p, start, next, noSig(), wrong);
        vm.expectRevert(abi.encodeWithSelector(Errors.BadSignature.selector, 0));
        extension.progress(p, start, next, noSig(), noSig());
    }

    /// What the adjudicator itself sees to.
    function test_aMoveIsTheNextVersion() public {
        State memory start = countState(3, 0, 0, 0);
        challengeAndWait(p, start);
        State memory next = countOn(p, start);
        next.version += 1;
        expectProgressRevert(p, start, next, Errors.NotAMove.selector);
        next = countOn(p, start);
        next.version -= 1;
        expectProgressRevert(p, start, next, Errors.NotAMove.selector);
        next = countOn(p, start);
        next.history = start.history;
        expectProgressRevert(p, start, next, Errors.NotAMove.selector);
        next = countOn(p, start);
        next.isFinal = true;
        expectProgressRevert(p, start, next, Errors.NotAMove.selector);
        next = countOn(p, start);
        next.validUntil = 1;
        expectProgressRevert(p, start, next, Errors.NotAMove.selector);
        next = countOn(p, start);
        next.allocations[0].delta0 += 1;
        expectProgressRevert(p, start, next, Errors.Unbalanced.selector);
        next = countOn(p, start);
        (next.allocations[0].delta0, next.allocations[0].withdrawn0) = (-1, 1);
        expectProgressRevert(p, start, next, Errors.Unbalanced.selector);
        next = countOn(p, start);
        next.locksHash = "locks";
        expectProgressRevert(p, start, next, Errors.UnexpectedLocks.selector);
        next = countOn(p, start);
        next.writer = 2;
        expectProgressRevert(p, start, next, Errors.InvalidWriter.selector);
    }

    function test_aMoveHasToKeepTheRules() public {
        State memory start = countState(3, 0, 0, 0);
        challengeAndWait(p, start);
        State memory next = countOn(p, start);
        next.appData = start.appData;
        expectProgressRevert(p, start, next, Errors.InvalidMove.selector);
        next = countOn(p, start);
        next.writer = 0;
        expectProgressRevert(p, start, next, Errors.InvalidMove.selector);
        next = countOn(p, start);
        (next.allocations[0].delta0, next.allocations[0].delta1) = (1, -1);
        expectProgressRevert(p, start, next, Errors.InvalidMove.selector);
    }

    function test_fromTheRecordedStateOnly() public {
        State memory start = countState(3, 0, 0, 0);
        challengeAndWait(p, start);
        State memory other = countState(3, 0, 1, 0);
        expectProgressRevert(p, other, countOn(p, other), Errors.RecordMismatch.selector);
        State memory next = countOn(p, start);
        progress(p, start, next);
        expectProgressRevert(p, start, next, Errors.RecordMismatch.selector);
    }

    // ---- what both signed

    function test_aHigherAgreedStateNeedsNoApp() public {
        State memory start = countState(3, 0, 0, 0);
        p.app = hostile;
        p.nonce = 5;
        start.appData = hex"01";
        challengeAndWait(p, start);
        State memory higher = countState(9, 1, 0, 0.2 ether);
        higher.appData = hex"01";
        (Sig memory a, Sig memory b) = sigs(p, higher);
        extension.progress(p, start, higher, a, b);
        assertTrue(recordedAs(p, higher));
        skip(DURATION);
        vm.expectRevert(Errors.PeriodRunning.selector);
        adjudicator.settle(p, higher);
    }

    function test_anAgreedStateMustBeHigherAndSignedByBoth() public {
        State memory start = countState(3, 0, 0, 0);
        challengeAndWait(p, start);
        State memory same = countState(3, 1, 0, 0.2 ether);
        (Sig memory a, Sig memory b) = sigs(p, same);
        vm.expectRevert(Errors.StaleState.selector);
        extension.progress(p, start, same, a, b);
        State memory higher = countState(9, 1, 0, 0.2 ether);
        (a, b) = sigs(p, higher);
        vm.expectRevert(abi.encodeWithSelector(Errors.BadSignature.selector, 1));
        extension.progress(p, start, higher, a, a);
        vm.expectRevert(abi.encodeWithSelector(Errors.BadSignature.selector, 0));
        extension.progress(p, start, higher, b, b);
    }

    /// With a final state the play is over at once.
    function test_anAgreedFinalState() public {
        State memory start = countState(3, 0, 0, 0);
        challengeAndWait(p, start);
        State memory last = finalState(9, 1, 0.2 ether);
        (Sig memory a, Sig memory b) = sigs(p, last);
        extension.progress(p, start, last, a, b);
        settleAfter(p, last, 0);
        assertEq(payout0.balance, 0.8 ether);
    }

    // ---- the period is over

    /// Also in the block of a move, whose time the deadline then is.
    function test_noResponseInTheBlockOfAMove() public {
        State memory start = countState(3, 0, 0, 0);
        challengeAndWait(p, start);
        State memory next = countOn(p, start);
        progress(p, start, next);
        State memory higher = countState(9, 0, 0, 0.2 ether);
        (Sig memory a, Sig memory b) = sigs(p, higher);
        vm.expectRevert(Errors.PeriodOver.selector);
        adjudicator.respond(p, higher, a, b, recordOf(p, next));
    }

    // ---- the end of it

    /// Forced on by both in turns, as often as there may be moves.
    function playToTheLimit(ChannelParams memory p_, State memory s, uint256 moves) private returns (State memory) {
        for (uint256 i = 0; i < moves; ++i) {
            State memory next = countOn(p_, s);
            progress(p_, s, next);
            s = next;
            skip(1);
        }
        return s;
    }

    /// Nobody is held for longer than 127 moves, and whoever is barred from the next one does not pay for it.
    function test_theLastMoveWinsNothing() public {
        State memory start = countState(3, 0, 0, 0.1 ether);
        challengeAndWait(p, start);
        State memory s = playToTheLimit(p, start, 127);
        assertEq(s.writer, 1);
        expectProgressRevert(p, s, countOn(p, s), Errors.TooManyMoves.selector);
        adjudicator.settle(p, s);
        assertEq(payout0.balance, 0.9 ether, "the state's own deltas");
        assertEq(payout1.balance, 1.1 ether, "the state's own deltas");
    }

    function test_theEventOfTheLastMoveLeavesNoTime() public {
        State memory start = countState(3, 0, 0, 0);
        challengeAndWait(p, start);
        State memory s = playToTheLimit(p, start, 126);
        State memory next = countOn(p, s);
        vm.expectEmit(address(adjudicator));
        emit IAdjudicatorExtension.Progressed(idOf(p), 0, block.timestamp, next);
        progress(p, s, next);
        settleAfter(p, next, 0);
    }

    /// One move before the limit a stall costs what it always costs.
    function test_stallingBeforeTheLimitLoses() public {
        State memory start = countState(3, 0, 0, 0.1 ether);
        challengeAndWait(p, start);
        State memory s = playToTheLimit(p, start, 126);
        assertEq(s.writer, 0);
        settleAfter(p, s, DURATION - 1);
        assertEq(payout0.balance, 0.4 ether);
    }

    /// What was won is paid although there was no time to object: it does not depend on whose turn it is.
    function test_aGameThatIsOverIsPaidAtTheLimit() public {
        p.nonce = 6;
        p.app = extension.deployApp(type(WonApp).runtimeCode);
        depositNative(p, 0, 1 ether);
        depositNative(p, 1, 1 ether);
        State memory start = countState(3, 0, 0, 0);
        challengeAndWait(p, start);
        adjudicator.settle(p, playToTheLimit(p, start, 127));
        assertEq(payout0.balance, 1.5 ether);
    }

    /// Nobody alone can use up the moves, or gain time: what is done without giving the pen away is one turn.
    function test_movesThatKeepThePenAreOneTurn() public {
        p.nonce = 7;
        p.app = extension.deployApp(type(SoloApp).runtimeCode);
        depositNative(p, 0, 1 ether);
        depositNative(p, 1, 1 ether);
        State memory s = countState(3, 0, 0, 0);
        challengeAndWait(p, s);
        uint256 begin = deadlineOf(p);
        for (uint256 i = 0; i < 130; ++i) {
            State memory next = countOn(p, s);
            next.writer = 0;
            vm.expectEmit(address(adjudicator));
            emit IAdjudicatorExtension.Progressed(idOf(p), 0, begin + DURATION, next);
            progress(p, s, next);
            s = next;
            skip(1);
        }
        assertEq(deadlineOf(p), begin);
        vm.warp(begin + DURATION + 1);
        expectProgressRevert(p, s, countOn(p, s), Errors.PeriodOver.selector);
        adjudicator.settle(p, s);
        assertEq(payout0.balance, 0.5 ether, "0 stalled");
    }

    /// Counted anew in the next dispute, at which the forced state is what is recorded.
    function test_resumeAfterForcedMoves() public {
        State memory start = countState(3, 0, 0, 0);
        challengeAndWait(p, start);
        State memory next = countOn(p, start);
        progress(p, start, next);
        resume(p, next, 0);
        assertTrue(recordedAs(p, next));
        vm.prank(payout1);
        adjudicator.challenge(p, next, noSig(), noSig(), recordOf(p, next), 1, noSig());
        skip(DURATION + 1);
        progress(p, next, countOn(p, next));
    }

    /// Whichever versions and data: what is recorded is exactly what was signed.
    function testFuzz_progressRecordsTheMove(uint64 version, uint96 count, uint8 writer, uint32 delay) public {
        version = uint64(bound(version, 1, type(uint64).max - 1));
        State memory s = countState(version, writer % 2, count, 0.1 ether);
        challengeAndWait(p, s);
        skip(bound(delay, 0, DURATION - 1));
        State memory next = countOn(p, s);
        progress(p, s, next);
        assertTrue(recordedAs(p, next));
    }
}
