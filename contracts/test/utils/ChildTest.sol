// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Errors} from "../../src/interfaces/Errors.sol";
import {ChannelParams, ChildTerms, Lock, LockKind, Record, Shown, Sig, State} from "../../src/interfaces/Types.sol";
import {AppTest} from "./AppTest.sol";

/// @notice A hub, its channels with the two, and a child of theirs over it.
abstract contract ChildTest is AppTest {
    uint256 internal constant HUB_KEY = 0xb00b;
    uint128 internal constant AMOUNT0 = 0.6 ether;
    uint128 internal constant AMOUNT1 = 0.4 ether;

    struct Child {
        ChannelParams params;
        ChildTerms terms;
    }

    address internal hub = vm.addr(HUB_KEY);
    address internal hubPayout = makeAddr("hub payout");

    /// The channel of participant 0 with the hub, which is participant 1 there.
    function parent0() internal view returns (ChannelParams memory p) {
        p = nativeParams();
        (p.signer1, p.payout1, p.nonce) = (hub, hubPayout, 100);
    }

    /// The channel of participant 1 with the hub, which is participant 0 there.
    function parent1() internal view returns (ChannelParams memory p) {
        p = nativeParams();
        (p.signer0, p.payout0, p.nonce) = (hub, hubPayout, 101);
    }

    function childOf(address app, address hub_) internal view returns (Child memory c) {
        c.terms.parent0 = idOf(parent0());
        c.terms.version0 = 7;
        if (hub_ != address(0)) {
            (c.terms.parent1, c.terms.version1, c.terms.hub) = (idOf(parent1()), 9, hub_);
            c.terms.end = uint64(block.timestamp + 30 days);
        }
        (c.terms.amount0, c.terms.amount1) = (AMOUNT0, AMOUNT1);
        c.params = nativeParams();
        c.params.app = app;
        c.params.child = hashOf(c.terms);
    }

    /// A child over the hub, with or without an app.
    function hubChild(address app) internal view returns (Child memory) {
        return childOf(app, hub);
    }

    /// A child between the same two as its parent.
    function subChannel(address app) internal view returns (Child memory) {
        return childOf(app, address(0));
    }

    function hashOf(ChildTerms memory terms) internal pure returns (bytes32) {
        bytes32 typeHash = keccak256(
            "ChildTerms(bytes32 parent0,uint64 version0,bytes32 parent1,uint64 version1,address hub,uint64 end,uint128 amount0,uint128 amount1)"
        );
        return keccak256(abi.encode(typeHash, terms));
    }

    function idOf(Child memory c) internal view returns (bytes32) {
        return idOf(c.params);
    }

    // ---- the hub's signatures

    function activation(Child memory c) internal view returns (Sig memory) {
        return sign(HUB_KEY, keccak256(abi.encode(keccak256("Activation(bytes32 channelId)"), idOf(c))));
    }

    function hubSig(Child memory c, State memory s) internal view returns (Sig memory) {
        return c.terms.hub == address(0) ? noSig() : sign(HUB_KEY, hashOf(c.params, s));
    }

    // ---- calls, with all signatures that they need

    function closeChild(Child memory c, State memory s) internal {
        (Sig memory a, Sig memory b) = sigs(c.params, s);
        extension.closeChild(c.params, c.terms, s, a, b, hubSig(c, s));
    }

    function shown(Child memory c, State memory s, Record memory previous) internal view returns (Shown memory x) {
        (x.state, x.previous) = (s, previous);
        if (s.version == 0) return x;
        (x.sig0, x.sig1) = sigs(c.params, s);
        x.activation = activation(c);
    }

    /// Without any signature: version 0, or what is recorded.
    function unsigned(State memory s, Record memory previous) internal pure returns (Shown memory x) {
        (x.state, x.previous) = (s, previous);
    }

    /// Signed by the two, and without the hub's activation.
    function inactive(Child memory c, State memory s, Record memory previous) internal view returns (Shown memory x) {
        x = shown(c, s, previous);
        x.activation = noSig();
    }

    function challengeChild(Child memory c, State memory s, Record memory previous, uint256 challenger) internal {
        (, uint16 dispute,,) = adjudicator.channel(idOf(c));
        uint256 key = challenger == 2 ? HUB_KEY : challenger == 0 ? KEY0 : KEY1;
        challengeChild(c, shown(c, s, previous), challenger, challengeSig(key, c.params, s, dispute));
    }

    function challengeChild(Child memory c, Shown memory x, uint256 challenger, Sig memory sig) internal {
        extension.challengeChild(c.params, c.terms, x, challenger, sig);
    }

    function respondChild(Child memory c, State memory s, Record memory previous) internal {
        respondChild(c, shown(c, s, previous));
    }

    function respondChild(Child memory c, Shown memory x) internal {
        extension.respondChild(c.params, c.terms, x);
    }

    function resumeChild(Child memory c, State memory recorded, uint256 dispute) internal {
        (Sig memory a, Sig memory b) = resumeSigs(c.params, dispute);
        bytes32 typeHash = keccak256("Resume(bytes32 channelId,uint16 dispute)");
        Sig memory h = sign(HUB_KEY, keccak256(abi.encode(typeHash, idOf(c), dispute)));
        extension.resumeChild(c.params, c.terms, recordOf(c.params, recorded), a, b, h);
    }

    function progressChild(Child memory c, State memory s, State memory next) internal {
        (Sig memory a, Sig memory b) = moveSigs(c.params, s, next);
        extension.progressChild(c.params, c.terms, s, next, a, b);
    }

    /// A final state without a limit, as a hub signs it.
    function lastState(uint64 version, int128 paid) internal pure returns (State memory s) {
        s = paidState(version, 1, paid);
        s.isFinal = true;
        s.validUntil = type(uint64).max;
    }

    function assertOutcome(Child memory c, uint256 outcome0, uint256 outcome1) internal view {
        (bool finalised, uint128 got0, uint128 got1) = extension.outcome(idOf(c));
        assertTrue(finalised, "finalised");
        assertEq(got0, outcome0);
        assertEq(got1, outcome1);
        assertEq(phaseOf(c.params), 2);
    }

    // ---- parents

    /// The child's lock as it stands in the channel of participant 0 with the hub, or of the hub with participant 1.
    function childLock(Child memory c) internal view returns (Lock memory) {
        return Lock(LockKind.Channel, 0, c.terms.amount0, c.terms.amount1, idOf(c), 0, false);
    }

    function expectChallengeRevert(Child memory c, State memory s, Sig memory active, bytes memory reason) internal {
        Shown memory x = shown(c, s, nothing());
        x.activation = active;
        Sig memory sig = challengeSig(KEY0, c.params, s, 0);
        vm.expectRevert(reason);
        challengeChild(c, x, 0, sig);
    }

    function badSignature(uint256 who) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(Errors.BadSignature.selector, who);
    }
}
