//! Authenticated, ordered, framed messages between nodes that know each other by signer address.
//!
//! A [`Network`] listens, dials the peers given to [`Network::add_peer`] and keeps them connected; what happens
//! comes out of [`NetworkEvents`]. Below it lie TCP, WebSocket, and a signed handshake (`docs/transport.md`).
//!
//! **Order.** For each peer the events are `Connected`, then its frames in the order in which they were sent, then
//! `Disconnected`, and again. Frames may be lost when a connection ends, never within one.

mod address;
mod config;
mod connection;
mod dial;
mod error;
mod event;
mod handshake;
mod link;
mod listener;
mod message;
mod network;
mod outbox;
mod registry;
#[cfg(test)]
mod tests;
mod tls;
mod tower_address;

pub use address::{PeerAddress, PeerAddressError};
pub use config::{Limits, Listen, NetworkConfig, NetworkError};
pub use error::{DialError, HandshakeError};
pub use event::{DisconnectReason, NetworkEvent, NetworkEvents};
pub use listener::{Listener, ListenerConfig};
pub use message::{
    FEATURES, HANDSHAKE_VERSION, HandshakeMessage, Hello, LinkKind, MAX_HANDSHAKE_BYTES, MessageError,
    Rejection, Role, TOWER_LINK, WireRange, proof_digest,
};
pub use network::{Network, PeerStatus, SendError};
pub use tls::{TlsError, TlsIdentity};
pub use tower_address::{TowerAddress, TowerAddressError};
