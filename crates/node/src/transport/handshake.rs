//! The signed handshake. The initiator speaks first; the acceptor signs only for who has proved a key, and sends its
//! own proof last, so that both know of each other's proof when the initiator holds it:
//!
//! ```text
//! initiator                      acceptor
//!   Hello ─────────────────────────▶
//!     ◀───────────────────────── Hello
//!   Proof ─────────────────────────▶   (admission)
//!     ◀───────────────────────── Proof
//! ```

use super::error::HandshakeError;
use super::link::StrangerSocket;
use super::message::{
    HandshakeMessage, Hello, LinkKind, MessageError, Rejection, Role, WireRange, proof_digest,
};
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use std::sync::Arc;
use std::time::Duration;
use strait_protocol::{Signer, SignerError};
use strait_types::{Address, B256, Domain, Signature};
use tokio_tungstenite::tungstenite::{self, Message};

/// How long a refused peer may take to read why.
const FAREWELL: Duration = Duration::from_secs(1);

/// This node, as the handshake presents it.
#[derive(Clone)]
pub(super) struct Identity {
    pub(super) signer: Arc<dyn Signer>,
    pub(super) domain: Domain,
    /// Where channels pay this node out.
    pub(super) payout: Address,
    /// What its connections are for.
    pub(super) kind: LinkKind,
}

/// What both sides agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Session {
    pub(super) peer: Address,
    /// Where the peer says that channels pay it out.
    pub(super) payout: Address,
    /// Version of the frames.
    pub(super) wire: u8,
    /// Features of both.
    pub(super) features: u64,
}

/// An initiator that proved who it is; our own proof is still to be sent.
pub(super) struct Accepted {
    pub(super) session: Session,
    pub(super) proof: Bytes,
}

/// Shakes hands as the side that dialled `expected`.
pub(super) async fn initiate(
    socket: &mut StrangerSocket,
    us: &Identity,
    expected: Address,
) -> Result<Session, HandshakeError> {
    let result = try_initiate(socket, us, expected).await;
    explain(socket, us, result).await
}

/// Shakes hands as the side that listened, from the other's hello up to its own proof.
pub(super) async fn accept(
    socket: &mut StrangerSocket,
    us: &Identity,
    hello: Result<(Bytes, Hello), HandshakeError>,
) -> Result<Accepted, HandshakeError> {
    let result = match hello {
        Ok(hello) => try_accept(socket, us, hello).await,
        Err(error) => Err(error),
    };
    explain(socket, us, result).await
}

async fn try_initiate(
    socket: &mut StrangerSocket,
    us: &Identity,
    expected: Address,
) -> Result<Session, HandshakeError> {
    let our_hello = us.hello()?;
    let binding = socket.binding;
    send(socket, our_hello.clone()).await?;
    let (their_hello, hello) = receive_hello(socket).await?;
    let session = us.agree(&hello)?;
    if session.peer != expected {
        return Err(HandshakeError::WrongIdentity { expected, actual: session.peer });
    }
    let digest = |role| proof_digest(role, &our_hello, &their_hello, binding);
    send(socket, us.prove(digest(Role::Initiator)).await?).await?;
    check_proof(socket, digest(Role::Acceptor), expected).await?;
    Ok(session)
}

async fn try_accept(
    socket: &mut StrangerSocket,
    us: &Identity,
    (their_hello, hello): (Bytes, Hello),
) -> Result<Accepted, HandshakeError> {
    let session = us.agree(&hello)?;
    let our_hello = us.hello()?;
    send(socket, our_hello.clone()).await?;
    let binding = socket.binding;
    let digest = |role| proof_digest(role, &their_hello, &our_hello, binding);
    check_proof(socket, digest(Role::Initiator), session.peer).await?;
    let proof = us.prove(digest(Role::Acceptor)).await?;
    Ok(Accepted { session, proof })
}

impl Identity {
    fn hello(&self) -> Result<Bytes, HandshakeError> {
        let mut nonce = B256::ZERO;
        getrandom::fill(nonce.as_mut_slice())
            .map_err(|error| HandshakeError::NoRandomness(error.to_string()))?;
        let hello = Hello {
            features: self.kind.features(),
            ..Hello::new(&self.domain, self.signer.address(), self.payout, nonce)
        };
        Ok(HandshakeMessage::Hello(hello).encode().into())
    }

