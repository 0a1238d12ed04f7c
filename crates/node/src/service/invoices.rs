//! Invoices: made, told apart, paid.
//!
//! What comes in is counted in the same transaction that writes the event of the payment, so each payment counts once,
//! also across a crash. An invoice is paid when what came in its asset and before its end reaches its amount. A payment for
//! one that is paid, over or taken back is refused by the engine, which asks the node's [`InvoiceBook`]: the payer's node tells
//! its user, and nothing has moved. The book counts what the engine accepts, so that a payment
//! that comes right behind the completing one is refused, too. What came in before the book knew (while the service starts), or is not the whole amount, is received all the same, since it is signed and the payer cannot take it
//! back: it is added to what the invoice received, its status stays, and the event `invoice_mispaid` says why.

mod received;
mod table;
mod text;

pub(crate) use received::{Incoming, count};
pub use text::read;

use super::convert::{bad_cursor, page_limit};
use super::keys::{Intention, Keyed};
use super::registry::Known;
use super::{Core, DatabaseError};
use crate::shell::{InvoiceBook, REMEMBERED};
use crate::transport::PeerAddress;
use std::sync::Arc;
use strait_api::{
    ApiError, ErrorCode, Invoice, InvoiceCreate, InvoiceList, InvoiceMade, InvoicePay, InvoiceStatus,
    InvoiceTerms, Invoices, Paid,
};
use strait_protocol::MAX_MEMO_BYTES;
use strait_types::{Address, Amount, B256, ChannelId};
use table::Stored;

/// Longest description, in bytes: it becomes the payment's memo.
const MAX_DESCRIPTION: usize = MAX_MEMO_BYTES;
/// Invoices that are looked at between two others' turns.
const SCANNED: usize = 256;
/// Seconds until an invoice ends, where its maker says nothing.
const DEFAULT_SECONDS: u64 = 3_600;
/// Longest time from its making to its end, in seconds.
const MAX_SECONDS: u64 = 365 * 24 * 3_600;

impl Core {
    pub(crate) async fn invoice_create(
        self: &Arc<Core>,
        mut request: InvoiceCreate,
    ) -> Result<InvoiceMade, ApiError> {
        let Some(key) = request.idempotency_key.take() else {
            let invoice = self.make_invoice(&request).await?;
            return Ok(InvoiceMade { invoice, was_made_before: false });
        };
        let keyed = Keyed::new(self, &key, "invoice_create", &request, None)?;
        // An invoice that a crash left without its key's result was never shown to anybody.
        let act = |core: Arc<Core>| async move { core.make_invoice(&request).await };
        let (invoice, was_made_before) = self.once_told(keyed, Intention::Nothing, act).await?;
        Ok(InvoiceMade { invoice, was_made_before })
    }

    async fn make_invoice(&self, request: &InvoiceCreate) -> Result<Invoice, ApiError> {
        let (_, chain) = self.chain(request.chain_id)?;
        super::channels::positive(request.amount)?;
        if request.description.len() > MAX_DESCRIPTION {
            let message = format!("the description has more than {MAX_DESCRIPTION} bytes");
            return Err(ApiError::new(ErrorCode::InvalidParams, message).hint("shorten the description"));
        }
        let seconds = request.expires_in.unwrap_or(DEFAULT_SECONDS);
        if seconds == 0 || seconds > MAX_SECONDS {
            let message = format!("the invoice would end in {seconds} seconds; give 1 to {MAX_SECONDS}");
            return Err(ApiError::new(ErrorCode::InvalidParams, message).hint("choose another time"));
        }
        let created = self.now();
        let payee = match self.addresses.first() {
            Some(address) => address.to_string(),
            None => match chain.node.address() {
                Some(address) => address.to_string(),
                None => self.signer.address().to_string(),
            },
        };
        let terms = InvoiceTerms {
            id: self.random::<32>()?.into(),
            payee,
            chain_id: chain.node.domain().chain_id(),
            adjudicator: chain.node.domain().adjudicator(),
            asset: request.asset.unwrap_or(Address::ZERO),
            amount: request.amount,
            description: request.description.clone(),
            created,
            expires: created.saturating_add(seconds),
        };
        let text = text::write(&terms, self.signer.as_ref())?;
        let stored = Stored {
            number: 0,
            terms,
            text,
            is_cancelled: false,
            received: Amount::ZERO,
            payments: 0,
            payment: None,
        };
        let row = stored.clone();
        self.database.write(move |db| row.insert(db)).await?;
        self.book(&stored.terms, Amount::ZERO);
        Ok(stored.invoice(created))
    }

    /// Those of all chains: an invoice is over for each of them.
    fn books(&self) -> impl Iterator<Item = &InvoiceBook> {
        self.nodes.iter().map(|chain| chain.node.invoices())
    }

