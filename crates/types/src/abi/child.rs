//! Channels that are funded by a lock in a parent, or over a hub in two.

use super::convert::{self, Reader};
use super::solidity::{self, Adjudicator};
use super::{AbiError, HUB, Record};
use crate::{Amount, ChannelId, ChannelParams, ChildTerms, Side, Signature, State};
use alloy_primitives::{Bytes, U256};
use alloy_sol_types::SolCall;

/// Challenge durations after `end` in which a hub's child can still be forced to move. A turn that would last longer is cut
/// short, and nobody is judged for it.
pub const PERIODS_AFTER_END: u64 = 4;

/// A child channel: its parameters and the terms that they commit to.
#[derive(Clone, Copy, Debug)]
pub struct Child<'a> {
    /// Its parameters; `child` is the hash of `terms`.
    pub params: &'a ChannelParams,
    /// What it adds to them.
    pub terms: &'a ChildTerms,
}

/// Who starts a dispute, and the signature on the challenge digest: none when its signer (a participant's payout, too) sends
/// the transaction.
#[derive(Clone, Copy, Debug)]
pub enum Challenger<'a> {
    /// One of the two.
    Participant(Side, Option<&'a Signature>),
    /// The hub: at what is recorded, from `end` on or while that is version 0.
    Hub(Option<&'a Signature>),
}

/// What is shown above the record.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a> {
    /// The state.
    pub state: &'a State,
    /// Of both participants; none for version 0 and for what is recorded.
    pub signatures: Option<&'a [Signature; 2]>,
    /// The hub's, with the first state above version 0.
    pub activation: Option<&'a Signature>,
    /// What is recorded; none when nothing is.
    pub previous: Option<Record>,
}

impl Shown<'_> {
    fn convert(&self) -> solidity::Shown {
        solidity::Shown {
            state: convert::state(self.state),
            sig0: convert::signature(self.signatures.map(|[zero, _]| zero)),
            sig1: convert::signature(self.signatures.map(|[_, one]| one)),
            activation: convert::signature(self.activation),
            previous: convert::record(self.previous),
        }
    }
}

impl Child<'_> {
    /// Records the outcome of a final state that both signed, and the hub if there is one.
    pub fn close(&self, state: &State, signatures: &[Signature; 2], hub: Option<&Signature>) -> Bytes {
        let [zero, one] = signatures;
        let call = Adjudicator::closeChildCall {
            params: convert::params(self.params),
            terms: convert::child_terms(self.terms),
            state: convert::state(state),
            sig0: convert::signature(Some(zero)),
            sig1: convert::signature(Some(one)),
            hubSig: convert::signature(hub),
        };
        call.abi_encode().into()
    }

    /// Ends a dispute that both signed to end, and the hub if there is one.
    pub fn resume(&self, recorded: Record, signatures: &[Signature; 2], hub: Option<&Signature>) -> Bytes {
        let [zero, one] = signatures;
        let call = Adjudicator::resumeChildCall {
            params: convert::params(self.params),
            terms: convert::child_terms(self.terms),
            recorded: convert::record(Some(recorded)),
            sig0: convert::signature(Some(zero)),
            sig1: convert::signature(Some(one)),
            hubSig: convert::signature(hub),
        };
        call.abi_encode().into()
    }

    /// Starts a dispute at a state.
    pub fn challenge(&self, shown: Shown<'_>, challenger: Challenger<'_>) -> Bytes {
        let (number, authorisation) = match challenger {
            Challenger::Participant(side, authorisation) => (side as u8, authorisation),
            Challenger::Hub(authorisation) => (HUB, authorisation),
        };
        let call = Adjudicator::challengeChildCall {
            params: convert::params(self.params),
            terms: convert::child_terms(self.terms),
            shown: shown.convert(),
            challenger: U256::from(number),
            sig: convert::signature(authorisation),
        };
        call.abi_encode().into()
    }

    /// Replaces what is recorded by a higher state that both signed, within the period.
    pub fn respond(&self, shown: Shown<'_>) -> Bytes {
        let call = Adjudicator::respondChildCall {
            params: convert::params(self.params),
            terms: convert::child_terms(self.terms),
            shown: shown.convert(),
        };
        call.abi_encode().into()
    }

    /// A move from the recorded `state` that its writer alone signed, once the period of a dispute is over.
    pub fn progress(&self, state: &State, next: &State, mover: &Signature) -> Bytes {
        match state.writer {
            Side::Zero => self.progress_call(state, next, Some(mover), None),
            Side::One => self.progress_call(state, next, None, Some(mover)),
        }
    }

    /// A higher state that both signed, once the period of a dispute is over.
    pub fn progress_agreed(&self, state: &State, next: &State, signatures: &[Signature; 2]) -> Bytes {
        let [zero, one] = signatures;
        self.progress_call(state, next, Some(zero), Some(one))
    }

    fn progress_call(
        &self,
        state: &State,
        next: &State,
        zero: Option<&Signature>,
        one: Option<&Signature>,
    ) -> Bytes {
        let call = Adjudicator::progressChildCall {
            params: convert::params(self.params),
            terms: convert::child_terms(self.terms),
            state: convert::state(state),
            next: convert::state(next),
            sig0: convert::signature(zero),
            sig1: convert::signature(one),
        };
        call.abi_encode().into()
    }

    /// Records the outcome of the recorded state, after the period and, with an app, the writer's own.
    pub fn settle(&self, state: &State) -> Bytes {
        let call = Adjudicator::settleChildCall {
            params: convert::params(self.params),
            terms: convert::child_terms(self.terms),
            state: convert::state(state),
        };
        call.abi_encode().into()
    }
}

/// Asks for a child's outcome.
pub fn outcome(child: ChannelId) -> Bytes {
    Adjudicator::outcomeCall { id: child.0 }.abi_encode().into()
}

/// Reads the answer of [`outcome`]: what its participants got, none before it is finalised.
///
/// # Errors
/// When it is not such an answer.
pub fn read_outcome(data: &[u8]) -> Result<Option<[Amount; 2]>, AbiError> {
    let reader = Reader("outcome answer");
    let answer = Adjudicator::outcomeCall::abi_decode_returns_validate(data)
        .map_err(|error| reader.malformed(&error))?;
    let amount = |units: u128| reader.amount("outcome", U256::from(units));
    let amounts = [amount(answer.outcome0)?, amount(answer.outcome1)?];
    Ok(answer.finalised.then_some(amounts))
}