    /// Whether we can talk at all.
    fn agree(&self, theirs: &Hello) -> Result<Session, HandshakeError> {
        let wire = WireRange::OURS.common(theirs.wire).ok_or(HandshakeError::NoCommonVersion(theirs.wire))?;
        let ours = self.domain;
        if (theirs.chain_id, theirs.adjudicator) != (ours.chain_id(), ours.adjudicator()) {
            let Hello { chain_id, adjudicator, .. } = *theirs;
            return Err(HandshakeError::OtherDomain { chain_id, adjudicator, ours });
        }
        if theirs.signer == self.signer.address() {
            return Err(HandshakeError::OwnIdentity);
        }
        if LinkKind::of(theirs.features) != self.kind {
            return Err(HandshakeError::OtherKind(self.kind));
        }
        let features = theirs.features & self.kind.features();
        Ok(Session { peer: theirs.signer, payout: theirs.payout, wire, features })
    }

    /// The key may be remote: signing must not hold up a thread of the runtime.
    async fn prove(&self, digest: B256) -> Result<Bytes, HandshakeError> {
        let signer = Arc::clone(&self.signer);
        let signature = tokio::task::spawn_blocking(move || signer.sign(digest))
            .await
            .map_err(|error| SignerError(error.to_string()))??;
        Ok(HandshakeMessage::Proof(signature).encode().into())
    }
}

/// The other side's first message, as it was sent and as it is read.
pub(super) async fn receive_hello(socket: &mut StrangerSocket) -> Result<(Bytes, Hello), HandshakeError> {
    let bytes = receive(socket).await?;
    match HandshakeMessage::decode(&bytes)? {
        HandshakeMessage::Hello(hello) => Ok((bytes, hello)),
        other => Err(other.into()),
    }
}

async fn check_proof(
    socket: &mut StrangerSocket,
    digest: B256,
    claimed: Address,
) -> Result<(), HandshakeError> {
    let signature: Signature = match HandshakeMessage::decode(&receive(socket).await?)? {
        HandshakeMessage::Proof(signature) => signature,
        other => return Err(other.into()),
    };
    signature.verify(digest, claimed).map_err(|_| HandshakeError::BadProof(claimed))
}

async fn send(socket: &mut StrangerSocket, bytes: Bytes) -> Result<(), HandshakeError> {
    socket.socket.send(Message::Binary(bytes)).await.map_err(broken)
}

async fn receive(socket: &mut StrangerSocket) -> Result<Bytes, HandshakeError> {
    loop {
        match socket.socket.next().await {
            Some(Ok(Message::Binary(bytes))) => return Ok(bytes),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
            Some(Ok(Message::Text(_) | Message::Frame(_))) => return Err(MessageError::NotStrait.into()),
            Some(Ok(Message::Close(_))) | None => {
                return Err(HandshakeError::Broken("the other side closed it".into()));
            }
            Some(Err(error)) => return Err(broken(error)),
        }
    }
}

/// A failure of the WebSocket layer during the handshake.
pub(super) fn broken(error: tungstenite::Error) -> HandshakeError {
    match error {
        tungstenite::Error::Io(_)
        | tungstenite::Error::ConnectionClosed
        | tungstenite::Error::AlreadyClosed
        | tungstenite::Error::Protocol(
            tungstenite::error::ProtocolError::ResetWithoutClosingHandshake
            | tungstenite::error::ProtocolError::HandshakeIncomplete,
        ) => HandshakeError::Broken(error.to_string()),
        other => MessageError::Malformed(other.to_string()).into(),
    }
}

/// Tells the other side why the handshake failed.
async fn explain<T>(
    socket: &mut StrangerSocket,
    us: &Identity,
    result: Result<T, HandshakeError>,
) -> Result<T, HandshakeError> {
    if let Err(error) = &result
        && let Some(rejection) = error.rejection(&us.domain)
    {
        reject(socket, rejection).await;
    }
    result
}

/// Ends the handshake with a reason. Waits a moment for the other side to hang up: closing first, with bytes of it
/// unread, would destroy the reason on its way.
pub(super) async fn reject(socket: &mut StrangerSocket, rejection: Rejection) {
    let farewell = async {
        if send(socket, HandshakeMessage::Reject(rejection).encode().into()).await.is_ok()
            && socket.socket.close(None).await.is_ok()
        {
            while let Some(Ok(_)) = socket.socket.next().await {}
        }
    };
    // Best effort: the other side may be gone.
    let _in_time = tokio::time::timeout(FAREWELL, farewell).await;
}
