//! Why no connection comes about.

use super::message::{HandshakeMessage, LinkKind, MessageError, Rejection, WireRange};
use std::net::SocketAddr;
use strait_protocol::SignerError;
use strait_types::{Address, Domain};

/// A handshake that failed, as this side sees it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HandshakeError {
    /// The other side broke the connection, or something on the way did.
    #[error("the connection broke during the handshake: {0}")]
    Broken(String),
    /// It took too long.
    #[error("the other side did not finish the handshake in time; check that a Strait node listens there")]
    TimedOut,
    /// Bytes that are no handshake message.
    #[error(transparent)]
    Unreadable(#[from] MessageError),
    /// A handshake message at the wrong moment.
    #[error("the other side broke the order of the handshake; update the older of the two nodes")]
    OutOfOrder,
    /// The releases are too far apart.
    #[error(
        "the peer speaks wire versions {} to {}, this release {} to {}; update the older of the two nodes",
        .0.oldest, .0.newest, WireRange::OURS.oldest, WireRange::OURS.newest
    )]
    NoCommonVersion(WireRange),
    /// The peer serves another chain or adjudicator.
    #[error(
        "the peer serves chain {chain_id} with adjudicator {adjudicator}, this node chain {} with {}; configure both alike",
        .ours.chain_id(), .ours.adjudicator()
    )]
    OtherDomain {
        /// The peer's chain.
        chain_id: u64,
        /// The peer's adjudicator.
        adjudicator: Address,
        /// What this node serves.
        ours: Domain,
    },
    /// A node was taken for a tower, or a tower for a peer.
    #[error("{}", other_kind(*.0))]
    OtherKind(LinkKind),
    /// Somebody else answers at the peer's address.
    #[error("{actual} answers there, not {expected}; ask the peer for its current address")]
    WrongIdentity {
        /// Who was dialled.
        expected: Address,
        /// Who claims to be there.
        actual: Address,
    },
    /// The other side claims this node's own key.
    #[error(
        "the other side has this node's own signer key; do not dial yourself, and give every node a key of its own"
    )]
    OwnIdentity,
    /// The signature is not by the claimed key, or not on this handshake.
    #[error("the other side claims to be {0} but cannot prove it; do not trust what answers at that address")]
    BadProof(Address),
    /// The other side refuses, and says why.
    #[error("the peer refuses: {0}")]
    Rejected(Rejection),
    /// An unencrypted connection from another machine.
    #[error("an unencrypted connection from another machine was refused; the peer must dial by TLS")]
    PlainRemote,
    /// The listener serves nobody any more.
    #[error("no network takes connections here any more")]
    NoNetwork,
    /// Our own key cannot be used.
    #[error(transparent)]
    Signer(#[from] SignerError),
    /// The system gives no random bytes.
    #[error("the operating system gives no random bytes: {0}")]
    NoRandomness(String),
}

/// What is wrong, by what this side is.
fn other_kind(ours: LinkKind) -> &'static str {
    match ours {
        LinkKind::Peer => {
            "the other side looks for a tower, and this is a node; its operator has to correct the tower's address"
        }
        LinkKind::Tower => {
            "the other side speaks as a peer, not as between a node and its tower; its operator has to correct the address"
        }
    }
}

impl HandshakeError {
    /// What to tell the other side, if it can be told.
    pub(super) fn rejection(&self, ours: &Domain) -> Option<Rejection> {
        Some(match self {
            HandshakeError::Unreadable(_) | HandshakeError::OutOfOrder => Rejection::Malformed,
            HandshakeError::NoCommonVersion(_) => Rejection::NoCommonVersion(WireRange::OURS),
            HandshakeError::OtherDomain { .. } => {
                Rejection::OtherDomain { chain_id: ours.chain_id(), adjudicator: ours.adjudicator() }
            }
            HandshakeError::OtherKind(LinkKind::Peer) => Rejection::NoTower,
            HandshakeError::OtherKind(LinkKind::Tower) => Rejection::NoNode,
            HandshakeError::WrongIdentity { expected, .. } => {
                Rejection::WrongIdentity { expected: *expected }
            }
            HandshakeError::OwnIdentity => Rejection::OwnIdentity,
            HandshakeError::BadProof(_) => Rejection::BadProof,
            HandshakeError::Signer(_) | HandshakeError::NoRandomness(_) => Rejection::NoKey,
            HandshakeError::PlainRemote => Rejection::NeedsTls,
            HandshakeError::NoNetwork => Rejection::ShuttingDown,
            HandshakeError::Broken(_) | HandshakeError::TimedOut | HandshakeError::Rejected(_) => {
                return None;
            }
        })
    }
}

impl From<HandshakeMessage> for HandshakeError {
    /// An unexpected message: a rejection, or one out of order.
    fn from(message: HandshakeMessage) -> HandshakeError {
        match message {
            HandshakeMessage::Reject(rejection) => HandshakeError::Rejected(rejection),
            HandshakeMessage::Hello(_) | HandshakeMessage::Proof(_) => HandshakeError::OutOfOrder,
        }
    }
}

/// An attempt to reach a peer that failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DialError {
    /// The name has no address.
    #[error("the host {host} is not found: {reason}; check the peer's address and your DNS")]
    UnknownHost {
        /// The name.
        host: String,
        /// The system's error.
        reason: String,
    },
    /// What answers does not speak TLS.
    #[error(
        "no TLS connection with {place}: {reason}; check that a Strait node listens there, and that no proxy in between ends TLS"
    )]
    Tls {
        /// Where.
        place: SocketAddr,
        /// What went wrong.
        reason: String,
    },
    /// Nobody answers.
    #[error("nobody answers at {place}: {reason}; check that the peer runs and that its port is open")]
    Unreachable {
        /// `host:port`.
        place: String,
        /// The system's error.
        reason: String,
    },
    /// It answers, but no authenticated connection came about.
    #[error(transparent)]
    Handshake(#[from] HandshakeError),
}
