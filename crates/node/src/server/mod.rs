//! The API of a node over the network: JSON-RPC 2.0 over HTTP and WebSocket on one port, with tokens, subscriptions,
//! health and metrics. `docs/api.md` describes it for those who call it.

mod accept;
mod carried;
mod config;
mod guarded;
mod headers;
mod http;
mod metrics;
mod readiness;
mod rpc;
mod subscription;
#[cfg(test)]
mod tests;
mod tokens;
mod websocket;

pub use config::{ServerConfig, ServerError, ServerLimits};
pub use guarded::Guarded;
pub use tokens::{Token, Tokens, TokensError};

use futures_util::future::BoxFuture;
use metrics::Metrics;
use readiness::Readiness;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use strait_api::{Api, Subscribe};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How often tokens whose time is over, or that another process revoked, lose their connections.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

/// How long a stop waits for calls under way.
const STOP_PATIENCE: Duration = Duration::from_secs(10);

/// What connections share.
struct Shared {
    config: ServerConfig,
    guarded: Guarded,
    events: Arc<dyn Subscribe>,
    tokens: Tokens,
    metrics: Metrics,
    readiness: Readiness,
    /// Calls under way.
    calls: Arc<Semaphore>,
    shutdown: CancellationToken,
    tasks: TaskTracker,
}

/// A running server. It stops when it is told to, not when it is dropped.
pub struct ApiServer {
    local_addr: SocketAddr,
    shared: Arc<Shared>,
}

impl std::fmt::Debug for ApiServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ApiServer").field("local_addr", &self.local_addr).finish_non_exhaustive()
    }
}

impl ApiServer {
    /// Serves `api` and `events` to whoever holds one of `tokens`, within a tokio runtime.
    ///
    /// # Errors
    /// When the address cannot be listened on, or would take unencrypted connections from other machines.
    pub fn start(
        config: ServerConfig,
        api: Arc<dyn Api>,
        events: Arc<dyn Subscribe>,
        tokens: Tokens,
    ) -> BoxFuture<'static, Result<ApiServer, ServerError>> {
        Box::pin(async move {
            config.check()?;
            let address = config.listen;
            let failed = |source| ServerError::Listen { address, source };
            let listener = TcpListener::bind(address).await.map_err(failed)?;
            let local_addr = listener.local_addr().map_err(failed)?;
            let shared = Arc::new(Shared {
                calls: Arc::new(Semaphore::new(config.limits.max_calls)),
                guarded: Guarded::new(api.clone(), tokens.clone()),
                metrics: Metrics::new(api.clone(), config.nodes.clone()),
                readiness: Readiness::new(api, config.nodes.clone(), config.directories.clone()),
                config,
                events,
                tokens,
                shutdown: CancellationToken::new(),
                tasks: TaskTracker::new(),
            });
            shared.tasks.spawn(accept::accept(shared.clone(), listener));
            shared.tasks.spawn(sweep(shared.clone()));
            Ok(ApiServer { local_addr, shared })
        })
    }

    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Takes nothing new, tells subscribers, and waits up to ten seconds for what is under way.
    pub fn stop(self) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            self.shared.shutdown.cancel();
            self.shared.tasks.close();
            if tokio::time::timeout(STOP_PATIENCE, self.shared.tasks.wait()).await.is_err() {
                tracing::warn!("the API server stopped before all calls had ended");
            }
        })
    }
}

async fn sweep(shared: Arc<Shared>) {
    let mut ticks = tokio::time::interval(SWEEP_INTERVAL);
    loop {
        tokio::select! {
            () = shared.shutdown.cancelled() => return,
            _ = ticks.tick() => {}
        }
        if let Err(error) = shared.tokens.sweep() {
            tracing::warn!(%error, hint = error.hint, "the tokens cannot be read");
        }
    }
}

/// A panic elsewhere leaves what is locked here as it was: each holder changes it in one step.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
