//! Callers that wait for the end of their commands.

use super::NodeError;
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
    Decided,
    Installed(Address),
    Submitted(TxHash),
    Done(Outcome),
    Failed(Box<NodeError>),
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

/// Who waits for the end of a command.
#[derive(Debug)]
struct Waiter {
    token: Token,
    sender: oneshot::Sender<Answer>,
    /// That the command takes.
    bytes: usize,
}

/// Callers in places that their tokens name, so that nothing is searched.
#[derive(Debug, Default)]
struct Waiting {
    places: Vec<Option<Waiter>>,
    free: Vec<u32>,
    bytes: usize,
    /// How often a place was given away, so that no two commands of late have one token.
    turn: u32,
}

impl Waiting {
    fn len(&self) -> usize {
        self.places.len().saturating_sub(self.free.len())
    }

    /// `None` when the places are used up.
    fn add(&mut self, bytes: usize, sender: oneshot::Sender<Answer>) -> Option<Token> {
        let index = match self.free.pop() {
            Some(index) => index,
            None => {
                let index = u32::try_from(self.places.len()).ok()?;
                self.places.push(None);
                index
            }
        };
        self.turn = self.turn.wrapping_add(1);
        let token = u64::from(self.turn) << 32 | u64::from(index);
        let place = self.places.get_mut(usize::try_from(index).ok()?)?;
        *place = Some(Waiter { token, sender, bytes });
        self.bytes = self.bytes.saturating_add(bytes);
        Some(token)
    }

    fn remove(&mut self, token: Token) -> Option<oneshot::Sender<Answer>> {
        // The lower half is the place.
        let index = token as u32;
        let place = self.places.get_mut(usize::try_from(index).ok()?)?;
        let Waiter { sender, bytes, .. } = place.take_if(|waiter| waiter.token == token)?;
        self.free.push(index);
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

    /// Lets a caller wait for a command that takes so many bytes; an urgent one whatever waits already. The token is the
    /// command's.
    pub(crate) fn add(
        &self,
        bytes: usize,
        urgent: bool,
    ) -> Result<(Token, oneshot::Receiver<Answer>), NodeError> {
        let (sender, receiver) = oneshot::channel();
        let mut waiting = self.lock();
        let (commands, taken) = (waiting.len(), waiting.bytes);
        let busy = NodeError::Busy { commands, bytes: taken };
        let full = commands >= self.capacity.commands || taken.saturating_add(bytes) > self.capacity.bytes;
        if full && !urgent {
            return Err(busy);
        }
        let token = waiting.add(bytes, sender).ok_or(busy)?;
        Ok((token, receiver))
    }

    /// Drops one waiter: its caller learns that the node has stopped.
    pub(crate) fn abandon(&self, token: Token) {
        self.lock().remove(token);
    }

    /// Drops every waiter: their callers learn that the node has stopped.
    pub(crate) fn abandon_all(&self) {
        *self.lock() = Waiting::default();
    }

    /// Answers the callers that the notices are for. The lock is taken once for all, and held for none of the answers.
    pub(crate) fn resolve<'a>(&self, notices: impl Iterator<Item = &'a Notice>) {
        let mut waiting = self.lock();
        let mut ended = Vec::new();
        for (token, answer) in notices.flat_map(answers_in) {
            if let Some(sender) = waiting.remove(token) {
                ended.push((sender, answer));
            }
        }
        drop(waiting);
        for (sender, answer) in ended {
            // A caller may have lost interest.
            drop(sender.send(answer));
        }
    }
}

/// What a notice tells callers.
fn answers_in(notice: &Notice) -> impl Iterator<Item = (Token, Answer)> {
    let event = match notice {
        Notice::Channel { event, .. } => Some(event),
        _ => None,
    };
    let of_channel = event.into_iter().flat_map(Event::ended).map(|(token, result)| match result {
        Ok(outcome) => (token, Answer::Done(outcome.clone())),
        Err(error) => (token, failed(error.clone())),
    });
    let of_engine = match notice {
        Notice::Opened { token: Some(token), channel } => Some((*token, Answer::Opened(*channel))),
        Notice::Installed { token, app } => Some((*token, Answer::Installed(*app))),
        Notice::Approved { token, channel } => Some((*token, Answer::Opened(*channel))),
        Notice::Rejected { token, .. } | Notice::Reconsidered { token, .. } => {
            Some((*token, Answer::Decided))
        }
        Notice::Submitted { token, transaction } => Some((*token, Answer::Submitted(*transaction))),
        Notice::Failed { token, error } => Some((*token, failed(error.clone()))),
        _ => None,
    };
    of_channel.chain(of_engine)
}

fn failed(error: impl Into<NodeError>) -> Answer {
    Answer::Failed(Box::new(error.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use strait_types::B256;

    fn opened(token: Token) -> [Notice; 1] {
        [Notice::Opened { token: Some(token), channel: ChannelId(B256::ZERO) }]
    }

    #[test]
    fn an_answer_makes_room_for_the_next_command() {
        for capacity in [Capacity { commands: 2, bytes: 1_000 }, Capacity { commands: 10, bytes: 200 }] {
            let waiters = Waiters::new(capacity);
            let (first, _waits) = waiters.add(100, false).expect("room");
            let (second, _waits) = waiters.add(100, false).expect("room");
            let error = waiters.add(100, false).expect_err("full");
            assert!(matches!(error, NodeError::Busy { commands: 2, bytes: 200 }), "{error}");
            let (urgent, _waits) = waiters.add(100, true).expect("urgent");
            waiters.abandon(urgent);
            waiters.resolve(opened(first).iter());
            let _third = waiters.add(100, false).expect("room again");
            waiters.abandon(second);
            let _fourth = waiters.add(100, false).expect("room again");
        }
    }

    #[test]
    fn a_place_that_is_given_away_again_takes_no_answer_for_its_former_owner() {
        let waiters = Waiters::new(Capacity::default());
        let (first, mut answered) = waiters.add(100, false).expect("room");
        waiters.resolve(opened(first).iter());
        assert!(matches!(answered.try_recv(), Ok(Answer::Opened(_))));
        let (second, mut waits) = waiters.add(100, false).expect("room");
        assert_ne!(first, second);
        waiters.resolve(opened(first).iter());
        assert!(waits.try_recv().is_err());
        waiters.resolve(opened(second).iter());
        assert!(matches!(waits.try_recv(), Ok(Answer::Opened(_))));
    }
}
