//! Channels with an app: what they begin with, and what a move says.

use crate::rule::Rule;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};
use strait_types::{Address, Amount, ChannelParams, MAX_APP_DATA, Side, State};

/// Where a move leads. The rest of the state follows: the next version, with the hash of the state before as its history.
#[derive(Clone, PartialEq, Eq, Debug, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct AppMove {
    /// Who moves next.
    pub writer: Side,
    /// What participant 0 and 1 have gained or lost against their deposits, per asset; adds up to zero for each.
    pub deltas: Vec<[i128; 2]>,
    /// The app's own data, at most [`MAX_APP_DATA`] bytes.
    pub data: Vec<u8>,
}

impl AppMove {
    /// The move that led to a state.
    pub(crate) fn of(state: &State) -> AppMove {
        AppMove {
            writer: state.writer,
            deltas: state.allocations.iter().map(|allocation| allocation.delta).collect(),
            data: state.app_data.clone(),
        }
    }

    /// Whether it leads to this state, as far as the app is concerned.
    pub(crate) fn leads_to(&self, state: &State) -> bool {
        !state.is_final && *self == AppMove::of(state)
    }

    /// What must hold whatever the app says.
    pub(crate) fn check(&self, assets: usize) -> Result<(), Rule> {
        if self.data.len() > MAX_APP_DATA {
            return Err(Rule::AppDataTooLong);
        }
        check_deltas(&self.deltas, assets)
    }
}

/// Of each asset both together gain nothing.
pub(crate) fn check_deltas(deltas: &[[i128; 2]], assets: usize) -> Result<(), Rule> {
    let is_even = |[zero, one]: &[i128; 2]| zero.checked_add(*one) == Some(0);
    if deltas.len() == assets && deltas.iter().all(is_even) { Ok(()) } else { Err(Rule::UnevenMove) }
}

/// What a channel with an app begins with. Participant 0 signs it as version 1 once both stakes are deposited.
#[derive(Clone, PartialEq, Eq, Debug, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct AppStart {
    /// What participant 0 and 1 must have deposited, per asset, before the start counts.
    pub stakes: Vec<[Amount; 2]>,
    /// Version 1.
    pub first: AppMove,
}

impl AppStart {
    /// Whether it fits the channel: as many stakes as assets, and nobody loses more by it than the stake.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn check(&self, params: &ChannelParams) -> Result<(), Rule> {
        self.first.check(params.assets.len())?;
        let mut pairs = self.stakes.iter().zip(&self.first.deltas);
        let is_covered = |(stakes, deltas): (&[Amount; 2], &[i128; 2])| {
            (0..2).all(|i| stakes[i].signed().checked_add(deltas[i]).is_some_and(|left| left >= 0))
        };
        if self.stakes.len() != params.assets.len() {
            return Err(Rule::UnevenMove);
        }
        if pairs.all(is_covered) { Ok(()) } else { Err(Rule::Overdraw) }
    }

    /// Version 1 of the channel.
    ///
    /// # Errors
    /// The rule that it breaks.
    pub fn state(&self, channel: strait_types::ChannelId, params: &ChannelParams) -> Result<State, Rule> {
        let zero = crate::Position::zero(channel, params.assets.len());
        let first = [crate::Operation::Move(self.first.clone())].into();
        let next = zero.next(strait_types::Version(1), &first, &mut |_, _| Ok(()));
        next.map(|position| position.state).map_err(|violation| violation.rule)
    }
}

/// What the peer offers as the end.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct FinishOffer {
    /// Version that it rests on.
    pub version: strait_types::Version,
    /// What participant 0 and 1 would gain or lose, per asset.
    pub outcome: Vec<[i128; 2]>,
}

/// A channel's app at a glance.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct AppView {
    /// Its address.
    pub app: Address,
    /// What both began with.
    pub start: AppStart,
    /// The newest state: the last that we wrote, else the last that both signed or the chain has recorded.
    pub state: State,
    /// Whether we are to move.
    pub our_turn: bool,
    /// Whether our last move awaits the peer or the chain.
    pub in_flight: bool,
    /// In a dispute: until when the recorded state's writer may move, Unix seconds.
    pub deadline: Option<u64>,
    /// While the peer is to move: when we go to the chain if it has not, Unix seconds; by [`Settings::move_patience`].
    ///
    /// [`Settings::move_patience`]: crate::Settings::move_patience
    pub claims_at: Option<u64>,
    /// What the peer offers as the end.
    pub offer: Option<FinishOffer>,
    /// What our user has asked for as the end, what participant 0 and 1 would gain or lose per asset. It stands until the
    /// peer agrees or refuses, or a move is made.
    pub proposed: Option<Vec<[i128; 2]>>,
}