    /// The nodes refuse payments for what is over from now on, as they did before a restart.
    pub(crate) async fn load_invoices(&self) -> Result<(), DatabaseError> {
        let since = self.now().saturating_sub(REMEMBERED);
        for stored in self.database.read(move |db| Stored::ending_after(db, since)).await? {
            self.book(&stored.terms, stored.received);
            if stored.is_cancelled || stored.payment.is_some() {
                self.finish_invoice(stored.terms.id);
            }
        }
        Ok(())
    }

    /// Payments for an invoice are taken from now on, up to its end or what is missing of it.
    fn book(&self, terms: &InvoiceTerms, received: Amount) {
        let missing = terms.amount.checked_sub(received).unwrap_or(Amount::ZERO);
        for chain in &self.nodes {
            let is_paid_there = chain.node.domain().chain_id() == terms.chain_id;
            let missing = is_paid_there.then_some((terms.asset, missing));
            chain.node.invoices().add(terms.id, terms.expires, missing);
        }
    }

    /// Nothing more is to be paid for it.
    pub(crate) fn finish_invoice(&self, invoice: B256) {
        self.books().for_each(|book| book.finish(invoice));
    }

    /// Those that ended long ago are nobody's any more.
    pub(crate) fn forget_invoices(&self) {
        let now = self.now();
        self.books().for_each(|book| book.forget(now));
    }

    pub(crate) async fn invoice_list(&self, request: InvoiceList) -> Result<Invoices, ApiError> {
        let limit = page_limit(request.limit, 100, 1_000)?;
        let mut before = match &request.cursor {
            // A row's number, which is signed in the database.
            Some(cursor) => cursor.parse::<i64>().map_err(|_| bad_cursor(cursor))?,
            None => i64::MAX,
        };
        let now = self.now();
        let mut invoices = Vec::new();
        loop {
            let page = self.database.read(move |db| Stored::page(db, before, SCANNED)).await?;
            let is_last = page.len() < SCANNED;
            for stored in page {
                before = stored.number;
                if request.status.is_none_or(|status| stored.status(now) == status) {
                    invoices.push(stored.invoice(now));
                }
                if invoices.len() == limit {
                    return Ok(Invoices { invoices, next: Some(before.to_string()) });
                }
            }
            if is_last {
                return Ok(Invoices { invoices, next: None });
            }
        }
    }

    pub(crate) async fn invoice_show(&self, id: B256) -> Result<Invoice, ApiError> {
        let stored = self.database.read(move |db| Stored::find(db, id)).await?;
        Ok(stored.ok_or_else(|| unknown(id))?.invoice(self.now()))
    }

    pub(crate) async fn invoice_cancel(&self, id: B256) -> Result<Invoice, ApiError> {
        let now = self.now();
        let stored = self.database.write(move |db| {
            let Some(stored) = Stored::find(db, id)? else { return Ok(None) };
            if stored.status(now) == InvoiceStatus::Open {
                Stored::cancel(db, id)?;
            }
            Ok(Some(stored))
        });
        let stored = stored.await?.ok_or_else(|| unknown(id))?;
        match stored.status(now) {
            InvoiceStatus::Open | InvoiceStatus::Cancelled => {
                // Before the answer: whoever has it relies on that nobody pays any more.
                self.finish_invoice(id);
                self.invoice_show(id).await
            }
            status => {
                let message = format!("the invoice {id} is {} and cannot be taken back", name(status));
                Err(ApiError::new(ErrorCode::InvoiceNotPayable, message)
                    .hint("refund it with a payment, if need be"))
            }
        }
    }

    pub(crate) async fn invoice_pay(self: &Arc<Core>, request: InvoicePay) -> Result<Paid, ApiError> {
        let terms = read(&request.text)?;
        let payee = payee_of(&terms)?;
        let (chain, node) = self.chain(Some(terms.chain_id))?;
        if node.node.domain().adjudicator() != terms.adjudicator {
            let message =
                format!("the invoice is for the adjudicator {}, not for this node's", terms.adjudicator);
            return Err(ApiError::new(ErrorCode::UnknownChain, message)
                .hint("use a node that is configured with the payee's adjudicator"));
        }
        if payee == self.signer.address() {
            return Err(ApiError::new(ErrorCode::InvoiceNotPayable, "the invoice is this node's own")
                .hint("give it to whoever is to pay; `strait invoice show` tells whether it is paid"));
        }
        let keyed = Keyed::invoice(self, &terms, payee)?;
        let channel = self.paying_channel(&keyed, chain, payee, &terms, request.channel).await?;
        let payment = super::pay::payment(
            &channel,
            Some(terms.asset),
            terms.amount,
            Some(terms.id),
            terms.description.clone(),
        )?;
        let wanted = vec![strait_protocol::Operation::Pay(payment.clone())];
        let intention = self.intention(&channel, wanted, false).await?;
        let keyed = keyed.over(&channel);
        let act = |core: Arc<Core>| async move {
            core.check_time(&terms)?;
            core.pay_now(&channel, payment).await
        };
        let (paid, was_paid_before) = self.once_told(keyed, intention, act).await?;
        Ok(Paid { was_paid_before, ..paid })
    }

