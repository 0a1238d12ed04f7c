// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Errors} from "../../src/interfaces/Errors.sol";
import {IAdjudicator} from "../../src/interfaces/IAdjudicator.sol";
import {Shown, Sig, State} from "../../src/interfaces/Types.sol";
import {HostileApp, WonApp} from "../mocks/Apps.sol";
import {ChildTest} from "../utils/ChildTest.sol";

/// @notice Disputes of channels inside channels: what hub and participants may do, and forced moves.
contract ChildDisputesTest is ChildTest {
    // ---- the hub's challenge

    function test_theHubChallengesEarlyAtVersionZero() public {
        Child memory c = hubChild(address(0));
        vm.expectEmit(address(adjudicator));
        emit IAdjudicator.Challenged(idOf(c), 2, 0, block.timestamp + DURATION, zeroState(1));
        challengeChild(c, zeroState(1), nothing(), 2);
        skip(DURATION + 1);
        extension.settleChild(c.params, c.terms, zeroState(1));
        assertOutcome(c, AMOUNT0, AMOUNT1);
    }

    /// Who holds an activation is not hurt by that.
    function test_theTwoAnswerAHubThatChallengesEarly() public {
        Child memory c = hubChild(address(0));
        challengeChild(c, zeroState(1), nothing(), 2);
        State memory s = paidState(3, 1, 0.1 ether);
        respondChild(c, s, recordOf(c.params, zeroState(1)));
        skip(DURATION + 1);
        extension.settleChild(c.params, c.terms, s);
        assertOutcome(c, 0.5 ether, 0.5 ether);
    }

    function test_theHubShowsNoStateOfTheTwo() public {
        Child memory c = hubChild(address(0));
        State memory s = paidState(3, 1, 0.1 ether);
        vm.warp(c.terms.end);
        vm.startPrank(hub);
        Shown memory x = shown(c, s, nothing());
        vm.expectRevert(Errors.HubNotEntitled.selector);
        challengeChild(c, x, 2, noSig());
    }

    function test_fromEndOnTheHubChallengesAtTheRecord() public {
        Child memory c = hubChild(address(0));
        State memory s = paidState(3, 1, 0.1 ether);
        challengeChild(c, s, nothing(), 0);
        resumeChild(c, s, 0);
        vm.warp(c.terms.end - 1);
        Sig memory sig = challengeSig(HUB_KEY, c.params, s, 1);
        vm.expectRevert(Errors.HubNotEntitled.selector);
        challengeChild(c, unsigned(s, recordOf(c.params, s)), 2, sig);
        vm.warp(c.terms.end);
        vm.prank(hub);
        challengeChild(c, unsigned(s, recordOf(c.params, s)), 2, noSig());
        skip(DURATION + 1);
        extension.settleChild(c.params, c.terms, s);
        assertOutcome(c, 0.5 ether, 0.5 ether);
    }

    function test_onlyTheHubIsTheHub() public {
        Child memory c = hubChild(address(0));
        State memory s = zeroState(1);
        Sig memory sig = challengeSig(KEY0, c.params, s, 0);
        vm.expectRevert(badSignature(2));
        challengeChild(c, unsigned(s, nothing()), 2, sig);
        vm.expectRevert(Errors.InvalidParticipant.selector);
        challengeChild(c, unsigned(s, nothing()), 3, sig);
        c = subChannel(address(0));
        vm.expectRevert(Errors.InvalidParticipant.selector);
        challengeChild(c, unsigned(s, nothing()), 2, sig);
    }

    // ---- resume

    function test_resumeNeedsTheHubToo() public {
        Child memory c = hubChild(address(0));
        State memory s = paidState(3, 1, 0.1 ether);
        challengeChild(c, s, nothing(), 0);
        (Sig memory a, Sig memory b) = resumeSigs(c.params, 0);
        vm.expectRevert(badSignature(2));
        extension.resumeChild(c.params, c.terms, recordOf(c.params, s), a, b, noSig());
        resumeChild(c, s, 0);
        assertEq(deadlineOf(c.params), 0);
    }

    function test_aSubChannelIsResumedByTheTwo() public {
        Child memory c = subChannel(address(0));
        State memory s = paidState(3, 1, 0.1 ether);
        challengeChild(c, s, nothing(), 0);
        (Sig memory a, Sig memory b) = resumeSigs(c.params, 0);
        extension.resumeChild(c.params, c.terms, recordOf(c.params, s), a, b, noSig());
        assertEq(deadlineOf(c.params), 0);
    }

    // ---- forced moves and the end of them

    function test_whoStallsInAChildLoses() public {
        Child memory c = hubChild(counting);
        State memory s = countState(3, 0, 0, 0);
        s.appData = abi.encode(0, uint128(0.25 ether));
        challengeChild(c, s, nothing(), 1);
        skip(DURATION + 1);
        State memory next = countOn(c.params, s);
        progressChild(c, s, next);
        skip(DURATION);
        vm.expectRevert(Errors.PeriodRunning.selector);
        extension.settleChild(c.params, c.terms, next);
        skip(1);
        extension.settleChild(c.params, c.terms, next);
        assertOutcome(c, 0.85 ether, 0.15 ether);
    }

    /// However the two drag it out, the hub's capital is free five challenge durations after the end.
    function test_noMovesLongAfterTheEnd() public {
        Child memory c = hubChild(counting);
        State memory s = countState(3, 0, 0, 0);
        vm.warp(c.terms.end);
        challengeChild(c, zeroState(1), nothing(), 2);
        respondChild(c, s, recordOf(c.params, zeroState(1)));
        vm.warp(c.terms.end + DURATION + 1);
        while (block.timestamp <= c.terms.end + 4 * DURATION) {
            State memory next = countOn(c.params, s);
            progressChild(c, s, next);
            s = next;
            skip(DURATION);
        }
        (Sig memory a, Sig memory b) = moveSigs(c.params, s, countOn(c.params, s));
        vm.expectRevert(Errors.PeriodOver.selector);
        extension.progressChild(c.params, c.terms, s, countOn(c.params, s), a, b);
        State memory agreed = countState(99, 0, 0, 0);
        (a, b) = sigs(c.params, agreed);
        vm.expectRevert(Errors.PeriodOver.selector);
        extension.progressChild(c.params, c.terms, s, agreed, a, b);
        assertLe(block.timestamp, c.terms.end + 5 * DURATION);
        extension.settleChild(c.params, c.terms, s);
    }

    /// A period that was started after the last possible move is not followed by another.
    function test_settledRightAfterThePeriodWhenNobodyMayMove() public {
        Child memory c = hubChild(counting);
        State memory s = countState(3, 0, 0, 0);
        s.appData = abi.encode(0, uint128(0.25 ether));
        vm.warp(c.terms.end + 4 * DURATION);
        challengeChild(c, s, nothing(), 1);
        skip(DURATION);
        vm.expectRevert(Errors.PeriodRunning.selector);
        extension.settleChild(c.params, c.terms, s);
        skip(1);
        (Sig memory a, Sig memory b) = moveSigs(c.params, s, countOn(c.params, s));
        State memory next = countOn(c.params, s);
        vm.expectRevert(Errors.PeriodOver.selector);
        extension.progressChild(c.params, c.terms, s, next, a, b);
        extension.settleChild(c.params, c.terms, s);
        assertOutcome(c, AMOUNT0, AMOUNT1);
    }

    /// A dispute of the counting game at which participant 0 is to move, with so long to the last possible move.
    function disputeBefore(uint256 time) private returns (Child memory c, State memory s) {
        c = hubChild(counting);
        s = countState(3, 0, 0, 0.1 ether);
        s.appData = abi.encode(0, uint128(0.25 ether));
        uint256 last = c.terms.end + 4 * DURATION;
        vm.warp(last - time - DURATION);
        challengeChild(c, s, nothing(), 1);
        skip(DURATION + 1);
    }

    /// Whoever has a full turn loses by a stall, and pays nothing for one that is a second short.
    function test_onlyAFullTurnIsBlamed() public {
        (Child memory c, State memory s) = disputeBefore(DURATION);
        uint256 snapshot = vm.snapshotState();
        skip(DURATION);
        extension.settleChild(c.params, c.terms, s);
        assertOutcome(c, 0.25 ether, 0.75 ether);
        vm.revertToState(snapshot);
        // The next one has a turn of no time at all.
        skip(DURATION - 1);
        State memory next = countOn(c.params, s);
        progressChild(c, s, next);
        skip(1);
        extension.settleChild(c.params, c.terms, next);
        assertOutcome(c, 0.5 ether, 0.5 ether);
    }

    function test_aTurnASecondShortIsNotBlamed() public {
        (Child memory c, State memory s) = disputeBefore(DURATION - 1);
        skip(DURATION - 2);
        vm.expectRevert(Errors.PeriodRunning.selector);
        extension.settleChild(c.params, c.terms, s);
        skip(1);
        extension.settleChild(c.params, c.terms, s);
        assertOutcome(c, 0.5 ether, 0.5 ether);
    }

    /// In a turn that was cut short one may still move, and win.
    function test_aGameWonAtTheVeryEndIsPaid() public {
        Child memory c = hubChild(extension.deployApp(type(WonApp).runtimeCode));
        State memory s = countState(3, 0, 0, 0);
        vm.warp(c.terms.end + 3 * DURATION - 1);
        challengeChild(c, s, nothing(), 1);
        vm.warp(c.terms.end + 4 * DURATION);
        State memory next = countOn(c.params, s);
        progressChild(c, s, next);
        skip(1);
        extension.settleChild(c.params, c.terms, next);
        assertOutcome(c, AMOUNT0 + AMOUNT1, 0);
    }

    /// Between the same two there is no end.
    function test_aSubChannelHasNoEnd() public {
        Child memory c = subChannel(counting);
        State memory s = countState(3, 0, 0, 0);
        skip(400 days);
        challengeChild(c, s, nothing(), 1);
        skip(DURATION + 1);
        progressChild(c, s, countOn(c.params, s));
    }

    function test_noMovesInAPaymentChild() public {
        Child memory c = hubChild(address(0));
        State memory s = paidState(3, 1, 0.1 ether);
        challengeChild(c, s, nothing(), 1);
        skip(DURATION + 1);
        (Sig memory a, Sig memory b) = sigs(c.params, s);
        vm.expectRevert(Errors.NoApp.selector);
        extension.progressChild(c.params, c.terms, s, s, a, b);
    }

    // ---- outcomes

    function test_noOutcomeBeforeTheEnd() public {
        Child memory c = hubChild(address(0));
        (bool finalised, uint128 outcome0, uint128 outcome1) = extension.outcome(idOf(c));
        assertFalse(finalised);
        assertEq(outcome0 + outcome1, 0);
        challengeChild(c, zeroState(1), nothing(), 2);
        (finalised,,) = extension.outcome(idOf(c));
        assertFalse(finalised);
    }

    /// Whatever a state or a verdict says, the two together get what they put in.
    function testFuzz_outcomesAddUp(int128 delta, uint8 mode, uint128 amount0, uint128 amount1) public {
        delta = int128(bound(delta, -type(int128).max, type(int128).max));
        Child memory c = hubChild(hostile);
        c.terms.amount0 = uint128(bound(amount0, 0, type(uint128).max / 4));
        c.terms.amount1 = uint128(bound(amount1, 0, type(uint128).max / 4));
        c.params.child = hashOf(c.terms);
        State memory s = paidState(3, 1, delta);
        s.appData = abi.encodePacked(mode % (uint8(type(HostileApp.Mode).max) + 1));
        challengeChild(c, s, nothing(), 0);
        skip(2 * DURATION + 1);
        extension.settleChild(c.params, c.terms, s);
        (bool finalised, uint128 outcome0, uint128 outcome1) = extension.outcome(idOf(c));
        assertTrue(finalised);
        assertEq(uint256(outcome0) + outcome1, uint256(c.terms.amount0) + c.terms.amount1);
    }
}
