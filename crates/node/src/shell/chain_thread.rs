//! The chain's thread: sends transactions, follows blocks.

use super::Shared;
use super::engine_thread::Message;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::Duration;
use strait_engine::ports::{BlockRef, Chain, ChainError, Followed, TxHash, TxRequest};
use strait_engine::{Input, Submission};
use strait_types::ChannelId;

/// Blocks asked for at once.
const LIMIT: usize = 256;
/// Blocks remembered for finding a fork; as many as the engine remembers.
const REMEMBERED: usize = 128;

/// What the chain's thread is asked to do.
pub(crate) enum Task {
    Submit(Submission),
    Fetch { channel: ChannelId, through: BlockRef },
}

pub(crate) struct ChainThread {
    pub(crate) chain: Box<dyn Chain>,
    pub(crate) known: Vec<BlockRef>,
    pub(crate) engine: Sender<Message>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) poll: Duration,
}

impl ChainThread {
    pub(crate) fn run(mut self, tasks: &Receiver<Task>) {
        let mut is_reachable = true;
        while !self.shared.is_dead() {
            let followed = self.follow();
            if let Err(error) = &followed
                && is_reachable
            {
                tracing::warn!(%error, "the chain cannot be followed; it is tried again");
            }
            is_reachable = followed.is_ok();
            match tasks.recv_timeout(self.poll) {
                Ok(task) => self.perform(task),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Brings the engine up to the head.
    fn follow(&mut self) -> Result<(), ChainError> {
        loop {
            let followed = self.chain.follow(&self.known, LIMIT)?;
            let last = followed.blocks.last().map(|block| block.at);
            let is_news = last.is_some() || followed.fork != self.known.first().copied();
            let complete = last.or(followed.fork) == Some(followed.head) || last.is_none();
            if is_news {
                self.remember(&followed);
                self.tell(Input::Followed(followed));
            }
            if complete {
                return Ok(());
            }
        }
    }

    fn remember(&mut self, followed: &Followed) {
        let floor = followed.fork.map_or(0, |fork| fork.number);
        self.known.retain(|block| block.number <= floor);
        for block in &followed.blocks {
            self.known.insert(0, block.at);
        }
        self.known.truncate(REMEMBERED);
    }

    fn tell(&self, input: Input) {
        // The engine's thread ends only with the node.
        drop(self.engine.send(Message::Input(input)));
    }

    fn perform(&mut self, task: Task) {
        match task {
            Task::Submit(submission) => {
                let result = self.submit_all(&submission.steps);
                self.tell(Input::Submitted { key: submission.key, result });
            }
            Task::Fetch { channel, through } => match self.chain.events_of(channel, through) {
                Ok(blocks) => self.tell(Input::ChannelEvents { channel, through, blocks }),
                Err(error) => tracing::warn!(%channel, %error, "past events cannot be fetched; tried again"),
            },
        }
    }

    /// Sends the steps in order; each but the last waits for its block.
    fn submit_all(&mut self, steps: &[TxRequest]) -> Result<TxHash, ChainError> {
        let mut last = TxHash::ZERO;
        for (index, step) in steps.iter().enumerate() {
            last = self.chain.submit(step)?;
            while index + 1 < steps.len() && self.chain.receipt(last)?.is_none() {
                if self.shared.is_dead() {
                    return Err(ChainError::Unreachable("the node stops".into()));
                }
                self.follow()?;
                std::thread::sleep(self.poll);
            }
        }
        Ok(last)
    }
}
