// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Errors} from "../../src/interfaces/Errors.sol";
import {IAdjudicator} from "../../src/interfaces/IAdjudicator.sol";
import {Allocation, ChannelParams, Lock, Sig, State} from "../../src/interfaces/Types.sol";
import {AppTest} from "../utils/AppTest.sol";

/// @notice Channels with an app that are funded by deposits.
contract AppChannelsTest is AppTest {
    ChannelParams internal p;

    function setUp() public override {
        super.setUp();
        p = openCounting();
    }

    function expectChallengeRevert(State memory s, bytes memory reason) private {
        (Sig memory a, Sig memory b) = sigs(p, s);
        vm.expectRevert(reason);
        adjudicator.challenge(p, s, a, b, nothing(), 0, noSig());
    }

    // ---- with agreement

    function test_closePaysAll() public {
        State memory s = finalState(5, 1, 0.3 ether);
        s.appData = "the end";
        close(p, s);
        assertEq(payout0.balance, 0.7 ether);
        assertEq(payout1.balance, 1.3 ether);
        assertEq(phaseOf(p), 2);
    }

    function test_closeDuringForcedPlay() public {
        State memory s = countState(3, 0, 0, 0);
        challengeAndWait(p, s);
        progress(p, s, countOn(p, s));
        close(p, finalState(4, 1, 0.1 ether));
        assertEq(payout0.balance, 0.9 ether);
        assertEq(phaseOf(p), 2);
    }

    function test_closeNeedsCoverAndBothAndTime() public {
        State memory s = finalState(5, 1, 1.1 ether);
        (Sig memory a, Sig memory b) = sigs(p, s);
        vm.expectRevert(abi.encodeWithSelector(Errors.Underfunded.selector, 0));
        adjudicator.close(p, s, a, b);
        s = finalState(5, 1, 0);
        (a, b) = sigs(p, s);
        vm.expectRevert(abi.encodeWithSelector(Errors.BadSignature.selector, 1));
        adjudicator.close(p, s, a, a);
        skip(1 hours + 1);
        vm.expectRevert(Errors.Expired.selector);
        adjudicator.close(p, s, a, b);
        s = countState(5, 0, 0, 0);
        (a, b) = sigs(p, s);
        vm.expectRevert(Errors.WrongFinality.selector);
        adjudicator.close(p, s, a, b);
    }

    function test_neitherWithdrawalsNorLocks() public {
        State memory s = withdrawState(5, 1, 0, 0.1 ether);
        (Sig memory a, Sig memory b) = sigs(p, s);
        vm.expectRevert(Errors.NotAPaymentChannel.selector);
        adjudicator.withdraw(p, s, a, b, nothing());
        vm.expectRevert(Errors.NotAPaymentChannel.selector);
        adjudicator.unlock(p, new Lock[](0));
        expectChallengeRevert(s, abi.encodeWithSelector(Errors.Unbalanced.selector, 0));
        s = lockedState(5, 1, listOf(hashLock(0, 0, 0.1 ether, "secret", block.timestamp + 1 days)));
        expectChallengeRevert(s, abi.encodeWithSelector(Errors.UnexpectedLocks.selector));
        s.locksHash = 0;
        expectChallengeRevert(s, abi.encodeWithSelector(Errors.Unbalanced.selector, 0));
    }

    function test_appDataHaveALimit() public {
        State memory s = countState(5, 0, 0, 0);
        s.appData = new bytes(8193);
        expectChallengeRevert(s, abi.encodeWithSelector(Errors.UnexpectedAppData.selector));
        s.appData = new bytes(8192);
        challenge(p, s, nothing(), 0);
        assertTrue(recordedAs(p, s));
    }

    /// The largest states that there may be still fit the bound of the protocol.
    function test_gasOfTheLargestChallenge() public {
        address[] memory assets = new address[](4);
        for (uint160 k = 0; k < 4; ++k) {
            assets[k] = address(k * 1000);
        }
        p = paramsOf(assets);
        p.app = counting;
        State memory s = zeroState(4);
        s.version = 1;
        s.appData = new bytes(8192);
        for (uint256 i = 0; i < s.appData.length; ++i) {
            s.appData[i] = 0xff;
        }
        uint256 before = gasleft();
        challenge(p, s, nothing(), 0);
        // Calldata at 40 gas a byte (EIP-7623) beside what it costs to run, with all that the test adds to it.
        assertLt(before - gasleft() + 40 * abi.encode(s).length, 2_000_000);
    }

    // ---- disputes without moves

    /// Whoever deposits gets it back, even if the other never answers, and whatever the app is.
    function test_versionZeroNeverAsksTheApp() public {
        p = appParams(makeAddr("no code"));
        depositNative(p, 0, 1 ether);
        challenge(p, zeroState(1), nothing(), 0);
        vm.expectRevert(Errors.PeriodRunning.selector);
        adjudicator.settle(p, zeroState(1));
        skip(DURATION + 1);
        adjudicator.settle(p, zeroState(1));
        assertEq(payout0.balance, 1 ether);
        assertEq(phaseOf(p), 2);
    }

    function test_versionZeroHasNoAppData() public {
        State memory s = zeroState(1);
        s.appData = "x";
        expectChallengeRevert(s, abi.encodeWithSelector(Errors.NotTheZeroState.selector));
    }

    function test_respondAndResume() public {
        State memory s = countState(3, 0, 0, 0);
        challenge(p, s, nothing(), 1);
        State memory higher = countState(7, 1, 4, 0.1 ether);
        respond(p, higher, recordOf(p, s));
        assertTrue(recordedAs(p, higher));
        resume(p, higher, 0);
        assertEq(deadlineOf(p), 0);
        challenge(p, higher, recordOf(p, higher), 0);
        (, uint16 dispute,,) = adjudicator.channel(idOf(p));
        assertEq(dispute, 1);
    }

    function test_eventsCarryTheAppData() public {
        State memory s = countState(3, 0, 0, 0);
        s.appData = hex"0102030405";
        vm.expectEmit(address(adjudicator));
        emit IAdjudicator.Challenged(idOf(p), 0, 0, block.timestamp + DURATION, s);
        challenge(p, s, nothing(), 0);
        State memory higher = countState(4, 0, 0, 0);
        higher.appData = new bytes(64);
        higher.appData[63] = 0x77;
        vm.expectEmit(address(adjudicator));
        emit IAdjudicator.Responded(idOf(p), 0, higher);
        respond(p, higher, recordOf(p, s));
    }

    function test_afterThePeriodOnlyProgress() public {
        State memory s = countState(3, 0, 0, 0);
        challengeAndWait(p, s);
        State memory higher = countState(4, 0, 1, 0);
        (Sig memory a, Sig memory b) = sigs(p, higher);
        vm.expectRevert(Errors.PeriodOver.selector);
        adjudicator.respond(p, higher, a, b, recordOf(p, s));
    }

    // ---- settle

    /// The writer has a full period of its own, after that in which states are shown.
    function test_whoStallsLoses() public {
        State memory s = countState(3, 0, 0, 0.1 ether);
        challenge(p, s, nothing(), 1);
        skip(2 * DURATION);
        vm.expectRevert(Errors.PeriodRunning.selector);
        adjudicator.settle(p, s);
        skip(1);
        adjudicator.settle(p, s);
        assertEq(payout0.balance, 0.4 ether);
        assertEq(payout1.balance, 1.6 ether);
        assertEq(phaseOf(p), 2);
    }

    function test_aFinalStateIsPaidAsItIs() public {
        State memory s = finalState(3, 1, 0.1 ether);
        s.appData = abi.encode(0, STAKE);
        challengeAndWait(p, s);
        adjudicator.settle(p, s);
        assertEq(payout0.balance, 0.9 ether);
        assertEq(payout1.balance, 1.1 ether);
    }

    function test_settledInSeveralAssets() public {
        p = mixedParams();
        p.app = counting;
        depositNative(p, 0, 1 ether);
        depositUsdc(p, 1, 1, 1000);
        State memory s = zeroState(2);
        s.version = 1;
        s.allocations[1] = Allocation(400, -400, 0, 0);
        s.appData = abi.encode(0, uint128(0.25 ether));
        challengeAndWait(p, s);
        skip(DURATION);
        adjudicator.settle(p, s);
        assertEq(payout0.balance, 0.75 ether);
        assertEq(payout1.balance, 0.25 ether);
        assertEq(usdc.balanceOf(payout0), 400);
        assertEq(usdc.balanceOf(payout1), 600);
    }

    /// A stake that was never deposited is no debt to anyone but its winner.
    function test_aVerdictBeyondTheDeposits() public {
        p.nonce = 77;
        depositNative(p, 0, 0.2 ether);
        depositNative(p, 1, 1 ether);
        State memory s = countState(3, 0, 0, 0);
        challengeAndWait(p, s);
        skip(DURATION);
        adjudicator.settle(p, s);
        assertEq(payout0.balance, 0);
        assertEq(payout1.balance, 1.2 ether);
    }

    function test_settledOnce() public {
        State memory s = countState(3, 0, 0, 0);
        challengeAndWait(p, s);
        skip(DURATION);
        adjudicator.settle(p, s);
        vm.expectRevert(Errors.ChannelEnded.selector);
        adjudicator.settle(p, s);
        (bytes32 terms, bytes32 more) = (termsOf(p), moreAssetsOf(p));
        vm.expectRevert(Errors.ChannelEnded.selector);
        adjudicator.deposit{value: 1}(terms, more, 0);
    }

    function test_settleNeedsADisputeAndItsState() public {
        State memory s = countState(3, 0, 0, 0);
        vm.expectRevert(Errors.NotDisputed.selector);
        adjudicator.settle(p, s);
        challengeAndWait(p, s);
        skip(DURATION);
        vm.expectRevert(Errors.RecordMismatch.selector);
        adjudicator.settle(p, countState(4, 0, 0, 0));
    }

    /// Whatever amounts two agree on, all that they deposited is paid out, to them.
    function testFuzz_settlePaysWhatIsThere(uint96 deposit0, uint96 deposit1, int128 delta, uint8 writer) public {
        delta = int128(bound(delta, -type(int128).max, type(int128).max));
        p.nonce = 99;
        if (deposit0 != 0) depositNative(p, 0, deposit0);
        if (deposit1 != 0) depositNative(p, 1, deposit1);
        State memory s = countState(3, writer % 2, 0, delta);
        challengeAndWait(p, s);
        skip(DURATION);
        uint256 others = address(adjudicator).balance - deposit0 - deposit1;
        adjudicator.settle(p, s);
        assertEq(payout0.balance + payout1.balance, uint256(deposit0) + deposit1);
        assertEq(address(adjudicator).balance, others);
    }
}
