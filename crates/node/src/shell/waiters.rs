//! Callers that wait for the end of their commands.

use super::NodeError;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::{Mutex, MutexGuard, PoisonError};
use strait_engine::Notice;
use strait_engine::ports::TxHash;
use strait_protocol::{Event, Outcome, Token};
use strait_types::{Address, ChannelId};
use tokio::sync::oneshot;

/// How a command ended.
#[derive(Debug)]
pub(crate) enum Answer {
    Opened(ChannelId),
    Rejected,
    Installed(Address),
    Submitted(TxHash),
    Done(Outcome),
    Failed(NodeError),
}

/// How much may wait for an answer at once, of all callers together. A command counts from the call to its end,
/// wherever it waits: for the engine, for the pen, for the peer, for the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// Commands.
    pub commands: usize,
    /// Bytes that they take, 256 for each beside its memo.
    pub bytes: usize,
}

impl Default for Capacity {
    fn default() -> Self {
        Capacity { commands: 1_000_000, bytes: 256 << 20 }
    }
}

/// Spreads tokens. They are this node's own count, so nobody can choose some that collide.
#[derive(Default)]
struct Spread(u64);

impl Hasher for Spread {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(self.0 ^ u64::from(*byte)));
    }

    fn write_u64(&mut self, token: u64) {
        // The golden ratio of 2^64, odd: no two tokens become one.
        self.0 = token.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

type ByToken<T> = HashMap<Token, T, BuildHasherDefault<Spread>>;

#[derive(Debug, Default)]
struct Waiting {
    /// With the bytes that the command takes.
    senders: ByToken<(oneshot::Sender<Answer>, usize)>,
    bytes: usize,
}

impl Waiting {
    fn remove(&mut self, token: Token) -> Option<oneshot::Sender<Answer>> {
        let (sender, bytes) = self.senders.remove(&token)?;
        self.bytes = self.bytes.saturating_sub(bytes);
        Some(sender)
    }
}

/// Waiting callers by token.
#[derive(Debug)]
pub(crate) struct Waiters {
    capacity: Capacity,
    waiting: Mutex<Waiting>,
}

impl Waiters {
    pub(crate) fn new(capacity: Capacity) -> Waiters {
        Waiters { capacity, waiting: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a caller wait for a command that takes so many bytes; an urgent one whatever waits already.
    pub(crate) fn add(
        &self,
        token: Token,
        bytes: usize,
        urgent: bool,
    ) -> Result<oneshot::Receiver<Answer>, NodeError> {
        let mut waiting = self.lock();
        let Waiting { senders, bytes: taken } = &mut *waiting;
        let sum = taken.saturating_add(bytes);
        let full = senders.len() >= self.capacity.commands || sum > self.capacity.bytes;
        if full && !urgent {
            return Err(NodeError::Busy { commands: senders.len(), bytes: *taken });
        }
        let (sender, receiver) = oneshot::channel();
        senders.insert(token, (sender, bytes));
        *taken = sum;
        Ok(receiver)
    }

    /// Drops one waiter: its caller learns that the node has stopped.
    pub(crate) fn abandon(&self, token: Token) {
        self.lock().remove(token);
    }

    /// Drops every waiter: their callers learn that the node has stopped.
    pub(crate) fn abandon_all(&self) {
        *self.lock() = Waiting::default();
    }

    /// Answers the callers that the notices are for. The lock is taken once for all.
    pub(crate) fn resolve<'a>(&self, notices: impl Iterator<Item = &'a Notice>) {
        let mut waiting = self.lock();
        for notice in notices {
            if let Some((token, answer)) = answer_in(notice)
                && let Some(sender) = waiting.remove(token)
            {
                // A caller may have lost interest.
                drop(sender.send(answer));
            }
        }
    }
}

fn answer_in(notice: &Notice) -> Option<(Token, Answer)> {
    match notice {
        Notice::Opened { token: Some(token), channel } => Some((*token, Answer::Opened(*channel))),
        Notice::Installed { token, app } => Some((*token, Answer::Installed(*app))),
        Notice::Rejected { token, .. } => Some((*token, Answer::Rejected)),
        Notice::Submitted { token, transaction } => Some((*token, Answer::Submitted(*transaction))),
        Notice::Failed { token, error } => Some((*token, Answer::Failed(error.clone().into()))),
        Notice::Channel { event: Event::Done { token, result }, .. } => {
            let answer = match result {
                Ok(outcome) => Answer::Done(outcome.clone()),
                Err(error) => Answer::Failed(error.clone().into()),
            };
            Some((*token, answer))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use strait_types::B256;

    #[test]
    fn an_answer_makes_room_for_the_next_command() {
        for capacity in [Capacity { commands: 2, bytes: 1_000 }, Capacity { commands: 10, bytes: 200 }] {
            let waiters = Waiters::new(capacity);
            let first = waiters.add(1, 100, false).expect("room");
            let _second = waiters.add(2, 100, false).expect("room");
            let error = waiters.add(3, 100, false).expect_err("full");
            assert!(matches!(error, NodeError::Busy { commands: 2, bytes: 200 }), "{error}");
            drop(waiters.add(9, 100, true).expect("urgent"));
            waiters.abandon(9);
            let channel = ChannelId(B256::ZERO);
            waiters.resolve([Notice::Opened { token: Some(1), channel }].iter());
            drop(first);
            let _third = waiters.add(3, 100, false).expect("room again");
            waiters.abandon(2);
            let _fourth = waiters.add(4, 100, false).expect("room again");
        }
    }
}
