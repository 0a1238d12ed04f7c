//! Brings the news of one node into the log. When it falls so far behind that the node gives it up, or after a restart,
//! it compares what the channels are with what was told; see [`super::reconcile`].

use super::bursts::Bursts;
use super::entry::{Batch, Body, Draft};
use super::play::Played;
use super::told::{DISPUTED, Told, ToldRow, forced_version, phase_number};
use crate::NodeError;
use crate::service::apps::texts;
use crate::service::channels::ENDED;
use crate::service::convert;
use crate::service::history::Mark;
use crate::service::prune::Look;
use crate::service::registry::Known;
use crate::service::{ChainNode, Core, ServiceError};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;
use strait_api::Event;
use strait_engine::ports::{ChainError, TxHash};
use strait_engine::{EngineError, Notice, SubmissionKey};
use strait_protocol::{AppMove, ChainNews, Event as ChannelEvent, Phase};
use strait_types::{Address, Amount, ChannelId};
use tokio::sync::mpsc;

/// News that share a transaction.
const NEWS: usize = 1_024;
/// How often one rule that a peer breaks is told of one channel, in milliseconds.
const FAULT_EVERY_MS: u64 = 3_600_000;
/// Changes of connections that are told in an hour: of each peer, and of all strangers together, with their faults. The log would
/// hold nothing else when somebody comes and goes all the time. A stranger is who has a channel without any deposit, which costs
/// nothing.
const CONNECTIONS_AN_HOUR: u32 = 120;
const STRANGERS: Address = Address::ZERO;
const HOUR_MS: u64 = 3_600_000;
/// Faults of a peer in a minute after which its connection is ended. It is dialled again, ever more rarely.
const FAULTS_A_MINUTE: u32 = 100;
const MINUTE_MS: u64 = 60_000;
/// How often, and after how many versions of a channel, its history is read on, so that the next start need not.
const READ_ON_EVERY: Duration = Duration::from_secs(600);
const READ_ON_VERSIONS: u64 = 1_024;
/// Before a database that failed is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// What was told of a channel, and where in its history a look at what was missed begins.
pub(super) struct Account {
    pub(super) known: Arc<Known>,
    pub(super) told: Told,
    pub(super) mark: Mark,
    /// Locks whose end was told by a look at the history; the news of it may still come.
    pub(super) ended_locks: BTreeSet<u64>,
    /// Games and channels within it, the same.
    pub(super) ended_children: BTreeSet<ChannelId>,
    /// The peer's faults by the rule, and when each was told last, Unix milliseconds. There are few rules.
    faults: HashMap<String, u64>,
    /// The same of calls that could not be sent, by the call and the kind of its error.
    failed_calls: HashMap<String, u64>,
}

impl Account {
    fn new(known: Arc<Known>, told: Told, mark: Mark) -> Account {
        Account {
            known,
            told,
            mark,
            ended_locks: BTreeSet::new(),
            ended_children: BTreeSet::new(),
            faults: HashMap::new(),
            failed_calls: HashMap::new(),
        }
    }
}

pub(crate) struct Pump {
    pub(super) core: Arc<Core>,
    pub(super) chain: usize,
    pub(super) accounts: HashMap<ChannelId, Account>,
    pub(super) drafts: Vec<Draft>,
    /// Channels whose account has changed since the last write.
    pub(super) changed: BTreeSet<ChannelId>,
    notices: mpsc::Receiver<Arc<Notice>>,
    /// Channels whose history somebody wants to be read on.
    looks: mpsc::Receiver<Look>,
    /// Peers with a channel that somebody deposited into.
    funded: BTreeSet<Address>,
    connections: Bursts,
    faults: Bursts,
    /// While what was missed is told: the time before which it cannot have happened, Unix milliseconds.
    pub(super) missed_since_ms: Option<u64>,
}

