// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Board, ConnectFour} from "../../src/examples/ConnectFour.sol";
import {IApp} from "../../src/interfaces/IApp.sol";
import {State} from "../../src/interfaces/Types.sol";
import {GameTest} from "../utils/GameTest.sol";

contract ConnectFourTest is GameTest {
    uint256 private constant WINS = 1.4 ether;
    uint256 private constant LOSES = 0.4 ether;

    uint8[7] private heights;

    function setUp() public override {
        super.setUp();
        start("ConnectFour", 0, abi.encode(Board(STAKE, 0, 0)));
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
        refused(0, withDisc(6, heights[6]), ConnectFour.GameOver.selector);
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

    /// Against a slow search by the rules as everyone knows them, over random games.
    function testFuzz_winnersAreThoseOfTheRules(uint256 seed) public view {
        Board memory b = Board(STAKE, 0, 0);
        State memory s = current();
        uint8[7] memory height;
        for (uint256 turn = 0; turn < 30; ++turn) {
            uint256 column = uint256(keccak256(abi.encode(seed, turn))) % 7;
            if (height[column] == 6) continue;
            uint64 disc = uint64(1) << uint64(7 * column + height[column]++);
            uint8 mover = s.writer;
            if (mover == 0) b.discs0 |= disc;
            else b.discs1 |= disc;
            (s.writer, s.appData) = (1 - mover, abi.encode(b));
            assertEq(IApp(p.app).verdict(s)[0][0], -0.1 ether + (mover == 0 ? int128(STAKE) : -int128(STAKE)));
            bool won = hasFour(mover == 0 ? b.discs0 : b.discs1);
            // With a line the other one's move is not waited for; without one the mover itself would lose by stalling.
            s.writer = mover;
            bool moverWins = won == (mover == 0);
            assertEq(IApp(p.app).verdict(s)[0][0], -0.1 ether + (moverWins ? int128(STAKE) : -int128(STAKE)));
            if (won) return;
            s.writer = 1 - mover;
        }
    }

    function hasFour(uint64 discs) private pure returns (bool) {
        for (int256 column = 0; column < 7; ++column) {
            for (int256 row = 0; row < 6; ++row) {
                if (line(discs, column, row, 0, 1) || line(discs, column, row, 1, 0)) return true;
                if (line(discs, column, row, 1, 1) || line(discs, column, row, 1, -1)) return true;
            }
        }
        return false;
    }

    function line(uint64 discs, int256 column, int256 row, int256 right, int256 up) private pure returns (bool) {
        for (int256 i = 0; i < 4; ++i) {
            (int256 c, int256 r) = (column + i * right, row + i * up);
            if (c > 6 || r > 5 || r < 0) return false;
            if (discs >> uint256(7 * c + r) & 1 == 0) return false;
        }
        return true;
    }

    function test_fullAndNobodyWon() public {
        bytes memory columns = "114233422562342465101534411626660030530055";
        for (uint256 i = 0; i < columns.length; ++i) {
            drop(uint8(columns[i]) - 48);
        }
        stalledHere(0.9 ether);
        refused(0, abi.encode(board()), ConnectFour.GameOver.selector);
    }

    function test_movesThatAreNone() public {
        refused(1, withDisc(3, 1), ConnectFour.OneDiscFalls.selector);
        refused(0, withDisc(3, 0), ConnectFour.NothingElseMayChange.selector);
        refused(1, abi.encode(board()), ConnectFour.OneDiscFalls.selector);
        drop(3);
        refused(0, withDisc(3, 0), ConnectFour.OneDiscFalls.selector);
        refused(0, withDisc(3, 2), ConnectFour.OneDiscFalls.selector);
        Board memory b = board();
        b.discs0 |= 2;
        refused(0, abi.encode(b), ConnectFour.OneDiscFalls.selector);
        b = board();
        b.discs1 = 1 | 1 << 7;
        refused(0, abi.encode(b), ConnectFour.OneDiscFalls.selector);
        b = board();
        (b.discs0, b.discs1) = (0, b.discs0);
        refused(0, abi.encode(b), ConnectFour.OneDiscFalls.selector);
        b = board();
        b.discs0 |= 1 << 22;
        refused(0, abi.encode(b), ConnectFour.NothingElseMayChange.selector);
        for (uint256 n = 0; n < 5; ++n) {
            drop(3);
        }
        refused(1, withDisc(3, 6), ConnectFour.OneDiscFalls.selector);
    }
}
