//! Errors of the node.

use crate::transport::NetworkError;
use strait_engine::ports::{RngError, StoreError};
use strait_engine::{EngineError, EngineRecoverError};
use strait_protocol::CommandError;
use strait_types::ChannelId;

/// Why a node does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store cannot be used with this chain or key.
    #[error(transparent)]
    Recover(#[from] EngineRecoverError),
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The network cannot be started.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// The system gives no thread.
    #[error("the system gives no thread: {0}; raise the limit on threads")]
    Thread(std::io::Error),
    /// A bug: the recovery panicked.
    #[error(
        "recovering from the store failed by a bug, the log says where; please report it, and keep the data"
    )]
    Recovery,
}

/// Why the node did not do what it was asked; nothing has moved unless it says so.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The channel did not carry out the command.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// The engine did not take the command.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// No such channel.
    #[error("no channel {0} is known here; list the channels, or open one")]
    UnknownChannel(ChannelId),
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Too much waits already; see [`crate::Capacity`].
    #[error(
        "{commands} commands of {bytes} bytes wait already; repeat this one when some have ended, or raise the node's capacity"
    )]
    Busy {
        /// How many wait.
        commands: usize,
        /// How many bytes they take.
        bytes: usize,
    },
    /// The system gives no randomness for a nonce.
    #[error(transparent)]
    Rng(#[from] RngError),
    /// The node has stopped; what was not answered may or may not have happened, the history tells after a restart.
    #[error("the node has stopped: {0}; start it again, its history shows what was done")]
    Stopped(String),
    /// A bug: the engine answered another question.
    #[error("the engine gave an answer to another question; this is a bug, please report it")]
    Mismatch,
}