    fn check_time(&self, terms: &InvoiceTerms) -> Result<(), ApiError> {
        if self.now() > terms.expires {
            let ago = self.now().saturating_sub(terms.expires);
            let message = format!("the time to pay the invoice {} was over {} ago", terms.id, length(ago));
            return Err(ApiError::new(ErrorCode::InvoiceNotPayable, message));
        }
        Ok(())
    }

    /// The channel of the request that pays the invoice or has paid it, even when the invoice is over or the channel empty by now;
    /// else the one that is wanted, or the best.
    async fn paying_channel(
        &self,
        keyed: &Keyed,
        chain: usize,
        payee: Address,
        terms: &InvoiceTerms,
        wanted: Option<ChannelId>,
    ) -> Result<Arc<Known>, ApiError> {
        if let Some(channel) = self.earlier_channel(keyed).await? {
            return self.known(channel).await;
        }
        let chosen = match (self.check_time(terms), wanted) {
            (Err(error), _) => Err(error),
            (Ok(()), Some(channel)) => self.known(channel).await,
            (Ok(()), None) => self.route(chain, payee, terms).await,
        };
        match (chosen, self.earlier_channel(keyed).await?) {
            // A request that began meanwhile may have used the channel up.
            (Err(_), Some(channel)) => self.known(channel).await,
            (Err(error), _) => Err(error),
            (Ok(channel), _) if channel.peer() != payee || channel.chain != chain => {
                let message = format!("the channel {} is not one with the payee {payee}", channel.id);
                Err(ApiError::new(ErrorCode::NoRoute, message))
            }
            (Ok(channel), _) => Ok(channel),
        }
    }

    /// The channel with the payee that holds enough; the fullest, so that small ones are not used up in vain.
    async fn route(
        &self,
        chain: usize,
        payee: Address,
        terms: &InvoiceTerms,
    ) -> Result<Arc<Known>, ApiError> {
        let with_payee = self.registry.with_peer(chain, payee);
        let infos = self.look(&with_payee).await?;
        let mut best: Option<(Amount, bool, Arc<Known>)> = None;
        for (known, info) in with_payee.iter().zip(&infos) {
            let balance = info.balances.iter().find(|balance| balance.asset == terms.asset);
            let Some(balance) = balance else { continue };
            let can_pay = info.can_pay;
            if best.as_ref().is_none_or(|(own, can, _)| (can_pay, balance.own) > (*can, *own)) {
                best = Some((balance.own, can_pay, known.clone()));
            }
        }
        let missing = |message: String| Err(ApiError::new(ErrorCode::NoRoute, message));
        let write = |amount| self.assets.write(terms.chain_id, terms.asset, amount);
        match best {
            Some((own, true, known)) if own >= terms.amount => Ok(known),
            Some((own, true, known)) => {
                let short = terms.amount.checked_sub(own).unwrap_or(terms.amount);
                missing(format!(
                    "the fullest channel with the payee, {}, holds {}; {} are missing",
                    known.id,
                    write(own),
                    write(short)
                ))
            }
            Some((_, false, known)) => missing(format!(
                "no channel with the payee can pay now; {} is not connected, empty, or in dispute",
                known.id
            )),
            None => missing(format!(
                "there is no channel with the payee {payee} that holds {}; {} are needed",
                self.assets.symbol(terms.chain_id, terms.asset),
                write(terms.amount)
            )),
        }
    }
}

/// A length of time as people say it.
fn length(seconds: u64) -> String {
    match seconds {
        1 => "1 second".to_owned(),
        0..120 => format!("{seconds} seconds"),
        120..7_200 => format!("{} minutes", seconds / 60),
        7_200..172_800 => format!("{} hours", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

fn payee_of(terms: &InvoiceTerms) -> Result<Address, ApiError> {
    if let Ok(address) = terms.payee.parse::<PeerAddress>() {
        return Ok(address.signer());
    }
    terms.payee.parse().map_err(|_| text::invalid("its payee is no address"))
}

fn unknown(id: B256) -> ApiError {
    ApiError::new(ErrorCode::UnknownInvoice, format!("this node has made no invoice {id}"))
}

fn name(status: InvoiceStatus) -> &'static str {
    match status {
        InvoiceStatus::Open => "open",
        InvoiceStatus::Paid => "paid",
        InvoiceStatus::Expired => "expired",
        InvoiceStatus::Cancelled => "cancelled",
    }
}
