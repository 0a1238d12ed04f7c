use std::path::PathBuf;
use strait_chain::rpc::{ConnectError, JournalError};
use strait_engine::ports::StoreError;
use strait_node::StartError;
use strait_node::keystore::KeystoreError;
use strait_node::server::{ServerError, TokensError};
use strait_node::service::ServiceError;

/// Why an embedded node does not start or serve.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// No place for the data.
    #[error("the directory {} cannot be made: {error}; choose another one", path.display())]
    Directory {
        /// Which.
        path: PathBuf,
        /// The system's error.
        error: std::io::Error,
    },
    /// The key's file cannot be used.
    #[error(transparent)]
    Key(#[from] KeystoreError),
    /// The data cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The node does not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The service does not start.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// The chain cannot be used.
    #[error(transparent)]
    Chain(#[from] ConnectError),
    /// What was sent to the chain cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The tokens cannot be used.
    #[error(transparent)]
    Tokens(#[from] TokensError),
    /// The API cannot be served.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// A bug.
    #[error("a task of the start panicked, which is a bug; please report it: {0}")]
    Panicked(#[from] tokio::task::JoinError),
}
