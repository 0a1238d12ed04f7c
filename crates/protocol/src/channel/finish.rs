//! Ending an app by agreement. Both users ask for the same outcome. Who is not to move proposes it and, once the other has
//! agreed for good, writes it: so who is to move has signed nothing until it countersigns, and can still move.

use super::outcome::Ticket;
use super::{Channel, Context, Link, Outputs, Queued, Work};
use crate::app::{FinishOffer, check_deltas};
use crate::command::{CommandError, Event, Outcome, Token};
use crate::message::Body;
use crate::onchain::Phase;
use crate::operation::Operation;
use crate::record::Record;
use crate::rule::Rule;
use strait_types::{State, Version};

/// What our user wants.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Finish {
    /// Who waits for it. None: it was offered, and nothing better is possible.
    tokens: Vec<Token>,
    /// Version that it rests on.
    version: Version,
    outcome: Vec<[i128; 2]>,
    /// The peer was told. As its proposer: the operation and the proposal's number.
    told: Option<(u64, Operation)>,
}

/// What the peer wants.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Offered {
    pub(super) offer: FinishOffer,
    /// The peer's proposal, which waits for our answer.
    proposal: Option<(u64, Operation)>,
}

impl Channel {
    /// Asks for an end. The same one joins what is under way or agreed; another one takes the place of what the peer
    /// has not agreed to: a proposal is no signature, and only the newest one is ever written.
    pub(super) fn begin_finish(
        &mut self,
        ctx: &Context<'_>,
        token: Token,
        outcome: Vec<[i128; 2]>,
        out: &mut Outputs,
    ) -> Result<(), CommandError> {
        if self.joins_end(token, &outcome, out) {
            return Ok(());
        }
        if self.is_paid_out() || self.durable.confirmed.position.state.is_final {
            return Err(CommandError::AppOver);
        }
        self.check_usable()?;
        if !self.durable.pending.is_empty() || self.has_queued_end() {
            return Err(CommandError::MoveInFlight);
        }
        self.check_end(&outcome)?;
        // The peer may have lost what it would have written: an agreement does not keep from asking again.
        if self.is_bound_to_another(ctx, &outcome) {
            return Err(CommandError::EndAgreed);
        }
        let version = self.head().state.version;
        let finish = Finish { tokens: vec![token], version, outcome, told: None };
        if let Some(replaced) = self.volatile.finish.replace(finish) {
            fail(replaced, &CommandError::EndReplaced, out);
        }
        Ok(())
    }

    /// Whether the same end is agreed, being written, or asked for already; the caller then hears of that one.
    fn joins_end(&mut self, token: Token, outcome: &[[i128; 2]], out: &mut Outputs) -> bool {
        let confirmed = &self.durable.confirmed.position.state;
        if confirmed.is_final {
            let is_same = confirmed.allocations.iter().map(|of| of.delta).eq(outcome.iter().copied());
            if is_same {
                out.done(Some(token), Ok(Outcome::Agreed { version: confirmed.version }));
            }
            return is_same;
        }
        if let Some(pending) = self.durable.pending.back_mut() {
            let is_same = matches!(&pending.update.operations[..], [Operation::Finish { outcome: o, .. }] if o == outcome);
            if is_same {
                pending.tickets.push(ticket(token, pending.update.version));
            }
            return is_same;
        }
        match self.volatile.finish.as_mut().filter(|finish| finish.outcome == outcome) {
            Some(finish) => {
                finish.tokens.push(token);
                true
            }
            None => false,
        }
    }

    /// The peer has agreed, and our version is about to be written.
    fn has_queued_end(&self) -> bool {
        matches!(self.volatile.queue.front(), Some(Queued { operation: Operation::Finish { .. }, .. }))
    }

    /// We agreed for good to another end, which the peer may be writing.
    fn is_bound_to_another(&self, ctx: &Context<'_>, wanted: &[[i128; 2]]) -> bool {
        let agreed = self.durable.agreed.as_ref();
        self.is_finish_under_way(ctx)
            && !matches!(agreed, Some(Operation::Finish { outcome, .. }) if outcome == wanted)
    }

    /// Whether an end is possible as things stand. Before play has begun nobody has anything to win.
    fn check_end(&self, outcome: &[[i128; 2]]) -> Result<(), CommandError> {
        let begins = self.head().state.version == Version::ZERO;
        if begins && (self.knows_nothing_of_chain() || outcome.iter().any(|deltas| *deltas != [0, 0])) {
            return Err(CommandError::NotStarted);
        }
        self.check_outcome(outcome).map_err(CommandError::Rule)
    }

    /// Whether the deposits cover an outcome, so that `close` can execute it.
    fn check_outcome(&self, outcome: &[[i128; 2]]) -> Result<(), Rule> {
        check_deltas(outcome, self.durable.params.assets.len())?;
        let deposits = &self.durable.chain.counted().deposits;
        let is_covered = outcome.iter().zip(deposits).all(|(deltas, deposits)| {
            (0..2).all(|i| deposits[i].signed().checked_add(deltas[i]).is_some_and(|left| left >= 0))
        });
        if is_covered { Ok(()) } else { Err(Rule::Overdraw) }
    }

