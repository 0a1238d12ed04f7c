// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Board, ConnectFour} from "../../src/examples/ConnectFour.sol";
import {GameTest} from "../utils/GameTest.sol";

contract ConnectFourTest is GameTest {
    uint256 private constant WINS = 1.4 ether;
    uint256 private constant LOSES = 0.4 ether;

    uint8[7] private heights;

    function setUp() public override {
        super.setUp();
        start(type(ConnectFour).runtimeCode, 0, abi.encode(Board(STAKE, 0, 0)));
    }

    function board() private view returns (Board memory) {
        return abi.decode(current().appData, (Board));
    }

    function withDisc(uint8 column, uint8 row) private view returns (bytes memory) {
        Board memory b = board();
        uint64 disc = uint64(1) << (7 * column + row);
        if (current().writer == 0) b.discs0 |= disc;
        else b.discs1 |= disc;
        return abi.encode(b);
    }

    function drop(uint8 column) private {
        move(1 - current().writer, withDisc(column, heights[column]++));
    }

    function dropAll(uint8[7] memory columns) private {
        for (uint256 i = 0; i < columns.length; ++i) {
            stalledHere(i % 2 == 0 ? LOSES : WINS);
            drop(columns[i]);
        }
    }

    function overAndWonBy0() private {
        stalledHere(WINS);
        refused(0, withDisc(6, heights[6]));
    }

    function test_upright() public {
        dropAll([3, 4, 3, 4, 3, 4, 3]);
        overAndWonBy0();
    }

    function test_level() public {
        dropAll([0, 0, 1, 1, 2, 2, 3]);
        overAndWonBy0();
    }

    function test_diagonal() public {
        uint8[10] memory first = [0, 1, 1, 2, 2, 3, 2, 3, 3, 6];
        for (uint256 i = 0; i < first.length; ++i) {
            drop(first[i]);
        }
        stalledHere(LOSES);
        drop(3);
        overAndWonBy0();
    }

    function test_otherDiagonal() public {
        uint8[10] memory first = [6, 5, 5, 4, 4, 3, 4, 3, 3, 0];
        for (uint256 i = 0; i < first.length; ++i) {
            drop(first[i]);
        }
        drop(3);
        stalledHere(WINS);
    }

    function test_movesThatAreNone() public {
        refused(1, withDisc(3, 1));
        refused(0, withDisc(3, 0));
        refused(1, abi.encode(board()));
        drop(3);
        refused(0, withDisc(3, 0));
        refused(0, withDisc(3, 2));
        Board memory b = board();
        b.discs0 |= 2;
        refused(0, abi.encode(b));
        b = board();
        b.discs1 = 1 | 1 << 7;
        refused(0, abi.encode(b));
        b = board();
        (b.discs0, b.discs1) = (0, b.discs0);
        refused(0, abi.encode(b));
        for (uint256 n = 0; n < 5; ++n) {
            drop(3);
        }
        refused(1, withDisc(3, 6));
    }
}
