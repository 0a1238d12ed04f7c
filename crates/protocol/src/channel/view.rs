//! What a user is shown of a channel.

use super::{Channel, Execution, Link};
use crate::app::AppView;
use crate::onchain::{Facts, Phase};
use serde::Serialize;
use strait_types::{
    Address, Amount, AssetIndex, B256, ChannelId, ChannelParams, Lock, LockKind, Side, Version,
};

/// One asset of a channel.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct BalanceView {
    /// The zero address is the native coin.
    pub asset: Address,
    /// What we own freely by the newest position and the deposits that count, in the smallest unit. After the channel's
    /// end what that brought us, besides earlier withdrawals.
    pub own: i128,
    /// What the peer owns freely, or was brought.
    pub peer: i128,
    /// In locks, those of child channels included.
    pub locked: u128,
    /// In child channels.
    pub in_children: u128,
    /// Deposits that count, ours and the peer's.
    pub deposited: [Amount; 2],
    /// Deposits seen at the head that lack confirmations, ours and the peer's.
    pub arriving: [Amount; 2],
    /// Taken out so far by what both agreed to, ours and the peer's.
    pub withdrawn: [u128; 2],
    /// What of it the chain has paid, as of the head.
    pub drawn: [u128; 2],
}

/// A withdrawal or close that both signed and that the chain may still execute.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct ExecutionView {
    /// The version that it executes.
    pub version: Version,
    /// It closes the channel.
    pub closes: bool,
    /// Last chain time at which the chain takes it, Unix seconds.
    pub until: u64,
    /// Whether we make the call at once; the other side makes it when half of the time has passed.
    pub ours: bool,
    /// Whether the chain shows it; it lacks confirmations then.
    pub is_on_chain: bool,
}

/// A pending lock.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct LockView {
    /// Its number in the channel.
    pub number: u64,
    /// Whether we contributed.
    pub ours: bool,
    /// Its terms.
    pub lock: Lock,
}

/// A child channel, as its parent holds it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct ChildView {
    /// The child.
    pub child: ChannelId,
    /// Which asset of the parent.
    pub asset: AssetIndex,
    /// What we and the peer have put in, in the smallest unit.
    pub stakes: [Amount; 2],
    /// What we and the peer get of it, once it has come to that: by what both signed, or by what the chain decided.
    pub outcome: Option<[Amount; 2]>,
    /// See [`Channel::leaves_at`].
    pub leaves_at: Option<u64>,
}

/// A channel at a glance.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct ChannelView {
    /// Its id.
    pub id: ChannelId,
    /// Which participant we are.
    pub side: Side,
    /// The peer's signer.
    pub peer: Address,
    /// One per asset.
    pub balances: Vec<BalanceView>,
    /// Highest version that both signed, as far as we can prove.
    pub version: Version,
    /// Hash over all operations up to that version.
    pub history: B256,
    /// Versions of ours that await their countersignature.
    pub in_flight: usize,
    /// Payments made by us and by the peer, by the newest position.
    pub payments: [u64; 2],
    /// Whether we may write.
    pub writer: bool,
    /// Pending hash locks.
    pub locks: Vec<LockView>,
    /// Child channels whose funds are locked here.
    pub children: Vec<ChildView>,
    /// Where this channel's funds are locked, if it is a child.
    pub parent: Option<ChannelId>,
    /// `open`, `disputed`, `settled` or `closed`, as of the head.
    pub phase: &'static str,
    /// Version that the adjudicator has recorded, as of the head.
    pub recorded: Option<Version>,
    /// `down`, `syncing` or `up`.
    pub link: &'static str,
    /// Restored from a backup and waiting for a rebase.
    pub restoring: bool,
    /// Chain time that has to be final before a rebase is signed, in Unix seconds, once it is known.
    pub rebase_after: Option<u64>,
    /// The peer says that it was restored and waits for a rebase.
    pub peer_restoring: bool,
    /// A final state is agreed and waits for the chain.
    pub closing: bool,
    /// The user has ordered a dispute that the chain does not show.
    pub leaving: bool,
    /// What the peer demands to be deposited by us in all before it signs anything, by asset in order; empty: nothing more.
    pub demanded: Vec<Amount>,
    /// What both agreed to and waits for the chain; until it has ended there is no other.
    pub execution: Option<ExecutionView>,
    /// The app, in a channel with one.
    pub app: Option<AppView>,
}

