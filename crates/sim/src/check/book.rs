//! A reader of journals that is independent of the engine's: what a node's committed records say of one channel.

use crate::check::step::{self, ChainSays};
use crate::failure::{Broken, Property};
use std::collections::{BTreeMap, BTreeSet};
use strait_protocol::{Operation, Operations, Position, Record, Update};
use strait_types::{B256, ChannelId, ChannelParams, Side, Signature, Version};

/// One step between two positions.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) base: B256,
    pub(crate) writer: Side,
    pub(crate) operations: Operations,
}

/// One side's journal of one channel.
#[derive(Clone, Debug)]
pub(crate) struct Book {
    pub(crate) side: Side,
    /// By state hash: all that ever was.
    pub(crate) positions: BTreeMap<B256, Position>,
    steps: BTreeMap<B256, Step>,
    /// Positions that the other checkers have not heard of yet.
    pub(crate) fresh: Vec<B256>,
    /// The peer's signatures, by state hash.
    pub(crate) peer_signatures: BTreeMap<B256, Signature>,
    pub(crate) confirmed: B256,
    /// All that ever were confirmed.
    pub(crate) ever_confirmed: BTreeSet<B256>,
    /// Ours in flight, oldest first.
    pending: Vec<B256>,
    /// Signed by us above the confirmed one: the peer may bring it to the chain.
    pub(crate) exposed: Vec<B256>,
    pub(crate) written: BTreeMap<Version, Update>,
    pub(crate) refused: Version,
    /// Operations of the peer's that this side has agreed to beforehand.
    pub(crate) agreed: Vec<Operation>,
    /// And when they became known, Unix seconds.
    pub(crate) preimages: BTreeMap<B256, u64>,
    pub(crate) force_close: bool,
    /// Its user let go of it while it was empty.
    pub(crate) gave_up: bool,
    /// All steps from the start are known: nothing was adopted.
    pub(crate) is_whole: bool,
}

impl Book {
    fn new(id: ChannelId, params: &ChannelParams, side: Side) -> Book {
        let zero = Position::zero(id, params.assets.len());
        let hash = zero.state.hash();
        Book {
            side,
            positions: BTreeMap::from([(hash, zero)]),
            steps: BTreeMap::new(),
            fresh: Vec::new(),
            peer_signatures: BTreeMap::new(),
            confirmed: hash,
            ever_confirmed: BTreeSet::from([hash]),
            pending: Vec::new(),
            exposed: Vec::new(),
            written: BTreeMap::new(),
            refused: Version::ZERO,
            agreed: Vec::new(),
            preimages: BTreeMap::new(),
            force_close: false,
            gave_up: false,
            is_whole: true,
        }
    }

    /// The first record of a channel begins its book; the others are read into it.
    pub(crate) fn read(book: &mut Option<Book>, record: Record, chain: &ChainSays<'_>) -> Result<(), Broken> {
        match (book, record) {
            (
                empty @ None,
                Record::Opened { id, params, side, .. } | Record::OpenedApp { id, params, side, .. },
            ) => {
                *empty = Some(Book::new(id, &params, side));
                Ok(())
            }
            (empty @ None, Record::OpenedChild { id, opening, side, .. }) => {
                *empty = Some(Book::new(id, &opening.params, side));
                Ok(())
            }
            (Some(book), record) => book.follow(record, chain),
            (None, _) => Err(Property::Replay.broken("a journal does not begin with the opening")),
        }
    }

    fn follow(&mut self, record: Record, chain: &ChainSays<'_>) -> Result<(), Broken> {
        match record {
            Record::Opened { .. } | Record::OpenedApp { .. } | Record::OpenedChild { .. } => {
                return Err(Property::Replay.broken("a channel is opened twice"));
            }
            Record::Wrote(update) => {
                let base = self.pending.last().copied().unwrap_or(self.confirmed);
                let hash = self.step(base, &update, chain)?;
                self.pending.push(hash);
                self.exposed.push(hash);
                self.written.insert(update.version, update);
            }
            Record::Accepted(update) => {
                let hash = self.step(update.base_hash, &update, chain)?;
                self.check_agreement(&update)?;
                self.confirm(hash, Some(update.signature));
                self.pending.clear();
            }
            Record::Confirmed { version, signature } => {
                let is_it =
                    |hash: &B256| self.positions.get(hash).is_some_and(|p| p.state.version == version);
                let Some(index) = self.pending.iter().position(is_it) else {
                    return Err(
                        Property::Replay.broken(format!("version {version} is confirmed but not in flight"))
                    );
                };
                let hash = self.pending[index];
                self.pending.drain(..=index);
                self.confirm(hash, Some(signature));
            }
            Record::Refused { version, .. } => self.refused = self.refused.max(version),
            Record::RolledBack => self.pending.clear(),
            Record::Agreed(operation) => self.agreed.push(operation),
            Record::Preimage(preimage) => {
                self.preimages.entry(preimage).or_insert(chain.now);
            }
            Record::Adopted(latest) => {
                let hash = latest.position.state.hash();
                let peer = latest.signatures[self.side.other().index()];
                self.is_whole &= self.positions.contains_key(&hash);
                self.learn(hash, latest.position);
                self.pending.clear();
                self.confirm(hash, Some(peer));
            }
            Record::Rebased { version, signature } => self.rebase(version, signature),
            Record::ForceClose => self.force_close = true,
            Record::GivenUp => self.gave_up = true,
            // The chain went on without us, or with a move that we alone have signed.
            Record::Forced(state) => {
                let hash = state.hash();
                let counts = self.confirmed().clone();
                self.learn(hash, Position { state: *state, locks: Vec::new(), ..counts });
                self.pending.clear();
                self.confirm(hash, None);
            }
            Record::Dispute { .. } | Record::MoveRefused | Record::Resume { .. } | Record::Turn { .. } => {}
            Record::Chain(_) | Record::Restored | Record::Rebasing { .. } | Record::ExecutionOver => {}
        }
        Ok(())
    }

