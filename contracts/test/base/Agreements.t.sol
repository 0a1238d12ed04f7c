// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Errors} from "../../src/interfaces/Errors.sol";
import {IAdjudicator} from "../../src/interfaces/IAdjudicator.sol";
import {ChannelParams, Lock, Record, Sig, State} from "../../src/interfaces/Types.sol";
import {SignerCode} from "../mocks/Receivers.sol";
import {ChannelTest} from "../utils/ChannelTest.sol";

contract AgreementsTest is ChannelTest {
    function pairs(uint256 pay0, uint256 pay1) private pure returns (uint256[2][] memory list) {
        list = new uint256[2][](1);
        list[0] = [pay0, pay1];
    }

    function open(uint256 deposit0, uint256 deposit1) private returns (ChannelParams memory p) {
        p = nativeParams();
        if (deposit0 != 0) depositNative(p, 0, deposit0);
        if (deposit1 != 0) depositNative(p, 1, deposit1);
    }

    function expectCloseReverts(ChannelParams memory p, State memory s, bytes memory reason) private {
        (Sig memory a, Sig memory b) = sigs(p, s);
        vm.expectRevert(reason);
        adjudicator.close(p, s, a, b);
    }

    function expectWithdrawReverts(ChannelParams memory p, State memory s, State memory previous, bytes memory reason)
        private
    {
        (Sig memory a, Sig memory b) = sigs(p, s);
        vm.expectRevert(reason);
        adjudicator.withdraw(p, s, a, b, previous.version == 0 ? nothing() : recordOf(p, previous));
    }

    // ---- close

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

    // ---- signatures

    function test_bothMustHaveSigned() public {
        ChannelParams memory p = open(1 ether, 0);
        State memory s = finalState(1, 1, 0);
        (Sig memory a, Sig memory b) = sigs(p, s);
        vm.expectRevert(abi.encodeWithSelector(Errors.BadSignature.selector, 1));
        adjudicator.close(p, s, a, a);
        vm.expectRevert(abi.encodeWithSelector(Errors.BadSignature.selector, 0));
        adjudicator.close(p, s, b, b);
        vm.expectRevert(abi.encodeWithSelector(Errors.BadSignature.selector, 0));
        adjudicator.close(p, s, noSig(), b);
        s.history = "another";
        vm.expectRevert(abi.encodeWithSelector(Errors.BadSignature.selector, 0));
        adjudicator.close(p, s, a, b);
    }

    /// The compact form has no room for the twin (n - s) of a signature: its top bit would be read as the parity. The few
    /// high s that fit are refused.
    function test_highSIsRefused() public {
        ChannelParams memory p = open(1 ether, 0);
        State memory s = finalState(1, 1, 0);
        (Sig memory a, Sig memory b) = sigs(p, s);
        uint256 n = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141;
        uint256 low = uint256(a.vs) & type(uint256).max >> 1;
        uint256 parity = uint256(a.vs) >> 255;
        bytes32[2] memory forged = [bytes32((1 - parity) << 255 ^ (n - low)), bytes32(parity << 255 | (n / 2 + 1))];
        for (uint256 i = 0; i < 2; ++i) {
            a.vs = forged[i];
            vm.expectRevert(abi.encodeWithSelector(Errors.BadSignature.selector, 0));
            adjudicator.close(p, s, a, b);
        }
    }

    /// Whatever code sits at the signer's address (EIP-7702): only its key counts.
    function test_codeAtTheSignersAddressCannotDisownOrApprove() public {
        ChannelParams memory p = open(1 ether, 0);
        State memory s = finalState(1, 1, 0);
        SignerCode code = new SignerCode();
        vm.etch(signer0, address(code).code);
        vm.store(signer0, 0, bytes32(uint256(uint32(0x1626ba7e))));
        (Sig memory a, Sig memory b) = sigs(p, s);
        vm.expectRevert(abi.encodeWithSelector(Errors.BadSignature.selector, 0));
        adjudicator.close(p, s, noSig(), b);
        vm.store(signer0, 0, 0);
        adjudicator.close(p, s, a, b);
    }

    /// Nitro, Perun: an id or a signature that leaves out chain or contract is replayed elsewhere.
    function test_replayOnAnotherChainOrContract() public {
        ChannelParams memory p = open(1 ether, 0);
        State memory s = finalState(1, 1, 0);
        (Sig memory a, Sig memory b) = sigs(p, s);
        bytes32 id = idOf(p);
        IAdjudicator other = IAdjudicator(deployCode("Adjudicator.sol:Adjudicator"));
        assertTrue(other.channelId(p) != id);
        other.deposit{value: 1 ether}(termsOf(p), 0, 0);
        vm.expectRevert(abi.encodeWithSelector(Errors.BadSignature.selector, 0));
        other.close(p, s, a, b);
        vm.chainId(999);
        assertTrue(adjudicator.channelId(p) != id);
        adjudicator.deposit{value: 1 ether}(termsOf(p), 0, 0);
        vm.expectRevert(abi.encodeWithSelector(Errors.BadSignature.selector, 0));
        adjudicator.close(p, s, a, b);
        // Signed for the fork, it counts there.
        close(p, s);
    }

    function test_replayInAChannelOfTheSameTwo() public {
        ChannelParams memory p = open(1 ether, 0);
        State memory s = finalState(1, 1, 1 ether);
        (Sig memory a, Sig memory b) = sigs(p, s);
        p.nonce = 2;
        depositNative(p, 0, 1 ether);
        vm.expectRevert(abi.encodeWithSelector(Errors.BadSignature.selector, 0));
        adjudicator.close(p, s, a, b);
    }

    // ---- withdraw

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

    // ---- resume

    function test_resumeEndsTheDisputeAndKeepsTheRecord() public {
        ChannelParams memory p = open(3 ether, 0);
        State memory s = paidState(5, 1, 1 ether);
        challenge(p, s, nothing(), 0);
        (Sig memory a, Sig memory b) = resumeSigs(p, 0);
        vm.expectEmit(address(adjudicator));
        emit IAdjudicator.Resumed(idOf(p), 0);
        adjudicator.resume(p, recordOf(p, s), a, b);
        (, uint16 dispute, uint40 deadline, bytes25 print) = adjudicator.channel(idOf(p));
        assertEq(dispute, 1);
        assertEq(deadline, 0);
        assertEq(print, fingerprintOf(p, s, 1));
        skip(DURATION + 1);
        vm.expectRevert(Errors.NotDisputed.selector);
        adjudicator.settle(p, s);
    }

    /// One dispute per agreed resume: the signatures are spent, and the record still bars what is below it.
    function test_resumeCountsOnce() public {
        ChannelParams memory p = open(3 ether, 0);
        State memory s = paidState(5, 1, 1 ether);
        challenge(p, s, nothing(), 0);
        resume(p, s, 0);
        State memory older = paidState(4, 1, 0);
        (Sig memory a, Sig memory b) = sigs(p, older);
        Sig memory sig = challengeSig(KEY0, p, older, 1);
        Record memory recorded = recordOf(p, s);
        vm.expectRevert(Errors.StaleState.selector);
        adjudicator.challenge(p, older, a, b, recorded, 0, sig);
        challenge(p, s, recorded, 1);
        (a, b) = resumeSigs(p, 0);
        vm.expectRevert(abi.encodeWithSelector(Errors.BadSignature.selector, 0));
        adjudicator.resume(p, recorded, a, b);
    }

    function test_resumeNeedsBothAndADispute() public {
        ChannelParams memory p = open(3 ether, 0);
        State memory s = paidState(5, 1, 1 ether);
        (Sig memory a, Sig memory b) = resumeSigs(p, 0);
        vm.expectRevert(Errors.NotDisputed.selector);
        adjudicator.resume(p, nothing(), a, b);
        challenge(p, s, nothing(), 0);
        vm.expectRevert(Errors.RecordMismatch.selector);
        adjudicator.resume(p, nothing(), a, b);
        vm.expectRevert(abi.encodeWithSelector(Errors.BadSignature.selector, 1));
        adjudicator.resume(p, recordOf(p, s), a, a);
        // Also after the period, as long as nobody settled: both agree.
        skip(DURATION + 1);
        adjudicator.resume(p, recordOf(p, s), a, b);
        assertEq(deadlineOf(p), 0);
    }

    function test_disputeNumbersRunOutRatherThanRepeat() public {
        ChannelParams memory p = open(3 ether, 0);
        State memory s = paidState(5, 1, 1 ether);
        challenge(p, s, nothing(), 0);
        resume(p, s, 0);
        // The slot of the record: holdings take four slots of the struct before it.
        bytes32 slot = bytes32(uint256(keccak256(abi.encode(idOf(p), recordMapping()))) + 4);
        bytes25 print = fingerprintOf(p, s, type(uint16).max);
        vm.store(address(adjudicator), slot, bytes32(print) | bytes32(uint256(type(uint16).max)));
        challenge(p, s, recordOf(p, s), 0);
        (Sig memory a, Sig memory b) = resumeSigs(p, type(uint16).max);
        vm.expectRevert(Errors.TooManyDisputes.selector);
        adjudicator.resume(p, recordOf(p, s), a, b);
        skip(DURATION + 1);
        adjudicator.settle(p, s);
        assertEq(payout1.balance, 1 ether);
    }

    /// Finds the storage slot of the mapping of channels by looking for a known record.
    function recordMapping() private returns (uint256) {
        ChannelParams memory p = nativeParams();
        p.nonce = 77;
        depositNative(p, 0, 1 wei);
        challenge(p, zeroState(1), nothing(), 0);
        for (uint256 slot = 0; slot < 8; ++slot) {
            bytes32 base = keccak256(abi.encode(idOf(p), slot));
            bytes32 word = vm.load(address(adjudicator), bytes32(uint256(base) + 4));
            if (bytes25(word) == fingerprintOf(p, zeroState(1), 0)) return slot;
        }
        revert("no such mapping");
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