impl Channel {
    /// The channel at a glance.
    pub fn view(&self) -> ChannelView {
        let head = self.head();
        let side = self.durable.side;
        let confirmed = &self.durable.confirmed.position.state;
        ChannelView {
            id: self.durable.id,
            side,
            peer: self.peer(),
            balances: (0..self.durable.params.assets.len()).filter_map(|asset| self.balance(asset)).collect(),
            version: confirmed.version,
            history: confirmed.history,
            in_flight: self.durable.pending.len(),
            payments: [head.payments[side.index()], head.payments[side.other().index()]],
            writer: self.is_writer(),
            locks: head
                .locks
                .iter()
                .filter(|entry| entry.lock.kind == LockKind::Hash)
                .map(|entry| LockView {
                    number: entry.number,
                    ours: entry.lock.contributor() == Some(side),
                    lock: entry.lock.clone(),
                })
                .collect(),
            children: self.child_views(),
            parent: self.parent(),
            phase: match self.durable.chain.head().phase {
                _ if self.is_over() => "closed",
                Phase::Open => "open",
                Phase::Disputed { .. } => "disputed",
                Phase::Settled(_) => "settled",
                Phase::Closed => "closed",
            },
            recorded: self.durable.chain.head().recorded.as_ref().map(|state| state.version),
            link: match self.volatile.link {
                Link::Down => "down",
                Link::Syncing => "syncing",
                Link::Up => "up",
            },
            restoring: self.durable.restore.is_some(),
            rebase_after: self.volatile.rebase_after.filter(|_| self.durable.restore.is_some()),
            peer_restoring: self.volatile.peer_restoring,
            closing: self.durable.execution.as_ref().is_some_and(|execution| execution.is_final),
            leaving: self.is_leaving() && self.durable.chain.head().phase == Phase::Open,
            demanded: self.demanded(),
            execution: self.execution_view(),
            app: self.app_view(),
        }
    }

    fn execution_view(&self) -> Option<ExecutionView> {
        // Without both signatures it is no agreement, and what was refused is none.
        let is_agreed = |execution: &&Execution| execution.signed.is_some() && !execution.refused;
        let execution = self.durable.execution.as_ref().filter(is_agreed)?;
        if self.is_child() || self.is_over() {
            return None;
        }
        Some(ExecutionView {
            version: execution.version,
            closes: execution.is_final,
            until: execution.valid_until,
            ours: execution.writer == self.durable.side,
            is_on_chain: !execution.is_final && self.durable.chain.head().withdrawn >= execution.version,
        })
    }

    fn child_views(&self) -> Vec<ChildView> {
        let side = self.durable.side;
        let locks = self.head().locks.iter().map(|entry| &entry.lock);
        let children = locks.filter(|lock| lock.kind == LockKind::Channel);
        children
            .map(|lock| {
                let child = ChannelId(lock.reference);
                let order = |pair: [Amount; 2]| [pair[side.index()], pair[side.other().index()]];
                // Of the child's participants, who may be ours the other way round.
                let flipped = |[zero, one]: [Amount; 2]| if lock.flip { [one, zero] } else { [zero, one] };
                ChildView {
                    child,
                    asset: lock.asset,
                    stakes: order(lock.amounts),
                    outcome: self.told_of(child).map(|told| order(flipped(told.amounts))),
                    leaves_at: self.leaves_at(child),
                }
            })
            .collect()
    }

    fn balance(&self, asset: usize) -> Option<BalanceView> {
        if let Some(ended) = self.ended_balance(asset) {
            return Some(ended);
        }
        let head = self.head();
        let (own, peer) = (self.durable.side, self.durable.side.other());
        let counted = *self.durable.chain.counted().deposits.get(asset)?;
        let seen = *self.durable.chain.head().deposits.get(asset)?;
        let allocation = head.state.allocations.get(asset)?;
        let order = |pair: [Amount; 2]| [pair[own.index()], pair[peer.index()]];
        let arriving = [0, 1].map(|i| seen[i].checked_sub(counted[i]).unwrap_or(Amount::ZERO));
        Some(BalanceView {
            asset: *self.durable.params.assets.get(asset)?,
            own: head.balance(own, asset, counted[own.index()])?,
            peer: head.balance(peer, asset, counted[peer.index()])?,
            locked: allocation.locked()?,
            in_children: self.in_children(AssetIndex(u8::try_from(asset).ok()?)),
            deposited: order(counted),
            arriving: order(arriving),
            withdrawn: [allocation.withdrawn[own.index()], allocation.withdrawn[peer.index()]],
            drawn: self.drawn(asset),
        })
    }

    /// What withdrawals have paid us and the peer.
    fn drawn(&self, asset: usize) -> [u128; 2] {
        let payouts = self.durable.chain.head().payouts.as_deref();
        let drawn = payouts.and_then(|payouts| payouts.drawn.get(asset).copied()).unwrap_or_default();
        [drawn[self.durable.side.index()], drawn[self.durable.side.other().index()]]
    }

