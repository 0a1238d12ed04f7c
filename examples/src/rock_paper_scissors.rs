//! Rock, paper, scissors, best of n, with hidden hands: `contracts/src/examples/RockPaperScissors.sol`. Side 0 commits itself
//! to a hand by a hash, side 1 shows its own, side 0 reveals.

use crate::stakes::won_by;
use strait_app::{AppCode, CodeError, NativeRules, Position};
use strait_types::{B256, Side, keccak256};

alloy_sol_types::sol! {
    /// Whose turn it is, and for what.
    #[derive(Debug, PartialEq, Eq)]
    enum Phase {
        /// Side 0 is to commit itself to a hand.
        Commit,
        /// Side 1 is to show its own.
        Answer,
        /// Side 0 is to show what it committed itself to.
        Reveal,
        /// All is played.
        Over
    }

    /// A match.
    #[derive(Debug, PartialEq, Eq)]
    struct Rounds {
        uint128 stake;
        uint8 total;
        uint8 played;
        uint8 wins0;
        uint8 wins1;
        Phase phase;
        bytes32 commitment;
        uint8 answer;
        uint8 hand;
        bytes32 salt;
    }
}

/// The contract's code, as committed.
///
/// # Errors
/// Never; a test reads it.
pub fn code() -> Result<AppCode, CodeError> {
    AppCode::from_artifact(include_str!("../../contracts/artifacts/RockPaperScissors.json"))
}

/// A match of `total` rounds, 42 at most if all of them shall be enforceable: a dispute has 127 moves. Each side puts
/// `stake` of the first asset at stake.
pub fn start(stake: u128, total: u8, assets: usize) -> Position<Rounds> {
    let data = Rounds {
        stake,
        total,
        played: 0,
        wins0: 0,
        wins1: 0,
        phase: Phase::Commit,
        commitment: B256::ZERO,
        answer: 0,
        hand: 0,
        salt: B256::ZERO,
    };
    Position { writer: Side::Zero, deltas: vec![[0, 0]; assets], data }
}

/// What side 0 commits itself by. The salt is random and used once: without it the other could try all three hands.
pub fn commitment(hand: u8, salt: B256) -> B256 {
    keccak256([B256::with_last_byte(hand), salt].concat())
}

/// A player's decision. Hands are 0 rock, 1 paper, 2 scissors.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Turn {
    /// Side 0 has chosen, and shows [`commitment`].
    Commit(B256),
    /// Side 1's hand.
    Answer(u8),
    /// Side 0's hand and salt.
    Reveal(u8, B256),
}

/// Why a turn is not allowed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Illegal {
    /// Something else is to be done now.
    #[error("it is not the turn for this")]
    WrongPhase,
    /// A commitment of zero means none.
    #[error("a commitment can't be zero")]
    NoCommitment,
    /// There are three hands.
    #[error("a hand is 0, 1 or 2")]
    NoHand,
    /// It was another hand, or another salt.
    #[error("this is not what was committed to")]
    NotCommittedTo,
    /// The contract can't count it either.
    #[error("the match can't be counted any further")]
    Uncountable,
}

/// The rules.
#[derive(Clone, Copy, Debug)]
pub struct RockPaperScissors;

impl NativeRules for RockPaperScissors {
    type Data = Rounds;
    type Move = Turn;
    type Illegal = Illegal;

    fn play(&self, before: &Position<Rounds>, chosen: &Turn) -> Result<Position<Rounds>, Illegal> {
        let mut after = before.clone();
        let game = &mut after.data;
        match (*chosen, before.data.phase) {
            (Turn::Commit(commitment), Phase::Commit) if commitment.is_zero() => {
                return Err(Illegal::NoCommitment);
            }
            (Turn::Commit(commitment), Phase::Commit) => {
                (game.commitment, game.phase) = (commitment, Phase::Answer);
            }
            (Turn::Answer(hand) | Turn::Reveal(hand, _), _) if hand > 2 => return Err(Illegal::NoHand),
            (Turn::Answer(hand), Phase::Answer) => (game.answer, game.phase) = (hand, Phase::Reveal),
            (Turn::Reveal(hand, salt), Phase::Reveal) => {
                if commitment(hand, salt) != game.commitment {
                    return Err(Illegal::NotCommittedTo);
                }
                (game.hand, game.salt) = (hand, salt);
                score(game).ok_or(Illegal::Uncountable)?;
            }
            _ => return Err(Illegal::WrongPhase),
        }
        after.writer = if after.data.phase == Phase::Answer { Side::One } else { Side::Zero };
        Ok(after)
    }

    fn chosen(&self, before: &Position<Rounds>, next: &Position<Rounds>) -> Option<Turn> {
        Some(match before.data.phase {
            Phase::Commit => Turn::Commit(next.data.commitment),
            Phase::Answer => Turn::Answer(next.data.answer),
            Phase::Reveal => Turn::Reveal(next.data.hand, next.data.salt),
            _ => return None,
        })
    }

    fn verdict(&self, position: &Position<Rounds>) -> Option<Vec<[i128; 2]>> {
        let game = &position.data;
        let winner = match game.wins0.cmp(&game.wins1) {
            _ if game.phase != Phase::Over => position.writer.other(),
            std::cmp::Ordering::Equal => return Some(position.deltas.clone()),
            std::cmp::Ordering::Greater => Side::Zero,
            std::cmp::Ordering::Less => Side::One,
        };
        won_by(winner, game.stake, &position.deltas)
    }
}

fn score(game: &mut Rounds) -> Option<()> {
    let lead = 3_u8.checked_add(game.hand)?.checked_sub(game.answer)? % 3;
    match lead {
        1 => game.wins0 = game.wins0.checked_add(1)?,
        2 => game.wins1 = game.wins1.checked_add(1)?,
        _ => {}
    }
    game.played = game.played.checked_add(1)?;
    let decided = [game.wins0, game.wins1].iter().any(|wins| 2 * u16::from(*wins) > u16::from(game.total));
    game.phase = if decided || game.played >= game.total { Phase::Over } else { Phase::Commit };
    (game.commitment, game.answer) = (B256::ZERO, 0);
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paper_beats_rock_and_nobody_can_change_its_mind() {
        let salt = B256::repeat_byte(9);
        let play = |position: &Position<Rounds>, turn| RockPaperScissors.play(position, &turn);
        let committed = play(&start(5, 1, 1), Turn::Commit(commitment(1, salt))).expect("a hash");
        assert_eq!(play(&committed, Turn::Answer(3)), Err(Illegal::NoHand));
        let answered = play(&committed, Turn::Answer(0)).expect("a hand");
        assert_eq!(play(&answered, Turn::Reveal(0, salt)), Err(Illegal::NotCommittedTo));
        assert_eq!(play(&answered, Turn::Answer(0)), Err(Illegal::WrongPhase));
        assert_eq!(RockPaperScissors.verdict(&answered), Some(vec![[-5, 5]]), "who does not reveal loses");
        let over = play(&answered, Turn::Reveal(1, salt)).expect("what was committed to");
        assert_eq!((over.data.phase, over.data.wins0), (Phase::Over, 1));
        assert_eq!(RockPaperScissors.verdict(&over), Some(vec![[5, -5]]));
    }
}
