//! One channel as a tower keeps it, for one or both of its participants.

use super::frame::Receipt;
use crate::alarms::Told;
use borsh::{BorshDeserialize, BorshSerialize};
use std::collections::{BTreeMap, BTreeSet};
use strait_protocol::{ChainAction, ChainView, Channel, Guarded, Phase, Settings, SignedBefore};
use strait_types::{Address, B256, ChannelId, Domain, Side, Version, keccak256};

/// What is held for one participant.
#[derive(Debug)]
pub(super) struct Guard {
    pub(super) client: Address,
    pub(super) side: Side,
    pub(super) guarded: Guarded,
    pub(super) receipt: Receipt,
    pub(super) channel: Channel,
    /// What it takes on disk, in bytes, about.
    pub(super) bytes: u64,
    pub(super) told: Told,
}

/// First byte of a record on disk. Those of before there was one begin with how many guards they hold: one or two.
pub(super) const RECORD_VERSION: u8 = 3;

/// As it lies on disk, behind [`RECORD_VERSION`].
#[derive(Debug, BorshSerialize, BorshDeserialize)]
pub(super) struct Stored {
    client: Address,
    guarded: Guarded,
    receipt: Receipt,
    chain: ChainView,
    settled_at: Option<u64>,
}

/// A channel with its guards, at most one for each side.
#[derive(Debug, Default)]
pub(super) struct Watched {
    pub(super) guards: Vec<Guard>,
    /// Hashes of locks that the registry was asked for, and whether it has answered.
    pub(super) lookups: BTreeMap<B256, bool>,
    /// Chain time at which it was first seen to be settled with locks pending.
    settled_at: Option<u64>,
}

impl Guard {
    pub(super) fn new(
        id: ChannelId,
        (client, side): (Address, Side),
        guarded: Guarded,
        receipt: Receipt,
        settings: Settings,
        chain: ChainView,
    ) -> Guard {
        let channel = Channel::keep(id, side, &guarded, settings, chain);
        let bytes = size_of(&guarded);
        Guard { client, side, guarded, receipt, channel, bytes, told: Told::default() }
    }

    pub(super) fn renew(&mut self, guarded: Guarded, receipt: Receipt) {
        self.bytes = size_of(&guarded);
        self.channel.renew(&guarded);
        self.guarded = guarded;
        self.receipt = receipt;
    }

    pub(super) fn version(&self) -> Version {
        self.guarded.version()
    }

    pub(super) fn signer(&self, domain: &Domain) -> SignedBefore {
        self.guarded.signer(domain, self.side)
    }

    fn stored(&self, settled_at: Option<u64>) -> Stored {
        Stored {
            client: self.client,
            guarded: self.guarded.clone(),
            receipt: self.receipt.clone(),
            chain: self.channel.chain_view().clone(),
            settled_at,
        }
    }
}

/// What something takes on disk, in bytes, about.
pub(super) fn size_of(guarded: &Guarded) -> u64 {
    /// Of the receipt, the chain's facts and the store's own.
    const OVERHEAD: u64 = 1_024;
    let bytes = borsh::object_length(guarded).unwrap_or(usize::MAX);
    OVERHEAD.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX))
}

impl Watched {
    pub(super) fn of(&self, client: Address) -> Option<&Guard> {
        self.guards.iter().find(|guard| guard.client == client)
    }

    pub(super) fn of_mut(&mut self, client: Address) -> Option<&mut Guard> {
        self.guards.iter_mut().find(|guard| guard.client == client)
    }

