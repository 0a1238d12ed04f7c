//! Between the node's words and the interface's.

use super::registry::Known;
use strait_api::{
    ApiError, AwaitsParent, Balance, ChannelInfo, ChildInfo, Dispute, ErrorCode, Link, LockInfo, Phase,
    UnderWay,
};
use strait_protocol::{
    BalanceView, Channel, ChildView, ExecutionView, LockView, Phase as ChainPhase, Standing,
};
use strait_types::{Address, Amount, AssetIndex};

/// Text of a memo: as it is when it is text, else `0x` and hex.
pub(crate) fn memo(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => strait_types::Bytes::copy_from_slice(bytes).to_string(),
    }
}

fn amount(units: u128) -> Amount {
    Amount::new(units).unwrap_or(Amount::MAX)
}

/// What a side can dispose of; while a reorg has taken deposits back it may owe more than it owns.
fn free(units: i128) -> Amount {
    u128::try_from(units).ok().and_then(Amount::new).unwrap_or(Amount::ZERO)
}

pub(crate) fn phase(phase: &ChainPhase) -> Phase {
    match phase {
        ChainPhase::Open => Phase::Open,
        ChainPhase::Disputed { .. } => Phase::Disputed,
        ChainPhase::Settled(_) => Phase::Settled,
        ChainPhase::Closed => Phase::Closed,
    }
}

fn balance(view: &BalanceView, demanded: Amount) -> Balance {
    Balance {
        asset: view.asset,
        own: free(view.own),
        peer: free(view.peer),
        locked: amount(view.locked),
        in_children: amount(view.in_children),
        deposited: view.deposited[0],
        peer_deposited: view.deposited[1],
        arriving: view.arriving[0],
        peer_arriving: view.arriving[1],
        withdrawn: amount(view.drawn[0]),
        peer_withdrawn: amount(view.drawn[1]),
        leaving: amount(view.withdrawn[0].saturating_sub(view.drawn[0])),
        peer_leaving: amount(view.withdrawn[1].saturating_sub(view.drawn[1])),
        demanded,
    }
}

fn lock(known: &Known, view: &LockView) -> LockInfo {
    LockInfo {
        number: view.number,
        is_ours: view.ours,
        asset: known.asset(view.lock.asset),
        amount: view.lock.total().unwrap_or(Amount::MAX),
        hash: view.lock.reference,
        expiry: view.lock.expiry,
    }
}

fn child(known: &Known, view: &ChildView) -> ChildInfo {
    let [stake, peer_stake] = view.stakes;
    let gets = |side: usize| view.outcome.map(|outcome| outcome[side]);
    ChildInfo {
        channel: view.child,
        asset: known.asset(view.asset),
        stake,
        peer_stake,
        gets: gets(0),
        peer_gets: gets(1),
        leaves_at: view.leaves_at,
    }
}

fn under_way(view: &ExecutionView) -> UnderWay {
    let ExecutionView { version, closes, until, ours, is_on_chain } = *view;
    UnderWay { version: version.0, is_close: closes, is_ours: ours, is_on_chain, until }
}

/// What the chain has decided of a child and its parent has not taken over.
fn awaits_parent(child: &Channel, parent: Option<&Channel>) -> Option<AwaitsParent> {
    let is_held = matches!(child.standing(), Standing::Locked | Standing::Leaving);
    let parent = parent.filter(|_| is_held && child.facts().phase == ChainPhase::Closed)?;
    Some(AwaitsParent { phase: phase(&parent.facts().phase), leaves_at: parent.leaves_at(child.id()) })
}

