//! What a batch becomes: entries on one monotonic position, and the bytes in which they are kept.

use crate::MAX_PAYLOAD;
use strait_engine::ports::{Batch, Kind, StoreError};
use strait_types::{B256, ChannelId};

/// What an entry is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Tag {
    Working,
    History,
    Snapshot,
    /// History whose payload is kept apart; this one's is empty.
    Apart,
}

impl From<Kind> for Tag {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Working => Tag::Working,
            Kind::History => Tag::History,
        }
    }
}

/// One record or snapshot of a channel. Positions ascend over the whole store and are never used twice.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Entry {
    pub(crate) position: u64,
    pub(crate) tag: Tag,
    pub(crate) payload: Vec<u8>,
}

impl Entry {
    /// Bytes that it takes, with a share for bookkeeping.
    pub(crate) fn weight(&self) -> usize {
        self.payload.len().saturating_add(HEADER)
    }
}

/// Refuses what no backend takes.
pub(crate) fn check(batch: &Batch) -> Result<(), StoreError> {
    let payloads = batch.records.iter().map(|r| &r.payload).chain(batch.snapshots.iter().map(|s| &s.payload));
    if let Some(payload) = payloads.into_iter().find(|payload| payload.len() > MAX_PAYLOAD) {
        let size = payload.len();
        return Err(StoreError::Misuse(format!(
            "a payload has {size} bytes, at most {MAX_PAYLOAD} are kept"
        )));
    }
    let ascending = batch.snapshots.is_sorted_by_key(|snapshot| snapshot.after);
    if !ascending || batch.snapshots.last().is_some_and(|snapshot| snapshot.after > batch.records.len()) {
        return Err(StoreError::Misuse(
            "the snapshots of a batch must ascend in `after`, and stay within its records".into(),
        ));
    }
    Ok(())
}

/// The entries of a checked batch in their order: a snapshot stands right before the first record that it does not cover.
pub(crate) fn in_order(batch: &Batch) -> impl Iterator<Item = (ChannelId, Tag, &[u8])> {
    let mut records = batch.records.iter().enumerate().peekable();
    let mut snapshots = batch.snapshots.iter().peekable();
    std::iter::from_fn(move || {
        let record_at = records.peek().map_or(usize::MAX, |(index, _)| *index);
        if let Some(snapshot) = snapshots.next_if(|snapshot| snapshot.after <= record_at) {
            return Some((snapshot.channel, Tag::Snapshot, snapshot.payload.as_slice()));
        }
        records.next().map(|(_, record)| (record.channel, record.kind.into(), record.payload.as_slice()))
    })
}

/// Position, tag and length before each payload.
const HEADER: usize = 8 + 1 + 4;

/// Entries as bytes, behind a checksum: the database does not notice by itself when a disk returns other bytes.
pub(crate) struct Writer(Vec<u8>);

impl Writer {
    pub(crate) fn new() -> Self {
        Self(vec![0; 4])
    }

    /// With room for one entry that names no channel and has a payload of `length` bytes.
    pub(crate) fn with_capacity(length: usize) -> Self {
        let mut bytes = Vec::with_capacity(length.saturating_add(HEADER + 4));
        bytes.extend_from_slice(&[0; 4]);
        Self(bytes)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.len() == 4
    }

    /// Appends an entry; with its channel where the row does not name it.
    pub(crate) fn push(&mut self, channel: Option<ChannelId>, position: u64, tag: Tag, payload: &[u8]) {
        if let Some(channel) = channel {
            self.0.extend_from_slice(channel.0.as_slice());
        }
        self.0.extend_from_slice(&position.to_le_bytes());
        self.0.push(match tag {
            Tag::Working => 0,
            Tag::History => 1,
            Tag::Snapshot => 2,
            Tag::Apart => 3,
        });
        let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
        self.0.extend_from_slice(&length.to_le_bytes());
        self.0.extend_from_slice(payload);
    }

    /// The bytes, sealed.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        let sum = self.0.get(4..).map_or(0, crc32fast::hash);
        if let Some(head) = self.0.get_mut(..4) {
            head.copy_from_slice(&sum.to_le_bytes());
        }
        self.0
    }
}

/// Stored bytes are not what was written.
#[derive(Debug)]
pub(crate) struct Malformed;

/// Reads entries that name no channel.
pub(crate) fn read(bytes: &[u8]) -> Result<Vec<Entry>, Malformed> {
    let mut rest = unsealed(bytes)?;
    let mut entries = Vec::new();
    while !rest.is_empty() {
        entries.push(take_entry(&mut rest)?);
    }
    Ok(entries)
}

/// Reads entries that name their channel.
pub(crate) fn read_with_channel(bytes: &[u8]) -> Result<Vec<(ChannelId, Entry)>, Malformed> {
    let mut rest = unsealed(bytes)?;
    let mut entries = Vec::new();
    while !rest.is_empty() {
        let channel = ChannelId(B256::from(take::<32>(&mut rest)?));
        entries.push((channel, take_entry(&mut rest)?));
    }
    Ok(entries)
}

fn unsealed(bytes: &[u8]) -> Result<&[u8], Malformed> {
    let (sum, rest) = bytes.split_first_chunk::<4>().ok_or(Malformed)?;
    if crc32fast::hash(rest) == u32::from_le_bytes(*sum) { Ok(rest) } else { Err(Malformed) }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], Malformed> {
    let (head, tail) = rest.split_first_chunk::<N>().ok_or(Malformed)?;
    *rest = tail;
    Ok(*head)
}

fn take_entry(rest: &mut &[u8]) -> Result<Entry, Malformed> {
    let position = u64::from_le_bytes(take(rest)?);
    let tag = match take::<1>(rest)? {
        [0] => Tag::Working,
        [1] => Tag::History,
        [2] => Tag::Snapshot,
        [3] => Tag::Apart,
        _ => return Err(Malformed),
    };
    let length = usize::try_from(u32::from_le_bytes(take(rest)?)).map_err(|_| Malformed)?;
    let (payload, tail) = rest.split_at_checked(length).ok_or(Malformed)?;
    *rest = tail;
    Ok(Entry { position, tag, payload: payload.to_vec() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Vec<u8> {
        let mut writer = Writer::new();
        writer.push(None, 7, Tag::History, b"paid");
        writer.push(None, 9, Tag::Snapshot, b"");
        writer.finish()
    }

    #[test]
    fn entries_come_back_as_written() {
        let entries = read(&sample()).expect("just written");
        assert_eq!(
            entries,
            [
                Entry { position: 7, tag: Tag::History, payload: b"paid".to_vec() },
                Entry { position: 9, tag: Tag::Snapshot, payload: Vec::new() },
            ]
        );
    }

    #[test]
    fn every_changed_bit_and_every_cut_is_noticed() {
        let bytes = sample();
        for cut in 0..bytes.len() {
            assert!(read(&bytes[..cut]).is_err(), "cut at {cut}");
        }
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(read(&changed).is_err(), "bit {bit}");
        }
    }
}
