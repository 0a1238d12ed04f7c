//! A node as its users see it: one or several running [`Node`]s, one per chain, behind the one interface
//! [`strait_api::Api`], with what must outlive them in a small database: events, invoices, idempotency keys, peers.

mod api;
mod apps;
mod arriving;
mod backup;
mod channels;
mod children;
mod chores;
mod config;
mod convert;
mod database;
mod error;
mod events;
mod history;
mod info;
mod invoices;
mod keys;
mod open;
mod pay;
mod peers;
mod prune;
mod registry;
mod state;
mod towers;

pub use backup::LAST_BACKUP;
pub use config::{ChainNode, CopyStore, Retention, ServiceConfig};
pub use database::DatabaseError;
pub use events::{SharedEvent, SharedEvents};
pub use invoices::read as read_invoice;
pub use state::{params_json, typed_data};
pub use towers::stored_towers;

use crate::transport::PeerAddress;
use crate::{Node, NodeError};
use database::Database;
use events::{Log, Pump};
use futures_util::future::BoxFuture;
use registry::{Known, Registry};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use strait_api::{ApiError, AssetNames, ErrorCode};
use strait_engine::ports::{Clock, Rng, RngError, Signer};
use strait_types::{Address, ChannelId};
use tokio::task::JoinHandle;

/// Why a service does not start.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// Its database cannot be used.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// A node has stopped already.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// Two chains are one.
    #[error("chain {0} is configured twice; name each chain once")]
    ChainTwice(u64),
    /// There is nothing to serve.
    #[error("no chain is configured; add one")]
    NoChain,
    /// A node with another key.
    #[error("the node on chain {0} has another key than the service; use one key for all chains")]
    OtherSigner(u64),
    /// What became of requests that the last stop interrupted cannot be told.
    #[error("what became of interrupted requests cannot be told: {0}; {hint}", hint = .0.hint)]
    Keys(ApiError),
    /// The system gives no randomness.
    #[error(transparent)]
    Rng(#[from] RngError),
}

/// A node as its users see it; see the module. It implements [`strait_api::Api`] and [`strait_api::Subscribe`].
pub struct Service {
    core: Arc<Core>,
    pumps: Mutex<Vec<JoinHandle<()>>>,
    /// What is done from time to time.
    chores: JoinHandle<()>,
}

/// What the service's tasks share.
pub(crate) struct Core {
    pub(crate) nodes: Vec<ChainNode>,
    pub(crate) signer: Arc<dyn Signer>,
    pub(crate) assets: AssetNames,
    pub(crate) addresses: Vec<PeerAddress>,
    pub(crate) database: Database,
    pub(crate) log: Log,
    pub(crate) registry: Registry,
    pub(crate) clock: Arc<dyn Clock + Send + Sync>,
    pub(crate) rng: Mutex<Box<dyn Rng>>,
    pub(crate) started_ms: u64,
    pub(crate) running: keys::Running,
    pub(crate) pruning: prune::Pruning,
}

impl std::fmt::Debug for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Service").field("signer", &self.core.signer.address()).finish_non_exhaustive()
    }
}

