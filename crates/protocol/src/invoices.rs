//! What this side takes no more payments for.

use strait_types::B256;

/// The invoices of this side's user.
pub trait Invoices: Send + Sync {
    /// Whether a payment that names this invoice is refused, at a time in milliseconds since the Unix epoch. One that is not
    /// known is nobody's business: its payment is taken.
    fn is_over(&self, invoice: B256, now_ms: u64) -> bool;
}