impl Pump {
    /// One per chain, each with all told that happened before. The nodes' channels are registered.
    pub(crate) async fn start_all(core: &Arc<Core>) -> Result<Vec<Pump>, ServiceError> {
        let rows = core.database.read(ToldRow::read_all).await?;
        // Channels of a chain that is configured no more keep their numbers.
        core.registry.reserve(rows.iter().map(|row| row.number).max().unwrap_or_default());
        let mut rows: HashMap<_, _> = rows.into_iter().map(|row| (row.channel, row)).collect();
        let (mut pumps, mut askers) = (Vec::new(), Vec::new());
        for (chain, node) in core.nodes.iter().enumerate() {
            // From here on nothing is missed; what happened before is told by the comparison.
            let notices = node.node.subscribe();
            let (asker, looks) = mpsc::channel(1);
            askers.push(asker);
            let mut pump = Pump {
                core: core.clone(),
                chain,
                accounts: HashMap::new(),
                drafts: Vec::new(),
                changed: BTreeSet::new(),
                notices,
                looks,
                funded: BTreeSet::new(),
                connections: Bursts::default(),
                faults: Bursts::default(),
                missed_since_ms: None,
            };
            pump.take_known(node, &mut rows).await?;
            pumps.push(pump);
        }
        core.pruning.set_looks(askers);
        // New ones get their numbers when all former numbers are taken.
        for pump in &mut pumps {
            pump.take_new().await?;
            pump.reconcile_all().await?;
        }
        Ok(pumps)
    }

    async fn take_known(
        &mut self,
        node: &ChainNode,
        rows: &mut HashMap<ChannelId, ToldRow>,
    ) -> Result<(), NodeError> {
        for (id, params) in node.node.all_params().await? {
            let signers = params.participants.map(|participant| participant.signer);
            if let (Some(row), Some(side)) = (rows.remove(&id), self.core.side_of(&signers)) {
                let known = self.core.registry.add(self.chain, id, params, side, Some(row.number));
                known.set_mark(row.mark);
                if row.told.deposits.iter().flatten().any(|deposit| !deposit.is_zero()) {
                    self.funded.insert(known.peer());
                }
                self.accounts.insert(id, Account::new(known, row.told, row.mark));
            }
        }
        Ok(())
    }

    /// Channels that the node knows and nobody was told of.
    async fn take_new(&mut self) -> Result<(), NodeError> {
        for (id, _) in self.node().node.all_params().await? {
            self.opened(id).await?;
        }
        Ok(())
    }

    pub(super) fn node(&self) -> &ChainNode {
        // The index was counted from the same list.
        &self.core.nodes[self.chain]
    }

    /// Runs until the node stops.
    pub(crate) async fn run(mut self) {
        let mut read_on = tokio::time::interval(READ_ON_EVERY);
        loop {
            let mut batch = Vec::new();
            let received = tokio::select! {
                received = self.notices.recv_many(&mut batch, NEWS) => received,
                _ = read_on.tick() => {
                    if let Err(error) = self.read_on(READ_ON_VERSIONS).await {
                        return self.give_up(&error);
                    }
                    continue;
                }
                Some((channel, done)) = self.looks.recv() => {
                    if let Err(error) = self.look(channel).await {
                        return self.give_up(&error);
                    }
                    // Who asked may have gone away.
                    let _asked = done.send(());
                    continue;
                }
            };
            if received == 0 {
                if self.node().node.has_stopped() {
                    return;
                }
                if let Err(error) = self.catch_up().await {
                    return self.give_up(&error);
                }
                continue;
            }
            for notice in batch {
                if let Err(error) = self.take(&notice).await {
                    // What follows must not be told without this; the next start tells it all.
                    self.write().await;
                    return self.give_up(&error);
                }
            }
            self.write().await;
        }
    }

    /// A node whose events nobody is told any more must not look as if it worked.
    fn give_up(&self, error: &NodeError) {
        if !self.node().node.has_stopped() {
            self.node().node.fail(format!("its events can no longer be told: {error}"));
        }
    }

    /// The node has given this subscriber up: what it no longer tells is read from the channels.
    async fn catch_up(&mut self) -> Result<(), NodeError> {
        tracing::warn!(chain = %self.node().name, "events lag behind the node; they are read from its history");
        self.notices = self.node().node.subscribe();
        self.take_new().await?;
        self.reconcile_all().await
    }

