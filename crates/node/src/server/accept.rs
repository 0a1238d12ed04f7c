//! Takes connections, as many as there is room for, and speaks HTTP with them.

use super::{Shared, http};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_io_timeout::TimeoutStream;

/// Pause after the system refused to accept (for example because files ran out).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A request's line and headers must fit.
const MAX_HEADER_BYTES: usize = 64 << 10;

/// Held as long as its connection lives, also after it became a WebSocket.
pub(super) type Place = Arc<OwnedSemaphorePermit>;

/// Accepts until the server stops.
pub(super) async fn accept(shared: Arc<Shared>, listener: TcpListener) {
    let places = Arc::new(Semaphore::new(shared.config.limits.max_connections));
    loop {
        let accepted = tokio::select! {
            () = shared.shutdown.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "cannot accept API connections; check the limit of open files");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        match places.clone().try_acquire_owned() {
            Ok(place) => drop(shared.tasks.spawn(serve(shared.clone(), stream, Arc::new(place)))),
            Err(_) => shared.metrics.connection_refused(),
        }
    }
}

async fn serve(shared: Arc<Shared>, stream: TcpStream, place: Place) {
    // Without it small answers wait for acknowledgements; the connection works nevertheless.
    let _slower = stream.set_nodelay(true);
    let limits = &shared.config.limits;
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(limits.write_timeout));
    let service = TowerToHyperService::new(http::router(shared.clone(), place));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_buf_size(MAX_HEADER_BYTES)
        .serve_connection(TokioIo::new(Box::pin(stream)), service)
        .with_upgrades();
    tokio::pin!(connection);
    tokio::select! {
        _ = connection.as_mut() => return,
        () = shared.shutdown.cancelled() => connection.as_mut().graceful_shutdown(),
    }
    // How it ends is the client's matter.
    drop(connection.await);
}
