// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Errors} from "../../src/interfaces/Errors.sol";
import {IAdjudicator} from "../../src/interfaces/IAdjudicator.sol";
import {ChannelParams, Record, Sig, State} from "../../src/interfaces/Types.sol";
import {ChannelTest} from "../utils/ChannelTest.sol";

/// @notice How a dispute begins.
contract ChallengeTest is ChannelTest {
    function test_challengeRecordsAndStartsThePeriod() public {
        ChannelParams memory p = open(1 ether, 0);
        State memory s = paidState(5, 1, 0.5 ether);
        s.writer = 1;
        (Sig memory a, Sig memory b) = sigs(p, s);
        Sig memory sig = challengeSig(KEY1, p, s, 0);
        vm.expectEmit(address(adjudicator));
        emit IAdjudicator.Challenged(idOf(p), 1, 0, block.timestamp + DURATION, s);
        vm.prank(stranger);
        adjudicator.challenge(p, s, a, b, nothing(), 1, sig);
        (uint8 phase, uint16 dispute, uint40 deadline, bytes25 print) = adjudicator.channel(idOf(p));
        assertEq(phase, 0);
        assertEq(dispute, 0);
        assertEq(deadline, block.timestamp + DURATION);
        assertEq(print, fingerprintOf(p, s, 0));
    }

    /// No hostage: who deposited gets out although the other never signed anything.
    function test_versionZeroNeedsNoSignatureOfTheOther() public {
        ChannelParams memory p = open(0, 1 ether);
        vm.prank(signer1);
        adjudicator.challenge(p, zeroState(1), noSig(), noSig(), nothing(), 1, noSig());
        skip(DURATION + 1);
        vm.prank(stranger);
        adjudicator.settle(p, zeroState(1));
        assertEq(payout1.balance, 1 ether);
        assertEq(phaseOf(p), 2);
    }

    function test_versionZeroIsExactlyTheZeroState() public {
        ChannelParams memory p = open(1 ether, 1 ether);
        for (uint256 i = 0; i < 8; ++i) {
            State memory s = zeroState(1);
            bytes memory reason = abi.encodeWithSelector(Errors.NotTheZeroState.selector);
            if (i == 0) s.writer = 1;
            if (i == 1) s.isFinal = true;
            if (i == 2) s.validUntil = 1;
            if (i == 3) s.locksHash = "x";
            if (i == 4) s.history = "x";
            if (i == 5) (s.allocations[0].delta0, s.allocations[0].delta1) = (-1, 1);
            if (i == 6) (s.allocations[0].delta0, s.allocations[0].withdrawn0) = (-1, 1);
            if (i == 7) (s.appData, reason) = ("x", abi.encodeWithSelector(Errors.UnexpectedAppData.selector));
            expectChallengeReverts(p, s, nothing(), 0, reason);
        }
        State memory two = zeroState(2);
        expectChallengeReverts(p, two, nothing(), 0, abi.encodeWithSelector(Errors.WrongAllocationCount.selector));
    }

    function test_onlyAParticipantOrItsPayoutStartsADispute() public {
        ChannelParams memory p = open(1 ether, 0);
        State memory s = zeroState(1);
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSelector(Errors.BadSignature.selector, 0));
        adjudicator.challenge(p, s, noSig(), noSig(), nothing(), 0, noSig());
        vm.prank(payout1);
        vm.expectRevert(abi.encodeWithSelector(Errors.BadSignature.selector, 0));
        adjudicator.challenge(p, s, noSig(), noSig(), nothing(), 0, noSig());
        vm.prank(payout0);
        vm.expectRevert(Errors.InvalidParticipant.selector);
        adjudicator.challenge(p, s, noSig(), noSig(), nothing(), 2, noSig());
        vm.prank(payout0);
        adjudicator.challenge(p, s, noSig(), noSig(), nothing(), 0, noSig());
        assertEq(deadlineOf(p), block.timestamp + DURATION);
    }

    /// A challenge is signed for one dispute and one state.
    function test_challengeSignatureIsBoundToDisputeAndState() public {
        ChannelParams memory p = open(1 ether, 0);
        State memory s = paidState(5, 1, 0);
        (Sig memory a, Sig memory b) = sigs(p, s);
        Sig memory sig = challengeSig(KEY0, p, s, 1);
        vm.expectRevert(abi.encodeWithSelector(Errors.BadSignature.selector, 0));
        adjudicator.challenge(p, s, a, b, nothing(), 0, sig);
        sig = challengeSig(KEY0, p, paidState(6, 1, 0), 0);
        vm.expectRevert(abi.encodeWithSelector(Errors.BadSignature.selector, 0));
        adjudicator.challenge(p, s, a, b, nothing(), 0, sig);
        sig = challengeSig(KEY0, p, s, 0);
        adjudicator.challenge(p, s, a, b, nothing(), 0, sig);
        resume(p, s, 0);
        // Used once, it does not start the next dispute.
        vm.expectRevert(abi.encodeWithSelector(Errors.BadSignature.selector, 0));
        adjudicator.challenge(p, s, a, b, recordOf(p, s), 0, sig);
    }

    function test_oneDisputeAtATime() public {
        ChannelParams memory p = open(1 ether, 0);
        State memory s = paidState(5, 1, 0);
        challenge(p, s, nothing(), 0);
        bytes memory reason = abi.encodeWithSelector(Errors.AlreadyDisputed.selector);
        expectChallengeReverts(p, paidState(6, 1, 0), recordOf(p, s), 0, reason);
        // Nor a fresh period after the first has run out.
        skip(DURATION + 1);
        expectChallengeReverts(p, paidState(6, 1, 0), recordOf(p, s), 0, reason);
    }

    function test_equalVersionOnlyOfTheRecordedState() public {
        ChannelParams memory p = open(1 ether, 0);
        State memory s = paidState(5, 1, 0.5 ether);
        challenge(p, s, nothing(), 0);
        resume(p, s, 0);
        State memory twin = paidState(5, 1, 0.25 ether);
        Record memory recorded = recordOf(p, s);
        expectChallengeReverts(p, twin, recorded, 1, abi.encodeWithSelector(Errors.ConflictingState.selector));
        expectChallengeReverts(p, paidState(4, 1, 0), recorded, 1, abi.encodeWithSelector(Errors.StaleState.selector));
        expectChallengeReverts(p, zeroState(1), recorded, 1, abi.encodeWithSelector(Errors.StaleState.selector));
        expectChallengeReverts(p, s, nothing(), 1, abi.encodeWithSelector(Errors.RecordMismatch.selector));
        expectChallengeReverts(p, s, recordOf(p, twin), 1, abi.encodeWithSelector(Errors.RecordMismatch.selector));
        // What is recorded was verified then: it needs no signatures again.
        Sig memory sig = challengeSig(KEY0, p, s, 1);
        adjudicator.challenge(p, s, noSig(), noSig(), recorded, 0, sig);
        assertEq(deadlineOf(p), block.timestamp + DURATION);
    }

    function test_recordOfVersionZeroCanBeChallengedAgain() public {
        ChannelParams memory p = open(1 ether, 0);
        challenge(p, zeroState(1), nothing(), 0);
        resume(p, zeroState(1), 0);
        challenge(p, zeroState(1), recordOf(p, zeroState(1)), 1);
        assertEq(deadlineOf(p), block.timestamp + DURATION);
    }

    function test_previousMustBeNothingWhenNothingIsRecorded() public {
        ChannelParams memory p = open(1 ether, 0);
        State memory s = paidState(5, 1, 0);
        bytes memory reason = abi.encodeWithSelector(Errors.RecordMismatch.selector);
        expectChallengeReverts(p, s, Record(1, 0), 0, reason);
        expectChallengeReverts(p, s, Record(0, "x"), 0, reason);
    }

    function test_statesThatBreakTheRulesAreNeverRecorded() public {
        ChannelParams memory p = open(5 ether, 5 ether);
        State memory s = paidState(5, 1, 0);
        s.writer = 2;
        expectChallengeReverts(p, s, nothing(), 0, abi.encodeWithSelector(Errors.InvalidWriter.selector));
        s = paidState(5, 1, 0);
        s.appData = "x";
        expectChallengeReverts(p, s, nothing(), 0, abi.encodeWithSelector(Errors.UnexpectedAppData.selector));
        s = paidState(5, 1, 0);
        s.allocations[0].delta1 = 1;
        expectChallengeReverts(p, s, nothing(), 0, abi.encodeWithSelector(Errors.OverAllocated.selector, 0));
        s = paidState(5, 1, 0);
        s.allocations[0].withdrawn0 = 1;
        expectChallengeReverts(p, s, nothing(), 0, abi.encodeWithSelector(Errors.OverAllocated.selector, 0));
        s = paidState(5, 1, 0);
        s.allocations[0].delta1 = -1;
        expectChallengeReverts(p, s, nothing(), 0, abi.encodeWithSelector(Errors.LockedWithoutLocks.selector, 0));
        s = paidState(5, 2, 0);
        expectChallengeReverts(p, s, nothing(), 0, abi.encodeWithSelector(Errors.WrongAllocationCount.selector));
        s = paidState(5, 1, 0);
        (s.isFinal, s.locksHash) = (true, "x");
        expectChallengeReverts(p, s, nothing(), 0, abi.encodeWithSelector(Errors.FinalWithLocks.selector));
    }
}
