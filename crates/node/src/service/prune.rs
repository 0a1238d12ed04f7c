//! Forgetting the older part of a channel's history.
//!
//! A channel is rebuilt and defended without its history, but the service reads in it: it looks for what it has not told
//! yet, and for what became of requests with a key that a crash left without a result. Nothing is forgotten that lies
//! behind the oldest place from which such a look begins. What is known at the place where the history begins then
//! (balances, locks, counts) is written down durably before anything is forgotten, so that numbers go on, and that a bill
//! which begins there can be verified: the signatures on what follows cover it.

use super::Core;
use super::history::{Mark, Place, decode};
use super::keys::undecided;
use super::registry::Known;
use borsh::{BorshDeserialize, BorshSerialize};
use rusqlite::{Connection, OptionalExtension};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use strait_api::{ApiError, ErrorCode, HistoryPrune, HistoryPruned};
use strait_protocol::{Position, Replay};
use strait_types::{Bytes, ChannelId, Version};
use tokio::sync::{Mutex, OwnedRwLockReadGuard, RwLock, mpsc, oneshot};
use tokio::time::timeout;

/// Longest wait for those who read; a backup may take minutes.
const PATIENCE: Duration = Duration::from_secs(5);

/// Records that are read from the store at once.
const RECORDS: usize = 256;

/// Who prunes, and who must not be pruned from under.
#[derive(Default)]
pub(crate) struct Pruning {
    /// One at a time.
    one: Mutex<()>,
    readers: Arc<RwLock<()>>,
    /// Ask a chain's events to be told, durably, up to now.
    looks: OnceLock<Vec<mpsc::Sender<Look>>>,
}

/// A channel whose history is to be read on, and who waits for that.
pub(crate) type Look = (ChannelId, oneshot::Sender<()>);

impl Pruning {
    /// While it is held, nothing is forgotten.
    pub(crate) async fn reading(&self) -> OwnedRwLockReadGuard<()> {
        self.readers.clone().read_owned().await
    }

    /// By whom the chains' histories are read on, in their order.
    pub(crate) fn set_looks(&self, looks: Vec<mpsc::Sender<Look>>) {
        // It is set once, at the start.
        drop(self.looks.set(looks));
    }

    async fn read_on(&self, known: &Known) {
        let Some(look) = self.looks.get().and_then(|looks| looks.get(known.chain)) else { return };
        let (done, waiting) = oneshot::channel();
        if look.send((known.id, done)).await.is_ok() {
            // Without an answer less is forgotten.
            drop(waiting.await);
        }
    }
}

/// Where a channel's history begins; nothing in it: with the channel.
#[derive(Clone, PartialEq, Eq, Debug, Default, BorshSerialize, BorshDeserialize)]
pub(crate) struct Start(Option<(Mark, Position)>);

impl Start {
    pub(crate) fn mark(&self) -> Mark {
        self.0.as_ref().map(|(mark, _)| *mark).unwrap_or_default()
    }

    /// The last version that is forgotten; 0: none.
    pub(crate) fn version(&self) -> u64 {
        self.0.as_ref().map_or(0, |(_, position)| position.state.version.0)
    }

    /// For who goes on from here: see `HistoryProof::start`.
    pub(crate) fn position(&self) -> Option<Bytes> {
        let (_, position) = self.0.as_ref()?;
        // Writing to a Vec cannot fail.
        borsh::to_vec(position).ok().map(Bytes::from)
    }
}

impl Core {
    /// Where a channel's history begins.
    pub(crate) async fn history_start(&self, channel: ChannelId) -> Result<Start, ApiError> {
        let bytes = self.database.read(move |db| stored_start(db, channel)).await?;
        let Some(bytes) = bytes else { return Ok(Start::default()) };
        borsh::from_slice(&bytes).map_err(|error| {
            let message = format!("where the history of {channel} begins cannot be read: {error}");
            ApiError::new(ErrorCode::StoreFailed, message)
        })
    }

