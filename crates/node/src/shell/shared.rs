//! What the threads and the handles of a node share.

use super::error::NodeError;
use super::figures::Figures;
use super::waiters::{Answer, Capacity, Waiters};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use strait_engine::Notice;
use strait_engine::ports::Account;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};

/// Questions that the engine or the store has not answered yet.
const MAX_QUESTIONS: usize = 16_384;
/// Questions that the chain has not answered yet. Each may take a few seconds.
const MAX_CHAIN_QUESTIONS: usize = 4;

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
    pub(super) fn new(capacity: Capacity) -> Shared {
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
        self.told(asked.map_err(|error| *error)?.await)
    }

    pub(super) fn told(
        &self,
        answer: Result<Answer, oneshot::error::RecvError>,
    ) -> Result<Answer, NodeError> {
        match answer {
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

/// Room for questions that wait for an answer.
pub(super) struct Questions {
    /// To the engine and the store.
    pub(super) engine: Arc<Semaphore>,
    /// To the chain, whose thread has to answer disputes.
    pub(super) chain: Arc<Semaphore>,
    /// The account that pays gas, and when it was asked for.
    pub(super) account: tokio::sync::Mutex<Option<(Instant, Account)>>,
}

impl Questions {
    pub(super) fn new() -> Questions {
        Questions {
            engine: Arc::new(Semaphore::new(MAX_QUESTIONS)),
            chain: Arc::new(Semaphore::new(MAX_CHAIN_QUESTIONS)),
            account: tokio::sync::Mutex::default(),
        }
    }
}

/// A caller's place among those who wait.
pub(super) type Asked = Result<oneshot::Receiver<Answer>, Box<NodeError>>;
