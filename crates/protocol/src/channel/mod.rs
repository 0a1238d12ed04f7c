//! One side's view of one channel.

mod app;
mod apply;
mod child;
mod children;
mod demand;
mod finish;
mod forced;
mod given_up;
mod guard;
mod guarded;
mod intent;
mod judge;
mod lean;
mod outcome;
mod read;
mod restore;
mod sync;
mod timers;
mod view;
mod write;

pub use apply::RecoverError;
pub use guarded::{GuardMark, HandedBack};
pub use outcome::Completed;
pub(crate) use restore::is_consistent;
pub use view::{BalanceView, ChannelView, ChildView, ExecutionView, LockView};

use crate::app::FinishOffer;
use crate::child::{Admission, ChildOpening, NewChild, Standing};
use crate::command::{ChainNews, Command, CommandError, Event, Outcome, Token};
use crate::invoices::Invoices;
use crate::message::{Body, Update};
use crate::onchain::{ChainDelta, ChainView, Phase};
use crate::operation::{Operation, Payment};
use crate::position::{NumberedLock, Position, Violation, sha256};
use crate::record::Record;
use crate::rule::Rule;
use crate::rules::Rules;
use crate::settings::Settings;
use crate::signer::{Signer, SignerError};
use app::AppPart;
use borsh::{BorshDeserialize, BorshSerialize};
use children::Told;
use finish::{Finish, Offered};
use given_up::Departure;
use intent::Intent;
use lean::Lean;
use outcome::{Failing, Stood, Ticket};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use strait_types::abi::AdjudicatorEvent;
use strait_types::{
    Amount, AssetIndex, B256, ChannelId, ChannelParams, ChildTerms, Domain, Side, Signature, Version,
};

/// What a channel may know of the world while it handles an input.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// Milliseconds since the Unix epoch, by this node's clock.
    pub now_ms: u64,
    /// Timestamp of the newest known block, Unix seconds; 0 before the chain was ever seen.
    pub head_time: u64,
    /// Timestamp of the newest block that has its confirmations, Unix seconds.
    pub final_time: u64,
    /// The chain's facts are not to be relied on: nothing of value is written or accepted.
    pub halted: bool,
    /// Chain and adjudicator.
    pub domain: &'a Domain,
    /// Our key in this channel.
    pub signer: &'a dyn Signer,
    /// What is around the channel.
    pub around: Surroundings<'a>,
}

/// What a channel is told of what it cannot know, at each input.
#[derive(Clone, Copy, Default)]
pub struct Surroundings<'a> {
    /// The app's rules; without them nothing is played.
    pub rules: Option<&'a dyn Rules>,
    /// The app's code, for when the chain must be given it.
    pub runtime: Option<&'a [u8]>,
    /// Whether the chain has the app's code; `None` while it has not told. See [`Channel::asks_app`].
    pub is_deployed: Option<bool>,
    /// Judges child channels; without it none is opened.
    pub admission: Option<&'a dyn Admission>,
    /// A tower that was not asked yet may hold what this side has forgotten: nothing is rebased before.
    pub awaits_towers: bool,
    /// Invoices of ours; without them every payment is taken.
    pub invoices: Option<&'a dyn Invoices>,
    /// Many channels have something to write: while others' versions are under way, each can gather more for its next.
    pub is_crowded: bool,
}

/// What an input leads to. Messages and events depend on the records: they may leave only when those are durable.
#[derive(Debug, Default)]
pub struct Outputs {
    /// To be made durable, in order.
    pub records: Vec<Record>,
    /// To the peer, in order.
    pub messages: Vec<Body>,
    /// To the user, in order.
    pub events: Vec<Event>,
}

impl Outputs {
    /// Whether nothing came of it.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty() && self.messages.is_empty() && self.events.is_empty()
    }

    fn done(&mut self, token: Option<Token>, result: Result<Outcome, CommandError>) {
        if let Some(token) = token {
            self.events.push(Event::Done { token, result });
        }
    }

    fn fault(&mut self, rule: Rule) {
        self.messages.push(Body::Fault { rule });
        self.events.push(Event::PeerFault(rule));
    }
}

