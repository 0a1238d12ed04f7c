//! The life of an authenticated connection.

use super::event::{DisconnectReason, EventSender};
use super::handshake::Session;
use super::link::{PeerSocket, StrangerSocket};
use super::network::Shared;
use super::outbox::Batch;
use super::registry::{Admission, Live};
use bytes::Bytes;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{self, Message};

/// How long the peer may take to hear why the connection ends.
const FAREWELL: Duration = Duration::from_secs(1);
/// The longest text in a WebSocket close frame.
const MAX_CLOSE_TEXT: usize = 123;

type Sink = SplitSink<PeerSocket, Message>;
type Stream = SplitStream<PeerSocket>;

/// Runs an admitted connection to its end. `opening` is what this side still owes the handshake.
pub(super) async fn run(
    shared: Arc<Shared>,
    admission: Admission,
    socket: StrangerSocket,
    session: Session,
    opening: Option<Bytes>,
) {
    let Admission { live, predecessor } = admission;
    let (socket, received) = socket.authenticated().await;
    let (mut sink, stream) = socket.split();
    let started = tokio::select! {
        reason = live.close_requested() => Err(reason),
        result = start(&shared.events, &live, predecessor.as_deref(), &mut sink, opening) => result,
    };
    let connected = started.is_ok();
    let mut pending = VecDeque::new();
    let Session { peer, payout: _, wire, features } = session;
    tracing::debug!(%peer, role = ?live.role, wire, features, connected, "authenticated");
    let reason = match started {
        Err(reason) => reason,
        Ok(()) => tokio::select! {
            reason = live.close_requested() => reason,
            reason = read(&shared, &live, stream, &received) => reason,
            reason = write(&shared, &live, &mut sink, &mut pending) => reason,
        },
    };
    shared.registry.leave(&live);
    if connected {
        tracing::debug!(%peer, %reason, "peer disconnected");
        shared.events.disconnected(live.peer, reason.clone());
    }
    if let Some(predecessor) = predecessor {
        // A start that was given up may not have waited for it, but a successor of this one relies on both being gone.
        predecessor.gone.cancelled().await;
    }
    live.gone.cancel();
    // Best effort: a peer that is gone cannot be told.
    let _in_time = timeout(FAREWELL, part(&live, &mut sink, pending, &reason)).await;
}

/// Tells the peer why the connection ends; before that, unless something is wrong, what was queued for it.
async fn part(
    live: &Live,
    sink: &mut Sink,
    mut pending: VecDeque<Bytes>,
    reason: &DisconnectReason,
) -> Result<(), tungstenite::Error> {
    if matches!(reason, DisconnectReason::Requested | DisconnectReason::ShuttingDown) {
        pending.append(&mut live.outbox.drain().frames);
        write_frames(live, sink, &mut pending).await?;
    }
    sink.send(Message::Close(Some(close_frame(reason)))).await
}

async fn start(
    events: &EventSender,
    live: &Live,
    predecessor: Option<&Live>,
    sink: &mut Sink,
    opening: Option<Bytes>,
) -> Result<(), DisconnectReason> {
    if let Some(opening) = opening {
        sink.send(Message::Binary(opening)).await.map_err(ended)?;
    }
    if let Some(predecessor) = predecessor {
        predecessor.gone.cancelled().await;
    }
    // Last, so that a start that is given up has not been announced.
    events.connected(live.peer, live.payout).await;
    Ok(())
}

/// Passes frames on until the connection fails. Time in which the application takes no frames does not count as
/// the peer's silence.
async fn read(shared: &Shared, live: &Live, mut stream: Stream, received: &AtomicU64) -> DisconnectReason {
    let silence = shared.limits.silence_timeout;
    loop {
        let before = received.load(Ordering::Relaxed);
        match timeout(silence, stream.next()).await {
            Err(_elapsed) if received.load(Ordering::Relaxed) == before => {
                return DisconnectReason::Silent(silence);
            }
            Err(_elapsed) => {}
            Ok(Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)))) => {}
            Ok(Some(Ok(Message::Binary(bytes)))) => shared.events.frame(live.peer, bytes).await,
            Ok(Some(Ok(Message::Text(_)))) => {
                return DisconnectReason::Violation("it sent text, frames are binary".into());
            }
            Ok(Some(Ok(Message::Close(frame)))) => {
                let text = frame.map(|frame| frame.reason.to_string()).unwrap_or_default();
                return DisconnectReason::ClosedByPeer(text);
            }
            Ok(Some(Err(error))) => return ended(error),
            Ok(None) => return DisconnectReason::ClosedByPeer(String::new()),
        }
    }
}

/// Sends what is queued, all of it in as few writes as possible, and pings. Given up halfway it leaves in `pending`
/// what the socket has not taken.
async fn write(
    shared: &Shared,
    live: &Live,
    sink: &mut Sink,
    pending: &mut VecDeque<Bytes>,
) -> DisconnectReason {
    let period = shared.limits.ping_interval;
    let mut pings = interval_at(Instant::now() + period, period);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let mut batch = tokio::select! {
            batch = live.outbox.take() => batch,
            _ = pings.tick() => Batch { ping: true, ..Batch::default() },
        };
        pending.append(&mut batch.frames);
        if let Err(error) = write_batch(live, sink, pending, batch.ping).await {
            return ended(error);
        }
    }
}

async fn write_batch(
    live: &Live,
    sink: &mut Sink,
    pending: &mut VecDeque<Bytes>,
    ping: bool,
) -> Result<(), tungstenite::Error> {
    if ping {
        sink.feed(Message::Ping(Bytes::new())).await?;
    }
    write_frames(live, sink, pending).await?;
    sink.flush().await
}

async fn write_frames(
    live: &Live,
    sink: &mut Sink,
    pending: &mut VecDeque<Bytes>,
) -> Result<(), tungstenite::Error> {
    while let Some(frame) = pending.front() {
        sink.feed(Message::Binary(frame.clone())).await?;
        live.outbox.sent(frame.len());
        pending.pop_front();
    }
    Ok(())
}

/// The end of a connection by a failure of the WebSocket layer.
fn ended(error: tungstenite::Error) -> DisconnectReason {
    use tungstenite::error::ProtocolError;
    match error {
        tungstenite::Error::ConnectionClosed | tungstenite::Error::AlreadyClosed => {
            DisconnectReason::ClosedByPeer(String::new())
        }
        tungstenite::Error::Io(_)
        | tungstenite::Error::Protocol(
            ProtocolError::ResetWithoutClosingHandshake | ProtocolError::SendAfterClosing,
        ) => DisconnectReason::Broken(error.to_string()),
        other => DisconnectReason::Violation(other.to_string()),
    }
}

fn close_frame(reason: &DisconnectReason) -> CloseFrame {
    use tungstenite::protocol::frame::coding::CloseCode;
    let code = match reason {
        DisconnectReason::Violation(_) => CloseCode::Policy,
        DisconnectReason::ShuttingDown => CloseCode::Away,
        _ => CloseCode::Normal,
    };
    let mut text = reason.to_string();
    text.truncate(text.floor_char_boundary(MAX_CLOSE_TEXT));
    CloseFrame { code, reason: text.into() }
}
