//! A channel's agreed operations, read from its durable history in pieces of bounded size.

use super::Core;
use super::apps::{shown, texts};
use super::convert::{bad_cursor, memo, page_limit};
use super::prune::Start;
use super::registry::Known;
use crate::{Node, NodeError};
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use strait_api::{ApiError, ErrorCode, History, HistoryEntry, HistoryLine, HistoryQuery};
use strait_engine::ports::{HistoryEntry as Entry, StoreError};
use strait_protocol::{Bill, BillLine, Operation, Record};
use strait_types::{Amount, ChannelId, Side, Version};

/// Records that are read from the store at once.
const RECORDS: usize = 256;

/// A place in a channel's history from which reading goes on.
///
/// Versions of ours stand in the history twice: when they are written, and when the peer's countersignature makes them
/// agreed. So the place lies before the oldest version of ours that was not agreed when the place was taken; whatever
/// was agreed before it is behind it, and what lies between is not counted again.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Default, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
pub(crate) struct Mark {
    /// Position of the last record before the place.
    pub(crate) after: Option<u64>,
    /// Payments of participant 0 and 1 that were agreed.
    pub(crate) payments: [u64; 2],
    /// Locks that were added.
    pub(crate) locks: u64,
}

impl Mark {
    pub(crate) fn to_cursor(self) -> String {
        let after = self.after.map_or_else(|| "-".to_owned(), |position| position.to_string());
        format!("{after}.{}.{}.{}", self.payments[0], self.payments[1], self.locks)
    }

    pub(crate) fn from_cursor(cursor: &str) -> Option<Mark> {
        let mut parts = cursor.split('.');
        let after = parts.next()?;
        let after = if after == "-" { None } else { Some(after.parse().ok()?) };
        let mut number = || parts.next()?.parse::<u64>().ok();
        let (payments, locks) = ([number()?, number()?], number()?);
        parts.next().is_none().then_some(Mark { after, payments, locks })
    }
}

/// Follows a channel's records from a place on.
pub(crate) struct Place {
    bill: Bill,
    /// Position of the last record that was read.
    position: Option<u64>,
    /// For each pending version of ours the position before it.
    before_pending: VecDeque<Option<u64>>,
}

impl Place {
    pub(crate) fn new(side: Side, mark: Mark) -> Place {
        Place {
            bill: Bill::resume(side, mark.payments, mark.locks),
            position: mark.after,
            before_pending: VecDeque::new(),
        }
    }

    /// Where it stands.
    pub(crate) fn mark(&self) -> Mark {
        Mark {
            after: self.before_pending.front().copied().unwrap_or(self.position),
            payments: self.bill.payments(),
            locks: self.bill.locks(),
        }
    }

    /// Takes the next record; gives what became agreed by it.
    pub(crate) fn take(&mut self, position: u64, record: Record) -> Vec<BillLine> {
        if matches!(record, Record::Wrote(_)) {
            self.before_pending.push_back(self.position);
        }
        let lines = self.bill.read(record);
        let pending = self.bill.pending().len();
        while self.before_pending.len() > pending {
            self.before_pending.pop_front();
        }
        self.position = Some(position);
        lines
    }
}

/// Reads on from a place.
pub(crate) struct Scan<'a> {
    node: &'a Node,
    known: &'a Known,
    place: Place,
}

/// Where a restore from a backup broke the row of operations.
pub(crate) enum Break {
    /// A newer state was taken over.
    Restored {
        /// Its version.
        version: Version,
        /// Payments of participant 0 and 1 that lie before it and are not known.
        missing: [u64; 2],
    },
    /// Both signed again, as this version.
    Rebase(Version),
}

/// What a piece of history yields.
pub(crate) struct Piece {
    /// What was agreed in it.
    pub(crate) lines: Vec<BillLine>,
    /// What is no operation, and how many lines stand before it.
    pub(crate) breaks: Vec<(usize, Break)>,
    /// Payloads of the records that were read.
    pub(crate) records: Vec<Vec<u8>>,
    /// Nothing follows for now.
    pub(crate) is_last: bool,
}

impl<'a> Scan<'a> {
    pub(crate) fn new(node: &'a Node, known: &'a Known, mark: Mark) -> Scan<'a> {
        Scan { node, known, place: Place::new(known.side, mark) }
    }

    /// Where it stands.
    pub(crate) fn mark(&self) -> Mark {
        self.place.mark()
    }

    /// The place after the last record that was read, for those who read records and no bill.
    pub(crate) fn here(&self) -> Mark {
        Mark { after: self.place.position, ..self.mark() }
    }

    /// Versions of ours that were written and are not agreed.
    pub(crate) fn pending(&self) -> impl Iterator<Item = (Version, &[Operation])> {
        self.place.bill.pending()
    }

    fn broken_by(&self, record: &Record) -> Option<Break> {
        match record {
            Record::Adopted(latest) => {
                let (now, before) = (latest.position.payments, self.place.bill.payments());
                let missing = [0, 1].map(|side| now[side].saturating_sub(before[side]));
                Some(Break::Restored { version: latest.position.state.version, missing })
            }
            Record::Rebased { version, .. } => Some(Break::Rebase(*version)),
            _ => None,
        }
    }

    pub(crate) async fn read(&mut self) -> Result<Piece, NodeError> {
        self.read_some(RECORDS).await
    }

    /// Reads at most so many records.
    pub(crate) async fn read_some(&mut self, limit: usize) -> Result<Piece, NodeError> {
        let entries = self.node.history(self.known.id, self.place.position, limit).await?;
        let is_last = entries.len() < limit;
        let mut piece = Piece { lines: Vec::new(), breaks: Vec::new(), records: Vec::new(), is_last };
        for entry in entries {
            let record = decode(self.known.id, &entry)?;
            piece.breaks.extend(self.broken_by(&record).map(|broken| (piece.lines.len(), broken)));
            piece.lines.extend(self.place.take(entry.position, record));
            piece.records.push(entry.payload);
        }
        Ok(piece)
    }
}

