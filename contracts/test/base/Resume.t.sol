// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Errors} from "../../src/interfaces/Errors.sol";
import {IAdjudicator} from "../../src/interfaces/IAdjudicator.sol";
import {ChannelParams, Record, Sig, State} from "../../src/interfaces/Types.sol";
import {ChannelTest} from "../utils/ChannelTest.sol";

/// @notice Disputes that end by agreement.
contract ResumeTest is ChannelTest {
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
}
