//! After a restore from a backup: adopt only what carries our own signature, sign nothing until both have signed a
//! rebase, whose number no earlier life of this side can have used.

use super::apply::list_hash;
use super::{Channel, Confirmed, Context, Link, Outputs, Pending, Restore};
use crate::command::{CommandError, Event};
use crate::message::{Body, SignedPosition, Sync};
use crate::onchain::Phase;
use crate::record::Record;
use crate::rule::Rule;
use strait_types::{B256, Side, Signature, Version};

/// Low bits of a version that count within one second of chain time.
const REBASE_SHIFT: u32 = 24;
/// How far apart, in seconds, two nodes may see the chain's time.
const CLOCK_TOLERANCE: u64 = 3_600;

impl Channel {
    /// Tells the channel that its data comes from a backup. Call it before the first input.
    pub fn restored(&mut self, out: &mut Outputs) {
        if self.durable.restore.is_none() {
            self.durable.restore = Some(Restore { rebase: None });
            out.records.push(Record::Restored);
        }
    }

    /// The peer says that it was restored: it gets our best, and nothing else moves until the rebase.
    pub(super) fn on_peer_restored(&mut self, ctx: &Context<'_>, sync: &Sync, out: &mut Outputs) {
        self.volatile.peer_restoring = true;
        self.volatile.progress_ms = ctx.now_ms;
        self.volatile.held = None;
        // It may take hours: who asked is told, and can ask again without asking twice.
        self.fail_waiting(&CommandError::Rule(Rule::Restoring), out);
        if self.volatile.link == Link::Up {
            self.volatile.link = Link::Syncing;
        }
        match self.latest(ctx) {
            Some(latest) => out.messages.push(Body::Latest(latest)),
            None if !sync.reply && self.durable.restore.is_none() => self.send_sync(ctx, false, out),
            None => {}
        }
        if self.durable.restore.is_some() && sync.confirmed <= self.version() {
            self.propose_rebase(ctx, out);
        }
    }

    pub(super) fn on_sync_while_restoring(&mut self, ctx: &Context<'_>, sync: &Sync, out: &mut Outputs) {
        self.volatile.progress_ms = ctx.now_ms;
        if sync.confirmed == self.version() && sync.confirmed_hash == self.durable.confirmed.hash {
            self.propose_rebase(ctx, out);
        } else if sync.confirmed < self.version() {
            // What we hold carries the peer's signature: the peer lost more than we did.
            out.messages.extend(self.latest(ctx).map(Body::Latest));
        } else if !sync.reply {
            // The peer answers a restored side with its best.
            self.send_sync(ctx, false, out);
        }
    }

    fn version(&self) -> Version {
        self.durable.confirmed.position.state.version
    }

    /// The peer shows its best. If it is above ours and carries our signature, we have forgotten it.
    pub(super) fn on_latest(&mut self, ctx: &Context<'_>, latest: SignedPosition, out: &mut Outputs) {
        let (channel, version) = (latest.position.state.channel, latest.position.state.version);
        let peer = latest.signatures[self.durable.side.other().index()];
        if channel != self.durable.id || !self.is_signed_by_both(ctx, &latest) || !is_consistent(&latest) {
            out.fault(Rule::BadSignature);
            return;
        }
        if version > self.version() {
            if self.must_read_chain_first(ctx) {
                // The peer shows it again when we ask again.
                return;
            }
            if self.durable.pending.iter().any(|pending| pending.update.version == version) {
                self.on_acknowledge(ctx, version, peer, out);
                return;
            }
            if self.durable.restore.is_none() && version <= self.durable.signed_high {
                // One that it said it refused. Nothing is forgotten, and a higher version is on its way.
                out.fault(Rule::Unexpected);
                return;
            }
            let finishes = self.durable.restore.as_ref().and_then(|r| r.rebase) == Some(version);
            self.adopt(latest, out);
            if finishes {
                out.records.push(Record::Rebased { version, signature: peer });
                self.apply_rebased(version, peer);
                self.end_restore(ctx, version, out);
                self.send_sync(ctx, false, out);
                return;
            }
        }
        if self.durable.restore.is_some() && version <= self.version() {
            self.propose_rebase(ctx, out);
        }
    }

    /// Takes over what we have signed and forgotten.
    pub(super) fn adopt(&mut self, latest: SignedPosition, out: &mut Outputs) {
        self.restored(out);
        out.records.push(Record::Adopted(latest.clone()));
        let rolled_back = self.apply_adopted(latest);
        self.requeue(rolled_back, None, out);
    }

