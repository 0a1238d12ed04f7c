//! Child channels as their parent sees them: opened by agreement, closed back once they have come to something.

use super::intent::{Intent, Stage};
use super::{Channel, Context, Outputs, Queued};
use crate::child::{ChildOpening, ChildOutcome, NewChild, Standing};
use crate::command::{CommandError, Event, Token};
use crate::onchain::{Phase, Settlement};
use crate::operation::Operation;
use crate::position::NumberedLock;
use crate::rule::Rule;
use std::collections::BTreeSet;
use strait_types::{Amount, AssetIndex, ChannelId, ChannelParams, Lock, LockKind, MAX_LOCKS, Side, Version};

/// Tells the user of children that begin and end with agreed operations.
pub(super) fn tell_children(operations: &[Operation], out: &mut Outputs) {
    for operation in operations {
        match operation {
            Operation::OpenChild { child, .. } => out.events.push(Event::ChildOpened { child: *child }),
            Operation::CloseChild { child, outcome } => {
                out.events.push(Event::ChildClosed { child: *child, outcome: *outcome });
            }
            _ => {}
        }
    }
}

/// What this side was told of a child.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Told {
    outcome: ChildOutcome,
    /// Since when the peer could take it over from the chain in the life of this process, milliseconds.
    since: Option<u64>,
    /// It has had a moment for that.
    has_waited: bool,
}

impl Channel {
    fn as_parent(&self) -> (ChannelId, &ChannelParams) {
        (self.durable.id, &self.durable.params)
    }

    /// Participant 0 of the parent plays index 1 of a child that this side opens.
    fn flips(&self) -> bool {
        self.durable.side == Side::One
    }

    /// A child as it would be opened, for whoever judges its terms.
    ///
    /// # Errors
    /// When the channel has no such asset.
    pub fn opening_of(&self, new: &NewChild) -> Result<ChildOpening, Rule> {
        new.opening(self.as_parent(), self.durable.side, Version::ZERO)
    }

    pub(super) fn begin_child(
        &mut self,
        ctx: &Context<'_>,
        token: Token,
        new: NewChild,
    ) -> Result<(), CommandError> {
        if new.asset.index() >= self.durable.params.assets.len() {
            return Err(CommandError::Rule(Rule::UnknownAsset));
        }
        let operation = self.opening(ctx, &new, Version::ZERO)?;
        self.judge_opening(ctx, &operation).map_err(CommandError::Rule)?;
        self.volatile.openings.push_back((token, new));
        Ok(())
    }

    /// The operation that opens a child in a version of this channel.
    pub(super) fn opening(
        &self,
        ctx: &Context<'_>,
        new: &NewChild,
        version: Version,
    ) -> Result<Operation, CommandError> {
        let [own, _] = new.stakes;
        let available = self.available().get(new.asset.index()).copied().unwrap_or(0);
        if own.units() > available {
            let available = Amount::new(available).unwrap_or(Amount::MAX);
            return Err(CommandError::InsufficientBalance { available, wanted: own });
        }
        let opening =
            new.opening(self.as_parent(), self.durable.side, version).map_err(CommandError::Rule)?;
        let child = opening.id(ctx.domain);
        let flip = self.flips();
        Ok(Operation::OpenChild { child, asset: new.asset, flip, opening: Box::new(opening) })
    }

    /// Judges what opens a child, apart from the version that it is bound to.
    fn judge_opening(&self, ctx: &Context<'_>, operation: &Operation) -> Result<(), Rule> {
        let Operation::OpenChild { child, asset, flip, opening } = operation else {
            return Err(Rule::Unexpected);
        };
        if self.parent().is_some() || self.has_app() {
            return Err(Rule::Unsupported);
        }
        opening.check(self.as_parent(), *asset, *flip, Version(opening.terms.version0))?;
        if *child != opening.id(ctx.domain) {
            return Err(Rule::ChildTerms);
        }
        if self.head().locks.len() >= MAX_LOCKS {
            return Err(Rule::LockCount);
        }
        self.check_covered(&opening.lock(*child, *asset, *flip))?;
        ctx.around.admission.ok_or(Rule::Unsupported)?.admit(*child, opening)
    }

