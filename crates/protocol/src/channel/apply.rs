//! Durable steps. The live path and the replay after a crash go through the same functions.

use super::given_up::Departure;
use super::lean::Lean;
use super::outcome::Ticket;
use super::{Channel, Confirmed, Durable, Execution, Pending, Restore, Volatile};
use crate::message::Update;
use crate::onchain::{ChainView, Phase};
use crate::position::{NumberedLock, Position, Violation, sha256};
use crate::record::Record;
use crate::settings::Settings;
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use strait_types::{B256, ChannelId, ChannelParams, Side, Signature, Version};

/// Settings that channels share: as many as there are of common ones.
const MOST_SHARED: usize = 16;

/// What is on disk does not make a channel: damage, or a bug.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecoverError {
    /// Bytes that do not decode.
    #[error("a stored {what} does not decode: {reason}; restore a backup")]
    Malformed {
        /// Snapshot or record.
        what: &'static str,
        /// The decoder's words.
        reason: String,
    },
    /// Records that do not follow from one another.
    #[error("stored records do not fit together: {0}; restore a backup")]
    Inconsistent(&'static str),
}

impl Channel {
    /// A channel that just became known, and the record that makes it durable.
    pub fn open(id: ChannelId, params: ChannelParams, side: Side, settings: Settings) -> (Channel, Record) {
        let record = Record::Opened { id, params: params.clone(), side, settings: settings.clone() };
        let settings = Arc::new(settings);
        let position = Position::zero(id, params.assets.len());
        let durable = Durable {
            id,
            side,
            settings,
            confirmed: Confirmed {
                hash: position.state.hash(),
                position,
                peer_signature: None,
                writer: Side::Zero,
            },
            pending: VecDeque::new(),
            signed_high: Version::ZERO,
            refused_high: Version::ZERO,
            chain: ChainView::new(params.assets.len()),
            departure: Departure::None,
            rare: Lean::new(),
            params,
        };
        (Channel { durable, volatile: Volatile::new() }, record)
    }

    /// Rebuilds a channel from its snapshot and the records after it.
    ///
    /// # Errors
    /// When the bytes are damaged.
    pub fn recover(
        snapshot: Option<&[u8]>,
        records: impl IntoIterator<Item = impl AsRef<[u8]>>,
    ) -> Result<Channel, RecoverError> {
        let malformed =
            |what| move |error: std::io::Error| RecoverError::Malformed { what, reason: error.to_string() };
        let mut channel = match snapshot {
            Some(bytes) => {
                let durable: Durable = borsh::from_slice(bytes).map_err(malformed("snapshot"))?;
                Some(Channel { durable, volatile: Volatile::new() })
            }
            None => None,
        };
        for bytes in records {
            let record: Record = borsh::from_slice(bytes.as_ref()).map_err(malformed("record"))?;
            match (&mut channel, record) {
                (None, Record::Opened { id, params, side, settings }) => {
                    channel = Some(Channel::open(id, params, side, settings).0);
                }
                (None, Record::OpenedApp { id, params, side, settings, start }) => {
                    channel = Some(Channel::open_app(id, params, side, settings, start).0);
                }
                (None, Record::OpenedChild { id, opening, side, settings }) => {
                    channel = Some(Channel::open_child(id, opening, side, settings).0);
                }
                (None, _) => {
                    return Err(RecoverError::Inconsistent("the first record does not open a channel"));
                }
                (Some(_), Record::Opened { .. } | Record::OpenedApp { .. } | Record::OpenedChild { .. }) => {
                    return Err(RecoverError::Inconsistent("a channel is opened twice"));
                }
                (Some(channel), record) => channel.replay(record)?,
            }
        }
        let mut channel = channel.ok_or(RecoverError::Inconsistent("there is nothing to rebuild from"))?;
        channel.tidy();
        Ok(channel)
    }

    /// Has this channel hold one copy of its settings together with others, which mostly have the same.
    pub fn share_settings(&mut self, known: &mut Vec<Arc<Settings>>) {
        match known.iter().find(|known| **known == self.durable.settings) {
            Some(known) => self.durable.settings = known.clone(),
            None if known.len() < MOST_SHARED => known.push(self.durable.settings.clone()),
            None => {}
        }
    }

    /// The snapshot from which [`Channel::recover`] rebuilds the channel.
    pub fn snapshot(&self) -> Vec<u8> {
        // Writing to a Vec cannot fail.
        borsh::to_vec(&self.durable).unwrap_or_default()
    }

