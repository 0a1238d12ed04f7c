//! Forced play: what this side wants on chain of a channel with an app, and how it goes on from what the chain recorded.

use super::{Channel, Confirmed, Context, Link, Outputs, Pending};
use crate::command::{CommandError, Event};
use crate::message::Body;
use crate::onchain::{ChainAction, Deadline, Facts, Phase};
use crate::operation::Operation;
use crate::position::Position;
use crate::record::Record;
use strait_types::{Signature, State, Version};

/// Disputes of a channel that this side lets end: each costs whoever is in the right a transaction.
const MAX_RESUMES: u16 = 3;

/// Whether the app decides what the state is worth when its writer does not move.
fn is_forced(state: &State) -> bool {
    state.version > Version::ZERO && !state.is_final
}

/// Whether the chain asks the app about a call: not about what both signed.
fn is_asked_of_app(action: &ChainAction) -> bool {
    match action {
        ChainAction::Progress(..) => true,
        ChainAction::Settle(recorded) => is_forced(recorded),
        _ => false,
    }
}

impl Channel {
    pub(super) fn wanted_by_app(&self, ctx: &Context<'_>) -> Vec<ChainAction> {
        let facts = self.durable.chain.head();
        match &facts.phase {
            Phase::Open if self.is_given_up() => Vec::new(),
            Phase::Open => self.wanted_before_dispute(ctx, facts).into_iter().collect(),
            Phase::Disputed { deadline, moves, .. } => {
                let is_showing = *moves == 0 && ctx.head_time <= *deadline;
                let close = self.agreed_close(ctx, facts);
                if close.is_some() && !self.is_close_late(ctx, *deadline) {
                    return close.into_iter().collect();
                }
                close.into_iter().chain(self.wanted_in_play(ctx, facts, is_showing)).collect()
            }
            Phase::Settled(_) | Phase::Closed => Vec::new(),
        }
    }

    fn wanted_before_dispute(&self, ctx: &Context<'_>, facts: &Facts) -> Option<ChainAction> {
        let ordered = self.durable.app.as_ref().is_some_and(|app| app.dispute == Some(facts.dispute));
        // An agreed end that was not executed within its limit goes the long way; that of a child, which its parent takes
        // over, only when it must.
        let is_late = self.durable.confirmed.position.state.is_final && self.durable.execution.is_none();
        let must = self.is_leaving() || ordered || is_late && !self.is_child();
        if self.is_child() && !must {
            return None;
        }
        let execution = self.durable.execution.as_ref().and_then(|e| self.executable(ctx, facts, e));
        execution.or_else(|| must.then(|| self.challenge(ctx, facts))?)
    }

    fn wanted_in_play(&self, ctx: &Context<'_>, facts: &Facts, is_showing: bool) -> Option<ChainAction> {
        let step = self.step_in_play(ctx, facts, is_showing)?;
        if !is_asked_of_app(&step) {
            return Some(step);
        }
        match ctx.around.is_deployed? {
            true => Some(step),
            false => Some(ChainAction::DeployApp(ctx.around.runtime?.to_vec().into())),
        }
    }

    /// Whether what this side wants on chain next needs the app's code there.
    pub fn asks_app(&self, ctx: &Context<'_>) -> bool {
        let facts = self.durable.chain.head();
        let Phase::Disputed { deadline, moves, .. } = facts.phase else { return false };
        let is_showing = moves == 0 && ctx.head_time <= deadline;
        self.has_app() && self.step_in_play(ctx, facts, is_showing).as_ref().is_some_and(is_asked_of_app)
    }

    /// What is due in a dispute, as if the chain had the app's code.
    fn step_in_play(&self, ctx: &Context<'_>, facts: &Facts, is_showing: bool) -> Option<ChainAction> {
        let recorded = facts.recorded.as_ref()?;
        if let Some(resume) = self.resume_call(ctx, facts) {
            return Some(resume);
        }
        let higher = self.higher_than(ctx, recorded);
        if is_showing {
            return higher.map(|(state, both)| ChainAction::Respond(state, both, facts.record()));
        }
        let settles = ctx.head_time > self.last_word(facts)?;
        Some(match higher {
            _ if settles => ChainAction::Settle(recorded.clone()),
            Some((state, both)) if is_forced(recorded) => {
                ChainAction::ProgressAgreed(recorded.clone(), state, both)
            }
            _ => {
                let (next, signature) = self.move_from(recorded)?;
                ChainAction::Progress(recorded.clone(), Box::new(next), signature)
            }
        })
    }