    fn check_covered(&self, lock: &Lock) -> Result<(), Rule> {
        let deposits = self.durable.chain.counted().deposits.get(lock.asset.index());
        let deposits = deposits.ok_or(Rule::UnknownAsset)?;
        let is_covered = |side: Side| {
            let balance = self.head().balance(side, lock.asset.index(), deposits[side.index()]);
            balance.is_some_and(|balance| balance >= lock.amounts[side.index()].signed())
        };
        if Side::BOTH.into_iter().all(is_covered) { Ok(()) } else { Err(Rule::Overdraw) }
    }

    /// Judges a child that the peer would open.
    pub(super) fn judge_offered_child(&self, ctx: &Context<'_>, operation: &Operation) -> Result<(), Rule> {
        self.judge_opening(ctx, operation)?;
        let Operation::OpenChild { child, asset, flip, opening } = operation else {
            return Err(Rule::Unexpected);
        };
        if operation.opens_child_in().is_none_or(|version| version <= self.head().state.version) {
            return Err(Rule::StaleVersion);
        }
        if !self.is_admitted() {
            return Err(Rule::DepositTooSmall);
        }
        if self.durable.agreed.as_ref() == Some(operation) {
            // The answer was lost.
            return Ok(());
        }
        let own = opening.lock(*child, *asset, *flip).amounts[self.durable.side.index()];
        let address = self.durable.params.assets.get(asset.index()).ok_or(Rule::UnknownAsset)?;
        ctx.around.admission.ok_or(Rule::Unsupported)?.stake(*address, own, opening)
    }

    /// Judges the end of a child, which needs no agreement beyond the one that both know.
    pub(super) fn judge_close_child(&self, child: ChannelId, outcome: [Amount; 2]) -> Result<(), Rule> {
        match self.agreed_outcome(child) {
            Some(known) if known == outcome => Ok(()),
            Some(_) => Err(Rule::WrongOutcome),
            None => Err(Rule::ChildNotOver),
        }
    }

    fn agreed_outcome(&self, child: ChannelId) -> Option<[Amount; 2]> {
        let told = self.volatile.outcomes.get(&child)?;
        told.outcome.is_agreed.then_some(told.outcome.amounts)
    }

    /// Whether the chain has what a child has come to.
    pub(super) fn is_child_on_chain(&self, child: ChannelId) -> bool {
        self.volatile.outcomes.get(&child).is_some_and(|told| told.outcome.on_chain_at.is_some())
    }

    /// Closes back, as the writer, the children that have come to something.
    pub(super) fn queue_closings(&mut self) {
        if self.volatile.outcomes.is_empty() || !self.is_writer() {
            return;
        }
        let closing = |entry: &NumberedLock| {
            let child = ChannelId(entry.lock.reference);
            let is_due = entry.lock.kind == LockKind::Channel && !self.is_asked_for(entry);
            let outcome = is_due.then(|| self.agreed_outcome(child))??;
            Some(Operation::CloseChild { child, outcome })
        };
        let due: Vec<Operation> = self.head().locks.iter().filter_map(closing).collect();
        self.volatile.queue.extend(due.into_iter().map(|operation| Queued::new(None, operation)));
    }

    /// Children of the newest position that have not come to anything both know.
    pub(super) fn open_children(&self) -> usize {
        let is_open = |entry: &&NumberedLock| {
            entry.lock.kind == LockKind::Channel
                && self.agreed_outcome(ChannelId(entry.lock.reference)).is_none()
        };
        self.head().locks.iter().filter(is_open).count()
    }

