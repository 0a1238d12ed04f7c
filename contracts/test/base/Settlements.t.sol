// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Errors} from "../../src/interfaces/Errors.sol";
import {IAdjudicator} from "../../src/interfaces/IAdjudicator.sol";
import {Allocation, ChannelParams, Lock, Record, Sig, State} from "../../src/interfaces/Types.sol";
import {ChannelTest} from "../utils/ChannelTest.sol";

/// @notice What is shown in a dispute, and how it ends by time.
contract SettlementsTest is ChannelTest {
    function expectRespondReverts(ChannelParams memory p, State memory s, Record memory previous, bytes memory reason)
        private
    {
        (Sig memory a, Sig memory b) = sigs(p, s);
        vm.expectRevert(reason);
        adjudicator.respond(p, s, a, b, previous);
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
}
