//! What the network tells the application, within a budget of bytes.

use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use strait_types::Address;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

/// What an event costs beside its bytes.
const OVERHEAD: usize = 128;

/// Something that happened between this node and a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NetworkEvent {
    /// An authenticated connection exists; the peer may have lost whatever was sent before.
    Connected {
        /// The signer that the peer proved to be.
        peer: Address,
        /// Where the peer wants channels to pay it out.
        payout: Address,
    },
    /// A frame arrived.
    Frame {
        /// From whom.
        peer: Address,
        /// At most [`strait_protocol::MAX_FRAME_BYTES`].
        bytes: Bytes,
    },
    /// The connection ended; nothing of it follows.
    Disconnected {
        /// With whom.
        peer: Address,
        /// Why.
        reason: DisconnectReason,
    },
}

/// Why a connection ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DisconnectReason {
    /// [`super::Network::disconnect`] was called.
    #[error("this node was told to disconnect")]
    Requested,
    /// [`super::Network::shutdown`] was called.
    #[error("this node is shutting down")]
    ShuttingDown,
    /// The peer connected anew, or both had dialled at once.
    #[error("a newer connection with the same peer took its place")]
    Replaced,
    /// The node was full, and had nothing to say to this peer.
    #[error("this node needed room for another peer and had sent nothing to this one")]
    MadeRoom,
    /// More waited for the peer than is allowed.
    #[error("the peer takes messages too slowly: {queued} bytes wait for it")]
    TooSlow {
        /// Bytes that waited.
        queued: usize,
    },
    /// Not a byte for too long.
    #[error("the peer was silent for {} seconds, although it was asked for a sign of life", .0.as_secs())]
    Silent(Duration),
    /// The peer broke a rule of the transport.
    #[error("the peer broke the rules of the transport: {0}")]
    Violation(String),
    /// The peer ended it properly.
    #[error("the peer closed the connection: {0:?}")]
    ClosedByPeer(String),
    /// The connection failed.
    #[error("the connection broke: {0}")]
    Broken(String),
}

type Queued = (NetworkEvent, Option<OwnedSemaphorePermit>);

/// The receiving end of a network's events. What is not received stops the peers from sending more.
#[derive(Debug)]
pub struct NetworkEvents {
    queue: mpsc::UnboundedReceiver<Queued>,
    ended: CancellationToken,
}

impl NetworkEvents {
    /// The next event; `None` after the last one of a network that has shut down. Cancel-safe.
    pub async fn recv(&mut self) -> Option<NetworkEvent> {
        tokio::select! {
            biased;
            queued = self.queue.recv() => queued.map(|(event, _budget)| event),
            () = self.ended.cancelled() => self.try_recv(),
        }
    }

    /// The next event if one is there.
    pub fn try_recv(&mut self) -> Option<NetworkEvent> {
        self.queue.try_recv().ok().map(|(event, _budget)| event)
    }

    /// How many events wait.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.queue.len()
    }
}

/// The sending end. Connections and frames wait for room in the budget, ends of connections never do.
#[derive(Clone, Debug)]
pub(super) struct EventSender {
    queue: mpsc::UnboundedSender<Queued>,
    budget: Arc<Semaphore>,
    ended: CancellationToken,
    /// Bytes of all frames that ever came.
    received: Arc<AtomicU64>,
}

/// A queue of events that holds about `max_bytes`.
pub(super) fn event_queue(max_bytes: usize) -> (EventSender, NetworkEvents) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let budget = Arc::new(Semaphore::new(max_bytes));
    let ended = CancellationToken::new();
    let receiver = NetworkEvents { queue: receiver, ended: ended.clone() };
    (EventSender { queue: sender, budget, ended, received: Arc::default() }, receiver)
}

impl EventSender {
    pub(super) async fn connected(&self, peer: Address, payout: Address) {
        self.within_budget(OVERHEAD, NetworkEvent::Connected { peer, payout }).await;
    }

    pub(super) async fn frame(&self, peer: Address, bytes: Bytes) {
        self.received.fetch_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX), Ordering::Relaxed);
        self.within_budget(bytes.len().saturating_add(OVERHEAD), NetworkEvent::Frame { peer, bytes }).await;
    }

    pub(super) fn disconnected(&self, peer: Address, reason: DisconnectReason) {
        // Without a receiver nobody wants to know.
        let _ignored = self.queue.send((NetworkEvent::Disconnected { peer, reason }, None));
    }

    /// Bytes of all frames that ever came.
    pub(super) fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    /// No event follows.
    pub(super) fn end(&self) {
        self.ended.cancel();
    }

    async fn within_budget(&self, cost: usize, event: NetworkEvent) {
        // Frames are far smaller than 4 GiB, and the budget is never closed.
        let cost = u32::try_from(cost).unwrap_or(u32::MAX);
        let permit = Arc::clone(&self.budget).acquire_many_owned(cost).await.ok();
        let _ignored = self.queue.send((event, permit));
    }
}
