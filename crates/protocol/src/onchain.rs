//! A channel's life on chain, folded from events, with what a reorg may still take back kept apart.

use borsh::{BorshDeserialize, BorshSerialize};
use strait_types::abi::child::{Challenger, Child, Shown};
use strait_types::abi::{AdjudicatorEvent, Paid, Record as Recorded, app, calls};
use strait_types::{Amount, B256, Bytes, ChannelParams, ChildTerms, Lock, Side, Signature, State, Version};

/// What the adjudicator would do with the channel now.
#[derive(Clone, PartialEq, Eq, Debug, BorshSerialize, BorshDeserialize)]
pub enum Phase {
    /// Takes deposits, withdrawals, a close, a challenge.
    Open,
    /// A challenge runs or has run out.
    Disputed {
        /// Unix seconds; the last time at which a response counts.
        deadline: u64,
        /// Who brought it; `None`: the hub of a child.
        challenger: Option<Side>,
        /// Forced moves so far. After the first the deadline is that of the next one.
        moves: u8,
    },
    /// Free balances are paid, locks are pending.
    Settled(Settlement),
    /// All is paid.
    Closed,
}

/// Locks of a settled channel.
#[derive(Clone, PartialEq, Eq, Debug, BorshSerialize, BorshDeserialize)]
pub struct Settlement {
    /// What remains, where an `Unlocked` event said so; else the recorded state's whole list.
    pub locks: Option<Vec<Lock>>,
}

/// Facts about a channel as of some block.
#[derive(Clone, PartialEq, Eq, Debug, BorshSerialize, BorshDeserialize)]
pub struct Facts {
    /// Cumulative deposits per asset and participant.
    pub deposits: Vec<[Amount; 2]>,
    /// See [`Phase`].
    pub phase: Phase,
    /// What is recorded, if anything.
    pub recorded: Option<Box<State>>,
    /// Number of the running or next dispute.
    pub dispute: u16,
    /// Highest version that `withdraw` executed.
    pub withdrawn: Version,
    /// Registered preimages that matter here: hash, preimage, time of registration in Unix seconds.
    pub registered: Vec<(B256, B256, u64)>,
    /// What a child channel has come to, once that is recorded.
    pub outcome: Option<Box<Decided>>,
    /// What it has paid, if anything.
    pub payouts: Option<Box<Payouts>>,
}

/// What the chain has recorded of a child channel's end.
#[derive(Clone, PartialEq, Eq, Debug, BorshSerialize, BorshDeserialize)]
pub struct Decided {
    /// What participants 0 and 1 get, in the smallest unit.
    pub amounts: [Amount; 2],
    /// When, by the block's time: Unix seconds.
    pub at: u64,
}

/// What a channel has paid, per asset and participant, in the smallest unit.
#[derive(Clone, PartialEq, Eq, Debug, Default, BorshSerialize, BorshDeserialize)]
pub struct Payouts {
    /// By its end.
    pub ended: Paid,
    /// By withdrawals.
    pub drawn: Paid,
}

impl Facts {
    /// Before anything happened; `funds` is what each has put in without a deposit.
    pub fn new(funds: Vec<[Amount; 2]>) -> Facts {
        Facts {
            deposits: funds,
            phase: Phase::Open,
            recorded: None,
            dispute: 0,
            withdrawn: Version::ZERO,
            registered: Vec::new(),
            outcome: None,
            payouts: None,
        }
    }

    /// When the preimage of a hash was registered.
    pub fn registered_at(&self, hash: B256) -> Option<u64> {
        self.registered.iter().find(|entry| entry.0 == hash).map(|entry| entry.2)
    }

    /// The preimage of a hash, if it is registered and was shown: who asks the registry learns only the time.
    pub fn preimage(&self, hash: B256) -> Option<B256> {
        let registered = self.registered.iter().find(|entry| entry.0 == hash).map(|entry| entry.1);
        registered.filter(|preimage| crate::position::sha256(*preimage) == hash)
    }

    /// The recorded version, as calls show it.
    pub fn record(&self) -> Option<Recorded> {
        self.recorded.as_deref().map(Recorded::of)
    }

