// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Errors} from "../../src/interfaces/Errors.sol";
import {IAdjudicator} from "../../src/interfaces/IAdjudicator.sol";
import {ChannelParams, NativeDeposit, State} from "../../src/interfaces/Types.sol";
import {CallbackToken, FalseToken, FeeToken, NoReturnToken, ShrinkingToken} from "../mocks/Tokens.sol";
import {ChannelTest} from "../utils/ChannelTest.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

/// @notice Deposits of tokens by allowance, and what tokens may do.
contract TokenDepositsTest is ChannelTest {
    function test_tokenDeposit() public {
        ChannelParams memory p = mixedParams();
        depositUsdc(p, 1, 1, 500);
        assertDeposited(p, 1, 0, 500);
        assertDeposited(p, 0, 0, 0);
    }

    function test_tokenDepositChecksTheAssets() public {
        ChannelParams memory p = mixedParams();
        bytes32 terms = termsOf(p);
        vm.expectRevert(Errors.InvalidAssetIndex.selector);
        adjudicator.depositToken(terms, p.assets, 0, 0, 1); // the native coin
        vm.expectRevert(Errors.InvalidAssetIndex.selector);
        adjudicator.depositToken(terms, p.assets, 2, 0, 1);
        address[] memory twice = new address[](2);
        twice[0] = twice[1] = address(usdc);
        vm.expectRevert(Errors.InvalidAssets.selector);
        adjudicator.depositToken(terms, twice, 0, 0, 1);
        vm.expectRevert(Errors.InvalidAssets.selector);
        adjudicator.depositToken(terms, new address[](0), 0, 0, 1);
        vm.expectRevert(Errors.InvalidAssets.selector);
        adjudicator.depositToken(terms, new address[](5), 0, 0, 1);
    }

    function test_feeOnTransferIsCreditedAsItArrives() public {
        FeeToken token = new FeeToken();
        ChannelParams memory p = paramsOf(one(address(token)));
        token.mint(address(this), 1000);
        token.approve(address(adjudicator), 1000);
        adjudicator.depositToken(termsOf(p), p.assets, 0, 0, 1000);
        assertDeposited(p, 0, 990, 0);
        disputeAndSettle(p, zeroState(1));
        assertEq(token.balanceOf(address(adjudicator)), 0);
    }

    function test_tokenThatReturnsNothing() public {
        NoReturnToken token = new NoReturnToken();
        ChannelParams memory p = paramsOf(one(address(token)));
        token.mint(address(this), 1000);
        token.approve(address(adjudicator), 1000);
        adjudicator.depositToken(termsOf(p), p.assets, 0, 0, 1000);
        close(p, finalState(1, 1, 400));
        assertEq(token.balanceOf(payout0), 600);
        assertEq(token.balanceOf(payout1), 400);
    }

    function test_tokenThatReturnsFalse() public {
        FalseToken token = new FalseToken();
        ChannelParams memory p = paramsOf(one(address(token)));
        token.mint(address(this), 1000);
        token.approve(address(adjudicator), 1000);
        token.refuse(true);
        bytes32 terms = termsOf(p);
        vm.expectRevert();
        adjudicator.depositToken(terms, p.assets, 0, 0, 1000);
    }

    function test_noTokenAtAll() public {
        ChannelParams memory p = paramsOf(one(makeAddr("nothing here")));
        bytes32 terms = termsOf(p);
        vm.expectRevert();
        adjudicator.depositToken(terms, p.assets, 0, 0, 1000);
    }

    function test_tokenThatTakesAwayIsRefused() public {
        ShrinkingToken token = new ShrinkingToken();
        token.mint(address(adjudicator), 1000);
        ChannelParams memory p = paramsOf(one(address(token)));
        bytes32 terms = termsOf(p);
        vm.expectRevert(Errors.BalanceDecreased.selector);
        adjudicator.depositToken(terms, p.assets, 0, 0, 1000);
    }

    /// A deposit within a deposit would be measured twice.
    function test_reentrantDepositIsBarred() public {
        CallbackToken token = new CallbackToken();
        ChannelParams memory p = paramsOf(one(address(token)));
        token.mint(address(this), 1000);
        token.mint(address(token), 1000);
        vm.prank(address(token));
        token.approve(address(adjudicator), 1000);
        token.approve(address(adjudicator), 1000);
        bytes32 terms = termsOf(p);
        token.arm(address(adjudicator), abi.encodeCall(IAdjudicator.depositToken, (terms, p.assets, 0, 0, 10)));
        adjudicator.depositToken(terms, p.assets, 0, 0, 100);
        assertTrue(token.called());
        assertFalse(token.succeeded());
        assertEq(bytes4(token.result()), ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector);
        assertDeposited(p, 0, 100, 0);
    }

    /// Calls that call nobody themselves are barred during a callback, too.
    function test_everythingIsBarredDuringACallback() public {
        CallbackToken token = new CallbackToken();
        ChannelParams memory p = paramsOf(one(address(token)));
        State memory s = zeroState(1);
        bytes[] memory calls = new bytes[](9);
        calls[0] = abi.encodeCall(IAdjudicator.deposit, (termsOf(p), 0, 0));
        calls[1] = abi.encodeCall(IAdjudicator.depositMany, (new NativeDeposit[](0)));
        calls[2] =
            abi.encodeCall(adjudicator.challenge, (p, s, noSig(), noSig(), nothing(), 0, challengeSig(KEY0, p, s, 0)));
        calls[3] = abi.encodeCall(adjudicator.respond, (p, s, noSig(), noSig(), nothing()));
        calls[4] = abi.encodeCall(adjudicator.resume, (p, nothing(), noSig(), noSig()));
        calls[5] = abi.encodeCall(IAdjudicator.registerPreimage, (bytes32("x")));
        calls[6] = abi.encodeCall(IAdjudicator.withdrawCredit, (address(0), address(1)));
        calls[7] = abi.encodeCall(adjudicator.settle, (p, s));
        bytes[] memory inner = new bytes[](1);
        inner[0] = calls[5];
        calls[8] = abi.encodeCall(IAdjudicator.multicall, (inner));
        token.mint(address(this), 1000);
        token.approve(address(adjudicator), 1000);
        for (uint256 i = 0; i < calls.length; ++i) {
            token.arm(address(adjudicator), calls[i]);
            adjudicator.depositToken(termsOf(p), p.assets, 0, 0, 1);
            assertTrue(token.called() && !token.succeeded());
            assertEq(bytes4(token.result()), ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector);
        }
    }
}
