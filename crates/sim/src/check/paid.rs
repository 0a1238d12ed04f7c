//! When all is over: what each side was paid by a payment channel is what the chain's last word on it gives, to the wei;
//! nothing is left in it of what was locked for its children.

use crate::check::child;
use crate::check::money;
use crate::failure::{Broken, Property};
use crate::plan::ChannelPlan;
use crate::world::World;
use std::collections::BTreeMap;
use strait_protocol::{Operation, Position};
use strait_types::abi::AdjudicatorEvent;
use strait_types::abi::views::Phase;
use strait_types::{Amount, ChannelId, Lock, LockKind, State, U256};

impl World {
    /// What the canonical chain has recorded last of each channel; nothing of those that a final state has closed.
    pub(crate) fn last_words(&mut self) -> Result<BTreeMap<ChannelId, State>, Broken> {
        let mut words = BTreeMap::new();
        for event in self.all_events()? {
            match event {
                AdjudicatorEvent::Challenged { state, .. }
                | AdjudicatorEvent::Responded { state, .. }
                | AdjudicatorEvent::Progressed { state, .. }
                | AdjudicatorEvent::Withdrawn { state, .. } => {
                    words.insert(state.channel, state);
                }
                AdjudicatorEvent::Closed { channel, .. } => {
                    words.remove(&channel);
                }
                _ => {}
            }
        }
        Ok(words)
    }

    /// Property 1, for each side of a channel for payments between honest nodes.
    pub(crate) fn check_exact(
        &mut self,
        id: ChannelId,
        word: &State,
        asset: usize,
        put: [u128; 2],
        paid: [U256; 2],
    ) -> Result<(), Broken> {
        // What a liar is paid is its own matter; whoever is honest beside it has at least what `check_paid` demands.
        let is_closed = self.is_honest_channel(id)
            && self.chain.with(|chain| money::status(chain, id))?.phase == Phase::Closed;
        let Some(position) = self.position_of(id, word).filter(|_| is_closed).cloned() else { return Ok(()) };
        let allocation = &position.state.allocations[asset];
        let mut due = [0, 1].map(|side| {
            put[side].cast_signed() + allocation.delta[side] + allocation.withdrawn[side].cast_signed()
        });
        for lock in position.locks.iter().map(|entry| &entry.lock).filter(|lock| lock.asset.index() == asset)
        {
            let parts = self.parts_of(lock)?;
            due = [due[0] + parts[0], due[1] + parts[1]];
        }
        // The contract divides a shortage between the two.
        if due.iter().any(|due| *due < 0) {
            return Ok(());
        }
        self.report.count("check", "paid to the wei");
        Property::Conservation.check(due.map(|due| U256::from(due.unsigned_abs())) == paid, || {
            format!(
                "by version {} of {id:?} {due:?} of asset {asset} are due, and {paid:?} were paid",
                word.version
            )
        })
    }

    /// As an honest participant knows it.
    fn position_of(&self, id: ChannelId, state: &State) -> Option<&Position> {
        let nodes = self.honest_of(self.channels.get(&id)?);
        let hash = state.hash();
        nodes.into_iter().find_map(|node| self.book(node, id)?.positions.get(&hash))
    }

    /// What the chain has made of a lock, for participant 0 and 1.
    fn parts_of(&mut self, lock: &Lock) -> Result<[i128; 2], Broken> {
        if lock.kind == LockKind::Channel {
            let child = ChannelId(lock.reference);
            let Some(outcome) = self.chain.with(|chain| child::outcome(chain, child))? else {
                return Err(
                    Property::NoHostage.broken(format!("what is locked for {child:?} is left locked"))
                );
            };
            self.report.count("check", "child's lock resolved by the chain");
            let [zero, one] = outcome.map(Amount::signed);
            return Ok(if lock.flip { [one, zero] } else { [zero, one] });
        }
        let registered = self.chain.with(|chain| money::registered_at(chain, lock.reference))?;
        let is_settled = registered.is_some_and(|time| time <= lock.expiry);
        let [zero, one] = lock.amounts.map(Amount::signed);
        Ok(if is_settled { [one, zero] } else { [zero, one] })
    }

    /// What a channel's history took over of its children is what both have signed there, or what the chain decided.
    pub(crate) fn check_taken_over(&mut self, id: ChannelId, plan: &ChannelPlan) -> Result<(), Broken> {
        for node in self.honest_of(plan) {
            let Some(book) = self.book(node, id) else { continue };
            let closings =
                book.line(book.confirmed).into_iter().filter_map(|(_, operation)| match operation {
                    Operation::CloseChild { child, outcome } => Some((*child, *outcome)),
                    _ => None,
                });
            for (child, given) in closings.collect::<Vec<_>>() {
                let came_to =
                    [self.signed_end(node, child), self.chain.with(|chain| child::outcome(chain, child))?];
                Property::Conservation.check(came_to.contains(&Some(given)), || {
                    format!("{id:?} takes {given:?} of its child {child:?} over, which came to {came_to:?}")
                })?;
                self.report.count("check", "child's end in its parent");
            }
        }
        Ok(())
    }
}
