//! Rebuilding the engine from its store.

use crate::apps::Apps;
use crate::chain::{CURSOR_KEY, Cursor};
use crate::engine::{Engine, Entry};
use crate::halt::HALT_KEY;
use crate::policy::Policy;
use crate::ports::{Batch, Recovered, Signer, Store, StoreError};
use crate::proposals::Proposals;
use std::sync::Arc;
use strait_protocol::{Channel, Phase, RecoverError, Settings, Standing};
use strait_types::{Address, ChannelId, Domain, Version};

/// Name in the store of the chain and adjudicator that it was made for.
const DOMAIN_KEY: &str = "domain";

/// Why the engine cannot start.
#[derive(Debug, thiserror::Error)]
pub enum EngineRecoverError {
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A channel's data is damaged.
    #[error("channel {channel}: {source}")]
    Channel {
        /// Which.
        channel: ChannelId,
        /// How.
        source: RecoverError,
    },
    /// The cursor is damaged.
    #[error("the stored position in the chain does not decode: {0}; restore a backup")]
    Cursor(std::io::Error),
    /// Another chain or adjudicator, by the store's own note.
    #[error(
        "the data directory was made for another chain or adjudicator than the configured ones, chain {chain_id} and {adjudicator}; use it with the chain it was made for, or give this chain a directory of its own"
    )]
    OtherDomain {
        /// As configured.
        chain_id: u64,
        /// As configured.
        adjudicator: Address,
    },
    /// A tower's record in a format of another release.
    #[error(
        "what this tower holds of channel {0} was written by another release; start it with that release, or move its database away and keep its key: its clients hand everything over again when they connect, and are not guarded before"
    )]
    OtherTowerFormat(ChannelId),
    /// Another chain or adjudicator.
    #[error(
        "channel {0} belongs to another chain or adjudicator than the configured ones; use the data directory with the chain it was made for"
    )]
    OtherChain(ChannelId),
    /// Another key.
    #[error("channel {0} belongs to another signer than the configured key; use the key that opened it")]
    OtherSigner(ChannelId),
}

impl Engine {
    /// Rebuilds the engine from what is durable. `restored`: the data comes from a backup, so that nothing is
    /// signed before each peer has agreed to a rebase.
    ///
    /// # Errors
    /// When the store cannot be read or belongs to another chain or key.
    pub fn recover(
        domain: Domain,
        signer: Arc<dyn Signer>,
        policy: Policy,
        settings: Settings,
        store: &dyn Store,
        restored: bool,
    ) -> Result<Engine, EngineRecoverError> {
        let mut engine = Engine::empty(domain, signer, policy, settings);
        check_domain(&engine.domain, store, &mut engine.batch)?;
        if let Some(bytes) = store.meta(CURSOR_KEY)? {
            engine.cursor = borsh::from_slice::<Cursor>(&bytes).map_err(EngineRecoverError::Cursor)?;
        }
        if let Some(bytes) = store.meta(HALT_KEY)? {
            engine.halt = borsh::from_slice(&bytes).map_err(EngineRecoverError::Cursor)?;
        }
        engine.apps = Apps::recover(store)?;
        engine.proposals = Proposals::recover(store, restored, &mut engine.batch)?;
        let mut failure = None;
        store.recover(&mut |recovered| {
            if failure.is_none() {
                failure = engine.take_in(&recovered).err();
            }
        })?;
        if let Some(error) = failure {
            return Err(error);
        }
        if restored {
            let all: Vec<_> = engine.channels.keys().copied().collect();
            for id in all {
                engine.drive(0, id, |channel, _, out| channel.restored(out));
            }
        }
        // Those that are packed need nothing.
        let live: Vec<_> = engine.channels.live().map(|(id, _)| *id).collect();
        for id in live {
            let Some(entry) = engine.channels.get(&id) else { continue };
            let channel = &entry.channel;
            // Nothing of the chain is known of it: the node stopped before its past was fetched, if it has one.
            let is_unknown = engine.may_have_missed_events(channel);
            let is_quiet = channel.facts().phase != Phase::Closed && !channel.needs_attention();
            let is_touched = !is_quiet || channel.parent().is_some();
            drop(entry);
            if is_touched {
                engine.touched.insert(id);
            }
            if is_unknown {
                engine.fetch_events(id);
            }
        }
        let parents: Vec<_> = engine.families.parents().collect();
        for parent in parents {
            engine.relate(0, parent);
        }
        Ok(engine)
    }

    fn may_have_missed_events(&self, channel: &Channel) -> bool {
        let parent = channel.parent().and_then(|parent| self.channels.get(&parent));
        let is_over = parent.is_some_and(|parent| parent.channel.standing_of(channel.id()) == Standing::Over);
        !channel.has_chain_events() && !is_over
    }

    fn take_in(&mut self, recovered: &Recovered) -> Result<(), EngineRecoverError> {
        let id = recovered.channel;
        let channel = Channel::recover(recovered.snapshot.as_deref(), &recovered.records)
            .map_err(|source| EngineRecoverError::Channel { channel: id, source })?;
        if channel.id() != id || channel.params().id(self.domain.chain_id(), self.domain.adjudicator()) != id
        {
            return Err(EngineRecoverError::OtherChain(id));
        }
        if channel.params().participant(channel.side()).signer != self.signer.address() {
            return Err(EngineRecoverError::OtherSigner(id));
        }
        let peer = channel.params().participant(channel.side().other()).signer;
        let journal_bytes = recovered.records.iter().map(Vec::len).sum();
        self.peers.add_channel(peer, id);
        // What the peer has signed it knows, and may not decline any more.
        let introduced = channel.best_version() > Version::ZERO || channel.parent().is_some();
        if let Some(parent) = channel.parent() {
            self.families.add(parent, id);
        }
        let snapshot_bytes = recovered.snapshot.as_ref().map_or(0, Vec::len);
        let rests = channel.has_chain_events() && channel.facts().phase != Phase::Closed;
        let entry =
            Entry { introduced, snapshot_bytes, used: !rests, ..Entry::new(channel, peer, journal_bytes) };
        self.channels.insert(id, entry);
        self.channels.settle(id);
        Ok(())
    }
}

/// A store without channels belongs to a chain too: its position in it would mislead on another one.
pub(crate) fn check_domain(
    domain: &Domain,
    store: &dyn Store,
    batch: &mut Batch,
) -> Result<(), EngineRecoverError> {
    let (chain_id, adjudicator) = (domain.chain_id(), domain.adjudicator());
    let own = [&chain_id.to_be_bytes()[..], adjudicator.as_slice()].concat();
    match store.meta(DOMAIN_KEY)? {
        None => batch.set_meta(DOMAIN_KEY, own),
        Some(noted) if noted == own => {}
        Some(_) => return Err(EngineRecoverError::OtherDomain { chain_id, adjudicator }),
    }
    Ok(())
}
