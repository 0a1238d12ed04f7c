//! Ending an app by agreement. Both users ask for the same outcome. Who is not to move proposes it and, once the other has
//! agreed for good, writes it: so who is to move has signed nothing until it countersigns, and can still move.

use super::{Channel, Context, Link, Outputs, Queued, Work};
use crate::app::{FinishOffer, check_deltas};
use crate::command::{CommandError, Event, Token};
use crate::message::Body;
use crate::onchain::Phase;
use crate::operation::Operation;
use crate::record::Record;
use crate::rule::Rule;
use strait_types::Version;

/// What our user wants.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Finish {
    /// None: it was offered, and nothing better is possible.
    token: Option<Token>,
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
    pub(super) fn begin_finish(&mut self, token: Token, outcome: Vec<[i128; 2]>) -> Result<(), CommandError> {
        self.check_usable()?;
        let head = &self.head().state;
        if head.version == Version::ZERO {
            return Err(CommandError::NotStarted);
        }
        if head.is_final {
            return Err(CommandError::Rule(Rule::Finished));
        }
        if !self.durable.pending.is_empty() {
            return Err(CommandError::MoveInFlight);
        }
        // The peer may have lost what it would have written: an agreement does not keep from asking again.
        if self.volatile.finish.is_some() {
            return Err(CommandError::Busy);
        }
        self.check_outcome(&outcome).map_err(CommandError::Rule)?;
        let version = head.version;
        self.volatile.finish = Some(Finish { token: Some(token), version, outcome, told: None });
        Ok(())
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

    fn is_to_move(&self) -> bool {
        self.head().state.writer == self.durable.side
    }

    /// Tells the peer what our user wants, and ends what the app has moved on from.
    pub(super) fn drive_finish(&mut self, ctx: &Context<'_>, out: &mut Outputs) {
        let version = self.head().state.version;
        self.volatile.offered.take_if(|offered| offered.offer.version != version);
        if let Some(finish) = self.volatile.finish.take_if(|finish| finish.version != version) {
            out.done(finish.token, Err(CommandError::PeerRefused(Rule::NotAgreed)));
        }
        if self.volatile.link != Link::Up || !self.durable.pending.is_empty() {
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
        if let Err(rule) = self.judge_finish(ctx, &operation) {
            out.messages.push(Body::Answer { id, refused: Some(rule) });
            return;
        }
        let Operation::Finish { outcome, .. } = &operation else { return };
        self.note_offer(FinishOffer { version: self.head().state.version, outcome: outcome.clone() }, out);
        if let Some(offered) = &mut self.volatile.offered {
            offered.proposal = Some((id, operation));
        }
        self.agree_to_finish(ctx, out);
    }

    fn judge_finish(&self, ctx: &Context<'_>, operation: &Operation) -> Result<(), Rule> {
        let Operation::Finish { outcome, valid_until } = operation else { return Err(Rule::Unsupported) };
        if !self.is_to_move() || !self.durable.pending.is_empty() {
            return Err(Rule::NotWriter);
        }
        if self.head().state.is_final || self.head().state.version == Version::ZERO {
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
        self.check_outcome(outcome)
    }

    /// Agrees for good to a proposal that is what our user wants.
    fn agree_to_finish(&mut self, ctx: &Context<'_>, out: &mut Outputs) {
        let Some(Offered { proposal: Some((id, operation)), offer }) = &self.volatile.offered else { return };
        let is_wanted = self.volatile.finish.as_ref().is_some_and(|finish| finish.outcome == offer.outcome)
            || self.gives_us_all(&offer.outcome);
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
            && self.check_outcome(&offer.outcome).is_ok();
        if !fits {
            return;
        }
        if self.gives_us_all(&offer.outcome) && self.volatile.finish.is_none() && self.check_usable().is_ok()
        {
            let (version, outcome) = (offer.version, offer.outcome.clone());
            self.volatile.finish = Some(Finish { token: None, version, outcome, told: None });
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
        let is_ours = |finish: &mut Finish| finish.told.as_ref().is_some_and(|(told, _)| *told == id);
        let Some(finish) = self.volatile.finish.take_if(is_ours) else { return };
        match (refused, finish.told) {
            (None, Some((_, operation))) => {
                self.volatile.queue.push_front(Queued::new(finish.token, operation));
            }
            (Some(rule), _) => out.done(finish.token, Err(CommandError::PeerRefused(rule))),
            (None, None) => {}
        }
    }

    /// Both signed the end, or will have: our user's wish is fulfilled.
    pub(super) fn finish_accepted(&mut self, version: Version, out: &mut Outputs) {
        if let Some(finish) = self.volatile.finish.take() {
            out.done(finish.token, Ok(crate::command::Outcome::Agreed { version }));
        }
    }

    pub(super) fn fail_finish(&mut self, error: &CommandError, out: &mut Outputs) {
        self.volatile.offered = None;
        if let Some(finish) = self.volatile.finish.take() {
            out.done(finish.token, Err(error.clone()));
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
