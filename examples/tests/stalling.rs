//! Wherever a player stops to answer, the other one alone takes the play to the chain, and it ends as the rules say: by
//! the committed bytecode of adjudicator and app, on the embedded chain.

mod court;

use court::{Court, DEPOSIT};
use strait_app::{AppData, NativeRules, Position};
use strait_examples::connect_four::{self, ConnectFour, Drop, Standing};
use strait_examples::fair_exchange::{self, FairExchange, Reveal};
use strait_examples::rock_paper_scissors::{self as rps, Phase, RockPaperScissors, Turn};
use strait_examples::sticks::{self, Sticks, Take};
use strait_types::{B256, ChannelId, Side, State};

const STAKE: u128 = 300;

/// The states of a play: the first, and one after each move.
fn states<R: NativeRules>(
    rules: &R,
    channel: ChannelId,
    first: Position<R::Data>,
    moves: &[R::Move],
) -> Vec<State> {
    let mut states = vec![first.first_state(channel)];
    let mut position = first;
    for chosen in moves {
        position = rules.play(&position, chosen).expect("a move of the play");
        let next = position.next_state(&states[states.len() - 1]).expect("there are versions enough");
        states.push(next);
    }
    states
}

/// Plays on with every prefix of the play: after each, the writer stops. Both had agreed to all of it; or to all but the
/// last move, which is forced; or to nothing but the start. `ends` says what side 0 gains in a position, in words of
/// the game and not of the code.
fn stops_anywhere<D: AppData>(court: &Court, states: &[State], ends: impl Fn(&Position<D>) -> i128) -> usize {
    let mut ended = 0;
    for last in 0..states.len() {
        let position = Position::of(&states[last]).expect("of this app");
        let gains = ends(&position);
        let mut agreed = vec![last, last.saturating_sub(1), 0];
        agreed.dedup();
        for agreed in agreed {
            let paid = court.stops(&states[..=last], agreed);
            let expected = [DEPOSIT.checked_add_signed(gains), DEPOSIT.checked_add_signed(-gains)];
            assert_eq!(
                paid.map(Some),
                expected,
                "version {} after {agreed} agreed ones",
                states[last].version.0
            );
            ended += 1;
        }
    }
    ended
}

/// What side 0 gains when `side` wins the stake.
fn won(side: Side) -> i128 {
    if side == Side::Zero { STAKE as i128 } else { -(STAKE as i128) }
}

#[test]
fn rock_paper_scissors_ends_by_the_rules_wherever_a_player_stops() {
    let court = Court::new(&rps::code().expect("fit"));
    let salt = B256::repeat_byte(3);
    let round = |hands: &[u8; 2]| {
        [Turn::Commit(rps::commitment(hands[0], salt)), Turn::Answer(hands[1]), Turn::Reveal(hands[0], salt)]
    };
    let hands = || (0..3).flat_map(|zero| (0..3).map(move |one| [zero, one]));
    // All nine rounds alone, and matches of three: won at once by either, won at the end, drawn.
    let single = hands().map(|both| (1, vec![both]));
    let longer = [
        vec![[0, 2], [1, 0]],
        vec![[0, 1], [2, 0]],
        vec![[0, 2], [2, 0], [1, 0]],
        vec![[1, 1], [0, 0], [2, 2]],
    ];
    let mut ended = 0;
    for (total, played) in single.chain(longer.map(|played| (3, played))) {
        let moves: Vec<Turn> = played.iter().flat_map(round).collect();
        let states = states(&RockPaperScissors, court.channel(), rps::start(STAKE, total, 1), &moves);
        let beats = |[one, other]: &[u8; 2]| (3 + one - other) % 3;
        let wins = |of: u8| played.iter().filter(|hands| beats(hands) == of).count();
        let winner = if wins(1) > wins(2) { Side::Zero } else { Side::One };
        let result = if wins(1) == wins(2) { 0 } else { won(winner) };
        ended +=
            stops_anywhere(&court, &states, |position: &Position<rps::Rounds>| match position.data.phase {
                Phase::Over => result,
                _ => won(position.writer.other()),
            });
    }
    assert_eq!(ended, 9 * 9 + 2 * 18 + 2 * 27);
}

#[test]
fn connect_four_ends_by_the_rules_wherever_a_player_stops() {
    let court = Court::new(&connect_four::code().expect("fit"));
    let full = "114233422562342465101534411626660030530055";
    let drawn: Vec<u32> = full.chars().filter_map(|column| column.to_digit(10)).collect();
    let plays: [(&[u32], i128); 4] = [
        (&[3, 4, 3, 4, 3, 4, 3], won(Side::Zero)),
        (&[6, 0, 6, 1, 5, 2, 5, 3], won(Side::One)),
        (&[0, 1, 1, 2, 2, 3, 2, 3, 3, 6, 3], won(Side::Zero)),
        (&drawn, 0),
    ];
    for (columns, result) in plays {
        let moves: Vec<Drop> = columns.iter().copied().map(Drop).collect();
        let states = states(&ConnectFour, court.channel(), connect_four::start(STAKE, 1), &moves);
        let last = states.len();
        let ended =
            stops_anywhere(&court, &states, |position: &Position<connect_four::Board>| {
                match position.data.standing() {
                    Standing::Open => won(position.writer.other()),
                    _ => result,
                }
            });
        assert_eq!(ended, 3 * last - 3, "every position was settled in all ways");
    }
}

#[test]
fn the_store_is_paid_exactly_when_it_reveals_the_key() {
    let court = Court::new(&fair_exchange::code().expect("fit"));
    let key = B256::repeat_byte(7);
    for seller in Side::BOTH {
        let start = fair_exchange::start(seller, STAKE, fair_exchange::key_hash(key), vec![[-20, 20]]);
        let states = states(&FairExchange, court.channel(), start, &[Reveal(key)]);
        let ended =
            stops_anywhere(
                &court,
                &states,
                |position: &Position<fair_exchange::Exchange>| {
                    if position.data.key.is_zero() { -20 } else { won(seller) - 20 }
                },
            );
        assert_eq!(ended, 3);
    }
}

#[test]
fn sticks_end_by_the_rules_wherever_a_player_stops() {
    let court = Court::new(&sticks::code().expect("fit"));
    for taken in [&[1, 2, 2][..], &[2, 3], &[1; 5], &[3, 1, 1]] {
        let moves: Vec<Take> = taken.iter().copied().map(Take).collect();
        let states = states(&Sticks, court.channel(), sticks::start(STAKE, 5, 1), &moves);
        // The winner is whoever took last: who would move now stalls, or finds nothing.
        let ended = stops_anywhere(&court, &states, |position: &Position<sticks::Heap>| {
            if position.writer == Side::Zero { won(Side::One) } else { won(Side::Zero) }
        });
        assert_eq!(ended, 3 * states.len() - 3);
    }
}

#[test]
fn a_cheat_gets_nothing_by_force_either() {
    let court = Court::new(&connect_four::code().expect("fit"));
    let states = states(&ConnectFour, court.channel(), connect_four::start(STAKE, 1), &[Drop(3)]);
    let mut two_discs = states[1].clone();
    two_discs.app_data = connect_four::Board { stake: STAKE, discs0: 0b11, discs1: 0 }.encode();
    assert!(court.refuses(&states[0], &two_discs).contains("InvalidMove"));
    let mut stolen = states[1].clone();
    stolen.allocations[0].delta = [1, -1];
    assert!(court.refuses(&states[0], &stolen).contains("InvalidMove"));
    assert_eq!(court.refuses(&states[0], &states[1]), "", "the move itself is taken");
}
