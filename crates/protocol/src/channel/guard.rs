//! What this side wants on chain, derived from what it holds and what the chain shows. Nothing here remembers a
//! call: a call is wanted until the chain shows that it is done, so that crashes, reorgs and dropped transactions
//! need no care of their own.

use super::apply::list_hash;
use super::{Channel, Context, Execution, Outputs};
use crate::onchain::{ChainAction, Deadline, Facts, Phase, Settlement};
use crate::record::Record;
use strait_types::{B256, ChannelId, Lock, LockKind, Side, State, Version};

impl Channel {
    /// The calls that are wanted now, the most urgent first.
    pub fn wanted(&self, ctx: &Context<'_>) -> Vec<ChainAction> {
        if self.is_idle() {
            return Vec::new();
        }
        if self.has_app() {
            return self.wanted_by_app(ctx);
        }
        let facts = self.durable.chain.head();
        let mut actions = Vec::new();
        if facts.phase != Phase::Closed {
            self.want_preimages(ctx, facts, &mut actions);
        }
        match &facts.phase {
            Phase::Open => self.want_while_open(ctx, facts, &mut actions),
            Phase::Disputed { deadline, .. } => self.want_in_dispute(ctx, facts, *deadline, &mut actions),
            Phase::Settled(settlement) => self.want_unlock(ctx, facts, settlement, &mut actions),
            Phase::Closed => {}
        }
        actions
    }

    /// Until when the calls that guard our money must be on chain; those that it does not show yet.
    pub fn deadlines(&self, ctx: &Context<'_>) -> Vec<Deadline> {
        let facts = self.durable.chain.head();
        if self.has_app() {
            return self.app_deadlines(facts);
        }
        let mut deadlines = Vec::new();
        let best = self.durable.confirmed.position.state.version;
        if let Phase::Disputed { deadline, .. } = facts.phase
            && facts.recorded.as_ref().is_some_and(|recorded| recorded.version < best)
        {
            let period = u64::from(self.durable.params.challenge_duration);
            deadlines.push(Deadline { call: "respond", at: deadline, period });
        }
        if facts.phase == Phase::Closed {
            return deadlines;
        }
        for hash in self.durable.preimages.keys() {
            let due = self.due_registration(ctx, facts, *hash);
            let period = self.durable.settings.lock_margin;
            deadlines.extend(due.map(|lock| Deadline { call: "register preimage", at: lock.expiry, period }));
        }
        deadlines
    }

    /// Highest version that we could show.
    pub fn best_version(&self) -> Version {
        self.durable.confirmed.position.state.version
    }

    fn want_while_open(&self, ctx: &Context<'_>, facts: &Facts, actions: &mut Vec<ChainAction>) {
        if self.is_child() && !self.is_leaving() {
            // Its end goes into the parent.
            return;
        }
        let execution = self.durable.execution.as_ref().and_then(|e| self.executable(ctx, facts, e));
        let closes = matches!(execution, Some(ChainAction::Close(..)));
        actions.extend(execution);
        if self.is_leaving() && !closes {
            actions.extend(self.challenge(ctx, facts));
        }
    }

    /// The writer of a withdrawal or final state calls at once, the other when half of the time has passed.
    pub(super) fn executable(
        &self,
        ctx: &Context<'_>,
        facts: &Facts,
        execution: &Execution,
    ) -> Option<ChainAction> {
        let (position, peer) = execution.signed.as_ref()?;
        let half = self.durable.settings.execution_window / 2;
        // A child is closed so only when its parent does not take its end over.
        let our_turn = self.is_child()
            || execution.writer == self.durable.side
            || ctx.head_time.saturating_add(half) >= execution.valid_until;
        let done = !execution.is_final && facts.withdrawn >= execution.version;
        let above_record =
            facts.recorded.as_ref().is_none_or(|recorded| recorded.version < execution.version);
        if !our_turn || done || execution.refused || ctx.head_time >= execution.valid_until {
            return None;
        }
        let own = self.sign_state(ctx, position.state.hash()).ok()?;
        let signatures = self.in_order(own, *peer);
        let state = Box::new(position.state.clone());
        if execution.is_final {
            Some(ChainAction::Close(state, signatures))
        } else if above_record {
            Some(ChainAction::Withdraw(state, signatures, facts.record()))
        } else {
            None
        }
    }

    pub(super) fn challenge(&self, ctx: &Context<'_>, facts: &Facts) -> Option<ChainAction> {
        let confirmed = &self.durable.confirmed;
        // The peer may have brought a version to the chain that it never acknowledged: the record needs no
        // signatures, and the chain takes nothing below it.
        let above = |recorded: &&State| recorded.version > confirmed.position.state.version;
        let state = facts.recorded.as_deref().filter(above);
        let signatures = match (state, confirmed.peer_signature) {
            (None, Some(peer)) => Some(self.in_order(self.sign_state(ctx, confirmed.hash).ok()?, peer)),
            _ => None,
        };
        let state = state.unwrap_or(&confirmed.position.state);
        let digest = ctx.domain.challenge_digest(self.durable.id, facts.dispute, state.hash());
        let signature = ctx.signer.sign(digest).ok()?;
        Some(ChainAction::Challenge {
            state: Box::new(state.clone()),
            signatures,
            previous: facts.record(),
            challenger: self.durable.side,
            signature,
        })
    }

