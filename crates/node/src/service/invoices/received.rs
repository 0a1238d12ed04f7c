//! Payments that name an invoice, counted where their event is written.

use super::table::Stored;
use rusqlite::Connection;
use strait_api::{Event, InvoiceIssue, InvoicePayment, InvoiceStatus};
use strait_protocol::Payment;
use strait_types::{Address, ChannelId};

/// A payment of the peer's, as it was told.
pub(crate) struct Incoming<'a> {
    pub(crate) chain_id: u64,
    pub(crate) channel: ChannelId,
    /// Number among the peer's payments.
    pub(crate) number: u64,
    /// The payment's asset.
    pub(crate) asset: Address,
    pub(crate) payment: &'a Payment,
    /// Unix seconds.
    pub(crate) at: u64,
}

/// Counts a payment; says what came of it, if it names an invoice of this node.
pub(crate) fn count(db: &Connection, incoming: &Incoming<'_>) -> rusqlite::Result<Option<Event>> {
    let Some(id) = incoming.payment.invoice else { return Ok(None) };
    let Some(mut stored) = Stored::find(db, id)? else { return Ok(None) };
    let before = stored.status(incoming.at);
    let payment = InvoicePayment { channel: incoming.channel, number: incoming.number, at: incoming.at };
    let is_of_terms = stored.terms.chain_id == incoming.chain_id && stored.terms.asset == incoming.asset;
    stored.payments = stored.payments.saturating_add(1);
    if is_of_terms {
        let sum = stored.received.checked_add(incoming.payment.amount);
        stored.received = sum.unwrap_or(strait_types::Amount::MAX);
    }
    let issue = match before {
        InvoiceStatus::Paid => Some(InvoiceIssue::PaidAlready),
        InvoiceStatus::Expired => Some(InvoiceIssue::Expired),
        InvoiceStatus::Cancelled => Some(InvoiceIssue::Cancelled),
        InvoiceStatus::Open if !is_of_terms => Some(InvoiceIssue::OtherAsset),
        InvoiceStatus::Open if stored.received < stored.terms.amount => Some(InvoiceIssue::Partial),
        InvoiceStatus::Open => {
            stored.payment = Some(payment);
            None
        }
    };
    stored.update(db)?;
    Ok(Some(match issue {
        None => Event::InvoicePaid { id, payment },
        Some(issue) => Event::InvoiceMispaid {
            id,
            payment,
            asset: incoming.asset,
            amount: incoming.payment.amount,
            received: stored.received,
            issue,
        },
    }))
}