    fn step(&mut self, base: B256, update: &Update, chain: &ChainSays<'_>) -> Result<B256, Broken> {
        let Some(position) = self.positions.get(&base).filter(|_| base == update.base_hash) else {
            let version = update.version;
            return Err(Property::Replay.broken(format!("version {version} is journalled without its base")));
        };
        let writer = position.state.writer;
        let next =
            position.next(update.version, &update.operations, &mut |_, _| Ok(())).map_err(|violation| {
                Property::Replay
                    .broken(format!("version {} breaks a rule: {}", update.version, violation.rule))
            })?;
        step::audit(position, &update.operations, &next, chain).map_err(|reason| {
            Property::Safety.broken(format!("version {} is signed: {reason}", update.version))
        })?;
        let hash = next.state.hash();
        self.learn(hash, next);
        self.steps.insert(hash, Step { base, writer, operations: update.operations.clone() });
        Ok(hash)
    }

    /// What the chain executes at once this side must have agreed to before the peer wrote it.
    fn check_agreement(&self, update: &Update) -> Result<(), Broken> {
        let mut needing = update.operations.iter().filter(|operation| operation.is_bound());
        let is_agreed = needing.all(|operation| self.agreed.contains(operation));
        Property::Safety.check(is_agreed, || format!("nobody has agreed to {:?}", update.operations))
    }

    fn learn(&mut self, hash: B256, position: Position) {
        self.positions.insert(hash, position);
        self.fresh.push(hash);
    }

    fn rebase(&mut self, version: Version, signature: Signature) {
        if self.confirmed().state.version != version {
            let next = self.confirmed().rebased(version, false);
            let (base, hash) = (self.confirmed, next.state.hash());
            self.steps.insert(hash, Step { base, writer: next.state.writer, operations: [].into() });
            self.learn(hash, next);
            self.confirm(hash, Some(signature));
        }
        self.pending.clear();
    }

    fn confirm(&mut self, hash: B256, peer: Option<Signature>) {
        self.confirmed = hash;
        self.ever_confirmed.insert(hash);
        self.peer_signatures.extend(peer.map(|peer| (hash, peer)));
        let version = self.confirmed().state.version;
        let positions = &self.positions;
        self.exposed.retain(|hash| positions.get(hash).is_some_and(|p| p.state.version > version));
    }

    /// The highest position that this side can enforce.
    pub(crate) fn confirmed(&self) -> &Position {
        &self.positions[&self.confirmed]
    }

    /// What a position was written on.
    pub(crate) fn base_of(&self, hash: B256) -> Option<&Position> {
        self.positions.get(&self.steps.get(&hash)?.base)
    }

    /// What could come to the chain against this side's will: the confirmed position and all that it signed above.
    pub(crate) fn possible(&self) -> impl Iterator<Item = &Position> {
        [&self.confirmed].into_iter().chain(&self.exposed).filter_map(|hash| self.positions.get(hash))
    }

    /// All operations up to a position, oldest first, each with its writer.
    pub(crate) fn line(&self, last: B256) -> Vec<(Side, &Operation)> {
        let mut steps = Vec::new();
        let mut at = last;
        while let Some(step) = self.steps.get(&at) {
            steps.push(step);
            at = step.base;
        }
        let of_step = |step: &'_ Step| step.writer;
        steps
            .into_iter()
            .rev()
            .flat_map(|step| step.operations.iter().map(move |op| (of_step(step), op)))
            .collect()
    }
}
