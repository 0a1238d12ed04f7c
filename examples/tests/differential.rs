//! The Rust rules of each example and its bytecode, on random legal and illegal moves.
//!
//! `cargo xtask campaign moves` tries 100,000 of each.

use serde_json::{Value, json};
use strait_app::{AppCode, Compared, Dice, EvmRules, NativeRules, Position, assert_same_verdicts};
use strait_examples::connect_four::{self, Board, ConnectFour, Drop};
use strait_examples::fair_exchange::{self, Exchange, FairExchange, Reveal};
use strait_examples::rock_paper_scissors::{self, Phase, RockPaperScissors, Rounds, Turn};
use strait_types::{B256, Side};

const SEED: u64 = 1;
const MOVES: usize = 5_000;

/// A variable of the campaign's.
fn variable(name: &str) -> Option<usize> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

fn rules(code: Result<AppCode, strait_app::CodeError>) -> EvmRules {
    EvmRules::new(code.expect("committed code is fit to be an app"))
}

/// Sometimes a stake that can't be counted.
fn stake(dice: &mut Dice) -> u128 {
    dice.pick(&[0, 1, 1_000, 1 << 64, 5, 70_000, i128::MAX as u128, i128::MAX as u128 + 1, u128::MAX])
        .expect("some")
}

/// One to four assets, in which something may have been paid before.
fn deltas(dice: &mut Dice) -> Vec<[i128; 2]> {
    let mut delta = || dice.pick(&[0, 0, 0, 7, -1_000, 12, i128::MAX, -i128::MAX]).expect("some");
    let all: Vec<_> = (0..4).map(|_| delta()).map(|delta| [delta, -delta]).collect();
    let assets = 1 + dice.below(4);
    all[..assets].to_vec()
}

fn connect_four(seed: u64, moves: usize) -> Compared {
    let start = |dice: &mut Dice| Position { deltas: deltas(dice), ..connect_four::start(stake(dice), 1) };
    let choose = |position: &Position<Board>, dice: &mut Dice| {
        let over = ConnectFour.play(position, &Drop(0)) == Err(connect_four::Illegal::Over);
        // In every fourth case any column, also full ones and one that is none.
        let column =
            if dice.one_in(4) { dice.below(8) as u32 } else { dice.pick(&position.data.free_columns())? };
        (!over).then_some(Drop(column))
    };
    assert_same_verdicts(&rules(connect_four::code()), &ConnectFour, (seed, moves), start, choose)
}

fn rock_paper_scissors(seed: u64, moves: usize) -> Compared {
    let salt = B256::repeat_byte(5);
    let start = |dice: &mut Dice| {
        let total = dice.pick(&[0, 1, 3, 5, 255]).expect("some");
        Position { deltas: deltas(dice), ..rock_paper_scissors::start(stake(dice), total, 1) }
    };
    let choose = |position: &Position<Rounds>, dice: &mut Dice| {
        let hands = if dice.one_in(4) { 4 } else { 3 };
        let hand = dice.below(hands) as u8;
        let known = |hand: u8| rock_paper_scissors::commitment(hand, salt);
        Some(match position.data.phase {
            Phase::Commit => Turn::Commit(known(hand)),
            Phase::Answer => Turn::Answer(hand),
            Phase::Reveal if dice.one_in(4) => Turn::Reveal(hand, salt),
            Phase::Reveal => Turn::Reveal(
                (0..4).find(|hand| known(*hand) == position.data.commitment).unwrap_or(hand),
                salt,
            ),
            _ => return None,
        })
    };
    assert_same_verdicts(
        &rules(rock_paper_scissors::code()),
        &RockPaperScissors,
        (seed, moves),
        start,
        choose,
    )
}

fn fair_exchange(seed: u64, moves: usize) -> Compared {
    let key = B256::repeat_byte(7);
    let start = |dice: &mut Dice| {
        let seller = if dice.one_in(2) { Side::Zero } else { Side::One };
        fair_exchange::start(seller, stake(dice), fair_exchange::key_hash(key), deltas(dice))
    };
    let choose = |position: &Position<Exchange>, dice: &mut Dice| {
        let sold = position.data.key == key;
        (!sold).then(|| Reveal(if dice.one_in(4) { dice.word().into() } else { key }))
    };
    assert_same_verdicts(&rules(fair_exchange::code()), &FairExchange, (seed, moves), start, choose)
}

/// A run that compares only one kind of thing proves little.
fn check(name: &str, compared: Compared, moves: usize) -> Value {
    println!("{name}: {compared:?}");
    assert_eq!(compared.allowed + compared.refused, moves);
    let least = moves / 20;
    assert!(compared.allowed > least && compared.refused > least, "{name}: {compared:?}");
    assert!(compared.verdicts > least && compared.without_verdict > least, "{name}: {compared:?}");
    let Compared { plays, allowed, refused, verdicts, without_verdict } = compared;
    json!({
        "plays": plays,
        "allowed": allowed,
        "refused": refused,
        "verdicts": verdicts,
        "without_verdict": without_verdict,
    })
}

#[test]
fn rules_and_bytecode_agree() {
    let moves = variable("STRAIT_PROOF_MOVES").unwrap_or(MOVES);
    let seed = variable("STRAIT_PROOF_SEED").map_or(SEED, |seed| seed as u64);
    let result = json!({
        "connect four": check("connect four", connect_four(seed, moves), moves),
        "rock, paper, scissors": check("rock, paper, scissors", rock_paper_scissors(seed, moves), moves),
        "fair exchange": check("fair exchange", fair_exchange(seed, moves), moves),
    });
    if let Some(path) = std::env::var_os("STRAIT_PROOF_RESULT") {
        std::fs::write(path, result.to_string()).expect("written");
    }
}

/// Connect four in which the same side moves again.
#[derive(Clone, Copy)]
struct Wrong;

impl NativeRules for Wrong {
    type Data = Board;
    type Move = Drop;
    type Illegal = connect_four::Illegal;

    fn play(&self, before: &Position<Board>, chosen: &Drop) -> Result<Position<Board>, Self::Illegal> {
        ConnectFour.play(before, chosen).map(|after| Position { writer: before.writer, ..after })
    }

    fn chosen(&self, before: &Position<Board>, next: &Position<Board>) -> Option<Drop> {
        ConnectFour.chosen(before, next)
    }

    fn verdict(&self, position: &Position<Board>) -> Option<Vec<[i128; 2]>> {
        ConnectFour.verdict(position)
    }
}

#[test]
#[should_panic(expected = "the bytecode says")]
fn a_difference_is_found() {
    let start = |_: &mut Dice| connect_four::start(1, 1);
    let choose = |_: &Position<Board>, dice: &mut Dice| Some(Drop(dice.below(7) as u32));
    assert_same_verdicts(&rules(connect_four::code()), &Wrong, (SEED, 100), start, choose);
}