    /// Tells the channel what a child of its has come to; `None`: nothing yet, or nothing any more.
    pub fn child_came_to(
        &mut self,
        ctx: &Context<'_>,
        child: ChannelId,
        outcome: Option<ChildOutcome>,
        out: &mut Outputs,
    ) {
        let before = self.volatile.outcomes.get(&child).copied();
        if before.map(|told| told.outcome) == outcome {
            return;
        }
        match outcome {
            Some(outcome) => {
                let counts = outcome.on_chain_at.is_some() && outcome.is_agreed;
                let since = before.and_then(|told| told.since).unwrap_or(ctx.now_ms);
                let has_waited = before.is_some_and(|told| told.has_waited);
                let told = Told { outcome, since: counts.then_some(since), has_waited };
                self.volatile.outcomes.insert(child, told);
            }
            None => {
                self.volatile.outcomes.remove(&child);
            }
        }
        self.retry_held(ctx, out);
    }

    /// What it was told that a child has come to.
    pub fn told_of(&self, child: ChannelId) -> Option<ChildOutcome> {
        self.volatile.outcomes.get(&child).map(|told| told.outcome)
    }

    /// What a child is to know of its parent.
    pub fn standing_of(&self, child: ChannelId) -> Standing {
        let facts = self.durable.chain.head();
        let is_in = |locks: &[NumberedLock]| locks.iter().any(|entry| entry.lock.holds(child));
        let leaving = |is_held: bool| if is_held { Standing::Leaving } else { Standing::Over };
        let best = self.durable.confirmed.position.state.version;
        match &facts.phase {
            Phase::Closed => Standing::Over,
            Phase::Settled(settlement) => leaving(self.is_held(settlement, child)),
            Phase::Disputed { .. } if facts.recorded.as_ref().is_some_and(|state| state.version > best) => {
                leaving(self.is_held(&Settlement { locks: None }, child))
            }
            Phase::Disputed { .. } => leaving(is_in(&self.durable.confirmed.position.locks)),
            Phase::Open if is_in(&self.durable.confirmed.position.locks) => {
                if self.is_ordered_out() {
                    Standing::Leaving
                } else {
                    Standing::Locked
                }
            }
            Phase::Open => {
                let in_flight = self.positions().any(|position| is_in(&position.locks));
                let refused = self.durable.refused_locks.iter().any(|locks| is_in(locks));
                if in_flight || refused { Standing::Unlocked } else { Standing::Over }
            }
        }
    }

    /// Whether the list that the chain settles holds the lock of a child.
    fn is_held(&self, settlement: &Settlement, child: ChannelId) -> bool {
        let locks = self.remaining_locks(self.durable.chain.head(), settlement);
        locks.is_some_and(|locks| locks.iter().any(|lock| lock.holds(child)))
    }

    /// Children whose locks may count, with what both agreed to.
    pub fn openings(&self) -> impl Iterator<Item = (ChannelId, &ChildOpening)> {
        self.durable.openings.iter().map(|(id, opening)| (*id, opening))
    }

    /// Whether a child that is told of is the one that both have locked funds for.
    pub fn has_locked(&self, child: ChannelId, opening: &ChildOpening) -> bool {
        let numbered = self.durable.confirmed.position.lock_of(child);
        numbered.is_some_and(|entry| {
            let Lock { asset, flip, .. } = entry.lock;
            let version = Version(opening.terms.version0);
            opening.lock(child, asset, flip) == entry.lock
                && opening.check(self.as_parent(), asset, flip, version).is_ok()
        })
    }

    /// What this side demands, for the sake of its children.
    pub fn settings(&self) -> &crate::Settings {
        &self.durable.settings
    }

    pub(super) fn note_openings(&mut self, operations: &[Operation]) {
        for operation in operations {
            if let Operation::OpenChild { child, opening, .. } = operation {
                self.durable.openings.insert(*child, (**opening).clone());
            }
        }
    }

