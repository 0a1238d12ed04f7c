//! A watcher on the wire between two nodes: passes everything on, and keeps every signature on a state that it sees.

use futures_util::{SinkExt, StreamExt};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use strait_protocol::{Body, Frame};
use strait_types::{ChannelId, Side, Signature};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_tungstenite::tungstenite::Message;

/// Who signed which version of which channel.
type Signed = BTreeMap<(ChannelId, Side, u64), Signature>;

/// What was seen.
#[derive(Default)]
struct Seen {
    signed: Signed,
    frames: u64,
    faults: Vec<String>,
}

/// The watcher. The first participant dials it, it dials the second.
pub(crate) struct Wire {
    pub(crate) address: SocketAddr,
    target: watch::Sender<Option<SocketAddr>>,
    seen: Arc<Mutex<Seen>>,
}

impl Wire {
    pub(crate) async fn start() -> Wire {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let (target, targets) = watch::channel(None);
        let seen = Arc::new(Mutex::new(Seen::default()));
        let noted = seen.clone();
        tokio::spawn(async move {
            while let Ok((incoming, _)) = listener.accept().await {
                let target = *targets.borrow();
                // Nobody is there to be dialled while the second one is down.
                if let Some(target) = target {
                    tokio::spawn(relay(incoming, target, noted.clone()));
                }
            }
        });
        Wire { address, target, seen }
    }

    /// Where the second participant listens now; `None` while it does not.
    pub(crate) fn set_target(&self, target: Option<SocketAddr>) {
        self.target.send_replace(target);
    }

    /// How many versions both sides signed, and how many frames passed.
    ///
    /// # Panics
    /// When a side signed two states of one version, or a frame was at fault.
    pub(crate) fn check(&self) -> (u64, u64) {
        let seen = self.seen.lock().expect("not poisoned");
        assert!(seen.faults.is_empty(), "{:?}", seen.faults);
        (u64::try_from(seen.signed.len()).expect("few"), seen.frames)
    }
}

/// Ends when one of the two connections does.
async fn relay(incoming: TcpStream, target: SocketAddr, seen: Arc<Mutex<Seen>>) -> Option<()> {
    let outgoing = TcpStream::connect(target).await.ok()?;
    let url = format!("ws://{target}/");
    let (outgoing, _) = tokio_tungstenite::client_async(url, outgoing).await.ok()?;
    let incoming = tokio_tungstenite::accept_async(incoming).await.ok()?;
    let (mut to_dialer, mut from_dialer) = incoming.split();
    let (mut to_listener, mut from_listener) = outgoing.split();
    let up = async {
        while let Some(Ok(message)) = from_dialer.next().await {
            note(&seen, Side::Zero, &message);
            to_listener.send(message).await.ok()?;
        }
        Some(())
    };
    let down = async {
        while let Some(Ok(message)) = from_listener.next().await {
            note(&seen, Side::One, &message);
            to_dialer.send(message).await.ok()?;
        }
        Some(())
    };
    tokio::select! { ended = up => ended, ended = down => ended }
}

fn note(seen: &Mutex<Seen>, sender: Side, message: &Message) {
    let Message::Binary(bytes) = message else { return };
    if bytes.starts_with(b"STRT") {
        // The handshake is no frame.
        return;
    }
    let mut seen = seen.lock().expect("not poisoned");
    seen.frames += 1;
    let (channel, body) = match Frame::decode(bytes) {
        Ok(Frame::Channel { channel, body }) => (channel, body),
        Ok(_) => return,
        Err(error) => return seen.faults.push(format!("{sender:?} sent no frame: {error}")),
    };
    for (signer, version, signature) in signatures(sender, body) {
        seen.note(channel, signer, version, signature);
    }
}

impl Seen {
    /// Signatures are deterministic: two of one key on one version are on two states.
    fn note(&mut self, channel: ChannelId, signer: Side, version: u64, signature: Signature) {
        let first = *self.signed.entry((channel, signer, version)).or_insert(signature);
        if first != signature {
            self.faults.push(format!("{signer:?} signed two states of version {version} of {channel}"));
        }
    }
}

/// The signatures on states in a message: whose, on which version.
fn signatures(sender: Side, body: Body) -> Vec<(Side, u64, Signature)> {
    match body {
        Body::Update(update) => vec![(sender, update.version.0, update.signature)],
        Body::Acknowledge { version, signature } => vec![(sender, version.0, signature)],
        Body::Refuse(refusal) => {
            refusal.signature.map(|signature| (sender, refusal.confirmed.0, signature)).into_iter().collect()
        }
        Body::Sync(sync) => {
            sync.signature.map(|signature| (sender, sync.confirmed.0, signature)).into_iter().collect()
        }
        Body::Latest(latest) => {
            let version = latest.position.state.version.0;
            Side::BOTH
                .into_iter()
                .zip(latest.signatures)
                .map(|(side, signature)| (side, version, signature))
                .collect()
        }
        Body::Rebase { version, signature, .. } => vec![(sender, version.0, signature)],
        Body::RequestPen
        | Body::Propose { .. }
        | Body::Answer { .. }
        | Body::Fault { .. }
        | Body::OfferFinish { .. }
        | Body::Resume { .. }
        | Body::Demand { .. } => Vec::new(),
    }
}
