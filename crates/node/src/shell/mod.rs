//! The node: an engine with threads around it. The engine's thread handles inputs, the committer's makes rounds
//! durable and performs their effects, the chain's talks to the chain. Callers hold a [`Node`], which is cheap to clone.

mod apps;
mod chain_thread;
mod committer;
mod engine_thread;
mod error;
mod figures;
mod look;
mod machine;
mod system;
mod towers;
mod waiters;
mod watchtower;

pub use error::{NodeError, StartError};
pub(crate) use look::Calls;
pub use towers::TowerState;
pub use watchtower::{Watchtower, WatchtowerConfig};

use crate::transport::{
    Limits, Listen, Network, NetworkConfig, NetworkEvent, NetworkEvents, PeerAddress, TowerAddress,
};
use chain_thread::Task;
use engine_thread::{Message, Parts};
use figures::Figures;
use machine::Machine;
use std::collections::{BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use strait_engine::ports::{Account, Chain, Clock, HistoryEntry, Rng, Store, StoreError, TxHash};
use strait_engine::{Alarms, Engine, Input, Notice, Policy, Proposal, Status};
use strait_protocol::{
    ChannelView, Command, Facts, Outcome, Payment, RulesProvider, Settings, SignedPosition, Signer, Token,
};
use strait_types::{Address, Amount, AssetIndex, B256, ChannelId, ChannelParams, Domain, Participant};
pub use system::{SystemClock, SystemRng};
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use towers::OwnTowers;
pub use waiters::Capacity;
use waiters::{Answer, Waiters};

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

/// What the threads and the handles share.
pub(crate) struct Shared {
    pub(crate) waiters: Waiters,
    pub(crate) subscribers: Mutex<Vec<mpsc::Sender<Arc<Notice>>>>,
    /// Counts rounds whose effects were performed, so that callers can wait for a condition.
    pub(crate) rounds: watch::Sender<u64>,
    /// Nothing more is written or sent.
    pub(crate) dead: watch::Sender<bool>,
    /// The same, for those who look often.
    is_dead: AtomicBool,
    /// Why the node stopped by itself.
    pub(crate) failure: Mutex<Option<String>>,
    pub(crate) figures: Figures,
}

impl Shared {
    fn new(capacity: Capacity) -> Shared {
        Shared {
            waiters: Waiters::new(capacity),
            subscribers: Mutex::new(Vec::new()),
            rounds: watch::Sender::new(0),
            dead: watch::Sender::new(false),
            is_dead: AtomicBool::new(false),
            failure: Mutex::new(None),
            figures: Figures::new(),
        }
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.is_dead.load(Ordering::SeqCst)
    }

    /// Stops the node for a reason that its callers are told.
    pub(crate) fn fail(&self, reason: String) {
        tracing::error!(%reason, "the node stops");
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(reason);
        self.stop();
    }

    /// Nothing more is written or sent, and whoever waits is told.
    pub(crate) fn stop(&self) {
        self.is_dead.store(true, Ordering::SeqCst);
        self.dead.send_replace(true);
        self.waiters.abandon_all();
        self.subscribers.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.rounds.send_modify(|rounds| *rounds += 1);
    }

    pub(crate) async fn answer(&self, asked: Asked) -> Result<Answer, NodeError> {
        match asked?.await {
            Ok(Answer::Failed(error)) => Err(*error),
            Ok(answer) => Ok(answer),
            Err(_) => Err(self.stopped()),
        }
    }

    pub(crate) fn stopped(&self) -> NodeError {
        let failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone();
        NodeError::Stopped(failure.unwrap_or_else(|| "it was shut down".into()))
    }
}

/// A running node.
#[derive(Clone)]
pub struct Node {
    shared: Arc<Shared>,
    engine: Sender<Message>,
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
    /// Between two looks at the chain.
    poll: Duration,
    /// See [`Alarms::stale_after`].
    stale_after: u64,
}

/// Room for questions that wait for an answer.
struct Questions {
    /// To the engine and the store.
    engine: Arc<Semaphore>,
    /// To the chain, whose thread has to answer disputes.
    chain: Arc<Semaphore>,
    /// The account that pays gas, and when it was asked for.
    account: tokio::sync::Mutex<Option<(Instant, Account)>>,
}

impl Questions {
    fn new() -> Questions {
        Questions {
            engine: Arc::new(Semaphore::new(MAX_QUESTIONS)),
            chain: Arc::new(Semaphore::new(MAX_CHAIN_QUESTIONS)),
            account: tokio::sync::Mutex::default(),
        }
    }
}

/// A caller's place among those who wait.
type Asked = Result<oneshot::Receiver<Answer>, NodeError>;

/// Questions that the engine or the store has not answered yet.
const MAX_QUESTIONS: usize = 16_384;
/// Questions that the chain has not answered yet. Each may take a few seconds.
const MAX_CHAIN_QUESTIONS: usize = 4;
/// What a command takes in memory beside its memo, in bytes.
const COMMAND_BYTES: usize = 256;

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
    pub async fn start(
        config: NodeConfig,
        chain: Box<dyn Chain>,
        mut store: Box<dyn Store>,
    ) -> Result<Node, StartError> {
        let domain = Domain::new(chain.chain_id(), chain.adjudicator());
        let network_config = network_config(&config, domain);
        let towers_config = NetworkConfig { listen: Listen::Off, ..network_config.clone() };
        // Whatever else is taken: peers do not choose where this node's money goes.
        let policy = Policy { payout: Some(config.payout), ..config.policy };
        let mut engine = Engine::recover(
            domain,
            config.signer.clone(),
            policy,
            config.settings,
            store.as_ref(),
            config.restored,
        )?;
        engine.set_alarms(config.alarms);
        for (app, error) in engine.set_rules(config.rules) {
            tracing::warn!(%app, %error, "an installed app is not run any more: nothing is played in its channels");
        }
        let signers: Vec<_> = config.towers.iter().map(TowerAddress::signer).collect();
        engine.recover_towers(&signers, store.as_ref())?;
        let clock = SystemClock::start();
        // What the start alone brings about is durable before anyone is talked to: that the data is a backup, say.
        let first_effects = match engine.round(clock.now_ms()) {
            Some(staged) => staged.commit(store.as_mut())?,
            None => Vec::new(),
        };
        let (network, events) = Network::start(network_config).await?;
        let (to_towers, tower_events) = Network::start(towers_config).await?;
        let shared = Arc::new(Shared::new(config.capacity));
        let known = engine.known_blocks();
        let parts = Parts { chain, store, known, poll: config.poll, clock, first_effects };
        let (threads, to_engine, chain_tasks) =
            spawn_threads(engine, parts, &network, Some(to_towers.clone()), &shared)?;
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
            poll: config.poll,
            stale_after: config.alarms.stale_after,
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

    fn ask(&self, input: impl FnOnce(Token) -> Input) -> Asked {
        let (token, receiver) = self.shared.waiters.add(COMMAND_BYTES, false)?;
        self.hand_in(token, input(token).into());
        Ok(receiver)
    }

    fn ask_channel(&self, channel: ChannelId, command: Command) -> Asked {
        let memo = match &command {
            Command::Pay(payment) => payment.memo.len(),
            _ => 0,
        };
        // An order to leave is never too much.
        let urgent = command == Command::ForceClose;
        let (token, receiver) = self.shared.waiters.add(COMMAND_BYTES.saturating_add(memo), urgent)?;
        self.hand_in(token, Message::Command { token, channel, command });
        Ok(receiver)
    }

    fn hand_in(&self, token: Token, message: Message) {
        if self.engine.send(message).is_err() || self.shared.is_dead() {
            self.shared.waiters.abandon(token);
        }
    }

    /// Terms of a new channel, with a fresh nonce.
    fn new_params(&self, new: NewChannel, app: Address) -> Result<ChannelParams, NodeError> {
        let mut nonce = [0; 8];
        self.rng.lock().unwrap_or_else(PoisonError::into_inner).fill(&mut nonce)?;
        let mut assets = new.assets;
        assets.sort_unstable();
        let own = Participant { signer: self.signer, payout: new.payout };
        Ok(ChannelParams {
            participants: [own, new.peer],
            challenge_duration: new.challenge_duration,
            nonce: u64::from_be_bytes(nonce),
            app,
            child: B256::ZERO,
            assets,
        })
    }

    /// Opens a channel with a fresh nonce; see [`Node::open`].
    ///
    /// # Errors
    /// When the terms are invalid or against the policy, or the system gives no randomness.
    pub async fn open_new(&self, new: NewChannel, settings: Settings) -> Result<ChannelId, NodeError> {
        let params = self.new_params(new, Address::ZERO)?;
        self.open(params, settings).await
    }

    /// Makes a channel known; the peer learns of it with the next connection. It needs no deposit yet.
    ///
    /// # Errors
    /// When the parameters are invalid, against the policy, or already known.
    pub async fn open(&self, params: ChannelParams, settings: Settings) -> Result<ChannelId, NodeError> {
        let receiver = self.ask(|token| Input::Open { token, params, settings });
        match self.shared.answer(receiver).await? {
            Answer::Opened(channel) => Ok(channel),
            _ => Err(NodeError::Mismatch),
        }
    }

    /// Takes a channel that a peer offers and that waits for approval; see [`Node::proposals`]. One within a payment
    /// channel the peer may then open once; for that the payment channel's id is given back, else the channel's own.
    ///
    /// # Errors
    /// When no such channel waits, or it is against the policy by now.
    pub async fn approve(&self, channel: ChannelId) -> Result<ChannelId, NodeError> {
        let receiver = self.ask(|token| Input::Approve { token, channel });
        match self.shared.answer(receiver).await? {
            Answer::Opened(channel) => Ok(channel),
            _ => Err(NodeError::Mismatch),
        }
    }

    /// Does not take a channel that a peer offers. The peer is told for which reason (cut at 256 bytes; empty: just that), and
    /// the operator is not asked again.
    ///
    /// # Errors
    /// When no such channel waits.
    pub async fn reject(&self, channel: ChannelId, reason: String) -> Result<(), NodeError> {
        let receiver = self.ask(|token| Input::Reject { token, channel, reason });
        match self.shared.answer(receiver).await? {
            Answer::Rejected => Ok(()),
            _ => Err(NodeError::Mismatch),
        }
    }

    /// Channels that peers offer and that wait for approval, by id.
    ///
    /// # Errors
    /// When the node has stopped.
    pub async fn proposals(&self) -> Result<Vec<(ChannelId, Proposal)>, NodeError> {
        self.query(|engine| engine.proposals().map(|(id, proposal)| (id, proposal.clone())).collect()).await
    }

    /// Deposits from the node's account; the amount counts after its confirmations.
    ///
    /// # Errors
    /// When the channel is unknown or closed, or the chain does not take the transaction.
    pub async fn deposit(
        &self,
        channel: ChannelId,
        asset: AssetIndex,
        amount: Amount,
    ) -> Result<TxHash, NodeError> {
        let receiver = self.ask(|token| Input::Deposit { token, channel, asset, amount });
        match self.shared.answer(receiver).await? {
            Answer::Submitted(transaction) => Ok(transaction),
            _ => Err(NodeError::Mismatch),
        }
    }

    /// Gives a channel a command now; the future tells how it ended. Commands of one caller keep their order.
    pub fn command(
        &self,
        channel: ChannelId,
        command: Command,
    ) -> impl Future<Output = Result<Outcome, NodeError>> + Send + use<> {
        let receiver = self.ask_channel(channel, command);
        let shared = self.shared.clone();
        async move {
            match shared.answer(receiver).await? {
                Answer::Done(outcome) => Ok(outcome),
                _ => Err(NodeError::Mismatch),
            }
        }
    }

    /// Pays the peer; the future ends when the peer has countersigned.
    pub fn pay(
        &self,
        channel: ChannelId,
        payment: Payment,
    ) -> impl Future<Output = Result<Outcome, NodeError>> + Send + use<> {
        self.command(channel, Command::Pay(payment))
    }

    /// Asks the engine between two rounds.
    pub(crate) async fn query<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Engine) -> T + Send + 'static,
    ) -> Result<T, NodeError> {
        let (sender, receiver) = oneshot::channel();
        let permit =
            self.questions.engine.clone().acquire_owned().await.map_err(|_| self.shared.stopped())?;
        let question = Box::new(move |engine: &Engine| {
            drop(sender.send(question(engine)));
            drop(permit);
        });
        self.engine.send(Message::Query(question)).map_err(|_| self.shared.stopped())?;
        receiver.await.map_err(|_| self.shared.stopped())
    }

    /// A channel at a glance.
    ///
    /// # Errors
    /// When the channel is unknown, or the node has stopped.
    pub async fn view(&self, channel: ChannelId) -> Result<ChannelView, NodeError> {
        self.query(move |engine| engine.view(channel)).await?.ok_or(NodeError::UnknownChannel(channel))
    }

    /// All channels at a glance.
    ///
    /// # Errors
    /// When the node has stopped.
    pub async fn channels(&self) -> Result<Vec<ChannelView>, NodeError> {
        self.query(|engine| engine.channel_ids().filter_map(|id| engine.view(id)).collect()).await
    }

    /// The node at a glance: the chain, disputes, peers, the account that pays gas. It looks at every channel.
    ///
    /// # Errors
    /// When the node has stopped.
    pub async fn status(&self) -> Result<Status, NodeError> {
        self.query(Engine::status).await
    }

    /// A channel's terms.
    ///
    /// # Errors
    /// When the channel is unknown, or the node has stopped.
    pub async fn params(&self, channel: ChannelId) -> Result<ChannelParams, NodeError> {
        let params =
            self.query(move |engine| engine.channel(channel).map(|channel| channel.params().clone()));
        params.await?.ok_or(NodeError::UnknownChannel(channel))
    }

    /// What the chain shows of a channel, as of the head.
    ///
    /// # Errors
    /// When the channel is unknown, or the node has stopped.
    pub async fn facts(&self, channel: ChannelId) -> Result<Facts, NodeError> {
        let facts = self.query(move |engine| engine.channel(channel).map(|channel| channel.told_facts()));
        facts.await?.ok_or(NodeError::UnknownChannel(channel))
    }

    /// The best state of a channel with both signatures; `None` at version 0.
    ///
    /// # Errors
    /// When the node has stopped.
    pub async fn latest(&self, channel: ChannelId) -> Result<Option<SignedPosition>, NodeError> {
        // The time plays no part in a state that is signed already.
        self.query(move |engine| engine.latest(0, channel)).await
    }

    /// Records of a channel's history after a position, oldest first.
    ///
    /// # Errors
    /// When the store cannot be read, or the node has stopped.
    pub async fn history(
        &self,
        channel: ChannelId,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Vec<HistoryEntry>, NodeError> {
        self.query_store(move |store| store.history(channel, after, limit)).await
    }

    /// Forgets a channel's history up to and including a position, as far as a snapshot covers it: what the channel is
    /// rebuilt from after a crash stays. Whoever needs the bill exports it before.
    ///
    /// # Errors
    /// When the store cannot be written, or the node has stopped.
    pub async fn prune_history(&self, channel: ChannelId, through: u64) -> Result<(), NodeError> {
        self.query_store(move |store| store.prune_history(channel, through)).await
    }

    /// Asks the store between two commits.
    async fn query_store<T: Send + 'static>(
        &self,
        question: impl FnOnce(&mut dyn Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, NodeError> {
        let (sender, receiver) = oneshot::channel();
        let permit =
            self.questions.engine.clone().acquire_owned().await.map_err(|_| self.shared.stopped())?;
        let question = Box::new(move |store: &mut dyn Store| {
            drop(sender.send(question(store)));
            drop(permit);
        });
        self.engine.send(Message::Store(question)).map_err(|_| self.shared.stopped())?;
        receiver.await.map_err(|_| self.shared.stopped())?.map_err(NodeError::Store)
    }

    /// Waits until the store answers a question, which it does between two commits.
    ///
    /// # Errors
    /// What the store says, or that the node has stopped.
    pub(crate) async fn ask_store(&self) -> Result<(), NodeError> {
        self.query_store(|store| store.meta("probe")).await.map(drop)
    }

    /// What the node measures of its threads.
    pub(crate) fn figures(&self) -> &Figures {
        &self.shared.figures
    }

    /// All news from now on. The receiver ends when the node stops, and when it lags 65,536 notices behind:
    /// whoever still listens then looks at the channels anew and subscribes again.
    pub fn subscribe(&self) -> mpsc::Receiver<Arc<Notice>> {
        let (sender, receiver) = mpsc::channel(MAX_LAG);
        let mut subscribers = self.shared.subscribers.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.shared.is_dead() {
            subscribers.push(sender);
        }
        receiver
    }

    /// Waits until a channel looks as wanted.
    ///
    /// # Errors
    /// When the node stops first.
    pub async fn wait_until(
        &self,
        channel: ChannelId,
        mut wanted: impl FnMut(&ChannelView) -> bool,
    ) -> Result<ChannelView, NodeError> {
        let mut rounds = self.shared.rounds.subscribe();
        loop {
            match self.view(channel).await {
                Ok(view) if wanted(&view) => return Ok(view),
                Ok(_) | Err(NodeError::UnknownChannel(_)) => {}
                Err(error) => return Err(error),
            }
            // The engine's thread may still answer a node that has stopped; after that nothing changes any more.
            if self.shared.is_dead() {
                return Err(self.shared.stopped());
            }
            rounds.changed().await.map_err(|_| self.shared.stopped())?;
        }
    }

    /// Waits until the node stops, and says why.
    pub async fn stopped(&self) -> NodeError {
        // Only a dropped sender could fail it, and it is held here.
        drop(self.shared.dead.subscribe().wait_for(|dead| *dead).await);
        self.shared.stopped()
    }

    /// Stops cleanly: what was accepted is durable, snapshots are renewed.
    pub async fn shutdown(self) {
        drop(self.engine.send(Message::Shutdown));
        join(&self.threads, &self.shared).await;
        self.network.shutdown().await;
        self.towers.network.shutdown().await;
    }

    /// Stops like a crash: nothing more is written or sent, and the store is released.
    pub async fn kill(self) {
        self.shared.stop();
        drop(self.engine.send(Message::Shutdown));
        self.network.shutdown().await;
        self.towers.network.shutdown().await;
        join(&self.threads, &self.shared).await;
    }
}

/// Waits until the threads have ended.
async fn join(threads: &tokio::sync::Mutex<Option<Threads>>, shared: &Arc<Shared>) {
    let mut running = threads.lock().await;
    let Some(threads) = running.take() else { return };
    let shared = shared.clone();
    let joined = tokio::task::spawn_blocking(move || {
        drop(threads.engine.join());
        drop(threads.store.join());
        // All is durable; the chain's thread may wait for a block that never comes.
        shared.stop();
        drop(threads.chain.join());
    });
    drop(joined.await);
}

/// What becomes of a machine that runs: its threads, and the ways to it and to its chain.
type Running<M> = (Threads, Sender<Message<M>>, Arc<Sender<Task>>);

fn spawn_threads<M: Machine>(
    machine: M,
    parts: Parts,
    network: &Network,
    towers: Option<Network>,
    shared: &Arc<Shared>,
) -> Result<Running<M>, StartError> {
    let Parts { mut chain, store, known, poll, clock, first_effects } = parts;
    let (to_engine, from_callers) = channel();
    let (to_committer, from_engine) = sync_channel(1);
    let (to_chain, for_chain) = channel();
    let chain_tasks = wake_by_blocks(chain.as_mut(), &to_chain);
    let committer = committer::Committer {
        store,
        transport: Box::new(network.clone()),
        chain: to_chain,
        towers,
        shared: shared.clone(),
    };
    let chain = chain_thread::ChainThread {
        chain,
        known,
        engine: to_engine.clone(),
        shared: shared.clone(),
        poll,
        plans: VecDeque::new(),
        fetches: BTreeSet::new(),
        lookups: VecDeque::new(),
        apps: BTreeSet::new(),
        is_registry_away: false,
        sent: VecDeque::new(),
        looked_at: 0,
        account: None,
        room: Arc::new(Semaphore::new(chain_thread::MOST_UNREAD)),
    };
    let engine_shared = shared.clone();
    let threads = Threads {
        engine: spawn("strait-engine", shared, move || {
            engine_thread::run(machine, &from_callers, &to_committer, &engine_shared, &clock);
        })?,
        store: spawn("strait-store", shared, move || committer.run(first_effects, &from_engine))?,
        chain: spawn("strait-chain", shared, move || chain.run(&for_chain))?,
    };
    Ok((threads, to_engine, chain_tasks))
}

/// The chain's thread looks when the port hears of a block, as long as what is returned is held.
fn wake_by_blocks(chain: &mut dyn Chain, tasks: &Sender<Task>) -> Arc<Sender<Task>> {
    let tasks = Arc::new(tasks.clone());
    let listening = Arc::downgrade(&tasks);
    chain.wake_by(Arc::new(move || {
        if let Some(tasks) = listening.upgrade() {
            // Its thread ends only with the node.
            drop(tasks.send(Task::Look));
        }
    }));
    tasks
}

fn network_config(config: &NodeConfig, domain: Domain) -> NetworkConfig {
    NetworkConfig {
        listen: config.listen.clone(),
        payout: config.payout,
        signer: config.signer.clone(),
        domain,
        allow_plain_remote: config.allow_plain_remote,
        limits: config.limits,
    }
}

/// The threads of a node.
struct Threads {
    engine: JoinHandle<()>,
    store: JoinHandle<()>,
    chain: JoinHandle<()>,
}

/// Stops the node when its thread panics, so that nobody waits for what no longer comes.
struct Alarm {
    shared: Arc<Shared>,
    name: &'static str,
}

impl Drop for Alarm {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.shared.fail(format!("its thread {} panicked, which is a bug; please report it", self.name));
        }
    }
}

