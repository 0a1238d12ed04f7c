//! Which connection with a peer counts: exactly one.

use super::dial::Keeper;
use super::event::DisconnectReason;
use super::handshake::Session;
use super::message::{Rejection, Role};
use super::outbox::{Outbox, Overflow};
use bytes::Bytes;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use strait_types::Address;
use tokio_util::sync::CancellationToken;

/// Locks; a panic elsewhere does not spread, since every change under these locks is complete in itself.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An admitted connection, as the rest of the network sees it.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) peer: Address,
    /// Where the peer wants channels to pay it out.
    pub(super) payout: Address,
    /// Our side of it.
    pub(super) role: Role,
    pub(super) outbox: Outbox,
    /// Ascends with every admission.
    order: u64,
    /// Whether the application ever had something to say to the peer.
    used: AtomicBool,
    closing: CancellationToken,
    reason: OnceLock<DisconnectReason>,
    /// Cancelled after the last event of the connection is out.
    pub(super) gone: CancellationToken,
}

impl Live {
    fn new(session: &Session, role: Role, order: u64, max_queue_bytes: usize) -> Live {
        Live {
            peer: session.peer,
            payout: session.payout,
            role,
            outbox: Outbox::new(max_queue_bytes),
            order,
            used: AtomicBool::new(false),
            closing: CancellationToken::new(),
            reason: OnceLock::new(),
            gone: CancellationToken::new(),
        }
    }

    /// Queues a frame, unless the connection is about to end.
    pub(super) fn send(&self, frame: Bytes) -> Result<(), Overflow> {
        if self.is_closing() {
            return Ok(());
        }
        self.used.store(true, Ordering::Relaxed);
        self.outbox.push(frame)
    }

    /// Asks the connection to end; the first reason counts.
    pub(super) fn close(&self, reason: DisconnectReason) {
        // Somebody else was first.
        let _later = self.reason.set(reason);
        self.closing.cancel();
    }

    /// Whether the connection was asked to end.
    pub(super) fn is_closing(&self) -> bool {
        self.closing.is_cancelled()
    }

    /// Waits until the connection is asked to end, and says why.
    pub(super) async fn close_requested(&self) -> DisconnectReason {
        self.closing.cancelled().await;
        self.reason.get().cloned().unwrap_or(DisconnectReason::Requested)
    }
}

/// A connection that may start, once its predecessor is gone.
#[derive(Debug)]
pub(super) struct Admission {
    pub(super) live: Arc<Live>,
    pub(super) predecessor: Option<Arc<Live>>,
}

/// All connections and kept peers.
pub(super) struct Registry {
    own: Address,
    max_incoming: usize,
    max_queue_bytes: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    live: HashMap<Address, Arc<Live>>,
    kept: HashMap<Address, Keeper>,
    admitted: u64,
    closed: bool,
}

impl Registry {
    pub(super) fn new(own: Address, max_incoming: usize, max_queue_bytes: usize) -> Registry {
        Registry { own, max_incoming, max_queue_bytes, state: Mutex::default() }
    }

    /// Decides about an authenticated connection, of which this side has the given role.
    ///
    /// A second connection of the same initiator replaces the first: a node dials only when it has none, so the
    /// first is dead. When both dialled, the connection opened by the lower address stays. If that is the older
    /// one it might still be dead, so it is asked for a sign of life; the peer dials again.
    ///
    /// Once `stop` is cancelled nothing is admitted: a peer that is forgotten while the dial to it ends stays away, since
    /// [`Registry::forget`] cancels it under the lock that is held here.
    pub(super) fn admit(
        &self,
        session: &Session,
        role: Role,
        stop: &CancellationToken,
    ) -> Result<Admission, Rejection> {
        let peer = session.peer;
        let mut state = lock(&self.state);
        if state.closed || stop.is_cancelled() {
            return Err(Rejection::ShuttingDown);
        }
        let predecessor = state.live.get(&peer).cloned();
        match &predecessor {
            Some(old) if old.is_closing() || old.role == role || self.preferred(peer, role) => {
                old.close(DisconnectReason::Replaced);
            }
            Some(old) => {
                old.outbox.ping();
                return Err(Rejection::AlreadyConnected);
            }
            None if role == Role::Acceptor => state.make_room_for(peer, self.max_incoming)?,
            None => {}
        }
        state.admitted = state.admitted.saturating_add(1);
        let live = Arc::new(Live::new(session, role, state.admitted, self.max_queue_bytes));
        state.live.insert(peer, Arc::clone(&live));
        Ok(Admission { live, predecessor })
    }

    /// Whether a connection stays when both sides dialled: the lower address must be its initiator.
    fn preferred(&self, peer: Address, role: Role) -> bool {
        (self.own < peer) == (role == Role::Initiator)
    }

    /// Forgets a connection, unless another has taken its place.
    pub(super) fn leave(&self, live: &Arc<Live>) {
        let mut state = lock(&self.state);
        if state.live.get(&live.peer).is_some_and(|current| Arc::ptr_eq(current, live)) {
            state.live.remove(&live.peer);
        }
    }

    /// The connection with a peer.
    pub(super) fn live(&self, peer: Address) -> Option<Arc<Live>> {
        lock(&self.state).live.get(&peer).cloned()
    }

    /// Reads the keeper of a peer.
    pub(super) fn kept<T>(&self, peer: Address, read: impl FnOnce(&Keeper) -> T) -> Option<T> {
        lock(&self.state).kept.get(&peer).map(read)
    }

    /// Keeps a peer; another keeper of the same peer stops. `false`: the network is shutting down.
    pub(super) fn keep(&self, peer: Address, keeper: Keeper) -> bool {
        let mut state = lock(&self.state);
        if !state.closed {
            // The old keeper stops as it is dropped.
            state.kept.insert(peer, keeper);
        }
        !state.closed
    }

    /// Keeps a peer no longer. A dial to it that has not ended leads to nothing.
    pub(super) fn forget(&self, peer: Address) {
        let mut state = lock(&self.state);
        // Its end cancels the dial, before the lock is given back.
        drop(state.kept.remove(&peer));
    }

    /// Ends the connection with a peer, if there is one.
    pub(super) fn end(&self, peer: Address, reason: DisconnectReason) {
        if let Some(live) = self.live(peer) {
            live.close(reason);
        }
    }

    /// Ends everything; nothing is admitted any more.
    pub(super) fn close_all(&self) {
        let mut state = lock(&self.state);
        state.closed = true;
        state.kept.clear();
        for live in state.live.values() {
            live.close(DisconnectReason::ShuttingDown);
        }
    }
}

impl State {
    /// Sees to it that a peer may connect by itself. Kept ones always may. For others, when the node is full, the oldest
    /// stranger gives way to whom the application never said anything: so somebody with many keys cannot keep out
    /// those with whom the node has channels.
    fn make_room_for(&self, peer: Address, max_incoming: usize) -> Result<(), Rejection> {
        if self.kept.contains_key(&peer) {
            return Ok(());
        }
        let strangers = || {
            self.live.values().filter(|live| {
                live.role == Role::Acceptor && !live.is_closing() && !self.kept.contains_key(&live.peer)
            })
        };
        if strangers().count() < max_incoming {
            return Ok(());
        }
        let useless = strangers().filter(|live| !live.used.load(Ordering::Relaxed));
        let oldest = useless.min_by_key(|live| live.order).ok_or(Rejection::Busy)?;
        oldest.close(DisconnectReason::MadeRoom);
        Ok(())
    }
}
