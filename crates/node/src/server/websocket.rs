//! One WebSocket: calls, subscriptions, and their ends.
//!
//! What a client may make wait here is bounded: so many calls under way, then its next ones are not read; so many messages
//! in its queue, then its calls and subscriptions wait; and if it takes nothing for a while, it is disconnected.

use super::accept::Place;
use super::rpc::{self, Incoming, Item};
use super::subscription::Subscriptions;
use super::tokens::Token;
use super::{Shared, headers, http};
use axum::body::Bytes;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::response::Response;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt as _, StreamExt as _};
use std::sync::Arc;
use std::time::Duration;
use strait_api::{ApiError, ErrorCode};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long the end of a connection waits for what is on the way to the client.
const CLOSE_PATIENCE: Duration = Duration::from_secs(2);

/// What the tasks of a connection share.
pub(super) struct Connection {
    pub(super) shared: Arc<Shared>,
    pub(super) token: Arc<Token>,
    pub(super) out: mpsc::Sender<Message>,
    /// The client is gone, or is sent away.
    pub(super) closed: CancellationToken,
    pub(super) tasks: TaskTracker,
    pub(super) subscriptions: Subscriptions,
    calls: Arc<Semaphore>,
}

/// Answers the upgrade and serves the WebSocket.
pub(super) fn upgrade(
    shared: Arc<Shared>,
    token: Arc<Token>,
    upgrade: WebSocketUpgrade,
    place: Place,
) -> Response {
    let max = shared.config.limits.max_request_bytes;
    upgrade.protocols([headers::SUBPROTOCOL]).max_message_size(max).max_frame_size(max).on_upgrade(
        async move |socket| {
            let tasks = shared.tasks.clone();
            // Tracked, so that a stop waits for it.
            tasks.track_future(serve(shared, token, socket, place)).await;
        },
    )
}

async fn serve(shared: Arc<Shared>, token: Arc<Token>, socket: WebSocket, _place: Place) {
    let _open = shared.metrics.connected();
    let limits = shared.config.limits;
    let (sink, mut stream) = socket.split();
    let (out, queue) = mpsc::channel(limits.max_queue);
    let closed = CancellationToken::new();
    let writer = tokio::spawn(write(sink, queue, limits.ping_interval, closed.clone()));
    let connection = Arc::new(Connection {
        calls: Arc::new(Semaphore::new(limits.max_calls_per_connection)),
        subscriptions: Subscriptions::default(),
        tasks: TaskTracker::new(),
        shared,
        token,
        out,
        closed,
    });
    let farewell = connection.read(&mut stream).await;
    if let Some((code, reason)) = farewell {
        // Subscriptions tell their own end first.
        connection.tasks.close();
        let patient = async {
            connection.tasks.wait().await;
            let frame = CloseFrame { code, reason: reason.into() };
            drop(connection.out.send(Message::Close(Some(frame))).await);
        };
        drop(timeout(CLOSE_PATIENCE, patient).await);
    }
    connection.closed.cancel();
    drop(connection);
    // It ends with the queue, or when the client takes nothing more.
    drop(writer.await);
}

impl Connection {
    /// Reads until the client goes (`None`), or has to.
    async fn read(self: &Arc<Self>, stream: &mut SplitStream<WebSocket>) -> Option<(u16, &'static str)> {
        let silence = self.shared.config.limits.ping_interval * 3;
        loop {
            let message = tokio::select! {
                biased;
                () = self.closed.cancelled() => return None,
                () = self.shared.shutdown.cancelled() => return Some((close_code::AWAY, "the node is stopping")),
                () = self.token.ended().cancelled() => {
                    return Some((close_code::POLICY, "the token has expired or was revoked"));
                }
                message = timeout(silence, stream.next()) => message,
            };
            let text = match message {
                Ok(Some(Ok(Message::Text(text)))) => Bytes::from(text),
                Ok(Some(Ok(Message::Binary(bytes)))) => bytes,
                Ok(Some(Ok(Message::Ping(_) | Message::Pong(_)))) => continue,
                Ok(Some(Ok(Message::Close(_))) | None) | Err(_) => return None,
                Ok(Some(Err(error))) => {
                    // It cannot be said where the next message would begin.
                    tracing::debug!(%error, "a WebSocket broke");
                    let too_large = ApiError::new(ErrorCode::TooLarge, error.to_string());
                    self.send(rpc::failure(&too_large)).await;
                    return Some((close_code::SIZE, "the message was too large or no WebSocket message"));
                }
            };
            let place = tokio::select! {
                () = self.closed.cancelled() => return None,
                place = self.calls.clone().acquire_owned() => place.ok()?,
            };
            self.take(&text, place).await;
        }
    }

    async fn take(self: &Arc<Self>, text: &Bytes, place: OwnedSemaphorePermit) {
        match rpc::parse(text, self.shared.config.limits.max_batch) {
            Err(error) => self.send(rpc::failure(&error)).await,
            Ok(Incoming::One(Item::Call(call))) if call.method == "strait_subscribe" => {
                let id = call.id.clone().into_owned();
                match self.subscriptions.begin(self, call.params.as_deref()).await {
                    Ok(subscription) => {
                        self.send(rpc::answer(id, subscription.answer())).await;
                        subscription.run(self);
                    }
                    Err(error) => self.send(rpc::answer(id, Err(error))).await,
                }
            }
            Ok(Incoming::One(Item::Call(call))) if call.method == "strait_unsubscribe" => {
                let result = self.subscriptions.end(call.params.as_deref());
                self.send(rpc::answer(call.id, result)).await;
            }
            Ok(_) => {
                let (connection, text) = (self.clone(), text.clone());
                self.tasks.spawn(async move {
                    let _place = place;
                    tokio::select! {
                        () = connection.closed.cancelled() => {}
                        answer = connection.answer(&text) => if let Some(answer) = answer {
                            connection.send(answer).await;
                        }
                    }
                });
            }
        }
    }

    async fn answer(&self, text: &Bytes) -> Option<String> {
        // Read once more, as what was read borrows from the text; the first reading found it to be sound.
        match rpc::parse(text, self.shared.config.limits.max_batch).ok()? {
            Incoming::One(item) => http::one(&self.shared, &self.token, item).await,
            Incoming::Batch(items) => http::batch(&self.shared, &self.token, items).await,
        }
    }

    /// Puts a message into the queue, unless the client is gone.
    pub(super) async fn send(&self, text: String) {
        tokio::select! {
            () = self.closed.cancelled() => {}
            sent = self.out.send(Message::Text(text.into())) => drop(sent),
        }
    }
}

/// Writes what is in the queue, and pings.
async fn write(
    mut sink: SplitSink<WebSocket, Message>,
    mut queue: mpsc::Receiver<Message>,
    ping_interval: Duration,
    closed: CancellationToken,
) {
    let mut pings = interval_at(Instant::now() + ping_interval, ping_interval);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let message = tokio::select! {
            message = queue.recv() => match message {
                Some(message) => message,
                None => break,
            },
            _ = pings.tick() => Message::Ping(Bytes::new()),
        };
        let is_last = matches!(message, Message::Close(_));
        // The stream below gives up when not a byte goes for the write timeout.
        let written = async {
            sink.feed(message).await?;
            while let Ok(next) = queue.try_recv() {
                sink.feed(next).await?;
            }
            sink.flush().await
        };
        if written.await.is_err() || is_last {
            break;
        }
    }
    closed.cancel();
    drop(timeout(CLOSE_PATIENCE, sink.close()).await);
}