    /// Nothing better than this can come of the app.
    fn gives_us_all(&self, outcome: &[[i128; 2]]) -> bool {
        let (own, peer) = (self.durable.side.index(), self.durable.side.other().index());
        let deposits = &self.durable.chain.counted().deposits;
        outcome.iter().zip(deposits).all(|(deltas, deposits)| deltas[own] == deposits[peer].signed())
    }

    /// Nothing that would end the app costs us anything: play has not begun, and we have put nothing in.
    fn has_nothing_in(&self) -> bool {
        let own = self.durable.side.index();
        let deposits = &self.durable.chain.head().deposits;
        self.head().state.version == Version::ZERO && deposits.iter().all(|pair| pair[own].is_zero())
    }

    fn is_to_move(&self) -> bool {
        self.head().state.writer == self.durable.side
    }

    /// Tells the peer what our user wants, and ends what the app has moved on from.
    pub(super) fn drive_finish(&mut self, ctx: &Context<'_>, out: &mut Outputs) {
        let version = self.head().state.version;
        self.volatile.offered.take_if(|offered| offered.offer.version != version);
        if let Some(finish) = self.volatile.finish.take_if(|finish| finish.version != version) {
            fail(finish, &CommandError::EndOvertaken, out);
        }
        if self.has_queued_end() && (self.volatile.finish.is_none() || self.is_to_move()) {
            // The peer agreed, and moved or took it back: on the state after that it would be no end, and we could not move.
            self.volatile.queue.pop_front();
        }
        // What the peer has agreed to is written as it was proposed.
        if self.volatile.link != Link::Up || !self.durable.pending.is_empty() || self.has_queued_end() {
            return;
        }
        let is_to_move = self.is_to_move();
        let Work { finish, next_proposal, progress_ms, .. } = &mut *self.volatile.work;
        let Some(finish) = finish.as_mut().filter(|finish| finish.told.is_none()) else { return };
        let id = *next_proposal;
        *next_proposal = id.wrapping_add(1);
        let valid_until = ctx.head_time.saturating_add(self.durable.settings.execution_window);
        let operation = Operation::Finish { outcome: finish.outcome.clone(), valid_until };
        finish.told = Some((id, operation.clone()));
        *progress_ms = ctx.now_ms;
        out.messages.push(if is_to_move {
            Body::OfferFinish { version, outcome: finish.outcome.clone() }
        } else {
            Body::Propose { id, operation }
        });
        self.agree_to_finish(ctx, out);
    }

    pub(super) fn on_finish_proposed(
        &mut self,
        ctx: &Context<'_>,
        id: u64,
        operation: Operation,
        out: &mut Outputs,
    ) {
        if self.volatile.newest_end.is_some_and(|newest| id < newest) {
            // It comes late: its proposer writes the newest one, and we must not agree to another instead.
            return;
        }
        self.volatile.newest_end = Some(id);
        if let Err(rule) = self.judge_finish(ctx, &operation) {
            out.messages.push(Body::Answer { id, refused: Some(rule) });
            return;
        }
        let Operation::Finish { outcome, .. } = &operation else { return };
        if self.is_bound_to_another(ctx, outcome) {
            // The peer writes only what it proposed last: it has let go of what we agreed to.
            self.volatile.agreed_ms = Some(0);
        }
        self.note_offer(FinishOffer { version: self.head().state.version, outcome: outcome.clone() }, out);
        if let Some(offered) = &mut self.volatile.offered {
            offered.proposal = Some((id, operation));
        }
        self.agree_to_finish(ctx, out);
    }

    fn judge_finish(&self, ctx: &Context<'_>, operation: &Operation) -> Result<(), Rule> {
        let Operation::Finish { outcome, valid_until } = operation else { return Err(Rule::Unsupported) };
        // A move of ours that is about to be written is not taken back for it.
        if !self.is_to_move() || !self.durable.pending.is_empty() || !self.volatile.queue.is_empty() {
            return Err(Rule::NotWriter);
        }
        if self.head().state.is_final {
            return Err(Rule::Finished);
        }
        if self.durable.restore.is_some() || self.volatile.peer_restoring {
            return Err(Rule::Restoring);
        }
        if self.durable.chain.head().phase != Phase::Open || self.is_leaving() {
            return Err(Rule::NotOpen);
        }
        let latest = ctx.head_time.saturating_add(self.latest_limit());
        if *valid_until <= ctx.head_time || *valid_until > latest {
            return Err(Rule::ValidUntil);
        }
        self.check_end(outcome).map_err(|error| match error {
            CommandError::Rule(rule) => rule,
            _ => Rule::NotAgreed,
        })
    }

