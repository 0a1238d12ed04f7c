//! Sticks: each in turn takes one to three, and who takes the last wins.

use strait_app::{AppCode, CodeError, NativeRules, Position};
use strait_types::Side;

alloy_sol_types::sol! {
    /// What the contract keeps in a state, in the same order and types.
    #[derive(Debug, PartialEq, Eq)]
    struct Heap {
        uint128 stake;
        uint8 sticks;
    }
}

/// The contract's code: what the channel commits to, and what a dispute is judged by.
///
/// # Errors
/// When the artifact is none of an app.
pub fn code() -> Result<AppCode, CodeError> {
    AppCode::from_artifact(include_str!("../../contracts/artifacts/Sticks.json"))
}

/// The start: side 0 takes first, and each puts `stake` of the first asset at stake.
pub fn start(stake: u128, sticks: u8, assets: usize) -> Position<Heap> {
    Position { writer: Side::Zero, deltas: vec![[0, 0]; assets], data: Heap { stake, sticks } }
}

/// Takes so many sticks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Take(pub u8);

/// Why sticks can't be taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Illegal {
    /// All sticks are taken.
    #[error("the game is over")]
    GameOver,
    /// Too many, or none, or more than there are.
    #[error("take one to three sticks, and no more than there are")]
    TakeOneToThree,
}

/// The rules in Rust: a client makes its moves by them. A test compares them with the contract.
#[derive(Clone, Copy, Debug)]
pub struct Sticks;

impl NativeRules for Sticks {
    type Data = Heap;
    type Move = Take;
    type Illegal = Illegal;

    fn play(&self, before: &Position<Heap>, chosen: &Take) -> Result<Position<Heap>, Illegal> {
        let mut after = before.clone();
        if before.data.sticks == 0 {
            return Err(Illegal::GameOver);
        }
        let left = before.data.sticks.checked_sub(chosen.0).filter(|_| (1..=3).contains(&chosen.0));
        after.data.sticks = left.ok_or(Illegal::TakeOneToThree)?;
        after.writer = before.writer.other();
        Ok(after)
    }

    fn chosen(&self, before: &Position<Heap>, next: &Position<Heap>) -> Option<Take> {
        before.data.sticks.checked_sub(next.data.sticks).map(Take)
    }

    /// Who is to move loses: it stalls, or the other took the last stick.
    fn verdict(&self, position: &Position<Heap>) -> Option<Vec<[i128; 2]>> {
        let mut deltas = position.deltas.clone();
        let stake = i128::try_from(position.data.stake).ok()?;
        let [loser, winner] = [position.writer.index(), position.writer.other().index()];
        let first = deltas.first_mut()?;
        first[loser] = first[loser].checked_sub(stake)?;
        first[winner] = first[winner].checked_add(stake)?;
        Some(deltas)
    }
}