    /// Of a channel that is over, what it brought whom: what the chain has paid, or has judged of a child.
    fn ended_balance(&self, asset: usize) -> Option<BalanceView> {
        let facts = Some(self.durable.chain.head()).filter(|_| self.is_over())?;
        let brought = if self.is_child() {
            self.outcome()?.amounts.map(Amount::units)
        } else {
            *facts.payouts.as_deref()?.ended.get(asset)?
        };
        let drawn = self.drawn(asset);
        let (own, peer) = (self.durable.side.index(), self.durable.side.other().index());
        let deposits = *facts.deposits.get(asset)?;
        let signed = |units: u128| i128::try_from(units).unwrap_or(i128::MAX);
        Some(BalanceView {
            asset: *self.durable.params.assets.get(asset)?,
            own: signed(brought[own]),
            peer: signed(brought[peer]),
            locked: 0,
            in_children: 0,
            deposited: [deposits[own], deposits[peer]],
            arriving: [Amount::ZERO; 2],
            withdrawn: drawn,
            drawn,
        })
    }

    /// The channel's id.
    pub fn id(&self) -> ChannelId {
        self.durable.id
    }

    /// The channel's terms.
    pub fn params(&self) -> &ChannelParams {
        &self.durable.params
    }

    /// The chain's facts about the channel, as of the head.
    pub fn facts(&self) -> &Facts {
        self.durable.chain.head()
    }

    /// The chain's facts about the channel, as they are told to users: a child that is closed back is closed.
    pub fn told_facts(&self) -> Facts {
        let mut facts = self.durable.chain.head().clone();
        if self.is_over() {
            facts.phase = Phase::Closed;
        }
        facts
    }

    /// Blocks after which a deposit counts here.
    pub fn confirmations(&self) -> u64 {
        self.durable.settings.confirmations
    }

    /// Whether events may still be taken back, and so the depth matters.
    pub fn has_recent_chain_events(&self) -> bool {
        !self.durable.chain.recent().is_empty()
    }

    /// Whether blocks alone, without a message or command, may make this side want something.
    pub fn needs_attention(&self) -> bool {
        let durable = &self.durable;
        if self.is_idle() {
            return self.has_recent_chain_events();
        }
        !matches!(durable.chain.head().phase, Phase::Open | Phase::Closed)
            || self.has_recent_chain_events()
            || durable.execution.is_some() && !self.is_child()
            || self.is_leaving() && durable.chain.head().phase != Phase::Closed
            || self.positions().any(|position| !position.locks.is_empty())
            || self.volatile.held.is_some()
            || durable.restore.is_some()
            || self.has_app() && !self.wants_no_chain()
    }

    /// Whether a channel with an app has nothing before the chain, now or soon.
    fn wants_no_chain(&self) -> bool {
        let facts = self.durable.chain.head();
        let ordered = self.durable.app.as_ref().and_then(|app| app.dispute) == Some(facts.dispute);
        facts.phase == Phase::Closed
            || facts.phase == Phase::Open
                && !ordered
                && (self.is_child() || !self.durable.confirmed.position.state.is_final)
    }

    /// Whether a reorg could still take back every event above a height.
    pub fn is_chain_reversible_to(&self, height: u64) -> bool {
        self.durable.chain.is_reversible_to(height)
    }

    /// Height of the newest event that no reorg is expected to take back.
    pub fn settled_height(&self) -> u64 {
        self.durable.chain.settled_height()
    }

    /// Whether the answer to a synchronisation is awaited.
    pub fn is_synchronising(&self) -> bool {
        self.volatile.link == Link::Syncing && self.durable.chain.head().phase == Phase::Open
    }

    /// Whether nothing tells yet that the channel exists beyond the word of one side.
    pub fn knows_nothing_of_chain(&self) -> bool {
        self.durable.chain.is_blank()
    }

    /// Whether an event of the chain was ever seen.
    pub fn has_chain_events(&self) -> bool {
        self.durable.chain.has_events()
    }

    /// Hashes of the locks of all versions that could come to the chain.
    pub fn lock_hashes(&self) -> std::collections::BTreeSet<B256> {
        let lists = self.positions().map(|position| &position.locks).chain(&self.durable.refused_locks);
        let hashes = lists.flatten().filter(|entry| entry.lock.kind == LockKind::Hash);
        hashes.map(|entry| entry.lock.reference).collect()
    }

    /// The preimage of a hash, if this side has learnt it.
    pub fn known_preimage(&self, hash: B256) -> Option<B256> {
        self.durable.preimages.get(&hash).copied()
    }

    /// Whether a lock of any version that could come to the chain has this hash.
    pub fn has_lock(&self, hash: B256) -> bool {
        let lists = self.positions().map(|position| &position.locks).chain(&self.durable.refused_locks);
        let mut hashes = lists.flatten().filter(|entry| entry.lock.kind == LockKind::Hash);
        hashes.any(|entry| entry.lock.reference == hash)
    }
}