    fn apply(&mut self, time: u64, event: &AdjudicatorEvent) {
        match event {
            AdjudicatorEvent::Deposited { side, asset, amount, .. } => {
                if let Some(pair) = self.deposits.get_mut(asset.index()) {
                    let slot = &mut pair[side.index()];
                    *slot = slot.checked_add(*amount).unwrap_or(Amount::MAX);
                }
            }
            AdjudicatorEvent::Challenged { challenger, dispute, deadline, state, .. } => {
                self.phase = Phase::Disputed { deadline: *deadline, challenger: Some(*challenger), moves: 0 };
                self.dispute = *dispute;
                self.recorded = Some(Box::new(state.clone()));
            }
            AdjudicatorEvent::HubChallenged { dispute, deadline, state, .. } => {
                self.phase = Phase::Disputed { deadline: *deadline, challenger: None, moves: 0 };
                self.dispute = *dispute;
                self.recorded = Some(Box::new(state.clone()));
            }
            AdjudicatorEvent::Responded { state, .. } => {
                self.recorded = Some(Box::new(state.clone()));
            }
            AdjudicatorEvent::Progressed { state, deadline: next, .. } => {
                if let Phase::Disputed { deadline, moves, .. } = &mut self.phase {
                    *deadline = *next;
                    *moves = moves.saturating_add(1);
                }
                self.recorded = Some(Box::new(state.clone()));
            }
            AdjudicatorEvent::Resumed { dispute, .. } => {
                self.phase = Phase::Open;
                self.dispute = dispute.saturating_add(1);
            }
            AdjudicatorEvent::Withdrawn { state, paid, .. } => {
                add(&mut self.payouts.get_or_insert_default().drawn, paid);
                self.withdrawn = state.version;
                self.recorded = Some(Box::new(state.clone()));
            }
            AdjudicatorEvent::Finalised { outcome, .. } => {
                self.phase = Phase::Closed;
                self.outcome = Some(Box::new(Decided { amounts: *outcome, at: time }));
            }
            AdjudicatorEvent::Closed { paid, .. } => {
                add(&mut self.payouts.get_or_insert_default().ended, paid);
                self.phase = Phase::Closed;
                // It paid by the final state, whatever was recorded.
                self.recorded = None;
            }
            AdjudicatorEvent::Settled { paid, locks_hash, reserve, .. } => {
                add(&mut self.payouts.get_or_insert_default().ended, paid);
                // Without a reserve there is nothing that the locks could pay.
                let is_over = locks_hash.is_zero() || reserve.iter().all(|units| *units == 0);
                self.phase = if is_over { Phase::Closed } else { Phase::Settled(Settlement { locks: None }) };
            }
            AdjudicatorEvent::Unlocked { paid, locks, .. } => {
                add(&mut self.payouts.get_or_insert_default().ended, paid);
                self.phase = if locks.is_empty() {
                    Phase::Closed
                } else {
                    Phase::Settled(Settlement { locks: Some(locks.clone()) })
                };
            }
            AdjudicatorEvent::PreimageRegistered { hash, preimage } => {
                if self.registered_at(*hash).is_none() {
                    self.registered.push((*hash, *preimage, time));
                }
            }
            AdjudicatorEvent::AppDeployed { .. }
            | AdjudicatorEvent::Credited { .. }
            | AdjudicatorEvent::CreditWithdrawn { .. } => {}
        }
    }
}

fn add(sums: &mut Paid, paid: &Paid) {
    sums.resize(sums.len().max(paid.len()), [0; 2]);
    for (sum, paid) in sums.iter_mut().zip(paid) {
        *sum = [0, 1].map(|i| sum[i].saturating_add(paid[i]));
    }
}

/// An event with its block.
#[derive(Clone, PartialEq, Eq, Debug, BorshSerialize, BorshDeserialize)]
pub struct Dated {
    /// Height.
    pub block: u64,
    /// Unix seconds.
    pub time: u64,
    /// What happened.
    pub event: AdjudicatorEvent,
}

