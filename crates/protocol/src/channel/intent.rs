//! What needs the reader's agreement first: a withdrawal, a close.

use super::{Channel, Context, Outputs, Queued};
use crate::child::NewChild;
use crate::command::{CommandError, Event, Token};
use crate::message::Body;
use crate::onchain::Phase;
use crate::operation::Operation;
use crate::record::Record;
use crate::rule::Rule;
use strait_types::{Amount, AssetIndex, LockKind};

/// How far a proposal has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Stage {
    /// Waits for the pen and for versions in flight.
    Waiting,
    /// Waits for the answer.
    Proposed {
        /// The proposal.
        id: u64,
        /// The operation.
        operation: Operation,
    },
}

/// A command that is being negotiated; one at a time.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Intent {
    /// Takes an amount out.
    Withdraw { token: Token, asset: AssetIndex, amount: Amount, stage: Stage },
    /// Opens a child channel.
    OpenChild { token: Token, new: NewChild, stage: Stage },
    /// Closes.
    Close { token: Token, stage: Stage },
}

impl Intent {
    pub(super) fn is_close(&self) -> bool {
        matches!(self, Intent::Close { .. })
    }

    pub(super) fn token(&self) -> Token {
        match self {
            Intent::Withdraw { token, .. }
            | Intent::OpenChild { token, .. }
            | Intent::Close { token, .. } => *token,
        }
    }

    fn stage(&mut self) -> &mut Stage {
        match self {
            Intent::Withdraw { stage, .. }
            | Intent::OpenChild { stage, .. }
            | Intent::Close { stage, .. } => stage,
        }
    }

    pub(super) fn is_proposed(&self) -> bool {
        match self {
            Intent::Withdraw { stage, .. }
            | Intent::OpenChild { stage, .. }
            | Intent::Close { stage, .. } => *stage != Stage::Waiting,
        }
    }

    /// After a lost message: the proposal is made anew.
    pub(super) fn propose_again(&mut self) {
        *self.stage() = Stage::Waiting;
    }
}

impl Channel {
    pub(super) fn begin_withdraw(
        &mut self,
        token: Token,
        asset: AssetIndex,
        amount: Amount,
    ) -> Result<(), CommandError> {
        if amount.is_zero() {
            return Err(CommandError::ZeroAmount);
        }
        if asset.index() >= self.durable.params.assets.len() {
            return Err(CommandError::Rule(Rule::UnknownAsset));
        }
        self.begin(Intent::Withdraw { token, asset, amount, stage: Stage::Waiting })
    }

    pub(super) fn begin_close(&mut self, token: Token) -> Result<(), CommandError> {
        if self.open_children() > 0 {
            return Err(CommandError::ChildrenOpen(self.open_children()));
        }
        if self.head().locks.iter().any(|entry| entry.lock.kind == LockKind::Hash) {
            return Err(CommandError::Rule(Rule::LocksPending));
        }
        self.begin(Intent::Close { token, stage: Stage::Waiting })
    }

    fn begin(&mut self, intent: Intent) -> Result<(), CommandError> {
        if self.volatile.intent.is_some() || self.durable.execution.is_some() {
            return Err(CommandError::Busy);
        }
        self.volatile.intent = Some(intent);
        Ok(())
    }

    /// Proposes once we hold the pen and nothing is in flight.
    pub(super) fn drive_intent(&mut self, ctx: &Context<'_>, out: &mut Outputs) {
        if !self.is_writer() || !self.durable.pending.is_empty() || self.volatile.peer_restoring {
            return;
        }
        let Some(intent) = &self.volatile.intent else { return };
        if intent.is_proposed() {
            return;
        }
        if intent.is_close() && !self.volatile.queue.is_empty() {
            return;
        }
        match self.proposal(ctx) {
            Ok(operation) => {
                let id = self.volatile.next_proposal;
                self.volatile.next_proposal = id.wrapping_add(1);
                out.messages.push(Body::Propose { id, operation: operation.clone() });
                self.volatile.progress_ms = ctx.now_ms;
                if let Some(intent) = &mut self.volatile.intent {
                    *intent.stage() = Stage::Proposed { id, operation };
                }
            }
            Err(error) => {
                if let Some(intent) = self.volatile.intent.take() {
                    out.done(Some(intent.token()), Err(error));
                }
            }
        }
    }

