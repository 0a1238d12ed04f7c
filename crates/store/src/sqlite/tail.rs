//! The part of the journal that is not folded yet, in memory and grouped by channel. Its size is bounded by the fold.

use crate::entry::{Entry, Tag};
use std::collections::{BTreeMap, VecDeque};
use strait_types::ChannelId;

/// Entries of one channel, in order.
#[derive(Default, Debug)]
pub(super) struct Group {
    /// Position of the last snapshot among the entries.
    pub(super) snapshot: Option<u64>,
    pub(super) entries: VecDeque<Entry>,
}

/// Groups by channel, and the rows of the journal that hold them.
#[derive(Default, Debug)]
pub(super) struct Tail {
    pub(super) groups: BTreeMap<ChannelId, Group>,
    /// First position and size of each row.
    pub(super) rows: VecDeque<(u64, usize)>,
    /// Sum of the weights of all entries ever added.
    pub(super) weight: usize,
}

impl Tail {
    pub(super) fn add(&mut self, channel: ChannelId, entry: Entry) {
        self.weight = self.weight.saturating_add(entry.weight());
        let group = self.groups.entry(channel).or_default();
        if entry.tag == Tag::Snapshot {
            group.snapshot = Some(entry.position);
        }
        group.entries.push_back(entry);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.groups.is_empty() && self.rows.is_empty()
    }

    /// Position of the latest snapshot of a channel.
    pub(super) fn snapshot_of(&self, channel: ChannelId) -> Option<u64> {
        self.groups.get(&channel).and_then(|group| group.snapshot)
    }

    pub(super) fn entries_of(&self, channel: ChannelId) -> impl Iterator<Item = &Entry> {
        self.groups.get(&channel).into_iter().flat_map(|group| &group.entries)
    }
}