/// Reads a record of a channel's history.
pub(crate) fn decode(channel: ChannelId, entry: &Entry) -> Result<Record, NodeError> {
    Record::decode(&entry.payload).map_err(|error| {
        NodeError::Store(StoreError::Damaged {
            path: format!("of channel {channel}"),
            what: format!("a record of its history does not decode: {error}"),
        })
    })
}

impl Core {
    pub(crate) async fn history(&self, query: &HistoryQuery) -> Result<History, ApiError> {
        let known = self.known(query.channel).await?;
        let limit = page_limit(query.limit, 1_000, 10_000)?;
        let _kept = self.pruning.reading().await;
        let start = self.history_start(known.id).await?;
        let mark = read_cursor(query.cursor.as_deref(), &start)?;
        let pruned_through = start.version();
        let node = self.node(&known)?;
        let mut scan = Scan::new(node, &known, mark);
        let mut lines = Vec::new();
        loop {
            // One record is one version, or agrees to a few: the page ends soon after its limit.
            let piece = scan.read_some(8).await?;
            let mut breaks = piece.breaks.into_iter().peekable();
            for (index, line) in piece.lines.into_iter().enumerate() {
                while let Some((_, broken)) = breaks.next_if(|(before, _)| *before <= index) {
                    lines.push(break_line(&known, &broken));
                }
                lines.push(history_line(&known, line));
            }
            lines.extend(breaks.map(|(_, broken)| break_line(&known, &broken)));
            let resume = scan.mark().to_cursor();
            if piece.is_last || lines.len() >= limit {
                let next = (!piece.is_last).then(|| resume.clone());
                return Ok(History { lines, next, resume, pruned_through });
            }
        }
    }
}

/// The place that a cursor names; without one where the history begins.
pub(crate) fn read_cursor(cursor: Option<&str>, start: &Start) -> Result<Mark, ApiError> {
    let Some(cursor) = cursor else { return Ok(start.mark()) };
    let mark = Mark::from_cursor(cursor).ok_or_else(|| bad_cursor(cursor))?;
    if mark.after < start.mark().after {
        let message = format!("what follows this cursor was pruned, up to version {}", start.version());
        return Err(ApiError::new(ErrorCode::InvalidParams, message)
            .hint("begin again without a cursor; the first page is the oldest that is left"));
    }
    Ok(mark)
}

/// A break as clients see it.
fn break_line(known: &Known, broken: &Break) -> HistoryLine {
    let (version, entry) = match broken {
        Break::Restored { version, missing } => {
            let (own, peer) = (known.side.index(), known.side.other().index());
            let entry =
                HistoryEntry::Restored { missing_made: missing[own], missing_received: missing[peer] };
            (version, entry)
        }
        Break::Rebase(version) => (version, HistoryEntry::Rebase),
    };
    HistoryLine { version: version.0, is_ours: true, entry }
}

/// A line as clients see it.
fn history_line(known: &Known, line: BillLine) -> HistoryLine {
    let number = line.number.unwrap_or_default();
    let entry = match line.operation {
        Operation::Pay(payment) => HistoryEntry::Pay {
            number,
            asset: known.asset(payment.asset),
            amount: payment.amount,
            invoice: payment.invoice,
            memo: memo(&payment.memo),
        },
        Operation::AddLock(lock) => HistoryEntry::AddLock {
            number,
            asset: known.asset(lock.asset),
            amount: lock.total().unwrap_or(Amount::MAX),
            hash: lock.reference,
            expiry: lock.expiry,
        },
        Operation::SettleLock { number, preimage } => HistoryEntry::SettleLock { number, preimage },
        Operation::CancelLock { number } => HistoryEntry::CancelLock { number },
        Operation::Withdraw { side, asset, amount, valid_until } => HistoryEntry::Withdraw {
            to_us: side == known.side,
            asset: known.asset(asset),
            amount,
            valid_until,
        },
        Operation::OpenChild { child, asset, opening, .. } => HistoryEntry::OpenChild {
            number,
            child,
            asset: known.asset(asset),
            stakes: opening.terms.amounts,
            app: Some(opening.params.app).filter(|app| !app.is_zero()),
        },
        Operation::CloseChild { child, outcome } => HistoryEntry::CloseChild { child, outcome },
        Operation::HandOver => HistoryEntry::HandOver,
        Operation::Finalise { valid_until } => HistoryEntry::Finalise { valid_until },
        Operation::Move(next) => HistoryEntry::Move { position: shown(next) },
        Operation::Finish { outcome, .. } => HistoryEntry::Finish { outcome: texts(&outcome) },
    };
    HistoryLine { version: line.version.0, is_ours: line.writer == known.side, entry }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_survives_as_text() {
        for mark in [Mark::default(), Mark { after: Some(7), payments: [1, u64::MAX], locks: 3 }] {
            assert_eq!(Mark::from_cursor(&mark.to_cursor()), Some(mark));
        }
        for text in ["", "-", "1.2.3", "1.2.3.4.5", "x.1.1.1", "1.-1.1.1"] {
            assert_eq!(Mark::from_cursor(text), None, "{text}");
        }
    }
}
