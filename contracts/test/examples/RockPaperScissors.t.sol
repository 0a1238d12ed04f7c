// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Phase, RockPaperScissors, Rounds} from "../../src/examples/RockPaperScissors.sol";
import {State} from "../../src/interfaces/Types.sol";
import {GameTest} from "../utils/GameTest.sol";

contract RockPaperScissorsTest is GameTest {
    uint256 private constant WINS = 1.4 ether;
    uint256 private constant LOSES = 0.4 ether;
    uint256 private constant DRAW = 0.9 ether;

    function setUp() public override {
        super.setUp();
        Rounds memory g;
        (g.stake, g.total) = (STAKE, 3);
        start("RockPaperScissors", 0, abi.encode(g));
    }

    function now_() private view returns (Rounds memory) {
        return abi.decode(current().appData, (Rounds));
    }

    function commitmentOf(uint8 hand, bytes32 salt) private pure returns (bytes32) {
        return keccak256(abi.encode(hand, salt));
    }

    function commit(uint8 hand) private {
        Rounds memory g = now_();
        (g.commitment, g.phase) = (commitmentOf(hand, "salt"), Phase.Answer);
        move(1, abi.encode(g));
    }

    function answer(uint8 hand) private {
        Rounds memory g = now_();
        (g.answer, g.phase) = (hand, Phase.Reveal);
        move(0, abi.encode(g));
    }

    /// The result is written down here, not computed.
    function revealed(uint8 hand, uint8 wins0, uint8 wins1, Phase phase) private view returns (bytes memory) {
        Rounds memory g = now_();
        (g.hand, g.salt, g.wins0, g.wins1, g.phase) = (hand, "salt", wins0, wins1, phase);
        (g.played, g.commitment, g.answer) = (g.played + 1, 0, 0);
        return abi.encode(g);
    }

    function test_bestOfThreeAndWhoStallsLoses() public {
        stalledHere(LOSES);
        commit(0);
        stalledHere(WINS);
        answer(2);
        stalledHere(LOSES);
        move(0, revealed(0, 1, 0, Phase.Commit));
        stalledHere(LOSES);
        commit(1);
        stalledHere(WINS);
        answer(1);
        move(0, revealed(1, 1, 0, Phase.Commit));
        commit(2);
        answer(0);
        stalledHere(LOSES);
        move(0, revealed(2, 1, 1, Phase.Over));
        stalledHere(DRAW);
    }

    function test_decidedBeforeAllArePlayed() public {
        for (uint8 i = 1; i <= 2; ++i) {
            commit(2);
            answer(0);
            move(0, revealed(2, 0, i, i == 2 ? Phase.Over : Phase.Commit));
        }
        stalledHere(LOSES);
        Rounds memory g = now_();
        (g.commitment, g.phase) = ("more", Phase.Answer);
        refused(1, abi.encode(g), RockPaperScissors.GameOver.selector);
    }

    /// Nine pairs of hands, by the rules as everyone knows them.
    function test_whoBeatsWhom() public {
        int8[9] memory result = [int8(0), -1, 1, 1, 0, -1, -1, 1, 0];
        for (uint8 i = 0; i < 9; ++i) {
            bytes[] memory before = game;
            commit(i / 3);
            answer(i % 3);
            (uint8 wins0, uint8 wins1) = (result[i] == 1 ? 1 : 0, result[i] == -1 ? 1 : 0);
            move(0, revealed(i / 3, wins0, wins1, Phase.Commit));
            game = before;
        }
    }

    function test_movesThatAreNone() public {
        refused(1, abi.encode(now_()), RockPaperScissors.NoCommitment.selector);
        Rounds memory g = now_();
        (g.commitment, g.phase) = (commitmentOf(0, "salt"), Phase.Answer);
        refused(0, abi.encode(g), RockPaperScissors.NothingElseMayChange.selector);
        g.stake += 1;
        refused(1, abi.encode(g), RockPaperScissors.NothingElseMayChange.selector);
        commit(0);
        g = now_();
        (g.answer, g.phase) = (3, Phase.Reveal);
        refused(0, abi.encode(g), RockPaperScissors.NoSuchHand.selector);
        answer(1);
        refused(0, revealed(1, 0, 0, Phase.Commit), RockPaperScissors.NotTheCommitment.selector);
        refused(0, revealed(0, 1, 0, Phase.Commit), RockPaperScissors.NothingElseMayChange.selector);
        State memory next = following(0, revealed(0, 0, 1, Phase.Commit));
        (next.allocations[0].delta0, next.allocations[0].delta1) = (1, -1);
        refused(next, RockPaperScissors.NothingElseMayChange.selector);
        move(0, revealed(0, 0, 1, Phase.Commit));
    }

    function test_aHiddenHandThatIsNone() public {
        commit(3);
        answer(1);
        refused(0, revealed(3, 0, 0, Phase.Commit), RockPaperScissors.NoSuchHand.selector);
        stalledHere(LOSES);
    }
}
