//! The tokio shell around the engine: a node to embed.

pub mod config;
pub mod daemon;
mod files;
pub mod keystore;
pub mod server;
pub mod service;
mod shell;
pub mod transport;

pub use shell::{
    Capacity, NewChannel, Node, NodeConfig, NodeError, StartError, SystemClock, SystemRng, TowerState,
    Watchtower, WatchtowerConfig,
};