    fn replay(&mut self, record: Record) -> Result<(), RecoverError> {
        let inconsistent = RecoverError::Inconsistent;
        match record {
            Record::Opened { .. } | Record::OpenedApp { .. } | Record::OpenedChild { .. } => {}
            Record::Wrote(update) => {
                let position = step(self.head(), &update)?;
                self.apply_wrote(update, position, Vec::new());
            }
            Record::Accepted(update) => {
                let base = self.base_of(&update).ok_or(inconsistent("an update without its base"))?;
                let position = step(base, &update)?;
                self.apply_accepted(&update, position);
            }
            Record::Confirmed { version, signature } => {
                self.apply_confirmed(version, signature);
            }
            Record::Refused { version, violation } => self.apply_refused(version, violation),
            Record::RolledBack => {
                self.apply_rolled_back();
            }
            Record::Agreed(operation) => self.durable.agreed = Some(operation),
            Record::Preimage(preimage) => {
                self.durable.preimages.insert(sha256(preimage), preimage);
            }
            Record::Chain(delta) => self.apply_chain(&delta),
            Record::Restored => self.durable.restore = Some(Restore { rebase: None }),
            Record::Adopted(latest) => {
                self.apply_adopted(latest);
            }
            Record::Rebasing { version } => self.apply_rebasing(version),
            Record::Rebased { version, signature } => {
                self.apply_rebased(version, signature);
            }
            Record::ForceClose => self.durable.departure = Departure::Ordered,
            Record::GivenUp => self.durable.departure = Departure::GivenUp,
            Record::ExecutionOver => self.durable.execution = None,
            Record::Forced(state) => {
                self.apply_forced(*state);
            }
            record => return self.replay_of_app(&record),
        }
        Ok(())
    }

    fn replay_of_app(&mut self, record: &Record) -> Result<(), RecoverError> {
        let app = self.durable.app.as_mut();
        let app = app.ok_or(RecoverError::Inconsistent("a record of an app without one"))?;
        match record {
            Record::Dispute { number } => app.dispute = Some(*number),
            Record::MoveRefused => app.is_refused = true,
            Record::Turn { since_ms } => app.turn_ms = Some(*since_ms),
            Record::Resume { dispute, signature } => app.resume = Some((*dispute, *signature)),
            _ => {}
        }
        Ok(())
    }

    /// The position that an update of the peer's builds on: the confirmed one, or our own hand-over in flight.
    pub(super) fn base_of(&self, update: &Update) -> Option<&Position> {
        let confirmed = &self.durable.confirmed;
        if confirmed.position.state.version == update.base && confirmed.hash == update.base_hash {
            return Some(&confirmed.position);
        }
        let pending = self.durable.pending.iter().find(|pending| pending.update.version == update.base)?;
        (pending.hash == update.base_hash).then_some(&pending.position)
    }

    pub(super) fn apply_wrote(&mut self, update: Update, position: Position, tickets: Vec<Ticket>) {
        self.durable.signed_high = self.durable.signed_high.max(update.version);
        if self.durable.agreed.is_some() {
            // The peer did not use it while it had the pen.
            self.durable.agreed = None;
        }
        self.note_execution(&position, self.durable.side, None);
        self.note_openings(&update.operations);
        let hash = position.state.hash();
        self.durable.pending.push_back(Pending { update, position, hash, tickets });
    }

    /// Returns the pendings that the accepted version confirms along with itself.
    pub(super) fn apply_accepted(&mut self, update: &Update, position: Position) -> Vec<Pending> {
        let writer = self.durable.side.other();
        let disputed = self.disputed_locks();
        self.note_execution(&position, writer, Some(update.signature));
        self.note_openings(&update.operations);
        if self.durable.agreed.as_ref().is_some_and(|agreed| update.operations.contains(agreed)) {
            self.durable.agreed = None;
        }
        self.durable.confirmed = Confirmed {
            hash: position.state.hash(),
            position,
            peer_signature: Some(update.signature),
            writer,
        };
        self.forget_refused_locks(disputed);
        let confirmed = std::mem::take(&mut self.durable.pending).into();
        self.forget_preimages();
        self.forget_openings();
        confirmed
    }

    /// Returns what is confirmed, oldest first.
    pub(super) fn apply_confirmed(&mut self, version: Version, signature: Signature) -> Vec<Pending> {
        let mut confirmed = Vec::new();
        let disputed = self.disputed_locks();
        while self.durable.pending.front().is_some_and(|pending| pending.update.version <= version) {
            confirmed.extend(self.durable.pending.pop_front());
        }
        if let Some(last) = confirmed.last() {
            self.durable.confirmed = Confirmed {
                position: last.position.clone(),
                hash: last.hash,
                peer_signature: Some(signature),
                writer: self.durable.side,
            };
            if self.durable.execution.is_some()
                && let Some(execution) = &mut self.durable.execution
                && execution.signed.is_none()
                && execution.version == last.update.version
            {
                execution.signed = Some((last.position.clone(), signature));
            }
            if self.durable.restore.is_some() {
                // A rebase repeats a state that is no longer the best.
                self.durable.restore = Some(Restore { rebase: None });
            }
            self.forget_refused_locks(disputed);
        }
        self.forget_preimages();
        self.forget_openings();
        confirmed
    }