fn spawn(
    name: &'static str,
    shared: &Arc<Shared>,
    work: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>, StartError> {
    let alarm = Alarm { shared: shared.clone(), name };
    let guarded = move || {
        let _alarm = alarm;
        work();
    };
    std::thread::Builder::new().name(name.into()).spawn(guarded).map_err(StartError::Thread)
}

/// A node that has stopped by itself must not look alive to its peers, and its sleeping threads end.
async fn hang_up<M: Machine>(shared: Arc<Shared>, network: Network, engine: Sender<Message<M>>) {
    // Only a dropped sender could fail it, and it is held here.
    drop(shared.dead.subscribe().wait_for(|dead| *dead).await);
    drop(engine.send(Message::Shutdown));
    network.shutdown().await;
}

/// Notices that a subscriber may lag behind.
const MAX_LAG: usize = 65_536;

/// Bytes of frames that wait for the engine; more makes the network wait.
const FRAME_BUDGET: usize = 64 << 20;
/// What a frame costs beside its bytes.
const FRAME_OVERHEAD: usize = 256;

async fn forward<M: Machine>(mut events: NetworkEvents, engine: Sender<Message<M>>) {
    let budget = Arc::new(Semaphore::new(FRAME_BUDGET));
    while let Some(event) = events.recv().await {
        let (input, size) = match event {
            NetworkEvent::Connected { peer, .. } => (Input::Connected { peer }, 0),
            NetworkEvent::Disconnected { peer, .. } => (Input::Disconnected { peer }, 0),
            NetworkEvent::Frame { peer, bytes } => {
                let size = bytes.len();
                (Input::Frame { peer, bytes: bytes.into() }, size)
            }
        };
        let size = u32::try_from((size + FRAME_OVERHEAD).min(FRAME_BUDGET)).unwrap_or(u32::MAX);
        let Ok(permit) = budget.clone().acquire_many_owned(size).await else { return };
        if engine.send(Message::Metered(Box::new(input), permit)).is_err() {
            return;
        }
    }
}