    /// Agrees for good to a proposal that is what our user wants.
    fn agree_to_finish(&mut self, ctx: &Context<'_>, out: &mut Outputs) {
        let Some(Offered { proposal: Some((id, operation)), offer }) = &self.volatile.offered else { return };
        let is_wanted = self.volatile.finish.as_ref().is_some_and(|finish| finish.outcome == offer.outcome)
            || self.gives_us_all(&offer.outcome)
            || self.has_nothing_in();
        if !is_wanted || self.judge_finish(ctx, operation).is_err() {
            return;
        }
        out.messages.push(Body::Answer { id: *id, refused: None });
        let operation = operation.clone();
        self.volatile.agreed_ms = Some(ctx.now_ms);
        if self.durable.agreed.as_ref() != Some(&operation) {
            out.records.push(Record::Agreed(operation.clone()));
            self.durable.agreed = Some(operation);
        }
    }

    /// The peer, who is to move, would end it so.
    pub(super) fn on_finish_offered(&mut self, offer: FinishOffer, out: &mut Outputs) {
        let fits = offer.version == self.head().state.version
            && self.head().state.writer != self.durable.side
            && self.check_end(&offer.outcome).is_ok();
        if !fits {
            return;
        }
        let costs_nothing = self.gives_us_all(&offer.outcome) || self.has_nothing_in();
        if costs_nothing && self.volatile.finish.is_none() && self.check_usable().is_ok() {
            let (version, outcome) = (offer.version, offer.outcome.clone());
            self.volatile.finish = Some(Finish { tokens: Vec::new(), version, outcome, told: None });
        }
        self.note_offer(offer, out);
    }

    fn note_offer(&mut self, offer: FinishOffer, out: &mut Outputs) {
        if self.volatile.offered.as_ref().is_none_or(|offered| offered.offer != offer) {
            let FinishOffer { version, outcome } = offer.clone();
            out.events.push(Event::FinishOffered { version, outcome });
            self.volatile.offered = Some(Offered { offer, proposal: None });
        }
    }

    pub(super) fn on_finish_answered(&mut self, id: u64, refused: Option<Rule>, out: &mut Outputs) {
        if self.is_to_move() {
            // What we are to move in we have offered, and never write: signed by us it would keep us from moving.
            return;
        }
        let ours = self.volatile.finish.as_ref().and_then(|finish| finish.told.as_ref());
        let Some(operation) = ours.filter(|(told, _)| *told == id).map(|(_, operation)| operation.clone())
        else {
            return;
        };
        match refused {
            // An answer that comes twice is one.
            None if !self.has_queued_end() => self.volatile.queue.push_front(Queued::new(None, operation)),
            None => {}
            Some(rule) => self.fail_end(&CommandError::PeerRefused(rule), out),
        }
    }

    /// Our version that ends the app is written: who waits for it hears of its countersignature.
    pub(super) fn end_written(&mut self) {
        let Some(pending) = self.durable.pending.back_mut() else { return };
        if let Some(finish) = self.volatile.work.finish.take() {
            let version = pending.update.version;
            pending.tickets.extend(finish.tokens.into_iter().map(|token| ticket(token, version)));
        }
    }

    /// The peer's version ends the app: our user's wish is fulfilled, or overtaken by what it agreed to before.
    pub(super) fn finish_accepted(&mut self, state: &State, out: &mut Outputs) {
        let Some(finish) = self.volatile.finish.take() else { return };
        if state.allocations.iter().map(|of| of.delta).eq(finish.outcome.iter().copied()) {
            for token in finish.tokens {
                out.done(Some(token), Ok(Outcome::Agreed { version: state.version }));
            }
        } else {
            fail(finish, &CommandError::EndReplaced, out);
        }
    }

    pub(super) fn fail_finish(&mut self, error: &CommandError, out: &mut Outputs) {
        self.volatile.offered = None;
        self.fail_end(error, out);
    }

    pub(super) fn fail_end(&mut self, error: &CommandError, out: &mut Outputs) {
        if let Some(finish) = self.volatile.finish.take() {
            fail(finish, error, out);
        }
    }

    /// What our user has asked for.
    pub(super) fn proposed_end(&self) -> Option<Vec<[i128; 2]>> {
        self.volatile.finish.as_ref().map(|finish| finish.outcome.clone())
    }

    pub(super) fn is_finish_told(&self) -> bool {
        self.volatile.finish.as_ref().is_some_and(|finish| finish.told.is_some())
    }

    /// After a lost message: told anew, with a fresh limit.
    pub(super) fn tell_finish_again(&mut self) {
        if let Some(finish) = &mut self.volatile.finish {
            finish.told = None;
        }
    }

    /// We agreed for good, and the peer has had no time to write it.
    pub(super) fn is_finish_under_way(&self, ctx: &Context<'_>) -> bool {
        let since = self.volatile.agreed_ms.unwrap_or(ctx.now_ms);
        self.durable.agreed.is_some()
            && ctx.now_ms.saturating_sub(since) < self.durable.settings.hold_timeout_ms
    }
}

fn ticket(token: Token, version: Version) -> Ticket {
    Ticket { token, outcome: Outcome::Agreed { version }, index: 0, stood: Vec::new() }
}

fn fail(finish: Finish, error: &CommandError, out: &mut Outputs) {
    for token in finish.tokens {
        out.done(Some(token), Err(error.clone()));
    }
}
