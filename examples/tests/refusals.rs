//! A player is told by the contract's own errors why a move is not taken.

use strait_app::{AppCode, AppData, CodeError, EvmRules, Position};
use strait_examples::connect_four::{self, Board};
use strait_examples::fair_exchange::{self, Exchange};
use strait_examples::rock_paper_scissors::{self as rps, Rounds};
use strait_types::{B256, ChannelId, Side};

const STAKE: u128 = 300;

/// Why the bytecode refuses the move that hands over from one position to the other.
fn reason<D: AppData>(code: Result<AppCode, CodeError>, from: &Position<D>, to: D) -> String {
    let rules = EvmRules::new(code.expect("fit"));
    let state = from.first_state(ChannelId(B256::ZERO));
    let next = Position { writer: from.writer.other(), deltas: from.deltas.clone(), data: to };
    let next = next.next_state(&state).expect("there are versions enough");
    rules.check_move(&state, &next).expect_err("refused").to_string()
}

#[test]
fn connect_four_says_which_rule_was_broken() {
    let start = connect_four::start(STAKE, 1);
    let told = |discs0, discs1| reason(connect_four::code(), &start, Board { stake: STAKE, discs0, discs1 });
    assert_eq!(told(0b10, 0), "validTransition reverted: OneDiscFalls(2)");
    assert_eq!(told(0, 1), "validTransition reverted: NothingElseMayChange");
    let won =
        Position { writer: Side::One, data: Board { stake: STAKE, discs0: 0b1111, discs1: 0 }, ..start };
    let more = Board { stake: STAKE, discs0: 0b1111, discs1: 1 << 7 };
    assert_eq!(reason(connect_four::code(), &won, more), "validTransition reverted: GameOver");
}

#[test]
fn rock_paper_scissors_says_which_rule_was_broken() {
    let start = rps::start(STAKE, 1, 1);
    let told = |change: &dyn Fn(&mut Rounds)| {
        let mut data = Rounds::decode(&start.data.encode()).expect("its own");
        change(&mut data);
        reason(rps::code(), &start, data)
    };
    assert_eq!(told(&|data| data.commitment = B256::ZERO), "validTransition reverted: NoCommitment");
    let early = |data: &mut Rounds| (data.commitment, data.answer) = (B256::repeat_byte(1), 1);
    assert_eq!(told(&early), "validTransition reverted: NothingElseMayChange");
}

#[test]
fn the_fair_exchange_says_which_rule_was_broken() {
    let key = B256::repeat_byte(7);
    let start = fair_exchange::start(Side::Zero, STAKE, fair_exchange::key_hash(key), vec![[0, 0]]);
    let told = |key| {
        let data = Exchange::decode(&start.data.encode()).expect("its own");
        reason(fair_exchange::code(), &start, Exchange { key, ..data })
    };
    let other = B256::repeat_byte(8);
    assert_eq!(told(other), format!("validTransition reverted: NotTheKey({other})"));
    assert_eq!(told(key), "validTransition reverted: PayThePrice(300)");
}

#[test]
fn a_stake_that_no_balance_can_carry_is_named() {
    let stake = u128::MAX;
    let start = connect_four::start(stake, 1);
    let next = Board { stake, discs0: 1, discs1: 0 };
    assert_eq!(
        reason(connect_four::code(), &start, next),
        format!("verdict reverted: StakeTooHigh({})", u128::MAX)
    );
}
