//! What became of requests that a crash left without a result.

use super::table::{self, Decided, Found, Intention, Standing, Undecided};
use crate::Node;
use crate::service::Core;
use crate::service::history::{Mark, Scan};
use crate::service::registry::Known;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use strait_api::{
    ApiError, AppMoved, ChannelOpened, DepositResult, ErrorCode, LockNumber, Paid, PaidMany, PayResult,
};
use strait_protocol::{BillLine, Operation, Phase};
use strait_types::{Amount, AssetIndex, B256, ChannelId, ChannelParams, Side, Version};

/// How long a repetition waits for the peer's answer to what is in flight.
const PATIENCE: Duration = Duration::from_secs(20);

/// An operation of ours in the history, to be credited to one request.
struct Candidate {
    found: Found,
    is_payment: bool,
    is_agreed: bool,
    is_taken: bool,
}

/// Candidates by their content, in the order of the history.
type Candidates = BTreeMap<Vec<u8>, Vec<Candidate>>;

/// What makes two operations interchangeable.
fn content(operation: &Operation) -> Vec<u8> {
    // Writing to a Vec cannot fail.
    borsh::to_vec(&without_limit(operation)).unwrap_or_default()
}

impl Core {
    /// Decides what can be decided before anything new is taken; what was not made is forgotten, so that a repetition
    /// carries it out.
    pub(crate) async fn decide_keys(&self) -> Result<(), ApiError> {
        self.forget_keys().await?;
        let undecided = self.database.read(table::undecided).await?;
        let mut by_channel: BTreeMap<ChannelId, Vec<(Undecided, Intention)>> = BTreeMap::new();
        for row in undecided {
            let Ok(intention) = serde_json::from_str::<Intention>(&row.note) else { continue };
            if let (Some(channel), Intention::Operations { .. }) = (row.channel, &intention) {
                by_channel.entry(channel).or_default().push((row, intention));
            }
        }
        for (channel, rows) in by_channel {
            if let Ok(known) = self.known(channel).await {
                self.credit(&known, rows, None).await?;
            }
        }
        Ok(())
    }

    /// Credits each undecided request of a channel with what the history holds of it. Nothing is credited while other requests of
    /// the channel than `asking` run: what the history holds may be theirs.
    async fn credit(
        &self,
        known: &Known,
        rows: Vec<(Undecided, Intention)>,
        asking: Option<&str>,
    ) -> Result<(), ApiError> {
        let mut wanted = Candidates::new();
        let (mut mark, mut since_ms) = (None, u64::MAX);
        for (row, intention) in &rows {
            if let Intention::Operations { operations, mark: from, .. } = intention {
                wanted.extend(operations.iter().map(|operation| (content(operation), Vec::new())));
                // Marks of one channel only go forward.
                mark = mark.filter(|mark: &Mark| mark.after <= from.after).or(Some(*from));
                since_ms = since_ms.min(row.at_ms);
            }
        }
        let mut candidates = self.candidates(known, mark.unwrap_or_default(), wanted).await?;
        let channel = known.id;
        let results = self.database.read(move |db| table::results_since(db, channel, since_ms)).await?;
        // Whoever began after this look wrote after what was read, and whoever ended before it has its result there.
        if self.running.has_others(channel, asking) {
            return Ok(());
        }
        let taken: BTreeSet<u64> = results.iter().flat_map(|result| numbers(result)).collect();
        for candidate in candidates.values_mut().flatten() {
            candidate.is_taken = candidate.is_payment && taken.contains(&candidate.found.number);
        }
        for (row, intention) in rows {
            self.credit_one(known, &row, intention, &mut candidates).await?;
        }
        Ok(())
    }

    async fn credit_one(
        &self,
        known: &Known,
        row: &Undecided,
        intention: Intention,
        candidates: &mut Candidates,
    ) -> Result<(), ApiError> {
        let Intention::Operations { operations, many, mark, payments, version } = intention else {
            return Ok(());
        };
        let mut is_open = false;
        let mut found = Vec::with_capacity(operations.len());
        for operation in &operations {
            let is_after = |found: &Found| match operation {
                Operation::Pay(_) => found.number >= payments,
                _ => found.version > version,
            };
            let mut alike = candidates.get_mut(&content(operation)).into_iter().flatten();
            let credited =
                alike.find(|candidate| !candidate.is_taken && is_after(&candidate.found)).map(|candidate| {
                    candidate.is_taken = true;
                    is_open |= !candidate.is_agreed;
                    candidate.found
                });
            found.push(credited);
        }
        let key = row.key.clone();
        if found.iter().all(Option::is_none) {
            self.database.write(move |db| table::remove(db, &key)).await?;
            return Ok(());
        }
        if is_open {
            let note = serde_json::to_string(&Intention::Found { operations, found, many, mark })
                .unwrap_or_default();
            self.database.write(move |db| table::renote(db, &key, &note)).await?;
            return Ok(());
        }
        let (result, now_ms) = (result_of(known, &operations, &found, many), self.clock.now_ms());
        self.database.write(move |db| table::finish(db, &key, &result, now_ms)).await?;
        Ok(())
    }

