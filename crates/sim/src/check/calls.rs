//! What callers were told, held against what the journals say.

use crate::check::book::Book;
use crate::failure::{Broken, Property};
use std::collections::BTreeMap;
use strait_protocol::{CommandError, Operation, Outcome, Token};
use strait_types::{B256, ChannelId, Side};

/// How far a command has come.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Progress {
    Open,
    Done(Result<Outcome, CommandError>),
    /// The process ended first: its caller knows nothing.
    Lost,
    /// Ended by an answer that is no outcome of a channel.
    Ended,
}

/// A command.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) node: usize,
    pub(crate) channel: ChannelId,
    pub(crate) name: &'static str,
    pub(crate) is_payment: bool,
    pub(crate) progress: Progress,
}

/// All commands of a run.
#[derive(Default)]
pub(crate) struct Calls {
    pub(crate) by_token: BTreeMap<Token, Call>,
}

impl Calls {
    /// That of the command that begins next.
    pub(crate) fn next_token(&self) -> Token {
        self.by_token.len() as Token
    }

    pub(crate) fn begin(&mut self, call: Call) -> Token {
        let token = self.next_token();
        self.by_token.insert(token, call);
        token
    }

    pub(crate) fn end(&mut self, node: usize, token: Token, progress: Progress) -> Result<&Call, Broken> {
        let Some(call) = self.by_token.get_mut(&token).filter(|call| call.node == node) else {
            return Err(Property::Outcomes.broken(format!("an answer to the unknown command {token}")));
        };
        if call.progress != Progress::Open {
            let what = format!("{} {token} ended twice: {:?}, then {progress:?}", call.name, call.progress);
            return Err(Property::Outcomes.broken(what));
        }
        call.progress = progress;
        Ok(call)
    }

    pub(crate) fn has_ended(&self, token: Token) -> bool {
        self.by_token.get(&token).is_some_and(|call| call.progress != Progress::Open)
    }

    /// The process of a node has ended.
    pub(crate) fn lose(&mut self, node: usize) {
        for call in self.by_token.values_mut().filter(|call| call.node == node) {
            if call.progress == Progress::Open {
                call.progress = Progress::Lost;
            }
        }
    }

    pub(crate) fn open(&self) -> impl Iterator<Item = (Token, &Call)> {
        self.by_token
            .iter()
            .filter(|(_, call)| call.progress == Progress::Open)
            .map(|(token, call)| (*token, call))
    }

    /// By a book with the whole history: each payment of a side that succeeded for its caller is in the history up to `last` once, under its number; none that
    /// failed is.
    pub(crate) fn check(
        &self,
        node: usize,
        channel: ChannelId,
        side: Side,
        book: &Book,
        last: B256,
    ) -> Result<(), Broken> {
        let mut found: BTreeMap<Token, Vec<u64>> = BTreeMap::new();
        let ours = book.line(last).into_iter().filter(|(writer, _)| *writer == side);
        let payments = ours.filter_map(|(_, operation)| match operation {
            Operation::Pay(payment) => Some(payment),
            _ => None,
        });
        for (number, payment) in payments.enumerate() {
            if let Some(token) = token_of(&payment.memo) {
                found.entry(token).or_default().push(number as u64);
            }
        }
        let calls = self.by_token.iter();
        for (token, call) in calls.filter(|(_, c)| c.node == node && c.channel == channel && c.is_payment) {
            let numbers = found.get(token).map(Vec::as_slice).unwrap_or_default();
            let fits = match &call.progress {
                Progress::Done(Ok(Outcome::Paid { number, .. })) => numbers == [*number],
                Progress::Done(_) | Progress::Ended => numbers.is_empty(),
                Progress::Open | Progress::Lost => numbers.len() <= 1,
            };
            Property::Outcomes.check(fits, || {
                format!(
                    "payment {token} of node {node} ended as {:?}, the history has it as {numbers:?}",
                    call.progress
                )
            })?;
        }
        Ok(())
    }
}

/// The memo by which a payment is found again.
pub(crate) fn memo_of(token: Token) -> Vec<u8> {
    token.to_be_bytes().to_vec()
}

fn token_of(memo: &[u8]) -> Option<Token> {
    memo.try_into().ok().map(Token::from_be_bytes)
}

/// Operations in a few words.
pub(crate) fn describe(operations: &[Operation]) -> String {
    let word = |operation: &Operation| match operation {
        Operation::Pay(payment) => format!(" pay {} of {}", payment.amount, payment.asset.0),
        Operation::AddLock(lock) => format!(" add lock until {}", lock.expiry),
        Operation::SettleLock { number, .. } => format!(" settle lock {number}"),
        Operation::CancelLock { number } => format!(" cancel lock {number}"),
        Operation::Withdraw { amount, valid_until, .. } => format!(" withdraw {amount} until {valid_until}"),
        Operation::OpenChild { child, .. } => format!(" open child {child}"),
        Operation::CloseChild { child, .. } => format!(" close child {child}"),
        Operation::HandOver => " hand over".into(),
        Operation::Finalise { valid_until } => format!(" finalise until {valid_until}"),
        Operation::Move(_) => " move".into(),
        Operation::Finish { valid_until, .. } => format!(" finish until {valid_until}"),
    };
    let mut text: String = operations.iter().take(6).map(word).collect();
    if operations.len() > 6 {
        text += &format!(" and {} more", operations.len() - 6);
    }
    text
}
