//! Where both sides stand, after every connect and whenever something seems lost.

use super::{Channel, Context, Link, Outputs};
use crate::command::Event;
use crate::message::{Body, SignedPosition, Sync};
use crate::rule::Rule;
use crate::signer::SignerError;
use strait_types::Signature;

impl Channel {
    /// Our signature on the confirmed state; `None` at version 0.
    pub(super) fn confirmed_signature(&self, ctx: &Context<'_>) -> Result<Option<Signature>, SignerError> {
        if self.durable.confirmed.peer_signature.is_none() {
            return Ok(None);
        }
        self.sign_state(ctx, self.durable.confirmed.hash).map(Some)
    }

    pub(super) fn send_sync(&mut self, ctx: &Context<'_>, reply: bool, out: &mut Outputs) {
        // What we wrote the peer has with our signature: it countersigned it. A node with many channels connects the
        // faster for each signature that it need not make.
        let is_known = self.durable.confirmed.writer == self.durable.side;
        let signed = if is_known { Ok(None) } else { self.confirmed_signature(ctx) };
        let Ok(signature) = signed else {
            // Asked again after the retry time.
            return;
        };
        out.messages.push(Body::Sync(Sync {
            confirmed: self.durable.confirmed.position.state.version,
            confirmed_hash: self.durable.confirmed.hash,
            signature,
            restored: self.durable.restore.is_some(),
            reply,
        }));
    }

    /// The confirmed position with both signatures; `None` at version 0 or without the key.
    pub fn latest(&self, ctx: &Context<'_>) -> Option<SignedPosition> {
        let peer = self.durable.confirmed.peer_signature?;
        let own = self.sign_state(ctx, self.durable.confirmed.hash).ok()?;
        let position = self.durable.confirmed.position.clone();
        Some(SignedPosition { position, signatures: self.in_order(own, peer) })
    }

    pub(super) fn on_sync(&mut self, ctx: &Context<'_>, sync: &Sync, out: &mut Outputs) {
        if sync.reply {
            self.send_sync(ctx, false, out);
        }
        self.offer_resume(ctx, out);
        if sync.restored {
            self.on_peer_restored(ctx, sync, out);
            return;
        }
        if self.durable.restore.is_some() {
            self.on_sync_while_restoring(ctx, sync, out);
            return;
        }
        let own = self.durable.confirmed.position.state.version;
        if sync.confirmed > own
            && let Some(signature) = sync.signature
            && self.durable.pending.iter().any(|pending| pending.update.version == sync.confirmed)
        {
            if self.must_read_chain_first(ctx) {
                // Asked again until the chain is read.
                return;
            }
            self.on_acknowledge(ctx, sync.confirmed, signature, out);
        }
        let own = self.durable.confirmed.position.state.version;
        if sync.confirmed == own && sync.confirmed_hash != self.durable.confirmed.hash {
            out.fault(Rule::Equivocation);
            return;
        }
        if sync.confirmed < own {
            // It waits for a countersignature that was lost, or it has lost data itself.
            out.messages.extend(self.latest(ctx).map(Body::Latest));
            if self.durable.confirmed.writer == self.durable.side {
                // The peer countersigned more than it now knows of.
                return;
            }
        }
        if sync.confirmed > own && self.has_app() && self.durable.chain.head().recorded.is_some() {
            // It may go on from what the chain has recorded; so shall we, a few blocks later.
            return;
        }
        if sync.confirmed > own {
            // Either we lost data, and the peer's answer to our own Sync proves it, or the peer is wrong.
            out.fault(Rule::UnknownBase);
            return;
        }
        self.after_sync(ctx, out);
    }

    fn after_sync(&mut self, ctx: &Context<'_>, out: &mut Outputs) {
        // Once up, a peer that asks more often than we do must not keep us from trying again what was lost.
        if self.volatile.link != Link::Up {
            self.volatile.progress_ms = ctx.now_ms;
        }
        self.volatile.peer_restoring = false;
        let recently = self
            .volatile
            .resent_ms
            .is_some_and(|at| ctx.now_ms.saturating_sub(at) < self.durable.settings.retry_after() / 4);
        if !recently && !self.durable.pending.is_empty() {
            self.volatile.resent_ms = Some(ctx.now_ms);
            out.messages
                .extend(self.durable.pending.iter().map(|pending| Body::Update(pending.update.clone())));
        }
        self.volatile.pen_asked = false;
        self.volatile.sync_retries = 0;
        if self.volatile.link == Link::Syncing {
            self.volatile.link = Link::Up;
            out.events.push(Event::Ready);
        }
    }
}
