// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {ChannelParams, Lock, NativeDeposit, Sig, State} from "../src/interfaces/Types.sol";
import {TestUSDC} from "../src/test/TestUSDC.sol";
import {CountingApp} from "./mocks/Apps.sol";
import {ChildTest} from "./utils/ChildTest.sol";

/// @notice What each call costs as a transaction of its own, intrinsic gas and calldata included. The figures are
/// written to snapshots/Gas.json; the limits here are those that docs/gas.md promises.
/// forge-config: default.isolate = true
contract GasTest is ChildTest {
    function setUp() public override {
        super.setUp();
        // The token as it is published, and not as tests are built.
        usdc = TestUSDC(deployArtifact("TestUSDC"));
        // Accounts that exist, as those of people who were paid before.
        vm.deal(payout0, 1 ether);
        vm.deal(payout1, 1 ether);
    }

    function measure(string memory name, uint256 limit) private {
        uint256 used = vm.snapshotGasLastCall(name);
        assertLe(used, limit, name);
    }

    function open() private returns (ChannelParams memory p) {
        p = nativeParams();
        p.nonce = 0x1122334455667788;
        depositNative(p, 0, 1 ether);
        depositNative(p, 1, 1 ether);
    }

    function test_openAndClose() public {
        ChannelParams memory p = nativeParams();
        p.nonce = 0x1122334455667788;
        depositNative(p, 0, 1 ether);
        measure("deposit, first", 47_000);
        depositNative(p, 1, 1 ether);
        measure("deposit, second", 30_000);
        State memory s = finalState(70_000, 1, 0.123_456_789 ether);
        close(p, s);
        measure("close, both paid", 69_000);
    }

    function test_dispute() public {
        ChannelParams memory p = open();
        State memory s = paidState(70_000, 1, 0.123_456_789 ether);
        challenge(p, s, nothing(), 0);
        measure("challenge", 75_000);
        State memory higher = paidState(70_001, 1, 0.223_456_789 ether);
        respond(p, higher, recordOf(p, s));
        measure("respond", 55_000);
        skip(DURATION + 1);
        adjudicator.settle(p, higher);
        measure("settle", 60_000);
    }

    function test_resume() public {
        ChannelParams memory p = open();
        State memory s = paidState(70_000, 1, 0.123_456_789 ether);
        challenge(p, s, nothing(), 0);
        resume(p, s, 0);
        measure("resume", 45_000);
        challenge(p, s, recordOf(p, s), 0);
        measure("challenge at the recorded version", 53_000);
    }

    function test_challengeAtVersionZero() public {
        ChannelParams memory p = open();
        vm.prank(payout0);
        adjudicator.challenge(p, zeroState(1), noSig(), noSig(), nothing(), 0, noSig());
        measure("challenge, version 0, sent by the payout", 63_000);
    }

    function test_locks() public {
        ChannelParams memory p = open();
        Lock[] memory locks = listOf(hashLock(0, 0, 0.1 ether, keccak256("secret"), block.timestamp + 2 days));
        State memory s = lockedState(70_000, 1, locks);
        challenge(p, s, nothing(), 0);
        adjudicator.registerPreimage(keccak256("secret"));
        measure("registerPreimage", 46_500);
        skip(DURATION + 1);
        adjudicator.settle(p, s);
        measure("settle, locks pending", 66_000);
        adjudicator.unlock(p, locks);
        measure("unlock, one hash lock", 50_000);
    }

    function test_manyLocks() public {
        ChannelParams memory p = open();
        Lock[] memory locks = new Lock[](64);
        for (uint256 i = 0; i < 64; ++i) {
            locks[i] = hashLock(i % 2, 0, 0.01 ether, keccak256(abi.encode(i)), block.timestamp + i * 1 hours);
        }
        State memory s = lockedState(70_000, 1, locks);
        challenge(p, s, nothing(), 0);
        skip(DURATION + 1);
        adjudicator.settle(p, s);
        adjudicator.unlock(p, locks);
        measure("unlock, 25 of 64 expired hash locks", 419_000);
    }

    function test_withdraw() public {
        ChannelParams memory p = open();
        State memory s = withdrawState(70_000, 1, 0.123_456_789 ether, 0.5 ether);
        withdraw(p, s, nothing());
        measure("withdraw, first", 108_000);
        State memory next = withdrawState(70_001, 1, 0.123_456_789 ether, 0.6 ether);
        withdraw(p, next, recordOf(p, s));
        measure("withdraw, second", 71_500);
        close(p, finalAfter(next));
        measure("close after a withdrawal", 68_000);
    }

    function finalAfter(State memory s) private view returns (State memory f) {
        f = finalState(s.version + 1, 1, 0);
        f.allocations = s.allocations;
    }

    function test_token() public {
        ChannelParams memory p = tokenParams();
        usdc.mint(address(this), 1e12);
        usdc.mint(payout0, 1);
        usdc.mint(payout1, 1);
        usdc.approve(address(adjudicator), type(uint256).max);
        usdc.mint(address(adjudicator), 1);
        adjudicator.depositToken(termsOf(p), p.assets, 0, 0, 1e9);
        measure("depositToken, first", 69_000);
        adjudicator.depositToken(termsOf(p), p.assets, 0, 1, 1e9);
        measure("depositToken, second", 52_000);
        close(p, finalState(70_000, 1, 123_456_789));
        measure("close in a token, both paid", 73_000);
    }

    function test_twoAssets() public {
        ChannelParams memory p = mixedParams();
        depositNative(p, 0, 1 ether);
        depositUsdc(p, 1, 1, 1e9);
        usdc.mint(payout0, 1);
        usdc.mint(payout1, 1);
        State memory s = finalState(70_000, 2, 0.123_456_789 ether);
        s.allocations[1].delta0 = 250_000_000;
        s.allocations[1].delta1 = -250_000_000;
        close(p, s);
        measure("close in two assets, both paid in both", 95_000);
    }

    /// A game of a few words; the app is as its compiler makes it without optimising.
    function test_app() public {
        ChannelParams memory p = openCounting();
        p.nonce = 0x1122334455667788;
        depositNative(p, 0, 1 ether);
        depositNative(p, 1, 1 ether);
        State memory s = countState(70_000, 0, 7, 0.123_456_789 ether);
        challenge(p, s, nothing(), 0);
        measure("challenge, app", 81_000);
        State memory higher = countState(70_001, 1, 8, 0.123_456_789 ether);
        respond(p, higher, recordOf(p, s));
        measure("respond, app", 60_000);
        skip(DURATION + 1);
        State memory next = countOn(p, higher);
        progress(p, higher, next);
        measure("progress, one forced move", 82_000);
        skip(DURATION + 1);
        adjudicator.settle(p, next);
        measure("settle, app's verdict", 76_000);
    }

    function test_appClose() public {
        ChannelParams memory p = openCounting();
        close(p, finalState(70_000, 1, 0.123_456_789 ether));
        measure("close, app", 72_000);
    }

    /// Between the same two, so that the keys at hand are enough for the parent, too.
    function test_child() public {
        Child memory c = hubChild(counting);
        State memory s = countState(70_000, 0, 7, 0.123_456_789 ether);
        challengeChild(c, s, nothing(), 0);
        measure("challengeChild, with activation", 90_000);
        State memory higher = countState(70_001, 1, 8, 0.123_456_789 ether);
        respondChild(c, higher, recordOf(c.params, s));
        measure("respondChild", 63_000);
        skip(DURATION + 1);
        State memory next = countOn(c.params, higher);
        progressChild(c, higher, next);
        measure("progressChild", 85_000);
        skip(DURATION + 1);
        extension.settleChild(c.params, c.terms, next);
        measure("settleChild, app's verdict", 74_000);
        ChannelParams memory p = open();
        Lock[] memory locks = listOf(childLock(c));
        State memory parent = lockedState(70_000, 1, locks);
        challenge(p, parent, nothing(), 0);
        skip(DURATION + 1);
        adjudicator.settle(p, parent);
        adjudicator.unlock(p, locks);
        measure("unlock, one child", 51_000);
    }

    function test_closeChild() public {
        Child memory c = hubChild(counting);
        closeChild(c, lastState(70_000, 0.123_456_789 ether));
        measure("closeChild, signed by three", 79_000);
    }

    function test_hubChallenge() public {
        Child memory c = hubChild(counting);
        challengeChild(c, zeroState(1), nothing(), 2);
        measure("challengeChild by the hub", 75_000);
    }

    function test_deployApp() public {
        extension.deployApp(bytes.concat(type(CountingApp).runtimeCode, "another"));
        measure("deployApp", 810_000);
    }

    function test_batch() public {
        NativeDeposit[] memory items = new NativeDeposit[](20);
        ChannelParams memory p = nativeParams();
        for (uint256 i = 0; i < 20; ++i) {
            p.nonce = uint64(0x1122334455667788 + i);
            items[i] = NativeDeposit(termsOf(p), 0, 0, 1 ether);
        }
        adjudicator.depositMany{value: 20 ether}(items);
        measure("depositMany, 20 channels", 650_000);
    }
}
