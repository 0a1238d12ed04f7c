//! The chain's thread: sends transactions, follows blocks.

use super::engine_thread::Message;
use super::machine::Machine;
use super::mailbox;
use super::shared::Shared;
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};
use strait_chain::plan::{PATIENCE_BLOCKS, Plan};
use strait_engine::ports::{Account, BlockRef, Chain, ChainError, Followed, TxHash};
use strait_engine::{Input, Submission, SubmissionKey};
use strait_types::abi::views;
use strait_types::{Address, B256, ChannelId};
use tokio::sync::Semaphore;

/// Blocks asked for at once.
const LIMIT: usize = 256;
/// Blocks remembered for finding a fork; as many as the engine remembers.
const REMEMBERED: usize = 128;

/// Answers of the chain that the engine has not read yet; the chain is asked further when it has.
pub(crate) const MOST_UNREAD: usize = 64;

/// A question to the chain between two looks at it.
pub(crate) type ChainQuery = Box<dyn FnOnce(&mut dyn Chain) + Send>;
/// Receipts asked for at one look.
const RECEIPTS_AT_ONCE: usize = 16;
/// Transactions whose receipts are looked for at once; the user is not told what became of more.
const MOST_SENT: usize = 4_096;
/// How often the account is asked for.
const ACCOUNT_EVERY: Duration = Duration::from_secs(15);

/// Tasks between two looks at the chain.
const TASKS: usize = 64;

/// What the chain's thread is asked to do.
pub(crate) enum Task {
    Submit(Submission),
    /// There may be a new block.
    Look,
    Fetch(ChannelId),
    Ask(ChainQuery),
    /// Follow from these blocks, newest first.
    FollowFrom(Vec<BlockRef>),
    /// Which of these hashes' preimages are registered.
    LookUp(ChannelId, Vec<B256>),
    /// Whether an app has code.
    FindCode(Address),
}

pub(crate) struct ChainThread<M> {
    pub(crate) chain: Box<dyn Chain>,
    pub(crate) known: Vec<BlockRef>,
    pub(crate) engine: mailbox::Sender<Message<M>>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) poll: Duration,
    /// What users asked for, one after the other: two plans for one token would spend each other's approval. Calls
    /// that guard money never wait for them.
    pub(crate) plans: VecDeque<Plan>,
    /// Channels whose past is asked for; each once, however often it was asked.
    pub(crate) fetches: BTreeSet<ChannelId>,
    /// Hashes of locks whose registration is asked for.
    pub(crate) lookups: VecDeque<(ChannelId, Vec<B256>)>,
    /// The last such question was not answered.
    pub(crate) is_registry_away: bool,
    /// Apps whose code is looked for.
    pub(crate) apps: BTreeSet<Address>,
    /// Transactions whose receipts the user is told of, with the head when they were sent.
    pub(crate) sent: VecDeque<(SubmissionKey, TxHash, u64)>,
    /// The head when receipts were last looked for.
    pub(crate) looked_at: u64,
    /// The account that pays gas, and when it was asked for.
    pub(crate) account: Option<(Instant, Account)>,
    /// For blocks that the engine has not read yet.
    pub(crate) room: Arc<Semaphore>,
}

impl<M: Machine> ChainThread<M> {
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
            self.advance_plans();
            self.look_at_receipts();
            self.look_at_account();
            std::mem::take(&mut self.apps).into_iter().for_each(|app| self.find_code(app));
            let idle = self.lookups.is_empty() || self.is_registry_away;
            let wait = if self.fetches.is_empty() && idle { self.poll } else { Duration::ZERO };
            match tasks.recv_timeout(wait) {
                Ok(first) => {
                    let mut batch: Vec<_> =
                        std::iter::once(first).chain(tasks.try_iter().take(TASKS)).collect();
                    // A question can wait, an answer to a dispute cannot; the order of submissions stays.
                    batch.sort_by_key(|task| matches!(task, Task::Ask(_)));
                    batch.into_iter().for_each(|task| self.take(task));
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            self.fetch_one();
            self.look_up_one();
        }
    }

