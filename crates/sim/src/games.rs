//! What is played in channels with an app: the examples, by whose Rust rules the checkers judge what nodes and chain did by
//! the bytecode.

use std::sync::LazyLock;
use strait_app::{AppCode, AppData, NativeRules, Position, native};
use strait_examples::connect_four::{self, ConnectFour};
use strait_examples::rock_paper_scissors::{self, Phase, RockPaperScissors, Turn};
use strait_examples::sticks::{self, Sticks, Take};
use strait_protocol::{AppMove, AppStart};
use strait_types::{Amount, B256, State, keccak256};

/// A game.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Game {
    Sticks,
    RockPaperScissors,
    ConnectFour,
}

static CODES: LazyLock<[AppCode; 3]> = LazyLock::new(|| {
    let codes = [sticks::code(), rock_paper_scissors::code(), connect_four::code()];
    codes.map(|code| code.expect("the committed contracts are apps"))
});

impl Game {
    pub(crate) const ALL: [Game; 3] = [Game::Sticks, Game::RockPaperScissors, Game::ConnectFour];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Game::Sticks => "sticks",
            Game::RockPaperScissors => "rock, paper, scissors",
            Game::ConnectFour => "connect four",
        }
    }

    pub(crate) fn code(self) -> &'static AppCode {
        &CODES[self as usize]
    }

    /// `size` is the number of sticks, or of rounds.
    pub(crate) fn start(self, stake: u64, size: u8) -> AppStart {
        let amount = u128::from(stake);
        let first = match self {
            Game::Sticks => to_move(&sticks::start(amount, size, 1)),
            Game::RockPaperScissors => to_move(&rock_paper_scissors::start(amount, size, 1)),
            Game::ConnectFour => to_move(&connect_four::start(amount, 1)),
        };
        AppStart { stakes: vec![[Amount::from(stake); 2]], first }
    }

    /// Most moves of a whole game.
    pub(crate) fn most_moves(self, size: u8) -> u64 {
        match self {
            Game::Sticks => size.into(),
            Game::RockPaperScissors => 3 * u64::from(size),
            Game::ConnectFour => 42,
        }
    }

    /// Moves that the rules allow the state's writer; none when the game is over. Hands that are hidden follow from the
    /// secret.
    pub(crate) fn moves(self, state: &State, secret: B256) -> Vec<AppMove> {
        match self {
            Game::Sticks => allowed(&Sticks, state, |_| (1..=3).map(Take).collect()),
            Game::ConnectFour => allowed(&ConnectFour, state, |board| {
                board.free_columns().into_iter().map(connect_four::Drop).collect()
            }),
            Game::RockPaperScissors => allowed(&RockPaperScissors, state, |rounds| {
                let salt = keccak256([secret, B256::with_last_byte(rounds.played)].concat());
                let hand = salt[0] % 3;
                match rounds.phase {
                    Phase::Commit => vec![Turn::Commit(rock_paper_scissors::commitment(hand, salt))],
                    Phase::Answer => (0..3).map(Turn::Answer).collect(),
                    Phase::Reveal => vec![Turn::Reveal(hand, salt)],
                    _ => Vec::new(),
                }
            }),
        }
    }

    /// Whether a state's writer still has something to decide; who can't move can't be blamed for not moving.
    pub(crate) fn is_over(self, state: &State) -> bool {
        match self {
            Game::RockPaperScissors => Position::<rock_paper_scissors::Rounds>::of(state)
                .is_some_and(|p| p.data.phase == Phase::Over),
            _ => self.moves(state, B256::ZERO).is_empty(),
        }
    }

    pub(crate) fn allows(self, before: &State, next: &State) -> bool {
        match self {
            Game::Sticks => native::allows(&Sticks, before, next),
            Game::RockPaperScissors => native::allows(&RockPaperScissors, before, next),
            Game::ConnectFour => native::allows(&ConnectFour, before, next),
        }
    }

    pub(crate) fn verdict(self, state: &State) -> Option<Vec<[i128; 2]>> {
        match self {
            Game::Sticks => native::verdict(&Sticks, state),
            Game::RockPaperScissors => native::verdict(&RockPaperScissors, state),
            Game::ConnectFour => native::verdict(&ConnectFour, state),
        }
    }
}

fn to_move<D: AppData>(position: &Position<D>) -> AppMove {
    AppMove { writer: position.writer, deltas: position.deltas.clone(), data: position.data.encode() }
}

fn allowed<R: NativeRules>(
    rules: &R,
    state: &State,
    choices: impl Fn(&R::Data) -> Vec<R::Move>,
) -> Vec<AppMove> {
    let Some(position) = Position::<R::Data>::of(state) else { return Vec::new() };
    let played = choices(&position.data).into_iter().filter_map(|chosen| rules.play(&position, &chosen).ok());
    played.map(|next| to_move(&next)).collect()
}
