// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Test} from "forge-std/Test.sol";

interface ICountsSteps {
    /// How often a step did what it tries.
    function taken(bytes32 step) external view returns (uint256);
}

/// @notice Shows that the steps of a handler do what they are there for; else its invariants would hold of nothing.
abstract contract StepsTest is Test {
    mapping(bytes32 step => uint256) private seen;

    /// Calls steps at random, always the same for the same run, and counts which succeeded.
    function take(address handler, bytes4[] memory calls, bytes32[] memory steps, uint256 run) internal {
        for (uint256 i = 0; i < 40; ++i) {
            uint256 random = uint256(keccak256(abi.encode(run, i)));
            bytes4 call = calls[random % calls.length];
            random >>= 32;
            bytes memory small = abi.encode(random >> 32 & 15, random >> 36 & 15);
            (bool ok,) =
                handler.call(bytes.concat(call, abi.encode(uint32(random), random >> 40 & 1, random >> 41 & 1), small));
            // Steps that begin with a boolean.
            if (!ok) (ok,) = handler.call(bytes.concat(call, abi.encode(random & 1, 0, 0, 0, 0)));
            assertTrue(ok, "a step reverts");
        }
        for (uint256 k = 0; k < steps.length; ++k) {
            seen[steps[k]] += ICountsSteps(handler).taken(steps[k]);
        }
    }

    function assertTaken(bytes32[] memory steps) internal view {
        for (uint256 k = 0; k < steps.length; ++k) {
            assertGt(seen[steps[k]], 0, string(abi.encodePacked(steps[k])));
        }
    }
}
