//! How commands end: when a version that holds them is countersigned, when one above all that held them is, or by
//! what the chain has paid.

use super::children::tell_children;
use super::{Channel, Execution, Outputs, Pending, Queued};
use crate::command::{CommandError, Event, Outcome, Token};
use crate::message::Refusal;
use crate::operation::Operation;
use strait_types::Version;

/// How often an operation is written again, although the peer never named it as the reason of its refusals.
const MAX_REFUSALS: usize = 8;

/// Whose command an operation in flight is, and how it ends when its version is countersigned.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Ticket {
    pub(super) token: Token,
    pub(super) outcome: Outcome,
    /// Index among the operations of its version.
    pub(super) index: usize,
    pub(super) stood: Vec<Stood>,
}

/// Commands that have ended well together: the peer has countersigned the version that holds them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Completed {
    tickets: Vec<Ticket>,
}

impl Completed {
    /// Each command with how it ended, in the order in which they were given.
    pub fn commands(&self) -> impl ExactSizeIterator<Item = (Token, &Outcome)> {
        self.tickets.iter().map(|ticket| (ticket.token, &ticket.outcome))
    }
}

/// Versions that held an operation and were refused. The peer could bring them to the chain all the same, until a
/// higher one is countersigned.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Stood {
    first: Version,
    last: Version,
    /// How the command has ended if one of them counts.
    outcome: Outcome,
}

impl Stood {
    fn contains(&self, version: Version) -> bool {
        self.first <= version && version <= self.last
    }
}

/// A command that has failed, unless a refused version counts after all.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Failing {
    token: Token,
    error: CommandError,
    stood: Vec<Stood>,
}

impl Failing {
    /// Tells how it ended once nothing but `version` can count; `is_last_word`: nothing above it either.
    fn resolve(self, version: Version, is_last_word: bool, out: &mut Outputs) -> Option<Failing> {
        let counts = self.stood.iter().find(|stood| stood.contains(version));
        if let Some(stood) = counts {
            out.done(Some(self.token), Ok(stood.outcome.clone()));
        } else if is_last_word || self.stood.iter().all(|stood| stood.last < version) {
            out.done(Some(self.token), Err(self.error));
        } else {
            return Some(self);
        }
        None
    }
}

impl Channel {
    /// Tells a failure; where the peer could still bring the operation about, only once it cannot any more.
    pub(super) fn fail_one(&mut self, queued: Queued, error: CommandError, out: &mut Outputs) {
        let Queued { token: Some(token), stood, .. } = queued else { return };
        let version = self.durable.confirmed.position.state.version;
        self.volatile.failing.extend(Failing { token, error, stood }.resolve(version, false, out));
    }

    /// Tells the callers of countersigned versions, and those whose refused versions are now superseded.
    pub(super) fn complete(&mut self, confirmed: Vec<Pending>, out: &mut Outputs) {
        for pending in confirmed {
            if !pending.tickets.is_empty() {
                out.events.push(Event::Completed(Completed { tickets: pending.tickets }));
            }
            tell_children(&pending.update.operations, out);
        }
        self.resolve_failing(out);
    }

    fn resolve_failing(&mut self, out: &mut Outputs) {
        let version = self.durable.confirmed.position.state.version;
        let failing = std::mem::take(&mut self.volatile.failing);
        self.volatile.failing =
            failing.into_iter().filter_map(|failing| failing.resolve(version, false, out)).collect();
    }

    /// Puts operations of versions that will not come about back to the front of the queue, but for the refused.
    pub(super) fn requeue(
        &mut self,
        rolled_back: Vec<Pending>,
        refusal: Option<&Refusal>,
        out: &mut Outputs,
    ) {
        let last = rolled_back.last().map_or(Version::ZERO, |pending| pending.update.version);
        let mut again = Vec::new();
        for Pending { update, tickets, .. } in rolled_back {
            let first = update.version;
            let refused = refusal.filter(|refusal| refusal.version == first);
            // The peer still wants what it was to get with it.
            self.volatile.pen_wanted_by_peer |= update.operations.last() == Some(&Operation::HandOver);
            if let Some(refusal) = refused {
                let at_fault = refusal.index.and_then(|index| usize::try_from(index).ok());
                let operation = at_fault.and_then(|index| update.operations.get(index));
                self.volatile.contested.extend(operation.filter(|operation| operation.takes_lock()).cloned());
            }
            let mut operations: Vec<_> = update.operations.into_vec().into_iter().map(Some).collect();
            for Ticket { token, outcome, index, mut stood } in tickets {
                let Some(operation) = operations.get_mut(index).and_then(Option::take) else { continue };
                stood.push(Stood { first, last, outcome });
                let is_at_fault = |refusal: &&Refusal| {
                    stood.len() >= MAX_REFUSALS
                        || refusal.index.is_none_or(|at| usize::try_from(at) == Ok(index))
                };
                let error = match refused.filter(is_at_fault) {
                    Some(refusal) => Some(CommandError::PeerRefused(refusal.rule)),
                    // A limit that was agreed once is not agreed for a later version.
                    None => operation.is_bound().then_some(CommandError::Busy),
                };
                match error {
                    Some(error) => self.volatile.failing.push(Failing { token, error, stood }),
                    None => again.push(Queued { token: Some(token), operation, stood }),
                }
            }
        }
        self.put_back(again);
        self.resolve_failing(out);
    }

    /// The chain has paid by some version, and that is final: whatever is open has ended by it.
    pub(super) fn resolve_by_chain(&mut self, out: &mut Outputs) {
        let facts = self.durable.chain.counted();
        let is_it = |execution: &&Execution| {
            let signed = execution.signed.as_ref().map(|(position, _)| &position.state);
            execution.is_final && signed.is_none_or(|state| self.is_closed_by(state, facts))
        };
        let closed_by = self.durable.execution.as_ref().filter(is_it);
        let version = match (closed_by, &facts.recorded) {
            (Some(execution), _) => execution.version,
            (None, Some(recorded)) => recorded.version,
            (None, None) => Version::ZERO,
        };
        // What is in flight stays known, for the sake of its locks; its commands end now.
        let last = self.durable.pending.back().map_or(Version::ZERO, |last| last.update.version);
        let mut open = std::mem::take(&mut self.volatile.failing);
        for pending in &mut self.durable.pending {
            let first = pending.update.version;
            for Ticket { token, outcome, mut stood, .. } in std::mem::take(&mut pending.tickets) {
                stood.push(Stood { first, last, outcome });
                open.push(Failing { token, error: CommandError::NotOpen, stood });
            }
        }
        for failing in open {
            let _told = failing.resolve(version, true, out);
        }
    }
}
