//! Whether an exported bill proves itself.

use super::terms;
use crate::failure::Failure;
use serde::Serialize;
use strait_api::{HistoryProof, SignedState};
use strait_node::service::{params_json, typed_data};
use strait_protocol::{Bill, BillLine, Operation, Position, Record, Replay};
use strait_types::{
    Address, Amount, Bytes, ChannelId, ChannelParams, Domain, Side, Signature, SignatureError, Version,
    locks_hash,
};

/// A bill that holds.
#[derive(Serialize, Debug, PartialEq, Eq)]
pub(super) struct Verified {
    pub(super) channel: ChannelId,
    pub(super) chain_id: u64,
    pub(super) adjudicator: Address,
    /// What was agreed up to this version was pruned: payments of before are in no sum here. 0: the bill is whole.
    pub(super) pruned_through: u64,
    /// Version at which the records end; whatever the exporter was paid or paid by then carries the peer's signature.
    pub(super) version: u64,
    /// Version whose two signatures are in the bill.
    pub(super) signed_by_both: u64,
    /// The keys, by participant.
    pub(super) signers: [Address; 2],
    /// The participant whose records they are.
    pub(super) side: u8,
    /// One per asset.
    pub(super) totals: Vec<Total>,
    /// What was played, in a channel with an app.
    pub(super) game: Option<Game>,
    /// Versions between which a restore from a backup left the items out; the balances after it are signed by both.
    pub(super) gaps: Vec<[u64; 2]>,
}

/// A game as far as the records go.
#[derive(Serialize, Debug, PartialEq, Eq)]
pub(super) struct Game {
    pub(super) app: Address,
    /// After the start.
    pub(super) moves: u64,
    /// The participant who is to move; of no meaning after the end.
    pub(super) writer: u8,
    /// Whether both have signed the end, of which `change` is the outcome.
    pub(super) is_over: bool,
    /// The app data of the last position.
    pub(super) data: Bytes,
}

/// What the bill adds up to in one asset, by participant, in the smallest unit.
#[derive(Serialize, Debug, PartialEq, Eq)]
pub(super) struct Total {
    pub(super) asset: Address,
    /// Number of payments made.
    pub(super) payments: [u64; 2],
    /// Sum of the payments made.
    pub(super) paid: [Amount; 2],
    /// Taken out while the channel lived.
    pub(super) withdrawn: [Amount; 2],
    /// Against the deposits, after all that was agreed; negative: owed.
    pub(super) change: [String; 2],
    /// The same where the bill begins: what was agreed before came to this.
    pub(super) change_before: [String; 2],
}

/// Replays a bill and checks all that it says.
///
/// # Errors
/// [`Failure::not_proven`], with the place.
pub(super) fn verify(proof: &HistoryProof) -> Result<Verified, Failure> {
    check(proof)
        .map_err(|what| Failure::not_proven(what).hint("ask for the bill again; as it is, it proves nothing"))
}

fn check(proof: &HistoryProof) -> Result<Verified, String> {
    let params = terms::read(&proof.params)?;
    let side = Side::from_index(proof.side.into()).ok_or("side: is neither 0 nor 1")?;
    if proof.next.is_some() {
        return Err("next: the bill is not whole, a page is missing".into());
    }
    let domain = Domain::new(proof.chain_id, proof.adjudicator);
    let latest: SignedState =
        serde_json::from_value(proof.latest.clone()).map_err(|error| format!("latest: {error}"))?;
    let id = params.id(domain.chain_id(), domain.adjudicator());
    let start = match &proof.start {
        None => Position::zero(id, params.assets.len()),
        Some(bytes) => read_start(bytes, id, params.assets.len()).map_err(|what| format!("start: {what}"))?,
    };
    let pruned_through = start.state.version.0;
    let before: Vec<_> = start.state.allocations.iter().map(|allocation| allocation.delta).collect();
    let mut bill = Bill::resume(side, start.payments, start.locks_added);
    let mut replay = Replay::new(&params, side, start);
    let mut totals: Vec<Total> = params.assets.iter().copied().map(Total::new).collect();
    let mut moves: u64 = 0;
    let mut signed = check_latest(&replay, &domain, &params, &latest)?;
    for (index, bytes) in proof.records.iter().enumerate() {
        let place = |what: String| format!("record {}: {what}", index.saturating_add(1));
        let record = Record::decode(bytes).map_err(|error| place(format!("is damaged: {error}")))?;
        let check = &mut |position: &Position, side: Side, signature: &Signature| {
            check_signature(&domain, &params, position, side, signature)
        };
        replay.read(&record, check).map_err(|error| place(error.to_string()))?;
        let lines = bill.read(record);
        lines.iter().try_for_each(|line| add(&mut totals, line)).map_err(place)?;
        moves = moves.saturating_add(lines.iter().filter(|line| is_move(line)).count() as u64);
        signed = check_latest(&replay, &domain, &params, &latest)?.or(signed);
    }
    let version = replay.confirmed().state.version.0;
    let signed = signed.ok_or_else(|| {
        format!("latest: the records lead to version {version}, and never to the state that both signed")
    })?;
    let state = &replay.confirmed().state;
    for ((total, allocation), before) in totals.iter_mut().zip(&state.allocations).zip(before) {
        total.change_before = before.map(|delta| delta.to_string());
        total.change = allocation.delta.map(|delta| delta.to_string());
        total.withdrawn = allocation.withdrawn.map(|units| Amount::new(units).unwrap_or_default());
    }
    Ok(Verified {
        channel: state.channel,
        chain_id: proof.chain_id,
        adjudicator: proof.adjudicator,
        pruned_through,
        version,
        signed_by_both: signed,
        signers: params.participants.map(|participant| participant.signer),
        side: proof.side,
        totals,
        game: (!params.app.is_zero()).then(|| Game {
            app: params.app,
            moves,
            writer: state.writer as u8,
            is_over: state.is_final,
            data: Bytes::copy_from_slice(&state.app_data),
        }),
        gaps: replay.gaps().iter().map(|(from, to)| [from.0, to.0]).collect(),
    })
}

