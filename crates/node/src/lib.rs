//! The tokio shell around the engine: a node to embed.

mod shell;
pub mod transport;

pub use shell::{Capacity, NewChannel, Node, NodeConfig, NodeError, StartError, SystemRng};
