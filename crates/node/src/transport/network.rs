//! The handle of a node's network.

use super::address::PeerAddress;
use super::config::{Limits, Listen, NetworkConfig, NetworkError};
use super::dial;
use super::error::{DialError, HandshakeError};
use super::event::{DisconnectReason, EventSender, NetworkEvents, event_queue};
use super::handshake::Identity;
use super::listener::{Listener, ListenerConfig};
use super::message::Rejection;
use super::outbox::Overflow;
use super::registry::Registry;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use std::net::SocketAddr;
use std::sync::Arc;
use strait_protocol::MAX_FRAME_BYTES;
use strait_types::Address;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

/// What the tasks of a network share.
pub(super) struct Shared {
    pub(super) identity: Identity,
    pub(super) limits: Limits,
    pub(super) allow_plain_remote: bool,
    pub(super) registry: Registry,
    pub(super) events: EventSender,
    pub(super) shutdown: CancellationToken,
    pub(super) tasks: TaskTracker,
}

/// A running network. Clones are handles of the same one; when the last is dropped it stops by itself.
#[derive(Clone)]
pub struct Network {
    shared: Arc<Shared>,
    local: Option<SocketAddr>,
    _stop: Arc<DropGuard>,
}

/// How it stands with a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeerStatus {
    /// An authenticated connection exists.
    Connected,
    /// The first attempt is under way.
    Connecting,
    /// The last attempt failed; the next follows.
    Retrying(DialError),
}

/// A frame that cannot be sent; the caller's fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The peer would disconnect.
    #[error("a frame of {0} bytes is more than the {MAX_FRAME_BYTES} that peers accept; split it")]
    TooLarge(usize),
}

