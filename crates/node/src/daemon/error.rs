//! Why a node does not start, with the next step.

use crate::StartError;
use crate::server::{ServerError, TokensError};
use crate::service::ServiceError;
use crate::transport::{NetworkError, TlsError};
use std::path::PathBuf;
use strait_chain::rpc::ConnectError;
use strait_engine::ports::StoreError;

/// Why a node does not start.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// There is nothing to serve.
    #[error("no chain is configured; run `strait init`, or add a [chains.NAME] section to strait.toml")]
    NoChain,
    /// Nobody could reach it.
    #[error("a tower must listen, and node.listen is off; give it an address, such as 0.0.0.0:4040")]
    TowerListensNowhere,
    /// Another process has the home directory.
    #[error(
        "a node runs in {0} already, or `strait exit` leaves its channels; let that end or stop it first, or give this one another --home"
    )]
    Running(PathBuf),
    /// A file or directory.
    #[error("{path} cannot be used: {source}; check its owner, its permissions and the disk")]
    Io {
        /// Which one.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// An endpoint's address.
    #[error("chain {chain}: the endpoint '{url}' is no address: {reason}; correct chains.{chain}.rpc")]
    Url {
        /// The chain's name.
        chain: String,
        /// Without secrets.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The chain is not what was configured.
    #[error("chain {chain}: {source}; the values are in [chains.{chain}] of strait.toml")]
    Chain {
        /// The chain's name.
        chain: String,
        /// What was found.
        source: ConnectError,
    },
    /// Deadlines would be missed, or believed to be over.
    #[error(
        "chain {chain}: the clock of this machine is {seconds} seconds {direction} the chain's newest block; set the clock (timedatectl set-ntp true), or set chains.{chain}.check_clock = false if the chain's time is not real"
    )]
    Clock {
        /// The chain's name.
        chain: String,
        /// By how much.
        seconds: u64,
        /// `ahead of` or `behind`.
        direction: &'static str,
    },
    /// The peers' port.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// The configured certificate.
    #[error("the certificate of [tls] does not work: {0}")]
    Tls(#[from] TlsError),
    /// The data directory of a chain.
    #[error("chain {chain}: {source}")]
    Store {
        /// The chain's name.
        chain: String,
        /// The store's error.
        source: StoreError,
    },
    /// A node.
    #[error("chain {chain}: {source}")]
    Node {
        /// The chain's name.
        chain: String,
        /// Why.
        source: StartError,
    },
    /// The service.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// The API's port.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// The port of a tower's figures.
    #[error("figures can't be served at {listen}: {source}; give tower.metrics another port")]
    Figures {
        /// The address.
        listen: std::net::SocketAddr,
        /// The system's error.
        source: std::io::Error,
    },
    /// The file of tokens.
    #[error(transparent)]
    Tokens(#[from] TokensError),
    /// The token for commands.
    #[error("no token for commands on this machine can be made: {0}")]
    AdminToken(String),
    /// The system gives no thread.
    #[error("the system gives no thread: {0}; raise the limit on threads")]
    Thread(String),
}
