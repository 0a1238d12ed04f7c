//! Strait for programs: a node to embed, and a client for a node elsewhere, behind one interface.
//!
//! Both implement [`Api`] and [`Subscribe`], so a program that is written against the traits does not care which it has.

mod client;

pub use client::{Client, ClientConfig};
pub use strait_api::*;
pub use strait_types::{Address, Amount, B256, ChannelId, U256};
