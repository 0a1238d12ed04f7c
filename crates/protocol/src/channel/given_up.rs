//! Leaving a channel into which nobody has put anything: it needs neither the peer's word nor a transaction.

use super::{Channel, Link, Outputs};
use crate::command::{Command, CommandError, Event, Outcome, Token};
use crate::onchain::ChainDelta;
use crate::record::Record;
use borsh::{BorshDeserialize, BorshSerialize};
use strait_types::Version;

/// Whether this side has left by its user's order. The order of the variants is the format on disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug, BorshSerialize, BorshDeserialize)]
pub(super) enum Departure {
    /// It stays.
    None,
    /// It goes to the chain. A game that is empty needs no chain, but what comes into it all the same is taken out there.
    Ordered,
    /// A payment channel was empty. What comes in all the same lets it live on, so that both can close it together.
    GivenUp,
}

impl Channel {
    /// Whether the user has ordered it to the chain.
    pub(super) fn is_ordered_out(&self) -> bool {
        self.durable.departure == Departure::Ordered
    }

    /// Whether a command ends the channel at once, without the peer and the chain.
    pub fn gives_up(&self, command: &Command) -> bool {
        let ends = match command {
            Command::Close => true,
            Command::Finish { outcome } => self.has_app() && outcome.iter().all(|deltas| *deltas == [0, 0]),
            _ => false,
        };
        // A game that turns out not to be empty would go to the chain, which a restored side must not with what it has.
        let may_leave = self.durable.restore.is_none() || !self.has_app();
        ends && may_leave && self.durable.departure == Departure::None && self.is_untouched()
    }

    /// Whether nobody has put anything in, as far as the chain tells, and nothing was signed.
    fn is_untouched(&self) -> bool {
        let begins = self.durable.confirmed.position.state.version == Version::ZERO;
        begins && self.durable.pending.is_empty() && self.knows_nothing_of_chain()
    }

    /// Whether the channel was left before anybody had put anything in. What comes in all the same ends that.
    pub fn is_given_up(&self) -> bool {
        let is_left = match self.durable.departure {
            Departure::None => false,
            Departure::Ordered => self.has_app(),
            Departure::GivenUp => true,
        };
        is_left && self.is_untouched()
    }

    pub(super) fn give_up(&mut self, token: Token, out: &mut Outputs) {
        if self.has_app() {
            self.leave(out);
        } else {
            self.durable.departure = Departure::GivenUp;
            out.records.push(Record::GivenUp);
            self.fail_waiting(&CommandError::NotOpen, out);
        }
        self.volatile.link = Link::Down;
        out.events.push(Event::ClosedBack);
        out.done(Some(token), Ok(Outcome::Agreed { version: Version::ZERO }));
    }

    /// Folds a fact of the chain in.
    pub(super) fn apply_chain(&mut self, delta: &ChainDelta) {
        self.durable.chain.apply(delta);
        if self.durable.departure == Departure::GivenUp && !self.knows_nothing_of_chain() {
            self.durable.departure = Departure::None;
        }
    }
}
