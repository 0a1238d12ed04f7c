// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Errors} from "../src/interfaces/Errors.sol";
import {IAdjudicator} from "../src/interfaces/IAdjudicator.sol";
import {IAdjudicatorExtension} from "../src/interfaces/IAdjudicatorExtension.sol";
import {ChannelParams, ChildTerms, Sig, State} from "../src/interfaces/Types.sol";
import {CallingBack, Rejecting} from "./mocks/Receivers.sol";
import {AppTest} from "./utils/AppTest.sol";

/// @notice How the adjudicator and its extension act as one contract.
contract AdjudicatorExtensionTest is AppTest {
    function extensionCode() private view returns (address) {
        (, bytes memory answer) = address(adjudicator).staticcall(abi.encodeWithSignature("EXTENSION()"));
        return abi.decode(answer, (address));
    }

    function test_itsCodeFitsTheSizeLimit() public view {
        assertLe(extensionCode().code.length, 24_576);
        assertGt(extensionCode().code.length, 0);
    }

    function test_unknownCallsAreRefused() public {
        (bool ok,) = address(adjudicator).call("");
        assertFalse(ok);
        (ok,) = address(adjudicator).call{value: 1}("");
        assertFalse(ok);
        (ok,) = address(adjudicator).call(abi.encodeWithSignature("owner()"));
        assertFalse(ok);
        (ok,) = address(adjudicator).call{value: 1}(abi.encodeCall(extension.outcome, ("id")));
        assertFalse(ok, "value in a call that takes none");
    }

    /// Without its terms a child is judged by no call.
    function test_childrenAreNotTakenByTheCallsOfOthers() public {
        ChannelParams memory p = nativeParams();
        p.child = "child";
        for (uint256 i = 0; i < 2; ++i) {
            State memory s = finalState(1, 1, 0);
            (Sig memory a, Sig memory b) = sigs(p, s);
            vm.expectRevert(Errors.ChildChannel.selector);
            adjudicator.close(p, s, a, b);
            vm.expectRevert(Errors.ChildChannel.selector);
            adjudicator.challenge(p, s, a, b, nothing(), 0, noSig());
            vm.expectRevert(Errors.ChildChannel.selector);
            adjudicator.respond(p, s, a, b, nothing());
            vm.expectRevert(Errors.ChildChannel.selector);
            adjudicator.resume(p, recordOf(p, s), a, b);
            vm.expectRevert(Errors.ChildChannel.selector);
            adjudicator.settle(p, s);
            vm.expectRevert(Errors.NotAPaymentChannel.selector);
            adjudicator.withdraw(p, s, a, b, nothing());
            p.app = counting;
        }
    }

    /// A payment channel has no business with the extension.
    function test_paymentChannelsAreNotTakenByTheExtension() public {
        ChannelParams memory p = nativeParams();
        State memory s = paidState(1, 1, 0);
        vm.expectRevert(Errors.NoApp.selector);
        extension.progress(p, s, s, noSig(), noSig());
        ChildTerms memory terms;
        vm.expectRevert(Errors.ChildTermsMismatch.selector);
        extension.settleChild(p, terms, s);
    }

    /// What its code does at its own address is of no channel: ids bind the adjudicator's.
    function test_calledDirectlyItMovesNothing() public {
        ChannelParams memory p = openCounting();
        State memory s = finalState(5, 1, 0.3 ether);
        (Sig memory a, Sig memory b) = sigs(p, s);
        IAdjudicator elsewhere = IAdjudicator(extensionCode());
        vm.expectPartialRevert(Errors.BadSignature.selector);
        elsewhere.close(p, s, a, b);
        assertEq(address(adjudicator).balance, 2 ether);
        assertEq(phaseOf(p), 0);
    }

    /// One guard for both: a receiver that is paid by one cannot call the other.
    function test_guardedTogether() public {
        ChannelParams memory p = appParams(counting);
        bytes memory call = abi.encodeCall(extension.deployApp, (hex"00"));
        CallingBack receiver = new CallingBack();
        receiver.arm(address(adjudicator), call);
        p.payout0 = address(receiver);
        depositNative(p, 0, 1 ether);
        close(p, finalState(5, 1, 0));
        assertTrue(receiver.called());
        assertFalse(receiver.succeeded());
        assertEq(p.payout0.balance, 1 ether);
    }

    /// What the extension could not pay is pulled from the adjudicator.
    function test_creditsAreShared() public {
        ChannelParams memory p = appParams(counting);
        p.payout0 = address(new Rejecting());
        depositNative(p, 0, 1 ether);
        close(p, finalState(5, 1, 0));
        assertEq(adjudicator.credits(p.payout0, address(0)), 1 ether);
        Rejecting(p.payout0).withdrawCredit(adjudicator, address(0), stranger);
        assertEq(address(adjudicator).balance, 0);
    }

    function test_afterAForkTheDomainIsTheNewChains() public {
        ChannelParams memory p = openCounting();
        vm.chainId(1234);
        depositNative(p, 0, 1 ether);
        close(p, finalState(5, 1, 0));
        assertEq(payout0.balance, 1 ether);
    }

    function test_severalCallsOfBothInOne() public {
        ChannelParams memory p = openCounting();
        State memory s = countState(3, 0, 0, 0);
        challengeAndWait(p, s);
        State memory next = countOn(p, s);
        (Sig memory a, Sig memory b) = moveSigs(p, s, next);
        bytes[] memory calls = new bytes[](2);
        calls[0] = abi.encodeCall(IAdjudicatorExtension.progress, (p, s, next, a, b));
        calls[1] = abi.encodeCall(IAdjudicator.registerPreimage, ("preimage"));
        adjudicator.multicall(calls);
        assertTrue(recordedAs(p, next));
    }
}
