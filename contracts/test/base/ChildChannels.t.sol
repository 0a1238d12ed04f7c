// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Errors} from "../../src/interfaces/Errors.sol";
import {IAdjudicatorExtension} from "../../src/interfaces/IAdjudicatorExtension.sol";
import {Record, Sig, State} from "../../src/interfaces/Types.sol";
import {ChildTest} from "../utils/ChildTest.sol";

/// @notice Channels inside channels, over a hub and without one.
contract ChildChannelsTest is ChildTest {
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
}
