//! A whole node from its configuration: the chains, the stores, the peers' port, the service over them, and the API. What the
//! `strait node` command runs.

mod admin;
mod chain;
mod clock;
mod error;
mod figures;
mod lock;
mod parts;
mod tower;

pub use chain::GAS_OF_A_DISPUTE;
pub use error::DaemonError;
pub use lock::{HomeLock, RunningTower, is_running, running_tower};
pub use tower::TowerDaemon;

use crate::config::Config;
use crate::server::{ApiServer, ServerConfig, Tokens};
use crate::service::{ChainNode, Service};
use crate::transport::{Listener, PeerAddress};
use crate::{Node, SystemClock, SystemRng};
use chain::RpcParts;
use futures_util::future::BoxFuture;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use strait_api::{Api, Subscribe};
use strait_engine::ports::Clock;
use strait_types::{Address, SigningKey};

/// What a daemon is started with.
pub struct DaemonConfig {
    /// The configuration.
    pub config: Config,
    /// The key that signs states.
    pub signer: SigningKey,
    /// By chain: the key whose account pays gas and deposits. A chain that is not in it uses `signer`.
    pub accounts: BTreeMap<String, SigningKey>,
    /// The data was restored from a backup.
    pub restored: bool,
}

/// A running node with everything around it.
pub struct Daemon {
    service: Arc<Service>,
    server: ApiServer,
    listener: Option<Listener>,
    addresses: Vec<PeerAddress>,
    notes: Vec<String>,
    /// Held until all is stopped.
    _lock: lock::HomeLock,
}

impl std::fmt::Debug for Daemon {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Daemon").field("addresses", &self.addresses).finish_non_exhaustive()
    }
}

impl Daemon {
    /// Starts everything, within a tokio runtime. A chain that does not answer is waited for while the rest works; one that
    /// turns out to be another than configured is refused.
    ///
    /// # Errors
    /// What stands in the way, with the next step. Nothing runs then.
    pub fn start(daemon: DaemonConfig) -> BoxFuture<'static, Result<Daemon, DaemonError>> {
        Box::pin(async move {
            let config = &daemon.config;
            if config.chains.is_empty() {
                return Err(DaemonError::NoChain);
            }
            let lock = lock::HomeLock::take(&config.home)?;
            let mut notes = Vec::new();
            let mut chains = Vec::new();
            for (name, section) in &config.chains {
                let account = daemon.accounts.get(name).unwrap_or(&daemon.signer);
                let parts = RpcParts::new(config, name, section, account.clone())?;
                let (chain, note) = chain::connect(parts).await?;
                notes.extend(note);
                chains.push((name, section, account.address(), chain));
            }
            let listener = parts::listener(config).await?;
            let addresses = parts::addresses(config, daemon.signer.address(), listener.as_ref());
            let towers = parts::towers(config).await?;
            let mut nodes: Vec<ChainNode> = Vec::new();
            for (name, section, account, chain) in chains {
                match parts::node(&daemon, name, section, (account, chain), listener.clone(), towers.clone())
                    .await
                {
                    Ok(node) => nodes.push(node),
                    Err(error) => {
                        // Those that run already are stopped like any other.
                        for started in nodes {
                            started.node.shutdown().await;
                        }
                        return Err(error);
                    }
                }
            }
            let service = Service::start(parts::service(&daemon, nodes, addresses.clone())).await?;
            let server = match serve(config, &service).await {
                Ok(server) => server,
                Err(error) => {
                    service.shutdown().await;
                    return Err(error);
                }
            };
            for node in service.nodes() {
                config.node.peers.iter().for_each(|peer| node.add_peer(peer.clone()));
            }
            Ok(Daemon { service, server, listener, addresses, notes, _lock: lock })
        })
    }

    /// Where peers reach this node; empty if it only dials.
    pub fn addresses(&self) -> &[PeerAddress] {
        &self.addresses
    }

    /// Where the API listens.
    pub fn api(&self) -> SocketAddr {
        self.server.local_addr()
    }

    /// What the operator should know, although the node works: a chain that does not answer yet, too little gas money.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Waits until a node stops by itself, because its disk fails for example, and says why.
    pub async fn failed(&self) -> String {
        let nodes: Vec<Node> = self.service.nodes().cloned().collect();
        let mut waiting: Vec<_> = nodes.iter().map(|node| Box::pin(node.stopped())).collect();
        std::future::poll_fn(|context| {
            for stopped in &mut waiting {
                if let std::task::Poll::Ready(error) = stopped.as_mut().poll(context) {
                    return std::task::Poll::Ready(error.to_string());
                }
            }
            std::task::Poll::Pending
        })
        .await
    }

    /// Stops cleanly: first nobody can ask for anything new, then the nodes end with all that they accepted on disk.
    pub fn stop(self) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            self.server.stop().await;
            self.service.shutdown().await;
            if let Some(listener) = &self.listener {
                listener.shutdown().await;
            }
        })
    }
}

async fn serve(config: &Config, service: &Arc<Service>) -> Result<ApiServer, DaemonError> {
    let clock: Arc<dyn Clock + Send + Sync> = Arc::new(SystemClock::start());
    let tokens = Tokens::open(config.database("tokens.db"), clock, Box::new(SystemRng))?;
    admin::ensure(&config.admin_token_file(), &tokens)?;
    let server = ServerConfig {
        allow_plain_remote: config.node.api_allow_plain_remote,
        hosts: config.node.api_hosts.clone(),
        origins: config.node.api_origins.clone(),
        nodes: service.nodes().cloned().collect(),
        directories: config.chains.keys().map(|name| config.chain_directory(name)).collect(),
        ..ServerConfig::new(config.node.api)
    };
    let api: Arc<dyn Api> = service.clone();
    let events: Arc<dyn Subscribe> = service.clone();
    Ok(ApiServer::start(server, api, events, tokens).await?)
}

/// Where a chain pays this node out.
fn payout(config: &Config, signer: Address) -> Address {
    config.node.payout.unwrap_or(signer)
}
