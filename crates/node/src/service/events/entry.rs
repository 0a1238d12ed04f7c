//! An event as it is kept.

use crate::service::convert::memo;
use crate::service::registry::Known;
use borsh::{BorshDeserialize, BorshSerialize};
use std::sync::{Arc, OnceLock};
use strait_api::{Event, EventRecord, ReceivedPayment};
use strait_protocol::Payment;
use strait_types::{Address, ChannelId};

/// What an entry costs in memory beside its body, in bytes, about.
const OVERHEAD: usize = 160;
/// What a payment costs beside its memo.
const PAYMENT: usize = 64;

/// Something to be told.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    /// When it is told, Unix milliseconds.
    pub(crate) at_ms: u64,
    /// It did not happen before, Unix milliseconds: what a crash or a long queue kept from being told is told late.
    pub(crate) since_ms: u64,
    pub(crate) chain_id: u64,
    pub(crate) channel: Option<ChannelId>,
    pub(crate) body: Body,
}

/// What happened.
#[derive(Clone, Debug)]
pub(crate) enum Body {
    /// Payments of the peer, which may be many: kept in few bytes, and written out only for those who listen.
    Received { batch: Arc<Batch>, assets: Arc<[Address]> },
    /// All the rest.
    Other(Event),
}

/// Payments of one version.
#[derive(Clone, PartialEq, Eq, Debug, BorshSerialize, BorshDeserialize)]
pub(crate) struct Batch {
    pub(crate) version: u64,
    /// Number of the first among the peer's payments.
    pub(crate) first: u64,
    pub(crate) payments: Vec<Payment>,
}

/// How a body is marked in the database.
pub(crate) const KIND_JSON: u8 = 0;
pub(crate) const KIND_RECEIVED: u8 = 1;

impl Body {
    pub(crate) fn received(known: &Known, batch: Batch) -> Body {
        Body::Received { batch: Arc::new(batch), assets: known.assets.clone() }
    }

    pub(crate) fn encode(&self) -> (u8, Vec<u8>) {
        // Writing to a Vec cannot fail.
        match self {
            Body::Received { batch, .. } => {
                (KIND_RECEIVED, borsh::to_vec(batch.as_ref()).unwrap_or_default())
            }
            Body::Other(event) => (KIND_JSON, serde_json::to_vec(event).unwrap_or_default()),
        }
    }

    /// `assets`: those of the channel.
    pub(crate) fn decode(kind: u8, bytes: &[u8], assets: Arc<[Address]>) -> Result<Body, String> {
        match kind {
            KIND_RECEIVED => {
                let batch = borsh::from_slice::<Batch>(bytes).map_err(|error| error.to_string())?;
                Ok(Body::Received { batch: Arc::new(batch), assets })
            }
            KIND_JSON => serde_json::from_slice(bytes).map(Body::Other).map_err(|error| error.to_string()),
            other => Err(format!("there is no kind {other} of events")),
        }
    }

    fn event(&self) -> Event {
        match self {
            Body::Other(event) => event.clone(),
            Body::Received { batch, assets } => Event::Received {
                version: batch.version,
                first: batch.first,
                payments: batch.payments.iter().map(|payment| received(payment, assets)).collect(),
            },
        }
    }

    fn weight(&self) -> usize {
        match self {
            Body::Received { batch, .. } => {
                batch.payments.iter().map(|payment| PAYMENT.saturating_add(payment.memo.len())).sum()
            }
            Body::Other(_) => PAYMENT,
        }
    }
}

fn received(payment: &Payment, assets: &[Address]) -> ReceivedPayment {
    ReceivedPayment {
        asset: assets.get(payment.asset.index()).copied().unwrap_or_default(),
        amount: payment.amount,
        invoice: payment.invoice,
        memo: memo(&payment.memo),
    }
}

/// An event in the log.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) cursor: u64,
    pub(crate) draft: Draft,
    pub(crate) epoch: u32,
    record: OnceLock<Arc<EventRecord>>,
}

impl Entry {
    pub(crate) fn new(epoch: u32, cursor: u64, draft: Draft) -> Entry {
        Entry { cursor, draft, epoch, record: OnceLock::new() }
    }

    /// As clients see it; made once for all of them.
    pub(crate) fn record(&self) -> &Arc<EventRecord> {
        self.record.get_or_init(|| {
            Arc::new(EventRecord {
                cursor: cursor_text(self.epoch, self.cursor),
                at_ms: self.draft.at_ms,
                chain_id: self.draft.chain_id,
                channel: self.draft.channel,
                event: self.draft.body.event(),
            })
        })
    }

    /// Bytes in memory, about; thrice, since it may be held as a record and as text too.
    pub(crate) fn weight(&self) -> usize {
        self.draft.body.weight().saturating_mul(3).saturating_add(OVERHEAD)
    }
}

/// A cursor as clients see it. The epoch tells a log from what it was before a restore.
pub(crate) fn cursor_text(epoch: u32, cursor: u64) -> String {
    format!("{epoch:08x}.{cursor}")
}

/// The epoch and the number of a cursor.
pub(crate) fn parse_cursor(text: &str) -> Option<(u32, u64)> {
    let (epoch, cursor) = text.split_once('.')?;
    Some((u32::from_str_radix(epoch, 16).ok()?, cursor.parse().ok()?))
}
