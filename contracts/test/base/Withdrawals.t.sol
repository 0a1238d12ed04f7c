// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Errors} from "../../src/interfaces/Errors.sol";
import {IAdjudicator} from "../../src/interfaces/IAdjudicator.sol";
import {ChannelParams, Lock, Sig, State} from "../../src/interfaces/Types.sol";
import {ChannelTest} from "../utils/ChannelTest.sol";

/// @notice What is taken out of a payment channel while it lives.
contract WithdrawalsTest is ChannelTest {
    function expectWithdrawReverts(ChannelParams memory p, State memory s, State memory previous, bytes memory reason)
        private
    {
        (Sig memory a, Sig memory b) = sigs(p, s);
        vm.expectRevert(reason);
        adjudicator.withdraw(p, s, a, b, previous.version == 0 ? nothing() : recordOf(p, previous));
    }

    function test_withdrawPaysTheIncreaseAndRecords() public {
        ChannelParams memory p = open(3 ether, 1 ether);
        State memory s = withdrawState(5, 1, 0.5 ether, 1 ether);
        (Sig memory a, Sig memory b) = sigs(p, s);
        vm.expectEmit(address(adjudicator));
        emit IAdjudicator.Withdrawn(idOf(p), s, pairs(1 ether, 0));
        vm.prank(stranger);
        adjudicator.withdraw(p, s, a, b, nothing());
        assertEq(payout0.balance, 1 ether);
        (uint8 phase, uint16 dispute, uint40 deadline, bytes25 print) = adjudicator.channel(idOf(p));
        assertEq(uint256(phase) + dispute + deadline, 0);
        assertEq(print, fingerprintOf(p, s, 0));

        State memory next = withdrawState(6, 1, 0.5 ether, 1.25 ether);
        next.allocations[0].withdrawn1 = 0.5 ether;
        next.allocations[0].delta1 -= 0.5 ether;
        withdraw(p, next, recordOf(p, s));
        assertEq(payout0.balance, 1.25 ether);
        assertEq(payout1.balance, 0.5 ether);
        (uint128[2] memory deposits, uint128[2] memory withdrawn,) = adjudicator.funds(idOf(p), 0);
        assertEq(deposits[0], 3 ether);
        assertEq(withdrawn[0], 1.25 ether);
        assertEq(withdrawn[1], 0.5 ether);

        State memory last = finalState(7, 1, 0);
        last.allocations = next.allocations;
        close(p, last);
        assertEq(payout0.balance, 2.5 ether);
        assertEq(payout1.balance, 1.5 ether);
        assertEq(address(adjudicator).balance, 0);
    }

    function test_withdrawInATokenBesideTheCoin() public {
        ChannelParams memory p = mixedParams();
        depositNative(p, 0, 1 ether);
        depositUsdc(p, 1, 1, 100);
        State memory s = withdrawState(1, 2, 0, 0);
        s.allocations[1].delta1 = -30;
        s.allocations[1].withdrawn1 = 30;
        withdraw(p, s, nothing());
        assertEq(usdc.balanceOf(payout1), 30);
        disputeAndSettleRecorded(p, s);
        assertEq(usdc.balanceOf(payout1), 100);
        assertEq(payout0.balance, 1 ether);
    }

    function disputeAndSettleRecorded(ChannelParams memory p, State memory s) private {
        challenge(p, s, recordOf(p, s), 0);
        skip(DURATION + 1);
        adjudicator.settle(p, s);
    }

    /// Perun: an authorisation to withdraw that can be used again.
    function test_withdrawOnlyOnce() public {
        ChannelParams memory p = open(3 ether, 0);
        State memory s = withdrawState(5, 1, 0, 1 ether);
        withdraw(p, s, nothing());
        expectWithdrawReverts(p, s, s, abi.encodeWithSelector(Errors.StaleState.selector));
        expectWithdrawReverts(p, s, zeroState(1), abi.encodeWithSelector(Errors.RecordMismatch.selector));
        State memory older = withdrawState(4, 1, 0, 2 ether);
        expectWithdrawReverts(p, older, s, abi.encodeWithSelector(Errors.StaleState.selector));
        assertEq(payout0.balance, 1 ether);
    }

    function test_withdrawInTimeOnlyAndNotFinal() public {
        ChannelParams memory p = open(3 ether, 0);
        State memory s = withdrawState(5, 1, 0, 1 ether);
        skip(1 hours + 1);
        expectWithdrawReverts(p, s, zeroState(1), abi.encodeWithSelector(Errors.Expired.selector));
        s = finalState(5, 1, 0);
        expectWithdrawReverts(p, s, zeroState(1), abi.encodeWithSelector(Errors.WrongFinality.selector));
        s = withdrawState(0, 1, 0, 1 ether);
        expectWithdrawReverts(p, s, zeroState(1), abi.encodeWithSelector(Errors.StaleState.selector));
    }

    function test_withdrawNeverTouchesWhatTheOtherOwns() public {
        ChannelParams memory p = open(1 ether, 5 ether);
        // What 0 has left on chain would be negative: its deposit covers half of what it takes out.
        State memory s = withdrawState(1, 1, 0, 2 ether);
        expectWithdrawReverts(p, s, zeroState(1), abi.encodeWithSelector(Errors.Underfunded.selector, 0));
        depositNative(p, 0, 1 ether);
        withdraw(p, s, nothing());
        assertEq(payout0.balance, 2 ether);
    }

    function test_withdrawnNeverDecreases() public {
        ChannelParams memory p = open(3 ether, 0);
        State memory s = withdrawState(5, 1, 0, 2 ether);
        withdraw(p, s, nothing());
        State memory less = withdrawState(6, 1, 0, 1 ether);
        expectWithdrawReverts(p, less, s, abi.encodeWithSelector(Errors.WithdrawnDecreased.selector, 0));
        // Settled by such a state, 0 gets what it still has, and no more than was there.
        challenge(p, less, recordOf(p, s), 0);
        skip(DURATION + 1);
        adjudicator.settle(p, less);
        assertEq(payout0.balance, 3 ether);
    }

    function test_withdrawInADisputeIsAResponse() public {
        ChannelParams memory p = open(3 ether, 0);
        State memory old = paidState(1, 1, 0);
        challenge(p, old, nothing(), 0);
        uint40 deadline = deadlineOf(p);
        skip(DURATION / 2);
        State memory s = withdrawState(5, 1, 1 ether, 0.5 ether);
        withdraw(p, s, recordOf(p, old));
        assertEq(deadlineOf(p), deadline);
        skip(DURATION / 2);
        State memory late = withdrawState(6, 1, 1 ether, 0.75 ether);
        skip(1);
        expectWithdrawReverts(p, late, s, abi.encodeWithSelector(Errors.PeriodOver.selector));
        adjudicator.settle(p, s);
        assertEq(payout0.balance, 2 ether);
        assertEq(payout1.balance, 1 ether);
    }

    function test_withdrawAtTheDeadlineItself() public {
        ChannelParams memory p = open(3 ether, 0);
        State memory old = paidState(1, 1, 0);
        challenge(p, old, nothing(), 0);
        skip(DURATION);
        withdraw(p, withdrawState(5, 1, 1 ether, 0.5 ether), recordOf(p, old));
        assertEq(payout0.balance, 0.5 ether);
    }

    /// What is agreed to be taken out but was never executed is paid at the end.
    function test_settleAndClosePayUnexecutedWithdrawals() public {
        ChannelParams memory p = open(3 ether, 0);
        State memory s = withdrawState(5, 1, 1 ether, 0.5 ether);
        disputeAndSettle(p, s);
        assertEq(payout0.balance, 2 ether);
        p.nonce = 2;
        depositNative(p, 0, 3 ether);
        State memory last = finalState(6, 1, 0);
        last.allocations = s.allocations;
        close(p, last);
        assertEq(payout0.balance, 4 ether);
        assertEq(address(adjudicator).balance, 0);
    }

    function test_locksBesideAWithdrawal() public {
        ChannelParams memory p = open(3 ether, 0);
        Lock[] memory locks = listOf(hashLock(0, 0, 1 ether, "x", block.timestamp + 1));
        State memory s = lockedState(5, 1, locks);
        s.allocations[0].delta0 -= 0.5 ether;
        s.allocations[0].withdrawn0 = 0.5 ether;
        s.validUntil = uint64(block.timestamp);
        withdraw(p, s, nothing());
        disputeAndSettleRecorded(p, s);
        assertEq(payout0.balance, 2 ether);
        adjudicator.unlock(p, locks);
        assertEq(payout0.balance, 3 ether);
    }
}
