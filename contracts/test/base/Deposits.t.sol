// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Errors} from "../../src/interfaces/Errors.sol";
import {IAdjudicator} from "../../src/interfaces/IAdjudicator.sol";
import {ChannelParams, NativeDeposit} from "../../src/interfaces/Types.sol";
import {ChannelTest} from "../utils/ChannelTest.sol";

/// @notice Deposits of the native coin, and when any deposit is taken.
contract DepositsTest is ChannelTest {
    // ---- native coin

    function test_nativeDepositsAddUpForEither() public {
        ChannelParams memory p = nativeParams();
        vm.expectEmit(address(adjudicator));
        emit IAdjudicator.Deposited(idOf(p), 1, 0, 3 ether);
        depositNative(p, 1, 3 ether);
        depositNative(p, 0, 2 ether);
        vm.prank(stranger);
        adjudicator.deposit{value: 1 ether}(termsOf(p), 0, 0);
        assertDeposited(p, 0, 3 ether, 3 ether);
        assertEq(address(adjudicator).balance, 6 ether);
    }

    /// Nitro's expectedHeld: a stranger's wei must not make anyone's deposit fail.
    function test_aStrangersWeiChangesNothingForTheDepositor() public {
        ChannelParams memory p = nativeParams();
        vm.prank(stranger);
        adjudicator.deposit{value: 1}(termsOf(p), 0, 0);
        depositNative(p, 0, 1 ether);
        assertDeposited(p, 0, 1 ether + 1, 0);
    }

    function test_refusesNothingAndNobody() public {
        ChannelParams memory p = nativeParams();
        vm.expectRevert(Errors.NothingDeposited.selector);
        adjudicator.deposit(termsOf(p), 0, 0);
        vm.expectRevert(Errors.InvalidParticipant.selector);
        adjudicator.deposit{value: 1}(termsOf(p), 0, 2);
        vm.expectRevert(Errors.InvalidParticipant.selector);
        adjudicator.deposit{value: 1}(termsOf(p), 0, type(uint256).max);
    }

    function test_refusesDepositsThatReach2To127() public {
        ChannelParams memory p = nativeParams();
        uint256 max = (1 << 127) - 1;
        vm.deal(address(this), 1 << 130);
        depositNative(p, 0, max);
        depositNative(p, 1, max);
        vm.expectRevert(Errors.DepositTooLarge.selector);
        adjudicator.deposit{value: 1}(termsOf(p), 0, 0);
        vm.expectRevert(Errors.DepositTooLarge.selector);
        adjudicator.deposit{value: 1}(termsOf(p), 0, 1);
        vm.expectRevert(Errors.DepositTooLarge.selector);
        adjudicator.deposit{value: 1 << 128}(termsOf(p), 0, 1);
        assertDeposited(p, 0, max, max);
        disputeAndSettle(p, zeroState(1));
        assertEq(payout0.balance, max);
        assertEq(payout1.balance, max);
    }

    function testFuzz_depositsOfBothStayApart(uint128 amount0, uint128 amount1) public {
        amount0 = uint128(bound(amount0, 1, (1 << 127) - 1));
        amount1 = uint128(bound(amount1, 1, (1 << 127) - 1));
        ChannelParams memory p = nativeParams();
        vm.deal(address(this), 1 << 130);
        depositNative(p, 0, amount0);
        depositNative(p, 1, amount1);
        assertDeposited(p, 0, amount0, amount1);
    }

    function test_manyDepositsInOneCall() public {
        NativeDeposit[] memory items = new NativeDeposit[](3);
        ChannelParams memory p = nativeParams();
        ChannelParams memory q = mixedParams();
        items[0] = NativeDeposit(termsOf(p), moreAssetsOf(p), 0, 1 ether);
        items[1] = NativeDeposit(termsOf(q), moreAssetsOf(q), 1, 2 ether);
        items[2] = NativeDeposit(termsOf(p), moreAssetsOf(p), 1, 3 ether);
        adjudicator.depositMany{value: 6 ether}(items);
        assertDeposited(p, 0, 1 ether, 3 ether);
        assertDeposited(q, 0, 0, 2 ether);
    }

    function test_manyDepositsMustAddUpToTheValue() public {
        NativeDeposit[] memory items = new NativeDeposit[](2);
        ChannelParams memory p = nativeParams();
        items[0] = NativeDeposit(termsOf(p), 0, 0, 1 ether);
        items[1] = NativeDeposit(termsOf(p), 0, 1, 1 ether);
        vm.expectRevert(Errors.ValueMismatch.selector);
        adjudicator.depositMany{value: 2 ether - 1}(items);
        vm.expectRevert(Errors.ValueMismatch.selector);
        adjudicator.depositMany{value: 2 ether + 1}(items);
    }

    function test_plainTransfersAreRefused() public {
        (bool sent,) = address(adjudicator).call{value: 1}("");
        assertFalse(sent);
    }

    // ---- after the end

    function test_refusedAfterClose() public {
        ChannelParams memory p = mixedParams();
        depositNative(p, 0, 1 ether);
        close(p, finalState(1, 2, 0));
        usdc.mint(address(this), 1);
        usdc.approve(address(adjudicator), 1);
        bytes32 terms = termsOf(p);
        bytes32 more = moreAssetsOf(p);
        vm.expectRevert(Errors.ChannelEnded.selector);
        adjudicator.deposit{value: 1}(terms, more, 0);
        // The tombstone lies with the first asset and counts for all.
        vm.expectRevert(Errors.ChannelEnded.selector);
        adjudicator.depositToken(terms, p.assets, 1, 0, 1);
    }

    function test_refusedAfterSettle() public {
        ChannelParams memory p = nativeParams();
        depositNative(p, 0, 1 ether);
        disputeAndSettle(p, zeroState(1));
        vm.expectRevert(Errors.ChannelEnded.selector);
        adjudicator.deposit{value: 1}(termsOf(p), 0, 0);
    }

    function test_takenDuringADisputeAndCounted() public {
        ChannelParams memory p = nativeParams();
        depositNative(p, 0, 1 ether);
        challenge(p, zeroState(1), nothing(), 0);
        depositNative(p, 1, 2 ether);
        skip(DURATION + 1);
        adjudicator.settle(p, zeroState(1));
        assertEq(payout0.balance, 1 ether);
        assertEq(payout1.balance, 2 ether);
    }
}
