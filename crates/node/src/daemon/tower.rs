//! A whole watchtower from its configuration: what the `strait tower` command runs.

use super::chain::{self, RpcParts};
use super::{DaemonConfig, DaemonError, RunningTower, figures, lock, parts};
use crate::config::{ChainSection, Confirmations};
use crate::transport::{Limits, Listen, Listener, TowerAddress};
use crate::{Watchtower, WatchtowerConfig};
use futures_util::future::BoxFuture;
use std::net::SocketAddr;
use std::sync::Arc;
use strait_engine::ports::Chain;
use strait_engine::tower::{Admission, TowerConfig};
use strait_store::SqliteStore;
use tokio::task::JoinHandle;

/// A running watchtower, on one or several chains.
pub struct TowerDaemon {
    towers: Vec<(String, Watchtower)>,
    listener: Listener,
    addresses: Vec<TowerAddress>,
    notes: Vec<String>,
    /// Where its figures are, and the task that serves them.
    figures: Option<(SocketAddr, JoinHandle<()>)>,
    /// Held until all is stopped.
    _lock: lock::HomeLock,
}

impl std::fmt::Debug for TowerDaemon {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TowerDaemon").field("addresses", &self.addresses).finish_non_exhaustive()
    }
}

impl TowerDaemon {
    /// Starts everything, within a tokio runtime. A chain that does not answer is waited for while the rest works.
    ///
    /// # Errors
    /// What stands in the way, with the next step. Nothing runs then.
    pub fn start(daemon: &DaemonConfig) -> BoxFuture<'_, Result<TowerDaemon, DaemonError>> {
        Box::pin(async move {
            let config = &daemon.config;
            if config.chains.is_empty() {
                return Err(DaemonError::NoChain);
            }
            let lock = lock::HomeLock::take(&config.home)?;
            let (mut chains, mut notes) = (Vec::new(), Vec::new());
            for (name, section) in &config.chains {
                let account = daemon.accounts.get(name).unwrap_or(&daemon.signer);
                let connecting = RpcParts::new(config, name, section, account.clone())?;
                let (chain, note) = chain::connect(connecting).await?;
                notes.extend(note);
                chains.push((name, section, chain));
            }
            let listener = parts::listener(config).await?.ok_or(DaemonError::TowerListensNowhere)?;
            let addresses = parts::addresses(config, daemon.signer.address(), Some(&listener));
            let mut towers = Vec::new();
            for (name, section, chain) in chains {
                match start_one(daemon, name, section, chain, listener.clone()).await {
                    Ok(tower) => towers.push((name.clone(), tower)),
                    Err(error) => {
                        for (_, started) in towers {
                            started.shutdown().await;
                        }
                        return Err(error);
                    }
                }
            }
            let addresses = addresses.into_iter().map(TowerAddress::new).collect();
            let mut daemon = TowerDaemon { towers, listener, addresses, notes, figures: None, _lock: lock };
            if let Some(listen) = config.tower.metrics {
                let towers = daemon.towers.iter().map(|(_, tower)| tower.clone()).collect();
                match figures::serve(listen, towers).await {
                    Ok(served) => daemon.figures = Some(served),
                    Err(error) => {
                        daemon.stop().await;
                        return Err(error);
                    }
                }
            }
            if let Err(error) = daemon.describe(&config.tower.quotas.admission).publish(&config.home) {
                daemon.stop().await;
                return Err(error);
            }
            Ok(daemon)
        })
    }

    fn describe(&self, admission: &Admission) -> RunningTower {
        RunningTower {
            addresses: self.addresses.iter().map(ToString::to_string).collect(),
            clients: match admission {
                Admission::Anybody => vec!["any".to_owned()],
                Admission::Keys(keys) => keys.iter().map(ToString::to_string).collect(),
            },
            metrics: self.metrics(),
        }
    }

    /// Where Prometheus finds its figures.
    pub fn metrics(&self) -> Option<SocketAddr> {
        self.figures.as_ref().map(|(address, _)| *address)
    }

    /// Where clients reach it.
    pub fn addresses(&self) -> &[TowerAddress] {
        &self.addresses
    }

    /// By the chain's name.
    pub fn towers(&self) -> &[(String, Watchtower)] {
        &self.towers
    }

    /// What the operator should know, although it works.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Waits until a tower stops by itself, because its disk fails for example, and says why.
    pub async fn failed(&self) -> String {
        let mut waiting: Vec<_> = self.towers.iter().map(|(_, tower)| Box::pin(tower.stopped())).collect();
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

    /// Stops cleanly.
    pub fn stop(self) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            if let Some((_, task)) = self.figures {
                task.abort();
            }
            for (_, tower) in self.towers {
                tower.shutdown().await;
            }
            self.listener.shutdown().await;
        })
    }
}

async fn start_one(
    daemon: &DaemonConfig,
    name: &str,
    section: &ChainSection,
    chain: Box<dyn Chain>,
    listener: Listener,
) -> Result<Watchtower, DaemonError> {
    let config = &daemon.config;
    let store = SqliteStore::open(config.chain_directory(name).join("tower"))
        .map_err(|source| DaemonError::Store { chain: name.to_owned(), source })?;
    let tower = WatchtowerConfig {
        signer: Arc::new(daemon.signer.clone()),
        listen: Listen::On(listener),
        allow_plain_remote: config.node.allow_plain_remote,
        limits: Limits::default(),
        poll: section.poll,
        tower: TowerConfig {
            quotas: config.tower.quotas.clone(),
            confirmations: match section.confirmations {
                Confirmations::Blocks(blocks) => blocks,
                Confirmations::Finalized => 0,
            },
            lock_margin: config.tower.lock_margin,
            settles: config.tower.settle,
            alarms: parts::alarms(section),
        },
    };
    let started = Watchtower::start(tower, chain, Box::new(store)).await;
    started.map_err(|source| DaemonError::Node { chain: name.to_owned(), source })
}
