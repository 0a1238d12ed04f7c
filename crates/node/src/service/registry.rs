//! Which channels there are, on which chain, and in which order they became known.

use super::arriving::Unseen;
use super::history::Mark;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use strait_types::{Address, AssetIndex, ChannelId, ChannelParams, Side};

/// A channel's terms, as the service needs them.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) id: ChannelId,
    /// Index of its chain in the configuration.
    pub(crate) chain: usize,
    /// The how-manieth channel of this service it is.
    pub(crate) number: u64,
    pub(crate) params: ChannelParams,
    /// Which participant this node is.
    pub(crate) side: Side,
    pub(crate) assets: Arc<[Address]>,
    /// A place in its history from which a look at what is new begins.
    mark: Mutex<Mark>,
    /// Deposits that no block has shown yet.
    unseen: Mutex<Unseen>,
}

impl Known {
    pub(crate) fn peer(&self) -> Address {
        self.params.participant(self.side.other()).signer
    }

    pub(crate) fn mark(&self) -> Mark {
        *self.mark.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_mark(&self, mark: Mark) {
        *self.mark.lock().unwrap_or_else(PoisonError::into_inner) = mark;
    }

    pub(crate) fn unseen(&self) -> MutexGuard<'_, Unseen> {
        self.unseen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn asset(&self, index: AssetIndex) -> Address {
        // The index comes from an operation that the protocol has checked.
        self.assets.get(index.index()).copied().unwrap_or_default()
    }
}

#[derive(Debug, Default)]
pub(crate) struct Registry(RwLock<Channels>);

#[derive(Debug, Default)]
struct Channels {
    by_id: HashMap<ChannelId, Arc<Known>>,
    by_number: BTreeMap<u64, Arc<Known>>,
    /// The highest number that was ever given.
    highest: u64,
}

impl Registry {
    pub(crate) fn get(&self, id: ChannelId) -> Option<Arc<Known>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).by_id.get(&id).cloned()
    }

    /// Gives no number up to this one to a new channel.
    pub(crate) fn reserve(&self, number: u64) {
        let mut channels = self.0.write().unwrap_or_else(PoisonError::into_inner);
        channels.highest = channels.highest.max(number);
    }

    /// Adds a channel; `number`: what it had before a restart. One that is there already stays as it is.
    pub(crate) fn add(
        &self,
        chain: usize,
        id: ChannelId,
        params: ChannelParams,
        side: Side,
        number: Option<u64>,
    ) -> Arc<Known> {
        let mut channels = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = channels.by_id.get(&id) {
            return known.clone();
        }
        let assets = params.assets.clone().into();
        let number = number.unwrap_or_else(|| channels.highest.saturating_add(1));
        channels.highest = channels.highest.max(number);
        let known = Arc::new(Known {
            id,
            chain,
            number,
            params,
            side,
            assets,
            mark: Mutex::default(),
            unseen: Mutex::default(),
        });
        channels.by_id.insert(id, known.clone());
        channels.by_number.insert(known.number, known.clone());
        known
    }

    /// Up to `limit` channels that became known before the one with a number, newest first.
    pub(crate) fn before(&self, number: Option<u64>, limit: usize) -> Vec<Arc<Known>> {
        let channels = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let before = channels.by_number.range(..number.unwrap_or(u64::MAX));
        before.rev().take(limit).map(|(_, known)| known.clone()).collect()
    }

    /// The channels with a peer on a chain.
    pub(crate) fn with_peer(&self, chain: usize, peer: Address) -> Vec<Arc<Known>> {
        let channels = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let with_peer =
            channels.by_number.values().filter(|known| known.chain == chain && known.peer() == peer);
        with_peer.cloned().collect()
    }

    pub(crate) fn all(&self) -> Vec<Arc<Known>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).by_number.values().cloned().collect()
    }
}