/// A channel as clients see it, with its parent if it has one; `declined`: why the peer does not take it, and whether its operator is asked.
pub(crate) fn channel_info(
    known: &Known,
    chain_id: u64,
    channel: &Channel,
    parent: Option<&Channel>,
    (declined, awaits_approval): (Option<String>, bool),
) -> ChannelInfo {
    let view = channel.view();
    let facts = channel.facts();
    let dispute = match &facts.phase {
        ChainPhase::Disputed { deadline, challenger, .. } => Some(Dispute {
            recorded: facts.recorded.as_ref().map_or(0, |state| state.version.0),
            deadline: *deadline,
            is_ours: *challenger == Some(known.side),
            is_answered: facts.recorded.as_ref().map_or(0, |state| state.version.0) >= view.version.0,
        }),
        _ => None,
    };
    let link = match view.link {
        "up" => Link::Up,
        "syncing" => Link::Syncing,
        _ => Link::Down,
    };
    let phase = if channel.is_over() { Phase::Closed } else { phase(&facts.phase) };
    let has_money = view.balances.iter().any(|balance| balance.own > 0);
    let is_usable = phase == Phase::Open
        && !view.closing
        && !view.leaving
        && !view.restoring
        && !view.peer_restoring
        && view.demanded.is_empty();
    let demanded = view.demanded.iter().copied().chain(std::iter::repeat(Amount::ZERO));
    ChannelInfo {
        channel: known.id,
        chain_id,
        peer: known.peer(),
        payout: known.params.participant(known.side).payout,
        peer_payout: known.params.participant(known.side.other()).payout,
        side: known.side as u8,
        challenge_duration: known.params.challenge_duration,
        phase,
        can_pay: is_usable && link == Link::Up && has_money && declined.is_none() && view.app.is_none(),
        app: Some(known.params.app).filter(|app| !app.is_zero()),
        link,
        is_closing: view.closing,
        is_dispute_ordered: view.leaving,
        under_way: view.execution.as_ref().map(under_way),
        awaits_approval: declined.is_some() && awaits_approval,
        declined,
        is_restoring: view.restoring,
        restoring_until: view.rebase_after,
        awaits_towers: Vec::new(),
        is_peer_restoring: view.peer_restoring,
        balances: view
            .balances
            .iter()
            .zip(demanded)
            .map(|(view, demanded)| balance(view, demanded))
            .collect(),
        version: view.version.0,
        history: view.history,
        withdrawn_version: facts.withdrawn.0,
        payments_made: view.payments[0],
        payments_received: view.payments[1],
        locks: view.locks.iter().map(|view| lock(known, view)).collect(),
        children: view.children.iter().map(|view| child(known, view)).collect(),
        parent: view.parent,
        awaits_parent: awaits_parent(channel, parent),
        dispute,
    }
}

/// The asset that a request names, or the channel's only one.
pub(crate) fn asset_index(known: &Known, asset: Option<Address>) -> Result<AssetIndex, ApiError> {
    let assets = &known.params.assets;
    let index = match asset {
        Some(asset) => assets.iter().position(|other| *other == asset).ok_or_else(|| {
            let message = format!("channel {} does not hold the asset {asset}", known.id);
            ApiError::new(ErrorCode::UnknownAsset, message)
        })?,
        None if assets.len() == 1 => 0,
        None => {
            let message = format!("channel {} holds {} assets; name one", known.id, assets.len());
            return Err(ApiError::new(ErrorCode::UnknownAsset, message));
        }
    };
    // A channel has at most four.
    Ok(AssetIndex(u8::try_from(index).unwrap_or(u8::MAX)))
}

/// The limit of a page, within its bounds.
pub(crate) fn page_limit(limit: Option<u32>, default: usize, most: usize) -> Result<usize, ApiError> {
    let given = limit.map_or(default, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
    if given == 0 || given > most {
        let message = format!("the limit is {given}; give 1 to {most}");
        return Err(ApiError::new(ErrorCode::InvalidParams, message));
    }
    Ok(given)
}

/// A cursor that is no cursor of this list.
pub(crate) fn bad_cursor(cursor: &str) -> ApiError {
    let message = format!("'{cursor}' is no cursor of this list");
    ApiError::new(ErrorCode::InvalidParams, message).hint("pass on `next` of the page before, unchanged")
}
