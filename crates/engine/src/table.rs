//! The channels of the engine. One that is idle is kept packed, in a fraction of the room, until something touches it:
//! whether a channel is packed makes no difference to anyone else.

use crate::engine::Entry;
use std::collections::{BTreeMap, btree_map};
use std::iter;
use std::ops::{Bound, Deref};
use std::sync::Arc;
use strait_protocol::{Channel, Settings};
use strait_types::ChannelId;

/// Channels that stay unpacked between two blocks though they are idle.
const MOST_LIVE: usize = 16_384;
/// Beyond that, live channels that are looked at for each that was touched, and besides in each round.
const LOOKS: usize = 4;

/// What the engine keeps beside a packed channel.
#[derive(borsh::BorshSerialize, borsh::BorshDeserialize)]
struct Kept {
    introduced: bool,
    closed: bool,
    journal_bytes: u64,
    snapshot_bytes: u64,
}

/// A channel to look at.
pub(crate) enum EntryRef<'a> {
    Live(&'a Entry),
    Unpacked(Box<Entry>),
}

impl Deref for EntryRef<'_> {
    type Target = Entry;

    fn deref(&self) -> &Entry {
        match self {
            EntryRef::Live(entry) => entry,
            EntryRef::Unpacked(entry) => entry,
        }
    }
}

/// All channels, by id.
// Ordered, so that a seed replays exactly.
#[derive(Debug, Default)]
pub(crate) struct Table {
    /// Apart from the many that rest: finding a channel in use costs the same whatever number of them there is.
    live: BTreeMap<ChannelId, Box<Entry>>,
    /// [`Kept`], then [`Channel::pack`].
    packed: BTreeMap<ChannelId, Box<[u8]>>,
    /// The live channel that was looked at last.
    hand: Option<ChannelId>,
    /// Settings that channels share.
    settings: Vec<Arc<Settings>>,
    /// Height of the newest event that no reorg can take back, of all channels that were ever packed.
    settled: u64,
    /// Room for packing.
    scratch: Vec<u8>,
}

impl Table {
    pub(crate) fn len(&self) -> usize {
        self.live.len() + self.packed.len()
    }

    pub(crate) fn contains_key(&self, id: &ChannelId) -> bool {
        self.live.contains_key(id) || self.packed.contains_key(id)
    }

    /// All ids, ascending.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &ChannelId> {
        let (mut live, mut packed) = (self.live.keys().peekable(), self.packed.keys().peekable());
        iter::from_fn(move || match (live.peek(), packed.peek()) {
            (Some(one), Some(other)) if one > other => packed.next(),
            (None, Some(_)) => packed.next(),
            _ => live.next(),
        })
    }

    /// A channel to look at; who looks at a packed one often is better served by [`Table::get_mut`].
    pub(crate) fn get(&self, id: &ChannelId) -> Option<EntryRef<'_>> {
        let live = self.live.get(id).map(|entry| EntryRef::Live(entry));
        live.or_else(|| self.packed.get(id).map(|bytes| EntryRef::Unpacked(Box::new(unpack(bytes)))))
    }

    /// A channel to work with: unpacked, if it was packed.
    pub(crate) fn get_mut(&mut self, id: &ChannelId) -> Option<&mut Entry> {
        let entry = match self.live.entry(*id) {
            btree_map::Entry::Occupied(place) => place.into_mut(),
            btree_map::Entry::Vacant(place) => {
                let mut entry = unpack(&self.packed.remove(id)?);
                entry.channel.share_settings(&mut self.settings);
                place.insert(Box::new(entry))
            }
        };
        entry.used = true;
        Some(entry)
    }

    /// A channel that is not known yet.
    pub(crate) fn insert(&mut self, id: ChannelId, mut entry: Entry) {
        debug_assert!(!self.contains_key(&id), "a channel has one place");
        entry.channel.share_settings(&mut self.settings);
        self.live.insert(id, Box::new(entry));
    }

    pub(crate) fn remove(&mut self, id: &ChannelId) -> Option<Entry> {
        let live = self.live.remove(id).map(|entry| *entry);
        live.or_else(|| self.packed.remove(id).map(|bytes| unpack(&bytes)))
    }

    /// Those that are not packed, by id: all that have an app, a parent, a lock, or something before the chain are among them.
    pub(crate) fn live(&self) -> impl Iterator<Item = (&ChannelId, &Entry)> {
        self.live.iter().map(|(id, entry)| (id, entry.as_ref()))
    }

    /// Whether a reorg to a height takes back nothing that is settled in any channel.
    pub(crate) fn is_reversible_to(&self, height: u64) -> bool {
        let is_reversible = |entry: &Entry| entry.channel.is_chain_reversible_to(height);
        self.live().all(|(_, entry)| is_reversible(entry))
            && (self.settled <= height || self.packed.values().all(|bytes| is_reversible(&unpack(bytes))))
    }

    /// Channels of which a restart replays something, with its size in bytes.
    pub(crate) fn replayed(&self) -> impl Iterator<Item = (usize, ChannelId)> {
        let live = self.live.iter().filter(|(_, entry)| entry.opening.is_none());
        let live = live.map(|(id, entry)| (entry.journal_bytes, *id));
        let packed = self
            .packed
            .iter()
            .map(|(id, bytes)| (kept(&mut &bytes[..]).map_or(0, |kept| as_size(kept.journal_bytes)), *id));
        live.chain(packed).filter(|(bytes, _)| *bytes > 0)
    }

    /// After a round in which so many channels were touched: packs idle ones if too many are live.
    pub(crate) fn rest(&mut self, touched: usize) {
        for _ in 0..touched.saturating_add(1).saturating_mul(LOOKS) {
            if self.live.len() <= MOST_LIVE {
                return;
            }
            let after = self.hand.map_or(Bound::Unbounded, Bound::Excluded);
            let next = self.live.range((after, Bound::Unbounded)).next().map(|(id, _)| *id);
            self.hand = next;
            if let Some(id) = next {
                self.settle(id);
            }
        }
    }

    /// With each block: packs what was idle since the last.
    pub(crate) fn settle_all(&mut self) {
        let ids: Vec<_> = self.live.keys().copied().collect();
        ids.into_iter().for_each(|id| self.settle(id));
    }

    /// Packs a channel if it can be, and was not used since it was last looked at.
    pub(crate) fn settle(&mut self, id: ChannelId) {
        let Some(entry) = self.live.get_mut(&id) else { return };
        if std::mem::replace(&mut entry.used, false) || !is_idle(entry) {
            return;
        }
        self.scratch.clear();
        let kept = Kept {
            introduced: entry.introduced,
            closed: entry.closed,
            journal_bytes: u64::try_from(entry.journal_bytes).unwrap_or(u64::MAX),
            snapshot_bytes: u64::try_from(entry.snapshot_bytes).unwrap_or(u64::MAX),
        };
        let written = borsh::to_writer(&mut self.scratch, &kept).is_ok();
        if written && entry.channel.pack(&mut self.scratch) {
            self.settled = self.settled.max(entry.channel.settled_height());
            self.live.remove(&id);
            self.packed.insert(id, self.scratch.as_slice().into());
        }
    }
}

