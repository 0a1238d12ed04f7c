//! What a network is started with.

use super::listener::Listener;
use super::message::LinkKind;
use super::tls::TlsError;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use strait_protocol::{MAX_FRAME_BYTES, Signer};
use strait_types::{Address, Domain};

/// What a [`super::Network`] needs.
#[derive(Clone)]
pub struct NetworkConfig {
    /// Where peers can connect.
    pub listen: Listen,
    /// The key that this node proves to hold.
    pub signer: Arc<dyn Signer>,
    /// Peers of another chain or adjudicator are refused.
    pub domain: Domain,
    /// Where channels pay this node out; peers are told.
    pub payout: Address,
    /// Takes and opens unencrypted connections beyond this machine: inside a tunnel or a private network. Otherwise
    /// only connections within the machine are unencrypted.
    pub allow_plain_remote: bool,
    /// What its connections are for.
    pub kind: LinkKind,
    /// Bounds of time and memory.
    pub limits: Limits,
}

/// Where peers can connect.
#[derive(Clone, Debug, Default)]
pub enum Listen {
    /// Nowhere: this node only dials.
    #[default]
    Off,
    /// At a port of its own, with a certificate that it makes.
    At(SocketAddr),
    /// At a port that may serve networks of other chains too.
    On(Listener),
}

/// Bounds of time and memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// From the first packet until both sides are authenticated.
    pub handshake_timeout: Duration,
    /// Incoming connections that are not authenticated yet; one more drops the oldest of them.
    pub max_handshakes: usize,
    /// Authenticated connections opened by peers that this node was not told to keep.
    pub max_incoming: usize,
    /// Bytes that wait for one peer; more disconnects it.
    pub max_queue_bytes: usize,
    /// Bytes received from all peers that the application has not taken yet; more stops reading.
    pub max_event_bytes: usize,
    /// How often a ping is sent.
    pub ping_interval: Duration,
    /// A peer from which not a byte comes for so long is gone.
    pub silence_timeout: Duration,
    /// Pause before the first redial, doubled with every failure; the real one is a random half to whole of it.
    pub min_backoff: Duration,
    /// Longest pause between redials.
    pub max_backoff: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            handshake_timeout: Duration::from_secs(10),
            max_handshakes: 64,
            max_incoming: 1024,
            max_queue_bytes: 16 << 20,
            max_event_bytes: 64 << 20,
            ping_interval: Duration::from_secs(15),
            silence_timeout: Duration::from_secs(45),
            min_backoff: Duration::from_millis(250),
            max_backoff: Duration::from_secs(60),
        }
    }
}

/// A network that cannot start.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// The address is taken or not ours.
    #[error("cannot listen on {address}: {source}; choose another port, or stop what uses it")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The system's error.
        source: std::io::Error,
    },
    /// A listener serves each chain once.
    #[error(
        "this port serves a network of chain {chain_id} with the same adjudicator already; configure it once"
    )]
    SameDomain {
        /// The chain.
        chain_id: u64,
    },
    /// No certificate.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Limits with which no node could work.
    #[error("the transport limits do not work: {0}")]
    Limits(&'static str),
}

impl Limits {
    /// Whether a network can work with them.
    pub(super) fn check(&self) -> Result<(), NetworkError> {
        let budget = u32::try_from(self.max_event_bytes).unwrap_or(0);
        let problem = if self.max_queue_bytes < 2 * MAX_FRAME_BYTES {
            "max_queue_bytes must be at least 8 MiB, two of the largest frames"
        } else if self.max_event_bytes < 2 * MAX_FRAME_BYTES || budget == 0 {
            "max_event_bytes must be between 8 MiB and 4 GiB"
        } else if self.silence_timeout <= self.ping_interval {
            "silence_timeout must be longer than ping_interval, else live peers are dropped"
        } else if self.ping_interval.is_zero() || self.handshake_timeout.is_zero() {
            "ping_interval and handshake_timeout must be above zero"
        } else if self.min_backoff.is_zero() || self.max_backoff < self.min_backoff {
            "min_backoff must be above zero and at most max_backoff"
        } else if self.max_handshakes == 0 {
            "max_handshakes must be at least 1"
        } else {
            return Ok(());
        };
        Err(NetworkError::Limits(problem))
    }
}
