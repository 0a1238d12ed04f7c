//! The reader: checks each version, holds what rests on facts not yet seen, refuses durably, countersigns.

use super::app::{play_event, tell_play};
use super::children::tell_children;
use super::{Channel, Context, Held, Link, Outputs};
use crate::command::{Event, Outcome};
use crate::invoices::InvoiceSums;
use crate::message::{Body, Refusal, Update};
use crate::onchain::Phase;
use crate::operation::Operation;
use crate::operations::Payments;
use crate::position::{Position, Violation};
use crate::record::Record;
use crate::rule::Rule;
use crate::signer::SignerError;
use strait_types::Version;

/// Furthest that a version may skip: a few windows. So small that no peer can drive the versions beyond those
/// that a rebase takes from the chain's time.
const MAX_JUMP: u64 = 1_024;

pub(super) enum Verdict {
    Accept(Box<Position>),
    Duplicate,
    Gap,
    /// And how it is refused when that takes too long.
    Hold(Violation),
    Refuse(Violation),
    /// It is refused already, or builds on what is.
    RefuseAgain(Violation),
    Fault(Rule),
}

impl Channel {
    pub(super) fn on_update(&mut self, ctx: &Context<'_>, update: Update, out: &mut Outputs) {
        if self.volatile.link != Link::Up {
            return;
        }
        // What follows a held version is sent again once that is decided.
        if self.volatile.held.is_none() {
            self.read(ctx, update, out);
        }
    }

    fn read(&mut self, ctx: &Context<'_>, update: Update, out: &mut Outputs) {
        match self.consider(ctx, &update) {
            Verdict::Hold(_) => self.volatile.held = Some(Held { update, since: ctx.now_ms }),
            verdict => self.decide(ctx, update, verdict, out),
        }
    }

    fn decide(&mut self, ctx: &Context<'_>, update: Update, verdict: Verdict, out: &mut Outputs) {
        match verdict {
            Verdict::Accept(position) => self.accept(ctx, update, *position, out),
            Verdict::Duplicate => self.volatile.acknowledge_due = true,
            Verdict::Gap => self.report_gap(ctx, out),
            Verdict::Refuse(violation) => self.refuse(ctx, update.version, violation, out),
            Verdict::RefuseAgain(violation) => self.send_refusal(ctx, update.version, violation, out),
            Verdict::Fault(rule) => out.fault(rule),
            Verdict::Hold(_) => {}
        }
    }

    fn consider(&self, ctx: &Context<'_>, update: &Update) -> Verdict {
        let confirmed = &self.durable.confirmed;
        if self.durable.restore.is_some() || self.volatile.peer_restoring {
            return Verdict::Fault(Rule::Restoring);
        }
        if update.version <= confirmed.position.state.version {
            let same = update.version < confirmed.position.state.version
                || confirmed.peer_signature == Some(update.signature)
                // We may have it from the chain, or with the other of two signatures that both hold.
                || self.peer_signed(ctx, confirmed.hash, &update.signature);
            return if same { Verdict::Duplicate } else { Verdict::Fault(Rule::Equivocation) };
        }
        if self.knows_nothing_of_chain() {
            // The peer may have seen its deposit before us.
            return Verdict::Hold(Rule::DepositTooSmall.into());
        }
        let refused = self.durable.refused_high;
        if update.version <= refused {
            let violation = self.durable.refusal.filter(|_| update.version == refused);
            return Verdict::RefuseAgain(violation.unwrap_or(Rule::UnknownBase.into()));
        }
        let Some(base) = self.base_of(update) else {
            let descends = update.base <= refused && update.base > confirmed.position.state.version;
            return if descends { Verdict::RefuseAgain(Rule::UnknownBase.into()) } else { Verdict::Gap };
        };
        if update.author(base.state.writer) == self.durable.side {
            return Verdict::Fault(Rule::NotWriter);
        }
        if update.version <= self.durable.signed_high {
            return Verdict::Fault(Rule::StaleVersion);
        }
        let reference = base.state.version.max(refused);
        if update.version.0 > reference.0.saturating_add(MAX_JUMP) {
            return Verdict::Fault(Rule::VersionJump);
        }
        if self.has_app() {
            return self.consider_app(ctx, update, base);
        }
        self.consider_step(ctx, update, base)
    }

    fn consider_step(&self, ctx: &Context<'_>, update: &Update, base: &Position) -> Verdict {
        let mut judgement: Option<Violation> = None;
        let (mut index, mut sums) = (0, InvoiceSums::default());
        let step = base.next(update.version, &update.operations, &mut |operation, position| {
            // The signature is on the state that follows, so the judgement is kept until that is known.
            if judgement.is_none()
                && let Err(rule) = self.judge_peers(ctx, operation, position, &mut sums)
            {
                judgement = Some(Violation { index: Some(index), rule });
            }
            index = index.saturating_add(1);
            Ok(())
        });
        let position = match step {
            Ok(position) => position,
            Err(violation) => return Verdict::Refuse(violation),
        };
        if !self.peer_signed(ctx, position.state.hash(), &update.signature) {
            return Verdict::Fault(Rule::BadSignature);
        }
        match judgement {
            // The chain may have more to say.
            Some(violation)
                if matches!(violation.rule, Rule::NotExpired | Rule::TooLate | Rule::ChildNotOver) =>
            {
                return Verdict::Hold(violation);
            }
            Some(violation) => return Verdict::Refuse(violation),
            None => {}
        }
        if !self.is_admitted() && !self.needs_no_deposit(&update.operations) {
            return Verdict::Hold(Rule::DepositTooSmall.into());
        }
        let may_count = self.durable.chain.head().phase == Phase::Open
            && !self.is_chain_stale(ctx)
            && !ctx.halted
            && !self.is_blocked_by_execution()
            && self.is_funded(&position);
        if may_count { Verdict::Accept(Box::new(position)) } else { Verdict::Hold(Rule::HoldTimeout.into()) }
    }

