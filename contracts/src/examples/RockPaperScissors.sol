// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IApp} from "../interfaces/IApp.sol";
import {State} from "../interfaces/Types.sol";
import {Stakes} from "./Stakes.sol";

enum Phase {
    /// Participant 0 is to commit itself to a hand.
    Commit,
    /// Participant 1 is to show its own.
    Answer,
    /// Participant 0 is to show what it committed itself to.
    Reveal,
    Over
}

/// @notice The app data: abi.encode of this.
struct Rounds {
    /// Of the first asset, from each.
    uint128 stake;
    /// How many rounds there are; 42 at most can be forced.
    uint8 total;
    uint8 played;
    uint8 wins0;
    uint8 wins1;
    Phase phase;
    /// keccak256(abi.encode(hand, salt)) of participant 0, until it is revealed.
    bytes32 commitment;
    /// Of participant 1, until the round is over: 0 rock, 1 paper, 2 scissors.
    uint8 answer;
    /// Hand and salt of participant 0 that the last round revealed.
    uint8 hand;
    bytes32 salt;
}

/// @title Rock, paper, scissors, best of n
/// @notice Three moves a round. Who stalls loses; otherwise whoever has won more rounds when they are played, or more than
/// half of all before.
contract RockPaperScissors is IApp {
    /// All rounds are played, or one has won more than half of them.
    error GameOver();
    /// Zero hides no hand.
    error NoCommitment();
    /// 0 is rock, 1 paper, 2 scissors.
    error NoSuchHand(uint8 hand);
    /// keccak256(abi.encode(hand, salt)) is not what was committed to.
    error NotTheCommitment(uint8 hand, bytes32 salt);
    /// A move commits, answers or reveals, as the phase says; the score follows, and whose turn it is.
    error NothingElseMayChange();

    /// @inheritdoc IApp
    function validTransition(State calldata state, State calldata next) external pure returns (bool) {
        Rounds memory game = abi.decode(state.appData, (Rounds));
        Rounds memory after_ = abi.decode(next.appData, (Rounds));
        _advance(game, after_);
        bool asComputed = keccak256(next.appData) == keccak256(abi.encode(game));
        bool sameTurn = next.writer == (game.phase == Phase.Answer ? 1 : 0);
        require(asComputed && sameTurn && Stakes.unchanged(state, next), NothingElseMayChange());
        return true;
    }

    /// @inheritdoc IApp
    function verdict(State calldata state) external pure returns (int128[2][] memory deltas) {
        Rounds memory game = abi.decode(state.appData, (Rounds));
        if (game.phase != Phase.Over) return Stakes.wonBy(1 - state.writer, game.stake, state);
        if (game.wins0 == game.wins1) return Stakes.draw(state);
        return Stakes.wonBy(game.wins0 > game.wins1 ? 0 : 1, game.stake, state);
    }

    /// @dev Makes the move in `game` with what the mover chose in `chosen`.
    function _advance(Rounds memory game, Rounds memory chosen) private pure {
        require(game.phase != Phase.Over, GameOver());
        if (game.phase == Phase.Commit) {
            require(chosen.commitment != 0, NoCommitment());
            (game.commitment, game.phase) = (chosen.commitment, Phase.Answer);
        } else if (game.phase == Phase.Answer) {
            require(chosen.answer < 3, NoSuchHand(chosen.answer));
            (game.answer, game.phase) = (chosen.answer, Phase.Reveal);
        } else {
            bool matches = keccak256(abi.encode(chosen.hand, chosen.salt)) == game.commitment;
            require(matches, NotTheCommitment(chosen.hand, chosen.salt));
            require(chosen.hand < 3, NoSuchHand(chosen.hand));
            (game.hand, game.salt) = (chosen.hand, chosen.salt);
            _score(game);
        }
    }

    function _score(Rounds memory game) private pure {
        uint256 lead = (3 + game.hand - game.answer) % 3;
        if (lead == 1) ++game.wins0;
        else if (lead == 2) ++game.wins1;
        ++game.played;
        bool decided = 2 * uint256(game.wins0) > game.total || 2 * uint256(game.wins1) > game.total;
        game.phase = decided || game.played >= game.total ? Phase.Over : Phase.Commit;
        (game.commitment, game.answer) = (0, 0);
    }
}
