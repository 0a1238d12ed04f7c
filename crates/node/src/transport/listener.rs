//! Takes connections from strangers without letting them take much, and gives each to the network of its chain.

use super::config::{Limits, NetworkError};
use super::connection;
use super::error::HandshakeError;
use super::handshake::{self, Accepted, broken};
use super::link::{BoundLink, StrangerSocket};
use super::message::{Rejection, Role};
use super::network::Shared;
use super::registry::lock;
use super::tls::{self, TlsIdentity};
use futures_util::future::BoxFuture;
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use strait_types::{Address, Domain};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

/// Pause after the system refused to accept (for example because files ran out).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What a [`Listener`] needs.
#[derive(Clone, Debug)]
pub struct ListenerConfig {
    /// Where it listens.
    pub address: SocketAddr,
    /// Its certificate; `None`: it makes one.
    pub tls: Option<TlsIdentity>,
    /// Takes unencrypted connections from other machines too.
    pub allow_plain_remote: bool,
    /// `handshake_timeout` and `max_handshakes` hold here.
    pub limits: Limits,
}

/// A listening port, which several networks of different chains can share: a peer's hello names the chain. Clones are
/// handles of the same one; when the last is dropped, those of networks included, it stops.
#[derive(Clone)]
pub struct Listener {
    door: Arc<Door>,
    local: SocketAddr,
    _stop: Arc<DropGuard>,
}

impl std::fmt::Debug for Listener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Listener").field("local", &self.local).finish_non_exhaustive()
    }
}

/// What the tasks of a listener share.
pub(super) struct Door {
    limits: Limits,
    tls: Option<TlsIdentity>,
    allow_plain_remote: bool,
    /// By chain and adjudicator.
    networks: Mutex<BTreeMap<(u64, Address), Arc<Shared>>>,
    complaints: Complaints,
    shutdown: CancellationToken,
    tasks: TaskTracker,
}

impl Listener {
    /// Starts to listen, within the current tokio runtime.
    ///
    /// # Errors
    /// When the address cannot be listened on, or no certificate can be made.
    pub fn start(config: ListenerConfig) -> BoxFuture<'static, Result<Listener, NetworkError>> {
        Box::pin(async move {
            let ListenerConfig { address, tls, allow_plain_remote, limits } = config;
            limits.check()?;
            let tls = match tls {
                Some(identity) => identity,
                None => TlsIdentity::self_signed()?,
            };
            let failed = |source| NetworkError::Listen { address, source };
            let listener = TcpListener::bind(address).await.map_err(failed)?;
            let local = listener.local_addr().map_err(failed)?;
            let door = Arc::new(Door::new(limits, Some(tls), allow_plain_remote));
            let stop = Arc::new(door.shutdown.clone().drop_guard());
            door.tasks.spawn(listen(Arc::clone(&door), listener));
            Ok(Listener { door, local, _stop: stop })
        })
    }

    /// Where it listens, with the port that the system chose.
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// Stops, and waits until the port is free.
    pub fn shutdown(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            self.door.shutdown.cancel();
            self.door.tasks.close();
            self.door.tasks.wait().await;
        })
    }

    /// Gives a network the connections of its chain.
    pub(super) fn join(&self, network: &Arc<Shared>) -> Result<(), NetworkError> {
        self.door.join(network)
    }

    /// Gives a network no more of them.
    pub(super) fn leave(&self, domain: &Domain) {
        lock(&self.door.networks).remove(&key(domain));
    }
}

fn key(domain: &Domain) -> (u64, Address) {
    (domain.chain_id(), domain.adjudicator())
}

impl Door {
    pub(super) fn new(limits: Limits, tls: Option<TlsIdentity>, allow_plain_remote: bool) -> Door {
        Door {
            limits,
            tls,
            allow_plain_remote,
            networks: Mutex::default(),
            complaints: Complaints::default(),
            shutdown: CancellationToken::new(),
            tasks: TaskTracker::new(),
        }
    }

    pub(super) fn join(&self, network: &Arc<Shared>) -> Result<(), NetworkError> {
        let domain = &network.identity.domain;
        let mut networks = lock(&self.networks);
        if networks.contains_key(&key(domain)) {
            return Err(NetworkError::SameDomain { chain_id: domain.chain_id() });
        }
        networks.insert(key(domain), Arc::clone(network));
        Ok(())
    }

    /// The network of a chain, or any that can tell a peer of another chain what it finds here.
    fn network(&self, chain_id: u64, adjudicator: Address) -> Option<Arc<Shared>> {
        let networks = lock(&self.networks);
        let same_chain = || networks.iter().find(|((id, _), _)| *id == chain_id).map(|(_, network)| network);
        let found = networks.get(&(chain_id, adjudicator)).or_else(same_chain);
        found.or_else(|| networks.values().next()).cloned()
    }
}

