//! The threads of a node, from their start to their end, and what brings the network's events to them.

use super::chain_thread::Task;
use super::engine_thread::{Message, Work};
use super::machine::Machine;
use super::mailbox::{self, mailbox};
use super::shared::Shared;
use super::{StartError, SystemClock, chain_thread, committer, engine_thread};
use crate::transport::{Network, NetworkEvent, NetworkEvents};
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;
use strait_engine::ports::{BlockRef, Chain, Clock, Store};
use strait_engine::{Effect, Input};
use tokio::sync::{Semaphore, oneshot};

/// Waits until the threads have ended.
pub(super) async fn join(threads: &tokio::sync::Mutex<Option<Threads>>, shared: &Arc<Shared>) {
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

/// A machine that was recovered, on the thread that runs it from then on: what takes the place of what it read is allocated
/// by the same thread, and fits where that lay. Dropped, the thread ends.
pub(super) struct Recovered<M: Machine> {
    thread: JoinHandle<()>,
    pub(super) to_machine: mailbox::Sender<Message<M>>,
    work: Receiver<Work>,
    ready: Ready,
}

/// What the other threads begin with.
struct Ready {
    store: Box<dyn Store>,
    /// Where the chain is followed from.
    known: Vec<BlockRef>,
    /// Of what the start alone brought about, and is durable.
    first_effects: Vec<Effect>,
}

/// Starts a machine's thread, and awaits that it has built the machine from the store.
pub(super) async fn recover<M: Machine>(
    store: Box<dyn Store>,
    shared: &Arc<Shared>,
    build: impl FnOnce(&dyn Store) -> Result<M, StartError> + Send + 'static,
) -> Result<Recovered<M>, StartError> {
    let (to_machine, from_callers) = mailbox();
    let (to_committer, work) = sync_channel(1);
    let (tell, told) = oneshot::channel();
    let running = shared.clone();
    let thread = spawn("strait-engine", shared, move || {
        let clock = SystemClock::start();
        match recover_here(store, &clock, build) {
            Err(error) => drop(tell.send(Err(error))),
            Ok((machine, ready)) => {
                if tell.send(Ok(ready)).is_ok() {
                    engine_thread::run(machine, &from_callers, &to_committer, &running, &clock);
                }
            }
        }
    })?;
    let ready = told.await.map_err(|_| StartError::Recovery)??;
    Ok(Recovered { thread, to_machine, work, ready })
}

fn recover_here<M: Machine>(
    mut store: Box<dyn Store>,
    clock: &SystemClock,
    build: impl FnOnce(&dyn Store) -> Result<M, StartError>,
) -> Result<(M, Ready), StartError> {
    let mut machine = build(store.as_ref())?;
    // What the start alone brings about is durable before anyone is talked to: that the data is a backup, say.
    let first_effects = match machine.round(clock.now_ms()) {
        Some(staged) => staged.commit(store.as_mut())?,
        None => Vec::new(),
    };
    let known = machine.known_blocks();
    Ok((machine, Ready { store, known, first_effects }))
}

/// What becomes of a machine that runs: its threads, and the ways to it and to its chain.
pub(super) type Running<M> = (Threads, mailbox::Sender<Message<M>>, Arc<Sender<Task>>);

pub(super) fn spawn_threads<M: Machine>(
    recovered: Recovered<M>,
    mut chain: Box<dyn Chain>,
    poll: Duration,
    network: &Network,
    towers: Option<Network>,
    shared: &Arc<Shared>,
) -> Result<Running<M>, StartError> {
    let Recovered { thread, to_machine, work, ready: Ready { store, known, first_effects } } = recovered;
    let (to_chain, for_chain) = channel();
    let chain_tasks = wake_by_blocks(chain.as_mut(), &to_chain);
    let committer = committer::Committer {
        store,
        transport: Box::new(network.clone()),
        chain: to_chain,
        towers,
        shared: shared.clone(),
        repeats: Default::default(),
    };
    let chain = chain_thread::ChainThread {
        chain,
        known,
        engine: to_machine.clone(),
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
    let threads = Threads {
        engine: thread,
        store: spawn("strait-store", shared, move || committer.run(first_effects, &work))?,
        chain: spawn("strait-chain", shared, move || chain.run(&for_chain))?,
    };
    Ok((threads, to_machine, chain_tasks))
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

/// The threads of a node.
pub(super) struct Threads {
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
pub(super) async fn hang_up<M: Machine>(
    shared: Arc<Shared>,
    network: Network,
    engine: mailbox::Sender<Message<M>>,
) {
    // Only a dropped sender could fail it, and it is held here.
    drop(shared.dead.subscribe().wait_for(|dead| *dead).await);
    drop(engine.send(Message::Shutdown));
    network.shutdown().await;
}

/// Bytes of frames that wait for the engine; more makes the network wait.
pub(super) const FRAME_BUDGET: usize = 64 << 20;
/// What a frame costs beside its bytes.
pub(super) const FRAME_OVERHEAD: usize = 256;

pub(super) async fn forward<M: Machine>(mut events: NetworkEvents, engine: mailbox::Sender<Message<M>>) {
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
