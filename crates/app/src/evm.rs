//! Rules by bytecode: the same that the adjudicator asks.

use crate::code::AppCode;
use crate::machine::{End, Run, run};
use crate::unsound;
use revm_bytecode::Bytecode;
use strait_types::abi::app::{self, APP_GAS};
use strait_types::{Bytes, State};

/// Gas that a node gives an app for one answer: half of the adjudicator's, so that no change of gas prices, and no
/// word more on the chain's side, can turn a move that was taken here into one that fails there.
pub const GAS_LIMIT: u64 = APP_GAS / 2;

/// What an app was asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Question {
    /// `validTransition`.
    Move,
    /// `verdict`.
    Verdict,
}

impl std::fmt::Display for Question {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Question::Move => "validTransition",
            Question::Verdict => "verdict",
        })
    }
}

/// Why an app refuses, or has no answer that counts.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refusal {
    /// `validTransition` says no.
    #[error("the rules do not allow this move")]
    NotAllowed,
    /// It reverted.
    #[error("{question} reverted: {reason}")]
    Reverted {
        /// What was asked.
        question: Question,
        /// Its reason, decoded.
        reason: String,
    },
    /// It took too long.
    #[error(
        "{question} takes more than {GAS_LIMIT} gas, the most that a node gives it; make the rules cheaper"
    )]
    OutOfGas {
        /// What was asked.
        question: Question,
    },
    /// The machine stopped.
    #[error("{question} stopped: {reason}; the code is not what a compiler writes")]
    Halted {
        /// What was asked.
        question: Question,
        /// The machine's reason.
        reason: String,
    },
    /// The adjudicator would not take the answer.
    #[error("{question} returned {answer}, which the adjudicator does not take: {wanted}")]
    Unsound {
        /// What was asked.
        question: Question,
        /// What it returned, as far as it can be read.
        answer: String,
        /// What it takes.
        wanted: &'static str,
    },
}

/// The rules of an app by its bytecode, in an embedded EVM. Answers depend on the arguments alone, and are those that
/// the adjudicator gets. Threads share it.
#[derive(Clone, Debug)]
pub struct EvmRules {
    code: AppCode,
    bytecode: Bytecode,
}

impl EvmRules {
    /// Rules of this code. Whether a channel's app is this code, [`AppCode::require`] says.
    pub fn new(code: AppCode) -> EvmRules {
        let bytecode = Bytecode::new_legacy(code.runtime().clone());
        EvmRules { code, bytecode }
    }

    /// The code.
    pub fn code(&self) -> &AppCode {
        &self.code
    }

    /// Whether the writer of `state` may move to `next`, and the app has a verdict on `next`: both together make a move
    /// valid. The rest (version, sums, history) is not the app's concern.
    ///
    /// # Errors
    /// Why not.
    pub fn check_move(&self, state: &State, next: &State) -> Result<(), Refusal> {
        self.valid_transition(state, next)?;
        self.verdict(next).map(|_| ())
    }

    /// Whether the app allows the writer of `state` to move to `next`.
    ///
    /// # Errors
    /// Why not.
    pub fn valid_transition(&self, state: &State, next: &State) -> Result<(), Refusal> {
        let answer = self.ask(Question::Move, app::valid_transition(state, next))?;
        if !app::read_valid_transition(&answer) {
            let clean = answer.len() == 32 && answer.iter().all(|byte| *byte == 0);
            let unsound = Refusal::Unsound {
                question: Question::Move,
                answer: unsound::bytes(&answer),
                wanted: "a move has a yes or a no, one word of 0 or 1",
            };
            return Err(if clean { Refusal::NotAllowed } else { unsound });
        }
        Ok(())
    }

    /// What each side gains or loses, per asset, if `state` is the last word.
    ///
    /// # Errors
    /// Why there is no verdict; the adjudicator would let the state's own deltas count.
    pub fn verdict(&self, state: &State) -> Result<Vec<[i128; 2]>, Refusal> {
        let answer = self.ask(Question::Verdict, app::verdict(state))?;
        let assets = state.allocations.len();
        app::read_verdict(&answer, assets).ok_or_else(|| Refusal::Unsound {
            question: Question::Verdict,
            answer: unsound::verdict(&answer, assets),
            wanted: "a verdict has one pair of int128 per asset, each with the sum zero",
        })
    }

    /// Gas that `validTransition` takes, and `verdict` on `next`; each may take [`GAS_LIMIT`].
    pub fn gas(&self, state: &State, next: &State) -> [u64; 2] {
        [app::valid_transition(state, next), app::verdict(next)].map(|question| self.run(question).gas)
    }

    fn run(&self, question: Bytes) -> Run {
        run(&self.bytecode, question, GAS_LIMIT)
    }

    fn ask(&self, question: Question, data: Bytes) -> Result<Bytes, Refusal> {
        match self.run(data).end {
            End::Returned(answer) => Ok(answer),
            End::Reverted(data) => Err(Refusal::Reverted { question, reason: self.code.reason(&data) }),
            End::OutOfGas => Err(Refusal::OutOfGas { question }),
            End::Halted(result) => Err(Refusal::Halted { question, reason: format!("{result:?}") }),
        }
    }
}
