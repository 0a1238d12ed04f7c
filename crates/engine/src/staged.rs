//! Durable before sent, in one place: effects can be had only from a commit.

use crate::input::Effect;
use crate::ports::{Batch, Store, StoreError};

/// A round's records together with the effects that depend on them.
#[derive(Debug, Default)]
#[must_use = "nothing leaves and nothing is durable until it is committed"]
pub struct Staged {
    batch: Batch,
    effects: Vec<Effect>,
}

impl Staged {
    pub(crate) fn new(batch: Batch, effects: Vec<Effect>) -> Staged {
        Staged { batch, effects }
    }

    /// Joins a later round, so that both share one sync.
    pub fn join(&mut self, later: Staged) {
        self.batch.append(later.batch);
        self.effects.extend(later.effects);
    }

    /// Size of the batch in records.
    pub fn records(&self) -> usize {
        self.batch.records.len()
    }

    /// Makes the round durable and hands out its effects.
    ///
    /// # Errors
    /// When the store fails: no effect may happen, and the engine must be rebuilt from the store, since it is ahead of it.
    pub fn commit(self, store: &mut dyn Store) -> Result<Vec<Effect>, StoreError> {
        if !self.batch.is_empty() {
            store.commit(&self.batch)?;
        }
        Ok(self.effects)
    }
}