/// Whether nothing beside the channel itself is under way.
fn is_idle(entry: &Entry) -> bool {
    entry.opening.is_none()
        && entry.declined.is_none()
        && entry.tick.is_none()
        && entry.lookups.is_empty()
        && entry.alarmed.is_empty()
        && !entry.channel.needs_attention()
}

fn as_size(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

fn kept(bytes: &mut &[u8]) -> Option<Kept> {
    borsh::BorshDeserialize::deserialize(bytes).ok()
}

/// # Panics
/// When what was packed in this process does not read back, which is a bug: the node stops, and its store has all.
fn unpack(mut bytes: &[u8]) -> Entry {
    let parts = kept(&mut bytes).and_then(|kept| Some((kept, Channel::unpack(bytes)?)));
    let Some((kept, channel)) = parts else { unreachable!("a packed channel that does not read back") };
    let peer = channel.params().participant(channel.side().other()).signer;
    Entry {
        introduced: kept.introduced,
        closed: kept.closed,
        snapshot_bytes: as_size(kept.snapshot_bytes),
        ..Entry::new(channel, peer, as_size(kept.journal_bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use strait_types::{Address, B256, ChannelParams, Participant, Side};

    fn entry() -> (ChannelId, Entry) {
        let participant = |byte| Participant { signer: Address::repeat_byte(byte), payout: Address::ZERO };
        let params = ChannelParams {
            participants: [participant(1), participant(2)],
            challenge_duration: 86_400,
            nonce: 1,
            app: Address::ZERO,
            child: B256::ZERO,
            assets: vec![Address::ZERO],
        };
        let id = params.id(1, Address::ZERO);
        let (channel, _) = Channel::open(id, params, Side::Zero, Settings::default());
        (id, Entry { introduced: true, snapshot_bytes: 5, ..Entry::new(channel, Address::repeat_byte(2), 7) })
    }

    #[test]
    fn what_rests_is_packed_and_comes_back_as_it_was() {
        let mut table = Table::default();
        let (id, entry) = entry();
        let before = format!("{entry:?}");
        table.insert(id, entry);
        table.settle_all();
        assert_eq!(table.live().count(), 1, "it was used since the last look");
        table.settle_all();
        assert_eq!(table.live().count(), 0);
        let Some(bytes) = table.packed.get(&id) else { panic!("live") };
        assert!(bytes.len() < 800, "{} bytes", bytes.len());
        assert_eq!(table.replayed().collect::<Vec<_>>(), [(7, id)]);
        assert_eq!(format!("{:?}", *table.get(&id).expect("known")), before);
        assert_eq!(table.live().count(), 0, "who only looks leaves it packed");
        assert_eq!(format!("{:?}", table.get_mut(&id).expect("known")), before);
        assert_eq!(table.live().count(), 1);
        assert_eq!(table.remove(&id).map(|entry| entry.journal_bytes), Some(7));
        assert_eq!(table.len(), 0);
    }

    #[test]
    fn what_is_under_way_is_not_packed() {
        let mut table = Table::default();
        let (id, mut entry) = entry();
        entry.tick = Some(1);
        table.insert(id, entry);
        table.settle_all();
        table.settle_all();
        assert_eq!(table.live().count(), 1);
    }
}
