//! What this side takes no more payments for.

use crate::operation::Payment;
use std::collections::{BTreeMap, BTreeSet};
use strait_types::{Address, Amount, AssetIndex, B256};

/// The invoices of this side's user.
pub trait Invoices: Send + Sync {
    /// Whether a payment that names this invoice is refused, at a time in milliseconds since the Unix epoch. One that is not
    /// known is nobody's business: its payment is taken.
    fn is_over(&self, invoice: B256, now_ms: u64) -> bool;

    /// Whether nothing is missing of the invoice when so much more of an asset (the zero address: the native coin) comes in.
    fn is_completed_by(&self, invoice: B256, asset: Address, amount: Amount) -> bool;

    /// A payment was accepted: from now on so much less is missing.
    fn accepted(&self, invoice: B256, asset: Address, amount: Amount);
}

/// What the payments of one version give for invoices, so that of two in one version only one completes an invoice.
#[derive(Default)]
pub(crate) struct InvoiceSums {
    sums: BTreeMap<(B256, AssetIndex), Amount>,
    completed: BTreeSet<B256>,
}

impl InvoiceSums {
    /// Adds a payment of `asset`; tells whether there is an invoice for it of which something is missing, or none.
    pub(crate) fn takes(
        &mut self,
        invoices: &dyn Invoices,
        payment: &Payment,
        asset: Address,
        now_ms: u64,
    ) -> bool {
        let Some(invoice) = payment.invoice else { return true };
        if invoices.is_over(invoice, now_ms) || self.completed.contains(&invoice) {
            return false;
        }
        let sum = self.sums.entry((invoice, payment.asset)).or_default();
        *sum = sum.checked_add(payment.amount).unwrap_or(Amount::MAX);
        if invoices.is_completed_by(invoice, asset, *sum) {
            self.completed.insert(invoice);
        }
        true
    }
}