    pub(super) fn is_signed_by_both(&self, ctx: &Context<'_>, latest: &SignedPosition) -> bool {
        let hash = latest.position.state.hash();
        let side = self.durable.side;
        let (own, peer) = (latest.signatures[side.index()], latest.signatures[side.other().index()]);
        own.verify(ctx.domain.state_digest(hash), ctx.signer.address()).is_ok()
            && self.peer_signed(ctx, hash, &peer)
    }

    /// Signs a rebase, or the same again. When both sides were restored, participant 0 does.
    fn propose_rebase(&mut self, ctx: &Context<'_>, out: &mut Outputs) {
        let is_second = self.volatile.peer_restoring && self.durable.side == Side::One;
        // Where nobody has deposited there is nothing to lose, and the peer signs nothing.
        let is_empty = self.knows_nothing_of_chain();
        if is_empty || is_second || self.is_chain_stale(ctx) {
            return;
        }
        // That time passes while a tower is waited for, too.
        let is_late_enough = self.is_past_forgotten_limits(ctx);
        if !is_late_enough || ctx.around.awaits_towers {
            return;
        }
        let signed = self.durable.restore.as_ref().and_then(|restore| restore.rebase);
        let floor = self.version().max(self.durable.signed_high).max(self.durable.refused_high);
        // No number below the chain's time: an earlier life may have used it. The next block brings a higher one.
        let fresh = rebase_version(ctx.head_time).filter(|version| *version > floor);
        let refused = std::mem::take(&mut self.volatile.rebase_refused);
        let chosen = if refused { fresh.or(signed) } else { signed.or(fresh) };
        let Some(version) = chosen else { return };
        let position = self.durable.confirmed.position.rebased(version, self.has_app());
        let Ok(signature) = self.sign_state(ctx, position.state.hash()) else { return };
        if signed != Some(version) {
            out.records.push(Record::Rebasing { version });
            self.apply_rebasing(version);
        }
        self.volatile.progress_ms = ctx.now_ms;
        self.volatile.rebase_asked_ms.get_or_insert(ctx.now_ms);
        out.messages.push(Body::Rebase {
            base: self.version(),
            base_hash: self.durable.confirmed.hash,
            version,
            signature,
        });
    }

    /// Whether no withdrawal or final state that we agreed to in an earlier life, and forgot, can be executed any
    /// more: above one that can be, nothing may be agreed.
    fn is_past_forgotten_limits(&mut self, ctx: &Context<'_>) -> bool {
        if ctx.head_time == 0 {
            return false;
        }
        let latest = ctx.head_time.saturating_add(self.latest_limit());
        // Counted from the start, also while one that is known waits for its end.
        let is_past = ctx.final_time > *self.volatile.rebase_after.get_or_insert(latest);
        is_past && self.durable.execution.is_none()
    }

    /// The restored peer wrote the rebase: a copy of our best under a number from the chain's time.
    pub(super) fn on_rebase(
        &mut self,
        ctx: &Context<'_>,
        base: (Version, B256),
        version: Version,
        signature: Signature,
        out: &mut Outputs,
    ) {
        if version == self.version() && self.durable.confirmed.peer_signature == Some(signature) {
            self.volatile.acknowledge_due = true;
            return;
        }
        if self.must_read_chain_first(ctx) {
            // The peer asks again.
            return;
        }
        let seconds = version.0 >> REBASE_SHIFT;
        let in_time = seconds.abs_diff(ctx.head_time) <= CLOCK_TOLERANCE;
        let above = version > self.version().max(self.durable.signed_high).max(self.durable.refused_high);
        let fits = base == (self.version(), self.durable.confirmed.hash);
        let idle = self.durable.execution.is_none()
            && (self.durable.restore.is_some() || !self.knows_nothing_of_chain());
        if !self.volatile.peer_restoring || !in_time || !above || !fits || !idle {
            out.fault(Rule::Restoring);
            return;
        }
        let hash = self.durable.confirmed.position.rebased(version, self.has_app()).state.hash();
        if !self.peer_signed(ctx, hash, &signature) {
            out.fault(Rule::BadSignature);
            return;
        }
        out.records.push(Record::Rebased { version, signature });
        let rolled_back = self.apply_rebased(version, signature);
        self.requeue(rolled_back, None, out);
        self.volatile.acknowledge_due = true;
        self.end_restore(ctx, version, out);
    }