    /// Brings the engine up to the head.
    fn follow(&mut self) -> Result<(), ChainError> {
        loop {
            let Ok(permit) = self.room.clone().try_acquire_owned() else { return Ok(()) };
            let followed = self.chain.follow(&self.known, LIMIT)?;
            self.shared.figures.synced();
            let last = followed.blocks.last().map(|block| block.at);
            let is_news = last.is_some() || followed.fork != self.known.first().copied();
            // The engine may want to go on from elsewhere.
            let lost = followed.fork.is_none() && !self.known.is_empty();
            let complete = last.or(followed.fork) == Some(followed.head) || last.is_none();
            if is_news {
                self.remember(&followed);
                // The engine's thread ends only with the node.
                drop(self.engine.send(Message::Metered(Box::new(Input::Followed(followed)), permit)));
            }
            if complete || lost || self.shared.is_dead() {
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
        drop(self.engine.send(input.into()));
    }

    fn take(&mut self, task: Task) {
        match task {
            Task::Submit(Submission { key: key @ SubmissionKey::Call(_), call, .. }) => {
                let result = self.chain.submit(&call);
                self.note_sent(key, &result);
                self.tell(Input::Submitted { key, result });
            }
            Task::Submit(submission) => {
                self.plans.push_back(Plan::new(submission));
                self.advance_plans();
            }
            // Every task is followed by a look.
            Task::Look => {}
            Task::Ask(question) => question(self.chain.as_mut()),
            Task::LookUp(channel, hashes) => self.lookups.push_back((channel, hashes)),
            Task::FindCode(app) => self.find_code(app),
            Task::FollowFrom(known) => self.known = known,
            Task::Fetch(channel) => {
                self.fetches.insert(channel);
            }
        }
    }

    fn advance_plans(&mut self) {
        let head = self.known.first().map_or(0, |block| block.number);
        while let Some(plan) = self.plans.front_mut() {
            let Some(result) = plan.advance(self.chain.as_mut(), head) else { return };
            let key = plan.key();
            self.plans.pop_front();
            self.note_sent(key, &result);
            self.tell(Input::Submitted { key, result });
        }
    }

    fn look_up_one(&mut self) {
        let Some((channel, hashes)) = self.lookups.pop_front() else { return };
        let Some(through) = self.known.first().copied() else {
            self.lookups.push_back((channel, hashes));
            return;
        };
        match look_up(self.chain.as_mut(), &hashes) {
            Ok(registered) => {
                self.is_registry_away = false;
                self.tell(Input::Registered { channel, through, registered });
            }
            Err(error) => {
                tracing::warn!(%channel, %error, "the registry of preimages cannot be read; tried again");
                self.is_registry_away = true;
                self.lookups.push_back((channel, hashes));
            }
        }
    }

    /// A call waits for the answer: asked at once, and again with every look at the chain until there is one.
    fn find_code(&mut self, app: Address) {
        let answer = self.known.first().copied().map(|through| (through, self.chain.has_code(app)));
        match answer {
            Some((through, Ok(is_there))) => self.tell(Input::Code { app, through, is_there }),
            Some((_, Err(error))) => {
                tracing::warn!(%app, %error, "the chain does not tell whether it has an app; asked again");
                self.apps.insert(app);
            }
            None => drop(self.apps.insert(app)),
        }
    }

    fn note_sent(&mut self, key: SubmissionKey, result: &Result<TxHash, ChainError>) {
        let head = self.known.first().map_or(0, |block| block.number);
        if let Ok(transaction) = result
            && self.sent.len() < MOST_SENT
        {
            self.sent.push_back((key, *transaction, head));
        }
    }

    /// Tells what became of some transactions; an endpoint that is away is asked again.
    fn look_at_receipts(&mut self) {
        let head = self.known.first().map_or(0, |block| block.number);
        if std::mem::replace(&mut self.looked_at, head) == head {
            return;
        }
        for _ in 0..self.sent.len().min(RECEIPTS_AT_ONCE) {
            let Some((key, transaction, at_block)) = self.sent.pop_front() else { return };
            match self.chain.receipt(transaction) {
                Ok(None) if head < at_block.saturating_add(PATIENCE_BLOCKS) => {
                    self.sent.push_back((key, transaction, at_block));
                }
                Ok(receipt) => self.tell(Input::Mined { key, transaction, receipt }),
                Err(_) => self.sent.push_back((key, transaction, at_block)),
            }
        }
    }

    fn look_at_account(&mut self) {
        if self.account.is_some_and(|(asked, _)| asked.elapsed() < ACCOUNT_EVERY) {
            return;
        }
        let Ok(account) = self.chain.account() else { return };
        self.account = Some((Instant::now(), account));
        self.tell(Input::Account(account));
    }

    /// Fetches through the block that the engine was told last, so that the answer is not stale when it gets there.
    fn fetch_one(&mut self) {
        let Some(channel) = self.fetches.pop_first() else { return };
        let Some(through) = self.known.first().copied() else { return };
        match self.chain.events_of(channel, through) {
            Ok(blocks) => self.tell(Input::ChannelEvents { channel, through, blocks }),
            Err(error) => {
                tracing::warn!(%channel, %error, "past events cannot be fetched; tried again with the next block");
            }
        }
    }
}

/// When the preimages of hashes were registered, by chain time; those that were.
fn look_up(chain: &mut dyn Chain, hashes: &[B256]) -> Result<Vec<(B256, u64)>, ChainError> {
    let adjudicator = chain.adjudicator();
    let mut registered = Vec::new();
    for hash in hashes {
        let answer = chain.call(adjudicator, views::registered_at(*hash))?;
        let time =
            views::read_registered_at(&answer).map_err(|error| ChainError::Nonsense(error.to_string()))?;
        registered.extend(time.map(|time| (*hash, time)));
    }
    Ok(registered)
}
