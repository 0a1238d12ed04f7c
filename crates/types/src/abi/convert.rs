//! Between the Solidity structures and this crate's types. Into Solidity never fails; back is checked.

use super::{AbiError, Record, solidity};
use crate::{
    Allocation, Amount, AssetIndex, ChannelId, ChannelParams, ChildTerms, Lock, LockKind, Side, Signature,
    State, Version,
};
use alloy_primitives::U256;

pub(super) fn params(params: &ChannelParams) -> solidity::ChannelParams {
    let [zero, one] = &params.participants;
    solidity::ChannelParams {
        signer0: zero.signer,
        payout0: zero.payout,
        signer1: one.signer,
        payout1: one.payout,
        challengeDuration: params.challenge_duration,
        nonce: params.nonce,
        app: params.app,
        child: params.child,
        assets: params.assets.clone(),
    }
}

pub(super) fn state(state: &State) -> solidity::State {
    let allocation = |allocation: &Allocation| solidity::Allocation {
        delta0: allocation.delta[0],
        delta1: allocation.delta[1],
        withdrawn0: allocation.withdrawn[0],
        withdrawn1: allocation.withdrawn[1],
    };
    solidity::State {
        version: state.version.0,
        writer: state.writer as u8,
        isFinal: state.is_final,
        validUntil: state.valid_until,
        allocations: state.allocations.iter().map(allocation).collect(),
        locksHash: state.locks_hash,
        history: state.history,
        appData: state.app_data.clone().into(),
    }
}

pub(super) fn child_terms(terms: &ChildTerms) -> solidity::ChildTerms {
    solidity::ChildTerms {
        parent0: terms.parent0.0,
        version0: terms.version0,
        parent1: terms.parent1.0,
        version1: terms.version1,
        hub: terms.hub,
        end: terms.end,
        amount0: terms.amounts[0].units(),
        amount1: terms.amounts[1].units(),
    }
}

pub(super) fn lock(lock: &Lock) -> solidity::Lock {
    solidity::Lock {
        kind: match lock.kind {
            LockKind::Hash => solidity::LockKind::Hash,
            LockKind::Channel => solidity::LockKind::Channel,
        },
        assetIndex: lock.asset.0,
        amount0: lock.amounts[0].units(),
        amount1: lock.amounts[1].units(),
        r#ref: lock.reference,
        expiry: lock.expiry,
        flip: lock.flip,
    }
}

/// All zero for none, which is how the contract reads "none".
pub(super) fn record(record: Option<Record>) -> solidity::Record {
    let record = record.unwrap_or(Record { version: Version::ZERO, state_hash: Default::default() });
    solidity::Record { version: record.version.0, stateHash: record.state_hash }
}

/// All zero for none, which is how the contract reads "none".
pub(super) fn signature(signature: Option<&Signature>) -> solidity::Sig {
    signature.map_or_else(solidity::Sig::default, |signature| solidity::Sig {
        r: signature.r(),
        vs: signature.vs(),
    })
}

/// Reads values of one event or view, and says which field of it is impossible.
#[derive(Clone, Copy)]
pub(super) struct Reader(pub(super) &'static str);

impl Reader {
    pub(super) fn impossible(self, field: &'static str) -> AbiError {
        AbiError::Impossible { what: self.0, field }
    }

    pub(super) fn malformed(self, error: &alloy_sol_types::Error) -> AbiError {
        AbiError::Malformed { what: self.0, reason: error.to_string() }
    }

    pub(super) fn number<T: TryFrom<U256>>(self, field: &'static str, value: U256) -> Result<T, AbiError> {
        T::try_from(value).map_err(|_| self.impossible(field))
    }

    pub(super) fn amount(self, field: &'static str, value: U256) -> Result<Amount, AbiError> {
        Amount::new(self.number(field, value)?).ok_or_else(|| self.impossible(field))
    }

    pub(super) fn side(self, field: &'static str, value: U256) -> Result<Side, AbiError> {
        Side::from_index(self.number(field, value)?).ok_or_else(|| self.impossible(field))
    }

    pub(super) fn state(self, channel: ChannelId, state: &solidity::State) -> Result<State, AbiError> {
        let allocation = |allocation: &solidity::Allocation| Allocation {
            delta: [allocation.delta0, allocation.delta1],
            withdrawn: [allocation.withdrawn0, allocation.withdrawn1],
        };
        Ok(State {
            channel,
            version: Version(state.version),
            writer: self.side("writer", U256::from(state.writer))?,
            is_final: state.isFinal,
            valid_until: state.validUntil,
            allocations: state.allocations.iter().map(allocation).collect(),
            locks_hash: state.locksHash,
            history: state.history,
            app_data: state.appData.to_vec(),
        })
    }
}

/// None when an amount is more than any channel holds: no honest participant signs such a lock.
pub(super) fn checked_lock(lock: &solidity::Lock) -> Option<Lock> {
    Some(Lock {
        kind: match lock.kind {
            solidity::LockKind::Hash => LockKind::Hash,
            solidity::LockKind::Channel => LockKind::Channel,
            solidity::LockKind::__Invalid => return None,
        },
        asset: AssetIndex(lock.assetIndex),
        amounts: [Amount::new(lock.amount0)?, Amount::new(lock.amount1)?],
        reference: lock.r#ref,
        expiry: lock.expiry,
        flip: lock.flip,
    })
}
