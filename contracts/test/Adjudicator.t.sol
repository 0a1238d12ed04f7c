// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Errors} from "../src/interfaces/Errors.sol";
import {IAdjudicator} from "../src/interfaces/IAdjudicator.sol";
import {ChannelParams, Lock, NativeDeposit, Sig, State} from "../src/interfaces/Types.sol";
import {ChannelTest} from "./utils/ChannelTest.sol";

contract AdjudicatorTest is ChannelTest {
    // ---- multicall

    function test_multicallDoesManyThingsAtOnce() public {
        ChannelParams memory p = nativeParams();
        depositNative(p, 0, 3 ether);
        Lock[] memory locks = new Lock[](1);
        locks[0] = hashLock(0, 0, 1 ether, "x", block.timestamp + 9 days);
        State memory s = lockedState(1, 1, locks);
        challenge(p, s, nothing(), 0);
        skip(DURATION + 1);
        bytes[] memory calls = new bytes[](3);
        calls[0] = abi.encodeCall(adjudicator.settle, (p, s));
        calls[1] = abi.encodeCall(IAdjudicator.registerPreimage, (bytes32("x")));
        calls[2] = abi.encodeCall(IAdjudicator.unlock, (p, locks));
        adjudicator.multicall(calls);
        assertEq(payout0.balance, 2 ether);
        assertEq(payout1.balance, 1 ether);
    }

    function test_multicallKeepsTheSender() public {
        ChannelParams memory p = nativeParams();
        bytes[] memory calls = new bytes[](1);
        calls[0] = abi.encodeCall(adjudicator.challenge, (p, zeroState(1), noSig(), noSig(), nothing(), 0, noSig()));
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSelector(Errors.BadSignature.selector, 0));
        adjudicator.multicall(calls);
        vm.prank(payout0);
        adjudicator.multicall(calls);
        assertEq(deadlineOf(p), block.timestamp + DURATION);
    }

    /// With a value, every deposit in it would count the same coins.
    function test_multicallTakesNoValue() public {
        ChannelParams memory p = nativeParams();
        bytes[] memory calls = new bytes[](2);
        calls[0] = abi.encodeCall(IAdjudicator.deposit, (termsOf(p), 0, 0));
        calls[1] = calls[0];
        bytes memory data = abi.encodeCall(IAdjudicator.multicall, (calls));
        (bool ok,) = address(adjudicator).call{value: 1 ether}(data);
        assertFalse(ok);
        vm.expectRevert(Errors.NothingDeposited.selector);
        adjudicator.multicall(calls);
    }

    function test_multicallRevertsAsAWholeWithTheReason() public {
        bytes[] memory calls = new bytes[](2);
        calls[0] = abi.encodeCall(IAdjudicator.registerPreimage, (bytes32("x")));
        calls[1] = abi.encodeCall(adjudicator.settle, (nativeParams(), zeroState(1)));
        vm.expectRevert(Errors.NotDisputed.selector);
        adjudicator.multicall(calls);
        assertEq(adjudicator.registeredAt(sha256(abi.encode(bytes32("x")))), 0);
    }

    /// Who sees the batch and registers its preimage first does not make it fail.
    function test_registrationCannotBeFrontRun() public {
        vm.prank(stranger);
        adjudicator.registerPreimage("x");
        bytes[] memory calls = new bytes[](2);
        calls[0] = abi.encodeCall(IAdjudicator.registerPreimage, (bytes32("x")));
        calls[1] = abi.encodeCall(IAdjudicator.registerPreimage, (bytes32("y")));
        adjudicator.multicall(calls);
        assertEq(adjudicator.registeredAt(sha256(abi.encode(bytes32("y")))), block.timestamp);
    }

    function test_onlyDepositsTakeValue() public {
        ChannelParams memory p = nativeParams();
        depositNative(p, 0, 1 ether);
        State memory s = finalState(1, 1, 0);
        (Sig memory a, Sig memory b) = sigs(p, s);
        (bool ok,) = address(adjudicator).call{value: 1}(abi.encodeCall(adjudicator.close, (p, s, a, b)));
        assertFalse(ok);
    }

    // ---- parameters

    function test_idIsAsSpecified() public view {
        ChannelParams memory p = nativeParams();
        assertEq(adjudicator.channelId(p), idOf(p));
        p = mixedParams();
        assertEq(adjudicator.channelId(p), idOf(p));
        p.app = address(5);
        p.child = "child";
        assertEq(adjudicator.channelId(p), idOf(p));
    }

    function test_idCommitsToEverything() public {
        ChannelParams memory p = mixedParams();
        bytes32 id = idOf(p);
        address[] memory others = new address[](2);
        others[1] = address(1);
        for (uint256 i = 0; i < 10; ++i) {
            ChannelParams memory q = mixedParams();
            if (i == 0) q.signer0 = address(1);
            if (i == 1) q.payout0 = address(1);
            if (i == 2) q.signer1 = address(1);
            if (i == 3) q.payout1 = address(1);
            if (i == 4) q.challengeDuration = 1 hours;
            if (i == 5) q.nonce = 2;
            if (i == 6) q.app = address(1);
            if (i == 7) q.child = "x";
            if (i == 8) q.assets = others;
            if (i == 9) q.assets = one(address(0));
            assertTrue(adjudicator.channelId(q) != id);
        }
    }

    function expectInvalid(ChannelParams memory p, bytes4 reason) private {
        vm.expectRevert(reason);
        adjudicator.channelId(p);
        vm.expectRevert(reason);
        adjudicator.settle(p, zeroState(1));
    }

    function test_parametersAreCheckedWhereverTheyAreShown() public {
        ChannelParams memory p = nativeParams();
        p.signer0 = address(0);
        expectInvalid(p, Errors.InvalidParticipants.selector);
        p = nativeParams();
        p.signer1 = address(0);
        expectInvalid(p, Errors.InvalidParticipants.selector);
        p = nativeParams();
        p.signer1 = p.signer0;
        expectInvalid(p, Errors.InvalidParticipants.selector);
        p = nativeParams();
        p.payout0 = address(0);
        expectInvalid(p, Errors.InvalidParticipants.selector);
        p = nativeParams();
        p.payout1 = address(0);
        expectInvalid(p, Errors.InvalidParticipants.selector);
        p = nativeParams();
        p.challengeDuration = 1 hours - 1;
        expectInvalid(p, Errors.InvalidChallengeDuration.selector);
        p.challengeDuration = 30 days + 1;
        expectInvalid(p, Errors.InvalidChallengeDuration.selector);
    }

    function test_assetsAreOneToFourAndAscending() public {
        expectInvalid(paramsOf(new address[](0)), Errors.InvalidAssets.selector);
        expectInvalid(paramsOf(new address[](2)), Errors.InvalidAssets.selector);
        address[] memory assets = new address[](5);
        for (uint160 k = 0; k < 5; ++k) {
            assets[k] = address(k);
        }
        expectInvalid(paramsOf(assets), Errors.InvalidAssets.selector);
        assembly {
            mstore(assets, 4)
        }
        assertEq(adjudicator.channelId(paramsOf(assets)), idOf(paramsOf(assets)));
        (assets[2], assets[3]) = (assets[3], assets[2]);
        expectInvalid(paramsOf(assets), Errors.InvalidAssets.selector);
        assets[3] = assets[2];
        expectInvalid(paramsOf(assets), Errors.InvalidAssets.selector);
    }

    function test_boundsOfTheDuration() public {
        ChannelParams memory p = nativeParams();
        p.challengeDuration = 1 hours;
        adjudicator.channelId(p);
        p.challengeDuration = 30 days;
        adjudicator.channelId(p);
        depositNative(p, 0, 1 ether);
        challenge(p, zeroState(1), nothing(), 0);
        assertEq(deadlineOf(p), block.timestamp + 30 days);
    }

    /// A child's funds are a lock in its parent: nothing can be deposited under its id.
    function test_depositsCannotFormAChildsId() public {
        ChannelParams memory p = nativeParams();
        p.child = "child";
        depositNative(p, 0, 1 ether);
        (uint128[2] memory deposited,,) = adjudicator.funds(idOf(p), 0);
        assertEq(deposited[0], 0);
    }

    // ---- views

    function test_viewsOfAnUnknownChannel() public {
        (uint8 phase, uint16 dispute, uint40 deadline, bytes25 print) = adjudicator.channel("nobody");
        assertEq(uint256(phase) + dispute + deadline, 0);
        assertEq(print, 0);
        (uint128[2] memory deposited, uint128[2] memory withdrawn, uint128 reserve) = adjudicator.funds("nobody", 3);
        assertEq(uint256(deposited[0]) + deposited[1] + withdrawn[0] + withdrawn[1] + reserve, 0);
        vm.expectRevert(Errors.InvalidAssetIndex.selector);
        adjudicator.funds("nobody", 4);
    }
}
