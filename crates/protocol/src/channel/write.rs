//! The writer: batches what waits into versions, and learns what became of them.

use super::outcome::{Stood, Ticket};
use super::{Channel, Context, Link, Outputs, Queued};
use crate::command::{CommandError, Event, Outcome, Token};
use crate::message::{Body, Refusal, Update};
use crate::onchain::Phase;
use crate::operation::{MAX_OPERATIONS, Operation};
use crate::operations::Operations;
use crate::position::{NumberedLock, Position, Violation};
use crate::record::Record;
use crate::rule::Rule;
use crate::signer::SignerError;
use strait_types::{Amount, LockKind, MAX_LOCKS, Side, Signature, Version};

/// Most versions in flight, whatever the settings say: the peer refuses to follow larger jumps.
const MAX_WINDOW: usize = 256;
/// Versions in flight from which on only a full one joins them: the rest gathers for the next, so that signatures and
/// syncs are shared by more. Two, so that one is written while the other is on its way.
const MAX_PARTIAL: usize = 2;
/// The same where many channels are at work: they keep both sides busy, and one signature for more payments is worth more.
const MAX_PARTIAL_IN_CROWD: usize = 1;
/// Bytes that a version's operations take, about, when no further one joins them.
const FULL_BYTES: usize = 1 << 20;
/// Bytes in flight from which on no version joins them: half of what a connection queues.
const MAX_BYTES_IN_FLIGHT: usize = 8 << 20;

/// What goes into one version.
struct Batch {
    operations: Vec<Operation>,
    /// Whose they are, in the same order; a hand-over at the end is nobody's.
    owners: Vec<Owner>,
}

/// What is known of an operation beside itself.
struct Owner {
    token: Option<Token>,
    stood: Vec<Stood>,
}

impl Batch {
    fn push(&mut self, Queued { token, operation, stood }: Queued) {
        self.operations.push(operation);
        self.owners.push(Owner { token, stood });
    }

    fn remove(&mut self, index: usize) -> Queued {
        let (operation, Owner { token, stood }) = (self.operations.remove(index), self.owners.remove(index));
        Queued { token, operation, stood }
    }

    fn into_queued(self) -> Vec<Queued> {
        let queued = |(operation, Owner { token, stood })| Queued { token, operation, stood };
        self.operations.into_iter().zip(self.owners).map(queued).collect()
    }
}

/// A version that follows from the newest one.
struct Draft {
    operations: Operations,
    owners: Vec<Owner>,
    position: Position,
}

impl Channel {
    pub(super) fn is_writer(&self) -> bool {
        self.head().state.writer == self.durable.side
    }

    /// A version of ours was refused and no higher one is on its way: it must be superseded.
    fn must_supersede(&self) -> bool {
        self.durable.pending.is_empty()
            && self.is_writer()
            && self.durable.signed_high > self.durable.confirmed.position.state.version
    }

    /// Whether a withdrawal or final state forbids a higher version.
    pub(super) fn is_blocked_by_execution(&self) -> bool {
        self.durable.execution.as_ref().is_some_and(|execution| execution.is_final || execution.refused)
    }

    /// A withdrawal must be countersigned by itself, since the chain takes exactly that version.
    fn awaits_execution_signature(&self) -> bool {
        self.durable.execution.as_ref().is_some_and(|execution| {
            execution.writer == self.durable.side && execution.signed.is_none() && !execution.refused
        })
    }

    fn may_write(&self) -> bool {
        self.volatile.link == Link::Up
            && self.is_writer()
            && self.durable.restore.is_none()
            && !self.volatile.peer_restoring
            && !self.is_leaving()
            && self.durable.chain.head().phase == Phase::Open
            && !self.is_blocked_by_execution()
            && !self.awaits_execution_signature()
            && !self.is_negotiating()
            && (self.is_admitted() || self.may_write_below_minimum())
    }

    /// Below the minimum deposit a channel can still be closed together: the agreed end is written, the pen goes to a
    /// peer that asks for it, and what was refused is superseded. None of them moves anything.
    fn may_write_below_minimum(&self) -> bool {
        if self.knows_nothing_of_chain() {
            return false;
        }
        match self.volatile.queue.front() {
            Some(first) => matches!(first.operation, Operation::Finalise { .. }),
            None => self.volatile.pen_wanted_by_peer || self.must_supersede(),
        }
    }