/// Where the connection with the peer stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, BorshSerialize, BorshDeserialize)]
pub enum Link {
    /// Not connected.
    Down,
    /// Connected; both tell where they stand.
    Syncing,
    /// Versions flow.
    Up,
}

/// The highest position for which we hold the peer's signature: what we could enforce.
#[derive(Clone, PartialEq, Eq, Debug, BorshSerialize, BorshDeserialize)]
struct Confirmed {
    position: Position,
    hash: B256,
    /// `None` at version 0 only.
    peer_signature: Option<Signature>,
    /// Who wrote it.
    writer: Side,
}

/// A version of ours that awaits its countersignature.
#[derive(Clone, PartialEq, Eq, Debug, BorshSerialize, BorshDeserialize)]
struct Pending {
    update: Update,
    position: Position,
    hash: B256,
    #[borsh(skip)]
    tickets: Vec<Ticket>,
}

/// A withdrawal or final state that the chain may still execute.
#[derive(Clone, PartialEq, Eq, Debug, BorshSerialize, BorshDeserialize)]
struct Execution {
    version: Version,
    valid_until: u64,
    is_final: bool,
    /// It is not part of the agreed line of versions, yet stays executable: nothing may go above it.
    refused: bool,
    /// Who wrote it, and so calls the chain first.
    writer: Side,
    /// The state with the peer's signature, once we hold it.
    signed: Option<(Position, Signature)>,
}

/// A restore that has not ended in a rebase.
#[derive(Clone, PartialEq, Eq, Debug, BorshSerialize, BorshDeserialize)]
struct Restore {
    /// The rebase that we signed.
    rebase: Option<Version>,
}

/// Everything that survives a crash: the snapshot.
#[derive(Clone, PartialEq, Eq, Debug, BorshSerialize, BorshDeserialize)]
struct Durable {
    id: ChannelId,
    params: ChannelParams,
    side: Side,
    #[borsh(serialize_with = "lean::write_shared", deserialize_with = "lean::read_shared")]
    settings: Arc<Settings>,
    confirmed: Confirmed,
    pending: VecDeque<Pending>,
    /// Highest version that we ever signed as its writer.
    signed_high: Version,
    /// Highest version of the peer's that we refused.
    refused_high: Version,
    chain: ChainView,
    departure: Departure,
    rare: Lean<Rare>,
}

/// What few channels have.
#[derive(Clone, PartialEq, Eq, Debug, BorshSerialize, BorshDeserialize)]
struct Rare {
    /// Why the peer's version was refused, so that a lost refusal is repeated in the same words.
    refusal: Option<Violation>,
    /// Lock lists of versions that we signed and the peer says it refused: should it bring one of them to the
    /// chain, we must know what to unlock. And those of what the chain has recorded, when both signed more since.
    refused_locks: Vec<Vec<NumberedLock>>,
    execution: Option<Execution>,
    agreed: Option<Operation>,
    /// Known preimages of its locks, by their sha256.
    preimages: BTreeMap<B256, B256>,
    restore: Option<Restore>,
    app: Option<AppPart>,
    /// Of a child channel.
    terms: Option<ChildTerms>,
    /// What opened the children whose locks may count.
    openings: BTreeMap<ChannelId, ChildOpening>,
}

impl Rare {
    const NONE: Rare = Rare {
        refusal: None,
        refused_locks: Vec::new(),
        execution: None,
        agreed: None,
        preimages: BTreeMap::new(),
        restore: None,
        app: None,
        terms: None,
        openings: BTreeMap::new(),
    };
}

/// An operation that waits to be written.
#[derive(Clone, PartialEq, Debug)]
struct Queued {
    token: Option<Token>,
    operation: Operation,
    stood: Vec<Stood>,
}

impl Queued {
    fn new(token: Option<Token>, operation: Operation) -> Queued {
        Queued { token, operation, stood: Vec::new() }
    }
}

/// A version that waits for chain facts.
#[derive(Clone, PartialEq, Debug)]
struct Held {
    update: Update,
    /// Milliseconds.
    since: u64,
}

/// What a crash may forget.
#[derive(Clone, Debug)]
struct Volatile {
    link: Link,
    work: Lean<Work>,
}

