//! The node: an engine with threads around it. The engine's thread handles inputs, the committer's makes rounds
//! durable and performs their effects, the chain's talks to the chain. Callers hold a [`Node`], which is cheap to clone.

mod apps;
mod chain_thread;
mod committer;
mod engine_thread;
mod error;
mod figures;
mod invoices;
mod look;
mod machine;
mod mailbox;
mod orders;
mod reading;
mod shared;
mod system;
mod threads;
mod towers;
mod waiters;
mod watchtower;

pub use error::{NodeError, StartError};
pub(crate) use invoices::{InvoiceBook, REMEMBERED};
pub(crate) use look::Calls;
pub use system::{SystemClock, SystemRng};
pub use towers::TowerState;
pub use waiters::Capacity;
pub use watchtower::{Watchtower, WatchtowerConfig};

use crate::transport::{Limits, LinkKind, Listen, Network, NetworkConfig, PeerAddress, TowerAddress};
use chain_thread::Task;
use engine_thread::Message;
use futures_util::future::BoxFuture;
use shared::{Questions, Shared};
use std::net::SocketAddr;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use strait_engine::ports::{Chain, Rng, Store};
use strait_engine::{Alarms, Engine, Policy};
use strait_protocol::{RulesProvider, Settings, Signer};
use strait_types::{Address, Domain, Participant};
use threads::{Threads, forward, hang_up, join, recover, spawn_threads};
use towers::OwnTowers;
pub(crate) use towers::not_served;

/// How a node is set up.
pub struct NodeConfig {
    /// The key that signs states.
    pub signer: Arc<dyn Signer>,
    /// Where peers can connect.
    pub listen: Listen,
    /// Where channels pay this node out; peers are told.
    pub payout: Address,
    /// Allows unencrypted connections beyond this machine.
    pub allow_plain_remote: bool,
    /// Bounds of the transport.
    pub limits: Limits,
    /// Which channels it takes.
    pub policy: Policy,
    /// What it demands of channels that peers open.
    pub settings: Settings,
    /// How often the chain is asked for new blocks.
    pub poll: Duration,
    /// When the operator is told that something is amiss.
    pub alarms: Alarms,
    /// How much may wait for an answer at once.
    pub capacity: Capacity,
    /// The store was restored from a backup.
    pub restored: bool,
    /// Makes the nonces of new channels.
    pub rng: Box<dyn Rng>,
    /// Runs the rules of apps; [`strait_protocol::NoRules`] for a node without.
    pub rules: Arc<dyn RulesProvider>,
    /// They guard its channels while it is away.
    pub towers: Vec<TowerAddress>,
}

/// A channel that this node proposes, with itself as participant 0.
#[derive(Clone, Debug)]
pub struct NewChannel {
    /// The peer's key and the address that it is paid to.
    pub peer: Participant,
    /// Where this node's part is paid to.
    pub payout: Address,
    /// The zero address is the native coin; in any order.
    pub assets: Vec<Address>,
    /// Seconds to answer a challenge.
    pub challenge_duration: u32,
}

/// A running node.
#[derive(Clone)]
pub struct Node {
    shared: Arc<Shared>,
    engine: mailbox::Sender<Message>,
    /// The chain's port has a weak one: without any handle of the node its thread ends.
    chain: Arc<Sender<Task>>,
    network: Network,
    towers: OwnTowers,
    /// Held until they have ended, so that whoever stops the node too waits for it.
    threads: Arc<tokio::sync::Mutex<Option<Threads>>>,
    signer: Address,
    domain: Domain,
    rng: Arc<Mutex<Box<dyn Rng>>>,
    /// Further questions to the engine and the store wait with their callers.
    questions: Arc<Questions>,
    /// Which the engine asks.
    invoices: Arc<InvoiceBook>,
    /// Between two looks at the chain.
    poll: Duration,
    /// See [`Alarms::stale_after`].
    stale_after: u64,
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Node").field("signer", &self.signer).finish_non_exhaustive()
    }
}

