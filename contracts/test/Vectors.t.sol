// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Address} from "@openzeppelin/contracts/utils/Address.sol";
import {IAdjudicator} from "../src/interfaces/IAdjudicator.sol";
import {IAdjudicatorExtension} from "../src/interfaces/IAdjudicatorExtension.sol";
import {Allocation, ChannelParams, Lock, LockKind, Record, Sig, State} from "../src/interfaces/Types.sol";
import {Errors} from "../src/interfaces/Errors.sol";
import {Apps} from "../src/libraries/Apps.sol";
import {Children} from "../src/libraries/Children.sol";
import {Records} from "../src/libraries/Records.sol";
import {States} from "../src/libraries/States.sol";
import {ChannelTest} from "./utils/ChannelTest.sol";

/// @notice The contract accepts what an independent library hashed and signed, and records what it said.
contract VectorsTest is ChannelTest {
    string private json;

    function open(string memory file) private {
        json = vm.readFile(string.concat("../vectors/", file));
    }

    function has(uint256 i) private view returns (bool) {
        return vm.keyExistsJson(json, string.concat(".[", vm.toString(i), "]"));
    }

    function path(uint256 i, string memory key) private pure returns (string memory) {
        return string.concat(".[", vm.toString(i), "].", key);
    }

    function number(uint256 i, string memory key) private view returns (uint256) {
        return vm.parseJsonUint(json, path(i, key));
    }

    function word(uint256 i, string memory key) private view returns (bytes32) {
        return vm.parseJsonBytes32(json, path(i, key));
    }

    function addr(uint256 i, string memory key) private view returns (address) {
        return vm.parseJsonAddress(json, path(i, key));
    }

    function sigOf(uint256 i, string memory key) private view returns (Sig memory) {
        return Sig(word(i, string.concat(key, ".r")), word(i, string.concat(key, ".vs")));
    }

    function paramsAt(uint256 i) private view returns (ChannelParams memory p) {
        p.signer0 = addr(i, "params.signer0");
        p.payout0 = addr(i, "params.payout0");
        p.signer1 = addr(i, "params.signer1");
        p.payout1 = addr(i, "params.payout1");
        p.challengeDuration = uint32(number(i, "params.challengeDuration"));
        p.nonce = uint64(number(i, "params.nonce"));
        p.app = addr(i, "params.app");
        p.child = word(i, "params.child");
        p.assets = vm.parseJsonAddressArray(json, path(i, "params.assets"));
    }

    function stateAt(uint256 i, uint256 assetCount) private view returns (State memory s) {
        s.version = uint64(number(i, "state.version"));
        s.writer = uint8(number(i, "state.writer"));
        s.isFinal = vm.parseJsonBool(json, path(i, "state.isFinal"));
        s.validUntil = uint64(number(i, "state.validUntil"));
        s.locksHash = word(i, "state.locksHash");
        s.history = word(i, "state.history");
        s.appData = vm.parseJsonBytes(json, path(i, "state.appData"));
        s.allocations = new Allocation[](assetCount);
        for (uint256 k = 0; k < assetCount; ++k) {
            string memory at = string.concat("state.allocations[", vm.toString(k), "].");
            s.allocations[k] = Allocation(
                int128(vm.parseJsonInt(json, path(i, string.concat(at, "delta0")))),
                int128(vm.parseJsonInt(json, path(i, string.concat(at, "delta1")))),
                uint128(number(i, string.concat(at, "withdrawn0"))),
                uint128(number(i, string.concat(at, "withdrawn1")))
            );
        }
    }

    /// The adjudicator of the vector, on its chain.
    function useDomain(uint256 i) private {
        vm.chainId(number(i, "chainId"));
        useAdjudicator(addr(i, "adjudicator"));
    }

    function useAdjudicator(address at) private {
        if (at.code.length == 0) deployCodeTo("Adjudicator.sol:Adjudicator", at);
        adjudicator = IAdjudicator(at);
    }

    function test_channels() public {
        open("channels.json");
        uint256 i;
        for (; has(i); ++i) {
            useDomain(i);
            ChannelParams memory p = paramsAt(i);
            assertEq(adjudicator.channelId(p), word(i, "channelId"));
            assertEq(termsOf(p), word(i, "termsHash"));
            assertEq(moreAssetsOf(p), word(i, "moreAssets"));
        }
        assertGt(i, 10);
    }

    /// Deposits form the same id from the hashes alone.
    function test_deposits() public {
        open("channels.json");
        for (uint256 i; has(i); ++i) {
            useDomain(i);
            if (addr(i, "params.assets[0]") != address(0) || word(i, "params.child") != 0) continue;
            adjudicator.deposit{value: 5}(word(i, "termsHash"), word(i, "moreAssets"), 1);
            (uint128[2] memory deposited,,) = adjudicator.funds(word(i, "channelId"), 0);
            assertEq(deposited[1], 5);
        }
    }

    function test_states() public {
        open("states.json");
        uint256 i;
        for (; has(i); ++i) {
            useDomain(i);
            ChannelParams memory p = paramsAt(i);
            State memory s = stateAt(i, p.assets.length);
            bytes32 stateHash = word(i, "stateHash");
            assertEq(hashOf(p, s), stateHash);
            assertEq(digestOf(stateHash), word(i, "digest"));
            uint256 snapshot = vm.snapshotState();
            vm.prank(p.payout0);
            adjudicator.challenge(p, s, sigOf(i, "sig0"), sigOf(i, "sig1"), nothing(), 0, noSig());
            (,,, bytes25 print) = adjudicator.channel(word(i, "channelId"));
            bytes32 expected = keccak256(abi.encode(word(i, "channelId"), s.version, uint256(0), stateHash));
            assertEq(print, bytes25(expected));
            vm.revertToState(snapshot);
        }
        assertGt(i, 20);
    }

    /// Challenges, resumes and challenges again with the signatures of the vectors.
    function test_disputes() public {
        open("states.json");
        uint256 count;
        while (has(count)) ++count;
        for (uint256 i = 0; i < count; ++i) {
            open("states.json");
            useDomain(i);
            ChannelParams memory p = paramsAt(i);
            State memory s = stateAt(i, p.assets.length);
            (Sig memory a, Sig memory b) = (sigOf(i, "sig0"), sigOf(i, "sig1"));
            open("disputes.json");
            checkDisputes(p, s, a, b, 3 * i);
        }
    }

    function checkDisputes(ChannelParams memory p, State memory s, Sig memory a, Sig memory b, uint256 i) private {
        assertEq(word(i, "stateHash"), hashOf(p, s));
        uint256 snapshot = vm.snapshotState();
        adjudicator.challenge(p, s, a, b, nothing(), 0, sigOf(i, "challengeSig0"));
        assertFingerprint(i);
        Record memory recorded = Record(s.version, word(i, "stateHash"));
        adjudicator.resume(p, recorded, sigOf(i, "resumeSig0"), sigOf(i, "resumeSig1"));
        assertFingerprint(i + 1);
        adjudicator.challenge(p, s, a, b, recorded, 1, sigOf(i + 1, "challengeSig1"));
        adjudicator.resume(p, recorded, sigOf(i + 1, "resumeSig0"), sigOf(i + 1, "resumeSig1"));
        vm.revertToState(snapshot);
    }

    function assertFingerprint(uint256 i) private view {
        (, uint16 dispute,, bytes25 print) = adjudicator.channel(word(i, "channelId"));
        assertEq(dispute, number(i, "dispute"));
        assertEq(print, bytes25(vm.parseJsonBytes(json, path(i, "fingerprint"))));
    }

    function test_locks() public {
        open("locks.json");
        for (uint256 i; has(i); ++i) {
            uint256 count;
            while (vm.keyExistsJson(json, path(i, string.concat("locks[", vm.toString(count), "]")))) ++count;
            Lock[] memory locks = new Lock[](count);
            for (uint256 k = 0; k < count; ++k) {
                locks[k] = lockAt(i, string.concat("locks[", vm.toString(k), "]."));
            }
            assertEq(count == 0 ? bytes32(0) : keccak256(abi.encode(locks)), word(i, "locksHash"));
            bytes32 tag = keccak256("Strait: pending locks");
            bytes32 print = keccak256(abi.encode(tag, word(i, "channelId"), word(i, "locksHash")));
            assertEq(bytes25(print), bytes25(vm.parseJsonBytes(json, path(i, "fingerprint"))));
        }
    }

    /// What the Rust side repeats of the contract's constants.
    function test_constants() public {
        open("constants.json");
        uint256[5] memory expected =
            [Apps.GAS, Apps.MAX_CODE, Records.MAX_MOVES, States.MAX_APP_DATA, Children.PERIODS_AFTER_END];
        for (uint256 i = 0; i < expected.length; ++i) {
            assertEq(number(i, "value"), expected[i], vm.parseJsonString(json, path(i, "name")));
        }
        assertFalse(has(expected.length));
    }

    function test_apps() public {
        open("apps.json");
        uint256 i;
        for (; has(i); ++i) {
            vm.chainId(i < 3 ? 1 : 31_337);
            useAdjudicator(addr(i, "adjudicator"));
            bytes memory runtime = bytesAt(i, "runtime");
            assertEq(extension().deployApp(runtime), addr(i, "app"));
            assertEq(addr(i, "app").code, runtime);
        }
        assertGt(i, 3);
    }

    /// A dispute, a forced move and the settlement, by the calldata of the vectors.
    function test_moves() public {
        open("moves.json");
        for (uint256 i; has(i); ++i) {
            useDomain(i);
            ChannelParams memory p = paramsAt(i);
            assertEq(extension().deployApp(bytesAt(i, "runtime")), p.app);
            State memory s = stateAt(i, 1);
            adjudicator.deposit{value: 10}(termsOf(p), 0, 0);
            adjudicator.deposit{value: 10}(termsOf(p), 0, 1);
            vm.prank(p.payout0);
            adjudicator.challenge(p, s, sigOf(i, "sig0"), sigOf(i, "sig1"), nothing(), 0, noSig());
            skip(1 days + 1);
            ask(p.app, bytesAt(i, "validTransition"), abi.encode(true));
            ask(p.app, bytesAt(i, "verdict"), abi.encode(new int128[2][](1)));
            perform(bytesAt(i, "progress"));
            (,,, bytes25 print) = adjudicator.channel(word(i, "channelId"));
            assertEq(print, bytes25(vm.parseJsonBytes(json, path(i, "fingerprint"))));
            skip(1 days + 1);
            (uint256 before0, uint256 before1) = (p.payout0.balance, p.payout1.balance);
            perform(bytesAt(i, "settle"));
            // The verdict, not the state, whose deltas are 3 and -3.
            assertEq(p.payout0.balance - before0, 10);
            assertEq(p.payout1.balance - before1, 10);
        }
    }

    /// Challenge, resume and close of a child over a hub, by the calldata of the vectors.
    function test_childDisputes() public {
        open("child_disputes.json");
        for (uint256 i; has(i); ++i) {
            useDomain(i);
            bytes32 id = word(i, "channelId");
            assertEq(adjudicator.channelId(paramsAt(i)), id);
            uint256 snapshot = vm.snapshotState();
            perform(bytesAt(i, "challengeChild"));
            perform(bytesAt(i, "resumeChild"));
            perform(bytesAt(i, "closeChild"));
            (bool finalised, uint128 outcome0, uint128 outcome1) = extension().outcome(id);
            assertTrue(finalised);
            assertEq(outcome0, number(i, "outcome0"));
            assertEq(outcome1, number(i, "outcome1"));
            vm.revertToState(snapshot);
            perform(bytesAt(i, "challengeChild"));
            skip(1 days + 1);
            perform(bytesAt(i, "progressChild"));
            skip(1);
            bytes memory settle = bytesAt(i, "settleChild");
            vm.expectRevert(Errors.RecordMismatch.selector);
            this.perform(settle);
            vm.revertToState(snapshot);
            assertEq(extension().deployApp(bytesAt(i, "runtime")), addr(i, "params.app"));
            perform(bytesAt(i, "challengeChild"));
            skip(2 days + 1);
            perform(settle);
            // The verdict, not the state, whose deltas are -5 and 5.
            (, outcome0, outcome1) = extension().outcome(id);
            assertEq(outcome0, number(i, "settled0"));
            assertEq(outcome1, number(i, "settled1"));
        }
    }

    function ask(address app, bytes memory question, bytes memory expected) private view {
        (bool ok, bytes memory answer) = app.staticcall(question);
        assertTrue(ok);
        assertEq(answer, expected);
    }

    /// Reverts as the adjudicator does.
    function perform(bytes memory call) public {
        Address.functionCall(address(adjudicator), call);
    }

    function bytesAt(uint256 i, string memory key) private view returns (bytes memory) {
        return vm.parseJsonBytes(json, path(i, key));
    }

    function extension() private view returns (IAdjudicatorExtension) {
        return IAdjudicatorExtension(address(adjudicator));
    }

    function lockAt(uint256 i, string memory at) private view returns (Lock memory) {
        return Lock(
            LockKind(number(i, string.concat(at, "kind"))),
            uint8(number(i, string.concat(at, "assetIndex"))),
            uint128(number(i, string.concat(at, "amount0"))),
            uint128(number(i, string.concat(at, "amount1"))),
            word(i, string.concat(at, "ref")),
            uint64(number(i, string.concat(at, "expiry"))),
            vm.parseJsonBool(json, path(i, string.concat(at, "flip")))
        );
    }
}
