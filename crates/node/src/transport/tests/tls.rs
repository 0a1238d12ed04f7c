//! Encrypted connections, and who must not get between them.

use super::*;
use crate::transport::handshake::{Session, initiate};
use crate::transport::tls;
use futures_util::SinkExt;
use std::net::{Ipv4Addr, SocketAddr};
use strait_types::B256;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message;

const LOOPBACK: std::net::IpAddr = std::net::IpAddr::V4(Ipv4Addr::LOCALHOST);

fn certificate() -> TlsIdentity {
    TlsIdentity::self_signed().expect("made")
}

/// Both ends of a TLS session over a stream in memory: the dialling one and the listening one.
async fn session() -> (BoundLink, BoundLink) {
    let (near, far) = duplex(PIPE_BYTES);
    let certificate = certificate();
    let (near, far) = tokio::join!(tls::connect(near, "peer", LOOPBACK), tls::accept(&certificate, far));
    (near.expect("TLS"), far.expect("TLS"))
}

type Outcome = Result<Session, HandshakeError>;

/// A handshake in which 1 dials 2.
async fn shake(near: BoundLink, far: BoundLink) -> (Outcome, Outcome) {
    let (one, two) = (identity(1), identity(2));
    let near = async {
        let mut socket = StrangerSocket::dialled(near, "peer:1").await.expect("upgrades");
        initiate(&mut socket, &one, address(2)).await
    };
    let far = async {
        let mut socket = StrangerSocket::accepted(far).await.expect("upgrades");
        let Accepted { session, proof } = accept(&mut socket, &two).await?;
        socket.socket.send(Message::Binary(proof)).await.expect("open");
        Ok(session)
    };
    tokio::join!(near, far)
}

#[tokio::test]
async fn both_ends_of_a_session_share_a_binding_that_no_other_has() {
    let (near, far) = session().await;
    assert_eq!(near.binding, far.binding);
    assert_ne!(near.binding, B256::ZERO);
    assert_ne!(near.binding, session().await.0.binding);
    let (near, far) = shake(near, far).await;
    assert_eq!((near.map(|s| s.peer), far.map(|s| s.peer)), (Ok(address(2)), Ok(address(1))));
}

#[tokio::test]
async fn who_ends_tls_in_between_and_passes_all_on_is_found_out() {
    let (near, mut middle_far) = session().await;
    let (mut middle_near, far) = session().await;
    let pass_on = async move {
        // Ends when either side hangs up.
        let _over = copy_bidirectional(&mut middle_far.link, &mut middle_near.link).await;
    };
    let ((near, far), ()) = tokio::join!(shake(near, far), pass_on);
    assert_eq!(far, Err(HandshakeError::BadProof(address(1))));
    assert_eq!(near, Err(HandshakeError::Rejected(Rejection::BadProof)));
}

#[tokio::test]
async fn who_takes_tls_away_in_between_is_found_out() {
    let (near, mut middle_far) = session().await;
    let (mut middle_near, far) = duplex(PIPE_BYTES);
    let pass_on = async move {
        let _over = copy_bidirectional(&mut middle_far.link, &mut middle_near).await;
    };
    let ((near, far), ()) = tokio::join!(shake(near, Box::new(far).into()), pass_on);
    assert_eq!(far, Err(HandshakeError::BadProof(address(1))));
    assert_eq!(near, Err(HandshakeError::Rejected(Rejection::BadProof)));
}

/// What a node makes of a connection that comes `from` somewhere: its error, if any, and the client's end.
async fn knock(
    from: SocketAddr,
    by_tls: bool,
    allow_plain_remote: bool,
) -> (Option<HandshakeError>, Outcome) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let place = listener.local_addr().expect("bound");
    let (node, _events) = node(2);
    let door = Door::new(node.limits, Some(certificate()), allow_plain_remote);
    door.join(&node).expect("the only one");
    let client = async {
        let stream = TcpStream::connect(place).await.expect("accepts");
        let link = if by_tls {
            tls::connect(stream, "peer", place.ip()).await.expect("TLS")
        } else {
            Box::new(stream).into()
        };
        let mut socket = StrangerSocket::dialled(link, "peer:1").await.expect("upgrades");
        initiate(&mut socket, &identity(1), address(2)).await
    };
    let server = async {
        let (stream, _) = listener.accept().await.expect("somebody comes");
        listener::receive(&door, stream, from).await.err()
    };
    let (client, server) = tokio::join!(client, server);
    (server, client)
}

#[tokio::test]
async fn one_port_takes_tls_from_everywhere_and_plain_from_this_machine() {
    let (remote, local) = (SocketAddr::from(([192, 0, 2, 1], 5)), SocketAddr::from(([127, 0, 0, 1], 5)));
    for (from, by_tls, allowed) in
        [(remote, true, false), (local, true, false), (local, false, false), (remote, false, true)]
    {
        let (error, client) = knock(from, by_tls, allowed).await;
        assert_eq!((error, client.map(|session| session.peer)), (None, Ok(address(2))), "{from} {by_tls}");
    }
    let (error, client) = knock(remote, false, false).await;
    assert_eq!(error, Some(HandshakeError::PlainRemote));
    assert_eq!(client, Err(HandshakeError::Rejected(Rejection::NeedsTls)));
}

#[tokio::test]
async fn a_node_listens_everywhere_with_a_certificate_of_its_own() {
    let everywhere = Listen::At(SocketAddr::from(([0, 0, 0, 0], 0)));
    let started = Network::start(NetworkConfig { listen: everywhere, ..config(1) }).await;
    assert!(started.is_ok());
}

#[tokio::test]
async fn web_pages_are_refused() {
    let (network, _events) = start(1).await;
    let mut stream = TcpStream::connect(network.local_addr().expect("listens")).await.expect("accepts");
    let request = "GET / HTTP/1.1\r\nHost: node\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                   Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                   Origin: https://example.org\r\n\r\n";
    stream.write_all(request.as_bytes()).await.expect("open");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("text");
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
}

#[test]
fn certificates_are_read_from_pem_with_their_own_key_only() {
    let make = || rcgen::generate_simple_self_signed(vec!["node.example.org".to_owned()]).expect("made");
    let (one, other) = (make(), make());
    let certificate = one.cert.pem();
    let fits = TlsIdentity::from_pem(certificate.as_bytes(), one.signing_key.serialize_pem().as_bytes());
    assert!(fits.is_ok(), "{fits:?}");
    let wrong = TlsIdentity::from_pem(certificate.as_bytes(), other.signing_key.serialize_pem().as_bytes());
    assert!(matches!(wrong, Err(TlsError::Unusable(_))), "{wrong:?}");
    let swapped = TlsIdentity::from_pem(certificate.as_bytes(), certificate.as_bytes());
    assert!(matches!(swapped, Err(TlsError::Unreadable { what: "private key", .. })), "{swapped:?}");
}