    /// Openings matter only while their lock may count.
    pub(super) fn forget_openings(&mut self) {
        if self.durable.openings.is_empty() {
            return;
        }
        let lists = self.positions().map(|position| &position.locks).chain(&self.durable.refused_locks);
        let locked: BTreeSet<_> = lists.flatten().map(|entry| entry.lock.reference).collect();
        self.durable.openings.retain(|child, _| locked.contains(&child.0));
    }

    /// The next child that is to be opened, once what waited besides has had its turn.
    pub(super) fn begin_next_child(&mut self, ctx: &Context<'_>, out: &mut Outputs) {
        if self.volatile.intent.is_some() || self.durable.execution.is_some() {
            return;
        }
        let Some((token, new)) = self.volatile.openings.pop_front() else { return };
        self.volatile.intent = Some(Intent::OpenChild { token, new, stage: Stage::Waiting });
        if self.is_writer() {
            self.drive_intent(ctx, out);
        } else {
            self.ask_for_pen(ctx, out);
        }
    }

    /// Whether the peer has taken too long to take over what the chain has of a child: by the chain's time, so that it
    /// does not begin anew with each start of this node, and after it had a moment since the start.
    fn is_closing_late(&self, ctx: &Context<'_>) -> bool {
        let move_patience = self.durable.settings.move_patience;
        let is_leaving = self.is_ordered_out() || self.durable.chain.head().phase != Phase::Open;
        if move_patience == 0 || is_leaving || self.volatile.outcomes.is_empty() {
            return false;
        }
        let is_late = |entry: &NumberedLock| {
            let told = self.volatile.outcomes.get(&ChannelId(entry.lock.reference))?;
            let at = told.outcome.on_chain_at.filter(|_| told.has_waited)?;
            Some(at.saturating_add(move_patience) <= ctx.head_time)
        };
        let locks = &self.durable.confirmed.position.locks;
        locks.iter().filter(|entry| entry.lock.kind == LockKind::Channel).filter_map(is_late).any(|late| late)
    }

    /// A peer that let the chain decide a child, and does not take over what it decided, leaves nothing but the chain.
    pub(super) fn watch_closings(&mut self, ctx: &Context<'_>, out: &mut Outputs) {
        let moment = self.durable.settings.hold_timeout_ms;
        if !self.volatile.outcomes.is_empty() {
            for told in self.volatile.outcomes.values_mut() {
                told.has_waited |= told.since.is_some_and(|since| ctx.now_ms.saturating_sub(since) >= moment);
            }
        }
        if self.is_closing_late(ctx) {
            self.leave(out);
        }
    }

    /// When a moment is over in which the peer could have taken over what the chain decided, milliseconds.
    pub(super) fn closing_moment_ends(&self) -> Option<u64> {
        let waiting = self.volatile.outcomes.values().filter(|told| !told.has_waited);
        let moment = self.durable.settings.hold_timeout_ms;
        waiting.filter_map(|told| Some(told.since?.saturating_add(moment))).min()
    }

    /// When this side goes to the chain if the peer has not taken over by then what that decided of a child: Unix seconds,
    /// by the chain's time.
    pub fn leaves_at(&self, child: ChannelId) -> Option<u64> {
        let patience = Some(self.durable.settings.move_patience).filter(|patience| *patience > 0)?;
        let at = self.told_of(child)?.on_chain_at?;
        let is_leaving = self.is_ordered_out() || self.durable.chain.head().phase != Phase::Open;
        (!is_leaving).then(|| at.saturating_add(patience))
    }

    /// In child channels, in the smallest unit.
    pub(super) fn in_children(&self, asset: AssetIndex) -> u128 {
        let locks = self.head().locks.iter().map(|entry| &entry.lock);
        let children = locks.filter(|lock| lock.kind == LockKind::Channel && lock.asset == asset);
        children.filter_map(Lock::total).map(Amount::units).fold(0, u128::saturating_add)
    }
}
