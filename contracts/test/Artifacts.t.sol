// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {ChannelTest} from "./utils/ChannelTest.sol";

/// @notice What is committed for the Rust side is what the sources are built to, and what all other tests ran.
contract ArtifactsTest is ChannelTest {
    function test_committedBytecodeIsThatOfTheSources() public view {
        bytes memory committed = artifactCode("Adjudicator", ".bytecode");
        bytes memory built = vm.getCode("Adjudicator.sol:Adjudicator");
        assertEq(keccak256(committed), keccak256(built), "run 'node contracts/script/artifacts.mjs' and commit");
    }

    function test_codeFitsTheSizeLimit() public view {
        assertLe(address(adjudicator).code.length, 24_576);
    }
}
