// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Test} from "forge-std/Test.sol";
import {Division} from "../../src/libraries/Division.sol";

contract DivisionTest is Test {
    /// Any claims that a valid state can lead to: claim0 + claim1 + locked == held, locked not negative.
    function testFuzz_neverMoreThanIsHeldAndNothingLost(int128 claim0, uint128 locked, uint128 held) public pure {
        int256 claim1 = int256(uint256(held)) - int256(uint256(locked)) - claim0;
        (uint256 pay0, uint256 pay1, uint256 reserve) = Division.divide(claim0, claim1, held);
        assertEq(pay0 + pay1 + reserve, held);
        if (claim0 <= 0) assertEq(pay0, 0);
        if (claim1 <= 0) assertEq(pay1, 0);
        if (claim0 >= 0 && claim1 >= 0) {
            assertEq(pay0, uint256(int256(claim0)));
            assertEq(pay1, uint256(claim1));
            assertEq(reserve, locked);
        }
        // The other's shortage never takes more from a claim than what is not there at all.
        if (claim0 > 0 && claim1 < 0) assertEq(pay0, min(uint256(int256(claim0)), held));
        if (claim1 > 0 && claim0 < 0) assertEq(pay1, min(uint256(claim1), held));
    }

    /// What is stored of a debt fits its 128 bits whenever it counts.
    function testFuzz_debtsFit(int128 claim0, uint128 locked, uint128 held) public pure {
        int256 claim1 = int256(uint256(held)) - int256(uint256(locked)) - claim0;
        (,, uint256 reserve) = Division.divide(claim0, claim1, held);
        if (reserve == 0) return;
        assertLe(Division.debt(claim0), type(uint128).max);
        assertLe(Division.debt(claim1), type(uint128).max);
        assertEq(reserve + Division.debt(claim0) + Division.debt(claim1), locked);
    }

    function test_noLocksLeaveNoReserve() public pure {
        (uint256 pay0, uint256 pay1, uint256 reserve) = Division.divide(-5, 15, 10);
        assertEq(pay0, 0);
        assertEq(pay1, 10);
        assertEq(reserve, 0);
    }

    function min(uint256 a, uint256 b) private pure returns (uint256) {
        return a < b ? a : b;
    }
}