impl Node {
    /// Starts a node over a store and a chain, within a tokio runtime.
    ///
    /// # Errors
    /// When the store belongs to another chain or key, or the address cannot be listened on.
    pub fn start(
        config: NodeConfig,
        chain: Box<dyn Chain>,
        store: Box<dyn Store>,
    ) -> BoxFuture<'static, Result<Node, StartError>> {
        Box::pin(async move {
            let domain = Domain::new(chain.chain_id(), chain.adjudicator());
            let network_config = network_config(&config, domain);
            let towers_config =
                NetworkConfig { listen: Listen::Off, kind: LinkKind::Tower, ..network_config.clone() };
            // Whatever else is taken: peers do not choose where this node's money goes.
            let policy = Policy { payout: Some(config.payout), ..config.policy };
            let invoices = Arc::new(InvoiceBook::default());
            let shared = Arc::new(Shared::new(config.capacity));
            let from = Recovery {
                domain,
                signer: config.signer.clone(),
                policy,
                settings: config.settings,
                restored: config.restored,
                alarms: config.alarms,
                rules: config.rules,
                towers: config.towers.iter().map(TowerAddress::signer).collect(),
                invoices: invoices.clone(),
            };
            let recovered = recover(store, &shared, move |store| from.recover(store)).await?;
            let (network, events) = Network::start(network_config).await?;
            let (to_towers, tower_events) = Network::start(towers_config).await?;
            let towers = Some(to_towers.clone());
            let (threads, to_engine, chain_tasks) =
                spawn_threads(recovered, chain, config.poll, &network, towers, &shared)?;
            tokio::spawn(hang_up(shared.clone(), network.clone(), to_engine.clone()));
            tokio::spawn(forward(events, to_engine.clone()));
            tokio::spawn(towers::forward(tower_events, to_engine.clone()));
            Ok(Node {
                shared,
                engine: to_engine,
                chain: chain_tasks,
                network,
                towers: OwnTowers::new(to_towers, config.towers),
                threads: Arc::new(tokio::sync::Mutex::new(Some(threads))),
                signer: config.signer.address(),
                domain,
                rng: Arc::new(Mutex::new(config.rng)),
                questions: Arc::new(Questions::new()),
                invoices,
                poll: config.poll,
                stale_after: config.alarms.stale_after,
            })
        })
    }

    /// The address under which peers reach this node, if it listens.
    pub fn address(&self) -> Option<PeerAddress> {
        let addr = self.network.local_addr()?;
        PeerAddress::new(self.signer, &addr.ip().to_string(), addr.port()).ok()
    }

    /// Where the node listens, if it does.
    pub fn listens_on(&self) -> Option<SocketAddr> {
        self.network.local_addr()
    }

    /// The key's address.
    pub fn signer(&self) -> Address {
        self.signer
    }

    /// Chain and adjudicator.
    pub fn domain(&self) -> &Domain {
        &self.domain
    }

    /// Keeps a connection with a peer from now on.
    pub fn add_peer(&self, peer: PeerAddress) {
        self.network.add_peer(peer);
    }

    /// Dials a peer that is away at once, where its address is known; else it is dialled ever more rarely. Who awaits it hears
    /// whether that led to a connection.
    pub fn dial_now(&self, peer: Address) -> impl Future<Output = bool> + Send + use<> {
        self.network.dial_now(peer)
    }

    /// Bytes of all frames that peers have sent since the start.
    pub fn bytes_received(&self) -> u64 {
        self.network.bytes_received()
    }

    /// Where a peer that is connected wants channels to pay it out.
    pub fn payout_of(&self, peer: Address) -> Option<Address> {
        self.network.payout_of(peer)
    }

    /// Its user's invoices: payments for those that are over are refused.
    pub(crate) fn invoices(&self) -> &InvoiceBook {
        &self.invoices
    }

    /// Waits until the node stops, and says why.
    pub async fn stopped(&self) -> NodeError {
        // Only a dropped sender could fail it, and it is held here.
        drop(self.shared.dead.subscribe().wait_for(|dead| *dead).await);
        self.shared.stopped()
    }

    /// Stops cleanly: what was accepted is durable, snapshots are renewed.
    pub fn shutdown(self) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            drop(self.engine.send(Message::Shutdown));
            join(&self.threads, &self.shared).await;
            self.network.shutdown().await;
            self.towers.network.shutdown().await;
        })
    }

    /// Stops like a crash: nothing more is written or sent, and the store is released.
    pub fn kill(self) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            self.shared.stop();
            drop(self.engine.send(Message::Shutdown));
            self.network.shutdown().await;
            self.towers.network.shutdown().await;
            join(&self.threads, &self.shared).await;
        })
    }
}

/// What the engine is recovered with, beside the store.
struct Recovery {
    domain: Domain,
    signer: Arc<dyn Signer>,
    policy: Policy,
    settings: Settings,
    restored: bool,
    alarms: Alarms,
    rules: Arc<dyn RulesProvider>,
    towers: Vec<Address>,
    invoices: Arc<InvoiceBook>,
}

impl Recovery {
    fn recover(self, store: &dyn Store) -> Result<Engine, StartError> {
        let mut engine =
            Engine::recover(self.domain, self.signer, self.policy, self.settings, store, self.restored)?;
        engine.set_alarms(self.alarms);
        for (app, error) in engine.set_rules(self.rules) {
            tracing::warn!(%app, %error, "an installed app is not run any more: nothing is played in its channels");
        }
        engine.recover_towers(&self.towers, store)?;
        engine.set_invoices(self.invoices);
        Ok(engine)
    }
}

fn network_config(config: &NodeConfig, domain: Domain) -> NetworkConfig {
    NetworkConfig {
        listen: config.listen.clone(),
        payout: config.payout,
        signer: config.signer.clone(),
        domain,
        allow_plain_remote: config.allow_plain_remote,
        kind: LinkKind::Peer,
        limits: config.limits,
    }
}
