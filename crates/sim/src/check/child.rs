//! What an honest side is owed of a child channel, by its own journal and what the chain says.

use crate::check::money;
use crate::failure::{Broken, Property};
use crate::world::World;
use strait_chain::DevChain;
use strait_engine::ports::ChainError;
use strait_protocol::{Operation, Position, Record};
use strait_types::abi::child;
use strait_types::{Address, Amount, B256, ChannelId, LockKind};

/// What a child has come to on chain, if it has.
pub(crate) fn outcome(chain: &DevChain, id: ChannelId) -> Result<Option<[Amount; 2]>, Broken> {
    let unreadable = |error: String| Property::Conservation.broken(format!("no outcome of {id:?}: {error}"));
    let answer = chain.call_from(Address::ZERO, chain.adjudicator(), child::outcome(id));
    let answer = answer.map_err(|error: ChainError| unreadable(error.to_string()))?;
    child::read_outcome(&answer).map_err(|error| unreadable(error.to_string()))
}

impl World {
    /// The end of a child that both have signed; or else one that this node has, and by which the chain has decided.
    pub(crate) fn agreed_end(&self, node: usize, id: ChannelId) -> Result<Option<B256>, Broken> {
        let (Some(terms), Some(book)) = (self.terms_of(id), self.book(node, id)) else { return Ok(None) };
        if book.confirmed().state.is_final {
            return Ok(Some(book.confirmed));
        }
        let Some(paid) = self.chain.with(|chain| outcome(chain, id))? else { return Ok(None) };
        let gives = |position: &Position| {
            let delta = position.state.allocations[0].delta;
            [0, 1].map(|index| terms.amounts[index].signed() + delta[index]) == paid.map(Amount::signed)
        };
        let mut finals = book.possible().filter(|position| position.state.is_final && gives(position));
        Ok(finals.next().map(|position| position.state.hash()))
    }

    /// What a child's participants get by the final state that both have signed, as a node knows it.
    pub(crate) fn signed_end(&self, node: usize, id: ChannelId) -> Option<[Amount; 2]> {
        let terms = self.terms_of(id)?;
        let state = &self.book(node, id)?.confirmed().state;
        let part = |index: usize| terms.amounts[index].signed() + state.allocations[0].delta[index];
        let amount = |index: usize| Amount::new(u128::try_from(part(index)).ok()?);
        state.is_final.then_some([amount(0)?, amount(1)?])
    }

    /// Whether nothing more can come of a child between honest nodes: both have signed its end, or the chain has decided.
    pub(crate) fn is_finished(&self, id: ChannelId) -> bool {
        let nodes = self.channels.get(&id).map(|plan| plan.nodes);
        let is_signed =
            nodes.is_some_and(|nodes| nodes.iter().all(|node| self.signed_end(*node, id).is_some()));
        let by_chain = || self.chain.with(|chain| outcome(chain, id));
        is_signed || by_chain().is_ok_and(|outcome| outcome.is_some())
    }

    /// The least that a node is owed of the children whose locks a position of their parent's holds.
    pub(crate) fn owed_in_children(
        &self,
        node: usize,
        position: &Position,
        asset: usize,
    ) -> Result<i128, Broken> {
        let mut owed = 0;
        for lock in position.locks.iter().map(|entry| &entry.lock) {
            if lock.kind == LockKind::Channel && lock.asset.index() == asset {
                owed += self.owed_in_child(node, ChannelId(lock.reference))?;
            }
        }
        Ok(owed)
    }

    fn owed_in_child(&self, node: usize, id: ChannelId) -> Result<i128, Broken> {
        let (Some(terms), Some(side)) = (self.terms_of(id), self.side(id, node)) else { return Ok(0) };
        let stakes = terms.amounts.map(Amount::units);
        let Some(book) = self.book(node, id) else { return Ok(stakes[side.index()].cast_signed()) };
        if let Some(end) = self.agreed_end(node, id)? {
            let delta = book.positions[&end].state.allocations[0].delta[side.index()];
            return Ok(stakes[side.index()].cast_signed() + delta);
        }
        match self.game_of(id) {
            Some(plan) => self.owed_by_game(id, plan.game, node, stakes),
            None => self.chain.with(|chain| money::owed(chain, book, 0, stakes[side.index()])),
        }
    }

    fn terms_of(&self, id: ChannelId) -> Option<&strait_types::ChildTerms> {
        self.channels.get(&id)?.terms.as_ref()
    }

    /// Property 2: what an honest node takes over of a child is what it is owed of it, or more.
    pub(crate) fn check_closings(&self, node: usize, record: &Record) -> Result<(), Broken> {
        let (Record::Wrote(update) | Record::Accepted(update)) = record else { return Ok(()) };
        for operation in &update.operations {
            let Operation::CloseChild { child, outcome } = operation else { continue };
            let Some(side) = self.side(*child, node).filter(|_| self.plan.is_honest(node)) else { continue };
            let (owed, given) = (self.owed_in_child(node, *child)?, outcome[side.index()].signed());
            Property::Safety.check(given >= owed, || {
                format!("{} is owed {owed} of the child {child:?} and takes {given} over", self.name(node))
            })?;
        }
        Ok(())
    }
}
