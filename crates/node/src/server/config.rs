//! What a server is started with.

use crate::Node;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// What an [`super::ApiServer`] needs.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// Where to listen, for HTTP and WebSocket alike; port 0 lets the system choose.
    pub listen: SocketAddr,
    /// Allows unencrypted connections beyond this machine: inside a tunnel, a private network, or behind a proxy that
    /// adds TLS. Otherwise only loopback addresses are listened on.
    pub allow_plain_remote: bool,
    /// Names under which the server is reached, without port. IP addresses and `localhost` need no entry; any other name
    /// is refused, so that no web page reaches the node by a name that its owner points here.
    pub hosts: Vec<String>,
    /// Web pages that may call from a browser, as `https://wallet.example`. All others are refused.
    pub origins: Vec<String>,
    /// Bounds of time and memory.
    pub limits: ServerLimits,
    /// The nodes behind the served interface, if they are of this process: `/ready` asks their stores, `/metrics` shows what
    /// they measure.
    pub nodes: Vec<Node>,
    /// Where the nodes' stores are: `/ready` tries from time to time whether something can be written there.
    pub directories: Vec<PathBuf>,
}

impl ServerConfig {
    /// With the default limits, for clients that are not browsers.
    pub fn new(listen: SocketAddr) -> ServerConfig {
        ServerConfig {
            listen,
            allow_plain_remote: false,
            hosts: Vec::new(),
            origins: Vec::new(),
            limits: ServerLimits::default(),
            nodes: Vec::new(),
            directories: Vec::new(),
        }
    }

    pub(super) fn check(&self) -> Result<(), ServerError> {
        if !self.listen.ip().is_loopback() && !self.allow_plain_remote {
            return Err(ServerError::PlainListen(self.listen));
        }
        self.limits.check()
    }
}

/// Bounds of time and memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerLimits {
    /// Open connections; one more is closed at once.
    pub max_connections: usize,
    /// Bytes of a request, a batch included.
    pub max_request_bytes: usize,
    /// Calls in a batch.
    pub max_batch: usize,
    /// Calls under way, over all connections.
    pub max_calls: usize,
    /// Calls under way on one WebSocket; more are not read before some have ended.
    pub max_calls_per_connection: usize,
    /// Subscriptions on one WebSocket.
    pub max_subscriptions: usize,
    /// Messages that wait for one WebSocket. A subscriber that is further behind is served from what the node holds, as
    /// long as it holds it.
    pub max_queue: usize,
    /// From connecting, or the end of a request, to the end of the next request's headers.
    pub header_timeout: Duration,
    /// From the headers to the end of the body.
    pub body_timeout: Duration,
    /// A client that takes not a byte for so long is disconnected.
    pub write_timeout: Duration,
    /// How often a WebSocket is pinged; one that is silent three times as long is closed.
    pub ping_interval: Duration,
}

impl Default for ServerLimits {
    fn default() -> ServerLimits {
        ServerLimits {
            max_connections: 4096,
            max_request_bytes: 4 << 20,
            max_batch: 100,
            max_calls: 1024,
            max_calls_per_connection: 64,
            max_subscriptions: 32,
            max_queue: 64,
            header_timeout: Duration::from_secs(15),
            body_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(30),
            ping_interval: Duration::from_secs(20),
        }
    }
}

impl ServerLimits {
    fn check(&self) -> Result<(), ServerError> {
        let counts = [
            ("max_connections", self.max_connections),
            ("max_request_bytes", self.max_request_bytes),
            ("max_batch", self.max_batch),
            ("max_calls", self.max_calls),
            ("max_calls_per_connection", self.max_calls_per_connection),
            ("max_subscriptions", self.max_subscriptions),
            ("max_queue", self.max_queue),
        ];
        let times = [
            ("header_timeout", self.header_timeout),
            ("body_timeout", self.body_timeout),
            ("write_timeout", self.write_timeout),
            ("ping_interval", self.ping_interval),
        ];
        let count = counts.into_iter().find(|(_, count)| *count == 0).map(|(name, _)| name);
        let time = times.into_iter().find(|(_, time)| time.is_zero()).map(|(name, _)| name);
        count.or(time).map_or(Ok(()), |name| Err(ServerError::Limit(name)))
    }
}

/// A server that cannot start.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The address is taken or not ours.
    #[error("cannot listen on {address}: {source}; choose another port for the API, or stop what uses it")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The system's error.
        source: std::io::Error,
    },
    /// Others could read the tokens.
    #[error(
        "serving the API on {0} would send tokens unencrypted; listen on 127.0.0.1 behind a proxy that adds TLS, or \
         allow plain remote connections explicitly if the network is private"
    )]
    PlainListen(SocketAddr),
    /// Nothing would work.
    #[error("the API's limit {0} must be above zero")]
    Limit(&'static str),
}
