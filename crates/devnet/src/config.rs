//! How a devnet starts.

use std::net::SocketAddr;
use std::time::Duration;

/// When blocks are made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mining {
    /// A block for every transaction, at once.
    Instant,
    /// A block of what waits, every so often.
    Interval(Duration),
    /// Only when a client asks for it.
    Manual,
}

/// How a devnet starts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DevnetConfig {
    /// Where it listens, for HTTP and WebSocket alike; port 0 takes a free one.
    pub listen: SocketAddr,
    /// EIP-155 id.
    pub chain_id: u64,
    /// When blocks are made.
    pub mining: Mining,
    /// Unix seconds at which the chain's clock starts; none takes the present.
    pub genesis_time: Option<u64>,
}

impl Default for DevnetConfig {
    fn default() -> Self {
        DevnetConfig {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            chain_id: 31_337,
            mining: Mining::Instant,
            genesis_time: None,
        }
    }
}

/// Why a devnet does not start.
#[derive(Debug, thiserror::Error)]
pub enum DevnetError {
    /// The address is taken, or not of this machine.
    #[error("cannot listen at {address}: {source}; choose another port, or port 0 for any free one")]
    Listen {
        /// Where it should have listened.
        address: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
    /// A contract cannot be deployed: a bug.
    #[error(transparent)]
    Chain(#[from] strait_chain::dev::DevChainError),
    /// A test token cannot be minted: a bug.
    #[error("the accounts get no test tokens: {0}")]
    Mint(#[from] strait_chain::dev::PoolError),
    /// An interval of zero would make blocks without end.
    #[error("the time between blocks is zero; choose some, or let every transaction have its block at once")]
    NoInterval,
    /// The methods contradict each other: a bug.
    #[error("the JSON-RPC methods cannot be served: {0}")]
    Methods(#[from] jsonrpsee::server::RegisterMethodError),
}
