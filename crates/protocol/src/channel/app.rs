//! The moves of an app: one per version, checked by the app's own rules on both sides.

use super::read::Verdict;
use super::{Channel, Context, Link, Outputs, Pending, Queued};
use crate::app::{AppMove, AppStart, AppView, check_deltas};
use crate::command::{CommandError, Event, Outcome, Token};
use crate::message::Update;
use crate::onchain::Phase;
use crate::operation::Operation;
use crate::position::{Position, Violation};
use crate::record::Record;
use crate::rule::Rule;
use crate::rules::{Refused, Rules};
use crate::settings::Settings;
use crate::signer::SignerError;
use borsh::{BorshDeserialize, BorshSerialize};
use strait_types::{ChannelId, ChannelParams, Side, Signature, State, Version};

/// What the peer has at least after a start of this node, milliseconds, unless it has less altogether.
const RETURN_MS: u64 = 3_600_000;

/// What a channel with an app keeps beside what every channel keeps.
#[derive(Clone, PartialEq, Eq, Debug, BorshSerialize, BorshDeserialize)]
pub(super) struct AppPart {
    pub(super) start: AppStart,
    /// Number of the dispute that we want, so that the peer is made to move.
    pub(super) dispute: Option<u16>,
    /// The peer refused our version in flight, which goes to the chain.
    pub(super) is_refused: bool,
    /// The peer signed to end the dispute of this number.
    pub(super) resume: Option<(u16, Signature)>,
    /// Since when it stands as it does, milliseconds.
    pub(super) turn_ms: Option<u64>,
}

impl AppPart {
    pub(super) fn new(start: AppStart) -> AppPart {
        AppPart { start, dispute: None, is_refused: false, resume: None, turn_ms: None }
    }
}

/// What a version that became agreed means for play.
pub(super) fn play_event(operations: &[Operation], state: &State, is_ours: bool) -> Option<Event> {
    match operations {
        [Operation::Move(_)] => Some(Event::Moved { state: Box::new(state.clone()), is_ours }),
        [Operation::Finish { outcome, .. }] => {
            Some(Event::Finished { version: state.version, outcome: outcome.clone() })
        }
        _ => None,
    }
}

/// Tells of versions of ours that are countersigned.
pub(super) fn tell_play(confirmed: &[Pending], out: &mut Outputs) {
    let event = |pending: &Pending| play_event(&pending.update.operations, &pending.position.state, true);
    out.events.extend(confirmed.iter().filter_map(event));
}

impl Channel {
    /// A channel with an app that just became known, and the record that makes it durable.
    pub fn open_app(
        id: ChannelId,
        params: ChannelParams,
        side: Side,
        settings: Settings,
        start: AppStart,
    ) -> (Channel, Record) {
        let (mut channel, _) = Channel::open(id, params.clone(), side, settings.clone());
        channel.durable.app = Some(AppPart::new(start.clone()));
        (channel, Record::OpenedApp { id, params, side, settings, start })
    }

    /// What the app began with, in a channel with one.
    pub fn app_start(&self) -> Option<&AppStart> {
        self.durable.app.as_ref().map(|app| &app.start)
    }

    pub(super) fn has_app(&self) -> bool {
        self.durable.app.is_some()
    }

    pub(super) fn app_command(
        &mut self,
        ctx: &Context<'_>,
        token: Token,
        operation: Operation,
    ) -> Result<(), CommandError> {
        self.check_movable(ctx)?;
        self.step_app(ctx, &operation)?;
        self.volatile.queue.push_back(Queued::new(Some(token), operation));
        Ok(())
    }

    pub(super) fn begin_dispute(
        &mut self,
        ctx: &Context<'_>,
        token: Token,
        out: &mut Outputs,
    ) -> Result<(), CommandError> {
        let confirmed = &self.durable.confirmed.position.state;
        if self.is_paid_out() {
            return Err(CommandError::AppOver);
        }
        if self.durable.chain.head().phase != Phase::Open || self.is_leaving() || self.is_idle() {
            return Err(CommandError::NotOpen);
        }
        if confirmed.version == Version::ZERO && !self.is_child() {
            return Err(CommandError::NotStarted);
        }
        // The chain's clock would run against ourselves. Without the peer there is no other way to move.
        if self.volatile.link == Link::Up && self.is_our_turn() && !ctx.halted {
            return Err(CommandError::YourTurn);
        }
        self.want_dispute(out);
        out.done(Some(token), Ok(Outcome::Disputing));
        Ok(())
    }

