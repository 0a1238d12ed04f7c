//! What became of deposits whose request was left without a result.

use super::decide::json;
use super::table::{self, Decided, Intention, Undecided};
use crate::Node;
use crate::service::Core;
use crate::service::channels::date;
use crate::service::registry::Known;
use serde::{Deserialize, Serialize};
use strait_api::{ApiError, ErrorCode, Submitted};
use strait_engine::EngineError;
use strait_engine::ports::{ChainError, TxHash};
use strait_types::{Amount, AssetIndex, B256, ChannelId};

use crate::NodeError;

/// A deposit that the chain does not show this long after it was asked for, in seconds, was not made, unless its transaction
/// is still under way.
const DEPOSIT_SECONDS: u64 = 3_600;

/// A deposit of another request. What the chain shows of it is not what a key's request has put in.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Other {
    pub(crate) transaction: TxHash,
    pub(crate) amount: Amount,
}

/// Adds one that may be among them already: the chain tells of it, and so does its own request.
fn add(others: &mut Vec<Other>, other: Other) {
    if others.iter().all(|known| known.transaction != other.transaction) {
        others.push(other);
    }
}

/// When the chain's time decides a deposit that it does not show, Unix seconds.
fn end(at_ms: u64) -> u64 {
    (at_ms / 1_000).saturating_add(DEPOSIT_SECONDS)
}

/// The answer while it is not known whether a deposit was made.
pub(super) fn pending(row: &Undecided) -> Option<ApiError> {
    let Ok(Intention::Deposit { at_ms, .. }) = serde_json::from_str(&row.note) else { return None };
    let message = format!(
        "whether the first request with this idempotency key has deposited is not known: the chain does not show it, and may until {} of its time",
        date(end(at_ms))
    );
    let hint = "repeat it with the same key: it is answered when the chain shows the deposit, and made anew when the chain is past that time without it; if it stays undecided after that, `strait channel show` tells what is deposited, and what is missing takes another key";
    Some(ApiError::new(ErrorCode::IdempotencyPending, message).hint(hint))
}

impl Core {
    /// Notes a deposit with the keys of the same channel and asset that have no result, but for its own.
    pub(crate) async fn note_other(
        &self,
        channel: ChannelId,
        asset: AssetIndex,
        other: Other,
        own: Option<&str>,
    ) -> Result<(), ApiError> {
        let own = own.map(str::to_owned);
        let noted = self.database.write(move |db| {
            for row in table::undecided(db)? {
                if row.channel != Some(channel) || Some(&row.key) == own.as_ref() {
                    continue;
                }
                let Ok(mut intention) = serde_json::from_str::<Intention>(&row.note) else { continue };
                let Intention::Deposit { asset: of, others, .. } = &mut intention else { continue };
                if *of == asset {
                    add(others, other);
                    table::renote(db, &row.key, &json(&intention))?;
                }
            }
            Ok(())
        });
        Ok(noted.await?)
    }

    /// Notes with a key's own deposit, before it is handed in, the others that may take effect above a block. What is handed in
    /// while the chain is asked is noted by its own request, since the key is in the table by then.
    pub(crate) async fn note_under_way(
        &self,
        known: &Known,
        asset: AssetIndex,
        head: u64,
        key: &str,
    ) -> Result<(), ApiError> {
        let under_way = self.node(known)?.deposits_under_way(known.id, asset, head).await?;
        let key = key.to_owned();
        let noted = self.database.write(move |db| {
            let Some(row) = table::find(db, &key)? else { return Ok(()) };
            let Ok(mut intention) = serde_json::from_str(&row.undecided.note) else { return Ok(()) };
            if let Intention::Deposit { others, may_be_sent, .. } = &mut intention {
                let under_way = under_way.iter();
                under_way.for_each(|&(transaction, amount)| add(others, Other { transaction, amount }));
                *may_be_sent = true;
            }
            table::renote(db, &key, &json(&intention))
        });
        Ok(noted.await?)
    }

    pub(super) async fn look_for_deposit(
        &self,
        known: &Known,
        (asset, amount): (AssetIndex, Amount),
        (before, others): (Amount, &[Other]),
        at_ms: u64,
    ) -> Result<Decided, ApiError> {
        let (node, id) = (self.node(known)?, known.id);
        let looked = node
            .query(move |engine| (engine.channel(id).map(|channel| channel.facts().clone()), engine.head()));
        let (Some(facts), Some((head, head_time))) = looked.await? else { return Ok(Decided::Unknown) };
        let now = facts.deposits.get(asset.index()).map(|pair| pair[known.side.index()]);
        let with = |sum: Amount| sum.checked_add(amount).unwrap_or(Amount::MAX);
        if now.is_some_and(|now| now >= with(before)) {
            let Some(others) = shown(node, others, head.number).await else { return Ok(Decided::Unknown) };
            let total = with(before.checked_add(others).unwrap_or(Amount::MAX));
            if now.is_some_and(|now| now >= total) {
                // Its hash was lost with the life that sent it.
                return Ok(Decided::Done(json(&Submitted { transaction: B256::ZERO, total })));
            }
        }
        // By the clock alone a chain that was away for an hour would make every deposit look as if it had not been made.
        if self.now() <= end(at_ms) || head_time <= end(at_ms) {
            return Ok(Decided::Unknown);
        }
        Ok(match node.is_deposit_under_way(id, asset, amount, head.number).await {
            Ok(false) => Decided::NotMade,
            Ok(true) | Err(_) => Decided::Unknown,
        })
    }
}

/// What the chain shows of deposits up to a block. `None`: that cannot be told yet.
async fn shown(node: &Node, deposits: &[Other], through: u64) -> Option<Amount> {
    let mut sum = Amount::ZERO;
    for Other { transaction, amount } in deposits {
        match node.receipt(*transaction).await {
            Ok(Some(receipt)) if receipt.success && receipt.block.number <= through => {
                sum = sum.checked_add(*amount).unwrap_or(Amount::MAX);
            }
            // It shows later, or never.
            Ok(Some(_)) | Err(NodeError::Engine(EngineError::Chain(ChainError::NotIncluded(_)))) => {}
            Ok(None) | Err(_) => return None,
        }
    }
    Some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_is_told_of_twice_counts_once() {
        let other = |byte| Other { transaction: B256::repeat_byte(byte), amount: Amount::from(10) };
        let mut others = Vec::new();
        [1, 2, 1].into_iter().for_each(|byte| add(&mut others, other(byte)));
        assert_eq!(others, [other(1), other(2)]);
    }
}
