//! The store as simply as it can be said: the list of all that was ever committed.

use std::collections::BTreeMap;
use strait_engine::ports::{Batch, Kind, Recovered, Store};
use strait_types::ChannelId;

/// What a store must hold. It shares no code with any backend.
#[derive(Clone, Default, Debug)]
pub struct Model {
    channels: BTreeMap<ChannelId, Vec<Item>>,
    meta: BTreeMap<String, Vec<u8>>,
    forgotten: BTreeMap<ChannelId, usize>,
}

#[derive(Clone, Debug)]
struct Item {
    /// `None`: a snapshot.
    kind: Option<Kind>,
    payload: Vec<u8>,
}

impl Model {
    /// Adds a batch.
    pub fn commit(&mut self, batch: &Batch) {
        for index in 0..=batch.records.len() {
            for snapshot in batch.snapshots.iter().filter(|snapshot| snapshot.after == index) {
                let item = Item { kind: None, payload: snapshot.payload.clone() };
                self.channels.entry(snapshot.channel).or_default().push(item);
            }
            if let Some(record) = batch.records.get(index) {
                let item = Item { kind: Some(record.kind), payload: record.payload.clone() };
                self.channels.entry(record.channel).or_default().push(item);
            }
        }
        for (key, value) in &batch.meta {
            self.meta.insert(key.clone(), value.clone());
        }
    }

    /// Forgets the first `count` entries that [`Model::history`] lists now, as far as a snapshot covers them.
    pub fn prune(&mut self, channel: ChannelId, count: usize) {
        let Some(items) = self.channels.get(&channel) else { return };
        let covered = items.iter().rposition(|item| item.kind.is_none()).unwrap_or(0);
        let covered = items[..covered].iter().filter(|item| item.kind == Some(Kind::History)).count();
        let forgotten = self.forgotten.entry(channel).or_default();
        *forgotten = (*forgotten + count).min(covered).max(*forgotten);
    }

    /// Payloads of the channel's history.
    pub fn history(&self, channel: ChannelId) -> Vec<Vec<u8>> {
        let items = self.channels.get(&channel).map(Vec::as_slice).unwrap_or_default();
        let history = items.iter().filter(|item| item.kind == Some(Kind::History));
        let forgotten = self.forgotten.get(&channel).copied().unwrap_or_default();
        history.skip(forgotten).map(|item| item.payload.clone()).collect()
    }

    /// A named value.
    pub fn meta(&self, key: &str) -> Option<Vec<u8>> {
        self.meta.get(key).filter(|value| !value.is_empty()).cloned()
    }

    /// What recovery must yield, by channel.
    pub fn recovered(&self) -> Vec<Recovered> {
        let rebuild = |(channel, items): (&ChannelId, &Vec<Item>)| {
            let last = items.iter().rposition(|item| item.kind.is_none());
            let rest = &items[last.map_or(0, |last| last + 1)..];
            Recovered {
                channel: *channel,
                snapshot: last.map(|last| items[last].payload.clone()),
                records: rest.iter().map(|item| item.payload.clone()).collect(),
            }
        };
        self.channels.iter().map(rebuild).collect()
    }

    /// Whether a store holds exactly this.
    pub fn is_same(&self, store: &impl Store) -> bool {
        let same_history = |channel: &ChannelId| {
            let history = store.history(*channel, None, usize::MAX).expect("the history is readable");
            history.is_sorted_by(|a, b| a.position < b.position)
                && history.into_iter().map(|entry| entry.payload).eq(self.history(*channel))
        };
        let same_meta = |key: &String| store.meta(key).expect("the value is readable") == self.meta(key);
        recovered(store) == self.recovered()
            && self.channels.keys().all(same_history)
            && self.meta.keys().all(same_meta)
    }

    /// Panics with what differs.
    pub fn assert_same(&self, store: &impl Store, when: &str) {
        if self.is_same(store) {
            return;
        }
        let (found, expected) = (recovered(store), self.recovered());
        assert_eq!(digest(&found), digest(&expected), "{when}: recovered channels differ");
        for channel in self.channels.keys() {
            let history = store.history(*channel, None, usize::MAX).expect("the history is readable");
            let found: Vec<_> = history.into_iter().map(|entry| entry.payload).collect();
            assert_eq!(
                found.len(),
                self.history(*channel).len(),
                "{when}: length of the history of {channel}"
            );
            assert!(found == self.history(*channel), "{when}: history of {channel} differs");
        }
        panic!("{when}: named values or positions differ");
    }
}

fn recovered(store: &impl Store) -> Vec<Recovered> {
    let mut channels = Vec::new();
    store.recover(&mut |channel| channels.push(channel)).expect("the store is readable");
    channels.sort_by_key(|recovered| recovered.channel);
    channels
}

/// Short enough to read in a failure: channel, start of the snapshot, lengths of the records.
fn digest(channels: &[Recovered]) -> Vec<(ChannelId, Option<Vec<u8>>, Vec<usize>)> {
    let short = |bytes: &Vec<u8>| bytes.iter().take(8).copied().collect();
    channels
        .iter()
        .map(|one| {
            (one.channel, one.snapshot.as_ref().map(short), one.records.iter().map(Vec::len).collect())
        })
        .collect()
}