    pub(crate) async fn history_prune(&self, request: HistoryPrune) -> Result<HistoryPruned, ApiError> {
        let known = self.known(request.channel).await?;
        if !known.params.app.is_zero() {
            let message = "the history of a game is kept whole: it proves how play led to its end";
            return Err(ApiError::new(ErrorCode::InvalidParams, message)
                .hint("prune channels for payments; those have all but a little of what is kept"));
        }
        let newest = self.show(known.id).await?.version;
        if request.before > newest.saturating_add(1) {
            let message =
                format!("there is no version {} of {}: the newest is {newest}", request.before, known.id);
            return Err(ApiError::new(ErrorCode::InvalidParams, message)
                .hint("`strait history` shows the versions; nothing was forgotten"));
        }
        let _one = self.pruning.one.lock().await;
        self.pruning.read_on(&known).await;
        let limit = self.needed_from(known.id).await?;
        let start = self.history_start(known.id).await?;
        let before = start.version();
        let next = self.last_place(&known, &start, limit, Version(request.before)).await?;
        let through = next.version();
        let (mark, bytes) = (next.mark(), borsh::to_vec(&next).unwrap_or_default());
        let Some(after) = mark.after else { return Ok(HistoryPruned { through, before }) };
        // While it waits, so does whoever would read next.
        let Ok(_alone) = timeout(PATIENCE, self.pruning.readers.write()).await else {
            return Err(ApiError::new(ErrorCode::Busy, "the history is being read, by a backup perhaps"));
        };
        let id = known.id;
        self.database.write(move |db| write_start(db, id, &bytes)).await?;
        self.node(&known)?.prune_history(id, after).await?;
        Ok(HistoryPruned { through, before })
    }

    /// Gives free what the stores could not forget when they were asked to: until a snapshot covers it, a channel is rebuilt
    /// from it.
    pub(crate) async fn forget_pruned(&self) -> Result<(), ApiError> {
        for known in self.registry.all() {
            if let Some(after) = self.history_start(known.id).await?.mark().after {
                self.node(&known)?.prune_history(known.id, after).await?;
            }
        }
        Ok(())
    }

    /// Position of the last record before all that the service may read again.
    async fn needed_from(&self, channel: ChannelId) -> Result<Option<u64>, ApiError> {
        // In this order: a request whose operations lie before the place was noted before the place was.
        let told: Mark = match self.database.read(move |db| stored_mark(db, channel)).await? {
            Some(bytes) => borsh::from_slice(&bytes).unwrap_or_default(),
            None => return Ok(None),
        };
        let rows = self.database.read(undecided).await?.into_iter();
        let notes = rows.filter(|row| row.channel == Some(channel)).map(|row| row.note);
        let marks = notes.map(|note| match serde_json::from_str::<super::keys::Intention>(&note) {
            Ok(intention) => intention.mark().map_or(told.after, |mark| mark.after),
            Err(_) => None,
        });
        Ok(marks.fold(told.after, Option::min))
    }

    /// The last place up to `limit` with nothing but versions below `before` in front of it.
    async fn last_place(
        &self,
        known: &Known,
        start: &Start,
        limit: Option<u64>,
        before: Version,
    ) -> Result<Start, ApiError> {
        let node = self.node(known)?;
        let zero = || Position::zero(known.id, known.assets.len());
        let position = start.0.as_ref().map_or_else(zero, |(_, position)| position.clone());
        let mut place = Place::new(known.side, start.mark());
        let mut replay = Replay::new(&known.params, known.side, position);
        let (mut last, mut after) = (start.clone(), start.mark().after);
        loop {
            let entries = node.history(known.id, after, RECORDS).await?;
            let is_last = entries.len() < RECORDS;
            for entry in entries {
                let record = decode(known.id, &entry)?;
                // These are this node's own records: their signatures were checked when they were written.
                if replay.read(&record, &mut |_, _, _| Ok(())).is_err() {
                    return Ok(last);
                }
                place.take(entry.position, record);
                after = Some(entry.position);
                let (mark, position) = (place.mark(), replay.confirmed());
                if position.state.version >= before || mark.after > limit {
                    return Ok(last);
                }
                if position.state.version.0 > last.version() {
                    last = Start(Some((mark, position.clone())));
                }
            }
            if is_last {
                return Ok(last);
            }
        }
    }
}

fn stored_start(db: &Connection, channel: ChannelId) -> rusqlite::Result<Option<Vec<u8>>> {
    db.prepare_cached("SELECT start FROM history_start WHERE channel = ?1")?
        .query_row([channel.0.as_slice()], |row| row.get(0))
        .optional()
}

fn stored_mark(db: &Connection, channel: ChannelId) -> rusqlite::Result<Option<Vec<u8>>> {
    db.prepare_cached("SELECT mark FROM channel WHERE id = ?1")?
        .query_row([channel.0.as_slice()], |row| row.get(0))
        .optional()
}

fn write_start(db: &Connection, channel: ChannelId, start: &[u8]) -> rusqlite::Result<()> {
    db.prepare_cached(
        "INSERT INTO history_start (channel, start) VALUES (?1, ?2)
         ON CONFLICT (channel) DO UPDATE SET start = excluded.start",
    )?
    .execute((channel.0.as_slice(), start))
    .map(drop)
}
