//! Identifiers that must not be mixed up.

use alloy_primitives::B256;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Deserializer, Serialize};
use std::fmt;

/// Identifies a channel: a hash over chain, adjudicator and [`crate::ChannelParams`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize, Serialize)]
#[serde(transparent)]
pub struct ChannelId(pub B256);

impl<'de> Deserialize<'de> for ChannelId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<ChannelId, D::Error> {
        <B256 as Deserialize>::deserialize(deserializer).map(ChannelId).map_err(|error| {
            let text = error.to_string();
            // Serde asks for a field that is not there in the same way.
            if text.starts_with("missing field") {
                return error;
            }
            // Whoever sends the shortened id of a table should hear what is missing.
            serde::de::Error::custom(format!("a channel's id is 0x and 64 hex digits, not less: {text}"))
        })
    }
}

impl fmt::Display for ChannelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Debug for ChannelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ChannelId({})", &self.0.to_string()[..10])
    }
}

/// Number of a state within its channel; versions strictly increase and may skip.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Debug,
    Default,
    BorshSerialize,
    BorshDeserialize,
    Serialize,
    Deserialize,
)]
#[serde(transparent)]
pub struct Version(pub u64);

impl Version {
    /// The unsigned start of every channel.
    pub const ZERO: Version = Version(0);

    /// The next version, or `None` at the end of the range (never reached by counting).
    pub fn next(self) -> Option<Version> {
        self.0.checked_add(1).map(Version)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// One of the two participants, by its index in the channel's parameters.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Debug,
    BorshSerialize,
    BorshDeserialize,
    Serialize,
    Deserialize,
)]
#[borsh(use_discriminant = true)]
#[repr(u8)]
pub enum Side {
    /// Participant 0, the writer at version 0.
    Zero = 0,
    /// Participant 1.
    One = 1,
}

impl Side {
    /// Both, in order.
    pub const BOTH: [Side; 2] = [Side::Zero, Side::One];

    /// The counterparty.
    pub fn other(self) -> Side {
        match self {
            Side::Zero => Side::One,
            Side::One => Side::Zero,
        }
    }

    /// 0 or 1.
    pub fn index(self) -> usize {
        self as usize
    }

    /// From 0 or 1.
    pub fn from_index(index: usize) -> Option<Side> {
        match index {
            0 => Some(Side::Zero),
            1 => Some(Side::One),
            _ => None,
        }
    }
}

/// Position of an asset in the channel's ascending list, 0 to 3.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Debug,
    Default,
    BorshSerialize,
    BorshDeserialize,
    Serialize,
    Deserialize,
)]
#[serde(transparent)]
pub struct AssetIndex(pub u8);

impl AssetIndex {
    /// As an index into the allocations.
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}
