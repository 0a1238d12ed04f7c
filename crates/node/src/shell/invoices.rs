//! Until when each of this node's invoices can be paid: the engine asks for every payment that names one.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};
use strait_protocol::Invoices;
use strait_types::{Address, Amount, B256};

/// For so long after its end a payment for an invoice is refused, in seconds; then its id is forgotten, and what still comes is taken
/// and told as paid too late.
pub(crate) const REMEMBERED: u64 = 24 * 3_600;

/// What the service knows and the engine asks.
#[derive(Default)]
pub(crate) struct InvoiceBook(RwLock<HashMap<B256, Term>>);

#[derive(Clone, Copy)]
struct Term {
    /// Unix seconds.
    end: u64,
    /// Paid, or taken back.
    is_done: bool,
    /// The asset and what is missing of it, where the invoice is to be paid on this node's chain.
    missing: Option<(Address, Amount)>,
}

impl InvoiceBook {
    /// An invoice that can be paid up to a time, in Unix seconds; `missing` is what, where it is to be paid on this chain.
    pub(crate) fn add(&self, invoice: B256, end: u64, missing: Option<(Address, Amount)>) {
        self.write().insert(invoice, Term { end, is_done: false, missing });
    }

    /// Nothing more is to be paid for it.
    pub(crate) fn finish(&self, invoice: B256) {
        if let Some(term) = self.write().get_mut(&invoice) {
            term.is_done = true;
        }
    }

    /// Forgets those that ended long ago, so that only so many are held as are made in their time.
    pub(crate) fn forget(&self, now: u64) {
        self.write().retain(|_, term| term.end.saturating_add(REMEMBERED) >= now);
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, HashMap<B256, Term>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Invoices for InvoiceBook {
    fn is_over(&self, invoice: B256, now_ms: u64) -> bool {
        let terms = self.0.read().unwrap_or_else(PoisonError::into_inner);
        terms.get(&invoice).is_some_and(|term| term.is_done || now_ms / 1_000 > term.end)
    }

    fn is_completed_by(&self, invoice: B256, asset: Address, amount: Amount) -> bool {
        let terms = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let missing = terms.get(&invoice).and_then(|term| term.missing);
        missing.is_some_and(|(wanted, missing)| wanted == asset && amount >= missing)
    }

    fn accepted(&self, invoice: B256, asset: Address, amount: Amount) {
        let mut terms = self.write();
        let Some(term) = terms.get_mut(&invoice) else { return };
        if let Some((wanted, missing)) = &mut term.missing
            && *wanted == asset
        {
            *missing = missing.checked_sub(amount).unwrap_or(Amount::ZERO);
            term.is_done |= missing.is_zero();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invoice_is_over_when_it_is_done_or_its_time_is() {
        let book = InvoiceBook::default();
        let [open, done, foreign] = [1, 2, 3].map(B256::repeat_byte);
        book.add(open, 1_000, None);
        book.add(done, 1_000, None);
        book.finish(done);
        book.finish(foreign);
        let over = |seconds: u64| [open, done, foreign].map(|id| book.is_over(id, seconds * 1_000 + 999));
        assert_eq!(over(1_000), [false, true, false]);
        assert_eq!(over(1_001), [true, true, false]);
        book.forget(1_000 + REMEMBERED);
        assert_eq!(over(1_001), [true, true, false]);
        book.forget(1_001 + REMEMBERED);
        assert_eq!(over(1_001), [false; 3], "forgotten");
    }

    #[test]
    fn what_completes_an_invoice_ends_it_at_once() {
        let (book, id) = (InvoiceBook::default(), B256::repeat_byte(1));
        let (coin, token) = (Address::ZERO, Address::repeat_byte(7));
        book.add(id, 1_000, Some((coin, Amount::from(100))));
        book.accepted(id, coin, Amount::from(60));
        book.accepted(id, token, Amount::from(60));
        assert!(!book.is_over(id, 0));
        let completes = |asset, amount: u64| book.is_completed_by(id, asset, Amount::from(amount));
        assert_eq!([completes(coin, 39), completes(coin, 40), completes(token, 40)], [false, true, false]);
        book.accepted(id, coin, Amount::from(41));
        assert!(book.is_over(id, 0));
    }
}