    /// The peer countersigned our rebase. Returns whether the signature was about that.
    pub(super) fn finish_rebase(
        &mut self,
        ctx: &Context<'_>,
        version: Version,
        signature: Signature,
        out: &mut Outputs,
    ) -> bool {
        if self.durable.restore.as_ref().and_then(|restore| restore.rebase) != Some(version) {
            return false;
        }
        let hash = self.durable.confirmed.position.rebased(version, self.has_app()).state.hash();
        if !self.peer_signed(ctx, hash, &signature) {
            out.fault(Rule::BadSignature);
            return true;
        }
        out.records.push(Record::Rebased { version, signature });
        let rolled_back = self.apply_rebased(version, signature);
        self.requeue(rolled_back, None, out);
        self.end_restore(ctx, version, out);
        true
    }

    /// When the peer will have taken too long to sign our rebase, milliseconds.
    pub(super) fn rebase_patience_ends(&self) -> Option<u64> {
        let patience = self.durable.settings.move_patience.saturating_mul(1_000);
        let is_waiting = self.durable.restore.is_some()
            && self.durable.chain.head().phase == Phase::Open
            && !self.is_leaving();
        let since = self.volatile.rebase_asked_ms.filter(|_| is_waiting && patience > 0)?;
        Some(since.saturating_add(patience))
    }

    /// A peer that signs no rebase leaves nothing but the chain.
    pub(super) fn watch_rebase(&mut self, ctx: &Context<'_>, out: &mut Outputs) {
        if self.rebase_patience_ends().is_some_and(|end| end <= ctx.now_ms) {
            self.leave(out);
        }
    }

    fn end_restore(&mut self, ctx: &Context<'_>, version: Version, out: &mut Outputs) {
        self.volatile.peer_restoring = false;
        self.volatile.rebase_asked_ms = None;
        self.volatile.progress_ms = ctx.now_ms;
        self.volatile.pen_asked = false;
        self.volatile.link = Link::Up;
        out.events.push(Event::Rebased { version });
        out.events.push(Event::Ready);
    }

    /// Returns what was in flight, oldest first.
    pub(super) fn apply_adopted(&mut self, latest: SignedPosition) -> Vec<Pending> {
        let SignedPosition { position, signatures: [zero, one] } = latest;
        let (writer, peer) =
            (self.durable.side.other(), if self.durable.side == Side::Zero { one } else { zero });
        let recorded = self.recorded_locks();
        let rolled_back = self.take_pending();
        for list in recorded {
            if !self.durable.refused_locks.contains(&list) {
                self.durable.refused_locks.push(list);
            }
        }
        self.durable.restore = Some(Restore { rebase: None });
        self.durable.execution = None;
        self.note_execution(&position, writer, Some(peer));
        self.durable.signed_high = self.durable.signed_high.max(position.state.version);
        self.durable.confirmed =
            Confirmed { hash: position.state.hash(), position, peer_signature: Some(peer), writer };
        rolled_back
    }

    pub(super) fn apply_rebasing(&mut self, version: Version) {
        self.durable.signed_high = self.durable.signed_high.max(version);
        self.durable.restore = Some(Restore { rebase: Some(version) });
    }

    /// Returns what was in flight, oldest first.
    pub(super) fn apply_rebased(&mut self, version: Version, signature: Signature) -> Vec<Pending> {
        let disputed = self.disputed_locks();
        let position = if self.version() == version {
            self.durable.confirmed.position.clone()
        } else {
            self.durable.confirmed.position.rebased(version, self.has_app())
        };
        self.durable.confirmed = Confirmed {
            hash: position.state.hash(),
            position,
            peer_signature: Some(signature),
            // Both know it; a side that shows less has not lost anything that the rebase does not carry.
            writer: self.durable.side.other(),
        };
        self.durable.restore = None;
        self.durable.signed_high = self.durable.signed_high.max(version);
        self.forget_refused_locks(disputed);
        let in_flight = std::mem::take(&mut self.durable.pending).into();
        self.forget_openings();
        in_flight
    }
}

/// The number of a rebase at a chain time in Unix seconds: above all that any life has used before that time.
fn rebase_version(time: u64) -> Option<Version> {
    time.checked_mul(1 << REBASE_SHIFT).map(Version)
}

/// Whether the lock list and its counter are what the state's hash stands for.
pub(crate) fn is_consistent(latest: &SignedPosition) -> bool {
    let position = &latest.position;
    list_hash(&position.locks) == position.state.locks_hash
        && position.locks.windows(2).all(|pair| pair[0].number < pair[1].number)
        && position.locks.last().is_none_or(|last| last.number < position.locks_added)
}
