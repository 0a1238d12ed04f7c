//! A channel that is funded by a lock in a parent.

use super::{AppPart, Channel, Link, Outputs};
use crate::child::{ChildOpening, ChildOutcome, Standing};
use crate::command::{CommandError, Event};
use crate::onchain::{ChainView, Facts, Phase};
use crate::record::Record;
use crate::settings::Settings;
use strait_types::{Amount, ChannelId, ChildTerms, Side, State};

impl Channel {
    /// A child channel whose lock was agreed, and the record that makes it durable.
    pub fn open_child(
        id: ChannelId,
        opening: ChildOpening,
        side: Side,
        settings: Settings,
    ) -> (Channel, Record) {
        let (mut channel, _) = Channel::open(id, opening.params.clone(), side, settings.clone());
        channel.durable.chain = ChainView::of_child(opening.terms.amounts);
        channel.durable.terms = Some(opening.terms.clone());
        channel.durable.app = opening.start().map(AppPart::new);
        (channel, Record::OpenedChild { id, opening, side, settings })
    }

    /// The parent of a child channel.
    pub fn parent(&self) -> Option<ChannelId> {
        self.durable.terms.as_ref().map(|terms| terms.parent0)
    }

    /// What a child channel adds to its parameters.
    pub fn terms(&self) -> Option<&ChildTerms> {
        self.durable.terms.as_ref()
    }

    /// What a child channel was opened with.
    pub fn child_opening(&self) -> Option<ChildOpening> {
        let terms = self.durable.terms.clone()?;
        let first = self.app_start().map(|start| start.first.clone());
        Some(ChildOpening { params: self.durable.params.clone(), terms, first })
    }

    pub(super) fn is_child(&self) -> bool {
        self.durable.terms.is_some()
    }

    /// What the parent makes of it, in a child channel.
    pub fn standing(&self) -> Standing {
        self.volatile.standing
    }

    /// Tells a child channel what its parent makes of it. It is told after every start, and does nothing before.
    pub fn set_standing(&mut self, standing: Standing, out: &mut Outputs) {
        if standing == self.volatile.standing {
            return;
        }
        let before = std::mem::replace(&mut self.volatile.standing, standing);
        if standing != Standing::Locked {
            self.fail_waiting(&CommandError::NotOpen, out);
        }
        let was_alive = matches!(before, Standing::Locked | Standing::Leaving);
        if was_alive && standing == Standing::Over && self.durable.chain.head().phase != Phase::Closed {
            out.events.push(Event::ClosedBack);
        }
        if self.is_idle() {
            self.volatile.link = Link::Down;
            self.volatile.held = None;
        }
    }

    /// A child on which nothing rests, or not yet.
    pub(super) fn is_idle(&self) -> bool {
        self.is_child() && matches!(self.volatile.standing, Standing::Unlocked | Standing::Over)
    }

    /// It is to be resolved by the chain: by the user's order, or because its parent is.
    pub fn is_leaving(&self) -> bool {
        self.is_ordered_out() || self.is_child() && self.volatile.standing == Standing::Leaving
    }

    /// Whether nothing will happen in it any more: all is paid, a child is closed back, or it was given up empty.
    pub fn is_over(&self) -> bool {
        self.durable.chain.head().phase == Phase::Closed
            || self.is_given_up()
            || self.is_child() && self.volatile.standing == Standing::Over
    }

    /// What a child channel has come to, so that its parent's lock can be resolved.
    pub fn outcome(&self) -> Option<ChildOutcome> {
        let funds = self.durable.terms.as_ref()?.amounts;
        let (head, counted) = (self.durable.chain.head(), self.durable.chain.counted());
        if let Some(decided) = &head.outcome {
            let is_agreed = counted.outcome == head.outcome;
            return Some(ChildOutcome { amounts: decided.amounts, is_agreed, on_chain_at: Some(decided.at) });
        }
        let state = &self.durable.confirmed.position.state;
        // In a dispute it is the chain that says what counts.
        let is_end = state.is_final && head.phase == Phase::Open && counted.phase == Phase::Open;
        let amounts = is_end.then(|| shares(funds, state))??;
        Some(ChildOutcome { amounts, is_agreed: true, on_chain_at: None })
    }

    /// The agreed end that the chain has executed, rather than what it had recorded.
    pub(super) fn is_closed_by(&self, state: &State, facts: &Facts) -> bool {
        match &self.durable.terms {
            Some(terms) => {
                let decided = facts.outcome.as_ref().map(|decided| decided.amounts);
                decided.is_some() && decided == shares(terms.amounts, state)
            }
            None => facts.recorded.is_none(),
        }
    }
}

/// What a child's participants own by a state.
fn shares(funds: [Amount; 2], state: &State) -> Option<[Amount; 2]> {
    let delta = state.allocations.first()?.delta;
    let share = |i: usize| Amount::new(u128::try_from(funds[i].signed().checked_add(delta[i])?).ok()?);
    Some([share(0)?, share(1)?])
}