    /// This node's operations in the history after a place, of those that are wanted; agreed ones come first.
    async fn candidates(
        &self,
        known: &Known,
        mark: Mark,
        mut wanted: Candidates,
    ) -> Result<Candidates, ApiError> {
        // What was forgotten since lies before all that is looked for.
        let start = self.history_start(known.id).await?.mark();
        let mark = if mark.after < start.after { start } else { mark };
        let mut scan = Scan::new(self.node(known)?, known, mark);
        let mut take = |operation: &Operation, number: Option<u64>, version, is_agreed| {
            if let Some(alike) = wanted.get_mut(&content(operation)) {
                let found = Found { number: number.unwrap_or_default(), version };
                let is_payment = matches!(operation, Operation::Pay(_));
                alike.push(Candidate { found, is_payment, is_agreed, is_taken: false });
            }
        };
        loop {
            let piece = scan.read().await?;
            for line in piece.lines.iter().filter(|line| is_of(known, line)) {
                take(&line.operation, line.number, line.version, true);
            }
            if piece.is_last {
                break;
            }
        }
        let (mut payments, mut locks) = (scan.mark().payments[known.side.index()], scan.mark().locks);
        for (version, operations) in scan.pending() {
            for operation in operations {
                let counter = match operation {
                    Operation::Pay(_) => Some(&mut payments),
                    Operation::AddLock(_) => Some(&mut locks),
                    _ => None,
                };
                let number = counter.map(|counter| std::mem::replace(counter, counter.saturating_add(1)));
                take(operation, number, version, false);
            }
        }
        Ok(wanted)
    }

    /// Decides one when it is asked for again.
    pub(super) async fn decide_late(&self, row: Undecided) -> Result<Decided, ApiError> {
        let _kept = self.pruning.reading().await;
        let row = match self.credit_late(row).await? {
            Ok(row) => row,
            Err(decided) => return Ok(decided),
        };
        let decided = self.look_again(&row).await?;
        let (key, now_ms) = (row.key.clone(), self.clock.now_ms());
        match &decided {
            Decided::Done(result) => {
                let result = result.clone();
                self.database.write(move |db| table::finish(db, &key, &result, now_ms)).await?;
            }
            Decided::NotMade => self.database.write(move |db| table::remove(db, &key)).await?,
            Decided::Unknown => {}
        }
        Ok(decided)
    }

    /// Credits operations whose end this life failed to write down. The row as it stands then, if it is not decided.
    async fn credit_late(&self, row: Undecided) -> Result<Result<Undecided, Decided>, ApiError> {
        let Some(channel) = row.channel else { return Ok(Ok(row)) };
        if !matches!(serde_json::from_str(&row.note), Ok(Intention::Operations { .. })) {
            return Ok(Ok(row));
        }
        let known = self.known(channel).await?;
        let undecided = self.database.read(table::undecided).await?.into_iter();
        let of_channel = undecided.filter(|other| other.channel == Some(channel)).filter_map(|other| {
            let intention = serde_json::from_str::<Intention>(&other.note).ok()?;
            matches!(intention, Intention::Operations { .. }).then_some((other, intention))
        });
        self.credit(&known, of_channel.collect(), Some(&row.key)).await?;
        let key = row.key;
        Ok(match self.database.read(move |db| table::find(db, &key)).await? {
            None => Err(Decided::NotMade),
            Some(Standing { result: Some(result), .. }) => Err(Decided::Done(result)),
            Some(Standing { undecided, .. }) => Ok(undecided),
        })
    }

