// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Errors} from "../../src/interfaces/Errors.sol";
import {IAdjudicatorExtension} from "../../src/interfaces/IAdjudicatorExtension.sol";
import {ChannelParams, Sig, State} from "../../src/interfaces/Types.sol";
import {CountingApp, HostileApp} from "../mocks/Apps.sol";
import {AppTest} from "../utils/AppTest.sol";

/// @notice Apps that are anything but honest, and how apps come to the chain.
contract AppsTest is AppTest {
    ChannelParams internal p;

    function setUp() public override {
        super.setUp();
        p = appParams(hostile);
        depositNative(p, 0, 1 ether);
        depositNative(p, 1, 1 ether);
        // Someone else's, which nothing may touch.
        ChannelParams memory other = nativeParams();
        depositNative(other, 0, 10 ether);
    }

    function hostileState(HostileApp.Mode mode) private pure returns (State memory s) {
        s = paidState(3, 1, 0.1 ether);
        s.appData = abi.encodePacked(uint8(mode));
    }

    function moveTo(State memory s, HostileApp.Mode mode) private view returns (State memory next) {
        next = copy(s);
        next.version += 1;
        next.writer = 1;
        next.history = hashOf(p, s);
        next.appData = abi.encodePacked(uint8(mode));
    }

    function expectOnlyOwnState(HostileApp.Mode mode) private {
        assertEq(payout0.balance, 0.9 ether, "state's own deltas");
        assertEq(payout1.balance, 1.1 ether, "state's own deltas");
        assertEq(address(adjudicator).balance, 10 ether, "other channels");
        assertEq(phaseOf(p), 2, vm.toString(uint256(mode)));
    }

    /// Without a sound verdict the state's own deltas count, at a bounded price.
    function test_badVerdictsCountForNothing() public {
        for (uint256 m = 1; m <= uint256(type(HostileApp.Mode).max); ++m) {
            HostileApp.Mode mode = HostileApp.Mode(m);
            if (mode == HostileApp.Mode.NotABoolean || mode == HostileApp.Mode.False) continue;
            uint256 snapshot = vm.snapshotState();
            State memory s = hostileState(mode);
            challengeAndWait(p, s);
            skip(DURATION);
            uint256 before = gasleft();
            adjudicator.settle(p, s);
            assertLt(before - gasleft(), 1_400_000, vm.toString(m));
            expectOnlyOwnState(mode);
            vm.revertToState(snapshot);
        }
    }

    function test_anHonestVerdictCounts() public {
        State memory s = hostileState(HostileApp.Mode.Honest);
        challengeAndWait(p, s);
        skip(DURATION);
        adjudicator.settle(p, s);
        assertEq(payout0.balance, 0.75 ether);
        assertEq(payout1.balance, 1.25 ether);
    }

    function test_badAnswersAllowNoMove() public {
        for (uint256 m = 1; m <= uint256(type(HostileApp.Mode).max); ++m) {
            HostileApp.Mode mode = HostileApp.Mode(m);
            bool onlyVerdict = mode == HostileApp.Mode.WrongOffset || mode == HostileApp.Mode.WrongLength
                || mode == HostileApp.Mode.MoreThanThere || mode == HostileApp.Mode.Overflow;
            if (onlyVerdict) continue;
            uint256 snapshot = vm.snapshotState();
            State memory s = hostileState(mode);
            challengeAndWait(p, s);
            uint256 before = gasleft();
            expectProgressRevert(p, s, moveTo(s, HostileApp.Mode.Honest), Errors.InvalidMove.selector);
            assertLt(before - gasleft(), 2_500_000, vm.toString(m));
            vm.revertToState(snapshot);
        }
    }

    /// A move must not lead to where no verdict is possible.
    function test_aMoveNeedsAVerdict() public {
        State memory s = hostileState(HostileApp.Mode.Honest);
        challengeAndWait(p, s);
        for (uint256 m = 1; m <= uint256(type(HostileApp.Mode).max); ++m) {
            HostileApp.Mode mode = HostileApp.Mode(m);
            if (mode == HostileApp.Mode.NotABoolean || mode == HostileApp.Mode.False) continue;
            expectProgressRevert(p, s, moveTo(s, mode), Errors.InvalidMove.selector);
        }
        progress(p, s, moveTo(s, HostileApp.Mode.Honest));
    }

    // ---- gas

    /// The app's answer must not depend on what gas the caller gives: with too little there is none at all.
    function test_tooLittleGasIsRefused() public {
        State memory s = hostileState(HostileApp.Mode.Honest);
        challengeAndWait(p, s);
        skip(DURATION);
        for (uint256 limit = 60_000; limit < 1_150_000; limit += 30_000) {
            uint256 snapshot = vm.snapshotState();
            (bool ok,) = address(adjudicator).call{gas: limit}(abi.encodeCall(adjudicator.settle, (p, s)));
            if (ok) {
                assertEq(payout0.balance, 0.75 ether, "the verdict, not the state");
            } else {
                assertLt(limit, 1_130_000);
            }
            vm.revertToState(snapshot);
        }
    }

    // ---- code

    function test_deployedByItsCodeAlone() public view {
        assertEq(counting, appAddress(type(CountingApp).runtimeCode));
        assertEq(counting.code, type(CountingApp).runtimeCode);
    }

    function test_deployIsIdempotentAndForAnyone() public {
        bytes memory code = hex"60016000f3";
        vm.expectEmit(address(adjudicator));
        emit IAdjudicatorExtension.AppDeployed(appAddress(code));
        vm.prank(stranger);
        address app = extension.deployApp(code);
        vm.recordLogs();
        assertEq(extension.deployApp(code), app);
        assertEq(vm.getRecordedLogs().length, 0);
        assertEq(app.code, code);
    }

    function testFuzz_deployed(bytes calldata code) public {
        vm.assume(code.length != 0 && code[0] != 0xef);
        assertEq(extension.deployApp(code), appAddress(code));
        assertEq(appAddress(code).code, code);
    }

    function test_codeThatCannotBe() public {
        vm.expectRevert(Errors.AppNotDeployable.selector);
        extension.deployApp("");
        vm.expectRevert(Errors.AppNotDeployable.selector);
        extension.deployApp(hex"ef00");
        vm.expectRevert(Errors.AppNotDeployable.selector);
        extension.deployApp(new bytes(24_577));
        extension.deployApp(new bytes(24_576));
    }

    /// An app may be created when a dispute needs it; until then nobody gains by its absence.
    function test_missingCodeStopsUntilItIsThere() public {
        bytes memory code = bytes.concat(type(CountingApp).runtimeCode, hex"00");
        p = appParams(appAddress(code));
        depositNative(p, 0, 1 ether);
        depositNative(p, 1, 1 ether);
        State memory s = countState(3, 0, 0, 0);
        challengeAndWait(p, s);
        State memory next = countOn(p, s);
        expectProgressRevert(p, s, next, Errors.AppNotDeployed.selector);
        uint256 snapshot = vm.snapshotState();
        skip(DURATION);
        vm.expectRevert(Errors.AppNotDeployed.selector);
        adjudicator.settle(p, s);
        extension.deployApp(code);
        adjudicator.settle(p, s);
        assertEq(payout0.balance, 0.5 ether);
        vm.revertToState(snapshot);
        bytes[] memory calls = new bytes[](2);
        (Sig memory a, Sig memory b) = moveSigs(p, s, next);
        calls[0] = abi.encodeCall(extension.deployApp, (code));
        calls[1] = abi.encodeCall(extension.progress, (p, s, next, a, b));
        adjudicator.multicall(calls);
        assertTrue(recordedAs(p, next));
    }
}