    /// Lets the chain's clock run against the peer.
    pub(super) fn want_dispute(&mut self, out: &mut Outputs) {
        let facts = self.durable.chain.head();
        let number = facts.dispute;
        if facts.phase != Phase::Open || !self.has_stakes_at_risk() {
            return;
        }
        if let Some(app) = self.durable.app.as_mut().filter(|app| app.dispute != Some(number)) {
            app.dispute = Some(number);
            out.records.push(Record::Dispute { number });
        }
    }

    /// Above version 0, or with funds that only its parent's lock holds.
    fn has_stakes_at_risk(&self) -> bool {
        self.is_child() || self.durable.confirmed.position.state.version > Version::ZERO
    }

    /// The chain, or the parent, has given both their part.
    pub(super) fn is_paid_out(&self) -> bool {
        self.is_over() || matches!(self.durable.chain.head().phase, Phase::Settled(_) | Phase::Closed)
    }

    /// Whether a peer that says it was restored keeps us from moving. Once the chain's clock runs it does not: a lie
    /// would cost us the game.
    fn is_held_by_peer(&self) -> bool {
        self.volatile.peer_restoring && self.durable.chain.head().phase == Phase::Open
    }

    fn check_movable(&self, ctx: &Context<'_>) -> Result<(), CommandError> {
        let head = &self.head().state;
        if self.is_paid_out() || self.durable.confirmed.position.state.is_final {
            return Err(CommandError::AppOver);
        }
        if self.durable.restore.is_some() {
            return Err(CommandError::Restoring);
        }
        if self.is_held_by_peer() {
            return Err(CommandError::Rule(Rule::Restoring));
        }
        if !self.durable.pending.is_empty() || !self.volatile.queue.is_empty() {
            return Err(CommandError::MoveInFlight);
        }
        if head.version == Version::ZERO {
            return Err(CommandError::NotStarted);
        }
        if head.writer != self.durable.side {
            return Err(CommandError::NotYourTurn);
        }
        match self.durable.chain.head().phase {
            Phase::Open if self.is_idle() => Err(CommandError::NotOpen),
            Phase::Open if self.is_leaving() => Err(CommandError::AwaitingChain),
            Phase::Open if self.volatile.link == Link::Down => Err(CommandError::PeerOffline),
            Phase::Open if self.is_finish_under_way(ctx) => Err(CommandError::EndAgreed),
            Phase::Open => Ok(()),
            Phase::Disputed { .. } => self.check_forcible(ctx),
            Phase::Settled(_) | Phase::Closed => Err(CommandError::NotOpen),
        }
    }

    /// The version that an operation of ours makes, checked as the peer checks it.
    fn step_app(&self, ctx: &Context<'_>, operation: &Operation) -> Result<Position, CommandError> {
        let base = self.head();
        // A number that an earlier life has signed is never signed again.
        let version = base.state.version.next().filter(|version| *version > self.durable.signed_high);
        let version = version.ok_or(CommandError::Rule(Rule::StaleVersion))?;
        let next = base.next(version, &[operation.clone()].into(), &mut |_, _| Ok(()));
        let next = next.map_err(|violation| CommandError::Rule(violation.rule))?;
        self.check_rules(ctx, base, &next)?;
        Ok(next)
    }

    /// Asks the app. The start needs no permission beyond the agreement on it, but a verdict like every move.
    fn check_rules(&self, ctx: &Context<'_>, base: &Position, next: &Position) -> Result<(), Refused> {
        if next.state.is_final {
            return Ok(());
        }
        let rules = ctx.around.rules.ok_or(Refused::Unsupported)?;
        if base.state.version > Version::ZERO {
            rules.check_move(&base.state, &next.state)?;
        }
        let verdict = rules.verdict(&next.state)?;
        check_deltas(&verdict, next.state.allocations.len())
            .map_err(|_| Refused::NoAnswer("its verdict does not add up".into()))
    }

    /// Whether the deposits that count reach what both must have put in.
    pub(super) fn are_stakes_in(&self) -> bool {
        let deposits = &self.durable.chain.counted().deposits;
        let Some(app) = &self.durable.app else { return false };
        let mut pairs = app.start.stakes.iter().zip(deposits);
        pairs.all(|(stakes, deposits)| (0..2).all(|i| deposits[i] >= stakes[i]))
    }

