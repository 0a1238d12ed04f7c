// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Errors} from "../../src/interfaces/Errors.sol";
import {ChannelParams, Lock, Sig, State} from "../../src/interfaces/Types.sol";
import {ChildTest} from "../utils/ChildTest.sol";

/// @notice Locks of parents that wait for a child's outcome.
contract ChildLocksTest is ChildTest {
    function keyOf(address signer) private view returns (uint256) {
        return signer == hub ? HUB_KEY : signer == signer0 ? KEY0 : KEY1;
    }

    /// A dispute of any two of the three that stands at this state and is settled.
    function settleAt(ChannelParams memory p, State memory s) private {
        bytes32 hash = hashOf(p, s);
        (Sig memory a, Sig memory b) = (sign(keyOf(p.signer0), hash), sign(keyOf(p.signer1), hash));
        vm.prank(p.payout0);
        adjudicator.challenge(p, s, a, b, nothing(), 0, noSig());
        skip(DURATION + 1);
        adjudicator.settle(p, s);
    }

    /// A parent in which each deposited one coin, settled with these locks.
    function settleWith(ChannelParams memory p, Lock[] memory locks) private {
        depositNative(p, 0, 1 ether);
        depositNative(p, 1, 1 ether);
        settleAt(p, lockedState(7, 1, locks));
    }

    function lockOf(Child memory c) private view returns (Lock[] memory) {
        return listOf(childLock(c));
    }

    // ---- over a hub

    /// The hub gets back what it locked, whatever the two agree on.
    function testFuzz_theHubComesOutEven(uint256 part0) public {
        Child memory c = hubChild(address(0));
        settleWith(parent0(), lockOf(c));
        settleWith(parent1(), lockOf(c));
        part0 = bound(part0, 0, 1 ether);
        closeChild(c, lastState(5, int128(AMOUNT0) - int128(uint128(part0))));
        adjudicator.unlock(parent0(), lockOf(c));
        adjudicator.unlock(parent1(), lockOf(c));
        assertEq(payout0.balance, 1 ether - AMOUNT0 + part0);
        assertEq(payout1.balance, 1 ether - AMOUNT1 + 1 ether - part0);
        assertEq(hubPayout.balance, 2 ether);
        assertEq(phaseOf(parent0()), 2);
        assertEq(phaseOf(parent1()), 2);
    }

    function test_notBeforeTheChildIsFinalised() public {
        Child memory c = hubChild(counting);
        settleWith(parent0(), lockOf(c));
        ChannelParams memory p = parent0();
        vm.expectRevert(Errors.NothingToUnlock.selector);
        adjudicator.unlock(p, lockOf(c));
        State memory s = countState(3, 0, 0, 0);
        s.appData = abi.encode(0, uint128(0.25 ether));
        challengeChild(c, s, nothing(), 0);
        skip(2 * DURATION + 1);
        vm.expectRevert(Errors.NothingToUnlock.selector);
        adjudicator.unlock(p, lockOf(c));
        extension.settleChild(c.params, c.terms, s);
        adjudicator.unlock(p, lockOf(c));
        assertEq(payout0.balance, 0.75 ether);
        assertEq(hubPayout.balance, 1.25 ether);
    }

    /// Nobody ever signed in the child: it is as if there had been none.
    function test_versionZeroIsTheRefund() public {
        Child memory c = hubChild(counting);
        settleWith(parent0(), lockOf(c));
        challengeChild(c, zeroState(1), nothing(), 2);
        skip(DURATION + 1);
        extension.settleChild(c.params, c.terms, zeroState(1));
        adjudicator.unlock(parent0(), lockOf(c));
        assertEq(payout0.balance, 1 ether);
        assertEq(hubPayout.balance, 1 ether);
    }

    // ---- which side plays which

    function test_flipped() public {
        Child memory c = subChannel(address(0));
        ChannelParams memory p = nativeParams();
        p.nonce = 55;
        Lock[] memory locks = lockOf(c);
        (locks[0].amount0, locks[0].amount1, locks[0].flip) = (AMOUNT1, AMOUNT0, true);
        settleWith(p, locks);
        closeChild(c, lastState(5, 0.1 ether));
        // The child gave 0.5 to each: its participant 0 is participant 1 here, and paid 0.1.
        adjudicator.unlock(p, locks);
        assertEq(payout0.balance, 1.1 ether);
        assertEq(payout1.balance, 0.9 ether);
    }

    function test_besideHashLocksAndInAnyOrder() public {
        Child memory c = hubChild(address(0));
        Lock[] memory locks = new Lock[](3);
        locks[0] = hashLock(0, 0, 0.1 ether, "secret", block.timestamp + 9 days);
        locks[1] = childLock(c);
        locks[2] = hashLock(1, 0, 0.1 ether, "never", block.timestamp + 1 hours);
        settleWith(parent0(), locks);
        closeChild(c, lastState(5, -0.1 ether));
        adjudicator.unlock(parent0(), locks);
        assertEq(payout0.balance, 1 ether + 0.1 ether - 0.1 ether);
        assertEq(hubPayout.balance, 0.9 ether);
        Lock[] memory left = new Lock[](1);
        left[0] = locks[0];
        adjudicator.registerPreimage("secret");
        adjudicator.unlock(parent0(), left);
        assertEq(hubPayout.balance, 1 ether);
        assertEq(phaseOf(parent0()), 2);
    }

    // ---- lies

    /// A lock that says something else than its child releases what was locked, and not more.
    function testFuzz_liesReleaseWhatWasLocked(uint128 amount0, uint128 amount1, bool flip, int64 paid) public {
        ChannelParams memory other = nativeParams();
        depositNative(other, 0, 10 ether);
        Child memory c = subChannel(address(0));
        paid = int64(bound(paid, -int128(AMOUNT1), int128(AMOUNT0)));
        Lock[] memory locks = lockOf(c);
        (locks[0].amount0, locks[0].amount1) =
        (uint128(bound(amount0, 1, 1 ether)), uint128(bound(amount1, 1, 1 ether)));
        locks[0].flip = flip;
        settleWith(parent0(), locks);
        closeChild(c, lastState(5, paid));
        adjudicator.unlock(parent0(), locks);
        assertEq(payout0.balance + hubPayout.balance, 2 ether);
        assertEq(address(adjudicator).balance, 10 ether);
    }

    /// What a lying lock releases is not taken from the locks beside it.
    function test_aLieTakesNothingFromTheOtherLocks() public {
        Child memory c = subChannel(address(0));
        Lock[] memory locks = new Lock[](2);
        locks[0] = childLock(c);
        (locks[0].amount0, locks[0].amount1) = (0.1 ether, 0.1 ether);
        locks[1] = hashLock(1, 0, 0.7 ether, "secret", block.timestamp + 9 days);
        settleWith(parent0(), locks);
        // All that is in the child goes to participant 0, five times of what the lock holds.
        closeChild(c, lastState(5, -int128(AMOUNT1)));
        adjudicator.unlock(parent0(), locks);
        assertEq(payout0.balance, 1 ether - 0.1 ether + 0.2 ether);
        skip(9 days);
        Lock[] memory left = new Lock[](1);
        left[0] = locks[1];
        adjudicator.unlock(parent0(), left);
        assertEq(hubPayout.balance, 1 ether - 0.1 ether);
    }

    /// Amounts that the parent never held take nothing from other channels.
    function test_moreThanTheParentHolds() public {
        depositNative(nativeParams(), 0, 10 ether);
        Child memory c = subChannel(address(0));
        c.terms.amount0 = 5 ether;
        c.params.child = hashOf(c.terms);
        State memory s = lockedState(7, 1, lockOf(c));
        depositNative(parent0(), 0, 1 ether);
        settleAt(parent0(), s);
        closeChild(c, lastState(5, 0));
        adjudicator.unlock(parent0(), lockOf(c));
        assertEq(payout0.balance + hubPayout.balance, 1 ether);
        assertEq(address(adjudicator).balance, 10 ether);
    }

    /// A reference to what is no child at all: the closed channel gave nothing to participant 0.
    function test_aReferenceToAClosedChannel() public {
        ChannelParams memory p = nativeParams();
        depositNative(p, 0, 1 ether);
        close(p, finalState(1, 1, 0));
        uint256 before = payout0.balance;
        Child memory c = hubChild(address(0));
        Lock[] memory locks = lockOf(c);
        locks[0].ref = idOf(p);
        settleWith(parent0(), locks);
        adjudicator.unlock(parent0(), locks);
        assertEq(payout0.balance - before, 1 ether - AMOUNT0);
        assertEq(hubPayout.balance, 1 ether + AMOUNT0);
    }

    /// The lock of a channel that only stands in itself, or in nothing, waits for ever; all else is paid.
    function test_aReferenceToNothing() public {
        Child memory c = hubChild(address(0));
        Lock[] memory locks = lockOf(c);
        locks[0].ref = idOf(parent0());
        settleWith(parent0(), locks);
        ChannelParams memory p = parent0();
        vm.expectRevert(Errors.NothingToUnlock.selector);
        adjudicator.unlock(p, locks);
        assertEq(payout0.balance, 1 ether - AMOUNT0);
    }
}