impl Volatile {
    fn new() -> Volatile {
        Volatile { link: Link::Down, work: Lean::new() }
    }
}

/// What is under way.
#[derive(Clone, PartialEq, Debug)]
struct Work {
    queue: VecDeque<Queued>,
    /// Commands whose failure is told once a higher version is countersigned.
    failing: Vec<Failing>,
    /// Ends of locks that the peer would not have unasked; tried again after the next connect.
    contested: Vec<Operation>,
    intent: Option<Intent>,
    /// What the peer demands as our deposit, while that does not count.
    demanded: Vec<Amount>,
    next_proposal: u64,
    acknowledge_due: bool,
    pen_asked: bool,
    pen_wanted_by_peer: bool,
    held: Option<Held>,
    peer_restoring: bool,
    /// The peer does not take the number of our rebase.
    rebase_refused: bool,
    /// Chain time that must be final before we rebase: until then a withdrawal or final state that we forgot could
    /// be executed.
    rebase_after: Option<u64>,
    /// When the peer was first asked to sign a rebase, milliseconds.
    rebase_asked_ms: Option<u64>,
    /// When we last heard something that moved us on, milliseconds.
    progress_ms: u64,
    /// Times that a synchronisation was asked for again.
    sync_retries: u32,
    /// Confirmed version at which a gap was last reported, and when.
    gap_reported: Option<(Version, u64)>,
    /// When what is in flight was last sent again, milliseconds.
    resent_ms: Option<u64>,
    /// The end of an app that our user wants.
    finish: Option<Finish>,
    /// The end of an app that the peer wants.
    offered: Option<Offered>,
    /// Number of the newest proposal of an end in this connection.
    newest_end: Option<u64>,
    /// When we agreed to the end of an app, milliseconds.
    agreed_ms: Option<u64>,
    /// Since when an app stands as it does for all that this process has seen, milliseconds.
    turn_ms: Option<u64>,
    /// The peer has connected since the running dispute began.
    came_back: bool,
    /// Number of the dispute that the peer was offered to end.
    resume_sent: Option<u16>,
    /// Children that are to be opened, one after another.
    openings: VecDeque<(Token, NewChild)>,
    /// What children have come to.
    outcomes: BTreeMap<ChannelId, Told>,
    /// In a child: what its parent makes of it.
    standing: Standing,
}

impl Work {
    const NONE: Work = Work {
        queue: VecDeque::new(),
        failing: Vec::new(),
        contested: Vec::new(),
        intent: None,
        demanded: Vec::new(),
        next_proposal: 0,
        acknowledge_due: false,
        pen_asked: false,
        pen_wanted_by_peer: false,
        held: None,
        peer_restoring: false,
        rebase_refused: false,
        rebase_after: None,
        rebase_asked_ms: None,
        progress_ms: 0,
        sync_retries: 0,
        gap_reported: None,
        resent_ms: None,
        finish: None,
        offered: None,
        newest_end: None,
        agreed_ms: None,
        turn_ms: None,
        came_back: false,
        resume_sent: None,
        openings: VecDeque::new(),
        outcomes: BTreeMap::new(),
        standing: Standing::Unlocked,
    };

    /// Whether nothing is left that a channel without an app depends on. Times count only while something waits.
    fn is_over(&self, confirmed: Version) -> bool {
        let Work { progress_ms, resent_ms, agreed_ms, turn_ms, came_back, .. } = *self;
        let gap_reported = self.gap_reported.filter(|(version, _)| *version == confirmed);
        let timeless =
            Work { progress_ms, resent_ms, agreed_ms, turn_ms, came_back, gap_reported, ..Work::NONE };
        gap_reported.is_none() && self.queue.is_empty() && *self == timeless
    }
}

/// A channel as one of its participants sees it. Drive it with [`Channel::command`], [`Channel::message`],
/// [`Channel::chain`], [`Channel::tick`], [`Channel::connected`] and [`Channel::disconnected`], then call
/// [`Channel::flush`] once per round: it writes what waits, in one version where possible.
#[derive(Clone, Debug)]
pub struct Channel {
    durable: Durable,
    volatile: Volatile,
}

