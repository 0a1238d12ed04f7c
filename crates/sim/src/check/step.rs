//! One step of a channel by its operations alone, in an arithmetic of its own.

use crate::workload::sha256;
use strait_protocol::{Operation, Position};
use strait_types::{B256, Lock, Side};

/// What the chain knows of time.
pub(crate) struct ChainSays<'a> {
    /// Unix seconds; no block is later.
    pub(crate) now: u64,
    /// When a hash's preimage was registered.
    pub(crate) registered_at: &'a dyn Fn(B256) -> Option<u64>,
}

/// Holds a step against its operations.
///
/// # Errors
/// In words, what is wrong with it.
pub(crate) fn audit(
    base: &Position,
    operations: &[Operation],
    next: &Position,
    chain: &ChainSays<'_>,
) -> Result<(), String> {
    let mut account = Account::of(base);
    let writer = base.state.writer;
    for operation in operations {
        account.apply(writer, operation, chain).map_err(|reason| format!("{operation:?}: {reason}"))?;
    }
    let is_later = next.state.version > base.state.version;
    let same = account.owns == Account::of(next).owns
        && account.withdrawn == Account::of(next).withdrawn
        && account.locks == Account::of(next).locks
        && account.writer == next.state.writer
        && account.is_final == next.state.is_final;
    if !is_later || !same {
        return Err(format!("{operations:?} do not lead from {base:?} to {next:?}"));
    }
    account.check_sum()
}

/// Of each asset, what both own and took out, relative to their deposits.
#[derive(Debug)]
struct Account {
    owns: Vec<[i128; 2]>,
    withdrawn: Vec<[u128; 2]>,
    locks: Vec<(u64, Lock)>,
    locks_added: u64,
    writer: Side,
    is_final: bool,
}

impl Account {
    fn of(position: &Position) -> Account {
        let allocations = &position.state.allocations;
        Account {
            owns: allocations.iter().map(|allocation| allocation.delta).collect(),
            withdrawn: allocations.iter().map(|allocation| allocation.withdrawn).collect(),
            locks: position.locks.iter().map(|entry| (entry.number, entry.lock.clone())).collect(),
            locks_added: position.locks_added,
            writer: position.state.writer,
            is_final: position.state.is_final,
        }
    }

    fn apply(
        &mut self,
        writer: Side,
        operation: &Operation,
        chain: &ChainSays<'_>,
    ) -> Result<(), &'static str> {
        self.is_final = false;
        match operation {
            Operation::Pay(payment) => {
                let amount = payment.amount.signed();
                self.add(payment.asset.index(), writer, -amount);
                self.add(payment.asset.index(), writer.other(), amount);
            }
            Operation::AddLock(lock) => {
                let amount = lock.amounts[writer.index()];
                if lock.contributor() != Some(writer) {
                    return Err("the other's money is locked");
                }
                self.add(lock.asset.index(), writer, -amount.signed());
                self.locks.push((self.locks_added, lock.clone()));
                self.locks_added += 1;
            }
            Operation::SettleLock { number, preimage } => {
                let (lock, contributor) = self.take(*number)?;
                if sha256(*preimage) != lock.reference {
                    return Err("it does not open the lock");
                }
                self.add(lock.asset.index(), contributor.other(), lock.amounts[contributor.index()].signed());
            }
            Operation::CancelLock { number } => {
                let (lock, contributor) = self.take(*number)?;
                let in_time = (chain.registered_at)(lock.reference).is_some_and(|time| time <= lock.expiry);
                if contributor == writer && (chain.now <= lock.expiry || in_time) {
                    return Err("the other's lock still stands");
                }
                self.add(lock.asset.index(), contributor, lock.amounts[contributor.index()].signed());
            }
            Operation::Withdraw { side, asset, amount, .. } => {
                self.add(asset.index(), *side, -amount.signed());
                self.withdrawn[asset.index()][side.index()] += amount.units();
            }
            Operation::HandOver => self.writer = writer.other(),
            Operation::Finalise { .. } => self.is_final = true,
            Operation::OpenChild { child, asset, flip, opening } => {
                let lock = opening.lock(*child, *asset, *flip);
                for side in Side::BOTH {
                    self.add(asset.index(), side, -lock.amounts[side.index()].signed());
                }
                self.locks.push((self.locks_added, lock));
                self.locks_added += 1;
            }
            Operation::CloseChild { child, outcome: [zero, one] } => {
                let index = self.locks.iter().position(|(_, lock)| lock.holds(*child));
                let (_, lock) = self.locks.remove(index.ok_or("there is no such child")?);
                let parts = if lock.flip { [one, zero] } else { [zero, one] };
                for side in Side::BOTH {
                    self.add(lock.asset.index(), side, parts[side.index()].signed());
                }
            }
            Operation::Move(next) => {
                self.owns.clone_from(&next.deltas);
                self.writer = next.writer;
            }
            Operation::Finish { outcome, .. } => {
                self.owns.clone_from(outcome);
                self.is_final = true;
            }
        }
        Ok(())
    }

    fn add(&mut self, asset: usize, side: Side, amount: i128) {
        self.owns[asset][side.index()] += amount;
    }

    fn take(&mut self, number: u64) -> Result<(Lock, Side), &'static str> {
        let index = self.locks.iter().position(|(of, _)| *of == number).ok_or("there is no such lock")?;
        let (_, lock) = self.locks.remove(index);
        let contributor = lock.contributor().ok_or("a lock of nobody's")?;
        Ok((lock, contributor))
    }

    /// Relative to deposits all is zero.
    fn check_sum(&self) -> Result<(), String> {
        for (asset, owns) in self.owns.iter().enumerate() {
            let locks = self.locks.iter().filter(|(_, lock)| lock.asset.index() == asset);
            let locked: u128 = locks.flat_map(|(_, lock)| lock.amounts).map(|amount| amount.units()).sum();
            let withdrawn: u128 = self.withdrawn[asset].iter().sum();
            if owns[0] + owns[1] + (locked + withdrawn).cast_signed() != 0 {
                return Err(format!("the parts of asset {asset} do not add up: {self:?}"));
            }
        }
        Ok(())
    }
}
