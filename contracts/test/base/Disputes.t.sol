// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Errors} from "../../src/interfaces/Errors.sol";
import {IAdjudicator} from "../../src/interfaces/IAdjudicator.sol";
import {Allocation, ChannelParams, Lock, Record, Sig, State} from "../../src/interfaces/Types.sol";
import {ChannelTest} from "../utils/ChannelTest.sol";

contract DisputesTest is ChannelTest {
    function open(uint256 deposit0, uint256 deposit1) private returns (ChannelParams memory p) {
        p = nativeParams();
        if (deposit0 != 0) depositNative(p, 0, deposit0);
        if (deposit1 != 0) depositNative(p, 1, deposit1);
    }

    function expectChallengeReverts(
        ChannelParams memory p,
        State memory s,
        Record memory previous,
        uint16 dispute,
        bytes memory reason
    ) private {
        (Sig memory a, Sig memory b) = sigs(p, s);
        Sig memory sig = challengeSig(KEY0, p, s, dispute);
        vm.expectRevert(reason);
        adjudicator.challenge(p, s, a, b, previous, 0, sig);
    }

    function expectRespondReverts(ChannelParams memory p, State memory s, Record memory previous, bytes memory reason)
        private
    {
        (Sig memory a, Sig memory b) = sigs(p, s);
        vm.expectRevert(reason);
        adjudicator.respond(p, s, a, b, previous);
    }

    // ---- challenge

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

    // ---- respond

    function test_respondReplacesTheRecordAndNothingElse() public {
        ChannelParams memory p = open(1 ether, 0);
        State memory s = paidState(5, 1, 0);
        challenge(p, s, nothing(), 0);
        uint40 deadline = deadlineOf(p);
        skip(DURATION);
        State memory higher = paidState(6, 1, 0.5 ether);
        (Sig memory a, Sig memory b) = sigs(p, higher);
        vm.expectEmit(address(adjudicator));
        emit IAdjudicator.Responded(idOf(p), 0, higher);
        vm.prank(stranger);
        adjudicator.respond(p, higher, a, b, recordOf(p, s));
        (,, uint40 deadlineNow, bytes25 print) = adjudicator.channel(idOf(p));
        assertEq(deadlineNow, deadline);
        assertEq(print, fingerprintOf(p, higher, 0));
    }

    function test_respondOnlyHigherAndInTime() public {
        ChannelParams memory p = open(1 ether, 0);
        State memory s = paidState(5, 1, 0);
        State memory higher = paidState(6, 1, 0);
        expectRespondReverts(p, s, nothing(), abi.encodeWithSelector(Errors.NotDisputed.selector));
        challenge(p, s, nothing(), 0);
        Record memory recorded = recordOf(p, s);
        expectRespondReverts(p, s, recorded, abi.encodeWithSelector(Errors.StaleState.selector));
        expectRespondReverts(p, paidState(5, 1, 1), recorded, abi.encodeWithSelector(Errors.StaleState.selector));
        expectRespondReverts(p, paidState(4, 1, 0), recorded, abi.encodeWithSelector(Errors.StaleState.selector));
        expectRespondReverts(p, zeroState(1), recorded, abi.encodeWithSelector(Errors.StaleState.selector));
        expectRespondReverts(p, higher, nothing(), abi.encodeWithSelector(Errors.RecordMismatch.selector));
        (Sig memory a,) = sigs(p, higher);
        vm.expectRevert(abi.encodeWithSelector(Errors.BadSignature.selector, 1));
        adjudicator.respond(p, higher, a, a, recorded);
        skip(DURATION + 1);
        expectRespondReverts(p, higher, recorded, abi.encodeWithSelector(Errors.PeriodOver.selector));
    }

    /// One false challenge costs the honest side one transaction, whatever else the liar shows meanwhile.
    function test_oneResponseWithTheBestStateIsEnough() public {
        ChannelParams memory p = open(1 ether, 0);
        State memory old = paidState(1, 1, 0);
        challenge(p, old, nothing(), 0);
        State memory best = paidState(9, 1, 0.75 ether);
        respond(p, best, recordOf(p, old));
        expectRespondReverts(
            p, paidState(8, 1, 0), recordOf(p, best), abi.encodeWithSelector(Errors.StaleState.selector)
        );
        skip(DURATION + 1);
        adjudicator.settle(p, best);
        assertEq(payout1.balance, 0.75 ether);
    }

    // ---- settle

    function test_settleAfterThePeriodByTheRecordOnly() public {
        ChannelParams memory p = open(1 ether, 2 ether);
        State memory s = paidState(5, 1, 0.25 ether);
        vm.expectRevert(Errors.NotDisputed.selector);
        adjudicator.settle(p, s);
        challenge(p, s, nothing(), 0);
        skip(DURATION);
        vm.expectRevert(Errors.PeriodRunning.selector);
        adjudicator.settle(p, s);
        skip(1);
        State memory another = paidState(5, 1, 0);
        vm.expectRevert(Errors.RecordMismatch.selector);
        adjudicator.settle(p, another);
        uint256[2][] memory paid = new uint256[2][](1);
        paid[0] = [uint256(0.75 ether), 2.25 ether];
        vm.expectEmit(address(adjudicator));
        emit IAdjudicator.Settled(idOf(p), paid, new uint256[](1), 0);
        vm.prank(stranger);
        adjudicator.settle(p, s);
        assertEq(payout0.balance, 0.75 ether);
        assertEq(payout1.balance, 2.25 ether);
        assertEq(phaseOf(p), 2);
        vm.expectRevert(Errors.ChannelEnded.selector);
        adjudicator.settle(p, s);
        bytes memory ended = abi.encodeWithSelector(Errors.ChannelEnded.selector);
        expectChallengeReverts(p, paidState(6, 1, 0), nothing(), 0, ended);
        expectRespondReverts(p, paidState(6, 1, 0), nothing(), ended);
    }

    /// A state that counts on deposits which never came: the other side loses only what was never there.
    function test_underfundedSettle() public {
        ChannelParams memory p = open(1 ether, 2 ether);
        disputeAndSettle(p, paidState(5, 1, 3 ether));
        assertEq(payout0.balance, 0);
        assertEq(payout1.balance, 3 ether);
        assertEq(phaseOf(p), 2);
    }

    function test_settleKeepsTheLocks() public {
        ChannelParams memory p = open(1 ether, 2 ether);
        Lock[] memory locks = listOf(hashLock(0, 0, 0.4 ether, "x", block.timestamp + 9 days));
        State memory s = lockedState(5, 1, locks);
        challenge(p, s, nothing(), 0);
        skip(DURATION + 1);
        uint256[2][] memory paid = new uint256[2][](1);
        paid[0] = [uint256(0.6 ether), 2 ether];
        uint256[] memory reserves = new uint256[](1);
        reserves[0] = 0.4 ether;
        vm.expectEmit(address(adjudicator));
        emit IAdjudicator.Settled(idOf(p), paid, reserves, s.locksHash);
        adjudicator.settle(p, s);
        (uint8 phase, uint16 dispute, uint40 deadline, bytes25 print) = adjudicator.channel(idOf(p));
        assertEq(phase, 1);
        assertEq(uint256(dispute) + deadline, 0);
        bytes32 tag = keccak256("Strait: pending locks");
        assertEq(print, bytes25(keccak256(abi.encode(tag, idOf(p), s.locksHash))));
        (uint128[2] memory deposits, uint128[2] memory withdrawn, uint128 reserve) = adjudicator.funds(idOf(p), 0);
        assertEq(uint256(deposits[0]) + deposits[1] + withdrawn[0] + withdrawn[1], 0);
        assertEq(reserve, 0.4 ether);
    }

    /// Absurd amounts in one asset, which both signed: the other asset is paid all the same.
    function test_overflowInOneAssetDoesNotBlockTheOther() public {
        ChannelParams memory p = mixedParams();
        depositNative(p, 0, 1 ether);
        depositNative(p, 1, 1 ether);
        depositUsdc(p, 1, 1, 1000);
        State memory s = paidState(5, 2, 0.5 ether);
        Allocation memory absurd;
        absurd.delta0 = type(int128).min;
        absurd.delta1 = type(int128).min;
        absurd.withdrawn0 = 1;
        absurd.withdrawn1 = type(uint128).max;
        s.allocations[1] = absurd;
        disputeAndSettle(p, s);
        assertEq(payout0.balance, 0.5 ether);
        assertEq(payout1.balance, 1.5 ether);
        assertEq(usdc.balanceOf(payout1), 1000);
        absurd.withdrawn0 = 0;
        absurd.delta0 = type(int128).max;
        absurd.withdrawn1 = 1;
        s.allocations[1] = absurd;
        p.nonce = 2;
        depositNative(p, 0, 1 ether);
        depositUsdc(p, 1, 1, 1000);
        disputeAndSettle(p, s);
        assertEq(payout0.balance, 1 ether);
        assertEq(payout1.balance, 2 ether);
        assertEq(usdc.balanceOf(payout0), 1000);
    }

    function test_disputeNobodyFundedEndsToo() public {
        ChannelParams memory p = nativeParams();
        disputeAndSettle(p, paidState(5, 1, 1 ether));
        assertEq(phaseOf(p), 2);
        vm.expectRevert(Errors.ChannelEnded.selector);
        adjudicator.deposit{value: 1}(termsOf(p), 0, 0);
    }

    // ---- calldata

    /// Offsets in calldata are the caller's choice; the event is canonical and the hash the same.
    function test_calldataInAnotherLayout() public {
        ChannelParams memory p = open(1 ether, 0);
        State memory s = paidState(5, 1, 0.5 ether);
        challenge(p, zeroState(1), nothing(), 0);
        (Sig memory a, Sig memory b) = sigs(p, s);
        bytes memory canonical = abi.encodeCall(adjudicator.respond, (p, s, a, b, recordOf(p, zeroState(1))));
        // Append a second copy of the state's tail further behind and let the first offset point there.
        uint256 stateAt = wordAt(canonical, 1);
        uint256 length = canonical.length - 4;
        bytes memory tail = slice(canonical, 4 + stateAt, length - stateAt);
        bytes memory moved = bytes.concat(canonical, new bytes(96), tail);
        setWord(moved, 1, length + 96);
        vm.expectEmit(address(adjudicator));
        emit IAdjudicator.Responded(idOf(p), 0, s);
        (bool ok,) = address(adjudicator).call(moved);
        assertTrue(ok);
    }

    function test_dirtyWordsAreRefused() public {
        ChannelParams memory p = open(1 ether, 0);
        State memory s = paidState(5, 1, 0.5 ether);
        (Sig memory a, Sig memory b) = sigs(p, s);
        bytes memory data =
            abi.encodeCall(adjudicator.challenge, (p, s, a, b, nothing(), 0, challengeSig(KEY0, p, s, 0)));
        uint256 params = wordAt(data, 0) / 32;
        uint256 state = wordAt(data, 1) / 32;
        uint256[15] memory words = [
            params, // signer0
            params + 1, // payout0
            params + 2, // signer1
            params + 3, // payout1
            params + 4, // challengeDuration
            params + 5, // nonce
            params + 10, // assets[0]
            state, // version
            state + 1, // writer
            state + 2, // isFinal
            state + 3, // validUntil
            state + 9, // delta0
            state + 10, // delta1
            state + 11, // withdrawn0
            state + 12 // withdrawn1
        ];
        for (uint256 i = 0; i < words.length; ++i) {
            bytes memory dirty = slice(data, 0, data.length);
            setWord(dirty, words[i], wordAt(data, words[i]) ^ 1 << 200);
            (bool ok, bytes memory reason) = address(adjudicator).call(dirty);
            assertFalse(ok);
            bytes4 expected = i == 4
                ? Errors.InvalidChallengeDuration.selector
                : i == 8 ? Errors.InvalidWriter.selector : Errors.Malformed.selector;
            assertEq(bytes4(reason), expected);
        }
        (bool good,) = address(adjudicator).call(data);
        assertTrue(good);
    }

    /// Past the calldata all is zero, and zero is not what was signed.
    function test_offsetsOutOfCalldata() public {
        ChannelParams memory p = open(1 ether, 0);
        State memory s = paidState(5, 1, 0.5 ether);
        (Sig memory a, Sig memory b) = sigs(p, s);
        bytes memory data =
            abi.encodeCall(adjudicator.challenge, (p, s, a, b, nothing(), 0, challengeSig(KEY0, p, s, 0)));
        uint256[3] memory offsets = [data.length, 1 << 255, type(uint256).max - 31];
        for (uint256 i = 0; i < offsets.length; ++i) {
            bytes memory moved = slice(data, 0, data.length);
            setWord(moved, wordAt(data, 1) / 32 + 4, offsets[i]);
            (bool ok,) = address(adjudicator).call(moved);
            assertFalse(ok);
            moved = slice(data, 0, data.length);
            setWord(moved, wordAt(data, 0) / 32 + 8, offsets[i]);
            (ok,) = address(adjudicator).call(moved);
            assertFalse(ok);
        }
    }

    function wordAt(bytes memory data, uint256 word) private pure returns (uint256 result) {
        assembly {
            result := mload(add(add(data, 36), mul(word, 32)))
        }
    }

    function setWord(bytes memory data, uint256 word, uint256 value) private pure {
        assembly {
            mstore(add(add(data, 36), mul(word, 32)), value)
        }
    }

    function slice(bytes memory data, uint256 from, uint256 length) private pure returns (bytes memory part) {
        part = new bytes(length);
        for (uint256 i = 0; i < length; ++i) {
            part[i] = data[from + i];
        }
    }
}