    /// What is negotiated is written first, so that it neither starves nor rests on what may be refused.
    fn is_negotiating(&self) -> bool {
        self.volatile.intent.as_ref().is_some_and(|intent| {
            intent.is_proposed() || !intent.is_close() || self.volatile.queue.is_empty()
        })
    }

    /// Writes what waits, as long as the window has room.
    pub(super) fn write(&mut self, ctx: &Context<'_>, out: &mut Outputs) -> Result<(), SignerError> {
        if self.must_read_chain_first(ctx) {
            return Ok(());
        }
        if self.durable.execution.as_ref().is_some_and(|execution| execution.is_final) {
            self.fail_waiting(&CommandError::NotOpen, out);
        }
        if self.is_unfunded() {
            self.fail_unfunded(out);
        }
        if !self.volatile.queue.is_empty()
            && let Err(error) = self.check_demand()
        {
            self.fail_payments(&error, out);
        }
        if !self.is_writer() {
            self.ask_for_pen(ctx, out);
            return Ok(());
        }
        let window = self.durable.settings.window.clamp(1, MAX_WINDOW);
        while self.may_write() && self.has_room(window) {
            let hand_over = self.volatile.pen_wanted_by_peer && self.is_last_of_turn(window);
            let owes_version = self.must_supersede();
            if !hand_over && !owes_version && !self.is_worth_a_version(ctx) {
                break;
            }
            match self.take_batch(ctx, hand_over, out) {
                Some(draft) if draft.operations.is_empty() && !owes_version => {}
                Some(draft) => self.write_version(ctx, draft, out)?,
                None => break,
            }
        }
        if !self.is_writer() {
            self.ask_for_pen(ctx, out);
        }
        Ok(())
    }

    /// What moves money does not wait for a deposit that may never come; the agreed end needs none.
    pub(super) fn fail_payments(&mut self, error: &CommandError, out: &mut Outputs) {
        for queued in std::mem::take(&mut self.volatile.queue) {
            match queued.operation {
                Operation::Finalise { .. } => self.volatile.queue.push_back(queued),
                _ => self.fail_one(queued, error.clone(), out),
            }
        }
    }

    /// Whether the peer follows so far, and its connection holds it.
    fn has_room(&self, window: usize) -> bool {
        let in_flight = self.durable.pending.iter().map(|pending| pending.update.operations.encoded_len());
        self.durable.pending.len() < window && in_flight.sum::<usize>() < MAX_BYTES_IN_FLIGHT
    }

    fn is_worth_a_version(&self, ctx: &Context<'_>) -> bool {
        let waiting = self.volatile.queue.len();
        let partial = if ctx.around.is_crowded { MAX_PARTIAL_IN_CROWD } else { MAX_PARTIAL };
        waiting >= self.most_operations() || waiting > 0 && self.durable.pending.len() < partial
    }

    /// Whether the next version takes all that waits, or the window has room for no further one: whoever has the pen
    /// gives it away with that one, so that a turn is worth its round trip.
    fn is_last_of_turn(&self, window: usize) -> bool {
        self.volatile.queue.len() <= self.most_operations()
            || self.durable.pending.len().saturating_add(1) >= window
    }

    /// In one version, with room left for a hand-over.
    fn most_operations(&self) -> usize {
        self.durable.settings.batch.clamp(1, MAX_OPERATIONS - 1)
    }

    pub(super) fn ask_for_pen(&mut self, ctx: &Context<'_>, out: &mut Outputs) {
        let wants = !self.volatile.queue.is_empty() || self.volatile.intent.is_some();
        if wants && !self.volatile.pen_asked && self.durable.restore.is_none() {
            self.volatile.pen_asked = true;
            self.volatile.progress_ms = ctx.now_ms;
            out.messages.push(Body::RequestPen);
        }
    }

