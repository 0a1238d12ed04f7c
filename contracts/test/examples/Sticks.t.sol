// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Heap, Sticks} from "../../src/examples/Sticks.sol";
import {State} from "../../src/interfaces/Types.sol";
import {GameTest} from "../utils/GameTest.sol";

contract SticksTest is GameTest {
    uint256 private constant WINS = 1.4 ether;
    uint256 private constant LOSES = 0.4 ether;

    function setUp() public override {
        super.setUp();
        start("Sticks", 0, heap(5));
    }

    function heap(uint8 sticks) private pure returns (bytes memory) {
        return abi.encode(Heap(STAKE, sticks));
    }

    function test_whoTakesTheLastWinsAndWhoStallsLoses() public {
        stalledHere(LOSES);
        move(1, heap(3));
        stalledHere(WINS);
        move(0, heap(2));
        stalledHere(LOSES);
        move(1, heap(0));
        stalledHere(WINS);
        refused(0, heap(0), Sticks.GameOver.selector);
    }

    function test_movesThatAreNone() public {
        refused(1, heap(5), Sticks.TakeOneToThree.selector);
        refused(1, heap(1), Sticks.TakeOneToThree.selector);
        refused(1, heap(6), Sticks.TakeOneToThree.selector);
        refused(0, heap(4), Sticks.NothingElseMayChange.selector);
        refused(1, abi.encode(Heap(STAKE - 1, 4)), Sticks.NothingElseMayChange.selector);
        State memory next = following(1, heap(4));
        (next.allocations[0].delta0, next.allocations[0].delta1) = (1, -1);
        refused(next, Sticks.NothingElseMayChange.selector);
    }
}