impl Network {
    /// Starts to listen, if told to, within the current tokio runtime.
    ///
    /// # Errors
    /// See [`NetworkError`].
    pub fn start(
        config: NetworkConfig,
    ) -> BoxFuture<'static, Result<(Network, NetworkEvents), NetworkError>> {
        Box::pin(async move {
            config.limits.check()?;
            let own = match config.listen {
                Listen::At(address) => {
                    let NetworkConfig { allow_plain_remote, limits, .. } = config;
                    Some(
                        Listener::start(ListenerConfig { address, tls: None, allow_plain_remote, limits })
                            .await?,
                    )
                }
                Listen::Off | Listen::On(_) => None,
            };
            let is_own = own.is_some();
            let listener = match &config.listen {
                Listen::On(shared) => Some(shared.clone()),
                Listen::Off | Listen::At(_) => own,
            };
            let (shared, events) = Shared::new(config);
            if let Some(listener) = &listener {
                listener.join(&shared)?;
            }
            let local = listener.as_ref().map(Listener::local_addr);
            let stop = Arc::new(shared.shutdown.clone().drop_guard());
            shared.tasks.spawn(close_on_shutdown(Arc::clone(&shared), listener, is_own));
            Ok((Network { shared, local, _stop: stop }, events))
        })
    }

    /// Where this network listens, with the port that the system chose.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.local
    }

    /// Keeps a connection with a peer from now on: dials until it succeeds, and again whenever the connection ends.
    /// Another address of the same signer takes the place of the former.
    pub fn add_peer(&self, address: PeerAddress) {
        let known = self.shared.registry.kept(address.signer(), |keeper| keeper.address == address);
        if known != Some(true) {
            dial::keep(&self.shared, address);
        }
    }

    /// Tries once whether the peer is at an address, beside the one that is kept. A connection that comes of it is as good as
    /// any other.
    ///
    /// # Errors
    /// Why it is not reached there.
    pub async fn try_peer(&self, address: &PeerAddress) -> Result<(), DialError> {
        match dial::dial(&self.shared, address, &CancellationToken::new()).await {
            // It has one with us already, and says so.
            Ok(_) | Err(DialError::Handshake(HandshakeError::Rejected(Rejection::AlreadyConnected))) => {
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Where a peer that was added is dialled.
    pub fn address_of(&self, peer: Address) -> Option<PeerAddress> {
        self.shared.registry.kept(peer, |keeper| keeper.address.clone())
    }

    /// Dials a peer that was added and is not connected at once, instead of after the pause that has grown meanwhile. Who
    /// awaits it hears whether that led to a connection.
    pub fn dial_now(&self, peer: Address) -> impl Future<Output = bool> + Send + use<> {
        let attempt = self.shared.registry.kept(peer, |keeper| {
            let mut failure = keeper.failure.clone();
            failure.mark_unchanged();
            keeper.now.notify_waiters();
            failure
        });
        async move {
            // Whoever was not added has no address.
            let Some(mut failure) = attempt else { return false };
            failure.changed().await.is_ok() && failure.borrow().is_none()
        }
    }

    /// Queues a frame for a peer and returns at once. Frames of one caller arrive in order; they are dropped when
    /// there is no connection, or when it ends before they are written. A peer with too long a queue is disconnected.
    ///
    /// # Errors
    /// When no peer would take the frame.
    pub fn send(&self, peer: Address, frame: impl Into<Bytes>) -> Result<(), SendError> {
        let frame = frame.into();
        if frame.len() > MAX_FRAME_BYTES {
            return Err(SendError::TooLarge(frame.len()));
        }
        if let Some(live) = self.shared.registry.live(peer)
            && let Err(Overflow(queued)) = live.send(frame)
        {
            live.close(DisconnectReason::TooSlow { queued });
        }
        Ok(())
    }

    /// How it stands with a peer; `None`: not connected, and not told to connect.
    pub fn status(&self, peer: Address) -> Option<PeerStatus> {
        let registry = &self.shared.registry;
        if registry.live(peer).is_some() {
            return Some(PeerStatus::Connected);
        }
        registry.kept(peer, |keeper| match keeper.failure.borrow().clone() {
            None => PeerStatus::Connecting,
            Some(error) => PeerStatus::Retrying(error),
        })
    }

    /// Bytes of all frames that peers have sent since the start.
    pub fn bytes_received(&self) -> u64 {
        self.shared.events.received()
    }

    /// Where a peer that is connected wants channels to pay it out.
    pub fn payout_of(&self, peer: Address) -> Option<Address> {
        self.shared.registry.live(peer).map(|live| live.payout)
    }

    /// Ends the connection with a peer. One that was added is dialled again, ever more rarely if this repeats.
    pub fn disconnect(&self, peer: Address) {
        self.shared.registry.end(peer, DisconnectReason::Requested);
    }

    /// Ends the connection with a peer and no longer dials it. The peer may connect by itself.
    pub fn remove_peer(&self, peer: Address) {
        self.shared.registry.forget(peer);
        self.disconnect(peer);
    }

    /// Stops listening and dialling, ends all connections, and waits until all is done (about a second at most).
    /// What was queued before still goes out in that time.
    pub fn shutdown(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            self.shared.shutdown.cancel();
            self.shared.tasks.wait().await;
            self.shared.events.end();
        })
    }

    /// What the network's tasks share.
    #[cfg(test)]
    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }
}

impl Shared {
    pub(super) fn new(config: NetworkConfig) -> (Arc<Shared>, NetworkEvents) {
        let NetworkConfig { signer, domain, payout, allow_plain_remote, kind, limits, listen: _ } = config;
        let (sender, events) = event_queue(limits.max_event_bytes);
        let registry = Registry::new(signer.address(), limits.max_incoming, limits.max_queue_bytes);
        let shared = Shared {
            identity: Identity { signer, domain, payout, kind },
            limits,
            allow_plain_remote,
            registry,
            events: sender,
            shutdown: CancellationToken::new(),
            tasks: TaskTracker::new(),
        };
        (Arc::new(shared), events)
    }
}

async fn close_on_shutdown(shared: Arc<Shared>, listener: Option<Listener>, is_own: bool) {
    shared.shutdown.cancelled().await;
    shared.registry.close_all();
    shared.tasks.close();
    let Some(listener) = listener else { return };
    listener.leave(&shared.identity.domain);
    if is_own {
        listener.shutdown().await;
    }
}
