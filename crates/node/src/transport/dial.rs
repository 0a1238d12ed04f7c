//! Keeps a peer connected: dials, waits, dials again.

use super::address::PeerAddress;
use super::connection;
use super::error::{DialError, HandshakeError};
use super::handshake::{self, broken};
use super::link::{BoundLink, StrangerSocket};
use super::message::{Rejection, Role};
use super::network::Shared;
use super::registry::Live;
use super::tls;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};

/// Where the keeping of a peer stands while it is not connected: the last failure, if any.
pub(super) type LastFailure = Option<DialError>;

/// The task that keeps a peer connected; it stops when this is dropped.
#[derive(Debug)]
pub(super) struct Keeper {
    pub(super) address: PeerAddress,
    pub(super) failure: watch::Receiver<LastFailure>,
    /// Ends the pause before the next attempt.
    pub(super) now: Arc<Notify>,
    _stop: DropGuard,
}

/// Starts to keep a peer.
pub(super) fn keep(shared: &Arc<Shared>, address: PeerAddress) {
    let stop = CancellationToken::new();
    let (failed, failure) = watch::channel(None);
    let now = Arc::new(Notify::new());
    let keeper =
        Keeper { address: address.clone(), failure, now: Arc::clone(&now), _stop: stop.clone().drop_guard() };
    if shared.registry.keep(address.signer(), keeper) {
        let task = keep_connected(Arc::clone(shared), address, failed, now, stop.clone());
        shared.tasks.spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = task => {}
            }
        });
    }
}

async fn keep_connected(
    shared: Arc<Shared>,
    address: PeerAddress,
    failed: watch::Sender<LastFailure>,
    now: Arc<Notify>,
    stop: CancellationToken,
) {
    let mut backoff = Backoff::new(shared.limits.min_backoff, shared.limits.max_backoff);
    loop {
        let existing = shared.registry.live(address.signer());
        let outcome = match existing {
            Some(live) => Ok(live),
            None => dial(&shared, &address, &stop).await,
        };
        match outcome {
            Ok(live) => {
                failed.send_replace(None);
                let since = Instant::now();
                live.gone.cancelled().await;
                backoff.lasted(since.elapsed());
            }
            Err(error) => report(&failed, &address, error),
        }
        tokio::select! {
            () = sleep(backoff.pause()) => {}
            () = now.notified() => {}
        }
    }
}

/// Tells the operator of a failure once, until it changes.
fn report(failed: &watch::Sender<LastFailure>, address: &PeerAddress, error: DialError) {
    let harmless = error == DialError::Handshake(HandshakeError::Rejected(Rejection::AlreadyConnected));
    if harmless || failed.borrow().as_ref() == Some(&error) {
        tracing::debug!(%address, %error, "cannot reach the peer");
    } else {
        tracing::warn!(%address, %error, "cannot reach the peer; it is tried again and again");
    }
    failed.send_replace(Some(error));
}

/// One attempt. Gives the connection that it started, or the one that took precedence.
pub(super) async fn dial(
    shared: &Arc<Shared>,
    address: &PeerAddress,
    stop: &CancellationToken,
) -> Result<Arc<Live>, DialError> {
    let limit = shared.limits.handshake_timeout;
    let attempt = async {
        let (stream, place) = connect(address).await?;
        let link = secure(stream, place, address.host(), shared.allow_plain_remote).await?;
        greet(shared, link, address, stop).await
    };
    timeout(limit, attempt).await.map_err(|_| HandshakeError::TimedOut)?
}

/// Upgrades, shakes hands, and starts the connection if it is to stay.
pub(super) async fn greet(
    shared: &Arc<Shared>,
    link: BoundLink,
    address: &PeerAddress,
    stop: &CancellationToken,
) -> Result<Arc<Live>, DialError> {
    let mut socket = StrangerSocket::dialled(link, address.authority()).await.map_err(broken)?;
    let session = handshake::initiate(&mut socket, &shared.identity, address.signer()).await?;
    match shared.registry.admit(&session, Role::Initiator, stop) {
        Ok(admission) => {
            let live = Arc::clone(&admission.live);
            shared.tasks.spawn(connection::run(Arc::clone(shared), admission, socket, session, None));
            Ok(live)
        }
        Err(rejection) => {
            // The peer has started its side already, so it hears of this as the end of that connection.
            let _gone = socket.socket.close(None).await;
            let existing = shared.registry.live(session.peer);
            existing.ok_or(DialError::Handshake(HandshakeError::Rejected(rejection)))
        }
    }
}

/// Opens a TCP connection to the first address of the host that answers.
async fn connect(address: &PeerAddress) -> Result<(TcpStream, SocketAddr), DialError> {
    let unknown = |reason: String| DialError::UnknownHost { host: address.host().to_owned(), reason };
    let places = tokio::net::lookup_host((address.host(), address.port()))
        .await
        .map_err(|error| unknown(error.to_string()))?;
    let mut failure = unknown("it has no address".into());
    for place in places {
        match connect_to(place).await {
            Ok(stream) => return Ok((stream, place)),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

/// Within the machine a connection stays plain, and elsewhere if that is allowed.
async fn secure(
    stream: TcpStream,
    place: SocketAddr,
    host: &str,
    allow_plain_remote: bool,
) -> Result<BoundLink, DialError> {
    if allow_plain_remote || place.ip().to_canonical().is_loopback() {
        return Ok(Box::new(stream).into());
    }
    tls::connect(stream, host, place.ip())
        .await
        .map_err(|error| DialError::Tls { place, reason: error.to_string() })
}

async fn connect_to(place: SocketAddr) -> Result<TcpStream, DialError> {
    let unreachable = |error: std::io::Error| DialError::Unreachable {
        place: place.to_string(),
        reason: error.to_string(),
    };
    let stream = TcpStream::connect(place).await.map_err(unreachable)?;
    stream.set_nodelay(true).map_err(unreachable)?;
    Ok(stream)
}

/// Growing pauses with jitter, so that peers that lost each other do not dial in step.
#[derive(Debug)]
struct Backoff {
    min: Duration,
    max: Duration,
    next: Duration,
}

impl Backoff {
    fn new(min: Duration, max: Duration) -> Backoff {
        Backoff { min, max, next: min }
    }

    /// A connection that lasted longer than the pause before it was a success. (A peer that takes us in and throws
    /// us out again is dialled ever more rarely.)
    fn lasted(&mut self, time: Duration) {
        if time >= self.next {
            self.next = self.min;
        }
    }

    /// A random half to whole of the step; the next step is twice as long.
    fn pause(&mut self) -> Duration {
        let mut random = [0u8; 4];
        // Without randomness the pause is merely less random.
        let _less_random = getrandom::fill(&mut random);
        let half = self.next / 2;
        let pause = half + half.mul_f64(f64::from(u32::from_le_bytes(random)) / f64::from(u32::MAX));
        self.next = self.next.saturating_mul(2).min(self.max);
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_until_a_connection_lasts() {
        let (min, max) = (Duration::from_millis(100), Duration::from_secs(1));
        let mut backoff = Backoff::new(min, max);
        for whole in [100, 200, 400, 800, 1000, 1000].map(Duration::from_millis) {
            let pause = backoff.pause();
            assert!(whole / 2 <= pause && pause <= whole, "{pause:?} of {whole:?}");
        }
        backoff.lasted(Duration::from_millis(999));
        assert!(backoff.pause() >= max / 2);
        backoff.lasted(max);
        assert!(backoff.pause() <= min);
    }
}
