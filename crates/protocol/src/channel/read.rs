//! The reader: checks each version, holds what rests on facts not yet seen, refuses durably, countersigns.

use super::{Channel, Context, Link, Outputs};
use crate::command::Event;
use crate::message::{Body, Refusal, Update};
use crate::onchain::Phase;
use crate::operation::Operation;
use crate::position::{Position, Violation};
use crate::record::Record;
use crate::rule::Rule;
use crate::signer::SignerError;
use strait_types::Version;

/// Furthest that a version may skip.
const MAX_JUMP: u64 = 65_536;

enum Verdict {
    Accept(Box<Position>),
    Duplicate,
    Gap,
    Hold,
    Refuse(Violation, Option<u64>),
    RefuseAgain,
    Fault(Rule),
}

impl Channel {
    pub(super) fn on_update(&mut self, ctx: &Context<'_>, update: Update, out: &mut Outputs) {
        if self.volatile.link != Link::Up {
            return;
        }
        if self.volatile.held.is_empty() {
            self.read(ctx, update, out);
            return;
        }
        let known = self.volatile.held.iter().any(|held| held.version == update.version);
        if !known && self.volatile.held.len() < 2 * self.durable.settings.window.max(8) {
            self.volatile.held.push_back(update);
        }
    }

    fn read(&mut self, ctx: &Context<'_>, update: Update, out: &mut Outputs) {
        match self.consider(ctx, &update) {
            Verdict::Accept(position) => self.accept(ctx, update, *position, out),
            Verdict::Duplicate => self.volatile.acknowledge_due = true,
            Verdict::Gap => self.report_gap(ctx, out),
            Verdict::Hold => {
                self.volatile.held_since = ctx.now_ms;
                self.volatile.held.push_back(update);
            }
            Verdict::Refuse(violation, executable_until) => {
                self.refuse(ctx, update.version, violation, executable_until, out);
            }
            Verdict::RefuseAgain => self.send_refusal(ctx, update.version, Rule::StaleVersion.into(), out),
            Verdict::Fault(rule) => out.fault(rule),
        }
    }

    fn consider(&self, ctx: &Context<'_>, update: &Update) -> Verdict {
        let confirmed = &self.durable.confirmed;
        if self.durable.restore.is_some() || self.volatile.peer_restoring {
            return Verdict::Fault(Rule::Restoring);
        }
        if update.version <= confirmed.position.state.version {
            let same = update.version < confirmed.position.state.version
                || confirmed.peer_signature == Some(update.signature);
            return if same { Verdict::Duplicate } else { Verdict::Fault(Rule::Equivocation) };
        }
        if update.version <= self.durable.refused_high {
            return Verdict::RefuseAgain;
        }
        let Some(base) = self.base_of(update) else {
            let descends = update.base <= self.durable.refused_high
                && self.durable.refused_high > confirmed.position.state.version
                && update.base > confirmed.position.state.version;
            return if descends { Verdict::Refuse(Rule::UnknownBase.into(), None) } else { Verdict::Gap };
        };
        if base.state.writer == self.durable.side {
            return Verdict::Fault(Rule::NotWriter);
        }
        let reference = base.state.version.max(self.durable.refused_high);
        if update.version.0 > reference.0.saturating_add(MAX_JUMP) {
            return Verdict::Fault(Rule::VersionJump);
        }
        self.consider_step(ctx, update, base)
    }

    fn consider_step(&self, ctx: &Context<'_>, update: &Update, base: &Position) -> Verdict {
        let mut judgement = None;
        let step = base.next(update.version, &update.operations, &mut |operation, position| {
            // The signature is on the state that follows, so the judgement is kept until that is known.
            if judgement.is_none() {
                judgement = self.judge_peers(ctx, operation, position).err();
            }
            Ok(())
        });
        let position = match step {
            Ok(position) => position,
            Err(violation) => return Verdict::Refuse(violation, None),
        };
        if !self.peer_signed(ctx, position.state.hash(), &update.signature) {
            return Verdict::Fault(Rule::BadSignature);
        }
        if let Some(rule) = judgement {
            return if matches!(rule, Rule::NotExpired | Rule::TooLate) {
                Verdict::Hold
            } else {
                let valid_until = update.operations.iter().find_map(Operation::valid_until);
                Verdict::Refuse(self.locate(ctx, update, base, rule), valid_until)
            };
        }
        let may_count = self.durable.chain.head().phase == Phase::Open
            && !self.is_chain_stale(ctx)
            && !self.is_blocked_by_execution()
            && self.is_funded(&position);
        if may_count { Verdict::Accept(Box::new(position)) } else { Verdict::Hold }
    }

