//! Wherever a player stops to answer, the other's node ends the play as the rules of the game say: engine, committed bytecode
//! of adjudicator and app, and virtual time. All positions of an example are games of their own, at once.

use crate::stage::{Place, Spot, Stage, play, tree};
use std::cmp::Ordering;
use strait_app::{AppCode, AppData, Position};
use strait_examples::connect_four::{self, Board, ConnectFour, Drop, Standing};
use strait_examples::fair_exchange::{self, Exchange, FairExchange, Reveal};
use strait_examples::rock_paper_scissors::{self as rps, Phase, RockPaperScissors, Rounds, Turn};
use strait_examples::sticks::{self, Heap, Sticks, Take};
use strait_types::{B256, Side};

/// What the loser gives the winner.
const STAKE: u128 = 300;

/// What side 0 gains when `side` wins the stake.
fn won(side: Side) -> i128 {
    if side == Side::Zero { STAKE as i128 } else { -(STAKE as i128) }
}

/// Positions whose games are played beside each other.
const AT_ONCE: usize = 10;

/// Stops in all of these positions, in every way, alone and within a channel. `ends` says what side 0 gains when nobody
/// moves any more after a path, in words of the game and not of the code. Returns how many games that made.
fn stop_everywhere<D: AppData + Clone>(
    code: &AppCode,
    spots: &[Spot<D>],
    ends: impl Fn(&[Position<D>]) -> i128,
) -> usize {
    let mut games = 0;
    for place in [Place::Alone, Place::Within] {
        for some in spots.chunks(AT_ONCE) {
            let mut silent = Stage::new(code.clone(), place);
            silent.stop_in(some, &ends);
            let mut forced = Stage::new(code.clone(), place);
            forced.force_to(some, &ends);
            games += silent.fall_silent() + forced.play_by_force();
        }
    }
    games
}

/// How many games so many positions make, of which so many have no move, and so many moves lead from one to another: silence
/// where the peer is to move, or both sides' where nothing is left, and it may be as loud on chain; before this side's move,
/// and then, too; after each move; and once more for each, by force from the start.
fn games(positions: usize, over: usize) -> usize {
    let moves = positions - 1;
    2 * (4 * positions + moves + positions + over)
}

const SALT: B256 = B256::repeat_byte(3);

fn turns(position: &Position<Rounds>) -> Vec<Turn> {
    let Rounds { total, played, phase, commitment, .. } = position.data;
    let all = [0, 1, 2];
    let nth = usize::from(played);
    // In a match what counts is who wins a round; the nine pairs of hands are those of single rounds.
    let hidden = if total == 1 { &all[..] } else { all.get(nth..=nth).unwrap_or_default() };
    let commit = |hand: &u8| Turn::Commit(rps::commitment(*hand, SALT));
    match phase {
        Phase::Commit => hidden.iter().map(commit).collect(),
        Phase::Answer => all.map(Turn::Answer).to_vec(),
        Phase::Reveal => {
            let is_hidden = |hand: &&u8| rps::commitment(**hand, SALT) == commitment;
            all.iter().filter(is_hidden).map(|hand| Turn::Reveal(*hand, SALT)).collect()
        }
        _ => Vec::new(),
    }
}

/// By the hands that were shown.
fn rounds_end(path: &[Position<Rounds>]) -> i128 {
    let last = &path[path.len() - 1];
    if !matches!(last.data.phase, Phase::Over) {
        return won(last.writer.other());
    }
    let revealed = path.windows(2).filter(|pair| matches!(pair[0].data.phase, Phase::Reveal));
    let beats: Vec<u8> = revealed.map(|pair| (3 + pair[1].data.hand - pair[0].data.answer) % 3).collect();
    let [zero, one] = [1, 2].map(|of| beats.iter().filter(|beats| **beats == of).count());
    match zero.cmp(&one) {
        Ordering::Greater => won(Side::Zero),
        Ordering::Less => won(Side::One),
        Ordering::Equal => 0,
    }
}

#[test]
fn rock_paper_scissors_ends_by_the_rules_wherever_the_peer_falls_silent() {
    let code = rps::code().expect("fit");
    let single = tree(&RockPaperScissors, rps::start(STAKE, 1, 1), turns);
    // Best of three: won at once, won at the end, drawn, in every order.
    let longer = tree(&RockPaperScissors, rps::start(STAKE, 3, 1), turns);
    assert_eq!((single.len(), longer.len()), (22, 78));
    assert_eq!(stop_everywhere(&code, &single, rounds_end), games(22, 9));
    assert_eq!(stop_everywhere(&code, &longer, rounds_end), games(78, 23));
}

#[test]
fn connect_four_ends_by_the_rules_wherever_the_peer_falls_silent() {
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
        let spots = play(&ConnectFour, connect_four::start(STAKE, 1), &moves);
        let ends = |path: &[Position<Board>]| {
            let last = &path[path.len() - 1];
            if last.data.standing() == Standing::Open { won(last.writer.other()) } else { result }
        };
        let played = stop_everywhere(&connect_four::code().expect("fit"), &spots, ends);
        assert_eq!(played, games(moves.len() + 1, 1));
    }
}

#[test]
fn the_store_is_paid_exactly_when_it_reveals_the_key_whoever_falls_silent() {
    let code = fair_exchange::code().expect("fit");
    let key = B256::repeat_byte(7);
    for seller in Side::BOTH {
        let start = fair_exchange::start(seller, STAKE, fair_exchange::key_hash(key), vec![[-20, 20]]);
        let reveal = |position: &Position<Exchange>| {
            if position.data.key.is_zero() { vec![Reveal(key)] } else { Vec::new() }
        };
        let ends = |path: &[Position<Exchange>]| {
            if path[path.len() - 1].data.key.is_zero() { -20 } else { won(seller) - 20 }
        };
        let spots = tree(&FairExchange, start, reveal);
        assert_eq!(stop_everywhere(&code, &spots, ends), games(2, 1));
    }
}

#[test]
fn sticks_end_by_the_rules_wherever_the_peer_falls_silent() {
    let takes = |position: &Position<Heap>| (1..=position.data.sticks.min(3)).map(Take).collect();
    let spots = tree(&Sticks, sticks::start(STAKE, 5, 1), takes);
    // The winner is whoever took last: who would move now stalls, or finds nothing.
    let ends = |path: &[Position<Heap>]| won(path[path.len() - 1].writer.other());
    assert_eq!(spots.len(), 28);
    assert_eq!(stop_everywhere(&sticks::code().expect("fit"), &spots, ends), games(28, 13));
}
