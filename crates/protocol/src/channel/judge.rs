//! Rules that rest on time, agreement and deposits, on top of the pure step.

use super::{Channel, Context};
use crate::invoices::InvoiceSums;
use crate::operation::{Operation, Payment};
use crate::position::Position;
use crate::rule::Rule;
use strait_types::{Address, AssetIndex, Lock, Side, Version};

impl Channel {
    /// Judges an operation that we would write.
    pub(super) fn judge_own(
        &self,
        ctx: &Context<'_>,
        operation: &Operation,
        position: &Position,
    ) -> Result<(), Rule> {
        self.judge_locks(ctx, self.durable.side, operation, position)
    }

    /// Judges an operation that the peer wrote.
    pub(super) fn judge_peers(
        &self,
        ctx: &Context<'_>,
        operation: &Operation,
        position: &Position,
        sums: &mut InvoiceSums,
    ) -> Result<(), Rule> {
        match operation {
            Operation::Withdraw { .. } | Operation::Finalise { .. } => {
                if self.durable.agreed.as_ref() == Some(operation) { Ok(()) } else { Err(Rule::NotAgreed) }
            }
            Operation::OpenChild { .. } if self.durable.agreed.as_ref() != Some(operation) => {
                Err(Rule::NotAgreed)
            }
            Operation::Pay(payment) if !self.is_wanted(ctx, payment, sums) => Err(Rule::InvoiceOver),
            _ => self.judge_locks(ctx, self.durable.side.other(), operation, position),
        }
    }

    /// Whether something is missing of the invoice that a payment names.
    fn is_wanted(&self, ctx: &Context<'_>, payment: &Payment, sums: &mut InvoiceSums) -> bool {
        let Some(invoices) = ctx.around.invoices else { return true };
        sums.takes(invoices, payment, self.asset(payment.asset), ctx.now_ms)
    }

    /// Tells the invoices what was accepted, before anything else is judged.
    pub(super) fn count_for_invoices(&self, ctx: &Context<'_>, operations: &[Operation]) {
        let Some(invoices) = ctx.around.invoices else { return };
        for operation in operations {
            if let Operation::Pay(Payment { invoice: Some(invoice), asset, amount, .. }) = operation {
                invoices.accepted(*invoice, self.asset(*asset), *amount);
            }
        }
    }

    fn asset(&self, index: AssetIndex) -> Address {
        // The step has checked that the channel has it.
        self.durable.params.assets.get(index.index()).copied().unwrap_or_default()
    }

    fn judge_locks(
        &self,
        ctx: &Context<'_>,
        writer: Side,
        operation: &Operation,
        position: &Position,
    ) -> Result<(), Rule> {
        let settings = &self.durable.settings;
        if self.is_child()
            && !matches!(operation, Operation::Pay(_) | Operation::HandOver | Operation::Finalise { .. })
        {
            // Its funds are one lock of its parent's, and leave as a whole.
            return Err(Rule::Unsupported);
        }
        match operation {
            Operation::AddLock(lock) => {
                let earliest = ctx.head_time.saturating_add(settings.lock_margin);
                let latest = ctx.head_time.saturating_add(settings.lock_horizon);
                if lock.expiry <= earliest || lock.expiry > latest { Err(Rule::LockExpiry) } else { Ok(()) }
            }
            Operation::SettleLock { number, .. } => {
                let lock = position.lock(*number).ok_or(Rule::UnknownLock)?;
                let gives = lock.contributor() == Some(writer);
                let in_time = ctx.head_time.saturating_add(settings.lock_margin) <= lock.expiry;
                if gives || in_time || self.registered_in_time(lock) { Ok(()) } else { Err(Rule::TooLate) }
            }
            Operation::CancelLock { number } => {
                let lock = position.lock(*number).ok_or(Rule::UnknownLock)?;
                let takes = lock.contributor() == Some(writer);
                if !takes || self.has_expired(ctx, lock) { Ok(()) } else { Err(Rule::NotExpired) }
            }
            Operation::CloseChild { child, outcome } => self.judge_close_child(*child, *outcome),
            _ => Ok(()),
        }
    }

    /// Whether the preimage counts on chain, as of the head.
    pub(super) fn registered_in_time(&self, lock: &Lock) -> bool {
        self.durable.chain.head().registered_at(lock.reference).is_some_and(|time| time <= lock.expiry)
    }

    /// Whether the lock can only go back to its contributor any more, by blocks that have their confirmations.
    pub(super) fn has_expired(&self, ctx: &Context<'_>, lock: &Lock) -> bool {
        ctx.final_time > lock.expiry && !self.registered_in_time(lock)
    }

    /// Whether the peer's deposits that count reach what we demand. Before anybody has deposited nothing is to be said,
    /// so that a channel which cost a stranger nothing makes us neither sign nor write.
    pub(super) fn is_admitted(&self) -> bool {
        if self.knows_nothing_of_chain() {
            return false;
        }
        let peer = self.durable.side.other().index();
        let counted = &self.durable.chain.counted().deposits;
        let mut pairs = self.durable.settings.peer_deposit.iter().zip(counted);
        pairs.all(|(minimum, deposits)| deposits[peer] >= *minimum)
    }

    /// Whether there is nothing that could be paid with: a reorg may have taken back what had admitted the channel, and a
    /// peer that has not heard of it gives no pen away.
    pub(super) fn is_unfunded(&self) -> bool {
        self.head().state.version == Version::ZERO && self.durable.chain.holds_nothing()
    }

    /// Whether a version of the peer's counts before its deposit reaches the minimum: the agreed close, the pen that we
    /// asked for, and the empty version that supersedes a refused one, of which there is one in each
    /// [`crate::Settings::hold_timeout_ms`].
    pub(super) fn needs_no_deposit(&self, operations: &[Operation]) -> bool {
        let supersedes = self.durable.refused_high > self.durable.confirmed.position.state.version;
        match operations {
            [Operation::Finalise { .. }] => true,
            [Operation::HandOver] => self.volatile.pen_asked,
            [] => supersedes,
            _ => false,
        }
    }

    /// Whether the deposits that count cover what the position says of both sides.
    pub(super) fn is_funded(&self, position: &Position) -> bool {
        let deposits = &self.durable.chain.counted().deposits;
        deposits.iter().enumerate().all(|(asset, pair)| {
            Side::BOTH.into_iter().all(|side| {
                position.balance(side, asset, pair[side.index()]).is_some_and(|balance| balance >= 0)
            })
        })
    }
}
