// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Lock, LockKind, NativeDeposit, Record, Sig} from "../../src/interfaces/Types.sol";
import {Chosen, Ground, Stored} from "./Ground.sol";

/// @notice Properties of every single call, whatever it shows, from any state of the channel: conservation, isolation
/// between channels, tombstones. Proved by halmos on the bytecode; one asset, the native coin, and receivers that take
/// a payment or refuse it. Loops are bounded by the sizes here: one deposit in a batch, two locks in a list. Signatures
/// and hashes are whatever the prover wants them to be, unless equal inputs make them equal.
contract AdjudicatorProofs is Ground {
    function check_deposit(Stored memory x, uint256 participant, uint128 amount) external {
        begin(x);
        vm.deal(address(this), amount);
        try adjudicator.deposit{value: amount}(terms(), 0, participant) {
            assertWasOpen(x);
            assertKept(x);
        } catch {}
    }

    function check_depositMany(Stored memory x, uint128 amount, uint128 value) external {
        begin(x);
        vm.deal(address(this), value);
        NativeDeposit[] memory list = new NativeDeposit[](1);
        list[0] = NativeDeposit(terms(), 0, 1, amount);
        try adjudicator.depositMany{value: value}(list) {
            assertWasOpen(x);
            assertKept(x);
        } catch {}
    }

    function check_close(Stored memory x, Chosen memory c, Sig memory sig0, Sig memory sig1) external {
        begin(x);
        if (!send(abi.encodeWithSelector(adjudicator.close.selector, params(), stateOf(c), sig0, sig1))) return;
        assertWasOpen(x);
        assert(statusNow() == CLOSED);
        assertKept(x);
    }

    function check_withdraw(Stored memory x, Chosen memory c, Sig memory sig0, Sig memory sig1, Record memory previous)
        external
    {
        begin(x);
        bytes4 selector = adjudicator.withdraw.selector;
        if (!send(abi.encodeWithSelector(selector, params(), stateOf(c), sig0, sig1, previous))) return;
        assertWasOpen(x);
        assertKept(x);
    }

    function check_challenge(
        Stored memory x,
        Chosen memory c,
        Sig memory sig0,
        Sig memory sig1,
        Record memory previous,
        bool bySecond,
        Sig memory sig
    ) external {
        begin(x);
        // As a branch, because the prover needs to know where in the calldata the signer lies.
        uint256 challenger = 0;
        if (bySecond) challenger = 1;
        bytes4 selector = adjudicator.challenge.selector;
        bytes memory call =
            abi.encodeWithSelector(selector, params(), stateOf(c), sig0, sig1, previous, challenger, sig);
        if (!send(call)) return;
        assertWasOpen(x);
        assertKept(x);
    }

    function check_respond(Stored memory x, Chosen memory c, Sig memory sig0, Sig memory sig1, Record memory previous)
        external
    {
        begin(x);
        bytes4 selector = adjudicator.respond.selector;
        if (!send(abi.encodeWithSelector(selector, params(), stateOf(c), sig0, sig1, previous))) return;
        assertWasOpen(x);
        assertKept(x);
    }

    function check_resume(Stored memory x, Record memory recorded, Sig memory sig0, Sig memory sig1) external {
        begin(x);
        try adjudicator.resume(params(), recorded, sig0, sig1) {
            assertWasOpen(x);
            assertKept(x);
        } catch {}
    }

    function check_settle(Stored memory x, Chosen memory c) external {
        begin(x);
        if (!send(abi.encodeWithSelector(adjudicator.settle.selector, params(), stateOf(c)))) return;
        assertWasOpen(x);
        assertKept(x);
    }

    function check_unlock(Stored memory x, Lock memory first, Lock memory second) external {
        begin(x);
        (first.kind, second.kind) = (LockKind.Hash, LockKind.Hash);
        Lock[] memory list = new Lock[](2);
        (list[0], list[1]) = (first, second);
        try adjudicator.unlock(params(), list) {
            assertWasOpen(x);
            assertKept(x);
        } catch {}
    }

    function check_unlockByChild(Stored memory x, Lock memory lock, uint256 child) external {
        begin(x);
        storeOther(child);
        (lock.kind, lock.ref) = (LockKind.Channel, OTHER);
        Lock[] memory list = new Lock[](1);
        list[0] = lock;
        try adjudicator.unlock(params(), list) {
            assertWasOpen(x);
            assertKept(x);
        } catch {}
    }

    function check_withdrawCredit(Stored memory x, bool toTheOther) external {
        begin(x);
        address to = address(0xc0);
        if (toTheOther) to = PAYOUT1;
        vm.prank(PAYOUT0);
        try adjudicator.withdrawCredit(address(0), to) {
            assertKept(x);
        } catch {}
    }
}
