// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IAdjudicatorExtension} from "../../src/interfaces/IAdjudicatorExtension.sol";
import {ChannelParams, Sig, State} from "../../src/interfaces/Types.sol";
import {CountingApp, HostileApp} from "../mocks/Apps.sol";
import {ChannelTest} from "./ChannelTest.sol";

/// @notice Channels with an app, their moves, and the calls that only they have.
abstract contract AppTest is ChannelTest {
    uint128 internal constant STAKE = 0.5 ether;

    IAdjudicatorExtension internal extension;
    address internal counting;
    address internal hostile;

    function setUp() public virtual override {
        super.setUp();
        extension = IAdjudicatorExtension(address(adjudicator));
        counting = extension.deployApp(type(CountingApp).runtimeCode);
        hostile = extension.deployApp(type(HostileApp).runtimeCode);
    }

    /// The address that `deployApp` must give.
    function appAddress(bytes memory runtime) internal view returns (address) {
        bytes32 code = keccak256(bytes.concat(hex"600b5981380380925939f3", runtime));
        return
            address(uint160(uint256(keccak256(bytes.concat(hex"ff", abi.encodePacked(adjudicator, bytes32(0)), code)))));
    }

    function appParams(address app) internal view returns (ChannelParams memory p) {
        p = nativeParams();
        p.app = app;
    }

    /// A channel of the counting app in which each deposited one coin.
    function openCounting() internal returns (ChannelParams memory p) {
        p = appParams(counting);
        depositNative(p, 0, 1 ether);
        depositNative(p, 1, 1 ether);
    }

    function countState(uint64 version, uint8 writer, uint256 count, int128 paid)
        internal
        pure
        returns (State memory s)
    {
        s = paidState(version, 1, paid);
        s.writer = writer;
        s.appData = abi.encode(count, STAKE);
    }

    /// The next move of the counting game, as its writer may sign it alone.
    function countOn(ChannelParams memory p, State memory s) internal view returns (State memory next) {
        next = copy(s);
        (uint256 count, uint128 stake) = abi.decode(s.appData, (uint256, uint128));
        next.version = s.version + 1;
        next.writer = 1 - s.writer;
        next.history = hashOf(p, s);
        next.appData = abi.encode(count + 1, stake);
    }

    function copy(State memory s) internal pure returns (State memory) {
        return abi.decode(abi.encode(s), (State));
    }

    /// The signature of the mover alone.
    function moveSigs(ChannelParams memory p, State memory s, State memory next)
        internal
        view
        returns (Sig memory a, Sig memory b)
    {
        bytes32 hash = hashOf(p, next);
        if (s.writer == 0) a = sign(KEY0, hash);
        else b = sign(KEY1, hash);
    }

    function progress(ChannelParams memory p, State memory s, State memory next) internal {
        (Sig memory a, Sig memory b) = moveSigs(p, s, next);
        extension.progress(p, s, next, a, b);
    }

    function expectProgressRevert(ChannelParams memory p, State memory s, State memory next, bytes4 reason) internal {
        (Sig memory a, Sig memory b) = moveSigs(p, s, next);
        vm.expectPartialRevert(reason);
        extension.progress(p, s, next, a, b);
    }

    /// A dispute at this state whose period is over.
    function challengeAndWait(ChannelParams memory p, State memory s) internal {
        challenge(p, s, nothing(), 0);
        skip(DURATION + 1);
    }

    function recordedAs(ChannelParams memory p, State memory s) internal view returns (bool) {
        (, uint16 dispute,, bytes25 print) = adjudicator.channel(idOf(p));
        return print == fingerprintOf(p, s, dispute);
    }
}
