//! Preimages that were registered before their lock was known here: the registry is read when a lock appears, and
//! after a deep reorg.

use crate::engine::Engine;
use crate::input::Effect;
use crate::ports::BlockRef;
use strait_protocol::ChainDelta;
use strait_types::abi::AdjudicatorEvent;
use strait_types::{B256, ChannelId};

impl Engine {
    /// Asks for the registrations of a channel's locks, once for each.
    pub(crate) fn look_up_locks(&mut self, id: ChannelId) {
        let is_following = self.cursor.head_view().is_some();
        let Some(entry) = self.channels.get_mut(&id).filter(|_| is_following) else { return };
        let locks = entry.channel.lock_hashes();
        entry.looked_up.retain(|hash| locks.contains(hash));
        let asked = &mut entry.looked_up;
        let hashes: Vec<B256> = locks.into_iter().filter(|hash| asked.insert(*hash)).collect();
        if !hashes.is_empty() {
            *self.lookups.entry(id).or_default() += 1;
            self.effects.push(Effect::LookUp { channel: id, hashes });
        }
    }

    pub(crate) fn on_registered(
        &mut self,
        now_ms: u64,
        id: ChannelId,
        through: BlockRef,
        registered: &[(B256, u64)],
    ) {
        if let Some(open) = self.lookups.get_mut(&id) {
            *open = open.saturating_sub(1);
            if *open == 0 {
                self.lookups.remove(&id);
            }
        }
        let Some(entry) = self.channels.get_mut(&id) else { return };
        if !self.cursor.contains(through) {
            // A reorg made the answer void; it is asked again.
            entry.looked_up.clear();
            self.touched.insert(id);
            return;
        }
        for (hash, time) in registered {
            let Some(entry) = self.channels.get(&id) else { return };
            if entry.channel.facts().registered_at(*hash).is_some() {
                continue;
            }
            // The registry tells when, not what: without the preimage the lock still resolves as on chain.
            let preimage = entry.channel.known_preimage(*hash).unwrap_or_default();
            let event = AdjudicatorEvent::PreimageRegistered { hash: *hash, preimage };
            let delta = ChainDelta::Event { block: through.number, time: *time, event };
            self.drive(now_ms, id, |channel, ctx, out| channel.chain(ctx, delta, out));
        }
        self.end_halt();
    }
}
