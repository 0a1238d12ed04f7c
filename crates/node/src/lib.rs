//! The tokio shell around the engine: a node to embed.

pub mod config;
mod shell;
pub mod transport;

pub use shell::{Capacity, NewChannel, Node, NodeConfig, NodeError, StartError, SystemRng};
