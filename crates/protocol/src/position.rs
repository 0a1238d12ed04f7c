//! A state together with what its hashes stand for, and the pure step from one version to the next.

use crate::app::check_deltas;
use crate::operation::{MAX_MEMO_BYTES, MAX_OPERATIONS, Operation};
use crate::operations::Operations;
use crate::rule::Rule;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use strait_types::{
    Allocation, Amount, B256, ChannelId, Lock, LockKind, MAX_LOCKS, Side, State, Version, locks_hash,
};

/// A lock with its number: the how-manieth of the channel it is, from 0. Two locks with equal terms stay apart.
#[derive(Clone, PartialEq, Eq, Debug, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct NumberedLock {
    /// Unique in the channel.
    pub number: u64,
    /// Its terms.
    pub lock: Lock,
}

/// A state with its lock list and counters.
#[derive(Clone, PartialEq, Eq, Debug, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct Position {
    /// What is signed.
    pub state: State,
    /// What `state.locks_hash` stands for.
    pub locks: Vec<NumberedLock>,
    /// How many payments each side has ever made.
    pub payments: [u64; 2],
    /// How many locks were ever added.
    pub locks_added: u64,
}

/// Which operation broke which rule.
#[derive(Clone, Copy, PartialEq, Eq, Debug, BorshSerialize, BorshDeserialize)]
pub struct Violation {
    /// Index of the operation; `None` when the version as a whole is at fault.
    pub index: Option<u32>,
    /// The rule.
    pub rule: Rule,
}

impl From<Rule> for Violation {
    fn from(rule: Rule) -> Self {
        Violation { index: None, rule }
    }
}

impl Position {
    /// The unsigned start of a channel.
    pub fn zero(channel: ChannelId, assets: usize) -> Position {
        Position { state: State::zero(channel, assets), locks: Vec::new(), payments: [0; 2], locks_added: 0 }
    }

    /// The lock with a number.
    pub fn lock(&self, number: u64) -> Option<&Lock> {
        self.locks.iter().find(|entry| entry.number == number).map(|entry| &entry.lock)
    }

    /// What a side owns freely of an asset, given its deposits; negative when the deposits do not cover it.
    pub fn balance(&self, side: Side, asset: usize, deposit: Amount) -> Option<i128> {
        deposit.signed().checked_add(self.state.allocations.get(asset)?.delta[side.index()])
    }

    /// The position after `operations` by the writer. `judge` adds checks that rest on time, agreement or policy;
    /// it sees each operation before it is applied, with the position so far.
    ///
    /// # Errors
    /// The first rule broken.
    pub fn next(
        &self,
        version: Version,
        operations: &Operations,
        judge: &mut dyn FnMut(&Operation, &Position) -> Result<(), Rule>,
    ) -> Result<Position, Violation> {
        if operations.len() > MAX_OPERATIONS {
            return Err(Rule::TooManyOperations.into());
        }
        if version <= self.state.version {
            return Err(Rule::StaleVersion.into());
        }
        let in_app = operations.iter().any(Operation::is_of_app);
        if in_app && self.state.is_final {
            return Err(Rule::Finished.into());
        }
        let writer = self.state.writer;
        let mut next = self.clone();
        next.state.version = version;
        next.state.is_final = false;
        next.state.valid_until = 0;
        for (index, operation) in operations.iter().enumerate() {
            let at = |rule| Violation { index: u32::try_from(index).ok(), rule };
            check_order(operations, index).map_err(at)?;
            judge(operation, &next).map_err(at)?;
            next.apply(writer, operation).map_err(at)?;
        }
        next.state.history = if in_app {
            self.state.hash()
        } else {
            operations.history_hash(self.state.history, writer, self.payments[writer.index()])
        };
        if next.locks != self.locks {
            next.state.locks_hash = locks_hash(next.locks.iter().map(|entry| &entry.lock));
        }
        Ok(next)
    }

    /// The same balances at a later version, with nothing to execute: what a rebase signs. The end of an app stays its
    /// end.
    pub fn rebased(&self, version: Version, has_app: bool) -> Position {
        let mut next = self.clone();
        next.state.version = version;
        if has_app {
            return next;
        }
        next.state.is_final = false;
        next.state.valid_until = 0;
        next
    }

    fn allocation(&mut self, asset: usize) -> Result<&mut Allocation, Rule> {
        self.state.allocations.get_mut(asset).ok_or(Rule::UnknownAsset)
    }

    fn credit(&mut self, asset: usize, side: Side, amount: i128) -> Result<(), Rule> {
        let delta = &mut self.allocation(asset)?.delta[side.index()];
        *delta = delta.checked_add(amount).ok_or(Rule::Overflow)?;
        Ok(())
    }