    fn proposal(&self, ctx: &Context<'_>) -> Result<Operation, CommandError> {
        if self.durable.execution.is_some() {
            return Err(CommandError::Busy);
        }
        match &self.volatile.intent {
            Some(Intent::OpenChild { new, .. }) => {
                let version = self.next_version().ok_or(CommandError::Rule(Rule::StaleVersion))?;
                return self.opening(ctx, new, version);
            }
            _ if self.is_child() => return Ok(Operation::Finalise { valid_until: u64::MAX }),
            _ => {}
        }
        let valid_until = ctx.head_time.saturating_add(self.durable.settings.execution_window);
        match &self.volatile.intent {
            Some(Intent::Withdraw { asset, amount, .. }) => {
                let available = self.available().get(asset.index()).copied().unwrap_or(0);
                if amount.units() > available {
                    let available = Amount::new(available).unwrap_or(Amount::MAX);
                    return Err(CommandError::InsufficientBalance { available, wanted: *amount });
                }
                let side = self.durable.side;
                Ok(Operation::Withdraw { side, asset: *asset, amount: *amount, valid_until })
            }
            _ if self.open_children() > 0 => Err(CommandError::ChildrenOpen(self.open_children())),
            _ if !self.head().locks.is_empty() => Err(CommandError::Rule(Rule::LocksPending)),
            _ => Ok(Operation::Finalise { valid_until }),
        }
    }

    pub(super) fn on_answer(&mut self, id: u64, refused: Option<Rule>, out: &mut Outputs) {
        let Some(intent) = &mut self.volatile.intent else { return };
        let token = intent.token();
        let operation = match intent.stage() {
            Stage::Proposed { id: expected, operation } if *expected == id => operation.clone(),
            _ => return,
        };
        self.volatile.intent = None;
        match refused {
            None => {
                self.volatile.queue.push_front(Queued::new(Some(token), operation));
            }
            Some(rule) => out.done(Some(token), Err(CommandError::PeerRefused(rule))),
        }
    }

    pub(super) fn on_propose(&mut self, ctx: &Context<'_>, id: u64, operation: Operation, out: &mut Outputs) {
        let refused = self.judge_proposal(ctx, &operation).err();
        if refused.is_none() && self.durable.agreed.as_ref() != Some(&operation) {
            out.records.push(Record::Agreed(operation.clone()));
            self.durable.agreed = Some(operation);
        } else if let (Some(Rule::AwaitsApproval), Operation::OpenChild { opening, .. }) =
            (refused, operation)
        {
            out.events.push(Event::ChildOffered { opening });
        }
        out.messages.push(Body::Answer { id, refused });
    }

    /// How far from now, in seconds, the limit of a withdrawal or final state that we sign may lie.
    pub(super) fn latest_limit(&self) -> u64 {
        self.durable.settings.execution_window.saturating_mul(2)
    }

    fn judge_proposal(&self, ctx: &Context<'_>, operation: &Operation) -> Result<(), Rule> {
        let peer = self.durable.side.other();
        if self.head().state.writer != peer {
            return Err(Rule::NotWriter);
        }
        if self.durable.restore.is_some() || self.volatile.peer_restoring {
            return Err(Rule::Restoring);
        }
        let is_open = self.durable.chain.head().phase == Phase::Open && !self.knows_nothing_of_chain();
        if !is_open || self.is_leaving() || ctx.halted {
            return Err(Rule::NotOpen);
        }
        if self.durable.execution.is_some() {
            return Err(Rule::ExecutionPending);
        }
        if let Operation::OpenChild { .. } = operation {
            return self.judge_offered_child(ctx, operation);
        }
        let valid_until = operation.valid_until().ok_or(Rule::Unexpected)?;
        let latest = ctx.head_time.saturating_add(self.latest_limit());
        let in_time = valid_until > ctx.head_time && valid_until <= latest;
        // The end of a child is never superseded.
        if if self.is_child() { valid_until != u64::MAX } else { !in_time } {
            return Err(Rule::ValidUntil);
        }
        match operation {
            Operation::Withdraw { .. } if self.is_child() => Err(Rule::Unsupported),
            Operation::Withdraw { side, asset, amount, .. } => {
                if *side != peer {
                    return Err(Rule::NotAgreed);
                }
                let deposits = &self.durable.chain.counted().deposits;
                let pair = deposits.get(asset.index()).ok_or(Rule::UnknownAsset)?;
                let head = self.head();
                let balance = head.balance(peer, asset.index(), pair[peer.index()]).unwrap_or(0);
                if amount.signed() > balance || !self.is_funded(head) { Err(Rule::Overdraw) } else { Ok(()) }
            }
            _ if !self.head().locks.is_empty() => Err(Rule::LocksPending),
            _ => Ok(()),
        }
    }
}
