//! The itemised bill: what both sides agreed, operation by operation, read from one side's records.

use crate::app::AppMove;
use crate::operation::Operation;
use crate::operations::Operations;
use crate::record::Record;
use std::collections::VecDeque;
use strait_types::{Side, State, Version};

/// One agreed operation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BillLine {
    /// The version that holds it.
    pub version: Version,
    /// Who wrote it.
    pub writer: Side,
    /// For a payment its number among the writer's payments, for a new lock its number in the channel.
    pub number: Option<u64>,
    /// What was agreed.
    pub operation: Operation,
}

/// Turns a side's history records, oldest first, into the bill. Versions of its own count when the peer has
/// countersigned them, and those that were refused do not count at all.
#[derive(Clone, Debug)]
pub struct Bill {
    side: Side,
    payments: [u64; 2],
    locks: u64,
    pending: VecDeque<(Version, Operations)>,
}

impl Bill {
    /// For the records of a channel's participant `side`, from the first on.
    pub fn new(side: Side) -> Bill {
        Bill { side, payments: [0; 2], locks: 0, pending: VecDeque::new() }
    }

    /// From a record in the middle on, before which `payments` were agreed by participant 0 and 1 and `locks` were
    /// added, and before which nothing stands that was agreed after it.
    pub fn resume(side: Side, payments: [u64; 2], locks: u64) -> Bill {
        Bill { side, payments, locks, pending: VecDeque::new() }
    }

    /// How many payments participant 0 and 1 have made.
    pub fn payments(&self) -> [u64; 2] {
        self.payments
    }

    /// How many locks were added.
    pub fn locks(&self) -> u64 {
        self.locks
    }

    /// Versions of its own that were read and are not agreed, oldest first, with their operations.
    pub fn pending(&self) -> impl ExactSizeIterator<Item = (Version, &[Operation])> {
        self.pending.iter().map(|(version, operations)| (*version, &operations[..]))
    }

    /// Takes the next record in; returns what became agreed by it.
    pub fn read(&mut self, record: Record) -> Vec<BillLine> {
        let mut lines = Vec::new();
        match record {
            Record::Wrote(update) => self.pending.push_back((update.version, update.operations)),
            Record::Confirmed { version, .. } => self.agree_own(version, &mut lines),
            Record::Accepted(update) => {
                // It builds on all that we had in flight.
                self.agree_own(update.version, &mut lines);
                self.agree(update.version, self.side.other(), update.operations, &mut lines);
            }
            Record::Forced(state) => self.force(&state, &mut lines),
            Record::RolledBack | Record::Rebased { .. } => self.pending.clear(),
            Record::Adopted(latest) => {
                self.pending.clear();
                self.payments = latest.position.payments;
                self.locks = latest.position.locks_added;
            }
            _ => {}
        }
        lines
    }

    /// The chain has recorded a move: ours in flight, or the peer's.
    fn force(&mut self, state: &State, lines: &mut Vec<BillLine>) {
        let made = self.pending.drain(..).find(|(version, operations)| {
            *version == state.version
                && matches!(&operations[..], [Operation::Move(made)] if made.leads_to(state))
        });
        match made {
            Some((version, operations)) => self.agree(version, self.side, operations, lines),
            None => {
                let operation = Operation::Move(AppMove::of(state));
                lines.push(BillLine {
                    version: state.version,
                    writer: self.side.other(),
                    number: None,
                    operation,
                });
            }
        }
    }

    fn agree_own(&mut self, through: Version, lines: &mut Vec<BillLine>) {
        while self.pending.front().is_some_and(|(version, _)| *version <= through) {
            if let Some((version, operations)) = self.pending.pop_front() {
                self.agree(version, self.side, operations, lines);
            }
        }
    }

    fn agree(&mut self, version: Version, writer: Side, operations: Operations, lines: &mut Vec<BillLine>) {
        for operation in operations.into_vec() {
            let counter = match &operation {
                Operation::Pay(_) => Some(&mut self.payments[writer.index()]),
                Operation::AddLock(_) | Operation::OpenChild { .. } => Some(&mut self.locks),
                _ => None,
            };
            let number = counter.map(|counter| {
                *counter = counter.saturating_add(1);
                *counter - 1
            });
            lines.push(BillLine { version, writer, number, operation });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Update;
    use crate::operation::Payment;
    use strait_types::{Amount, AssetIndex, B256, Signature};

    fn update(version: u64, memos: &[&str]) -> Update {
        let pay = |memo: &&str| {
            Operation::Pay(Payment {
                asset: AssetIndex(0),
                amount: Amount::from(1),
                invoice: None,
                memo: memo.as_bytes().to_vec(),
            })
        };
        Update {
            base: Version(version - 1),
            base_hash: B256::ZERO,
            version: Version(version),
            operations: memos.iter().map(pay).collect(),
            signature: Signature([0; 64]),
        }
    }

    #[test]
    fn counts_what_was_agreed_once_and_in_order() {
        let mut bill = Bill::new(Side::One);
        let signature = Signature([0; 64]);
        let records = [
            Record::Wrote(update(1, &["refused"])),
            Record::RolledBack,
            Record::Wrote(update(2, &["a", "b"])),
            Record::Wrote(update(3, &["c"])),
            Record::Confirmed { version: Version(2), signature },
            Record::Accepted(update(4, &["x"])),
            Record::Wrote(update(5, &["in flight"])),
        ];
        let lines: Vec<_> = records.into_iter().flat_map(|record| bill.read(record)).collect();
        let read: Vec<_> = lines
            .iter()
            .map(|line| {
                let Operation::Pay(payment) = &line.operation else { panic!("{line:?}") };
                (line.writer, line.number, String::from_utf8_lossy(&payment.memo).into_owned())
            })
            .collect();
        let line = |writer, number, memo: &str| (writer, Some(number), memo.to_owned());
        let expected = [
            line(Side::One, 0, "a"),
            line(Side::One, 1, "b"),
            line(Side::One, 2, "c"),
            line(Side::Zero, 0, "x"),
        ];
        assert_eq!(read, expected);
    }
}
