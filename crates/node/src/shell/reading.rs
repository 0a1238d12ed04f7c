//! What a caller reads of a node: its channels, their history, its news.

use super::engine_thread::Message;
use super::figures::Figures;
use super::{Node, NodeError};
use std::sync::{Arc, PoisonError};
use strait_engine::ports::{HistoryEntry, Store, StoreError};
use strait_engine::{Engine, Notice, Status};
use strait_protocol::{ChannelView, Facts, SignedPosition};
use strait_types::{ChannelId, ChannelParams};
use tokio::sync::{mpsc, oneshot};

/// Notices that a subscriber may lag behind.
pub(super) const MAX_LAG: usize = 65_536;

impl Node {
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
}
