// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Errors} from "../../src/interfaces/Errors.sol";
import {IAdjudicator} from "../../src/interfaces/IAdjudicator.sol";
import {ChannelParams, Sig, State} from "../../src/interfaces/Types.sol";
import {ChannelTest} from "../utils/ChannelTest.sol";

/// @notice Payment channels that both close in agreement.
contract CloseTest is ChannelTest {
    function expectCloseReverts(ChannelParams memory p, State memory s, bytes memory reason) private {
        (Sig memory a, Sig memory b) = sigs(p, s);
        vm.expectRevert(reason);
        adjudicator.close(p, s, a, b);
    }

    function test_closePaysBothAndLeavesATombstone() public {
        ChannelParams memory p = open(3 ether, 2 ether);
        State memory s = finalState(9, 1, 1 ether);
        (Sig memory a, Sig memory b) = sigs(p, s);
        vm.expectEmit(address(adjudicator));
        emit IAdjudicator.Closed(idOf(p), pairs(2 ether, 3 ether));
        vm.prank(stranger);
        adjudicator.close(p, s, a, b);
        assertEq(payout0.balance, 2 ether);
        assertEq(payout1.balance, 3 ether);
        assertEq(address(adjudicator).balance, 0);
        assertEq(phaseOf(p), 2);
        // Nitro: what was paid once is not accepted again.
        expectCloseReverts(p, s, abi.encodeWithSelector(Errors.ChannelEnded.selector));
        expectCloseReverts(p, finalState(10, 1, 0), abi.encodeWithSelector(Errors.ChannelEnded.selector));
    }

    function test_closeInFourAssets() public {
        address[] memory assets = new address[](4);
        assets[1] = address(usdc);
        assets[2] = address(type(uint160).max - 1);
        assets[3] = address(type(uint160).max);
        vm.etch(assets[2], address(usdc).code);
        vm.etch(assets[3], address(usdc).code);
        ChannelParams memory p = paramsOf(assets);
        depositNative(p, 0, 1 ether);
        depositUsdc(p, 1, 1, 100);
        State memory s = finalState(1, 4, 0.25 ether);
        s.allocations[1].delta0 = 40;
        s.allocations[1].delta1 = -40;
        close(p, s);
        assertEq(payout0.balance, 0.75 ether);
        assertEq(payout1.balance, 0.25 ether);
        assertEq(usdc.balanceOf(payout0), 40);
        assertEq(usdc.balanceOf(payout1), 60);
    }

    function test_closeNeedsAFinalStateOfBothInTime() public {
        ChannelParams memory p = open(1 ether, 0);
        State memory s = finalState(1, 1, 0);
        s.isFinal = false;
        expectCloseReverts(p, s, abi.encodeWithSelector(Errors.WrongFinality.selector));
        s = finalState(1, 1, 0);
        s.validUntil = uint64(block.timestamp - 1);
        expectCloseReverts(p, s, abi.encodeWithSelector(Errors.Expired.selector));
        s = finalState(0, 1, 0);
        expectCloseReverts(p, s, abi.encodeWithSelector(Errors.UnsignedVersion.selector));
        s = finalState(1, 1, 0);
        s.validUntil = uint64(block.timestamp);
        close(p, s);
    }

    function test_closeCannotHaveLocks() public {
        ChannelParams memory p = open(1 ether, 0);
        State memory s = lockedState(1, 1, listOf(hashLock(0, 0, 1 ether, "x", block.timestamp)));
        s.isFinal = true;
        s.validUntil = uint64(block.timestamp);
        expectCloseReverts(p, s, abi.encodeWithSelector(Errors.FinalWithLocks.selector));
        s.locksHash = 0;
        expectCloseReverts(p, s, abi.encodeWithSelector(Errors.LockedWithoutLocks.selector, 0));
    }

    function test_closeDuringADisputeWhateverIsRecorded() public {
        ChannelParams memory p = open(3 ether, 0);
        challenge(p, paidState(100, 1, 3 ether), nothing(), 1);
        close(p, finalState(7, 1, 1 ether));
        assertEq(payout0.balance, 2 ether);
        assertEq(payout1.balance, 1 ether);
        (uint8 phase, uint16 dispute, uint40 deadline, bytes25 print) = adjudicator.channel(idOf(p));
        assertEq(phase, 2);
        assertEq(uint256(dispute) + deadline, 0);
        assertEq(print, 0);
        skip(DURATION + 1);
        vm.expectRevert(Errors.ChannelEnded.selector);
        adjudicator.settle(p, paidState(100, 1, 3 ether));
    }

    /// A final that counts on a deposit which never came is refused and goes to dispute.
    function test_closeBeyondTheDepositsIsRefused() public {
        ChannelParams memory p = open(1 ether, 0);
        State memory s = finalState(1, 1, 2 ether);
        expectCloseReverts(p, s, abi.encodeWithSelector(Errors.Underfunded.selector, 0));
        depositNative(p, 0, 1 ether);
        close(p, s);
        assertEq(payout1.balance, 2 ether);
    }

    function test_depositsAfterTheFinalBelongToTheirDepositor() public {
        ChannelParams memory p = open(1 ether, 1 ether);
        State memory s = finalState(1, 1, 0.5 ether);
        depositNative(p, 1, 1 ether);
        close(p, s);
        assertEq(payout0.balance, 0.5 ether);
        assertEq(payout1.balance, 2.5 ether);
    }
}