/// A step of the chain as far as one channel is concerned.
#[derive(Clone, PartialEq, Eq, Debug, BorshSerialize, BorshDeserialize)]
pub enum ChainDelta {
    /// Something happened.
    Event {
        /// Height.
        block: u64,
        /// Unix seconds.
        time: u64,
        /// What.
        event: AdjudicatorEvent,
    },
    /// Blocks above this height are no longer canonical.
    Rollback {
        /// Height of the last common block.
        to: u64,
    },
    /// Events through this height have their confirmations.
    Final {
        /// Height.
        through: u64,
    },
    /// The chain's history was replaced deeper than can be undone: nothing is known, and all events follow anew.
    Reset,
}

/// Blocks below the required depth for which events are still kept apart: a reorg may be deeper than was hoped.
const REORG_BLOCKS: u64 = 128;

/// Facts at depth, and at the head.
#[derive(Clone, PartialEq, Eq, Debug, BorshSerialize, BorshDeserialize)]
pub struct ChainView {
    /// What a parent's lock has put into a child channel, which has no deposits.
    funds: Option<[Amount; 2]>,
    /// What no reorg is expected to reach.
    base: Facts,
    /// Most channels had no event for long.
    fresh: Option<Box<Fresh>>,
    /// An event was seen, though a reorg may have taken it back.
    seen: bool,
    /// Height of the newest event in `base`.
    settled: u64,
    /// Height through which events have their confirmations.
    through: u64,
}

/// What a reorg may still take back, and the facts with it.
#[derive(Clone, PartialEq, Eq, Debug, BorshSerialize, BorshDeserialize)]
struct Fresh {
    /// At least one.
    recent: Vec<Dated>,
    counted: Facts,
    head: Facts,
}

impl ChainView {
    /// Before anything happened.
    pub fn new(assets: usize) -> ChainView {
        ChainView::of(None, vec![[Amount::ZERO; 2]; assets])
    }

    /// Of a child channel, before anything happened.
    pub fn of_child(funds: [Amount; 2]) -> ChainView {
        ChainView::of(Some(funds), vec![funds])
    }

    fn of(funds: Option<[Amount; 2]>, deposits: Vec<[Amount; 2]>) -> ChainView {
        ChainView { funds, base: Facts::new(deposits), fresh: None, seen: false, settled: 0, through: 0 }
    }

    fn anew(&self) -> ChainView {
        self.funds.map_or_else(|| ChainView::new(self.base.deposits.len()), ChainView::of_child)
    }

    /// As of the head: what may happen to us next.
    pub fn head(&self) -> &Facts {
        self.fresh.as_ref().map_or(&self.base, |fresh| &fresh.head)
    }

    /// As of the required depth: what we may rely on.
    pub fn counted(&self) -> &Facts {
        self.fresh.as_ref().map_or(&self.base, |fresh| &fresh.counted)
    }

    /// Whether a delta would change anything.
    pub fn concerns(&self, delta: &ChainDelta) -> bool {
        match delta {
            ChainDelta::Event { .. } => true,
            ChainDelta::Reset => *self != self.anew(),
            ChainDelta::Rollback { to } => self.recent().iter().any(|dated| dated.block > *to),
            ChainDelta::Final { through } => self.recent().iter().any(|dated| {
                dated.block <= *through && (dated.block > self.through || is_settled(dated, *through))
            }),
        }
    }

    /// Takes a delta in.
    pub fn apply(&mut self, delta: &ChainDelta) {
        match delta {
            ChainDelta::Reset => *self = self.anew(),
            ChainDelta::Event { block, time, event } => {
                self.seen = true;
                let base = &self.base;
                let fresh = self.fresh.get_or_insert_with(|| {
                    Box::new(Fresh { recent: Vec::new(), counted: base.clone(), head: base.clone() })
                });
                fresh.head.apply(*time, event);
                fresh.recent.push(Dated { block: *block, time: *time, event: event.clone() });
            }
            ChainDelta::Rollback { to } => {
                self.through = self.through.min(*to);
                let recent = self.take_recent();
                let kept: Vec<_> = recent.into_iter().filter(|dated| dated.block <= *to).collect();
                let head = facts_through(&self.base, &kept, u64::MAX);
                self.keep_recent(kept, head);
            }
            ChainDelta::Final { through } => {
                self.through = self.through.max(*through);
                let head = self.head().clone();
                let recent = self.take_recent();
                let (settled, kept): (Vec<_>, _) =
                    recent.into_iter().partition(|dated| is_settled(dated, *through));
                for dated in settled {
                    self.settled = self.settled.max(dated.block);
                    self.base.apply(dated.time, &dated.event);
                }
                self.keep_recent(kept, head);
            }
        }
    }

