//! Properties 1 and 2, counted on chain.

use crate::check::book::Book;
use crate::failure::{Broken, Property};
use crate::plan::ChannelPlan;
use std::collections::BTreeMap;
use strait_chain::DevChain;
use strait_engine::ports::ChainError;
use strait_protocol::Position;
use strait_types::abi::views;
use strait_types::{Address, AssetIndex, B256, Bytes, ChannelId, Lock, LockKind, Side, U256};

/// Seconds before the expiry of a lock at which its preimage must be known, so that it must be claimed.
const IN_TIME: u64 = 400;

fn view(chain: &DevChain, to: Address, data: Bytes) -> Result<Bytes, Broken> {
    let unreadable = |error: ChainError| Property::Conservation.broken(format!("a view fails: {error}"));
    chain.call_from(Address::ZERO, to, data).map_err(unreadable)
}

fn read<T, E: std::fmt::Display>(answer: Result<T, E>) -> Result<T, Broken> {
    answer.map_err(|error| Property::Conservation.broken(format!("a view cannot be read: {error}")))
}

/// What an address holds of an asset.
pub(crate) fn held(chain: &DevChain, owner: Address, asset: Address) -> Result<U256, Broken> {
    if asset.is_zero() {
        return Ok(chain.balance(owner));
    }
    read(views::read_balance_of(&view(chain, asset, views::balance_of(owner))?))
}

/// Where a channel stands on chain.
pub(crate) fn status(chain: &DevChain, id: ChannelId) -> Result<views::ChannelStatus, Broken> {
    read(views::read_channel(&view(chain, chain.adjudicator(), views::channel(id))?))
}

/// What a channel took in and paid of an asset.
pub(crate) fn funds(chain: &DevChain, id: ChannelId, asset: usize) -> Result<views::Funds, Broken> {
    let index = AssetIndex(u8::try_from(asset).unwrap_or(u8::MAX));
    read(views::read_funds(&view(chain, chain.adjudicator(), views::funds(id, index))?))
}

/// Property 1: what the adjudicator holds of an asset is what its channels own. Nobody here is owed a credit, and
/// nobody sends it anything but deposits.
pub(crate) fn conservation(
    chain: &DevChain,
    channels: &BTreeMap<ChannelId, ChannelPlan>,
) -> Result<(), Broken> {
    for asset in [Address::ZERO, chain.token()] {
        let mut owned = U256::ZERO;
        for (id, plan) in channels.iter().filter(|(_, plan)| plan.terms.is_none()) {
            let Some(index) = plan.params.assets.iter().position(|of| *of == asset) else { continue };
            let funds = funds(chain, *id, index)?;
            let put: u128 = funds.deposited.iter().map(|amount| amount.units()).sum();
            let taken: u128 = funds.withdrawn.iter().sum();
            let rest = put.checked_sub(taken).and_then(|rest| rest.checked_add(funds.reserve));
            let rest = rest.ok_or_else(|| {
                Property::Conservation
                    .broken(format!("{id:?} has paid more than was put in: {taken} of {put}"))
            })?;
            owned += U256::from(rest);
        }
        let held = held(chain, chain.adjudicator(), asset)?;
        Property::Conservation.check(held == owned, || {
            format!("the adjudicator holds {held} of {asset}, its channels own {owned}")
        })?;
    }
    Ok(())
}

/// When a preimage was registered, if it was.
pub(crate) fn registered_at(chain: &DevChain, hash: B256) -> Result<Option<u64>, Broken> {
    read(views::read_registered_at(&view(chain, chain.adjudicator(), views::registered_at(hash))?))
}

/// Which of these hashes' preimages are registered, and when.
pub(crate) fn registered(chain: &DevChain, hashes: &[B256]) -> Result<Vec<(B256, u64)>, Broken> {
    let mut registered = Vec::new();
    for hash in hashes {
        registered.extend(registered_at(chain, *hash)?.map(|time| (*hash, time)));
    }
    Ok(registered)
}

/// The least that a side is owed of an asset: by its last durable state, or by one that it signed above; without what
/// is in children.
pub(crate) fn owed(chain: &DevChain, book: &Book, asset: usize, deposit: u128) -> Result<i128, Broken> {
    let mut least = i128::MAX;
    for position in book.possible() {
        least = least.min(owed_by(chain, book, position, asset, deposit)?);
    }
    Ok(least)
}

pub(crate) fn owed_by(
    chain: &DevChain,
    book: &Book,
    position: &Position,
    asset: usize,
    deposit: u128,
) -> Result<i128, Broken> {
    let side = book.side.index();
    let allocation = &position.state.allocations[asset];
    let mut owed = deposit as i128 + allocation.delta[side] + allocation.withdrawn[side] as i128;
    let hash_locks =
        position.locks.iter().map(|entry| &entry.lock).filter(|lock| lock.kind == LockKind::Hash);
    for lock in hash_locks.filter(|lock| lock.asset.index() == asset) {
        let Some(contributor) = lock.contributor() else { continue };
        let in_time = registered_at(chain, lock.reference)?.is_some_and(|time| time <= lock.expiry);
        let is_ours = if contributor == book.side { !in_time } else { in_time || knows(book, lock) };
        if is_ours {
            owed += lock.amounts[contributor.index()].signed();
        }
    }
    Ok(owed)
}

/// Whether the journal has had the preimage of a lock early enough: what is known in time must be claimed in time.
fn knows(book: &Book, lock: &Lock) -> bool {
    let known =
        book.preimages.iter().find(|(preimage, _)| crate::workload::sha256(**preimage) == lock.reference);
    known.is_some_and(|(_, since)| since + IN_TIME <= lock.expiry)
}

/// What a participant of a channel was paid.
pub(crate) fn paid(chain: &DevChain, plan: &ChannelPlan, side: Side, asset: usize) -> Result<U256, Broken> {
    held(chain, plan.params.participant(side).payout, plan.params.assets[asset])
}
