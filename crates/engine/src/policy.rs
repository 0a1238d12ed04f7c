//! Which channels a node takes.

use strait_types::{Address, ChannelParams, ParamsError};

/// What the operator accepts from peers, and holds itself to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Assets that may occur; empty: any.
    pub assets: Vec<Address>,
    /// Shortest challenge period, in seconds.
    pub min_challenge: u32,
    /// Longest challenge period, in seconds.
    pub max_challenge: u32,
    /// Most channels with one peer that are not closed.
    pub channels_per_peer: usize,
    /// Most channels that peers, all together, have opened and nobody has funded yet: they cost strangers nothing.
    pub unfunded_channels: usize,
}

impl Default for Policy {
    fn default() -> Self {
        Policy {
            assets: Vec::new(),
            min_challenge: 24 * 3_600,
            max_challenge: 30 * 24 * 3_600,
            channels_per_peer: 1_024,
            unfunded_channels: 16_384,
        }
    }
}

/// Why a channel is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// The contract would not take it either.
    #[error(transparent)]
    Params(#[from] ParamsError),
    /// Apps and child channels come in a later release.
    #[error("channels with an app or a parent are not supported by this release")]
    Unsupported,
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
}

impl Policy {
    /// Judges a new channel with a peer that already has `existing` ones.
    ///
    /// # Errors
    /// The first demand that is not met.
    pub fn check(&self, params: &ChannelParams, existing: usize) -> Result<(), PolicyError> {
        params.check()?;
        if !params.app.is_zero() || !params.child.is_zero() {
            return Err(PolicyError::Unsupported);
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
        if existing >= self.channels_per_peer {
            return Err(PolicyError::TooMany(existing));
        }
        Ok(())
    }

    /// Judges a channel that a peer opens while `unfunded` ones wait for a deposit.
    ///
    /// # Errors
    /// When there are too many.
    pub fn check_unfunded(&self, unfunded: usize) -> Result<(), PolicyError> {
        if unfunded >= self.unfunded_channels {
            return Err(PolicyError::TooManyUnfunded(unfunded));
        }
        Ok(())
    }
}
