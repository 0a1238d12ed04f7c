// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Errors} from "../../src/interfaces/Errors.sol";
import {IAdjudicator} from "../../src/interfaces/IAdjudicator.sol";
import {ChannelParams, Sig, State} from "../../src/interfaces/Types.sol";
import {ChannelTest} from "../utils/ChannelTest.sol";

/// @notice Calldata that no compiler makes.
contract CalldataTest is ChannelTest {
    /// Offsets in calldata are the caller's choice; the event is canonical and the hash the same.
    function test_calldataInAnotherLayout() public {
        ChannelParams memory p = open(1 ether, 0);
        State memory s = paidState(5, 1, 0.5 ether);
        challenge(p, zeroState(1), nothing(), 0);
        (Sig memory a, Sig memory b) = sigs(p, s);
        bytes memory canonical = abi.encodeCall(adjudicator.respond, (p, s, a, b, recordOf(p, zeroState(1))));
        // Append a second copy of the state's tail further behind and let the first offset point there.
        uint256 stateAt = wordAt(canonical, 1);
        uint256 length = canonical.length - 4;
        bytes memory tail = slice(canonical, 4 + stateAt, length - stateAt);
        bytes memory moved = bytes.concat(canonical, new bytes(96), tail);
        setWord(moved, 1, length + 96);
        vm.expectEmit(address(adjudicator));
        emit IAdjudicator.Responded(idOf(p), 0, s);
        (bool ok,) = address(adjudicator).call(moved);
        assertTrue(ok);
    }

    function test_dirtyWordsAreRefused() public {
        ChannelParams memory p = open(1 ether, 0);
        State memory s = paidState(5, 1, 0.5 ether);
        (Sig memory a, Sig memory b) = sigs(p, s);
        bytes memory data =
            abi.encodeCall(adjudicator.challenge, (p, s, a, b, nothing(), 0, challengeSig(KEY0, p, s, 0)));
        uint256 params = wordAt(data, 0) / 32;
        uint256 state = wordAt(data, 1) / 32;
        uint256[15] memory words = [
            params, // signer0
            params + 1, // payout0
            params + 2, // signer1
            params + 3, // payout1
            params + 4, // challengeDuration
            params + 5, // nonce
            params + 10, // assets[0]
            state, // version
            state + 1, // writer
            state + 2, // isFinal
            state + 3, // validUntil
            state + 9, // delta0
            state + 10, // delta1
            state + 11, // withdrawn0
            state + 12 // withdrawn1
        ];
        for (uint256 i = 0; i < words.length; ++i) {
            bytes memory dirty = slice(data, 0, data.length);
            setWord(dirty, words[i], wordAt(data, words[i]) ^ 1 << 200);
            (bool ok, bytes memory reason) = address(adjudicator).call(dirty);
            assertFalse(ok);
            bytes4 expected = i == 4
                ? Errors.InvalidChallengeDuration.selector
                : i == 8 ? Errors.InvalidWriter.selector : Errors.Malformed.selector;
            assertEq(bytes4(reason), expected);
        }
        (bool good,) = address(adjudicator).call(data);
        assertTrue(good);
    }

    /// Past the calldata all is zero, and zero is not what was signed.
    function test_offsetsOutOfCalldata() public {
        ChannelParams memory p = open(1 ether, 0);
        State memory s = paidState(5, 1, 0.5 ether);
        (Sig memory a, Sig memory b) = sigs(p, s);
        bytes memory data =
            abi.encodeCall(adjudicator.challenge, (p, s, a, b, nothing(), 0, challengeSig(KEY0, p, s, 0)));
        uint256[3] memory offsets = [data.length, 1 << 255, type(uint256).max - 31];
        for (uint256 i = 0; i < offsets.length; ++i) {
            bytes memory moved = slice(data, 0, data.length);
            setWord(moved, wordAt(data, 1) / 32 + 4, offsets[i]);
            (bool ok,) = address(adjudicator).call(moved);
            assertFalse(ok);
            moved = slice(data, 0, data.length);
            setWord(moved, wordAt(data, 0) / 32 + 8, offsets[i]);
            (ok,) = address(adjudicator).call(moved);
            assertFalse(ok);
        }
    }

    function wordAt(bytes memory data, uint256 word) private pure returns (uint256 result) {
        assembly {
            result := mload(add(add(data, 36), mul(word, 32)))
        }
    }

    function setWord(bytes memory data, uint256 word, uint256 value) private pure {
        assembly {
            mstore(add(add(data, 36), mul(word, 32)), value)
        }
    }

    function slice(bytes memory data, uint256 from, uint256 length) private pure returns (bytes memory part) {
        part = new bytes(length);
        for (uint256 i = 0; i < length; ++i) {
            part[i] = data[from + i];
        }
    }
}