impl Channel {
    /// Takes a command. Its end is reported by an [`Event::Done`] with the token.
    pub fn command(&mut self, ctx: &Context<'_>, token: Token, command: Command, out: &mut Outputs) {
        if let Err(error) = self.try_command(ctx, token, command, out) {
            out.done(Some(token), Err(error));
        }
    }

    fn try_command(
        &mut self,
        ctx: &Context<'_>,
        token: Token,
        command: Command,
        out: &mut Outputs,
    ) -> Result<(), CommandError> {
        if command == Command::ForceClose {
            return self.force_close(token, out);
        }
        if let Command::SettleLock { number, preimage } = command {
            // Even when nothing can be written now, its deadline on chain is to be kept.
            self.learn_preimage(number, preimage, out);
        }
        if ctx.halted {
            return Err(CommandError::Halted);
        }
        if self.must_read_chain_first(ctx) {
            return Err(CommandError::ChainUnread);
        }
        if self.gives_up(&command) {
            if self.has_app() && self.is_chain_stale(ctx) {
                // A stake may have come: then it would have to be fetched by a dispute.
                return Err(CommandError::ChainUnread);
            }
            self.give_up(token, out);
            return Ok(());
        }
        match (self.has_app(), command) {
            (true, Command::Move(next)) => self.app_command(ctx, token, Operation::Move(next)),
            (true, Command::Finish { outcome }) => self.begin_finish(ctx, token, outcome, out),
            // Before play has begun both get back what they have put in.
            (true, Command::Close) if self.head().state.version == Version::ZERO => {
                self.begin_finish(ctx, token, vec![[0, 0]; self.durable.params.assets.len()], out)
            }
            (true, Command::Dispute) => self.begin_dispute(ctx, token, out),
            (true, _) => Err(CommandError::Rule(Rule::Unsupported)),
            (false, command) => self.payment_command(ctx, token, command),
        }
    }

    fn payment_command(
        &mut self,
        ctx: &Context<'_>,
        token: Token,
        command: Command,
    ) -> Result<(), CommandError> {
        if matches!(command, Command::Move(_) | Command::Finish { .. } | Command::Dispute) {
            return Err(CommandError::Rule(Rule::Unsupported));
        }
        self.check_usable()?;
        if self.is_child() && !matches!(command, Command::Pay(_) | Command::Close) {
            return Err(CommandError::Rule(Rule::Unsupported));
        }
        self.check_deposits(command == Command::Close)?;
        match command {
            Command::Pay(payment) => self.queue_payment(token, payment),
            Command::AddLock { asset, amount, hash, expiry } => {
                self.check_amount(asset, amount)?;
                let lock = strait_types::Lock::hash(self.durable.side, asset, amount, hash, expiry);
                self.queue_operation(ctx, token, Operation::AddLock(lock))
            }
            Command::SettleLock { number, preimage } => {
                self.queue_operation(ctx, token, Operation::SettleLock { number, preimage })
            }
            Command::CancelLock { number } => {
                self.queue_operation(ctx, token, Operation::CancelLock { number })
            }
            Command::Withdraw { asset, amount } => self.begin_withdraw(token, asset, amount),
            Command::OpenChild(new) => self.begin_child(ctx, token, *new),
            Command::Close => self.begin_close(token),
            // Taken care of before.
            Command::ForceClose | Command::Move(_) | Command::Finish { .. } | Command::Dispute => Ok(()),
        }
    }

    fn check_usable(&self) -> Result<(), CommandError> {
        let closing = self.volatile.intent.as_ref().is_some_and(Intent::is_close)
            || self.durable.execution.as_ref().is_some_and(|execution| execution.is_final);
        let is_leaving = self.is_leaving() || self.is_idle() || self.is_given_up();
        if closing || is_leaving || self.durable.chain.head().phase != Phase::Open {
            return Err(CommandError::NotOpen);
        }
        if self.durable.restore.is_some() {
            return Err(CommandError::Restoring);
        }
        if self.volatile.peer_restoring {
            return Err(CommandError::Rule(Rule::Restoring));
        }
        if self.volatile.link == Link::Down {
            return Err(CommandError::PeerOffline);
        }
        Ok(())
    }