/// Accepts until the listener stops.
async fn listen(door: Arc<Door>, listener: TcpListener) {
    let mut strangers = VecDeque::new();
    loop {
        let accepted = tokio::select! {
            () = door.shutdown.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, from)) => {
                make_room(&mut strangers, &door, from);
                let task = serve(Arc::clone(&door), stream, from);
                strangers.push_back(door.tasks.spawn(task).abort_handle());
            }
            Err(error) => {
                door.complaints.note(|count| {
                    tracing::warn!(%error, count, "cannot accept connections; check the limit of open files");
                });
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// When too many handshakes are under way the oldest gives way: honest ones take milliseconds.
fn make_room(strangers: &mut VecDeque<AbortHandle>, door: &Door, from: SocketAddr) {
    strangers.retain(|handshake| !handshake.is_finished());
    while strangers.len() >= door.limits.max_handshakes {
        if let Some(oldest) = strangers.pop_front() {
            oldest.abort();
            door.complaints.note(|count| {
                tracing::warn!(%from, count, "too many unfinished handshakes, dropped the oldest");
            });
        }
    }
}

async fn serve(door: Arc<Door>, stream: TcpStream, from: SocketAddr) {
    // Without it small frames wait for acknowledgements; the connection works nevertheless.
    let _slower = stream.set_nodelay(true);
    let outcome = tokio::select! {
        () = door.shutdown.cancelled() => return,
        outcome = receive(&door, stream, from) => outcome,
    };
    if let Err(error) = outcome {
        tracing::debug!(%from, %error, "handshake failed");
        door.complaints.note(|count| {
            tracing::warn!(%from, %error, count, "handshakes of incoming connections fail; this is the latest");
        });
    }
}

/// Takes a connection as what its first byte says it is.
pub(super) async fn receive(door: &Door, stream: TcpStream, from: SocketAddr) -> Result<(), HandshakeError> {
    let is_local = from.ip().to_canonical().is_loopback();
    let secured = async {
        let mut first = [0];
        let count = stream.peek(&mut first).await.map_err(|error| lost(&error))?;
        match &door.tls {
            Some(identity) if count == 1 && first == [tls::FIRST_BYTE] => {
                shake(door, tls::accept(identity, stream).await.map_err(|error| lost(&error))?).await
            }
            _ if is_local || door.allow_plain_remote => shake(door, Box::new(stream).into()).await,
            _ => {
                let mut socket = StrangerSocket::accepted(Box::new(stream).into()).await.map_err(broken)?;
                handshake::reject(&mut socket, Rejection::NeedsTls).await;
                Err(HandshakeError::PlainRemote)
            }
        }
    };
    let limit = door.limits.handshake_timeout;
    admit(timeout(limit, secured).await.map_err(|_| HandshakeError::TimedOut)??).await;
    Ok(())
}

fn lost(error: &std::io::Error) -> HandshakeError {
    HandshakeError::Broken(error.to_string())
}

/// Takes a connection over a stream in memory.
#[cfg(test)]
pub(super) async fn welcome(door: &Door, link: BoundLink) -> Result<(), HandshakeError> {
    let shaken = timeout(door.limits.handshake_timeout, shake(door, link)).await;
    admit(shaken.map_err(|_| HandshakeError::TimedOut)??).await;
    Ok(())
}

/// A stranger who proved a key, and the network that it wants.
struct Guest {
    network: Arc<Shared>,
    socket: StrangerSocket,
    accepted: Accepted,
}

/// Upgrades and shakes hands.
async fn shake(door: &Door, link: BoundLink) -> Result<Guest, HandshakeError> {
    let mut socket = StrangerSocket::accepted(link).await.map_err(broken)?;
    let hello = handshake::receive_hello(&mut socket).await;
    let domain = hello.as_ref().ok().map(|(_, hello)| (hello.chain_id, hello.adjudicator));
    let (chain_id, adjudicator) = domain.unwrap_or_default();
    let Some(network) = door.network(chain_id, adjudicator) else {
        handshake::reject(&mut socket, Rejection::ShuttingDown).await;
        return Err(HandshakeError::NoNetwork);
    };
    let accepted = handshake::accept(&mut socket, &network.identity, hello).await?;
    Ok(Guest { network, socket, accepted })
}

/// Starts the connection if it is admitted.
async fn admit(guest: Guest) {
    let Guest { network, mut socket, accepted: Accepted { session, proof } } = guest;
    // No await between admission and spawn: this task may be aborted at any of its awaits.
    match network.registry.admit(&session, Role::Acceptor, &network.shutdown) {
        Ok(admission) => {
            let run = connection::run(Arc::clone(&network), admission, socket, session, Some(proof));
            network.tasks.spawn(run);
        }
        Err(rejection) => {
            tracing::debug!(peer = %session.peer, %rejection, "authenticated, but not admitted");
            handshake::reject(&mut socket, rejection).await;
        }
    }
}

/// Lets one complaint a minute through, with the number of those it stands for.
#[derive(Debug, Default)]
struct Complaints {
    state: Mutex<(Option<Instant>, u64)>,
}

impl Complaints {
    const PERIOD: Duration = Duration::from_secs(60);

    fn note(&self, complain: impl FnOnce(u64)) {
        let count = {
            let mut state = lock(&self.state);
            let (last, count) = &mut *state;
            *count = count.saturating_add(1);
            if last.is_some_and(|last| last.elapsed() < Complaints::PERIOD) {
                return;
            }
            *last = Some(Instant::now());
            std::mem::take(count)
        };
        complain(count);
    }
}
