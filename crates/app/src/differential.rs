//! Rust rules against the bytecode, on random plays.

use crate::evm::EvmRules;
use crate::native::{self, NativeRules};
use crate::position::Position;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};
use strait_types::{B256, ChannelId, Side, State};

/// Random numbers of a run: the same seed gives the same run.
pub struct Dice(ChaCha8Rng);

impl Dice {
    /// Dice with a seed.
    pub fn new(seed: u64) -> Dice {
        Dice(ChaCha8Rng::seed_from_u64(seed))
    }

    /// A number below `limit`; 0 for no limit.
    pub fn below(&mut self, limit: usize) -> usize {
        let number = self.0.next_u64();
        usize::try_from(number % u64::try_from(limit).unwrap_or(u64::MAX).max(1)).unwrap_or_default()
    }

    /// Whether one in `n` came.
    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    /// One of these.
    pub fn pick<T: Copy>(&mut self, of: &[T]) -> Option<T> {
        of.get(self.below(of.len())).copied()
    }

    /// 32 random bytes.
    pub fn word(&mut self) -> [u8; 32] {
        let mut word = [0; 32];
        self.0.fill_bytes(&mut word);
        word
    }
}

/// What a run compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Compared {
    /// Plays that were begun.
    pub plays: usize,
    /// Moves that both allow.
    pub allowed: usize,
    /// Moves that both refuse.
    pub refused: usize,
    /// Verdicts in which both agree on every amount.
    pub verdicts: usize,
    /// States for which neither has a verdict.
    pub without_verdict: usize,
}

/// Compares Rust rules with the bytecode on `moves` random moves of random plays, legal and illegal ones: each move,
/// the verdict on where it leads, and moves from states that no play leads to. `start` gives the first position of
/// a play, `choose` a move from a position, mostly an allowed one, or none when the play is over.
///
/// # Panics
/// At the first difference, with the seed and both states.
pub fn assert_same_verdicts<R: NativeRules>(
    bytecode: &EvmRules,
    rules: &R,
    (seed, moves): (u64, usize),
    mut start: impl FnMut(&mut Dice) -> Position<R::Data>,
    mut choose: impl FnMut(&Position<R::Data>, &mut Dice) -> Option<R::Move>,
) -> Compared {
    let mut dice = Dice::new(seed);
    let mut compared = Compared::default();
    let mut state = None;
    while compared.allowed.saturating_add(compared.refused) < moves {
        let before = state.take().unwrap_or_else(|| {
            compared.plays = compared.plays.saturating_add(1);
            start(&mut dice).first_state(ChannelId(B256::ZERO))
        });
        let chosen =
            Position::of(&before).and_then(|position| Some((choose(&position, &mut dice)?, position)));
        let is_over = chosen.is_none();
        let played =
            chosen.and_then(|(chosen, position)| rules.play(&position, &chosen).ok()?.next_state(&before));
        let (mut from, mut next) = (before.clone(), played.unwrap_or_else(|| before.clone()));
        if dice.one_in(2) {
            change(&mut next, &mut dice);
        }
        if dice.one_in(8) {
            change(&mut from, &mut dice);
        }
        let allowed = compare(bytecode, rules, &from, &next, seed, &mut compared);
        let goes_on = allowed && from == before;
        // What follows a refusal is seldom new.
        let ends = is_over || dice.one_in(if goes_on { 128 } else { 12 });
        state = Some(if goes_on { next } else { before }).filter(|_| !ends);
    }
    compared
}

fn compare<R: NativeRules>(
    bytecode: &EvmRules,
    rules: &R,
    from: &State,
    next: &State,
    seed: u64,
    compared: &mut Compared,
) -> bool {
    let answer = bytecode.valid_transition(from, next);
    let allowed = native::allows(rules, from, next);
    assert!(
        answer.is_ok() == allowed,
        "seed {seed}: the bytecode says {answer:?}, the Rust rules allow it: {allowed}\nfrom {from:?}\nto {next:?}"
    );
    let counter = if allowed { &mut compared.allowed } else { &mut compared.refused };
    *counter = counter.saturating_add(1);
    let (answer, verdict) = (bytecode.verdict(next), native::verdict(rules, next));
    assert!(
        answer.as_ref().ok() == verdict.as_ref(),
        "seed {seed}: the verdict of the bytecode is {answer:?}, of the Rust rules {verdict:?}\non {next:?}"
    );
    let counter = if verdict.is_some() { &mut compared.verdicts } else { &mut compared.without_verdict };
    *counter = counter.saturating_add(1);
    allowed
}

/// Makes a state another one that is still well formed: what a cheat or a slip would change.
fn change(state: &mut State, dice: &mut Dice) {
    match dice.below(8) {
        0 => state.writer = state.writer.other(),
        1 => move_money(state, dice),
        2 => {
            let length = dice.below(state.app_data.len().saturating_add(1));
            state.app_data.truncate(length);
        }
        3 => {
            let more = dice.below(40);
            state.app_data.extend(dice.word().iter().cycle().take(more));
        }
        4 | 5 => change_word(&mut state.app_data, dice),
        _ => {
            // Low bits of a word: a small number that is a little off.
            let words = state.app_data.len() / 32;
            let at = dice.below(words).saturating_mul(32).saturating_add(31);
            let bit = dice.below(8);
            if let Some(byte) = state.app_data.get_mut(at) {
                *byte ^= 1 << bit;
            }
        }
    }
}

fn move_money(state: &mut State, dice: &mut Dice) {
    let by = dice.pick(&[1, -1, 1_000, i128::MAX / 2]).unwrap_or(1);
    let asset = dice.below(state.allocations.len());
    if let Some(allocation) = state.allocations.get_mut(asset) {
        let zero = allocation.delta[Side::Zero.index()].saturating_add(by);
        // Sums stay zero, as the node and the adjudicator see to.
        if let Some(one) = zero.checked_neg() {
            allocation.delta = [zero, one];
        }
    }
}

fn change_word(data: &mut [u8], dice: &mut Dice) {
    let words = data.len() / 32;
    let [at, other] = [dice.below(words), dice.below(words)].map(|word| word.saturating_mul(32));
    let copied = data.get(other..other.saturating_add(32)).map(<[u8]>::to_vec);
    let new = match dice.below(5) {
        0 => Some(vec![0; 32]),
        1 => Some(vec![0xff; 32]),
        2 => Some([[0; 31].as_slice(), &[1]].concat()),
        3 => copied,
        _ => Some(dice.word().to_vec()),
    };
    if let (Some(word), Some(new)) = (data.get_mut(at..at.saturating_add(32)), new) {
        word.copy_from_slice(&new);
    }
}
