//! Rules in Rust beside the bytecode: a client makes its moves by them. What counts is the bytecode; that both agree is
//! tested by [`crate::assert_same_verdicts`].

use crate::data::AppData;
use crate::position::Position;
use strait_types::State;

/// The rules of an app in Rust.
pub trait NativeRules {
    /// What the app keeps in a state.
    type Data: AppData + PartialEq;
    /// What a player decides on.
    type Move;
    /// Why a move is not allowed.
    type Illegal: std::error::Error;

    /// The position after a move of `before.writer`.
    ///
    /// # Errors
    /// Why the move is not allowed.
    fn play(
        &self,
        before: &Position<Self::Data>,
        chosen: &Self::Move,
    ) -> Result<Position<Self::Data>, Self::Illegal>;

    /// The move by which a player says that it comes from `before` to `next`. It needn't be allowed: that is tried.
    fn chosen(&self, before: &Position<Self::Data>, next: &Position<Self::Data>) -> Option<Self::Move>;

    /// What each side gains or loses, per asset, if nobody moves any more; none when there is no verdict.
    fn verdict(&self, position: &Position<Self::Data>) -> Option<Vec<[i128; 2]>>;
}

/// Whether the rules allow the writer of `state` to move to `next`: what [`crate::EvmRules::valid_transition`] answers.
pub fn allows<R: NativeRules>(rules: &R, state: &State, next: &State) -> bool {
    let played = || {
        let (before, after) = (Position::of(state)?, Position::of(next)?);
        let result = rules.play(&before, &rules.chosen(&before, &after)?).ok()?;
        Some(result == after && result.data.encode() == next.app_data)
    };
    played().unwrap_or(false)
}

/// What the rules give each side if `state` is the last word.
pub fn verdict<R: NativeRules>(rules: &R, state: &State) -> Option<Vec<[i128; 2]>> {
    rules.verdict(&Position::of(state)?)
}
