//! What time alone makes a channel do.

use super::intent::Intent;
use super::{Channel, Context, Link, Outputs};
use crate::onchain::Phase;

/// An unanswered synchronisation is asked for again after at most so many times the retry time, as a power of two.
const MOST_DOUBLINGS: u32 = 3;

impl Channel {
    /// Time has passed.
    pub fn tick(&mut self, ctx: &Context<'_>, out: &mut Outputs) {
        self.end_execution(ctx, out);
        self.retry_held(ctx, out);
        self.watch_turn(ctx, out);
        self.watch_closings(ctx, out);
        self.watch_rebase(ctx, out);
        self.offer_resume(ctx, out);
        let waits = ctx.now_ms.saturating_sub(self.volatile.progress_ms) >= self.retry_after();
        if waits && self.awaits_peer() {
            self.volatile.progress_ms = ctx.now_ms;
            self.volatile.sync_retries = self.volatile.sync_retries.saturating_add(1).min(MOST_DOUBLINGS);
            self.volatile.pen_asked = false;
            if let Some(intent) = &mut self.volatile.intent {
                intent.propose_again();
            }
            self.tell_finish_again();
            self.send_sync(ctx, true, out);
        }
    }

    /// When [`Channel::tick`] is next needed, in milliseconds since the Unix epoch.
    pub fn next_tick(&self) -> Option<u64> {
        let settings = &self.durable.settings;
        let retry = self.volatile.progress_ms.saturating_add(self.retry_after());
        // A move is never refused for the time that it waits.
        let held = self.volatile.held.as_ref().filter(|_| !self.has_app());
        let held = held.map(|held| held.since.saturating_add(settings.hold_timeout_ms));
        let retry = self.awaits_peer().then_some(retry);
        let patience = [self.patience_ends(), self.closing_moment_ends(), self.rebase_patience_ends()];
        [retry, held].into_iter().chain(patience).flatten().min()
    }

    /// A peer that has many channels to synchronise is asked less and less often for each. What a restored side waits for
    /// comes with the chain's time, not with the peer's.
    fn retry_after(&self) -> u64 {
        let is_restoring = self.durable.restore.is_some() || self.volatile.peer_restoring;
        let is_patient = self.is_synchronising() && !is_restoring;
        let doublings = if is_patient { self.volatile.sync_retries } else { 0 };
        self.durable.settings.retry_after().saturating_mul(1 << doublings)
    }

    pub(super) fn awaits_peer(&self) -> bool {
        if self.durable.chain.head().phase != Phase::Open {
            // The chain decides now; the peer is told where we stand when it connects.
            return false;
        }
        match self.volatile.link {
            Link::Down => false,
            Link::Syncing => true,
            Link::Up => {
                !self.durable.pending.is_empty()
                    || self.volatile.pen_asked
                    || self.volatile.peer_restoring
                    || self.volatile.intent.as_ref().is_some_and(Intent::is_proposed)
                    || self.is_finish_told()
            }
        }
    }
}