    /// Takes from the queue what one version can hold; what cannot be written fails at once, nothing having moved.
    /// `None`: no version can be written at all.
    fn take_batch(&mut self, ctx: &Context<'_>, hand_over: bool, out: &mut Outputs) -> Option<Draft> {
        let version = self.next_version()?;
        let mut batch = self.collect(hand_over, out);
        loop {
            let Batch { operations, owners } = batch;
            let operations = Operations::from(operations);
            let step = self.head().next(version, &operations, &mut |operation, position| {
                self.judge_own(ctx, operation, position)
            });
            let Violation { index, rule } = match step {
                Ok(position) => return Some(Draft { operations, owners, position }),
                Err(violation) => violation,
            };
            batch = Batch { operations: operations.into_vec(), owners };
            let culprit = index.and_then(|index| usize::try_from(index).ok());
            match culprit.filter(|index| *index < batch.owners.len()) {
                Some(index) => self.fail_one(batch.remove(index), CommandError::Rule(rule), out),
                None => {
                    self.put_back(batch.into_queued());
                    return None;
                }
            }
        }
    }

    pub(super) fn put_back(&mut self, queued: Vec<Queued>) {
        for queued in queued.into_iter().rev() {
            self.volatile.queue.push_front(queued);
        }
    }

    fn collect(&mut self, hand_over: bool, out: &mut Outputs) -> Batch {
        let mut available = self.available();
        let most = self.most_operations();
        let expected = self.volatile.queue.len().min(most).saturating_add(1);
        let mut batch =
            Batch { operations: Vec::with_capacity(expected), owners: Vec::with_capacity(expected) };
        let (mut adds_lock, mut settles_lock, mut resolves_lock) = (false, false, false);
        let mut locks = self.head().locks.len();
        let mut bytes = 0_usize;
        while batch.operations.len() < most && bytes < FULL_BYTES {
            let Some(queued) = self.volatile.queue.pop_front() else { break };
            bytes = bytes.saturating_add(queued.operation.encoded_len());
            let alone = queued.operation.is_bound();
            if alone && !batch.operations.is_empty() {
                self.volatile.queue.push_front(queued);
                return batch;
            }
            if let Err(error) = spend(&mut available, self.durable.side, &queued.operation) {
                if resolves_lock {
                    // What a settled or cancelled lock brings back can be spent from the next version on.
                    self.volatile.queue.push_front(queued);
                    break;
                }
                self.fail_one(queued, error, out);
                continue;
            }
            if matches!(queued.operation, Operation::AddLock(_)) {
                adds_lock = true;
                locks = locks.saturating_add(1);
            } else if queued.operation.takes_lock() {
                resolves_lock = true;
                settles_lock |= matches!(queued.operation, Operation::SettleLock { .. });
                locks = locks.saturating_sub(1);
            }
            batch.push(queued);
            if alone {
                return batch;
            }
        }
        // A full list is for the other side to settle, one that was settled for it to fill anew: it need not ask.
        let is_their_turn = adds_lock && locks >= MAX_LOCKS || settles_lock && locks == 0;
        if hand_over || is_their_turn && self.volatile.queue.is_empty() {
            batch.operations.push(Operation::HandOver);
        }
        batch
    }

    /// What we own freely, per asset, by the deposits that count.
    pub(super) fn available(&self) -> Vec<u128> {
        let deposits = &self.durable.chain.counted().deposits;
        let side = self.durable.side;
        let head = self.head();
        let balance = |(asset, pair): (usize, &[Amount; 2])| {
            let balance = head.balance(side, asset, pair[side.index()]).unwrap_or(0);
            u128::try_from(balance).unwrap_or(0)
        };
        deposits.iter().enumerate().map(balance).collect()
    }

    pub(super) fn next_version(&self) -> Option<Version> {
        let head = self.head().state.version;
        head.max(self.durable.signed_high).max(self.durable.refused_high).next()
    }

    /// A version of one operation.
    pub(super) fn write_one(
        &mut self,
        ctx: &Context<'_>,
        queued: Queued,
        position: Position,
        out: &mut Outputs,
    ) -> Result<(), SignerError> {
        let Queued { token, operation, stood } = queued;
        let (operations, owners) = ([operation].into(), vec![Owner { token, stood }]);
        self.write_version(ctx, Draft { operations, owners, position }, out)
    }