    /// Which operation it was that the judgement is about.
    fn locate(&self, ctx: &Context<'_>, update: &Update, base: &Position, rule: Rule) -> Violation {
        let judged = base.next(update.version, &update.operations, &mut |operation, position| {
            self.judge_peers(ctx, operation, position)
        });
        judged.err().unwrap_or(rule.into())
    }

    fn accept(&mut self, ctx: &Context<'_>, update: Update, position: Position, out: &mut Outputs) {
        self.tell_received(&update, out);
        let confirmed = self.apply_accepted(&update, position);
        out.records.push(Record::Accepted(update));
        self.complete(confirmed, out);
        self.volatile.acknowledge_due = true;
        self.volatile.progress_ms = ctx.now_ms;
        if self.is_writer() {
            self.volatile.pen_asked = false;
            self.volatile.pen_wanted_by_peer = false;
        }
    }

    fn tell_received(&self, update: &Update, out: &mut Outputs) {
        let Some(base) = self.base_of(update) else { return };
        let first = base.payments[self.durable.side.other().index()];
        let mut payments = Vec::new();
        let mut lock_number = base.locks_added;
        for operation in &update.operations {
            match operation {
                Operation::Pay(payment) => payments.push(payment.clone()),
                Operation::AddLock(lock) => {
                    out.events.push(Event::LockOffered { number: lock_number, lock: lock.clone() });
                    lock_number = lock_number.saturating_add(1);
                }
                Operation::SettleLock { number, preimage } => {
                    out.events.push(Event::LockSettled { number: *number, preimage: *preimage });
                }
                Operation::CancelLock { number } => out.events.push(Event::LockCancelled { number: *number }),
                Operation::Withdraw { .. } | Operation::HandOver | Operation::Finalise { .. } => {}
            }
        }
        if !payments.is_empty() {
            out.events.push(Event::Received { version: update.version, first, payments });
        }
    }

    fn refuse(
        &mut self,
        ctx: &Context<'_>,
        version: Version,
        violation: Violation,
        executable_until: Option<u64>,
        out: &mut Outputs,
    ) {
        self.apply_refused(version, executable_until);
        out.records.push(Record::Refused { version, executable_until });
        out.events.push(Event::Refused { version, rule: violation.rule });
        self.send_refusal(ctx, version, violation, out);
    }

    fn send_refusal(&self, ctx: &Context<'_>, version: Version, violation: Violation, out: &mut Outputs) {
        let confirmed = &self.durable.confirmed;
        let Ok(signature) = self.confirmed_signature(ctx) else {
            // Without the key there is no refusal now; the writer resends, and is refused then.
            return;
        };
        out.messages.push(Body::Refuse(Refusal {
            version,
            index: violation.index,
            rule: violation.rule,
            confirmed: confirmed.position.state.version,
            signature,
        }));
    }

    /// Considers again what was held; what waited too long is refused for good.
    pub(super) fn retry_held(&mut self, ctx: &Context<'_>, out: &mut Outputs) {
        while let Some(update) = self.volatile.held.front() {
            let waited = ctx.now_ms.saturating_sub(self.volatile.held_since);
            let version = update.version;
            if !matches!(self.consider(ctx, update), Verdict::Hold) {
                if let Some(update) = self.volatile.held.pop_front() {
                    self.read(ctx, update, out);
                }
            } else if waited >= self.durable.settings.hold_timeout_ms {
                let valid_until = update.operations.iter().find_map(Operation::valid_until);
                self.volatile.held.clear();
                self.refuse(ctx, version, Rule::HoldTimeout.into(), valid_until, out);
            } else {
                return;
            }
        }
    }

    /// Countersigns the highest accepted version.
    pub(super) fn acknowledge(&mut self, ctx: &Context<'_>, out: &mut Outputs) -> Result<(), SignerError> {
        if !self.volatile.acknowledge_due || self.volatile.link == Link::Down {
            return Ok(());
        }
        if let Some(signature) = self.confirmed_signature(ctx)? {
            let version = self.durable.confirmed.position.state.version;
            out.messages.push(Body::Acknowledge { version, signature });
        }
        self.volatile.acknowledge_due = false;
        Ok(())
    }

    fn report_gap(&mut self, ctx: &Context<'_>, out: &mut Outputs) {
        let confirmed = self.durable.confirmed.position.state.version;
        let recently = self.volatile.gap_reported.is_some_and(|(version, at)| {
            version == confirmed && ctx.now_ms.saturating_sub(at) < self.durable.settings.retry_ms / 4
        });
        if !recently {
            self.volatile.gap_reported = Some((confirmed, ctx.now_ms));
            self.send_sync(ctx, false, out);
        }
    }
}