    /// Ends a round of a channel with an app.
    pub(super) fn flush_app(&mut self, ctx: &Context<'_>, out: &mut Outputs) -> Result<(), SignerError> {
        if self.volatile.link == Link::Up && self.durable.chain.head().phase == Phase::Open {
            self.drive_finish(ctx, out);
            self.queue_start(ctx);
        }
        let Some(queued) = self.volatile.queue.pop_front() else { return Ok(()) };
        let ends = matches!(queued.operation, Operation::Finish { .. });
        let may_write = self.may_write_app(ctx, &queued.operation);
        let step = if may_write { self.step_app(ctx, &queued.operation) } else { Err(CommandError::NotOpen) };
        match step {
            Ok(position) => {
                self.begin_turn(ctx, out);
                self.write_one(ctx, queued, position, out)?;
                if ends {
                    self.end_written();
                }
            }
            Err(error) => {
                if ends {
                    self.fail_end(&error, out);
                }
                self.fail_one(queued, error, out);
            }
        }
        Ok(())
    }

    fn may_write_app(&self, ctx: &Context<'_>, operation: &Operation) -> bool {
        let is_bound = self.durable.restore.is_some() || self.is_held_by_peer();
        let may = match self.durable.chain.head().phase {
            Phase::Open => self.volatile.link == Link::Up && !self.is_leaving() && self.may_sign(operation),
            Phase::Disputed { .. } => {
                matches!(operation, Operation::Move(_)) && self.check_forcible(ctx).is_ok()
            }
            Phase::Settled(_) | Phase::Closed => false,
        };
        may && !is_bound && !ctx.halted && self.durable.pending.is_empty()
    }

    /// Below the minimum deposit an app can still be ended together.
    fn may_sign(&self, operation: &Operation) -> bool {
        let ends = matches!(operation, Operation::Finish { .. });
        self.is_admitted() || ends && !self.knows_nothing_of_chain()
    }

    /// Participant 0 signs the start as soon as both stakes are in.
    fn queue_start(&mut self, ctx: &Context<'_>) {
        let is_due = self.durable.side == Side::Zero
            && self.durable.signed_high == Version::ZERO
            && self.durable.confirmed.position.state.version == Version::ZERO
            && self.volatile.queue.is_empty()
            && ctx.around.rules.is_some()
            && !self.is_finish_under_way(ctx)
            && self.are_stakes_in();
        let Some(app) = self.durable.app.as_ref().filter(|_| is_due) else { return };
        let operation = Operation::Move(app.start.first.clone());
        if self.may_write_app(ctx, &operation) {
            self.volatile.queue.push_back(Queued::new(None, operation));
        }
    }

    /// Judges a version of the peer's that builds on what we know.
    pub(super) fn consider_app(&self, ctx: &Context<'_>, update: &Update, base: &Position) -> Verdict {
        let [operation] = &update.operations[..] else {
            return Verdict::Refuse(Rule::OperationOrder.into());
        };
        if Some(update.version) != base.state.version.next() {
            return Verdict::Fault(Rule::VersionJump);
        }
        let position = match base.next(update.version, &update.operations, &mut |_, _| Ok(())) {
            Ok(position) => position,
            Err(violation) => return Verdict::Refuse(violation),
        };
        if !self.peer_signed(ctx, position.state.hash(), &update.signature) {
            return Verdict::Fault(Rule::BadSignature);
        }
        let at = |rule| Violation { index: Some(0), rule };
        if let Err(rule) = self.judge_app(base, operation) {
            return Verdict::Refuse(at(rule));
        }
        match self.check_rules(ctx, base, &position) {
            Ok(()) => {}
            Err(Refused::Illegal | Refused::NoAnswer(_)) => return Verdict::Refuse(at(Rule::IllegalMove)),
            // Without the rules nothing can be said; the move waits for them.
            Err(Refused::Unfit(_) | Refused::Unsupported) => return Verdict::Hold(at(Rule::HoldTimeout)),
        }
        let starts = base.state.version == Version::ZERO && !position.state.is_final;
        let rests_on_deposits = starts || position.state.is_final;
        let is_covered = !rests_on_deposits || (!starts || self.are_stakes_in()) && self.is_funded(&position);
        let may_count = self.durable.chain.head().phase == Phase::Open
            && !self.is_chain_stale(ctx)
            && !ctx.halted
            && self.may_sign(operation)
            && is_covered;
        if may_count { Verdict::Accept(Box::new(position)) } else { Verdict::Hold(at(Rule::HoldTimeout)) }
    }

    fn judge_app(&self, base: &Position, operation: &Operation) -> Result<(), Rule> {
        match operation {
            Operation::Move(first) if base.state.version == Version::ZERO => {
                if self.app_start().is_some_and(|start| start.first == *first) {
                    Ok(())
                } else {
                    Err(Rule::WrongStart)
                }
            }
            Operation::Move(_) => Ok(()),
            Operation::Finish { .. } if self.durable.agreed.as_ref() == Some(operation) => Ok(()),
            Operation::Finish { .. } => Err(Rule::NotAgreed),
            _ => Err(Rule::Unsupported),
        }
    }