    fn want_in_dispute(
        &self,
        ctx: &Context<'_>,
        facts: &Facts,
        deadline: u64,
        actions: &mut Vec<ChainAction>,
    ) {
        let Some(recorded) = &facts.recorded else { return };
        let confirmed = &self.durable.confirmed;
        let close = self.agreed_close(ctx, facts);
        let closes = close.is_some();
        actions.extend(close);
        if closes && !self.is_close_late(ctx, deadline) {
            return;
        }
        let is_shown = recorded.version >= confirmed.position.state.version;
        if ctx.head_time > deadline {
            // By a lower record nothing is settled that a close may still pay in full.
            if is_shown || !closes {
                actions.push(ChainAction::Settle(recorded.clone()));
            }
        } else if !is_shown
            && let Some(peer) = confirmed.peer_signature
            && let Ok(own) = self.sign_state(ctx, confirmed.hash)
        {
            let state = Box::new(confirmed.position.state.clone());
            actions.push(ChainAction::Respond(state, self.in_order(own, peer), facts.record()));
        }
    }

    /// The end that both have signed, which goes before all else in a dispute.
    pub(super) fn agreed_close(&self, ctx: &Context<'_>, facts: &Facts) -> Option<ChainAction> {
        let execution = self.durable.execution.as_ref().filter(|execution| execution.is_final);
        execution.and_then(|execution| self.executable(ctx, facts, execution))
    }

    /// Whether an agreed close had its time in a dispute, an eighth of the period: one that fails, for lack of a deposit
    /// that a reorg took back say, must not keep us from answering within the first quarter.
    pub(super) fn is_close_late(&self, ctx: &Context<'_>, deadline: u64) -> bool {
        let period = u64::from(self.durable.params.challenge_duration);
        ctx.head_time >= deadline.saturating_sub(period - period / 8)
    }

    /// Preimages that we know of locks in our favour must count on chain before they expire.
    fn want_preimages(&self, ctx: &Context<'_>, facts: &Facts, actions: &mut Vec<ChainAction>) {
        for (hash, preimage) in &self.durable.preimages {
            if self.due_registration(ctx, facts, *hash).is_some() {
                actions.push(ChainAction::RegisterPreimage(*preimage));
            }
        }
    }

    /// The lock, of those that a preimage opens for us, that makes its registration due.
    fn due_registration(&self, ctx: &Context<'_>, facts: &Facts, hash: B256) -> Option<&Lock> {
        let margin = self.durable.settings.lock_margin;
        let disputed = facts.phase != Phase::Open;
        let due = |lock: &&Lock| {
            lock.kind == LockKind::Hash
                && lock.reference == hash
                && lock.contributor() == Some(self.durable.side.other())
                && facts.registered_at(lock.reference).is_none()
                && ctx.head_time < lock.expiry
                && (disputed || ctx.head_time.saturating_add(margin) >= lock.expiry)
        };
        let confirmed = self.durable.confirmed.position.locks.iter();
        confirmed.map(|entry| &entry.lock).find(due)
    }

    fn want_unlock(
        &self,
        ctx: &Context<'_>,
        facts: &Facts,
        settlement: &Settlement,
        actions: &mut Vec<ChainAction>,
    ) {
        let Some(locks) = self.remaining_locks(facts, settlement) else { return };
        let resolvable = |lock: &Lock| match lock.kind {
            LockKind::Hash => facts.registered_at(lock.reference).is_some() || ctx.head_time > lock.expiry,
            LockKind::Channel => self.is_child_on_chain(ChannelId(lock.reference)),
        };
        if locks.iter().any(resolvable) {
            actions.push(ChainAction::Unlock(locks));
        }
    }

    /// The lock list behind the recorded state, if we know it.
    pub(super) fn remaining_locks(&self, facts: &Facts, settlement: &Settlement) -> Option<Vec<Lock>> {
        if let Some(locks) = &settlement.locks {
            return Some(locks.clone());
        }
        let wanted = facts.recorded.as_ref()?.locks_hash;
        let lists = self.positions().map(|position| &position.locks).chain(&self.durable.refused_locks);
        let mut fitting = lists.filter(|list| list_hash(list) == wanted);
        fitting.next().map(|list| list.iter().map(|entry| entry.lock.clone()).collect())
    }

    /// Lifts the bar of a withdrawal or final state once it is executed, or can no longer be, at depth.
    pub(super) fn end_execution(&mut self, ctx: &Context<'_>, out: &mut Outputs) {
        let Some(execution) = &self.durable.execution else { return };
        let facts = self.durable.chain.counted();
        let executed = !execution.is_final && facts.withdrawn >= execution.version;
        if executed || ctx.final_time > execution.valid_until {
            self.durable.execution = None;
            out.records.push(Record::ExecutionOver);
        }
    }

    /// Which side we play.
    pub fn side(&self) -> Side {
        self.durable.side
    }
}
