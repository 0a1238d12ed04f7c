//! Preimages that were registered before their lock was known here: the registry is read for every lock that outlives
//! a block, long before its margin, and after a deep reorg. Most locks are settled earlier and cost no question.

use crate::engine::Engine;
use crate::input::Effect;
use crate::ports::BlockRef;
use strait_protocol::ChainDelta;
use strait_types::abi::AdjudicatorEvent;
use strait_types::{B256, ChannelId};

/// Which locks the registry is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Age {
    /// Those that were there a block ago.
    ABlock,
    /// All.
    Any,
}

impl Engine {
    /// Asks for the registrations of a channel's locks, once for each.
    pub(crate) fn look_up_locks(&mut self, id: ChannelId, age: Age) {
        let Some(entry) = self.channels.get_mut(&id) else { return };
        let pending = entry.channel.lock_hashes();
        let mut before = std::mem::take(&mut entry.lookups);
        let mut hashes = Vec::new();
        for hash in pending {
            let asked = before.remove(&hash);
            let is_due = asked == Some(false) || asked.is_none() && age == Age::Any;
            if is_due {
                hashes.push(hash);
            }
            entry.lookups.insert(hash, is_due || asked == Some(true));
        }
        if !hashes.is_empty() {
            *self.lookups.entry(id).or_default() += 1;
            self.effects.push(Effect::LookUp { channel: id, hashes });
        }
    }

    /// A reorg made answers void: what outlives the next block is asked for again.
    pub(crate) fn doubt_registrations(&mut self, id: ChannelId) {
        if let Some(entry) = self.channels.get_mut(&id) {
            entry.lookups.values_mut().for_each(|asked| *asked = false);
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
        if !self.cursor.contains(through) {
            self.doubt_registrations(id);
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
            let block = self.cursor.block_at(*time, through);
            let delta = ChainDelta::Event { block, time: *time, event };
            self.drive(now_ms, id, |channel, ctx, out| channel.chain(ctx, delta, out));
        }
        self.end_halt();
    }
}
