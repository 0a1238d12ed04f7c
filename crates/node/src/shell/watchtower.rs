//! A running watchtower: the same threads as a node's, around [`Tower`] instead of an engine.

use super::chain_thread::Task;
use super::engine_thread::Message;
use super::{Capacity, NodeError, Shared, StartError, Threads, hang_up, mailbox, recover, spawn_threads};
use crate::transport::{Limits, LinkKind, Listen, Network, NetworkConfig, PeerAddress, TowerAddress};
use futures_util::future::BoxFuture;
use std::sync::mpsc::Sender;
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use strait_engine::Notice;
use strait_engine::ports::{Chain, Store};
use strait_engine::tower::{Tower, TowerConfig, TowerStatus};
use strait_protocol::Signer;
use strait_types::{Address, Domain};
use tokio::sync::{mpsc, oneshot};

/// How a watchtower is set up.
pub struct WatchtowerConfig {
    /// The key that proves who it is and signs receipts. It moves nobody's funds.
    pub signer: Arc<dyn Signer>,
    /// Where clients connect.
    pub listen: Listen,
    /// Allows unencrypted connections beyond this machine.
    pub allow_plain_remote: bool,
    /// Bounds of the transport.
    pub limits: Limits,
    /// How often the chain is asked for new blocks.
    pub poll: Duration,
    /// What it does for whom.
    pub tower: TowerConfig,
}

/// A running watchtower on one chain. Cheap to clone.
#[derive(Clone)]
pub struct Watchtower {
    shared: Arc<Shared>,
    tower: mailbox::Sender<Message<Tower>>,
    /// While it is held, new blocks wake the chain's thread.
    _chain: Arc<Sender<Task>>,
    network: Network,
    threads: Arc<tokio::sync::Mutex<Option<Threads>>>,
    signer: Address,
    domain: Domain,
}

impl std::fmt::Debug for Watchtower {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watchtower").field("signer", &self.signer).finish_non_exhaustive()
    }
}

impl Watchtower {
    /// Starts a tower over a store and a chain, within a tokio runtime.
    ///
    /// # Errors
    /// When the store belongs to another chain, or the address cannot be listened on.
    pub fn start(
        config: WatchtowerConfig,
        chain: Box<dyn Chain>,
        store: Box<dyn Store>,
    ) -> BoxFuture<'static, Result<Watchtower, StartError>> {
        Box::pin(async move {
            let domain = Domain::new(chain.chain_id(), chain.adjudicator());
            let shared = Arc::new(Shared::new(Capacity::default()));
            let key = config.signer.clone();
            let build = move |store: &dyn Store| Ok(Tower::recover(domain, key, config.tower, store)?);
            let recovered = recover(store, &shared, build).await?;
            let signer = config.signer.address();
            let (network, events) = Network::start(NetworkConfig {
                listen: config.listen,
                payout: signer,
                signer: config.signer,
                domain,
                allow_plain_remote: config.allow_plain_remote,
                kind: LinkKind::Tower,
                limits: config.limits,
            })
            .await?;
            let (threads, to_tower, chain_tasks) =
                spawn_threads(recovered, chain, config.poll, &network, None, &shared)?;
            tokio::spawn(hang_up(shared.clone(), network.clone(), to_tower.clone()));
            tokio::spawn(super::threads::forward(events, to_tower.clone()));
            Ok(Watchtower {
                shared,
                tower: to_tower,
                _chain: chain_tasks,
                network,
                threads: Arc::new(tokio::sync::Mutex::new(Some(threads))),
                signer,
                domain,
            })
        })
    }

    /// Under which address clients reach it, if it listens.
    pub fn address(&self) -> Option<TowerAddress> {
        let addr = self.network.local_addr()?;
        PeerAddress::new(self.signer, &addr.ip().to_string(), addr.port()).ok().map(TowerAddress::new)
    }

    /// The tower's address.
    pub fn signer(&self) -> Address {
        self.signer
    }

    /// Chain and adjudicator.
    pub fn domain(&self) -> &Domain {
        &self.domain
    }

    /// The tower at a glance.
    ///
    /// # Errors
    /// When it has stopped.
    pub async fn status(&self) -> Result<TowerStatus, NodeError> {
        let (sender, receiver) = oneshot::channel();
        let question = Box::new(move |tower: &Tower| drop(sender.send(tower.status())));
        self.tower.send(Message::Query(question)).map_err(|_| self.shared.stopped())?;
        receiver.await.map_err(|_| self.shared.stopped())
    }

    /// Waits until the tower is in a state that satisfies a condition.
    ///
    /// # Errors
    /// When it stops before.
    pub async fn until(&self, wanted: impl Fn(&TowerStatus) -> bool) -> Result<TowerStatus, NodeError> {
        let mut rounds = self.shared.rounds.subscribe();
        loop {
            let status = self.status().await?;
            if wanted(&status) {
                return Ok(status);
            }
            if self.shared.is_dead() {
                return Err(self.shared.stopped());
            }
            rounds.changed().await.map_err(|_| self.shared.stopped())?;
        }
    }

    /// All news from now on. A subscriber that does not keep up is dropped.
    pub fn subscribe(&self) -> mpsc::Receiver<Arc<Notice>> {
        let (sender, receiver) = mpsc::channel(super::reading::MAX_LAG);
        self.shared.subscribers.lock().unwrap_or_else(PoisonError::into_inner).push(sender);
        receiver
    }

    /// Waits until the tower stops, and says why.
    pub async fn stopped(&self) -> NodeError {
        // Only a dropped sender could fail it, and it is held here.
        drop(self.shared.dead.subscribe().wait_for(|dead| *dead).await);
        self.shared.stopped()
    }

    /// Stops cleanly.
    pub fn shutdown(self) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            drop(self.tower.send(Message::Shutdown));
            super::threads::join(&self.threads, &self.shared).await;
            self.network.shutdown().await;
        })
    }

    /// Stops like a crash: nothing more is written or sent, and the store is released.
    pub fn kill(self) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            self.shared.stop();
            drop(self.tower.send(Message::Shutdown));
            self.network.shutdown().await;
            super::threads::join(&self.threads, &self.shared).await;
        })
    }
}
