//! Takes connections from strangers without letting them take much.

use super::connection;
use super::error::HandshakeError;
use super::handshake::{self, Accepted, broken};
use super::link::{BoxLink, StrangerSocket};
use super::message::Role;
use super::network::Shared;
use super::registry::lock;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep, timeout};

/// Pause after the system refused to accept (for example because files ran out).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Accepts until the network shuts down.
pub(super) async fn listen(shared: Arc<Shared>, listener: TcpListener) {
    let mut strangers = VecDeque::new();
    loop {
        let accepted = tokio::select! {
            () = shared.shutdown.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, from)) => {
                make_room(&mut strangers, &shared, from);
                let task = serve(Arc::clone(&shared), stream, from);
                strangers.push_back(shared.tasks.spawn(task).abort_handle());
            }
            Err(error) => {
                shared.complaints.note(|count| {
                    tracing::warn!(%error, count, "cannot accept connections; check the limit of open files");
                });
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// When too many handshakes are under way the oldest gives way: honest ones take milliseconds.
fn make_room(strangers: &mut VecDeque<AbortHandle>, shared: &Shared, from: SocketAddr) {
    strangers.retain(|handshake| !handshake.is_finished());
    while strangers.len() >= shared.limits.max_handshakes {
        if let Some(oldest) = strangers.pop_front() {
            oldest.abort();
            shared.complaints.note(|count| {
                tracing::warn!(%from, count, "too many unfinished handshakes, dropped the oldest");
            });
        }
    }
}

async fn serve(shared: Arc<Shared>, stream: TcpStream, from: SocketAddr) {
    // Without it small frames wait for acknowledgements; the connection works nevertheless.
    let _slower = stream.set_nodelay(true);
    let outcome = tokio::select! {
        () = shared.shutdown.cancelled() => return,
        outcome = welcome(&shared, Box::new(stream)) => outcome,
    };
    if let Err(error) = outcome {
        tracing::debug!(%from, %error, "handshake failed");
        shared.complaints.note(|count| {
            tracing::warn!(%from, %error, count, "handshakes of incoming connections fail; this is the latest");
        });
    }
}

/// Upgrades, shakes hands, and starts the connection if it is admitted.
pub(super) async fn welcome(shared: &Arc<Shared>, link: BoxLink) -> Result<(), HandshakeError> {
    let shaken = async {
        let mut socket = StrangerSocket::accepted(link).await.map_err(broken)?;
        let accepted = handshake::accept(&mut socket, &shared.identity).await?;
        Ok::<_, HandshakeError>((socket, accepted))
    };
    let (mut socket, Accepted { session, proof }) =
        timeout(shared.limits.handshake_timeout, shaken).await.map_err(|_| HandshakeError::TimedOut)??;
    // No await between admission and spawn: this task may be aborted at any of its awaits.
    match shared.registry.admit(session.peer, Role::Acceptor) {
        Ok(admission) => {
            let run = connection::run(Arc::clone(shared), admission, socket, session, Some(proof));
            shared.tasks.spawn(run);
        }
        Err(rejection) => {
            tracing::debug!(peer = %session.peer, %rejection, "authenticated, but not admitted");
            handshake::reject(&mut socket, rejection).await;
        }
    }
    Ok(())
}

/// Lets one complaint a minute through, with the number of those it stands for.
#[derive(Debug, Default)]
pub(super) struct Complaints {
    state: Mutex<(Option<Instant>, u64)>,
}

impl Complaints {
    const PERIOD: Duration = Duration::from_secs(60);

    pub(super) fn note(&self, complain: impl FnOnce(u64)) {
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