    fn take_recent(&mut self) -> Vec<Dated> {
        self.fresh.take().map(|fresh| fresh.recent).unwrap_or_default()
    }

    fn keep_recent(&mut self, recent: Vec<Dated>, head: Facts) {
        if !recent.is_empty() {
            let counted = facts_through(&self.base, &recent, self.through);
            self.fresh = Some(Box::new(Fresh { recent, counted, head }));
        }
    }

    /// Whether all events above a height can still be taken back.
    pub fn is_reversible_to(&self, height: u64) -> bool {
        self.settled <= height
    }

    /// Height of the newest event that is not kept apart any more.
    pub fn settled_height(&self) -> u64 {
        self.settled
    }

    /// Whether nothing tells yet that the channel exists: neither an event, not even one that a reorg took back, nor a
    /// parent's lock.
    pub fn is_blank(&self) -> bool {
        !self.seen && self.funds.is_none()
    }

    /// Whether no deposit is there, be it that none came or that a reorg took all of them back, nor a parent's lock.
    pub fn holds_nothing(&self) -> bool {
        self.funds.is_none() && self.head().deposits.iter().flatten().all(|amount| amount.is_zero())
    }

    /// Whether an event was ever seen.
    pub fn has_events(&self) -> bool {
        self.seen
    }

    /// Events that may still be taken back.
    pub fn recent(&self) -> &[Dated] {
        self.fresh.as_ref().map_or(&[], |fresh| &fresh.recent)
    }
}

fn facts_through(base: &Facts, recent: &[Dated], height: u64) -> Facts {
    let mut facts = base.clone();
    // Not in the order of blocks: of a lock that became known late, the registration comes later.
    for dated in recent.iter().filter(|dated| dated.block <= height) {
        facts.apply(dated.time, &dated.event);
    }
    facts
}

fn is_settled(dated: &Dated, through: u64) -> bool {
    dated.block.saturating_add(REORG_BLOCKS) <= through
}

/// A call that a side wants on chain now. Wanted until the chain shows that it is done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ChainAction {
    /// Pays all by a final state.
    Close(Box<State>, [Signature; 2]),
    /// Pays a withdrawal.
    Withdraw(Box<State>, [Signature; 2], Option<Recorded>),
    /// Starts a dispute with our best state.
    Challenge {
        /// Our best state.
        state: Box<State>,
        /// Both signatures; `None` at version 0.
        signatures: Option<[Signature; 2]>,
        /// What is recorded.
        previous: Option<Recorded>,
        /// Us.
        challenger: Side,
        /// Ours, on the challenge.
        signature: Signature,
    },
    /// Answers a dispute with our higher state.
    Respond(Box<State>, [Signature; 2], Option<Recorded>),
    /// Pays free balances after the period.
    Settle(Box<State>),
    /// Resolves locks of a settled channel.
    Unlock(Vec<Lock>),
    /// Makes a preimage count before its lock expires.
    RegisterPreimage(B256),
    /// Forces a move, from the recorded state, that its writer alone signed.
    Progress(Box<State>, Box<State>, Signature),
    /// Shows a higher state that both signed, once the period is over.
    ProgressAgreed(Box<State>, Box<State>, [Signature; 2]),
    /// Ends a dispute that both signed to end.
    Resume(Recorded, [Signature; 2]),
    /// Creates the app, so that it can be asked on chain.
    DeployApp(Bytes),
}