    /// The peer is to move, or to acknowledge.
    fn is_peers_turn(&self) -> bool {
        let confirmed = &self.durable.confirmed.position.state;
        let waits = !self.durable.pending.is_empty() || confirmed.writer != self.durable.side;
        self.has_app()
            && waits
            && self.has_stakes_at_risk()
            && !self.is_idle()
            && !confirmed.is_final
            && self.durable.chain.head().phase == Phase::Open
            && self.durable.restore.is_none()
    }

    /// When the peer will have taken too long, milliseconds.
    pub(super) fn patience_ends(&self) -> Option<u64> {
        let patience = self.durable.settings.move_patience.saturating_mul(1_000);
        let is_ordered = self.is_leaving()
            || self
                .durable
                .app
                .as_ref()
                .is_some_and(|app| app.dispute == Some(self.durable.chain.head().dispute));
        if patience == 0 || is_ordered || !self.is_peers_turn() {
            return None;
        }
        // After a start the first tick sets the time from which it counts. The peer's user could not move while we were away.
        let Some(seen) = self.volatile.turn_ms else { return Some(0) };
        let since = self.durable.app.as_ref().and_then(|app| app.turn_ms).unwrap_or(seen);
        // A clock that was ahead when it was written must not switch this off.
        let since = since.min(seen);
        Some(since.saturating_add(patience).max(seen.saturating_add(patience.min(RETURN_MS))))
    }

    pub(super) fn watch_turn(&mut self, ctx: &Context<'_>, out: &mut Outputs) {
        let Some(end) = self.patience_ends() else { return };
        let is_known = self.durable.app.as_ref().is_some_and(|app| app.turn_ms.is_some());
        if !is_known {
            self.begin_turn(ctx, out);
        } else if self.volatile.turn_ms.is_none() {
            self.volatile.turn_ms = Some(ctx.now_ms);
        } else if end <= ctx.now_ms {
            self.want_dispute(out);
        }
    }

    /// From now on whoever is to move takes its time.
    pub(super) fn begin_turn(&mut self, ctx: &Context<'_>, out: &mut Outputs) {
        let Some(app) = &mut self.durable.app else { return };
        app.turn_ms = Some(ctx.now_ms);
        self.volatile.turn_ms = Some(ctx.now_ms);
        out.records.push(Record::Turn { since_ms: ctx.now_ms });
    }

    fn is_our_turn(&self) -> bool {
        let state = &self.head().state;
        state.version > Version::ZERO
            && !state.is_final
            && self.durable.pending.is_empty()
            && state.writer == self.durable.side
    }

    /// What the app would give to participant 0 and 1, per asset, if a move of ours were the last one.
    ///
    /// # Errors
    /// Why there is no such move, whoever is there to take it: play has not begun or is over, the peer is to move, or the
    /// app's rules.
    pub fn verdict_after(&self, rules: &dyn Rules, next: &AppMove) -> Result<Vec<[i128; 2]>, CommandError> {
        let base = self.head();
        if self.is_paid_out() || self.durable.confirmed.position.state.is_final {
            return Err(CommandError::AppOver);
        }
        if self.durable.restore.is_some() {
            return Err(CommandError::Restoring);
        }
        if !self.durable.pending.is_empty() {
            return Err(CommandError::MoveInFlight);
        }
        if base.state.version == Version::ZERO {
            return Err(CommandError::NotStarted);
        }
        if base.state.writer != self.durable.side {
            return Err(CommandError::NotYourTurn);
        }
        let version = base.state.version.next().ok_or(CommandError::Rule(Rule::StaleVersion))?;
        let next = base.next(version, &[Operation::Move(next.clone())].into(), &mut |_, _| Ok(()));
        let next = next.map_err(|violation| CommandError::Rule(violation.rule))?;
        rules.check_move(&base.state, &next.state)?;
        Ok(rules.verdict(&next.state)?)
    }

    /// The app at a glance.
    pub fn app_view(&self) -> Option<AppView> {
        let app = self.durable.app.as_ref()?;
        let state = self.head().state.clone();
        let facts = self.durable.chain.head();
        Some(AppView {
            app: self.durable.params.app,
            start: app.start.clone(),
            our_turn: self.is_our_turn(),
            in_flight: !self.durable.pending.is_empty(),
            deadline: self.last_word(facts),
            claims_at: self.patience_ends().filter(|end| *end > 0).map(|end| end.div_ceil(1_000)),
            offer: self.volatile.offered.as_ref().map(|offered| offered.offer.clone()),
            proposed: self.proposed_end(),
            state,
        })
    }
}