    /// Its record on disk, which takes the place of the one before.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let stored: Vec<_> = self.guards.iter().map(|guard| guard.stored(self.settled_at)).collect();
        borsh::to_vec(&(RECORD_VERSION, stored)).unwrap_or_default()
    }

    /// Reads it.
    ///
    /// # Errors
    /// When the bytes are damaged.
    pub(super) fn from_bytes(id: ChannelId, bytes: &[u8], settings: &Settings) -> std::io::Result<Watched> {
        let mut watched = Watched::default();
        let (_, stored): (u8, Vec<Stored>) = borsh::from_slice(bytes)?;
        for Stored { client, guarded, receipt, chain, settled_at } in stored {
            let damaged = || std::io::Error::other("a guard of no participant");
            let side = guarded.params.side_of(client).ok_or_else(damaged)?;
            let guard = Guard::new(id, (client, side), guarded, receipt, settings.clone(), chain);
            watched.guards.push(guard);
            watched.settled_at = settled_at;
        }
        Ok(watched)
    }

    /// Whether blocks alone may make for something to do.
    pub(super) fn needs_attention(&self) -> bool {
        self.guards.iter().any(|guard| guard.channel.needs_attention())
    }

    /// Locks whose preimage may have been registered before they were known here, and that matter now.
    pub(super) fn unasked(&mut self) -> Vec<B256> {
        let mut hashes = BTreeSet::new();
        for guard in &self.guards {
            let is_open = guard.channel.facts().phase == Phase::Open;
            let known = |hash: &B256| !is_open || guard.channel.known_preimage(*hash).is_some();
            hashes.extend(guard.channel.lock_hashes().into_iter().filter(known));
        }
        self.lookups.retain(|hash, _| hashes.contains(hash));
        let unasked: Vec<_> = hashes.into_iter().filter(|hash| !self.lookups.contains_key(hash)).collect();
        self.lookups.extend(unasked.iter().map(|hash| (*hash, false)));
        unasked
    }

    /// Notes since when it is settled with locks pending.
    pub(super) fn note_phase(&mut self, head_time: u64) {
        let settled =
            self.guards.iter().any(|guard| matches!(guard.channel.facts().phase, Phase::Settled(_)));
        self.settled_at = settled.then(|| *self.settled_at.get_or_insert(head_time));
    }

    /// Whether it is time for a call that a guard wants. The participant itself comes first, and so do those with more
    /// patience: each call that two send costs one of them its gas for nothing.
    pub(super) fn is_time(&self, guard: &Guard, action: &ChainAction, when: &When) -> bool {
        let facts = guard.channel.facts();
        let period = u64::from(guard.channel.params().challenge_duration);
        let patience = when.patience(guard.channel.id(), period);
        let (deadline, moves) = match facts.phase {
            Phase::Disputed { deadline, moves, .. } => (deadline, moves),
            _ => (0, 0),
        };
        let began = deadline.saturating_sub(period);
        let has_waited = |since: u64| when.now >= since.saturating_add(patience);
        match action {
            ChainAction::Respond(..) => has_waited(began),
            ChainAction::Progress(..) | ChainAction::ProgressAgreed(..) => {
                has_waited(if moves == 0 { deadline } else { began })
            }
            ChainAction::RegisterPreimage(preimage) => {
                let hash = strait_protocol::lock_hash(*preimage);
                let is_near = |expiry: u64| when.now.saturating_add(when.lock_margin) >= expiry;
                let mut locks = guard.guarded.latest.position.locks.iter().map(|entry| &entry.lock);
                let is_due = locks.any(|lock| lock.reference == hash && is_near(lock.expiry));
                self.lookups.get(&hash) == Some(&true) && (is_due || has_waited(began))
            }
            ChainAction::Settle(_) => when.settles && has_waited(deadline),
            ChainAction::Unlock(_) => when.settles && self.settled_at.is_some_and(has_waited),
            // These need a key, or cost what the participant alone may decide on.
            ChainAction::Challenge { .. }
            | ChainAction::Close(..)
            | ChainAction::Withdraw(..)
            | ChainAction::Resume(..)
            | ChainAction::DeployApp(_) => false,
        }
    }

    /// Whether a guard holds the highest state of all here: a lower answer would be for nothing.
    pub(super) fn is_best(&self, guard: &Guard) -> bool {
        let best = self.guards.iter().max_by_key(|guard| guard.version());
        best.is_some_and(|best| std::ptr::eq(best, guard))
    }
}

/// What decides whether it is time.
pub(super) struct When {
    /// Unix seconds.
    pub(super) now: u64,
    pub(super) lock_margin: u64,
    pub(super) settles: bool,
    pub(super) tower: Address,
}

impl When {
    /// How long a tower lets others act first, in seconds: between a sixteenth and three sixteenths of the period, each
    /// tower its own time, so that two do not answer in one block, and both well within the first quarter.
    fn patience(&self, channel: ChannelId, period: u64) -> u64 {
        let digest = keccak256([self.tower.as_slice(), channel.0.as_slice()].concat());
        let drawn = u64::from(u16::from_be_bytes([digest.0[0], digest.0[1]]));
        let sixteenth = period / 16;
        sixteenth.saturating_add(sixteenth.saturating_mul(2).saturating_mul(drawn) >> 16)
    }
}