impl Service {
    /// Starts over running nodes, within a tokio runtime. What happened to the nodes' channels since the last time
    /// is told as events before this returns.
    ///
    /// # Errors
    /// When the database cannot be used, or the nodes do not fit together. The nodes are stopped then.
    pub fn start(config: ServiceConfig) -> BoxFuture<'static, Result<Arc<Service>, ServiceError>> {
        Box::pin(async move {
            let nodes: Vec<_> = config.nodes.iter().map(|chain| chain.node.clone()).collect();
            let started = Service::start_over(config).await;
            if started.is_err() {
                // They hold files and ports.
                for node in nodes {
                    node.shutdown().await;
                }
            }
            started
        })
    }

    async fn start_over(config: ServiceConfig) -> Result<Arc<Service>, ServiceError> {
        let mut chains = BTreeSet::new();
        for chain in &config.nodes {
            let chain_id = chain.node.domain().chain_id();
            if !chains.insert(chain_id) {
                return Err(ServiceError::ChainTwice(chain_id));
            }
            if chain.node.signer() != config.signer.address() {
                return Err(ServiceError::OtherSigner(chain_id));
            }
        }
        if chains.is_empty() {
            return Err(ServiceError::NoChain);
        }
        let mut rng = config.rng;
        let mut seed = [0; 4];
        rng.fill(&mut seed)?;
        let database = Database::open(&config.database)?;
        let epoch = u32::from_be_bytes(seed);
        let log = Log::open(database.clone(), config.retention, epoch, config.restored).await?;
        let core = Arc::new(Core {
            started_ms: config.clock.now_ms(),
            nodes: config.nodes,
            signer: config.signer,
            assets: AssetNames::new(config.assets),
            addresses: config.addresses,
            database,
            log,
            registry: Registry::default(),
            clock: config.clock,
            rng: Mutex::new(rng),
            running: keys::Running::default(),
            pruning: prune::Pruning::default(),
        });
        core.load_invoices().await?;
        let pumps = Pump::start_all(&core).await?;
        // Before anything new is taken, so that it is not taken for what was before.
        core.decide_keys().await.map_err(ServiceError::Keys)?;
        core.dial_known_peers().await?;
        let pumps = pumps.into_iter().map(|pump| tokio::spawn(pump.run())).collect();
        let chores = tokio::spawn(chores::chores(Arc::downgrade(&core)));
        Ok(Arc::new(Service { core, pumps: Mutex::new(pumps), chores }))
    }

    /// Stops the nodes cleanly, then the service: what was accepted is durable, all events are written.
    pub fn shutdown(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            self.chores.abort();
            for chain in &self.core.nodes {
                chain.node.clone().shutdown().await;
            }
            for pump in self.take_pumps() {
                drop(pump.await);
            }
            self.core.log.end();
            self.core.database.close().await;
        })
    }

    /// Stops nodes and service like a crash: nothing more is written or sent.
    pub fn kill(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            self.chores.abort();
            self.core.database.kill().await;
            for pump in self.take_pumps() {
                pump.abort();
            }
            for chain in &self.core.nodes {
                chain.node.clone().kill().await;
            }
            self.core.log.end();
        })
    }

    fn take_pumps(&self) -> Vec<JoinHandle<()>> {
        std::mem::take(&mut *self.pumps.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The nodes by chain, in the order of the configuration.
    pub fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.core.nodes.iter().map(|chain| &chain.node)
    }
}

impl Core {
    pub(crate) fn now(&self) -> u64 {
        self.clock.now_ms() / 1_000
    }

    pub(crate) fn random<const N: usize>(&self) -> Result<[u8; N], NodeError> {
        let mut bytes = [0; N];
        self.rng.lock().unwrap_or_else(PoisonError::into_inner).fill(&mut bytes)?;
        Ok(bytes)
    }

    pub(crate) fn chain_id(&self, chain: usize) -> u64 {
        self.nodes.get(chain).map_or(0, |chain| chain.node.domain().chain_id())
    }

    /// The node of a channel.
    pub(crate) fn node(&self, known: &Known) -> Result<&Node, ApiError> {
        let missing = || ApiError::new(ErrorCode::UnknownChain, "the channel's chain is not configured");
        self.nodes.get(known.chain).map(|chain| &chain.node).ok_or_else(missing)
    }

    /// The chain that a request names, or the only one, with its index.
    pub(crate) fn chain(&self, chain_id: Option<u64>) -> Result<(usize, &ChainNode), ApiError> {
        let ids = || {
            let ids: Vec<_> = (0..self.nodes.len()).map(|index| self.chain_id(index).to_string()).collect();
            ids.join(", ")
        };
        match (chain_id, self.nodes.as_slice()) {
            (None, [only]) => Ok((0, only)),
            (None, _) => {
                let message = format!("this node has several chains ({}); name one", ids());
                Err(ApiError::new(ErrorCode::UnknownChain, message))
            }
            (Some(chain_id), nodes) => {
                let found =
                    nodes.iter().enumerate().find(|(_, chain)| chain.node.domain().chain_id() == chain_id);
                found.ok_or_else(|| {
                    let message = format!("this node has no chain {chain_id}, but {}", ids());
                    ApiError::new(ErrorCode::UnknownChain, message)
                })
            }
        }
    }

    /// A channel by its id.
    pub(crate) async fn known(&self, id: ChannelId) -> Result<Arc<Known>, ApiError> {
        if let Some(known) = self.registry.get(id) {
            return Ok(known);
        }
        // A peer may have opened it a moment ago, and the news of it is still on its way.
        for (chain, node) in self.nodes.iter().enumerate() {
            if let Ok(params) = node.node.params(id).await
                && let Some(side) = self.side_of(&params.participants.map(|participant| participant.signer))
            {
                return Ok(self.registry.add(chain, id, params, side, None));
            }
        }
        let message = format!("no channel {id} is known here");
        Err(ApiError::new(ErrorCode::UnknownChannel, message))
    }

    pub(crate) fn side_of(&self, signers: &[Address; 2]) -> Option<strait_types::Side> {
        let own = self.signer.address();
        strait_types::Side::from_index(signers.iter().position(|signer| *signer == own)?)
    }
}