/// Where a pruned history begins. Of what it says the state's hash covers all that money hangs on, and the first record
/// has signed that hash.
fn read_start(bytes: &[u8], id: ChannelId, assets: usize) -> Result<Position, String> {
    let start: Position = borsh::from_slice(bytes).map_err(|error| format!("is damaged: {error}"))?;
    let list = locks_hash(start.locks.iter().map(|entry| &entry.lock));
    if start.state.channel != id || start.state.allocations.len() != assets || start.state.locks_hash != list
    {
        return Err("does not belong to this channel".into());
    }
    if start.state.version == Version::ZERO {
        Err("is at version 0, where nothing is pruned".into())
    } else {
        Ok(start)
    }
}

fn check_signature(
    domain: &Domain,
    params: &ChannelParams,
    position: &Position,
    side: Side,
    signature: &Signature,
) -> Result<(), SignatureError> {
    signature.verify(domain.state_digest(position.state.hash()), params.participant(side).signer)
}

/// The version, when the records have just led to the state that both signed.
fn check_latest(
    replay: &Replay,
    domain: &Domain,
    params: &ChannelParams,
    latest: &SignedState,
) -> Result<Option<u64>, String> {
    let (position, state) = (replay.confirmed(), &replay.confirmed().state);
    if domain.state_digest(state.hash()) != latest.digest {
        return Ok(None);
    }
    if latest.params != params_json(params) || latest.typed_data != typed_data(domain, state) {
        return Err(format!("latest: what it says is not version {}, which it signs", state.version));
    }
    if state.version == Version::ZERO {
        let is_unsigned = latest.signatures.iter().all(|bytes| bytes.is_empty());
        return if is_unsigned { Ok(Some(0)) } else { Err("latest: version 0 has signatures".into()) };
    }
    for side in Side::BOTH {
        let bytes = <[u8; 64]>::try_from(&latest.signatures[side.index()][..])
            .map_err(|_| format!("latest: the signature of participant {} has not 64 bytes", side.index()))?;
        check_signature(domain, params, position, side, &Signature(bytes))
            .map_err(|error| format!("latest: version {}: {error}", state.version))?;
    }
    Ok(Some(state.version.0))
}

impl Total {
    fn new(asset: Address) -> Total {
        let zero = [Amount::ZERO; 2];
        Total {
            asset,
            payments: [0; 2],
            paid: zero,
            withdrawn: zero,
            change: Default::default(),
            change_before: Default::default(),
        }
    }
}

/// The first one is the start.
fn is_move(line: &BillLine) -> bool {
    matches!(line.operation, Operation::Move(_)) && line.version > Version(1)
}

fn add(totals: &mut [Total], line: &BillLine) -> Result<(), String> {
    let Operation::Pay(payment) = &line.operation else { return Ok(()) };
    let writer = line.writer.index();
    let total = totals.get_mut(payment.asset.index()).ok_or("pays in an asset that the channel has not")?;
    let sum = total.paid[writer].checked_add(payment.amount).ok_or("pays more than can be counted")?;
    total.paid[writer] = sum;
    total.payments[writer] = total.payments[writer].saturating_add(1);
    Ok(())
}