    fn higher_than(&self, ctx: &Context<'_>, recorded: &State) -> Option<(Box<State>, [Signature; 2])> {
        let confirmed = &self.durable.confirmed;
        let peer = confirmed.peer_signature?;
        if confirmed.position.state.version <= recorded.version {
            return None;
        }
        let own = self.sign_state(ctx, confirmed.hash).ok()?;
        Some((Box::new(confirmed.position.state.clone()), self.in_order(own, peer)))
    }

    /// Our signed move from the recorded state, in flight or refused.
    fn move_from(&self, recorded: &State) -> Option<(State, Signature)> {
        let pending = self.durable.pending.front()?;
        let next = &pending.position.state;
        let is_move = matches!(pending.update.operations[..], [Operation::Move(_)]);
        let follows = next.history == recorded.hash() && recorded.writer == self.durable.side;
        (is_move && follows).then(|| (next.clone(), pending.update.signature))
    }

    /// Last second at which the recorded state's writer may move; of what needs no move, that of the dispute.
    pub(super) fn last_word(&self, facts: &Facts) -> Option<u64> {
        let Phase::Disputed { deadline, moves, .. } = facts.phase else { return None };
        let recorded = facts.recorded.as_ref()?;
        let own_period = u64::from(self.durable.params.challenge_duration);
        let has_period = moves == 0 && is_forced(recorded);
        Some(if has_period { deadline.saturating_add(own_period) } else { deadline })
    }

    pub(super) fn app_deadlines(&self, facts: &Facts) -> Vec<Deadline> {
        let Phase::Disputed { deadline, moves, .. } = facts.phase else { return Vec::new() };
        let Some(recorded) = &facts.recorded else { return Vec::new() };
        let period = u64::from(self.durable.params.challenge_duration);
        let mut deadlines = Vec::new();
        if moves == 0 && recorded.version < self.durable.confirmed.position.state.version {
            deadlines.push(Deadline { call: "respond", at: deadline, period });
        }
        if let Some(at) = self.last_word(facts)
            && is_forced(recorded)
            && recorded.writer == self.durable.side
        {
            // Before our user has moved nothing can be called.
            let call = if self.durable.pending.is_empty() { "move" } else { "progress" };
            deadlines.push(Deadline { call, at, period });
        }
        deadlines
    }

    /// Whether a move can be signed for the chain: it has recorded, at depth, what the move builds on.
    pub(super) fn check_forcible(&self, ctx: &Context<'_>) -> Result<(), CommandError> {
        let (head, counted) = (self.durable.chain.head(), self.durable.chain.counted());
        let is_base = |facts: &Facts| {
            facts.recorded.as_ref().is_some_and(|recorded| recorded.hash() == self.durable.confirmed.hash)
        };
        if !is_base(head) || !is_base(counted) {
            return Err(CommandError::AwaitingChain);
        }
        match self.last_word(head) {
            Some(last) if ctx.head_time <= last => Ok(()),
            _ => Err(CommandError::NotOpen),
        }
    }

    /// Goes on from what the chain has recorded at depth, when that is above what both signed.
    pub(super) fn adopt_recorded(&mut self, ctx: &Context<'_>, out: &mut Outputs) {
        let facts = self.durable.chain.counted();
        let Some(recorded) = facts.recorded.as_deref().filter(|_| self.has_app()) else { return };
        let confirmed = &self.durable.confirmed;
        let (own, theirs) = (confirmed.position.state.version, recorded.version);
        let was_forced = matches!(facts.phase, Phase::Disputed { moves, .. } if moves > 0);
        let counts = theirs > own || (theirs == own && was_forced && recorded.hash() != confirmed.hash);
        if !counts {
            return;
        }
        let state = recorded.clone();
        out.records.push(Record::Forced(Box::new(state.clone())));
        let overtaken = self.apply_forced(state.clone());
        self.begin_turn(ctx, out);
        let mut is_ours = false;
        for Pending { hash, tickets, .. } in overtaken {
            let counts = hash == self.durable.confirmed.hash;
            is_ours |= counts;
            for ticket in tickets {
                let result = if counts { Ok(ticket.outcome) } else { Err(CommandError::NotOpen) };
                out.done(Some(ticket.token), result);
            }
        }
        out.events.push(Event::Moved { state: Box::new(state), is_ours });
    }