    fn check_amount(&self, asset: AssetIndex, amount: Amount) -> Result<(), CommandError> {
        if amount.is_zero() {
            return Err(CommandError::ZeroAmount);
        }
        if asset.index() >= self.durable.params.assets.len() {
            return Err(CommandError::Rule(Rule::UnknownAsset));
        }
        Ok(())
    }

    fn queue_payment(&mut self, token: Token, payment: Payment) -> Result<(), CommandError> {
        self.check_amount(payment.asset, payment.amount)?;
        if payment.memo.len() > crate::operation::MAX_MEMO_BYTES {
            return Err(CommandError::Rule(Rule::MemoTooLong));
        }
        self.volatile.queue.push_back(Queued::new(Some(token), Operation::Pay(payment)));
        Ok(())
    }

    fn queue_operation(
        &mut self,
        ctx: &Context<'_>,
        token: Token,
        operation: Operation,
    ) -> Result<(), CommandError> {
        let head = self.head();
        self.judge_own(ctx, &operation, head).map_err(CommandError::Rule)?;
        self.volatile.queue.push_back(Queued::new(Some(token), operation));
        Ok(())
    }

    fn force_close(&mut self, token: Token, out: &mut Outputs) -> Result<(), CommandError> {
        if self.is_over() || self.is_idle() {
            return Err(CommandError::NotOpen);
        }
        self.leave(out);
        out.done(Some(token), Ok(Outcome::ForceClosing));
        Ok(())
    }

    /// Goes to the chain with the best that this side has.
    pub(super) fn leave(&mut self, out: &mut Outputs) {
        if self.durable.departure != Departure::Ordered {
            self.durable.departure = Departure::Ordered;
            out.records.push(Record::ForceClose);
        }
        self.fail_waiting(&CommandError::NotOpen, out);
    }

    fn learn_preimage(&mut self, number: u64, preimage: B256, out: &mut Outputs) {
        let hash = sha256(preimage);
        let matters =
            self.positions().any(|position| position.lock(number).is_some_and(|lock| lock.reference == hash));
        if matters && self.durable.preimages.insert(hash, preimage).is_none() {
            out.records.push(Record::Preimage(preimage));
        }
    }

    /// The connection with the peer is up.
    pub fn connected(&mut self, ctx: &Context<'_>, out: &mut Outputs) {
        if self.is_idle() || self.is_given_up() {
            return;
        }
        self.volatile.link = Link::Syncing;
        self.volatile.pen_asked = false;
        self.volatile.pen_wanted_by_peer = false;
        self.volatile.gap_reported = None;
        self.volatile.resent_ms = None;
        self.volatile.contested.clear();
        self.volatile.came_back = true;
        self.volatile.resume_sent = None;
        self.volatile.newest_end = None;
        self.volatile.agreed_ms = Some(ctx.now_ms);
        self.tell_finish_again();
        self.volatile.progress_ms = ctx.now_ms;
        self.volatile.sync_retries = 0;
        self.tell_demand(out);
        // The two do not begin a child at the same time.
        self.send_sync(ctx, self.is_child(), out);
    }

    /// The connection is gone. What waits fails; what is in flight stays, and is resolved after the next connect.
    pub fn disconnected(&mut self, out: &mut Outputs) {
        self.volatile.link = Link::Down;
        self.volatile.held = None;
        self.volatile.peer_restoring = false;
        self.volatile.demanded = Vec::new();
        self.fail_waiting(&CommandError::PeerOffline, out);
    }

    /// Ends everything that was not signed yet. What failed after a refusal stays: its outcome rests with the peer.
    fn fail_waiting(&mut self, error: &CommandError, out: &mut Outputs) {
        for queued in std::mem::take(&mut self.volatile.queue) {
            self.fail_one(queued, error.clone(), out);
        }
        if let Some(intent) = self.volatile.intent.take() {
            out.done(Some(intent.token()), Err(error.clone()));
        }
        for (token, _) in std::mem::take(&mut self.volatile.openings) {
            out.done(Some(token), Err(error.clone()));
        }
        self.fail_finish(error, out);
    }

