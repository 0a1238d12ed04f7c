//! Tests of the transport as a whole. Those with timers run on streams in memory under tokio's paused clock.

mod handshake;
mod hostile;
mod life;
mod messages;
mod network;
mod rivals;
mod shared_port;
mod tls;

use super::dial;
use super::handshake::{Accepted, Identity};
use super::link::{BoundLink, Link, StrangerSocket};
use super::listener::{self, Door};
use super::network::Shared;
use super::*;
use std::sync::Arc;
use std::time::Duration;
use strait_types::{Address, Domain, SigningKey};
use tokio::io::{DuplexStream, duplex};
use tokio_util::sync::CancellationToken;

/// Room in a stream in memory, as an operating system might give a socket.
const PIPE_BYTES: usize = 64 << 10;

fn key(byte: u8) -> SigningKey {
    SigningKey::from_bytes([byte; 32]).expect("in range")
}

fn address(byte: u8) -> Address {
    key(byte).address()
}

fn domain() -> Domain {
    Domain::new(31337, Address::repeat_byte(0xad))
}

fn identity(byte: u8) -> Identity {
    Identity { signer: Arc::new(key(byte)), domain: domain(), payout: payout(byte), kind: LinkKind::Peer }
}

fn payout(byte: u8) -> Address {
    Address::repeat_byte(byte)
}

/// Takes a connection for a node over a stream in memory.
async fn welcome(node: &Arc<Shared>, link: impl Into<BoundLink>) -> Result<(), HandshakeError> {
    let door = Door::new(node.limits, None, false);
    door.join(node).expect("the only one");
    listener::welcome(&door, link.into()).await
}

/// Shakes hands as the side that listened.
async fn accept(socket: &mut StrangerSocket, us: &Identity) -> Result<Accepted, HandshakeError> {
    let hello = super::handshake::receive_hello(socket).await;
    super::handshake::accept(socket, us, hello).await
}

fn config(byte: u8) -> NetworkConfig {
    NetworkConfig {
        listen: Listen::At(([127, 0, 0, 1], 0).into()),
        signer: Arc::new(key(byte)),
        domain: domain(),
        payout: payout(byte),
        allow_plain_remote: false,
        kind: LinkKind::Peer,
        limits: Limits { min_backoff: Duration::from_millis(1), ..Limits::default() },
    }
}

/// A node without sockets: connections are handed to it.
fn node(byte: u8) -> (Arc<Shared>, NetworkEvents) {
    Shared::new(config(byte))
}

fn peer_address(byte: u8) -> PeerAddress {
    PeerAddress::new(address(byte), "localhost", 1).expect("well formed")
}

async fn start(byte: u8) -> (Network, NetworkEvents) {
    Network::start(config(byte)).await.expect("starts")
}

fn address_of(byte: u8, network: &Network) -> PeerAddress {
    let local = network.local_addr().expect("listens");
    PeerAddress::new(address(byte), &local.ip().to_string(), local.port()).expect("well formed")
}

/// Both ends of an upgraded connection: the initiator's and the acceptor's.
async fn sockets() -> (StrangerSocket, StrangerSocket) {
    let (near, far) = duplex(PIPE_BYTES);
    let (near, far) = tokio::join!(
        StrangerSocket::dialled(Box::new(near).into(), "peer:1"),
        StrangerSocket::accepted(Box::new(far).into())
    );
    (near.expect("upgrades"), far.expect("upgrades"))
}

/// A client of `node` that has shaken hands as `byte` and is under the test's control from there on.
async fn client(node: &Arc<Shared>, byte: u8) -> Result<StrangerSocket, HandshakeError> {
    client_over(node, byte, |far| far).await
}

/// The same, with the node's end of the stream wrapped.
async fn client_over<L: Link + 'static>(
    node: &Arc<Shared>,
    byte: u8,
    wrap: impl FnOnce(DuplexStream) -> L,
) -> Result<StrangerSocket, HandshakeError> {
    let (near, far) = duplex(PIPE_BYTES);
    let far = wrap(far);
    let welcome = async { welcome(node, Box::new(far)).await.expect("the client is honest") };
    let shake = async {
        let mut socket = StrangerSocket::dialled(Box::new(near).into(), "node:1").await.expect("upgrades");
        let us = node.identity.signer.address();
        super::handshake::initiate(&mut socket, &identity(byte), us).await.map(|_session| socket)
    };
    let ((), socket) = tokio::join!(welcome, shake);
    socket
}

/// Lets `from` dial `to` over a stream in memory.
async fn link_up(from: &Arc<Shared>, to: (&Arc<Shared>, u8)) -> Result<(), DialError> {
    link_up_until(from, to, &CancellationToken::new()).await
}

/// The same by a dial that may be given up.
async fn link_up_until(
    from: &Arc<Shared>,
    to: (&Arc<Shared>, u8),
    stop: &CancellationToken,
) -> Result<(), DialError> {
    let (near, far): (DuplexStream, DuplexStream) = duplex(PIPE_BYTES);
    let target = peer_address(to.1);
    let (greeted, welcomed) =
        tokio::join!(dial::greet(from, Box::new(near).into(), &target, stop), welcome(to.0, Box::new(far)));
    welcomed?;
    greeted.map(|_live| ())
}

fn connected(byte: u8) -> Option<NetworkEvent> {
    Some(NetworkEvent::Connected { peer: address(byte), payout: payout(byte) })
}

fn frame(byte: u8, bytes: impl Into<bytes::Bytes>) -> Option<NetworkEvent> {
    Some(NetworkEvent::Frame { peer: address(byte), bytes: bytes.into() })
}

fn disconnected(byte: u8, reason: DisconnectReason) -> Option<NetworkEvent> {
    Some(NetworkEvent::Disconnected { peer: address(byte), reason })
}

/// The reason of the next event, which must be a disconnection.
async fn reason(events: &mut NetworkEvents) -> DisconnectReason {
    match events.recv().await {
        Some(NetworkEvent::Disconnected { reason, .. }) => reason,
        other => panic!("expected a disconnection, got {other:?}"),
    }
}
