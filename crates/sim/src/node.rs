//! A node: the production engine over a store that fails, and what outlives its crashes.

use crate::check::book::Book;
use crate::check::signed::RecordingSigner;
use crate::failure::{Broken, Property};
use crate::games::Game;
use crate::liar::Liar;
use crate::mutation::Mutation;
use crate::restore::Backup;
use std::collections::BTreeMap;
use std::sync::Arc;
use strait_app::EvmApps;
use strait_chain::DevAccount;
use strait_engine::ports::{Batch, HistoryEntry, Recovered, Store, StoreError};
use strait_engine::{Engine, Policy, Staged, Starts};
use strait_protocol::{Record, Settings};
use strait_store::{MemoryDisk, MemoryStore};
use strait_types::{Address, Amount, ChannelId, Domain, SigningKey, Version};

/// What lives as long as the process.
pub(crate) struct Process {
    pub(crate) engine: Engine,
    pub(crate) store: Recorder,
    pub(crate) staged: Option<Staged>,
    /// Events that are on their way, so that they are not doubled.
    pub(crate) round_due: bool,
    pub(crate) commit_due: bool,
    pub(crate) following: bool,
    pub(crate) tick_at: Option<u64>,
}

/// A node through all its lives.
pub(crate) struct Node {
    pub(crate) key: SigningKey,
    pub(crate) signer: Arc<RecordingSigner>,
    pub(crate) account: DevAccount,
    pub(crate) settings: Settings,
    pub(crate) disk: MemoryDisk,
    pub(crate) process: Option<Process>,
    pub(crate) life: u64,
    pub(crate) books: BTreeMap<ChannelId, Option<Book>>,
    pub(crate) liar: Option<Liar>,
    pub(crate) backup: Option<Backup>,
    /// Until when its endpoint does not answer.
    pub(crate) stalled_until: u64,
    /// By how many milliseconds its clock is wrong.
    pub(crate) clock_error: i64,
    /// It was restored, and nothing is durable since: a further start must be told again.
    pub(crate) restored: bool,
    /// What it knew before it was restored.
    pub(crate) truth: BTreeMap<ChannelId, Book>,
}

impl Node {
    pub(crate) fn new(node: usize, settings: Settings, account: DevAccount, liar: Option<Liar>) -> Node {
        let key = crate::genesis::key(node);
        Node {
            signer: Arc::new(RecordingSigner::new(key.clone())),
            key,
            account,
            settings,
            disk: MemoryDisk::new(),
            process: None,
            life: 0,
            books: BTreeMap::new(),
            liar,
            backup: None,
            stalled_until: 0,
            clock_error: 0,
            restored: false,
            truth: BTreeMap::new(),
        }
    }

    pub(crate) fn book(&self, channel: ChannelId) -> Option<&Book> {
        self.books.get(&channel)?.as_ref()
    }

    /// Starts a process on what the disk holds.
    pub(crate) fn start(
        &mut self,
        domain: &Domain,
        mutation: Option<Mutation>,
        restored: bool,
    ) -> Result<(), Broken> {
        let unusable =
            |error: StoreError| Property::Replay.broken(format!("the store does not open: {error}"));
        let late = mutation == Some(Mutation::SendsBeforeCommit) && self.liar.is_none();
        let store = Recorder { inner: self.disk.open().map_err(unusable)?, late, buffer: None, seen: None };
        let engine = self.engine(domain, &store, restored)?;
        self.life += 1;
        self.process = Some(Process {
            engine,
            store,
            staged: None,
            round_due: false,
            commit_due: false,
            following: false,
            tick_at: None,
        });
        Ok(())
    }