    /// Writes what is to be told; tries until it succeeds, since nothing may be lost.
    pub(super) async fn write(&mut self) {
        if self.drafts.is_empty() && self.changed.is_empty() {
            return;
        }
        let drafts = std::mem::take(&mut self.drafts);
        let rows: Vec<_> = std::mem::take(&mut self.changed)
            .iter()
            .filter_map(|id| self.accounts.get(id))
            .map(|account| ToldRow {
                number: account.known.number,
                channel: account.known.id,
                told: account.told.clone(),
                mark: account.mark,
            })
            .collect();
        loop {
            let core = self.core.clone();
            let paid = move |invoice| core.finish_invoice(invoice);
            match self.core.log.append(drafts.clone(), rows.clone(), paid).await {
                Ok(()) => return,
                Err(_) if self.node().node.has_stopped() => return,
                Err(error) => tracing::error!(%error, "events cannot be written; it is tried again"),
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    pub(super) fn tell(&mut self, channel: Option<ChannelId>, body: Body) {
        let (at_ms, chain_id) = (self.core.clock.now_ms(), self.core.chain_id(self.chain));
        let since_ms = self.missed_since_ms.map_or(at_ms, |since_ms| since_ms.min(at_ms));
        self.drafts.push(Draft { at_ms, since_ms, chain_id, channel, body });
    }

    pub(super) fn tell_event(&mut self, channel: ChannelId, event: Event) {
        self.tell(Some(channel), Body::Other(event));
    }

    async fn take(&mut self, notice: &Notice) -> Result<(), NodeError> {
        match notice {
            Notice::Opened { channel, .. } => self.opened(*channel).await?,
            Notice::Channel { channel, event } => self.take_event(*channel, event).await?,
            Notice::Proposed { channel, peer, .. } => {
                self.tell_event(*channel, Event::Proposed { peer: *peer });
            }
            Notice::Declined { channel, reason } => {
                self.tell_event(*channel, Event::Declined { reason: reason.clone() });
            }
            Notice::DeepReorg { .. } | Notice::Halted { .. } => {
                let message = "the chain's history changed deeper than can be undone: nothing of value moves until the \
                     channels' events are read anew; check that the endpoint serves the right chain";
                self.tell(None, Body::Other(Event::Alarm { message: message.into() }));
            }
            Notice::NoSigner { channel, error } => {
                self.tell_event(*channel, Event::Alarm { message: error.to_string() });
            }
            // Somebody else's call came first; the next block shows it.
            Notice::CallFailed { error: ChainError::Reverts { reason }, .. } if reason.contains(ENDED) => {}
            Notice::CallFailed { channel, call, error } => self.call_failed(*channel, call, error),
            Notice::DeadlineInDanger { channel, call, deadline, .. } => {
                let head_time = self.node().node.head().await?.map_or(0, |(_, time)| time);
                let (deadline, left) = (*deadline, deadline.saturating_sub(head_time));
                self.tell_event(
                    *channel,
                    Event::DeadlineInDanger { deadline, left, our_move: *call == "move" },
                );
            }
            Notice::Connected { peer } => {
                if self.funded.contains(peer) {
                    self.core.note_payout(self.node(), *peer).await;
                }
                self.connection(*peer, Event::PeerConnected { peer: *peer });
            }
            Notice::Disconnected { peer } => self.connection(*peer, Event::PeerDisconnected { peer: *peer }),
            Notice::ChainStale { .. } => {
                let message = "no new block has come for long: neither dangers nor deposits are seen; check the \
                     chain's endpoint";
                self.tell(None, Body::Other(Event::Alarm { message: message.into() }));
            }
            Notice::ClockSkew { seconds } => {
                let message =
                    format!("the chain's clock is {seconds} seconds ahead of this node's; set the clock");
                self.tell(None, Body::Other(Event::Alarm { message }));
            }
            Notice::TowerBehind { .. }
            | Notice::TowerRefused { .. }
            | Notice::TurnedAway { .. }
            | Notice::TowerFault { .. }
            | Notice::HandedBack { .. } => self.tell_of_tower(notice),
            Notice::Included { key: SubmissionKey::User(_), transaction, success: false, .. } => {
                self.tell_of_failed(*transaction);
            }
            Notice::TowerCurrent { .. }
            | Notice::ClientOverdrawn { .. }
            | Notice::ClientTurnedAway { .. }
            | Notice::Submitted { .. }
            | Notice::Failed { .. }
            | Notice::Approved { .. }
            | Notice::Rejected { .. }
            | Notice::Reconsidered { .. }
            | Notice::Installed { .. }
            | Notice::Included { .. }
            | Notice::NotIncluded { .. }
            | Notice::ChainRebuilt
            | Notice::ChainFresh { .. } => {}
        }
        Ok(())
    }

    /// A call is tried again every few blocks; that it still fails for the same reason is told once an hour.
    fn call_failed(&mut self, id: ChannelId, call: &str, error: &ChainError) {
        let error = NodeError::Engine(EngineError::Chain(error.clone()));
        let error = self.core.of_money(error, self.chain, Address::ZERO);
        let now_ms = self.core.clock.now_ms();
        let Some(account) = self.accounts.get_mut(&id) else { return };
        let kind = format!("{call}: {}", error.code.name());
        let is_due = |told_ms: &u64| now_ms >= told_ms.saturating_add(FAULT_EVERY_MS);
        if account.failed_calls.get(&kind).is_none_or(is_due) {
            account.failed_calls.insert(kind, now_ms);
            let message = format!(
                "the call '{call}' was not sent, it is tried again while needed: {error}; {}",
                error.hint
            );
            self.tell_event(id, Event::Alarm { message });
        }
    }

    /// The user's only transactions are deposits.
    fn tell_of_failed(&mut self, transaction: TxHash) {
        let channels = self.core.registry.all();
        let channel = channels.iter().find(|known| known.unseen().failed(transaction)).map(|known| known.id);
        let message = format!(
            "a deposit failed on chain, its gas is spent and nothing else has moved: transaction {transaction}; `strait channel show` tells whether the channel still takes one"
        );
        self.tell(channel, Body::Other(Event::Alarm { message }));
    }

    fn tell_of_tower(&mut self, notice: &Notice) {
        let (channel, message) = match notice {
            Notice::TowerBehind { tower, channels, .. } => (
                None,
                format!(
                    "the tower {tower} lacks the newest state of {channels} channels and could not defend them; see that it runs, or use another one"
                ),
            ),
            Notice::TowerRefused { tower, channel, reason } => {
                (Some(*channel), format!("the tower {tower} does not guard this channel: {reason}"))
            }
            Notice::TurnedAway { tower } => (
                None,
                format!(
                    "the tower {tower} defends no channel: {}",
                    crate::shell::not_served(self.core.signer.address())
                ),
            ),
            Notice::TowerFault { tower, channel, what } => {
                (*channel, format!("the tower {tower} is not to be relied on: {what}; use another one"))
            }
            Notice::HandedBack { tower, channel, version } => (
                Some(*channel),
                format!(
                    "this node's data is old: the tower {tower} handed back version {version}, which it had forgotten; the channel goes on as after a restore"
                ),
            ),
            _ => return,
        };
        self.tell(channel, Body::Other(Event::Alarm { message }));
    }

    pub(super) async fn opened(&mut self, id: ChannelId) -> Result<(), NodeError> {
        if self.accounts.contains_key(&id) {
            return Ok(());
        }
        let Ok(known) = self.core.known(id).await else { return Ok(()) };
        let peer = known.peer();
        let mut told = Told::default();
        if !known.params.child.is_zero() {
            // Nothing was deposited: its parent has locked what it holds.
            told.deposits = self.node().node.facts(id).await?.deposits;
        }
        self.accounts.insert(id, Account::new(known, told, Mark::default()));
        self.changed.insert(id);
        self.tell_event(id, Event::Opened { peer });
        Ok(())
    }

    async fn take_event(&mut self, id: ChannelId, event: &ChannelEvent) -> Result<(), NodeError> {
        match event {
            ChannelEvent::Done { .. } | ChannelEvent::Completed(_) | ChannelEvent::Refused { .. } => {}
            // A child's opening is told as that of every channel.
            ChannelEvent::ChildOpened { .. } | ChannelEvent::ChildOffered { .. } => {}
            ChannelEvent::ChildClosed { child, outcome } => self.child_closed(id, *child, *outcome),
            ChannelEvent::ClosedBack => self.tell_phase(id, &Phase::Closed).await?,
            ChannelEvent::Moved { state, is_ours } => {
                let step = AppMove {
                    writer: state.writer,
                    deltas: state.allocations.iter().map(|of| of.delta).collect(),
                    data: state.app_data.clone(),
                };
                self.played(id, state.version, Played::Move(&step), *is_ours);
            }
            ChannelEvent::Finished { version, outcome } => {
                self.played(id, *version, Played::End(outcome), false);
            }
            ChannelEvent::MoveRefused { version, rule } => {
                let event = Event::AppMoveRefused { version: version.0, rule: rule.to_string() };
                self.tell_event(id, event);
            }
            ChannelEvent::FinishOffered { version, outcome } => {
                let event = Event::AppFinishOffered { version: version.0, outcome: texts(outcome) };
                self.tell_event(id, event);
            }
            ChannelEvent::Received { version, first, payments } => {
                let batch =
                    Batch { version: version.0, first: *first, payments: payments.iter().cloned().collect() };
                self.received(id, batch);
            }
            ChannelEvent::LockOffered { number, lock } => {
                let amount = lock.total().unwrap_or(Amount::MAX);
                let (hash, expiry) = (lock.reference, lock.expiry);
                self.lock_offered(id, Event::LockOffered { number: *number, amount, hash, expiry }, *number);
            }
            ChannelEvent::LockSettled { number, preimage } => {
                self.lock_ended(id, *number, Event::LockSettled { number: *number, preimage: *preimage });
            }
            ChannelEvent::LockCancelled { number } => {
                self.lock_ended(id, *number, Event::LockCancelled { number: *number });
            }
            ChannelEvent::PeerFault(rule) => self.fault(id, rule.to_string()),
            ChannelEvent::Chain(news) => self.chain_news(id, *news).await?,
            ChannelEvent::Ready => self.tell_event(id, Event::Ready),
            ChannelEvent::Rebased { version } => {
                self.tell_event(id, Event::Rebased { version: version.0 });
            }
        }
        Ok(())
    }

    fn connection(&mut self, peer: Address, event: Event) {
        let counted = if self.funded.contains(&peer) { peer } else { STRANGERS };
        if self.connections.count(counted, self.core.clock.now_ms(), HOUR_MS) <= CONNECTIONS_AN_HOUR {
            self.tell(None, Body::Other(event));
        }
    }

    /// Tells a fault, unless it was told lately: a peer can send as many as it likes, and the log would hold nothing else.
    fn fault(&mut self, id: ChannelId, rule: String) {
        let now_ms = self.core.clock.now_ms();
        let Some(account) = self.accounts.get_mut(&id) else { return };
        let peer = account.known.peer();
        if self.faults.count(peer, now_ms, MINUTE_MS) >= FAULTS_A_MINUTE {
            self.faults.forget(peer);
            tracing::warn!(%peer, "the peer breaks rules all the time; its connection is ended");
            self.core.nodes[self.chain].node.disconnect(peer);
        }
        let is_due = |told_ms: &u64| now_ms >= told_ms.saturating_add(FAULT_EVERY_MS);
        if account.faults.get(&rule).is_none_or(is_due) {
            account.faults.insert(rule.clone(), now_ms);
            let is_told = self.funded.contains(&peer)
                || self.connections.count(STRANGERS, now_ms, HOUR_MS) <= CONNECTIONS_AN_HOUR;
            if is_told {
                self.tell_event(id, Event::PeerFault { rule });
            }
        }
    }

    /// Tells those payments that were not told.
    pub(super) fn received(&mut self, id: ChannelId, mut batch: Batch) {
        let Some(account) = self.accounts.get_mut(&id) else { return };
        let told = account.told.received.saturating_sub(batch.first);
        let told = usize::try_from(told).unwrap_or(usize::MAX).min(batch.payments.len());
        batch.payments.drain(..told);
        if batch.payments.is_empty() {
            return;
        }
        batch.first = batch.first.saturating_add(told as u64);
        account.told.received = batch.first.saturating_add(batch.payments.len() as u64);
        let body = Body::received(&account.known, batch);
        self.changed.insert(id);
        self.tell(Some(id), body);
    }

    pub(super) fn lock_offered(&mut self, id: ChannelId, event: Event, number: u64) {
        let Some(account) = self.accounts.get_mut(&id) else { return };
        if number >= account.told.locks {
            account.told.locks = number.saturating_add(1);
            self.changed.insert(id);
            self.tell_event(id, event);
        }
    }

    fn lock_ended(&mut self, id: ChannelId, number: u64, event: Event) {
        let Some(account) = self.accounts.get_mut(&id) else { return };
        if !account.ended_locks.remove(&number) {
            self.tell_event(id, event);
        }
    }

    async fn chain_news(&mut self, id: ChannelId, news: ChainNews) -> Result<(), NodeError> {
        // Looked up first: a node that has stopped must not leave an account that says more than was told.
        let facts = self.node().node.facts(id).await?;
        let Some(account) = self.accounts.get_mut(&id) else { return Ok(()) };
        match news {
            ChainNews::Deposited { side, asset, amount } => {
                let at = |deposits: &[[Amount; 2]]| {
                    deposits.get(asset.index()).map_or(Amount::ZERO, |pair| pair[side.index()])
                };
                // Else a comparison has told it already.
                if at(&facts.deposits) > at(&account.told.deposits) {
                    account.told.deposited(asset.index(), side, amount);
                    self.tell_deposit(id, news);
                }
            }
            ChainNews::Withdrawn { version } if version > account.told.withdrawn => {
                account.told.withdrawn = version;
                self.tell_event(id, Event::Withdrawn { version: version.0 });
            }
            ChainNews::Withdrawn { .. } => {}
            ChainNews::Challenged { version, challenger, deadline } => {
                let is_ours = challenger == account.known.side;
                let is_told = account.told.phase == DISPUTED;
                if !is_told {
                    self.tell_event(id, Event::Challenged { version: version.0, is_ours, deadline });
                }
            }
            ChainNews::Responded { version } => self.tell_event(id, Event::Responded { version: version.0 }),
            ChainNews::Progressed { version, deadline } if version > account.told.forced => {
                account.told.forced = version;
                self.tell_event(id, Event::AppForced { version: version.0, deadline });
            }
            ChainNews::Progressed { .. }
            | ChainNews::Resumed
            | ChainNews::Settled
            | ChainNews::Unlocked
            | ChainNews::Closed => {}
            ChainNews::Reorganised => {
                account.told.deposits.clone_from(&facts.deposits);
                account.told.withdrawn = facts.withdrawn;
                account.told.forced = forced_version(&facts);
                self.tell_event(id, Event::Reorganised);
            }
        }
        self.changed.insert(id);
        self.tell_phase(id, &facts.phase).await
    }

    pub(super) fn tell_deposit(&mut self, id: ChannelId, news: ChainNews) {
        let (Some(account), ChainNews::Deposited { side, asset, amount }) = (self.accounts.get(&id), news)
        else {
            return;
        };
        let (is_ours, asset) = (side == account.known.side, account.known.asset(asset));
        self.funded.insert(account.known.peer());
        self.tell_event(id, Event::Deposited { is_ours, asset, amount });
    }

    /// Tells the phase that the channel is in now, unless that was told.
    async fn tell_phase(&mut self, id: ChannelId, phase: &Phase) -> Result<(), NodeError> {
        let is_told =
            |account: Option<&Account>| account.is_none_or(|of| of.told.phase == phase_number(phase));
        if is_told(self.accounts.get(&id)) {
            return Ok(());
        }
        // Looked up first, as in `chain_news`.
        let outcome = self.outcome(id).await?;
        let Some(account) = self.accounts.get_mut(&id) else { return Ok(()) };
        account.told.phase = phase_number(phase);
        self.changed.insert(id);
        self.tell_ended(id, phase, outcome);
        self.tell_event(id, Event::PhaseChanged { phase: convert::phase(phase) });
        Ok(())
    }
}