    /// Takes a message of the peer.
    pub fn message(&mut self, ctx: &Context<'_>, body: Body, out: &mut Outputs) {
        if self.volatile.link == Link::Down {
            return;
        }
        match body {
            Body::Sync(sync) => self.on_sync(ctx, &sync, out),
            Body::Update(update) => self.on_update(ctx, update, out),
            Body::Acknowledge { version, signature } => self.on_acknowledge(ctx, version, signature, out),
            Body::Refuse(refusal) => self.on_refusal(ctx, &refusal, out),
            Body::RequestPen => self.volatile.pen_wanted_by_peer = true,
            Body::Propose { id, operation } if self.has_app() => {
                self.on_finish_proposed(ctx, id, operation, out);
            }
            Body::Answer { id, refused } if self.has_app() => self.on_finish_answered(id, refused, out),
            Body::OfferFinish { .. } if !self.has_app() => out.fault(Rule::Unexpected),
            Body::OfferFinish { version, outcome } => {
                self.on_finish_offered(FinishOffer { version, outcome }, out);
            }
            Body::Demand { deposits } => self.on_demand(deposits, out),
            Body::Resume { dispute, signature } => self.on_resume(ctx, dispute, signature, out),
            Body::Propose { id, operation } => self.on_propose(ctx, id, operation, out),
            Body::Answer { id, refused } => self.on_answer(id, refused, out),
            Body::Latest(latest) => self.on_latest(ctx, latest, out),
            Body::Rebase { base, base_hash, version, signature } => {
                self.on_rebase(ctx, (base, base_hash), version, signature, out);
            }
            Body::Fault { rule } => {
                self.volatile.rebase_refused |= rule == Rule::Restoring;
                out.events.push(Event::PeerFault(rule));
            }
        }
    }

    /// Takes a fact of the chain.
    pub fn chain(&mut self, ctx: &Context<'_>, delta: ChainDelta, out: &mut Outputs) {
        if !self.durable.chain.concerns(&delta) || self.is_foreign_preimage(&delta) {
            return;
        }
        self.apply_chain(&delta);
        if let Some(news) = chain_news(&delta) {
            out.events.push(Event::Chain(news));
        }
        self.note_dispute(ctx, &delta, out);
        out.records.push(Record::Chain(delta));
        self.adopt_recorded(ctx, out);
        self.after_chain(ctx, out);
    }

    /// A dispute that begins or ends changes what the connection is for.
    fn note_dispute(&mut self, ctx: &Context<'_>, delta: &ChainDelta, out: &mut Outputs) {
        let ChainDelta::Event { event, .. } = delta else { return };
        match event {
            AdjudicatorEvent::Challenged { .. } => self.volatile.came_back = false,
            AdjudicatorEvent::Resumed { .. } if self.has_app() => {
                self.begin_turn(ctx, out);
                if self.volatile.link != Link::Down {
                    self.volatile.link = Link::Syncing;
                    self.volatile.progress_ms = ctx.now_ms;
                    self.send_sync(ctx, true, out);
                }
            }
            _ => {}
        }
    }

    /// The registry of preimages is everybody's.
    fn is_foreign_preimage(&self, delta: &ChainDelta) -> bool {
        matches!(delta, ChainDelta::Event { event: AdjudicatorEvent::PreimageRegistered { hash, .. }, .. }
            if !self.has_lock(*hash))
    }

    /// Ends what an on-chain end decides.
    fn after_chain(&mut self, ctx: &Context<'_>, out: &mut Outputs) {
        if self.durable.chain.head().phase != Phase::Open {
            self.fail_waiting(&CommandError::NotOpen, out);
        }
        if matches!(self.durable.chain.counted().phase, Phase::Settled(_) | Phase::Closed) {
            self.resolve_by_chain(out);
        }
        self.note_demand_met();
        self.retry_held(ctx, out);
    }

    /// Ends a round: countersigns what was accepted and writes what waits.
    ///
    /// # Errors
    /// When the key is not to be had; what was not signed stays waiting.
    pub fn flush(&mut self, ctx: &Context<'_>, out: &mut Outputs) -> Result<(), SignerError> {
        let flushed = self.try_flush(ctx, out);
        self.tidy();
        flushed
    }

