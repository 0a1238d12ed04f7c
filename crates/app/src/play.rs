//! Both sides of an app on one machine, without a channel or a chain.

use crate::data::AppData;
use crate::evm::{EvmRules, Refusal};
use crate::position::Position;
use strait_types::{ChannelId, MAX_APP_DATA, State};

/// Why a step is not taken.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum StepError {
    /// The app has something against it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// No participant would sign it, whatever the app says.
    #[error("{0}")]
    Malformed(&'static str),
}

/// A play: its states so far, each of them allowed by the bytecode.
#[derive(Clone, Debug)]
pub struct Play<'a> {
    rules: &'a EvmRules,
    states: Vec<State>,
}

impl<'a> Play<'a> {
    /// Begins in a channel, at the position on which both agreed.
    ///
    /// # Errors
    /// When there is no verdict on it: nobody should begin where the chain could not judge.
    pub fn begin<D: AppData>(
        rules: &'a EvmRules,
        channel: ChannelId,
        first: &Position<D>,
    ) -> Result<Play<'a>, StepError> {
        let state = first.first_state(channel);
        check_form(&state)?;
        rules.verdict(&state)?;
        Ok(Play { rules, states: vec![state] })
    }

    /// Moves for whoever's turn it is. A refused step leaves the play as it is.
    ///
    /// # Errors
    /// Why the app, or everybody, refuses it; with what the app reverts with.
    pub fn step<D: AppData>(&mut self, position: &Position<D>) -> Result<&State, StepError> {
        let next =
            position.next_state(self.state()).ok_or(StepError::Malformed("there is no higher version"))?;
        check_form(&next)?;
        self.rules.check_move(self.state(), &next)?;
        self.states.push(next);
        Ok(self.state())
    }

    /// Where the play stands.
    pub fn state(&self) -> &State {
        // `begin` puts the first there, and nothing takes any out.
        &self.states[self.states.len() - 1]
    }

    /// Where the play stands, typed; none if the data are of another app.
    pub fn position<D: AppData>(&self) -> Option<Position<D>> {
        Position::of(self.state())
    }

    /// All states, from the first on.
    pub fn states(&self) -> &[State] {
        &self.states
    }

    /// What each side gains or loses if nobody moves any more.
    ///
    /// # Errors
    /// Never, as long as the state is of this play: a step without a verdict is not taken.
    pub fn verdict(&self) -> Result<Vec<[i128; 2]>, Refusal> {
        self.rules.verdict(self.state())
    }
}

fn check_form(state: &State) -> Result<(), StepError> {
    if state.app_data.len() > MAX_APP_DATA {
        return Err(StepError::Malformed(
            "the app data are longer than 8192 bytes; keep a hash of what is longer",
        ));
    }
    if state.allocations.is_empty() || state.allocations.iter().any(|of| of.locked() != Some(0)) {
        return Err(StepError::Malformed(
            "what one side gains the other loses: the deltas of an asset add up to zero",
        ));
    }
    Ok(())
}
