//! A channel in the hands of a tower: the same view of the chain and the same calls, without connection or key.

use super::app::AppPart;
use super::restore::is_consistent;
use super::{Channel, Confirmed, Context, Link, Outputs, Pending};
use crate::app::{AppMove, AppStart};
use crate::guarded::{Guarded, GuardedChild, SignedMove};
use crate::message::{SignedPosition, Update};
use crate::onchain::{ChainView, Phase, Settlement};
use crate::operation::Operation;
use crate::position::{Position, sha256};
use crate::record::Record;
use crate::settings::Settings;
use strait_types::{B256, ChannelId, Side, Version};

/// Changes when there is something new for a tower.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct GuardMark {
    /// What both signed; zero: there is nothing to guard.
    pub version: Version,
    /// Known preimages of locks in this side's favour.
    pub preimages: usize,
    /// The move in flight.
    pub next: Option<Version>,
}

impl Channel {
    /// What a tower needs to defend this channel in our place; `None` when there is nothing to defend, or no key.
    pub fn guarded(&self, ctx: &Context<'_>) -> Option<Guarded> {
        let latest = self.latest(ctx).filter(|_| self.guard_mark().version > Version::ZERO)?;
        let next = self.move_in_flight().map(|pending| SignedMove {
            state: pending.position.state.clone(),
            signature: pending.update.signature,
        });
        let preimages = self.durable.preimages.values().copied();
        let preimages = preimages.filter(|preimage| self.is_for_us(&sha256(*preimage))).collect();
        let child = self.terms().map(|terms| GuardedChild {
            terms: terms.clone(),
            first: self.app_start().map(|start| start.first.clone()),
        });
        Some(Guarded { params: self.durable.params.clone(), child, latest, preimages, next })
    }

    /// See [`GuardMark`].
    pub fn guard_mark(&self) -> GuardMark {
        let confirmed = &self.durable.confirmed;
        // What the chain has recorded for one of us alone is shown already, and a closed channel is over.
        let is_over = self.durable.chain.head().phase == Phase::Closed;
        // Nothing rests on an idle child.
        if confirmed.peer_signature.is_none() || is_over || self.is_idle() {
            return GuardMark::default();
        }
        GuardMark {
            version: confirmed.position.state.version,
            preimages: self.durable.preimages.keys().filter(|hash| self.is_for_us(hash)).count(),
            next: self.move_in_flight().map(|pending| pending.update.version),
        }
    }

    /// Whether a confirmed lock in our favour has this hash.
    fn is_for_us(&self, hash: &B256) -> bool {
        let payer = Some(self.durable.side.other());
        let mut locks = self.durable.confirmed.position.locks.iter();
        locks.any(|entry| entry.lock.reference == *hash && entry.lock.contributor() == payer)
    }

    fn move_in_flight(&self) -> Option<&Pending> {
        let pending = self.durable.pending.front().filter(|_| self.has_app())?;
        let is_move = matches!(pending.update.operations[..], [Operation::Move(_)]);
        (is_move && pending.update.base_hash == self.durable.confirmed.hash).then_some(pending)
    }

    /// A channel as a tower guards it in the place of a side. What is handed in was checked ([`Guarded::check`]).
    pub fn keep(
        id: ChannelId,
        side: Side,
        guarded: &Guarded,
        settings: Settings,
        chain: ChainView,
    ) -> Channel {
        let (mut channel, _) = match guarded.opening() {
            Some(opening) => Channel::open_child(id, opening, side, settings),
            None => Channel::open(id, guarded.params.clone(), side, settings),
        };
        if !guarded.params.app.is_zero() && !channel.has_app() {
            // It is long behind; what counts is signed.
            let start = AppStart { stakes: Vec::new(), first: AppMove::of(&guarded.latest.position.state) };
            channel.durable.app = Some(AppPart::new(start));
        }
        channel.durable.chain = chain;
        channel.renew(guarded);
        channel
    }

