//! The game as its players see it, and its two descriptions against each other.

use strait_app::{Dice, EvmRules, NativeRules as _, Play, Position, assert_same_verdicts};
use strait_examples::sticks::{Heap, Illegal, Sticks, Take, code, start};
use strait_types::{B256, ChannelId};

fn rules() -> EvmRules {
    EvmRules::new(code().expect("the contract is fit to be an app"))
}

#[test]
fn a_game_from_start_to_end() {
    let rules = rules();
    let mut play = Play::begin(&rules, ChannelId(B256::ZERO), &start(100, 5, 1)).expect("a start");
    for taken in [2, 1, 2] {
        let position = play.position().expect("of this app");
        play.step(&Sticks.play(&position, &Take(taken)).expect("allowed")).expect("the contract agrees");
    }
    assert_eq!(play.verdict(), Ok(vec![[100, -100]]), "side 0 took the last stick");
}

#[test]
fn what_is_not_allowed_is_refused_with_its_reason() {
    let rules = rules();
    let first = start(100, 5, 1);
    assert_eq!(Sticks.play(&first, &Take(4)), Err(Illegal::TakeOneToThree));
    let mut play = Play::begin(&rules, ChannelId(B256::ZERO), &first).expect("a start");
    let greedy = Position { data: Heap { stake: 100, sticks: 1 }, writer: first.writer.other(), ..first };
    let refused = play.step(&greedy).expect_err("four sticks").to_string();
    assert_eq!(refused, "validTransition reverted: TakeOneToThree(5, 1)");
}

#[test]
fn the_contract_and_the_rust_rules_agree() {
    let begin = |dice: &mut Dice| {
        let stake = dice.pick(&[0, 100, i128::MAX as u128, u128::MAX]).expect("some");
        start(stake, dice.below(256) as u8, 1 + dice.below(4))
    };
    let choose = |position: &Position<Heap>, dice: &mut Dice| {
        (position.data.sticks > 0).then(|| Take(dice.below(5) as u8))
    };
    let compared = assert_same_verdicts(&rules(), &Sticks, (1, 3_000), begin, choose);
    assert!(compared.allowed > 300 && compared.refused > 300, "{compared:?}");
}
