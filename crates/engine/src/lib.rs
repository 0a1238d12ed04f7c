//! Drives many channels over the ports. Pure: time, randomness and I/O come in as inputs and go out as effects.
//!
//! The order of things, which the types enforce: [`Engine::handle`] any number of inputs, [`Engine::round`] once,
//! [`Staged::commit`] to a store, and only then perform the [`Effect`]s that the commit hands out.

#![deny(clippy::disallowed_methods, clippy::iter_over_hash_type)]

mod alarms;
mod apps;
mod calls;
mod chain;
mod children;
mod connecting;
mod engine;
mod halt;
mod input;
mod offers;
mod peers;
mod policy;
pub mod ports;
mod proposals;
mod recover;
mod registry;
mod staged;
mod status;
mod table;
pub mod tower;
mod towers;
mod unfunded;

pub use alarms::Alarms;
pub use calls::{Allowance, CallKey, Submission, SubmissionKey};
pub use engine::{ChannelRef, Engine};
pub use input::{Effect, EngineError, Input, Notice, TowerEffect, TowerInput};
pub use policy::{Policy, PolicyError, Starts};
pub use proposals::Proposal;
pub use recover::EngineRecoverError;
pub use staged::Staged;
pub use status::{AccountStatus, BlockView, ChainStatus, DisputeStatus, HaltView, PeerView, Status};
pub use towers::{HandoverConfig, TowerView};