    pub(super) fn apply_refused(&mut self, version: Version, violation: Violation) {
        self.durable.refused_high = self.durable.refused_high.max(version);
        self.durable.refusal = Some(violation);
    }

    /// Returns what was rolled back, oldest first.
    pub(super) fn apply_rolled_back(&mut self) -> Vec<Pending> {
        let (confirmed, side) = (self.durable.confirmed.position.state.version, self.durable.side);
        if let Some(execution) = &mut self.durable.execution
            && execution.version > confirmed
            && execution.writer == side
        {
            execution.refused = true;
        }
        self.take_pending()
    }

    /// Takes away what is in flight, but remembers the locks that the peer could bring to the chain with it.
    pub(super) fn take_pending(&mut self) -> Vec<Pending> {
        let Durable { pending, confirmed, rare, .. } = &mut self.durable;
        for pending in pending {
            let locks = &pending.position.locks;
            let hash = pending.position.state.locks_hash;
            let known = |list: &Vec<NumberedLock>| list_hash(list) == hash;
            if hash != confirmed.position.state.locks_hash
                && !locks.is_empty()
                && !rare.refused_locks.iter().any(known)
            {
                rare.refused_locks.push(locks.clone());
            }
        }
        std::mem::take(&mut self.durable.pending).into()
    }

    pub(super) fn note_execution(
        &mut self,
        position: &Position,
        writer: Side,
        peer_signature: Option<Signature>,
    ) {
        if position.state.valid_until == 0 {
            return;
        }
        self.durable.execution = Some(Execution {
            version: position.state.version,
            valid_until: position.state.valid_until,
            is_final: position.state.is_final,
            refused: false,
            writer,
            signed: peer_signature.map(|signature| (position.clone(), signature)),
        });
    }

    /// Those of [`Channel::disputed_locks`] that the chain has recorded.
    pub(super) fn recorded_locks(&self) -> Vec<Vec<NumberedLock>> {
        let facts = [self.durable.chain.head(), self.durable.chain.counted()];
        let recorded = facts.map(|facts| facts.recorded.as_ref().map(|state| state.locks_hash));
        let mut lists = self.disputed_locks();
        lists.retain(|list| recorded.contains(&Some(list_hash(list))));
        lists
    }

    /// The lists by which the chain may settle in a dispute that goes on: that of any version the peer has, which it may show until the
    /// end, and not only of the newest.
    pub(super) fn disputed_locks(&self) -> Vec<Vec<NumberedLock>> {
        let mut disputed: Vec<Vec<NumberedLock>> = Vec::new();
        let facts = [self.durable.chain.head(), self.durable.chain.counted()];
        if facts.iter().all(|facts| facts.phase == Phase::Open) {
            return disputed;
        }
        let lists = self.positions().map(|position| &position.locks).chain(&self.durable.refused_locks);
        for list in lists.filter(|list| !list.is_empty()) {
            if !disputed.contains(list) {
                disputed.push(list.clone());
            }
        }
        disputed
    }

    /// Forgets the lists that can't come to the chain any more.
    pub(super) fn forget_refused_locks(&mut self, kept: Vec<Vec<NumberedLock>>) {
        if self.durable.refused_locks != kept {
            self.durable.refused_locks = kept;
        }
    }

    /// Preimages matter only while their lock stands.
    fn forget_preimages(&mut self) {
        if self.durable.preimages.is_empty() {
            return;
        }
        let locks: BTreeSet<_> = self
            .positions()
            .flat_map(|position| &position.locks)
            .chain(self.durable.refused_locks.iter().flatten())
            .map(|entry| entry.lock.reference)
            .collect();
        self.durable.preimages.retain(|hash, _| locks.contains(hash));
    }
}

pub(super) fn list_hash(locks: &[NumberedLock]) -> B256 {
    strait_types::locks_hash(locks.iter().map(|entry| &entry.lock))
}

fn step(base: &Position, update: &Update) -> Result<Position, RecoverError> {
    base.next(update.version, &update.operations, &mut |_, _| Ok(()))
        .map_err(|_| RecoverError::Inconsistent("an update that does not follow from its base"))
}