    fn engine(&self, domain: &Domain, store: &dyn Store, restored: bool) -> Result<Engine, Broken> {
        let apps = Game::ALL.map(|game| game.code().address(domain.adjudicator())).to_vec();
        let stakes = [Address::ZERO, crate::genesis::token()].map(|asset| (asset, Amount::MAX)).into();
        let policy = Policy { min_challenge: 3_600, apps, stakes, starts: Starts::Any, ..Policy::default() };
        let signer = self.signer.clone();
        let mut engine = Engine::recover(*domain, signer, policy, self.settings.clone(), store, restored)
            .map_err(|error| Property::Replay.broken(format!("the engine does not recover: {error}")))?;
        let refused = engine.set_rules(Arc::new(EvmApps));
        Property::Replay.check(refused.is_empty(), || format!("an installed app is refused: {refused:?}"))?;
        Ok(engine)
    }

    /// Recovers a second engine from a copy of the disk and compares: what runs is what is durable. Only while
    /// nothing is staged.
    pub(crate) fn compare_with_recovered(&self, domain: &Domain) -> Result<(), Broken> {
        let Some(process) = &self.process else { return Ok(()) };
        let unusable = |error: StoreError| Property::Replay.broken(format!("a copy does not open: {error}"));
        let store = self.disk.fork().open().map_err(unusable)?;
        let recovered = self.engine(domain, &store, false)?;
        // What a peer opened and nobody funded is not durable.
        let rests_on_nothing = |id: ChannelId| {
            let channel = process.engine.channel(id);
            channel.is_some_and(|c| c.knows_nothing_of_chain() && c.best_version() == Version::ZERO)
        };
        let is_recovered = |id: ChannelId| recovered.channel(id).is_some();
        let mut running = process.engine.channel_ids();
        Property::Replay.check(running.all(|id| is_recovered(id) || rests_on_nothing(id)), || {
            "a recovered engine lacks a channel of the one that runs".into()
        })?;
        for id in recovered.channel_ids() {
            let bytes = |engine: &Engine| engine.channel(id).map(|channel| channel.snapshot());
            Property::Replay.check(bytes(&recovered) == bytes(&process.engine), || {
                let (live, replayed) = (process.engine.channel(id), recovered.channel(id));
                format!("{id:?} recovers as another than it is.\nlive: {live:?}\nrecovered: {replayed:?}")
            })?;
        }
        Ok(())
    }
}

/// Shows the checkers what is committed.
pub(crate) struct Recorder {
    inner: MemoryStore,
    /// For [`Mutation::SendsBeforeCommit`]: writes each batch only with the next one.
    late: bool,
    buffer: Option<Batch>,
    /// The last batch that was tried.
    seen: Option<Batch>,
}

impl Recorder {
    /// The batch of the last commit, once.
    pub(crate) fn take_seen(&mut self) -> Option<Batch> {
        self.seen.take()
    }
}

impl Store for Recorder {
    fn commit(&mut self, batch: &Batch) -> Result<(), StoreError> {
        if !self.late {
            self.seen = Some(batch.clone());
            return self.inner.commit(batch);
        }
        let earlier = self.buffer.replace(batch.clone());
        self.seen = earlier.clone();
        earlier.map_or(Ok(()), |earlier| self.inner.commit(&earlier))
    }

    fn recover(&self, visit: &mut dyn FnMut(Recovered)) -> Result<(), StoreError> {
        self.inner.recover(visit)
    }

    fn meta(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.inner.meta(key)
    }

    fn history(
        &self,
        channel: ChannelId,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Vec<HistoryEntry>, StoreError> {
        self.inner.history(channel, after, limit)
    }

    fn prune_history(&mut self, channel: ChannelId, through: u64) -> Result<(), StoreError> {
        self.inner.prune_history(channel, through)
    }
}

/// The records of a batch, per channel, as the journal's independent reader takes them.
pub(crate) fn records_of(batch: &Batch) -> Result<Vec<(ChannelId, Record)>, Broken> {
    let decode = |record: &strait_engine::ports::Record| {
        let decoded = Record::decode(&record.payload);
        let decoded =
            decoded.map_err(|error| Property::Replay.broken(format!("a record does not decode: {error}")))?;
        Ok((record.channel, decoded))
    };
    batch.records.iter().map(decode).collect()
}