fn shown<'a>(
    state: &'a State,
    signatures: Option<&'a [Signature; 2]>,
    previous: Option<Recorded>,
) -> Shown<'a> {
    Shown { state, signatures, activation: None, previous }
}

/// A call that guards our money and that the chain does not show yet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Deadline {
    /// [`ChainAction::name`].
    pub call: &'static str,
    /// Last chain time at which it counts, Unix seconds.
    pub at: u64,
    /// How long before that it was first wanted, in seconds.
    pub period: u64,
}

impl ChainAction {
    /// The name of [`ChainAction::DeployApp`].
    pub const DEPLOY_APP: &'static str = "deploy app";

    /// A short name for logs and metrics.
    pub fn name(&self) -> &'static str {
        match self {
            ChainAction::Close(..) => "close",
            ChainAction::Withdraw(..) => "withdraw",
            ChainAction::Challenge { .. } => "challenge",
            ChainAction::Respond(..) => "respond",
            ChainAction::Settle(_) => "settle",
            ChainAction::Unlock(_) => "unlock",
            ChainAction::RegisterPreimage(_) => "register preimage",
            ChainAction::Progress(..) | ChainAction::ProgressAgreed(..) => "progress",
            ChainAction::Resume(..) => "resume",
            ChainAction::DeployApp(_) => ChainAction::DEPLOY_APP,
        }
    }

    /// The calldata; `terms` are those of a child channel.
    pub fn calldata(&self, params: &ChannelParams, terms: Option<&ChildTerms>) -> Bytes {
        let of_child = terms.and_then(|terms| self.calldata_of_child(&Child { params, terms }));
        of_child.unwrap_or_else(|| self.calldata_of_channel(params))
    }

    /// `None`: the call does not depend on what kind of channel it is.
    fn calldata_of_child(&self, child: &Child<'_>) -> Option<Bytes> {
        Some(match self {
            ChainAction::Close(state, signatures) => child.close(state, signatures, None),
            ChainAction::Challenge { state, signatures, previous, challenger, signature } => {
                let challenger = Challenger::Participant(*challenger, Some(signature));
                child.challenge(shown(state, signatures.as_ref(), *previous), challenger)
            }
            ChainAction::Respond(state, signatures, previous) => {
                child.respond(shown(state, Some(signatures), *previous))
            }
            ChainAction::Settle(state) => child.settle(state),
            ChainAction::Progress(state, next, signature) => child.progress(state, next, signature),
            ChainAction::ProgressAgreed(state, next, signatures) => {
                child.progress_agreed(state, next, signatures)
            }
            ChainAction::Resume(recorded, signatures) => child.resume(*recorded, signatures, None),
            ChainAction::Withdraw(..)
            | ChainAction::Unlock(_)
            | ChainAction::RegisterPreimage(_)
            | ChainAction::DeployApp(_) => return None,
        })
    }

    fn calldata_of_channel(&self, params: &ChannelParams) -> Bytes {
        match self {
            ChainAction::Close(state, signatures) => calls::close(params, state, signatures),
            ChainAction::Withdraw(state, signatures, previous) => {
                calls::withdraw(params, state, signatures, *previous)
            }
            ChainAction::Challenge { state, signatures, previous, challenger, signature } => {
                calls::challenge(params, state, signatures.as_ref(), *previous, *challenger, Some(signature))
            }
            ChainAction::Respond(state, signatures, previous) => {
                calls::respond(params, state, signatures, *previous)
            }
            ChainAction::Settle(state) => calls::settle(params, state),
            ChainAction::Unlock(locks) => calls::unlock(params, locks),
            ChainAction::RegisterPreimage(preimage) => calls::register_preimage(*preimage),
            ChainAction::Progress(state, next, signature) => app::progress(params, state, next, signature),
            ChainAction::ProgressAgreed(state, next, signatures) => {
                app::progress_agreed(params, state, next, signatures)
            }
            ChainAction::Resume(recorded, signatures) => calls::resume(params, *recorded, signatures),
            ChainAction::DeployApp(runtime) => app::deploy_app(runtime),
        }
    }
}
