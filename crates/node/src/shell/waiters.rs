//! Callers that wait for the end of their commands.

use super::NodeError;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use strait_engine::Notice;
use strait_engine::ports::TxHash;
use strait_protocol::{Event, Outcome, Token};
use strait_types::ChannelId;
use tokio::sync::oneshot;

/// How a command ended.
#[derive(Debug)]
pub(crate) enum Answer {
    Opened(ChannelId),
    Rejected,
    Submitted(TxHash),
    Done(Outcome),
    Failed(NodeError),
}

/// Waiting callers by token.
#[derive(Debug, Default)]
pub(crate) struct Waiters(Mutex<HashMap<Token, oneshot::Sender<Answer>>>);

impl Waiters {
    pub(crate) fn add(&self, token: Token) -> oneshot::Receiver<Answer> {
        let (sender, receiver) = oneshot::channel();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(token, sender);
        receiver
    }

    /// Drops one waiter: its caller learns that the node has stopped.
    pub(crate) fn abandon(&self, token: Token) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&token);
    }

    /// Drops every waiter: their callers learn that the node has stopped.
    pub(crate) fn abandon_all(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Answers the callers that the notices are for. The lock is taken once for all.
    pub(crate) fn resolve<'a>(&self, notices: impl Iterator<Item = &'a Notice>) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for notice in notices {
            if let Some((token, answer)) = answer_in(notice)
                && let Some(sender) = waiting.remove(&token)
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
