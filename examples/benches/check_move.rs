//! How long a node takes to check a move: `validTransition` and the verdict on where it leads, by the bytecode in the
//! embedded EVM, and by the Rust rules.
//!
//! `cargo bench -p strait-examples --bench check_move`; under `cargo test` it checks a few moves and asserts nothing of
//! time in an unoptimised build.

use std::hint::black_box;
use std::time::{Duration, Instant};
use strait_app::{AppCode, CodeError, EvmRules, NativeRules, Position, native};
use strait_examples::connect_four::{self, ConnectFour, Drop};
use strait_examples::fair_exchange::{self, FairExchange, Reveal};
use strait_examples::rock_paper_scissors::{self as rps, RockPaperScissors, Turn};
use strait_types::{B256, ChannelId, Side, State};

/// The most that a simple move may take.
const LIMIT: Duration = Duration::from_micros(50);

fn main() {
    let measured = std::env::args().any(|argument| argument == "--bench");
    let moves = if measured { 200_000 } else { 2_000 };
    let mut slowest = Duration::ZERO;
    println!("{:<22} {:>12} {:>12} {:>8} {:>8}", "a move of", "bytecode", "Rust rules", "gas", "verdict");
    let mut row = |name, times: Times| {
        let [by_code, by_rules] = times.each;
        println!("{name:<22} {by_code:>12.2?} {by_rules:>12.2?} {:>8} {:>8}", times.gas[0], times.gas[1]);
        slowest = slowest.max(by_code);
    };
    let board = connect_four::start(5, 1);
    row("connect four", time(connect_four::code(), &ConnectFour, &board, &Drop(3), moves));
    let key = B256::repeat_byte(7);
    let sale = fair_exchange::start(Side::Zero, 5, fair_exchange::key_hash(key), vec![[0, 0]]);
    row("fair exchange", time(fair_exchange::code(), &FairExchange, &sale, &Reveal(key), moves));
    let game = rps::start(5, 3, 1);
    let commit = Turn::Commit(rps::commitment(0, key));
    row("rock, paper, scissors", time(rps::code(), &RockPaperScissors, &game, &commit, moves));
    // The machine may be busy with other tests: the limit holds for what is measured, and is generous elsewhere.
    let limit = if measured { LIMIT } else { 40 * LIMIT };
    assert!(slowest < limit, "a move takes {slowest:?}, and may take {limit:?}");
}

struct Times {
    /// By the bytecode, by the Rust rules.
    each: [Duration; 2],
    /// Of `validTransition` and `verdict`.
    gas: [u64; 2],
}

fn time<R: NativeRules>(
    code: Result<AppCode, CodeError>,
    rules: &R,
    before: &Position<R::Data>,
    chosen: &R::Move,
    moves: u32,
) -> Times {
    let bytecode = EvmRules::new(code.expect("fit"));
    let state = before.first_state(ChannelId(B256::ZERO));
    let after = rules.play(before, chosen).expect("allowed");
    let next = after.next_state(&state).expect("a version");
    let by_code = |state: &State, next: &State| bytecode.check_move(state, next).is_ok();
    let by_rules = |state: &State, next: &State| {
        native::allows(rules, state, next) && native::verdict(rules, next).is_some()
    };
    let average = |check: &dyn Fn(&State, &State) -> bool| {
        let start = Instant::now();
        let allowed = (0..moves).filter(|_| check(black_box(&state), black_box(&next))).count();
        assert_eq!(allowed, moves as usize);
        start.elapsed() / moves
    };
    Times { each: [average(&by_code), average(&by_rules)], gas: bytecode.gas(&state, &next) }
}
