//! Whether an exported bill proves itself.

use super::replay::Replay;
use crate::failure::Failure;
use serde::Serialize;
use strait_api::{HistoryProof, SignedState};
use strait_protocol::{BillLine, Operation, Record};
use strait_types::{Address, Amount, ChannelId, ChannelParams, Domain, Side};

/// A bill that holds.
#[derive(Serialize, Debug, PartialEq, Eq)]
pub(super) struct Verified {
    pub(super) channel: ChannelId,
    pub(super) chain_id: u64,
    pub(super) adjudicator: Address,
    /// Highest version that both signed.
    pub(super) version: u64,
    /// The keys, by participant.
    pub(super) signers: [Address; 2],
    /// The participant whose records they are.
    pub(super) side: u8,
    /// One per asset.
    pub(super) totals: Vec<Total>,
    /// Versions between which a restore from a backup left the items out; the balances after it are signed by both.
    pub(super) gaps: Vec<[u64; 2]>,
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
    let params: ChannelParams =
        serde_json::from_value(proof.params.clone()).map_err(|error| format!("params: {error}"))?;
    params.check().map_err(|error| format!("params: {error}"))?;
    let side = Side::from_index(proof.side.into()).ok_or("side: is neither 0 nor 1")?;
    if proof.next.is_some() {
        return Err("next: the bill is not whole, a page is missing".into());
    }
    let domain = Domain::new(proof.chain_id, proof.adjudicator);
    let mut replay = Replay::new(domain, &params, side);
    let mut totals: Vec<Total> = params.assets.iter().copied().map(Total::new).collect();
    for (index, bytes) in proof.records.iter().enumerate() {
        let place = |what: String| format!("record {}: {what}", index.saturating_add(1));
        let record = Record::decode(bytes).map_err(|error| place(format!("is damaged: {error}")))?;
        let lines = replay.read(record).map_err(place)?;
        lines.iter().try_for_each(|line| add(&mut totals, line)).map_err(place)?;
    }
    let latest: SignedState =
        serde_json::from_value(proof.latest.clone()).map_err(|error| format!("latest: {error}"))?;
    if latest.params != proof.params {
        return Err("latest: its params are not those of the channel".into());
    }
    let signatures = [&latest.signatures[0][..], &latest.signatures[1][..]];
    replay.check_latest(latest.digest, signatures).map_err(|what| format!("latest: {what}"))?;
    let state = &replay.confirmed().state;
    for (total, allocation) in totals.iter_mut().zip(&state.allocations) {
        total.change = allocation.delta.map(|delta| delta.to_string());
        total.withdrawn = allocation.withdrawn.map(|units| Amount::new(units).unwrap_or_default());
    }
    Ok(Verified {
        channel: state.channel,
        chain_id: proof.chain_id,
        adjudicator: proof.adjudicator,
        version: state.version.0,
        signers: params.participants.map(|participant| participant.signer),
        side: proof.side,
        totals,
        gaps: replay.gaps().iter().map(|(from, to)| [from.0, to.0]).collect(),
    })
}

impl Total {
    fn new(asset: Address) -> Total {
        let zero = [Amount::ZERO; 2];
        Total { asset, payments: [0; 2], paid: zero, withdrawn: zero, change: Default::default() }
    }
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
