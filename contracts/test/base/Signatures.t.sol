// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Errors} from "../../src/interfaces/Errors.sol";
import {IAdjudicator} from "../../src/interfaces/IAdjudicator.sol";
import {ChannelParams, Sig, State} from "../../src/interfaces/Types.sol";
import {SignerCode} from "../mocks/Receivers.sol";
import {ChannelTest} from "../utils/ChannelTest.sol";

/// @notice Whose signatures count, and where.
contract SignaturesTest is ChannelTest {
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
}
