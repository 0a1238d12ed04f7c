//! Invoices in the database.

use rusqlite::{Connection, OptionalExtension, Row};
use strait_api::{Invoice, InvoicePayment, InvoiceStatus, InvoiceTerms};
use strait_types::{Amount, B256};

/// An invoice with what came in for it.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    /// The how-manieth it is.
    pub(super) number: i64,
    pub(super) terms: InvoiceTerms,
    pub(super) text: String,
    pub(super) is_cancelled: bool,
    /// All that came in its asset.
    pub(super) received: Amount,
    /// How many payments named it.
    pub(super) payments: u64,
    /// What completed it.
    pub(super) payment: Option<InvoicePayment>,
}

const COLUMNS: &str = "number, terms, text, is_cancelled, received, payments, payment";

impl Stored {
    pub(super) fn status(&self, now: u64) -> InvoiceStatus {
        if self.payment.is_some() {
            InvoiceStatus::Paid
        } else if self.is_cancelled {
            InvoiceStatus::Cancelled
        } else if now > self.terms.expires {
            InvoiceStatus::Expired
        } else {
            InvoiceStatus::Open
        }
    }

    pub(super) fn invoice(&self, now: u64) -> Invoice {
        Invoice {
            status: self.status(now),
            terms: self.terms.clone(),
            text: self.text.clone(),
            payment: self.payment,
            received: self.received,
            payments: self.payments,
        }
    }

    fn read(row: &Row<'_>) -> rusqlite::Result<Stored> {
        let payment: Option<String> = row.get(6)?;
        Ok(Stored {
            number: row.get(0)?,
            terms: json(1, &row.get::<_, String>(1)?)?,
            text: row.get(2)?,
            is_cancelled: row.get(3)?,
            received: json(4, &row.get::<_, String>(4)?)?,
            payments: row.get(5)?,
            payment: payment.map(|payment| json(6, &payment)).transpose()?,
        })
    }

    pub(super) fn insert(&self, db: &Connection) -> rusqlite::Result<()> {
        db.prepare_cached("INSERT INTO invoice (id, terms, text, is_cancelled, received, payments) VALUES (?1, ?2, ?3, 0, ?4, 0)")?
            .execute((self.terms.id.as_slice(), to_json(&self.terms), &self.text, to_json(&self.received)))
            .map(drop)
    }

    pub(super) fn update(&self, db: &Connection) -> rusqlite::Result<()> {
        let payment = self.payment.as_ref().map(to_json);
        db.prepare_cached("UPDATE invoice SET received = ?2, payments = ?3, payment = ?4 WHERE id = ?1")?
            .execute((self.terms.id.as_slice(), to_json(&self.received), self.payments, payment))
            .map(drop)
    }

    pub(super) fn cancel(db: &Connection, id: B256) -> rusqlite::Result<()> {
        db.prepare_cached("UPDATE invoice SET is_cancelled = 1 WHERE id = ?1")?
            .execute([id.as_slice()])
            .map(drop)
    }

    /// Those that end at a time, in Unix seconds, or later.
    pub(super) fn ending_after(db: &Connection, since: u64) -> rusqlite::Result<Vec<Stored>> {
        db.prepare(&format!("SELECT {COLUMNS} FROM invoice WHERE terms ->> '$.expires' >= ?1"))?
            .query_map([since], Stored::read)?
            .collect()
    }

    pub(super) fn find(db: &Connection, id: B256) -> rusqlite::Result<Option<Stored>> {
        db.prepare_cached(&format!("SELECT {COLUMNS} FROM invoice WHERE id = ?1"))?
            .query_row([id.as_slice()], Stored::read)
            .optional()
    }

    /// Those made before the one with a number, newest first.
    pub(super) fn page(db: &Connection, before: i64, limit: usize) -> rusqlite::Result<Vec<Stored>> {
        db.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM invoice WHERE number < ?1 ORDER BY number DESC LIMIT ?2"
        ))?
        .query_map((before, limit), Stored::read)?
        .collect()
    }
}

fn to_json(value: &impl serde::Serialize) -> String {
    // These have no maps with other keys than text.
    serde_json::to_string(value).unwrap_or_default()
}

fn json<T: serde::de::DeserializeOwned>(column: usize, text: &str) -> rusqlite::Result<T> {
    serde_json::from_str(text).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, Box::new(error))
    })
}
