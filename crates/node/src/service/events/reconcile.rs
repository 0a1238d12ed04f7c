//! What was not told: the channels' durable history and the chain's facts, compared with what was.

use super::entry::Batch;
use super::play::outcome;
use super::pump::Pump;
use super::told::{forced_version, phase_number};
use crate::NodeError;
use crate::service::history::{Mark, Scan};
use crate::service::registry::Known;
use std::collections::HashMap;
use std::sync::Arc;
use strait_api::Event;
use strait_protocol::{BillLine, Facts, Operation, Payment, Phase};
use strait_types::{Amount, ChannelId, Version};

/// Channels that are looked at between two rounds of the engine.
const CHUNK: usize = 256;

/// A channel as it is.
struct Present {
    facts: Facts,
    /// Of a game that is over.
    outcome: Option<Vec<[i128; 2]>>,
    /// Highest version that both signed.
    version: Version,
}

impl Pump {
    /// Compares all channels. What is told is durable when this returns. What is told by it happened after all that was told
    /// before: so an invoice that was paid in time does not end because the node was away.
    pub(super) async fn reconcile_all(&mut self) -> Result<(), NodeError> {
        self.missed_since_ms = self.core.log.newest_ms().await.unwrap_or_default();
        let compared = self.compare_all().await;
        self.missed_since_ms = None;
        compared
    }

    /// Reads on in the history of channels that have got further by some versions, all of which was told: where the next start
    /// and the look for what became of a key begin then moves along.
    pub(super) async fn read_on(&mut self, versions: u64) -> Result<(), NodeError> {
        let read: Vec<_> =
            self.accounts.iter().map(|(id, account)| (*id, account.told.read_through)).collect();
        for chunk in read.chunks(CHUNK) {
            let wanted = chunk.to_vec();
            let far = self.node().node.query(move |engine| {
                let version = |id| engine.channel(id).map(|channel| channel.view().version);
                let far = |(id, read): (ChannelId, Version)| {
                    let version = version(id)?;
                    (version.0.saturating_sub(read.0) >= versions).then_some((id, version))
                };
                wanted.into_iter().filter_map(far).collect::<Vec<_>>()
            });
            for (id, version) in far.await? {
                self.compare_history(id, version).await?;
            }
            self.write().await;
        }
        Ok(())
    }

    /// Reads on in a channel's history to its end. What it tells, and where it stands then, is durable when this returns.
    pub(super) async fn look(&mut self, id: ChannelId) -> Result<(), NodeError> {
        let version = move |engine: &strait_engine::Engine| engine.channel(id).map(|of| of.view().version);
        if let Some(version) = self.node().node.query(version).await? {
            self.compare_history(id, version).await?;
        }
        self.write().await;
        Ok(())
    }

    async fn compare_all(&mut self) -> Result<(), NodeError> {
        let ids: Vec<_> = self.accounts.keys().copied().collect();
        for chunk in ids.chunks(CHUNK) {
            let wanted = chunk.to_vec();
            let present = self.node().node.query(move |engine| {
                let look = |id: &ChannelId| {
                    let channel = engine.channel(*id)?;
                    let version = channel.view().version;
                    let outcome = outcome(&channel.view());
                    Some((*id, Present { facts: channel.told_facts(), version, outcome }))
                };
                wanted.iter().filter_map(look).collect::<HashMap<_, _>>()
            });
            for (id, present) in present.await? {
                self.compare_chain(id, &present.facts, present.outcome);
                self.compare_history(id, present.version).await?;
            }
            self.write().await;
        }
        Ok(())
    }