    /// Takes what a tower's client hands in next.
    pub fn renew(&mut self, guarded: &Guarded) {
        let side = self.durable.side;
        let SignedPosition { position, signatures } = &guarded.latest;
        let hash = position.state.hash();
        let recorded = self.recorded_locks();
        self.durable.pending = guarded.next.iter().map(|next| pending(position, hash, next)).collect();
        self.durable.preimages = guarded.preimages.iter().map(|known| (sha256(*known), *known)).collect();
        self.durable.confirmed = Confirmed {
            position: position.clone(),
            hash,
            peer_signature: Some(signatures[side.other().index()]),
            writer: side.other(),
        };
        self.forget_refused_locks(recorded);
    }

    /// Whether something may rest on a child that was opened in a version, for all that a tower knows of its parent: the
    /// states that were handed over, and what the chain shows.
    pub fn may_hold(&self, child: ChannelId, opened: Version) -> bool {
        let facts = self.durable.chain.head();
        let Position { state, locks, .. } = &self.durable.confirmed.position;
        let recorded = |settlement: &Settlement| {
            let locks = self.remaining_locks(facts, settlement);
            locks.is_none_or(|locks| locks.iter().any(|lock| lock.holds(child)))
        };
        match &facts.phase {
            Phase::Closed => false,
            Phase::Settled(settlement) => recorded(settlement),
            _ if facts.recorded.as_ref().is_some_and(|recorded| recorded.version > state.version) => {
                recorded(&Settlement { locks: None })
            }
            _ => state.version < opened || locks.iter().any(|entry| entry.lock.holds(child)),
        }
    }

    /// Takes preimages that a tower hands back, as far as they matter.
    pub fn remember(&mut self, preimages: &[B256], out: &mut Outputs) {
        for preimage in preimages {
            let hash = sha256(*preimage);
            if self.has_lock(hash) && self.durable.preimages.insert(hash, *preimage).is_none() {
                out.records.push(Record::Preimage(*preimage));
            }
        }
    }

    /// The chain as this channel sees it.
    pub fn chain_view(&self) -> &ChainView {
        &self.durable.chain
    }

    /// A tower hands back a state. If it is above ours and carries our own signature, we have lost data, and go on as
    /// after a restore from a backup; anything else changes nothing.
    pub fn handed_back(
        &mut self,
        ctx: &Context<'_>,
        latest: SignedPosition,
        out: &mut Outputs,
    ) -> HandedBack {
        let version = latest.position.state.version;
        let fits = latest.position.state.channel == self.durable.id
            && version > self.durable.confirmed.position.state.version
            && (self.durable.restore.is_some() || version > self.durable.signed_high)
            && self.durable.pending.iter().all(|pending| pending.update.version != version)
            && is_consistent(&latest)
            && self.is_signed_by_both(ctx, &latest);
        if !fits {
            return HandedBack::NothingNew;
        }
        if self.must_read_chain_first(ctx) {
            return HandedBack::TooEarly;
        }
        self.adopt(latest, out);
        if self.volatile.link != Link::Down {
            // The peer is told, and shows what it holds.
            self.volatile.link = Link::Syncing;
            self.volatile.progress_ms = ctx.now_ms;
            self.send_sync(ctx, false, out);
        }
        HandedBack::Adopted
    }
}

/// What came of a state that a tower handed back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandedBack {
    /// It is the channel's state from now on.
    Adopted,
    /// The channel holds as much.
    NothingNew,
    /// It would be adopted, and must not be before the chain is read: the tower is asked again.
    TooEarly,
}

fn pending(base: &Position, base_hash: B256, next: &SignedMove) -> Pending {
    let position = Position { state: next.state.clone(), ..base.clone() };
    let update = Update {
        base: base.state.version,
        base_hash,
        version: next.state.version,
        operations: [Operation::Move(AppMove::of(&next.state))].into(),
        signature: next.signature,
    };
    Pending { update, hash: position.state.hash(), position, tickets: Vec::new() }
}
