// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Errors} from "../../src/interfaces/Errors.sol";
import {IAdjudicator} from "../../src/interfaces/IAdjudicator.sol";
import {ChannelParams, Lock, LockKind, Sig, State} from "../../src/interfaces/Types.sol";
import {ChannelTest} from "../utils/ChannelTest.sol";

contract LocksTest is ChannelTest {
    bytes32 private constant PREIMAGE = keccak256("secret");
    uint256 private expiry;

    function setUp() public override {
        super.setUp();
        expiry = block.timestamp + 3 days;
    }

    /// Opens with both deposits, settles at a state with these locks.
    function settled(uint256 deposit0, uint256 deposit1, Lock[] memory locks) private returns (ChannelParams memory p) {
        p = nativeParams();
        if (deposit0 != 0) depositNative(p, 0, deposit0);
        if (deposit1 != 0) depositNative(p, 1, deposit1);
        disputeAndSettle(p, lockedState(5, 1, locks));
    }

    function assertPaid(uint256 paid0, uint256 paid1) private view {
        assertEq(payout0.balance, paid0, "paid to 0");
        assertEq(payout1.balance, paid1, "paid to 1");
    }

    function reserveOf(ChannelParams memory p) private view returns (uint256 reserve) {
        (,, reserve) = adjudicator.funds(idOf(p), 0);
    }

    // ---- the registry

    function test_registryKeepsTheFirstTime() public {
        bytes32 hash = sha256(abi.encode(PREIMAGE));
        assertEq(adjudicator.registeredAt(hash), 0);
        vm.expectEmit(address(adjudicator));
        emit IAdjudicator.PreimageRegistered(hash, PREIMAGE);
        vm.prank(stranger);
        adjudicator.registerPreimage(PREIMAGE);
        uint256 first = block.timestamp;
        skip(10);
        vm.recordLogs();
        adjudicator.registerPreimage(PREIMAGE);
        assertEq(vm.getRecordedLogs().length, 0);
        assertEq(adjudicator.registeredAt(hash), first);
    }

    // ---- hash locks

    function test_redeemedByAPreimageInTime() public {
        Lock[] memory locks = listOf(hashLock(0, 0, 1 ether, PREIMAGE, expiry));
        ChannelParams memory p = settled(3 ether, 0, locks);
        assertPaid(2 ether, 0);
        vm.warp(expiry);
        adjudicator.registerPreimage(PREIMAGE);
        uint256[2][] memory paid = new uint256[2][](1);
        paid[0] = [uint256(0), 1 ether];
        vm.expectEmit(address(adjudicator));
        emit IAdjudicator.Unlocked(idOf(p), paid, new Lock[](0));
        vm.prank(stranger);
        adjudicator.unlock(p, locks);
        assertPaid(2 ether, 1 ether);
        assertEq(phaseOf(p), 2);
        vm.expectRevert(Errors.NotSettled.selector);
        adjudicator.unlock(p, locks);
    }

    function test_refundedAfterExpiryOnly() public {
        Lock[] memory locks = listOf(hashLock(1, 0, 1 ether, PREIMAGE, expiry));
        ChannelParams memory p = settled(0, 3 ether, locks);
        vm.warp(expiry);
        vm.expectRevert(Errors.NothingToUnlock.selector);
        adjudicator.unlock(p, locks);
        vm.warp(expiry + 1);
        // Too late: the first registration counts, and it is after the expiry.
        adjudicator.registerPreimage(PREIMAGE);
        adjudicator.unlock(p, locks);
        assertPaid(0, 3 ether);
    }

    /// Two hops of a path share one preimage: what is registered once redeems both, also long afterwards.
    function test_registrationRedeemsLaterToo() public {
        adjudicator.registerPreimage(PREIMAGE);
        Lock[] memory locks = listOf(hashLock(0, 0, 1 ether, PREIMAGE, expiry));
        ChannelParams memory p = settled(3 ether, 0, locks);
        vm.warp(expiry + 365 days);
        adjudicator.unlock(p, locks);
        assertPaid(2 ether, 1 ether);
    }

    /// LDK, Nitro: locks with equal hash and amount confused. Each of the two here pays once.
    function test_twinsPayOnceEach() public {
        Lock[] memory locks = new Lock[](2);
        locks[0] = hashLock(0, 0, 1 ether, PREIMAGE, expiry);
        locks[1] = locks[0];
        ChannelParams memory p = settled(3 ether, 0, locks);
        adjudicator.registerPreimage(PREIMAGE);
        adjudicator.unlock(p, locks);
        assertPaid(1 ether, 2 ether);
    }

    function test_unlocksWhatCanBeAndKeepsTheRest() public {
        Lock[] memory locks = new Lock[](4);
        locks[0] = hashLock(0, 0, 1 ether, "never", block.timestamp + 1);
        locks[1] = hashLock(0, 0, 2 ether, PREIMAGE, expiry);
        locks[2] = hashLock(1, 0, 4 ether, "later", expiry + 1 days);
        locks[3] = hashLock(1, 0, 8 ether, "never", expiry);
        ChannelParams memory p = settled(10 ether, 20 ether, locks);
        assertPaid(7 ether, 8 ether);
        adjudicator.registerPreimage(PREIMAGE);
        Lock[] memory rest = new Lock[](2);
        (rest[0], rest[1]) = (locks[2], locks[3]);
        uint256[2][] memory paid = new uint256[2][](1);
        paid[0] = [uint256(1 ether), 2 ether];
        vm.expectEmit(address(adjudicator));
        emit IAdjudicator.Unlocked(idOf(p), paid, rest);
        adjudicator.unlock(p, locks);
        assertEq(reserveOf(p), 12 ether);
        assertEq(phaseOf(p), 1);

        // The list has changed: the old one is worth nothing, and no lock pays twice.
        vm.expectRevert(Errors.LocksMismatch.selector);
        adjudicator.unlock(p, locks);
        vm.expectRevert(Errors.NothingToUnlock.selector);
        adjudicator.unlock(p, rest);
        vm.warp(expiry + 1);
        adjudicator.unlock(p, rest);
        assertPaid(8 ether, 18 ether);
        vm.warp(expiry + 2 days);
        adjudicator.unlock(p, listOf(locks[2]));
        assertPaid(8 ether, 22 ether);
        assertEq(address(adjudicator).balance, 0);
    }

    function test_locksInTwoAssets() public {
        ChannelParams memory p = mixedParams();
        depositNative(p, 0, 1 ether);
        depositUsdc(p, 1, 1, 1000);
        Lock[] memory locks = new Lock[](3);
        locks[0] = hashLock(1, 1, 300, "later", expiry + 1);
        locks[1] = hashLock(0, 0, 0.5 ether, PREIMAGE, expiry);
        locks[2] = hashLock(1, 1, 200, PREIMAGE, expiry);
        disputeAndSettle(p, lockedState(5, 2, locks));
        adjudicator.registerPreimage(PREIMAGE);
        adjudicator.unlock(p, locks);
        assertPaid(0.5 ether, 0.5 ether);
        assertEq(usdc.balanceOf(payout0), 200);
        assertEq(usdc.balanceOf(payout1), 500);
        vm.warp(expiry + 2);
        adjudicator.unlock(p, listOf(locks[0]));
        assertEq(usdc.balanceOf(payout1), 800);
        assertEq(phaseOf(p), 2);
    }

    /// Events are written by hand: in two assets, with all their arrays, they decode as declared.
    function test_eventsInTwoAssets() public {
        ChannelParams memory p = mixedParams();
        depositNative(p, 0, 1 ether);
        depositUsdc(p, 1, 1, 1000);
        Lock[] memory locks = new Lock[](2);
        locks[0] = hashLock(1, 1, 300, "later", expiry + 1);
        locks[1] = hashLock(0, 0, 0.5 ether, PREIMAGE, expiry);
        State memory s = lockedState(5, 2, locks);
        Sig memory sig = challengeSig(KEY0, p, s, 0);
        (Sig memory a, Sig memory b) = sigs(p, s);
        vm.expectEmit(address(adjudicator));
        emit IAdjudicator.Challenged(idOf(p), 0, 0, block.timestamp + DURATION, s);
        adjudicator.challenge(p, s, a, b, nothing(), 0, sig);
        skip(DURATION + 1);
        expectSettled(p, s);
        adjudicator.settle(p, s);
        adjudicator.registerPreimage(PREIMAGE);
        uint256[2][] memory paid = new uint256[2][](2);
        paid[0] = [uint256(0), 0.5 ether];
        vm.expectEmit(address(adjudicator));
        emit IAdjudicator.Unlocked(idOf(p), paid, listOf(locks[0]));
        adjudicator.unlock(p, locks);
    }

    function expectSettled(ChannelParams memory p, State memory s) private {
        uint256[2][] memory paid = new uint256[2][](2);
        paid[0] = [uint256(0.5 ether), 0];
        paid[1] = [uint256(0), 700];
        uint256[] memory reserves = new uint256[](2);
        (reserves[0], reserves[1]) = (0.5 ether, 300);
        vm.expectEmit(address(adjudicator));
        emit IAdjudicator.Settled(idOf(p), paid, reserves, s.locksHash);
    }

    function test_onlyTheRecordedList() public {
        Lock[] memory locks = listOf(hashLock(0, 0, 1 ether, PREIMAGE, expiry));
        ChannelParams memory p = settled(3 ether, 0, locks);
        vm.warp(expiry + 1);
        locks[0].amount0 = 2 ether;
        vm.expectRevert(Errors.LocksMismatch.selector);
        adjudicator.unlock(p, locks);
        vm.expectRevert(Errors.LocksMismatch.selector);
        adjudicator.unlock(p, new Lock[](0));
    }

    function test_notBeforeSettle() public {
        ChannelParams memory p = nativeParams();
        depositNative(p, 0, 1 ether);
        vm.expectRevert(Errors.NotSettled.selector);
        adjudicator.unlock(p, new Lock[](0));
    }

    // ---- lists that both signed but should not have

    /// A list that promises more than was contributed gets the reserve, and no other channel pays for it.
    function test_listThatHidesMoreThanWasContributed() public {
        ChannelParams memory victim = nativeParams();
        victim.nonce = 99;
        depositNative(victim, 0, 100 ether);
        ChannelParams memory p = nativeParams();
        depositNative(p, 0, 3 ether);
        Lock[] memory locks = new Lock[](2);
        locks[0] = hashLock(0, 0, 50 ether, PREIMAGE, expiry);
        locks[1] = hashLock(0, 0, type(uint128).max, PREIMAGE, expiry);
        State memory s = paidState(5, 1, 0);
        s.allocations[0].delta0 = -1 ether;
        s.locksHash = keccak256(abi.encode(locks));
        disputeAndSettle(p, s);
        adjudicator.registerPreimage(PREIMAGE);
        adjudicator.unlock(p, locks);
        assertPaid(2 ether, 1 ether);
        assertEq(address(adjudicator).balance, 100 ether);
    }

    /// A list that accounts for less than the reserve strands nothing: the rest is shared.
    function test_listThatAccountsForLess() public {
        ChannelParams memory p = nativeParams();
        depositNative(p, 0, 3 ether);
        Lock[] memory locks = listOf(hashLock(0, 0, 0.4 ether, PREIMAGE, expiry));
        State memory s = paidState(5, 1, 0);
        s.allocations[0].delta0 = -1 ether - 1;
        s.locksHash = keccak256(abi.encode(locks));
        disputeAndSettle(p, s);
        adjudicator.registerPreimage(PREIMAGE);
        adjudicator.unlock(p, locks);
        assertPaid(2 ether - 1 + 0.3 ether + 1, 0.4 ether + 0.3 ether);
        assertEq(address(adjudicator).balance, 0);
    }

    function test_lockInAnAssetThatIsNotThere() public {
        Lock[] memory locks = new Lock[](2);
        locks[0] = hashLock(0, 0, 1 ether, PREIMAGE, expiry);
        ChannelParams memory p = nativeParams();
        depositNative(p, 0, 3 ether);
        State memory s = lockedState(5, 1, listOf(locks[0]));
        locks[1] = hashLock(0, 3, 1 ether, PREIMAGE, expiry);
        s.locksHash = keccak256(abi.encode(locks));
        disputeAndSettle(p, s);
        adjudicator.registerPreimage(PREIMAGE);
        adjudicator.unlock(p, locks);
        assertPaid(2 ether, 1 ether);
    }

    function test_bothContributed() public {
        Lock memory lock = hashLock(0, 0, 1 ether, PREIMAGE, expiry);
        lock.amount1 = 2 ether;
        ChannelParams memory p = settled(3 ether, 3 ether, listOf(lock));
        adjudicator.registerPreimage(PREIMAGE);
        adjudicator.unlock(p, listOf(lock));
        assertPaid(4 ether, 2 ether);
    }

    function test_locksThatLockNothingCloseAtOnce() public {
        Lock[] memory locks = listOf(hashLock(0, 0, 0, PREIMAGE, expiry));
        ChannelParams memory p = settled(3 ether, 0, locks);
        assertPaid(3 ether, 0);
        assertEq(phaseOf(p), 2);
    }

    /// Children are not judged yet: such a lock waits, and does not keep the others waiting.
    function test_channelLocksWait() public {
        Lock[] memory locks = new Lock[](2);
        locks[0] = Lock(LockKind.Channel, 0, 1 ether, 1 ether, "child", 0, false);
        locks[1] = hashLock(0, 0, 1 ether, PREIMAGE, block.timestamp);
        ChannelParams memory p = settled(3 ether, 1 ether, locks);
        adjudicator.unlock(p, locks);
        assertPaid(2 ether, 0);
        vm.warp(expiry + 3650 days);
        vm.expectRevert(Errors.NothingToUnlock.selector);
        adjudicator.unlock(p, listOf(locks[0]));
    }

    // ---- shortages

    /// 0 gave away 1 ether that it never deposited. What unlocks to it pays for that, in whatever order.
    function test_debtReducesWhatUnlocksToTheDebtor() public {
        Lock[] memory locks = new Lock[](2);
        locks[0] = hashLock(1, 0, 2 ether, PREIMAGE, expiry); // to 0 when redeemed
        locks[1] = hashLock(1, 0, 1 ether, "never", expiry); // back to 1
        ChannelParams memory p = nativeParams();
        depositNative(p, 1, 5 ether);
        State memory s = lockedState(5, 1, locks);
        s.allocations[0].delta0 -= 1 ether;
        s.allocations[0].delta1 += 1 ether;
        disputeAndSettle(p, s);
        assertPaid(0, 3 ether);
        assertEq(reserveOf(p), 2 ether);
        adjudicator.registerPreimage(PREIMAGE);
        adjudicator.unlock(p, locks);
        assertPaid(1 ether, 3 ether);
        vm.warp(expiry + 1);
        adjudicator.unlock(p, listOf(locks[1]));
        assertPaid(1 ether, 4 ether);
        assertEq(address(adjudicator).balance, 0);
    }

    /// A debt is remembered over several unlocks.
    function test_debtSpansUnlocks() public {
        Lock[] memory locks = new Lock[](2);
        locks[0] = hashLock(1, 0, 2 ether, "first", expiry);
        locks[1] = hashLock(1, 0, 2 ether, "second", expiry);
        ChannelParams memory p = nativeParams();
        depositNative(p, 1, 5 ether);
        State memory s = lockedState(5, 1, locks);
        s.allocations[0].delta0 -= 3 ether;
        s.allocations[0].delta1 += 3 ether;
        disputeAndSettle(p, s);
        assertPaid(0, 4 ether);
        adjudicator.registerPreimage("first");
        adjudicator.unlock(p, locks);
        assertPaid(0, 4 ether);
        adjudicator.registerPreimage("second");
        adjudicator.unlock(p, listOf(locks[1]));
        assertPaid(1 ether, 4 ether);
        assertEq(phaseOf(p), 2);
    }

    /// However locks resolve and in whatever order, both get what they would in one go, and nothing is left.
    function testFuzz_orderOfUnlocksDoesNotMatter(
        uint96[2] memory deposits,
        int96 gift,
        uint96[4] memory amounts,
        uint8 redeemed
    ) public {
        Lock[] memory locks = new Lock[](4);
        for (uint256 i = 0; i < 4; ++i) {
            locks[i] = hashLock(i % 2, 0, amounts[i], keccak256(abi.encode(i)), expiry);
            if (redeemed >> i & 1 != 0) adjudicator.registerPreimage(keccak256(abi.encode(i)));
        }
        uint256[2][2] memory paid;
        for (uint64 run = 0; run < 2; ++run) {
            ChannelParams memory p = nativeParams();
            p.nonce = run;
            (p.payout0, p.payout1) = (address(uint160(0x1000 + run)), address(uint160(0x2000 + run)));
            if (deposits[0] != 0) depositNative(p, 0, deposits[0]);
            if (deposits[1] != 0) depositNative(p, 1, deposits[1]);
            State memory s = lockedState(5, 1, locks);
            s.allocations[0].delta0 -= gift;
            s.allocations[0].delta1 += gift;
            uint256 start = block.timestamp;
            disputeAndSettle(p, s);
            // In one run the redeemed ones first, then the rest; in the other all at once.
            if (run == 0 && phaseOf(p) == 1 && redeemed & 15 != 0) {
                adjudicator.unlock(p, locks);
                if (phaseOf(p) == 1) {
                    vm.warp(expiry + 1);
                    adjudicator.unlock(p, unredeemed(locks, redeemed));
                }
            } else if (phaseOf(p) == 1) {
                vm.warp(expiry + 1);
                adjudicator.unlock(p, locks);
            }
            assertEq(phaseOf(p), 2);
            paid[run] = [p.payout0.balance, p.payout1.balance];
            vm.warp(start);
        }
        assertEq(paid[0][0], paid[1][0]);
        assertEq(paid[0][1], paid[1][1]);
        assertEq(paid[0][0] + paid[0][1], uint256(deposits[0]) + deposits[1]);
    }

    function unredeemed(Lock[] memory locks, uint8 redeemed) private pure returns (Lock[] memory rest) {
        rest = new Lock[](locks.length);
        uint256 count;
        for (uint256 i = 0; i < locks.length; ++i) {
            if (redeemed >> i & 1 == 0) rest[count++] = locks[i];
        }
        assembly {
            mstore(rest, count)
        }
    }
}