    fn accept(&mut self, ctx: &Context<'_>, update: Update, position: Position, out: &mut Outputs) {
        self.count_for_invoices(ctx, &update.operations);
        self.tell_received(&update, out);
        let confirmed = self.apply_accepted(&update, position);
        tell_play(&confirmed, out);
        out.events.extend(play_event(&update.operations, &self.durable.confirmed.position.state, false));
        out.records.push(Record::Accepted(update));
        self.complete(confirmed, out);
        self.begin_turn(ctx, out);
        self.volatile.acknowledge_due = true;
        self.volatile.progress_ms = ctx.now_ms;
        if self.is_writer() {
            self.volatile.pen_asked = false;
            self.volatile.pen_wanted_by_peer = false;
        }
        let state = &self.durable.confirmed.position.state;
        if state.is_final
            && let Some(intent) = self.volatile.intent.take_if(|intent| intent.is_close())
        {
            // The peer was first.
            out.done(Some(intent.token()), Ok(Outcome::Agreed { version: state.version }));
        }
        if self.has_app() && self.durable.confirmed.position.state.is_final {
            let state = self.durable.confirmed.position.state.clone();
            self.finish_accepted(&state, out);
        }
    }

    fn tell_received(&self, update: &Update, out: &mut Outputs) {
        let Some(base) = self.base_of(update) else { return };
        let first = base.payments[self.durable.side.other().index()];
        let mut has_payments = false;
        let mut lock_number = base.locks_added;
        for operation in &update.operations {
            match operation {
                Operation::Pay(_) => has_payments = true,
                Operation::AddLock(lock) => {
                    out.events.push(Event::LockOffered { number: lock_number, lock: lock.clone() });
                    lock_number = lock_number.saturating_add(1);
                }
                Operation::SettleLock { number, preimage } => {
                    out.events.push(Event::LockSettled { number: *number, preimage: *preimage });
                }
                Operation::CancelLock { number } => out.events.push(Event::LockCancelled { number: *number }),
                Operation::OpenChild { .. } => lock_number = lock_number.saturating_add(1),
                Operation::Withdraw { .. }
                | Operation::HandOver
                | Operation::Finalise { .. }
                | Operation::CloseChild { .. }
                | Operation::Move(_)
                | Operation::Finish { .. } => {}
            }
        }
        if has_payments {
            let payments = Payments::among(update.operations.clone());
            out.events.push(Event::Received { version: update.version, first, payments });
        }
        tell_children(&update.operations, out);
    }

    fn refuse(&mut self, ctx: &Context<'_>, version: Version, violation: Violation, out: &mut Outputs) {
        self.apply_refused(version, violation);
        out.records.push(Record::Refused { version, violation });
        out.events.push(Event::Refused { version, rule: violation.rule });
        self.send_refusal(ctx, version, violation, out);
        if self.has_app() && violation.rule != Rule::NotAgreed {
            // Its next move is made before the chain, or not at all.
            self.want_dispute(out);
        }
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

    /// Considers again what is held; what waited too long is refused for good.
    pub(super) fn retry_held(&mut self, ctx: &Context<'_>, out: &mut Outputs) {
        let Some(held) = self.volatile.held.take() else { return };
        let waited = ctx.now_ms.saturating_sub(held.since);
        let timeout = self.durable.settings.hold_timeout_ms;
        let verdict = match self.consider(ctx, &held.update) {
            Verdict::Hold(_) if self.has_app() => {
                self.volatile.held = Some(held);
                return;
            }
            Verdict::Hold(_) if waited >= timeout && self.knows_nothing_of_chain() => {
                // No refusal, since that would be durable: the peer sends it again after our synchronisation.
                self.send_sync(ctx, false, out);
                return;
            }
            Verdict::Hold(violation) if waited >= timeout => Verdict::Refuse(violation),
            Verdict::Hold(_) => {
                self.volatile.held = Some(held);
                return;
            }
            verdict => verdict,
        };
        self.decide(ctx, held.update, verdict, out);
        // What came after it was not kept.
        self.send_sync(ctx, false, out);
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
            version == confirmed && ctx.now_ms.saturating_sub(at) < self.durable.settings.retry_after() / 4
        });
        if !recently {
            self.volatile.gap_reported = Some((confirmed, ctx.now_ms));
            self.send_sync(ctx, false, out);
        }
    }
}