    fn apply(&mut self, writer: Side, operation: &Operation) -> Result<(), Rule> {
        match operation {
            Operation::Pay(payment) => {
                positive(payment.amount)?;
                if payment.memo.len() > MAX_MEMO_BYTES {
                    return Err(Rule::MemoTooLong);
                }
                let amount = payment.amount.signed();
                self.credit(payment.asset.index(), writer, -amount)?;
                self.credit(payment.asset.index(), writer.other(), amount)?;
                let count = &mut self.payments[writer.index()];
                *count = count.checked_add(1).ok_or(Rule::Overflow)?;
            }
            Operation::AddLock(lock) => self.add_lock(writer, lock)?,
            Operation::SettleLock { number, preimage } => {
                let lock = self.take_lock(*number, LockKind::Hash)?;
                if lock.reference != sha256(*preimage) {
                    return Err(Rule::WrongPreimage);
                }
                let (contributor, amount) = contribution(&lock)?;
                self.credit(lock.asset.index(), contributor.other(), amount.signed())?;
            }
            Operation::CancelLock { number } => {
                let lock = self.take_lock(*number, LockKind::Hash)?;
                let (contributor, amount) = contribution(&lock)?;
                self.credit(lock.asset.index(), contributor, amount.signed())?;
            }
            Operation::Withdraw { side, asset, amount, valid_until } => {
                positive(*amount)?;
                self.credit(asset.index(), *side, -amount.signed())?;
                let withdrawn = &mut self.allocation(asset.index())?.withdrawn[side.index()];
                let sum =
                    withdrawn.checked_add(amount.units()).and_then(Amount::new).ok_or(Rule::Overflow)?;
                *withdrawn = sum.units();
                self.state.valid_until = *valid_until;
            }
            Operation::HandOver => self.state.writer = writer.other(),
            Operation::Finalise { valid_until } => {
                if !self.locks.is_empty() {
                    return Err(Rule::LocksPending);
                }
                self.state.is_final = true;
                self.state.valid_until = *valid_until;
            }
            Operation::OpenChild { child, asset, flip, opening } => {
                if opening.terms.version0 != self.state.version.0 {
                    return Err(Rule::ChildTerms);
                }
                self.lock_child(opening.lock(*child, *asset, *flip))?;
            }
            Operation::CloseChild { child, outcome } => self.close_child(*child, *outcome)?,
            Operation::Move(next) => {
                next.check(self.state.allocations.len())?;
                self.set_deltas(&next.deltas);
                self.state.app_data.clone_from(&next.data);
                self.state.writer = next.writer;
            }
            Operation::Finish { outcome, valid_until } => {
                check_deltas(outcome, self.state.allocations.len())?;
                self.set_deltas(outcome);
                self.state.is_final = true;
                self.state.valid_until = *valid_until;
            }
        }
        Ok(())
    }

    fn set_deltas(&mut self, deltas: &[[i128; 2]]) {
        for (allocation, delta) in self.state.allocations.iter_mut().zip(deltas) {
            allocation.delta = *delta;
        }
    }

    fn add_lock(&mut self, writer: Side, lock: &Lock) -> Result<(), Rule> {
        if self.locks.len() >= MAX_LOCKS {
            return Err(Rule::LockCount);
        }
        if lock.kind != LockKind::Hash || lock.flip {
            return Err(Rule::LockKind);
        }
        let (contributor, amount) = contribution(lock)?;
        if contributor != writer {
            return Err(Rule::LockContributor);
        }
        self.credit(lock.asset.index(), writer, -amount.signed())?;
        self.push_lock(lock.clone())
    }

    fn push_lock(&mut self, lock: Lock) -> Result<(), Rule> {
        self.locks.push(NumberedLock { number: self.locks_added, lock });
        self.locks_added = self.locks_added.checked_add(1).ok_or(Rule::Overflow)?;
        Ok(())
    }

    /// Both put in their part of a child.
    fn lock_child(&mut self, lock: Lock) -> Result<(), Rule> {
        if self.locks.len() >= MAX_LOCKS {
            return Err(Rule::LockCount);
        }
        positive(lock.total().ok_or(Rule::Overflow)?)?;
        for side in Side::BOTH {
            self.credit(lock.asset.index(), side, -lock.amounts[side.index()].signed())?;
        }
        self.push_lock(lock)
    }

    /// Gives both what a child has come to: all that is locked, as `unlock` would on chain.
    fn close_child(&mut self, child: ChannelId, [zero, one]: [Amount; 2]) -> Result<(), Rule> {
        let number = self.lock_of(child).ok_or(Rule::UnknownLock)?.number;
        let lock = self.take_lock(number, LockKind::Channel)?;
        if zero.checked_add(one) != lock.total() {
            return Err(Rule::WrongOutcome);
        }
        let parts = if lock.flip { [one, zero] } else { [zero, one] };
        for side in Side::BOTH {
            self.credit(lock.asset.index(), side, parts[side.index()].signed())?;
        }
        Ok(())
    }

    fn take_lock(&mut self, number: u64, kind: LockKind) -> Result<Lock, Rule> {
        let index = self.locks.iter().position(|entry| entry.number == number).ok_or(Rule::UnknownLock)?;
        if self.locks.get(index).is_none_or(|entry| entry.lock.kind != kind) {
            return Err(Rule::LockKind);
        }
        Ok(self.locks.remove(index).lock)
    }

    /// The lock of a child channel.
    pub fn lock_of(&self, child: ChannelId) -> Option<&NumberedLock> {
        self.locks.iter().find(|entry| entry.lock.holds(child))
    }
}

/// What the lock that a preimage opens refers to.
pub fn sha256(preimage: B256) -> B256 {
    B256::new(Sha256::digest(preimage.0).into())
}

fn contribution(lock: &Lock) -> Result<(Side, Amount), Rule> {
    let contributor = lock.contributor().ok_or(Rule::LockContributor)?;
    Ok((contributor, lock.amounts[contributor.index()]))
}

fn positive(amount: Amount) -> Result<(), Rule> {
    if amount.is_zero() { Err(Rule::ZeroAmount) } else { Ok(()) }
}

/// `HandOver` comes last; what the chain is to execute stands alone.
fn check_order(operations: &[Operation], index: usize) -> Result<(), Rule> {
    let allowed = match operations.get(index) {
        Some(Operation::HandOver) => index + 1 == operations.len(),
        Some(
            Operation::Finalise { .. }
            | Operation::Withdraw { .. }
            | Operation::OpenChild { .. }
            | Operation::Move(_)
            | Operation::Finish { .. },
        ) => operations.len() == 1,
        _ => true,
    };
    if allowed { Ok(()) } else { Err(Rule::OperationOrder) }
}