    /// An idle channel gives back the room that its work took.
    fn tidy(&mut self) {
        if !self.awaits_peer() && self.durable.pending.is_empty() && !self.has_app() {
            let confirmed = self.durable.confirmed.position.state.version;
            self.volatile.work.tidy(|work| work.is_over(confirmed));
            self.durable.pending = VecDeque::new();
        }
        self.durable.rare.tidy(|rare| *rare == Rare::NONE);
    }

    fn try_flush(&mut self, ctx: &Context<'_>, out: &mut Outputs) -> Result<(), SignerError> {
        self.acknowledge(ctx, out)?;
        if self.has_app() {
            self.retry_held(ctx, out);
            return self.flush_app(ctx, out);
        }
        if self.is_leaving() || self.durable.chain.head().phase != Phase::Open {
            self.fail_waiting(&CommandError::NotOpen, out);
        }
        if self.volatile.link != Link::Up || ctx.halted {
            return Ok(());
        }
        self.queue_closings();
        self.drive_intent(ctx, out);
        self.queue_due_locks(ctx);
        self.write(ctx, out)?;
        self.begin_next_child(ctx, out);
        Ok(())
    }

    /// The newest position: the last that we wrote, else the confirmed one.
    fn head(&self) -> &Position {
        self.durable.pending.back().map_or(&self.durable.confirmed.position, |pending| &pending.position)
    }

    /// All positions of the line of versions that we hold, the confirmed one first.
    fn positions(&self) -> impl Iterator<Item = &Position> {
        let pending = self.durable.pending.iter().map(|pending| &pending.position);
        std::iter::once(&self.durable.confirmed.position).chain(pending)
    }

    fn peer(&self) -> strait_types::Address {
        self.durable.params.participant(self.durable.side.other()).signer
    }

    fn sign_state(&self, ctx: &Context<'_>, hash: B256) -> Result<Signature, SignerError> {
        ctx.signer.sign(ctx.domain.state_digest(hash))
    }

    fn peer_signed(&self, ctx: &Context<'_>, hash: B256, signature: &Signature) -> bool {
        signature.verify(ctx.domain.state_digest(hash), self.peer()).is_ok()
    }

    /// Both signatures in the order of the participants.
    fn in_order(&self, own: Signature, peer: Signature) -> [Signature; 2] {
        match self.durable.side {
            Side::Zero => [own, peer],
            Side::One => [peer, own],
        }
    }

    /// Whether our view of the chain is too old to take value by it.
    fn is_chain_stale(&self, ctx: &Context<'_>) -> bool {
        let age = (ctx.now_ms / 1_000).saturating_sub(ctx.head_time);
        age > u64::from(self.durable.params.challenge_duration) / 4
    }
}

fn chain_news(delta: &ChainDelta) -> Option<ChainNews> {
    let ChainDelta::Event { event, .. } = delta else {
        return matches!(delta, ChainDelta::Rollback { .. } | ChainDelta::Reset)
            .then_some(ChainNews::Reorganised);
    };
    match event {
        AdjudicatorEvent::Deposited { side, asset, amount, .. } => {
            Some(ChainNews::Deposited { side: *side, asset: *asset, amount: *amount })
        }
        AdjudicatorEvent::Challenged { challenger, deadline, state, .. } => Some(ChainNews::Challenged {
            version: state.version,
            challenger: *challenger,
            deadline: *deadline,
        }),
        AdjudicatorEvent::Responded { state, .. } => Some(ChainNews::Responded { version: state.version }),
        AdjudicatorEvent::Resumed { .. } => Some(ChainNews::Resumed),
        AdjudicatorEvent::Progressed { state, deadline, .. } => {
            Some(ChainNews::Progressed { version: state.version, deadline: *deadline })
        }
        AdjudicatorEvent::Withdrawn { state, .. } => Some(ChainNews::Withdrawn { version: state.version }),
        AdjudicatorEvent::Settled { .. } => Some(ChainNews::Settled),
        AdjudicatorEvent::Unlocked { .. } => Some(ChainNews::Unlocked),
        AdjudicatorEvent::Closed { .. } | AdjudicatorEvent::Finalised { .. } => Some(ChainNews::Closed),
        _ => None,
    }
}
