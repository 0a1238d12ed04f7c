// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Errors} from "../../src/interfaces/Errors.sol";
import {IAdjudicator} from "../../src/interfaces/IAdjudicator.sol";
import {ChannelParams, Lock, NativeDeposit, Sig, State} from "../../src/interfaces/Types.sol";
import {
    CallingBack,
    EarlyQuitter,
    GasBurner,
    Rejecting,
    ReturnBomber,
    RevertBomber,
    SmartAccount
} from "../mocks/Receivers.sol";
import {
    BlacklistToken,
    CallbackToken,
    EarlyQuittingToken,
    FalseToken,
    NastyToken,
    PlainToken
} from "../mocks/Tokens.sol";
import {ChannelTest} from "../utils/ChannelTest.sol";

/// @notice Payouts and credits, with the receivers and tokens that would abuse them.
contract LedgerTest is ChannelTest {
    function openFor(address payout) private returns (ChannelParams memory p) {
        p = nativeParams();
        p.payout0 = payout;
        depositNative(p, 0, 3 ether);
        depositNative(p, 1, 2 ether);
    }

    function openToken(PlainToken token) private returns (ChannelParams memory p) {
        p = paramsOf(one(address(token)));
        token.mint(address(this), 1000);
        token.approve(address(adjudicator), 1000);
        adjudicator.depositToken(termsOf(p), p.assets, 0, 0, 600);
        adjudicator.depositToken(termsOf(p), p.assets, 0, 1, 400);
    }

    function assertCredited(address payout, address asset, uint256 amount) private view {
        assertEq(adjudicator.credits(payout, asset), amount, "credit");
    }

    // ---- receivers of the native coin

    function test_whoRejectsIsCreditedAndTheOtherIsPaid() public {
        Rejecting rejecting = new Rejecting();
        ChannelParams memory p = openFor(address(rejecting));
        State memory s = finalState(1, 1, 1 ether);
        (Sig memory a, Sig memory b) = sigs(p, s);
        vm.expectEmit(address(adjudicator));
        emit IAdjudicator.Credited(address(rejecting), address(0), 2 ether);
        adjudicator.close(p, s, a, b);
        assertEq(payout1.balance, 3 ether);
        assertCredited(address(rejecting), address(0), 2 ether);

        vm.expectEmit(address(adjudicator));
        emit IAdjudicator.CreditWithdrawn(address(rejecting), address(0), stranger, 2 ether);
        uint256 before = stranger.balance;
        rejecting.withdrawCredit(adjudicator, address(0), stranger);
        assertEq(stranger.balance - before, 2 ether);
        assertCredited(address(rejecting), address(0), 0);
        vm.expectRevert(Errors.NoCredit.selector);
        rejecting.withdrawCredit(adjudicator, address(0), stranger);
    }

    function test_creditsAddUpOverChannels() public {
        Rejecting rejecting = new Rejecting();
        ChannelParams memory p = openFor(address(rejecting));
        disputeAndSettle(p, zeroState(1));
        p.nonce = 2;
        depositNative(p, 0, 4 ether);
        disputeAndSettle(p, zeroState(1));
        assertCredited(address(rejecting), address(0), 7 ether);
    }

    function test_creditThatCannotBeSentRemains() public {
        Rejecting rejecting = new Rejecting();
        ChannelParams memory p = openFor(address(rejecting));
        disputeAndSettle(p, zeroState(1));
        vm.expectRevert(Errors.TransferFailed.selector);
        rejecting.withdrawCredit(adjudicator, address(0), address(rejecting));
        vm.expectRevert(Errors.InvalidRecipient.selector);
        rejecting.withdrawCredit(adjudicator, address(0), address(0));
        vm.expectRevert(Errors.InvalidRecipient.selector);
        rejecting.withdrawCredit(adjudicator, address(0), address(adjudicator));
        assertCredited(address(rejecting), address(0), 3 ether);
    }

    function test_onlyItsOwnerPullsACredit() public {
        Rejecting rejecting = new Rejecting();
        disputeAndSettle(openFor(address(rejecting)), zeroState(1));
        vm.prank(stranger);
        vm.expectRevert(Errors.NoCredit.selector);
        adjudicator.withdrawCredit(address(0), stranger);
    }

    function test_gasBurnerHurtsNobodyButItself() public {
        GasBurner burner = new GasBurner();
        ChannelParams memory p = openFor(address(burner));
        uint256 gasBefore = gasleft();
        close(p, finalState(1, 1, 1 ether));
        assertLt(gasBefore - gasleft(), 250_000);
        assertEq(payout1.balance, 3 ether);
        assertCredited(address(burner), address(0), 2 ether);
    }

    function test_returnBombsAreNotCopied() public {
        address[2] memory bombers = [address(new ReturnBomber()), address(new RevertBomber())];
        for (uint64 i = 0; i < 2; ++i) {
            ChannelParams memory p = nativeParams();
            (p.nonce, p.payout0) = (i, bombers[i]);
            depositNative(p, 0, 1 ether);
            State memory s = finalState(1, 1, 0);
            (Sig memory a, Sig memory b) = sigs(p, s);
            uint256 gasBefore = gasleft();
            adjudicator.close(p, s, a, b);
            assertLt(gasBefore - gasleft(), 150_000);
            assertCredited(bombers[i], address(0), 1 ether);
        }
    }

    /// Perun: 2,300 gas is not enough for a smart account.
    function test_smartAccountIsPaid() public {
        SmartAccount account = new SmartAccount();
        close(openFor(address(account)), finalState(1, 1, 1 ether));
        assertEq(account.received(), 2 ether);
    }

    /// A receiver that calls back finds the door shut, and is paid nevertheless.
    function test_reentrantReceiver() public {
        CallingBack receiver = new CallingBack();
        ChannelParams memory p = openFor(address(receiver));
        State memory s = finalState(1, 1, 0);
        (Sig memory a, Sig memory b) = sigs(p, s);
        bytes[] memory calls = new bytes[](6);
        calls[0] = abi.encodeCall(adjudicator.close, (p, s, a, b));
        calls[1] = abi.encodeCall(adjudicator.settle, (p, s));
        calls[2] = abi.encodeCall(IAdjudicator.unlock, (p, new Lock[](0)));
        calls[3] = abi.encodeCall(IAdjudicator.withdraw, (p, s, a, b, nothing()));
        calls[4] = abi.encodeCall(IAdjudicator.withdrawCredit, (address(0), address(receiver)));
        calls[5] = abi.encodeCall(IAdjudicator.registerPreimage, (bytes32("x")));
        for (uint64 i = 0; i < calls.length; ++i) {
            p.nonce = 10 + i;
            depositNative(p, 0, 1 ether);
            receiver.arm(address(adjudicator), calls[i]);
            close(p, finalState(1, 1, 0));
            assertTrue(receiver.called());
            assertFalse(receiver.succeeded());
        }
        assertEq(address(receiver).balance, 6 ether);
    }

    /// A caller who gives too little gas must not turn a payment into a credit: at every gas limit the call either
    /// reverts or pays.
    function test_tooLittleGasRevertsRatherThanCredits() public {
        EarlyQuitter account = new EarlyQuitter();
        ChannelParams memory p = openFor(address(account));
        // All to one: no further payment would run out of gas and hide what happened to this one.
        State memory s = finalState(1, 1, -2 ether);
        (Sig memory a, Sig memory b) = sigs(p, s);
        bytes memory data = abi.encodeCall(adjudicator.close, (p, s, a, b));
        uint256 refused;
        for (uint256 limit = 20_000; limit < 400_000; limit += 777) {
            uint256 snapshot = vm.snapshotState();
            (bool ok,) = address(adjudicator).call{gas: limit}(data);
            assertCredited(address(account), address(0), 0);
            if (ok) assertEq(account.received(), 5 ether);
            else ++refused;
            vm.revertToState(snapshot);
        }
        assertGt(refused, 10);
    }

    function test_tooLittleGasForATokenReverts() public {
        EarlyQuittingToken token = new EarlyQuittingToken();
        ChannelParams memory p = openToken(token);
        State memory s = finalState(1, 1, 100);
        (Sig memory a, Sig memory b) = sigs(p, s);
        bytes memory data = abi.encodeCall(adjudicator.close, (p, s, a, b));
        for (uint256 limit = 20_000; limit < 600_000; limit += 1777) {
            uint256 snapshot = vm.snapshotState();
            (bool ok,) = address(adjudicator).call{gas: limit}(data);
            assertCredited(payout0, address(token), 0);
            if (ok) assertEq(token.balanceOf(payout1), 500);
            vm.revertToState(snapshot);
        }
        (, bytes memory reason) = address(adjudicator).call{gas: 300_000}(data);
        assertEq(bytes4(reason), Errors.NotEnoughGas.selector);
    }

    // ---- tokens

    function test_blacklistedIsCreditedAndPullsElsewhere() public {
        BlacklistToken token = new BlacklistToken();
        ChannelParams memory p = openToken(token);
        token.blacklist(payout0, true);
        close(p, finalState(1, 1, 100));
        assertEq(token.balanceOf(payout1), 500);
        assertCredited(payout0, address(token), 500);
        vm.prank(payout0);
        adjudicator.withdrawCredit(address(token), stranger);
        assertEq(token.balanceOf(stranger), 500);
    }

    function test_falseMeansNotPaid() public {
        FalseToken token = new FalseToken();
        ChannelParams memory p = openToken(token);
        token.refuse(true);
        close(p, finalState(1, 1, 100));
        assertCredited(payout0, address(token), 500);
        assertCredited(payout1, address(token), 500);
        vm.prank(payout0);
        vm.expectRevert(Errors.TransferFailed.selector);
        adjudicator.withdrawCredit(address(token), payout0);
        token.refuse(false);
        vm.prank(payout0);
        adjudicator.withdrawCredit(address(token), payout0);
        assertEq(token.balanceOf(payout0), 500);
    }

    function test_tokenThatVanishedIsNotPaid() public {
        PlainToken token = new PlainToken();
        ChannelParams memory p = openToken(token);
        vm.etch(address(token), "");
        close(p, finalState(1, 1, 100));
        assertCredited(payout0, address(token), 500);
    }

    /// A hostile token costs its bounded gas; the coin beside it is paid.
    function test_nastyTokenDoesNotBlockTheCoin() public {
        NastyToken token = new NastyToken();
        address[] memory assets = new address[](2);
        assets[1] = address(token);
        ChannelParams memory p = paramsOf(assets);
        for (uint256 i = 0; i < 2; ++i) {
            p.nonce = uint64(i);
            token.bomb(i == 1);
            depositNative(p, 0, 1 ether);
            token.mint(address(this), 1000);
            token.approve(address(adjudicator), 1000);
            adjudicator.depositToken(termsOf(p), p.assets, 1, 1, 1000);
            uint256 gasBefore = gasleft();
            disputeAndSettle(p, paidState(1, 2, 0.5 ether));
            assertLt(gasBefore - gasleft(), 900_000);
        }
        assertEq(payout0.balance, 1 ether);
        assertEq(payout1.balance, 1 ether);
        assertCredited(payout1, address(token), 2000);
    }

    /// A token that calls back during a payout cannot take a deposit out of the balance it is measured by.
    function test_tokenCallingBackDuringAPayout() public {
        CallbackToken token = new CallbackToken();
        ChannelParams memory p = openToken(token);
        ChannelParams memory q = paramsOf(one(address(token)));
        q.nonce = 2;
        bytes memory again = abi.encodeCall(IAdjudicator.depositToken, (termsOf(q), q.assets, 0, 0, 1));
        token.arm(address(adjudicator), again);
        close(p, finalState(1, 1, 0));
        assertTrue(token.called() && !token.succeeded());
        assertEq(token.balanceOf(payout0), 600);
        assertEq(token.balanceOf(payout1), 400);
    }

    /// One channel is never paid from another's money, whatever its state says.
    function test_isolationOfChannels() public {
        ChannelParams memory victim = nativeParams();
        victim.nonce = 5;
        depositNative(victim, 0, 50 ether);
        ChannelParams memory p = openFor(payout0);
        State memory s = paidState(1, 1, type(int128).max);
        disputeAndSettle(p, s);
        assertEq(payout1.balance, 5 ether);
        assertEq(address(adjudicator).balance, 50 ether);
    }
}