    fn write_version(
        &mut self,
        ctx: &Context<'_>,
        Draft { operations, owners, position }: Draft,
        out: &mut Outputs,
    ) -> Result<(), SignerError> {
        let signature = match self.sign_state(ctx, position.state.hash()) {
            Ok(signature) => signature,
            Err(error) => {
                self.put_back(Batch { operations: operations.into_vec(), owners }.into_queued());
                return Err(error);
            }
        };
        let tickets = self.tickets(&operations, owners, position.state.version);
        let base = &self.head().state;
        let update = Update {
            base: base.version,
            base_hash: self.durable.pending.back().map_or(self.durable.confirmed.hash, |last| last.hash),
            version: position.state.version,
            operations,
            signature,
        };
        out.records.push(Record::Wrote(update.clone()));
        if self.volatile.link == Link::Up {
            out.messages.push(Body::Update(update.clone()));
        }
        if self.durable.pending.is_empty() {
            self.volatile.progress_ms = ctx.now_ms;
        }
        if position.state.writer != self.durable.side {
            self.volatile.pen_wanted_by_peer = false;
            self.volatile.pen_asked = false;
        }
        self.apply_wrote(update, position, tickets);
        Ok(())
    }

    /// How each command of the batch ends once the version is countersigned.
    fn tickets(&self, operations: &[Operation], owners: Vec<Owner>, version: Version) -> Vec<Ticket> {
        let mut number = self.head().payments[self.durable.side.index()];
        let mut lock_number = self.head().locks_added;
        let mut tickets = Vec::with_capacity(owners.len());
        for (index, (operation, owner)) in operations.iter().zip(owners).enumerate() {
            let outcome = match *operation {
                Operation::Pay(_) => {
                    number = number.saturating_add(1);
                    Outcome::Paid { number: number.saturating_sub(1), version }
                }
                Operation::AddLock(_) => {
                    lock_number = lock_number.saturating_add(1);
                    Outcome::Locked { number: lock_number.saturating_sub(1) }
                }
                Operation::OpenChild { child, .. } => {
                    lock_number = lock_number.saturating_add(1);
                    Outcome::ChildOpened { child }
                }
                Operation::SettleLock { number, .. } => Outcome::LockSettled { number },
                Operation::CancelLock { number } => Outcome::LockCancelled { number },
                Operation::Move(_) => Outcome::Moved { version },
                Operation::Withdraw { .. }
                | Operation::Finalise { .. }
                | Operation::Finish { .. }
                | Operation::CloseChild { .. }
                | Operation::HandOver => Outcome::Agreed { version },
            };
            if let Some(token) = owner.token {
                tickets.push(Ticket { token, outcome, index, stood: owner.stood });
            }
        }
        tickets
    }

    pub(super) fn on_acknowledge(
        &mut self,
        ctx: &Context<'_>,
        version: Version,
        signature: Signature,
        out: &mut Outputs,
    ) {
        if version <= self.durable.confirmed.position.state.version {
            return;
        }
        if self.must_read_chain_first(ctx) || self.finish_rebase(ctx, version, signature, out) {
            return;
        }
        let Some(pending) = self.durable.pending.iter().find(|pending| pending.update.version == version)
        else {
            out.fault(Rule::Unexpected);
            return;
        };
        if !self.peer_signed(ctx, pending.hash, &signature) {
            out.fault(Rule::BadSignature);
            return;
        }
        self.volatile.progress_ms = ctx.now_ms;
        out.records.push(Record::Confirmed { version, signature });
        let confirmed = self.apply_confirmed(version, signature);
        super::app::tell_play(&confirmed, out);
        self.complete(confirmed, out);
        self.begin_turn(ctx, out);
    }

    /// While the chain is not read we do not know by which state it has settled: a countersignature would make us forget that
    /// state's locks, which nobody else may know. So nothing is written either that would need one.
    pub(super) fn must_read_chain_first(&self, ctx: &Context<'_>) -> bool {
        (ctx.halted || self.is_chain_stale(ctx))
            && self.positions().any(|position| !position.locks.is_empty())
    }