    async fn look_again(&self, row: &Undecided) -> Result<Decided, ApiError> {
        let intention = serde_json::from_str::<Intention>(&row.note).map_err(|error| {
            ApiError::new(
                ErrorCode::StoreFailed,
                format!("what was noted with the key cannot be read: {error}"),
            )
        })?;
        let channel = match (&intention, row.channel) {
            (Intention::Open { params, deposits }, _) => {
                return self.look_for_channel(params, deposits, row.at_ms).await;
            }
            (_, Some(channel)) => channel,
            (_, None) => return Ok(Decided::NotMade),
        };
        let known = self.known(channel).await?;
        match intention {
            Intention::Found { operations, found, many, mark } => {
                let standing = self.look_for(&known, &operations, &found, mark).await?;
                Ok(match standing {
                    None => Decided::Unknown,
                    Some(standing) if standing.iter().all(Option::is_none) => Decided::NotMade,
                    Some(standing) => Decided::Done(result_of(&known, &operations, &standing, many)),
                })
            }
            Intention::Deposit { may_be_sent: false, .. } => Ok(Decided::NotMade),
            Intention::Deposit { asset, amount, before, others, at_ms, .. } => {
                self.look_for_deposit(&known, (asset, amount), (before, &others), at_ms).await
            }
            Intention::Child { nonce } => self.look_for_child(&known, nonce).await,
            // It was credited with nothing yet.
            Intention::Operations { .. } => Ok(Decided::Unknown),
            Intention::Open { .. } | Intention::Nothing => Ok(Decided::NotMade),
        }
    }

    async fn look_for_channel(
        &self,
        params: &ChannelParams,
        deposits: &[(AssetIndex, Amount)],
        at_ms: u64,
    ) -> Result<Decided, ApiError> {
        for chain in &self.nodes {
            let domain = chain.node.domain();
            let id = params.id(domain.chain_id(), domain.adjudicator());
            let Ok(channel) = self.show(id).await else { continue };
            let mut results = Vec::with_capacity(deposits.len());
            for (asset, amount) in deposits {
                match self.first_deposit(&chain.node, id, *asset, *amount, at_ms).await? {
                    Some(result) => results.push(result),
                    None => return Ok(Decided::Unknown),
                }
            }
            return Ok(Decided::Done(json(&ChannelOpened {
                channel,
                deposits: results,
                was_opened_before: false,
            })));
        }
        Ok(Decided::NotMade)
    }

    /// A child that this node opened, by its nonce.
    async fn look_for_child(&self, parent: &Known, nonce: u64) -> Result<Decided, ApiError> {
        let id = parent.id;
        let looked = self.node(parent)?.query(move |engine| {
            let in_flight = engine
                .channel(id)
                .is_some_and(|channel| channel.openings().any(|(_, opening)| opening.params.nonce == nonce));
            let is_it = |child: &ChannelId| {
                let channel = engine.channel(*child);
                channel.is_some_and(|of| of.parent() == Some(id) && of.params().nonce == nonce)
            };
            (engine.channel_ids().find(is_it), in_flight)
        });
        Ok(match looked.await? {
            (Some(child), _) => {
                let channel = self.show(child).await?;
                Decided::Done(json(&ChannelOpened {
                    channel,
                    deposits: Vec::new(),
                    was_opened_before: false,
                }))
            }
            (None, true) => Decided::Unknown,
            (None, false) => Decided::NotMade,
        })
    }

    /// What became of a deposit that an opening made. The channel is new, so that whatever it holds came with the opening or
    /// later. `None`: it cannot be told yet.
    async fn first_deposit(
        &self,
        node: &Node,
        id: ChannelId,
        asset: AssetIndex,
        amount: Amount,
        at_ms: u64,
    ) -> Result<Option<DepositResult>, ApiError> {
        let looked = node
            .query(move |engine| (engine.channel(id).map(|channel| channel.facts().clone()), engine.head()));
        let (Some(facts), Some((head, _))) = looked.await? else { return Ok(None) };
        // Its hash was lost with the life that sent it.
        let submitted = DepositResult::Submitted { transaction: B256::ZERO };
        if facts.deposits.get(asset.index()).is_some_and(|pair| pair[Side::Zero.index()] >= amount) {
            return Ok(Some(submitted));
        }
        Ok(match node.is_deposit_under_way(id, asset, amount, head.number).await {
            Ok(true) => Some(submitted),
            // What a former life had not sent nobody sends any more.
            Ok(false) if at_ms < self.started_ms => Some(DepositResult::Failed {
                code: ErrorCode::Stopping,
                message: "the node stopped before this deposit was made; nothing has moved".into(),
                hint: "make it with `strait channel deposit`".into(),
            }),
            Ok(false) | Err(_) => None,
        })
    }

