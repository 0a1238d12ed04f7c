// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Errors} from "../../src/interfaces/Errors.sol";
import {IAdjudicator} from "../../src/interfaces/IAdjudicator.sol";
import {IAdjudicatorExtension} from "../../src/interfaces/IAdjudicatorExtension.sol";
import {Record, Shown, Sig, State} from "../../src/interfaces/Types.sol";
import {HostileApp, WonApp} from "../mocks/Apps.sol";
import {ChildTest} from "../utils/ChildTest.sol";

/// @notice Channels inside channels, over a hub and without one.
contract ChildChannelsTest is ChildTest {
    function expectChallengeRevert(Child memory c, State memory s, Sig memory active, bytes memory reason) private {
        Shown memory x = shown(c, s, nothing());
        x.activation = active;
        Sig memory sig = challengeSig(KEY0, c.params, s, 0);
        vm.expectRevert(reason);
        challengeChild(c, x, 0, sig);
    }

    function badSignature(uint256 who) private pure returns (bytes memory) {
        return abi.encodeWithSelector(Errors.BadSignature.selector, who);
    }

    // ---- terms

    function test_termsAreThoseOfTheId() public {
        Child memory c = hubChild(address(0));
        State memory s = lastState(5, 0.1 ether);
        c.terms.end += 1;
        (Sig memory a, Sig memory b) = sigs(c.params, s);
        Sig memory h = hubSig(c, s);
        vm.expectRevert(Errors.ChildTermsMismatch.selector);
        extension.closeChild(c.params, c.terms, s, a, b, h);
    }

    function test_oneAssetAndBoundedAmounts() public {
        Child memory c = hubChild(address(0));
        c.params.assets = new address[](2);
        c.params.assets[1] = address(usdc);
        State memory s = zeroState(2);
        vm.expectRevert(Errors.InvalidChild.selector);
        challengeChild(c, unsigned(s, nothing()), 0, noSig());
        c = hubChild(address(0));
        (c.terms.amount0, c.terms.amount1) = (1 << 126, 1 << 126);
        c.params.child = hashOf(c.terms);
        s = zeroState(1);
        vm.expectRevert(Errors.InvalidChild.selector);
        challengeChild(c, unsigned(s, nothing()), 0, noSig());
        c.terms.amount1 -= 1;
        c.params.child = hashOf(c.terms);
        challengeChild(c, s, nothing(), 0);
        skip(DURATION + 1);
        extension.settleChild(c.params, c.terms, s);
        assertOutcome(c, 1 << 126, (1 << 126) - 1);
    }

    function test_noAppDataWithoutAnApp() public {
        Child memory c = hubChild(address(0));
        State memory s = countState(3, 0, 0, 0);
        expectChallengeRevert(c, s, activation(c), abi.encodeWithSelector(Errors.UnexpectedAppData.selector));
    }

    // ---- close

    function test_closedByAllThree() public {
        Child memory c = hubChild(address(0));
        State memory s = lastState(5, 0.1 ether);
        vm.expectEmit(address(adjudicator));
        emit IAdjudicatorExtension.Finalised(idOf(c), 0.5 ether, 0.5 ether);
        vm.prank(stranger);
        closeChild(c, s);
        assertOutcome(c, 0.5 ether, 0.5 ether);
        (,, uint128 reserve) = adjudicator.funds(idOf(c), 0);
        assertEq(reserve, 0);
    }

    function test_notWithoutTheHub() public {
        Child memory c = hubChild(address(0));
        State memory s = lastState(5, 0.1 ether);
        (Sig memory a, Sig memory b) = sigs(c.params, s);
        vm.expectRevert(badSignature(2));
        extension.closeChild(c.params, c.terms, s, a, b, noSig());
        vm.expectRevert(badSignature(2));
        extension.closeChild(c.params, c.terms, s, a, b, a);
        Sig memory h = hubSig(c, s);
        vm.expectRevert(badSignature(1));
        extension.closeChild(c.params, c.terms, s, a, h, h);
        vm.expectRevert(badSignature(0));
        extension.closeChild(c.params, c.terms, s, h, b, h);
    }

    function test_aSubChannelHasNoHubToAsk() public {
        Child memory c = subChannel(address(0));
        closeChild(c, lastState(5, -0.1 ether));
        assertOutcome(c, 0.7 ether, 0.3 ether);
    }

    function test_closeWithinItsLimitAndFunds() public {
        Child memory c = subChannel(address(0));
        State memory s = lastState(5, 0.600_000_001 ether);
        (Sig memory a, Sig memory b) = sigs(c.params, s);
        vm.expectRevert(abi.encodeWithSelector(Errors.Underfunded.selector, 0));
        extension.closeChild(c.params, c.terms, s, a, b, noSig());
        s = finalState(5, 1, 0.1 ether);
        (a, b) = sigs(c.params, s);
        skip(1 hours + 1);
        vm.expectRevert(Errors.Expired.selector);
        extension.closeChild(c.params, c.terms, s, a, b, noSig());
        s = paidState(5, 1, 0.1 ether);
        (a, b) = sigs(c.params, s);
        vm.expectRevert(Errors.WrongFinality.selector);
        extension.closeChild(c.params, c.terms, s, a, b, noSig());
    }

    function test_closeDuringADisputeAndOnlyOnce() public {
        Child memory c = hubChild(counting);
        State memory s = countState(3, 0, 0, 0);
        challengeChild(c, s, nothing(), 0);
        closeChild(c, lastState(5, 0.1 ether));
        assertOutcome(c, 0.5 ether, 0.5 ether);
        State memory other = lastState(6, 0);
        (Sig memory a, Sig memory b) = sigs(c.params, other);
        Sig memory h = hubSig(c, other);
        vm.expectRevert(Errors.ChannelEnded.selector);
        extension.closeChild(c.params, c.terms, other, a, b, h);
        skip(2 * DURATION + 1);
        vm.expectRevert(Errors.ChannelEnded.selector);
        extension.settleChild(c.params, c.terms, s);
    }

    // ---- activation

    function test_versionZeroNeedsNoActivation() public {
        Child memory c = hubChild(address(0));
        vm.prank(payout1);
        challengeChild(c, unsigned(zeroState(1), nothing()), 1, noSig());
        skip(DURATION + 1);
        extension.settleChild(c.params, c.terms, zeroState(1));
        assertOutcome(c, AMOUNT0, AMOUNT1);
    }

    function test_aboveVersionZeroNothingCountsWithoutActivation() public {
        Child memory c = hubChild(address(0));
        State memory s = paidState(3, 1, 0.1 ether);
        expectChallengeRevert(c, s, noSig(), badSignature(2));
        expectChallengeRevert(c, s, sign(KEY0, "not the hub"), badSignature(2));
        Child memory other = hubChild(counting);
        expectChallengeRevert(c, s, activation(other), badSignature(2));
        challengeChild(c, zeroState(1), nothing(), 0);
        Record memory zero = recordOf(c.params, zeroState(1));
        vm.expectRevert(badSignature(2));
        respondChild(c, inactive(c, s, zero));
        respondChild(c, s, zero);
    }

    /// Once shown it is shown: what is recorded above version 0 was recorded with it.
    function test_activationIsShownOnce() public {
        Child memory c = hubChild(address(0));
        State memory s = paidState(3, 1, 0.1 ether);
        challengeChild(c, s, nothing(), 0);
        State memory higher = paidState(4, 1, 0.2 ether);
        respondChild(c, inactive(c, higher, recordOf(c.params, s)));
        assertTrue(recordedAs(c.params, higher));
    }

    /// Nobody escapes it by lying about what is recorded.
    function test_activationCannotBeTalkedAround() public {
        Child memory c = hubChild(address(0));
        State memory s = paidState(3, 1, 0.1 ether);
        vm.prank(payout0);
        vm.expectRevert(Errors.RecordMismatch.selector);
        challengeChild(c, inactive(c, s, recordOf(c.params, paidState(2, 1, 0))), 0, noSig());
    }

    function test_aSubChannelNeedsNoActivation() public {
        Child memory c = subChannel(address(0));
        State memory s = paidState(3, 1, 0.1 ether);
        vm.prank(payout0);
        challengeChild(c, inactive(c, s, nothing()), 0, noSig());
        skip(DURATION + 1);
        extension.settleChild(c.params, c.terms, s);
        assertOutcome(c, 0.5 ether, 0.5 ether);
    }

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
