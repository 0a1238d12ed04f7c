//! Which channels a node takes.

use std::collections::{BTreeMap, BTreeSet};
use strait_types::{Address, Amount, B256, ChannelParams, ParamsError};

/// What the operator accepts from peers, and holds itself to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Where the chain pays this node in channels that peers open: who chose that for it would get its money. `None`
    /// takes any address, for whoever judges that himself.
    pub payout: Option<Address>,
    /// Assets that may occur; empty: any.
    pub assets: Vec<Address>,
    /// Apps that may occur; empty: none. Their code must be installed, too.
    pub apps: Vec<Address>,
    /// Shortest challenge period, in seconds.
    pub min_challenge: u32,
    /// Longest challenge period, in seconds.
    pub max_challenge: u32,
    /// By asset, in the smallest unit: what a peer that opens a channel must have deposited of each of the channel's
    /// assets. The channel is taken before, since a deposit into a channel that nobody watches would be worse, but
    /// until the deposits count nothing is signed in it; see [`strait_protocol::Settings::peer_deposit`].
    pub min_deposits: BTreeMap<Address, Amount>,
    /// Most channels with one peer that are not closed.
    pub channels_per_peer: usize,
    /// Most channels that peers, all together, have opened and nobody has funded yet: they cost strangers nothing.
    /// They are not durable, after a restart the peers offer them again; and beyond this the peer with most of them
    /// loses its oldest.
    pub unfunded_channels: usize,
    /// By asset, in the smallest unit: the most that this node puts into a child channel that a peer opens in one of its
    /// payment channels, without being asked. Where nothing is said, it puts in nothing.
    pub stakes: BTreeMap<Address, Amount>,
    /// From which starts this node plays with its own stake what a peer opens in a payment channel, without being asked.
    pub starts: Starts,
    /// A channel that a peer opens waits until the operator approves it; see [`crate::Input::Approve`].
    pub manual_approval: bool,
    /// Most channels of all peers together that wait for the operator, with `manual_approval`. They are not durable:
    /// after a restart the peers offer them again. What the operator has said of them is.
    pub proposals: usize,
}

/// Starts of games that are played unasked. Nothing tells whether a start is fair but the game's own rules, so that each is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Starts {
    /// Those with these ids; see [`strait_protocol::start_id`].
    Listed(BTreeSet<B256>),
    /// Whatever a peer comes with, one that is lost from the beginning too: for peers that are trusted.
    Any,
}

impl Default for Starts {
    fn default() -> Self {
        Starts::Listed(BTreeSet::new())
    }
}

impl Default for Policy {
    fn default() -> Self {
        Policy {
            payout: None,
            assets: Vec::new(),
            apps: Vec::new(),
            min_challenge: 24 * 3_600,
            max_challenge: 30 * 24 * 3_600,
            min_deposits: BTreeMap::new(),
            channels_per_peer: 1_024,
            unfunded_channels: 16_384,
            stakes: BTreeMap::new(),
            starts: Starts::default(),
            manual_approval: false,
            proposals: 1_024,
        }
    }
}

/// Why a channel is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// The contract would not take it either.
    #[error(transparent)]
    Params(#[from] ParamsError),
    /// A child channel without its parent.
    #[error("a channel with a parent is opened within that, not by itself")]
    Child,
    /// The chain would pay this node's money to somebody else.
    #[error("the channel pays this node out to {given}, which is not its payout; open it with {own}")]
    Payout {
        /// As proposed.
        given: Address,
        /// This node's.
        own: Address,
    },
    /// The app is not on the operator's list.
    #[error("the app {0} is not on this node's list; add it to the configuration if you trust it")]
    App(Address),
    /// The asset is not on the operator's list.
    #[error("the asset {0} is not on this node's list; add it to the configuration if you trust it")]
    Asset(Address),
    /// The period is outside the operator's range.
    #[error("the challenge duration of {given} seconds is outside this node's range of {min} to {max}")]
    Challenge {
        /// As proposed.
        given: u32,
        /// Shortest.
        min: u32,
        /// Longest.
        max: u32,
    },
    /// Too many channels.
    #[error("there are already {0} channels with this peer, the most that this node takes")]
    TooMany(usize),
    /// Too many channels without a deposit.
    #[error("this node waits for the deposits of {0} channels already; try again later")]
    TooManyUnfunded(usize),
    /// Too many channels that wait for the operator.
    #[error("{0} channels wait for this node's operator already; try again later")]
    TooManyProposals(usize),
}

impl Policy {
    /// Judges where a channel that a peer opens pays this node out.
    pub(crate) fn check_payout(&self, given: Address) -> Result<(), PolicyError> {
        match self.payout {
            Some(own) if own != given => Err(PolicyError::Payout { given, own }),
            _ => Ok(()),
        }
    }

    /// Judges a new channel with a peer that already has `existing` ones.
    ///
    /// # Errors
    /// The first demand that is not met.
    pub fn check(&self, params: &ChannelParams, existing: usize) -> Result<(), PolicyError> {
        if !params.child.is_zero() {
            return Err(PolicyError::Child);
        }
        self.check_terms(params)?;
        if existing >= self.channels_per_peer {
            return Err(PolicyError::TooMany(existing));
        }
        Ok(())
    }

    /// Judges what also a child channel must keep to.
    pub(crate) fn check_terms(&self, params: &ChannelParams) -> Result<(), PolicyError> {
        params.check()?;
        if !params.app.is_zero() && !self.apps.contains(&params.app) {
            return Err(PolicyError::App(params.app));
        }
        let unknown =
            params.assets.iter().find(|asset| !self.assets.is_empty() && !self.assets.contains(asset));
        if let Some(asset) = unknown {
            return Err(PolicyError::Asset(*asset));
        }
        let given = params.challenge_duration;
        if given < self.min_challenge || given > self.max_challenge {
            return Err(PolicyError::Challenge { given, min: self.min_challenge, max: self.max_challenge });
        }
        Ok(())
    }

    /// What the peer that opens a channel must deposit, by the channel's assets in order.
    pub fn deposits_of_peer(&self, params: &ChannelParams) -> Vec<Amount> {
        let minimum = |asset| self.min_deposits.get(asset).copied().unwrap_or(Amount::ZERO);
        params.assets.iter().map(minimum).collect()
    }
}