    fn compare_chain(&mut self, id: ChannelId, facts: &Facts, outcome: Option<Vec<[i128; 2]>>) {
        let Some(account) = self.accounts.get_mut(&id) else { return };
        let side = account.known.side;
        let deposits = account.told.missing_deposits(facts);
        let withdrawn = facts.withdrawn > account.told.withdrawn;
        let phase = account.told.phase != phase_number(&facts.phase);
        let forced = forced_version(facts) > account.told.forced;
        if deposits.is_empty() && !withdrawn && !phase && !forced {
            return;
        }
        account.told.deposits.clone_from(&facts.deposits);
        account.told.withdrawn = facts.withdrawn;
        account.told.phase = phase_number(&facts.phase);
        account.told.forced = account.told.forced.max(forced_version(facts));
        self.changed.insert(id);
        for news in deposits {
            self.tell_deposit(id, news);
        }
        if withdrawn {
            self.tell_event(id, Event::Withdrawn { version: facts.withdrawn.0 });
        }
        if phase {
            if let Phase::Disputed { deadline, challenger, .. } = &facts.phase {
                let version = facts.recorded.as_ref().map_or(0, |state| state.version.0);
                let (is_ours, deadline) = (*challenger == Some(side), *deadline);
                self.tell_event(id, Event::Challenged { version, is_ours, deadline });
            }
            self.tell_ended(id, &facts.phase, outcome);
            self.tell_event(id, Event::PhaseChanged { phase: crate::service::convert::phase(&facts.phase) });
        }
        if let (true, Phase::Disputed { deadline, .. }) = (forced, &facts.phase) {
            let version = forced_version(facts).0;
            self.tell_event(id, Event::AppForced { version, deadline: *deadline });
        }
    }

    /// Reads the history on from where it was read through before, and tells what of it was not told.
    async fn compare_history(&mut self, id: ChannelId, version: Version) -> Result<(), NodeError> {
        let Some(account) = self.accounts.get(&id) else { return Ok(()) };
        if account.told.read_through >= version {
            return Ok(());
        }
        let (known, mark, core) = (account.known.clone(), account.mark, self.core.clone());
        let Some(node) = core.nodes.get(known.chain) else { return Ok(()) };
        let mut scan = Scan::new(&node.node, &known, mark);
        let mut is_last = false;
        while !is_last {
            let piece = scan.read().await?;
            is_last = piece.is_last;
            for lines in piece.lines.chunk_by(|one, next| one.version == next.version) {
                self.tell_lines(&known, lines).await?;
            }
            self.advance(id, scan.mark(), None);
            self.write().await;
        }
        self.advance(id, scan.mark(), Some(version));
        Ok(())
    }

    fn advance(&mut self, id: ChannelId, mark: Mark, read_through: Option<Version>) {
        let Some(account) = self.accounts.get_mut(&id) else { return };
        account.mark = mark;
        account.known.set_mark(mark);
        account.told.read_through = read_through.unwrap_or(account.told.read_through);
        self.changed.insert(id);
    }

    /// Tells what one version of the peer's holds, and of an app what either's does.
    async fn tell_lines(&mut self, known: &Arc<Known>, lines: &[BillLine]) -> Result<(), NodeError> {
        self.tell_play(known, lines);
        for line in lines {
            if let Operation::CloseChild { child, outcome } = &line.operation {
                self.child_closed_before(known.id, *child, *outcome).await;
            }
        }
        let Some(version) = lines.first().filter(|line| line.writer != known.side).map(|line| line.version)
        else {
            return Ok(());
        };
        let mut payments: Vec<Payment> = Vec::new();
        let mut first = None;
        for line in lines {
            match &line.operation {
                Operation::Pay(payment) => {
                    first = first.or(line.number);
                    payments.push(payment.clone());
                }
                Operation::AddLock(lock) => {
                    let number = line.number.unwrap_or_default();
                    let amount = lock.total().unwrap_or(Amount::MAX);
                    let (hash, expiry) = (lock.reference, lock.expiry);
                    self.lock_offered(known.id, Event::LockOffered { number, amount, hash, expiry }, number);
                }
                Operation::SettleLock { number, preimage } => {
                    let event = Event::LockSettled { number: *number, preimage: *preimage };
                    self.lock_ended_before(known, *number, event).await;
                }
                Operation::CancelLock { number } => {
                    self.lock_ended_before(known, *number, Event::LockCancelled { number: *number }).await;
                }
                Operation::Withdraw { .. }
                | Operation::HandOver
                | Operation::OpenChild { .. }
                | Operation::CloseChild { .. }
                | Operation::Finalise { .. }
                | Operation::Move(_)
                | Operation::Finish { .. } => {}
            }
        }
        if let Some(first) = first {
            self.received(known.id, Batch { version: version.0, first, payments });
        }
        Ok(())
    }

    /// A lock ends once, so its end is told unless the log holds it; its news has come then, else it may still come.
    async fn lock_ended_before(&mut self, known: &Known, number: u64, event: Event) {
        if self.core.log.tells_end_of_lock(known.id, number).await {
            return;
        }
        self.tell_event(known.id, event);
        if let Some(account) = self.accounts.get_mut(&known.id) {
            account.ended_locks.insert(number);
        }
    }
}