    pub(super) fn on_refusal(&mut self, ctx: &Context<'_>, refusal: &Refusal, out: &mut Outputs) {
        let confirms =
            refusal.signature.is_some() && refusal.confirmed > self.durable.confirmed.position.state.version;
        if confirms && self.must_read_chain_first(ctx) {
            return;
        }
        if let Some(signature) = refusal.signature {
            self.on_acknowledge(ctx, refusal.confirmed, signature, out);
        }
        let known = self.durable.pending.iter().any(|pending| pending.update.version == refusal.version);
        if !known {
            return;
        }
        self.volatile.progress_ms = ctx.now_ms;
        if self.has_app() {
            self.keep_refused(refusal, out);
            return;
        }
        out.records.push(Record::RolledBack);
        let rolled_back = self.apply_rolled_back();
        self.requeue(rolled_back, Some(refusal), out);
    }

    /// A refused move is never rewritten: it goes to the chain.
    fn keep_refused(&mut self, refusal: &Refusal, out: &mut Outputs) {
        let Some(app) = self.durable.app.as_mut().filter(|app| !app.is_refused) else { return };
        app.is_refused = true;
        out.records.push(Record::MoveRefused);
        out.events.push(Event::MoveRefused { version: refusal.version, rule: refusal.rule });
        self.want_dispute(out);
    }

    /// Takes what is ours without anybody asking: back, what expired; and what a known preimage opens.
    pub(super) fn queue_due_locks(&mut self, ctx: &Context<'_>) {
        if self.head().locks.is_empty() || !self.durable.pending.is_empty() || self.check_usable().is_err() {
            return;
        }
        let due: Vec<Operation> =
            self.head().locks.iter().filter_map(|entry| self.due_operation(ctx, entry)).collect();
        self.volatile.queue.extend(due.into_iter().map(|operation| Queued::new(None, operation)));
    }

    fn due_operation(&self, ctx: &Context<'_>, entry: &NumberedLock) -> Option<Operation> {
        let NumberedLock { number, lock } = entry;
        if lock.kind != LockKind::Hash || self.is_asked_for(entry) {
            return None;
        }
        if lock.contributor() == Some(self.durable.side) {
            return self.has_expired(ctx, lock).then_some(Operation::CancelLock { number: *number });
        }
        let known = self.known_preimage(lock.reference);
        let preimage = known.or_else(|| self.durable.chain.head().preimage(lock.reference))?;
        let operation = Operation::SettleLock { number: *number, preimage };
        self.judge_own(ctx, &operation, self.head()).is_ok().then_some(operation)
    }

    /// Whether a lock's end is waiting to be written, or was refused.
    pub(super) fn is_asked_for(&self, entry: &NumberedLock) -> bool {
        let mut queued = self.volatile.queue.iter().map(|queued| &queued.operation);
        queued.any(|operation| operation.resolves(entry))
            || self.volatile.contested.iter().any(|operation| operation.resolves(entry))
    }
}

/// Takes what an operation costs us from what is available.
fn spend(available: &mut [u128], side: Side, operation: &Operation) -> Result<(), CommandError> {
    let (asset, amount) = match operation {
        Operation::Pay(payment) => (payment.asset, payment.amount),
        Operation::AddLock(lock) => (lock.asset, lock.amounts[side.index()]),
        Operation::OpenChild { child, asset, flip, opening } => {
            (*asset, opening.lock(*child, *asset, *flip).amounts[side.index()])
        }
        Operation::Withdraw { asset, amount, side: whose, .. } if *whose == side => (*asset, *amount),
        _ => return Ok(()),
    };
    let slot = available.get_mut(asset.index()).ok_or(CommandError::Rule(Rule::UnknownAsset))?;
    match slot.checked_sub(amount.units()) {
        Some(rest) => {
            *slot = rest;
            Ok(())
        }
        None => Err(CommandError::InsufficientBalance {
            available: Amount::new(*slot).unwrap_or(Amount::MAX),
            wanted: amount,
        }),
    }
}