    /// Returns what was in flight.
    pub(super) fn apply_forced(&mut self, state: State) -> Vec<Pending> {
        let writer = self.durable.confirmed.position.state.writer;
        let payments = self.durable.confirmed.position.payments;
        let position = Position { state, locks: Vec::new(), payments, locks_added: 0 };
        let hash = position.state.hash();
        self.durable.confirmed = Confirmed { position, hash, peer_signature: None, writer };
        self.durable.agreed = None;
        if let Some(app) = &mut self.durable.app {
            app.is_refused = false;
        }
        std::mem::take(&mut self.durable.pending).into()
    }

    // ---- the dispute's end by agreement

    /// Whether the dispute may end and the channel live on, for all that we know.
    fn may_resume(&self, facts: &Facts, ctx: &Context<'_>) -> bool {
        let counted = self.durable.chain.counted();
        let Some(recorded) = facts.recorded.as_ref() else { return false };
        let confirmed = &self.durable.confirmed.position.state;
        let is_seen = matches!(counted.phase, Phase::Disputed { .. }) && counted.dispute == facts.dispute;
        let is_refused = self.durable.app.as_ref().is_none_or(|app| app.is_refused)
            || self.durable.refused_high > confirmed.version;
        let owes_us = confirmed.writer != self.durable.side && self.durable.pending.is_empty();
        is_seen
            && !is_refused
            // A peer that is here and lets us wait is made to move first.
            && (!owes_us || self.volatile.came_back)
            && is_forced(confirmed)
            && recorded.version <= confirmed.version
            && facts.dispute < MAX_RESUMES
            && !self.is_leaving()
            && self.durable.restore.is_none()
            && self.last_word(facts).is_some_and(|last| ctx.head_time <= last)
    }

    /// Offers the peer to end the dispute.
    pub(super) fn offer_resume(&mut self, ctx: &Context<'_>, out: &mut Outputs) {
        let facts = self.durable.chain.head();
        let dispute = facts.dispute;
        if self.volatile.link == Link::Down
            || self.volatile.resume_sent == Some(dispute)
            || !self.may_resume(facts, ctx)
        {
            return;
        }
        let digest = ctx.domain.resume_digest(self.durable.id, dispute);
        // Without the key it is offered with the next block.
        let Ok(signature) = ctx.signer.sign(digest) else { return };
        self.volatile.resume_sent = Some(dispute);
        out.messages.push(Body::Resume { dispute, signature });
    }

    pub(super) fn on_resume(
        &mut self,
        ctx: &Context<'_>,
        dispute: u16,
        signature: Signature,
        out: &mut Outputs,
    ) {
        let digest = ctx.domain.resume_digest(self.durable.id, dispute);
        if !self.has_app() || signature.verify(digest, self.peer()).is_err() {
            out.fault(crate::rule::Rule::BadSignature);
            return;
        }
        let current = self.durable.chain.head().dispute;
        if let Some(app) = self.durable.app.as_mut().filter(|app| app.resume.is_none_or(|(of, _)| of < dispute))
            // The peer may be some blocks ahead, but not disputes.
            && dispute <= current.saturating_add(1)
        {
            app.resume = Some((dispute, signature));
            out.records.push(Record::Resume { dispute, signature });
        }
        self.offer_resume(ctx, out);
    }

    fn resume_call(&self, ctx: &Context<'_>, facts: &Facts) -> Option<ChainAction> {
        let (_, peer) = self.durable.app.as_ref()?.resume.filter(|(dispute, _)| *dispute == facts.dispute)?;
        if !self.may_resume(facts, ctx) {
            return None;
        }
        let own = ctx.signer.sign(ctx.domain.resume_digest(self.durable.id, facts.dispute)).ok()?;
        Some(ChainAction::Resume(facts.record()?, self.in_order(own, peer)))
    }
}