    /// Waits for the peer's answer to what is in flight, and tells which of it stands. `None`: there is no answer yet.
    async fn look_for(
        &self,
        known: &Known,
        operations: &[Operation],
        found: &[Option<Found>],
        mark: Mark,
    ) -> Result<Option<Vec<Option<Found>>>, ApiError> {
        let node = self.node(known)?;
        let highest = found.iter().flatten().map(|found| found.version).max().unwrap_or_default();
        let is_answered = |view: &strait_protocol::ChannelView| {
            view.in_flight == 0 || view.version >= highest || matches!(view.phase, "settled" | "closed")
        };
        match tokio::time::timeout(PATIENCE, node.wait_until(known.id, is_answered)).await {
            Ok(view) => view?,
            Err(_) => return Ok(None),
        };
        let mut stands = vec![false; found.len()];
        let mut scan = Scan::new(node, known, mark);
        loop {
            let piece = scan.read().await?;
            for line in piece.lines.iter().filter(|line| is_of(known, line)) {
                let at = Found { number: line.number.unwrap_or_default(), version: line.version };
                for ((place, wanted), stands) in found.iter().zip(operations).zip(&mut stands) {
                    *stands |= *place == Some(at) && without_limit(&line.operation) == *wanted;
                }
            }
            if piece.is_last {
                break;
            }
        }
        // The chain has the last word on what the peer never answered.
        let facts = node.facts(known.id).await?;
        let paid_by = match facts.phase {
            Phase::Settled(_) | Phase::Closed => facts.recorded.as_ref().map(|state| state.version),
            Phase::Open | Phase::Disputed { .. } => None,
        };
        let stands = found.iter().zip(stands).map(|(place, stands)| {
            place.filter(|place| stands || paid_by.is_some_and(|version: Version| place.version <= version))
        });
        Ok(Some(stands.collect()))
    }
}

/// Whether a line of the bill can be what a request of this node wanted. The end of an app is written by whoever is not to move.
fn is_of(known: &Known, line: &BillLine) -> bool {
    line.writer == known.side || matches!(line.operation, Operation::Finish { .. })
}

/// Without the limit that its writing set.
fn without_limit(operation: &Operation) -> Operation {
    match operation {
        Operation::Withdraw { side, asset, amount, .. } => {
            Operation::Withdraw { side: *side, asset: *asset, amount: *amount, valid_until: 0 }
        }
        Operation::Finish { outcome, .. } => Operation::Finish { outcome: outcome.clone(), valid_until: 0 },
        other => other.clone(),
    }
}

/// The answer that the caller would have got.
fn result_of(known: &Known, operations: &[Operation], found: &[Option<Found>], many: bool) -> String {
    if many {
        let result = |found: &Option<Found>| match found {
            Some(found) => PayResult::Paid { number: found.number, version: found.version.0 },
            None => PayResult::Failed {
                code: ErrorCode::Stopping,
                message: "the node stopped before this payment was made; nothing has moved".into(),
                hint: "pay it again with a new key".into(),
            },
        };
        let results = found.iter().map(result).collect();
        return json(&PaidMany { results, was_paid_before: false });
    }
    let Some(found) = found.first().copied().flatten() else { return String::new() };
    match operations.first() {
        Some(Operation::AddLock(_)) => json(&LockNumber { number: found.number }),
        Some(Operation::Move(_)) => json(&AppMoved { version: found.version.0 }),
        Some(Operation::Withdraw { .. } | Operation::Finish { .. }) => {
            json(&strait_api::Agreed { version: found.version.0, gas_shortage: None, chain_away: None })
        }
        _ => json(&Paid {
            channel: known.id,
            number: found.number,
            version: found.version.0,
            was_paid_before: false,
        }),
    }
}

pub(super) fn json(value: &impl serde::Serialize) -> String {
    // These have no maps with other keys than text.
    serde_json::to_string(value).unwrap_or_default()
}

/// Numbers of the payments that a result tells of.
fn numbers(result: &str) -> Vec<u64> {
    if let Ok(paid) = serde_json::from_str::<Paid>(result) {
        return vec![paid.number];
    }
    let many = serde_json::from_str::<PaidMany>(result).map(|many| many.results).unwrap_or_default();
    let number = |result: PayResult| match result {
        PayResult::Paid { number, .. } => Some(number),
        PayResult::Failed { .. } => None,
    };
    many.into_iter().filter_map(number).collect()
}
