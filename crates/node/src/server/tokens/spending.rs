//! Spend limits: what is to be paid is reserved durably before it is paid, and given back only when it was certainly
//! not paid. So neither a crash nor 32 payers at once get past a limit.

use super::{Token, Tokens, database};
use crate::server::lock;
use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior, params};
use std::collections::BTreeMap;
use strait_api::{ApiError, ErrorCode, SpendLimit};
use strait_types::{Address, Amount, ChannelId};

const DAY_MS: u64 = 86_400_000;

/// Amounts by asset of one chain.
pub(crate) type Amounts = BTreeMap<Address, Amount>;

/// For how long a repetition with the same idempotency key counts once. The node keeps keys for 7 days from when it
/// carries the request out, which is later than the reservation; the hour is for clocks.
const KEY_LIFE_MS: u64 = 7 * DAY_MS - 3_600_000;

/// What somebody wants to pay.
pub(crate) struct Spend {
    /// Over which channel, if the request says so.
    pub(crate) channel: Option<ChannelId>,
    /// On which chain.
    pub(crate) chain: u64,
    /// How much.
    pub(crate) amounts: Amounts,
    /// With the same one the node pays once.
    pub(crate) key: Option<String>,
    /// Tells a repetition from another request with the same key.
    pub(crate) request: Vec<u8>,
}

/// An amount that counts as spent.
pub(crate) struct Reservation {
    tokens: Tokens,
    token: String,
    chain: u64,
    channel: Option<ChannelId>,
    day: u64,
    key: Option<String>,
    /// A repetition counts nothing, and gives nothing back: the first request may have been paid.
    is_repetition: bool,
}

impl Tokens {
    /// Counts an amount as spent, if the token's limits allow it; durable when it returns. Blocks while the disk syncs.
    ///
    /// # Errors
    /// [`ErrorCode::SpendLimit`], [`ErrorCode::Forbidden`] for an asset or a chain that the limits do not name,
    /// [`ErrorCode::InvalidParams`] when a limit per channel needs the channel's name, [`ErrorCode::IdempotencyConflict`],
    /// [`ErrorCode::IdempotencyPending`], or [`ErrorCode::StoreFailed`].
    pub(crate) fn reserve(&self, token: &Token, spend: Spend) -> Result<Reservation, ApiError> {
        let now_ms = self.0.clock.now_ms();
        let id = &token.info().id;
        if let Some(key) = &spend.key
            && !lock(&self.0.under_way).insert((id.clone(), key.clone()))
        {
            return Err(ApiError::new(
                ErrorCode::IdempotencyPending,
                "a request with this idempotency key is under way",
            ));
        }
        // From here on its end frees the key.
        let mut reservation = Reservation {
            tokens: self.clone(),
            token: id.clone(),
            chain: spend.chain,
            channel: spend.channel,
            day: now_ms / DAY_MS,
            key: spend.key.clone(),
            is_repetition: false,
        };
        let mut writer = lock(&self.0.writer);
        let failed = |error| database::failed(&error);
        let transaction = writer.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        forget(&transaction, reservation.day, now_ms).map_err(failed)?;
        if let Some(key) = &spend.key {
            let earlier = earlier_request(&transaction, id, key).map_err(failed)?;
            if let Some(request) = earlier {
                if request != spend.request {
                    let message = "this idempotency key was used for another payment";
                    return Err(ApiError::new(ErrorCode::IdempotencyConflict, message));
                }
                reservation.is_repetition = true;
                return Ok(reservation);
            }
            transaction
                .execute(
                    "INSERT INTO reservation (token, key, request, made_ms) VALUES (?, ?, ?, ?)",
                    params![id, key, spend.request, now_ms],
                )
                .map_err(failed)?;
        }
        let limits = &token.info().limits;
        for (asset, amount) in spend.amounts {
            reservation.count(&transaction, &limits.per_channel, &limits.per_day, asset, amount)?;
        }
        transaction.commit().map_err(failed)?;
        drop(writer);
        Ok(reservation)
    }
}

impl Reservation {
    fn count(
        &self,
        transaction: &Transaction<'_>,
        per_channel: &[SpendLimit],
        per_day: &[SpendLimit],
        asset: Address,
        amount: Amount,
    ) -> Result<(), ApiError> {
        if let Some(limit) = limit(per_channel, self.chain, asset)? {
            let channel = self.channel.ok_or_else(|| {
                ApiError::new(
                    ErrorCode::InvalidParams,
                    "a token with a limit per channel must name the channel",
                )
                .hint("repeat with `channel`")
            })?;
            let row = Row::Channel(channel, asset);
            self.add(
                transaction,
                &row,
                amount,
                limit,
                "over this channel",
                "use another channel, or ask the operator for a token with a higher limit",
            )?;
        }
        if let Some(limit) = limit(per_day, self.chain, asset)? {
            let row = Row::Day(self.day, self.chain, asset);
            self.add(transaction, &row, amount, limit, "a day", ErrorCode::SpendLimit.hint())?;
        }
        Ok(())
    }

    fn add(
        &self,
        transaction: &Transaction<'_>,
        row: &Row,
        amount: Amount,
        limit: Amount,
        per: &str,
        hint: &str,
    ) -> Result<(), ApiError> {
        let spent = row.read(transaction, &self.token).map_err(|error| database::failed(&error))?;
        let sum = spent.checked_add(amount).filter(|sum| *sum <= limit);
        let Some(sum) = sum else {
            let message = format!(
                "this token may spend {limit} {per}; {spent} are spent or reserved, {amount} were asked for, in the asset's smallest unit"
            );
            return Err(ApiError::new(ErrorCode::SpendLimit, message).hint(hint));
        };
        row.write(transaction, &self.token, sum).map_err(|error| database::failed(&error))
    }

    /// Gives back what was certainly not paid. Blocks while the disk syncs.
    ///
    /// # Errors
    /// [`ErrorCode::StoreFailed`]; the amount then stays counted.
    pub(crate) fn release(&self, amounts: &Amounts, is_all: bool) -> Result<(), ApiError> {
        if self.is_repetition {
            return Ok(());
        }
        self.give_back(&mut lock(&self.tokens.0.writer), amounts, is_all)
            .map_err(|error| database::failed(&error))
    }

    fn give_back(&self, db: &mut Connection, amounts: &Amounts, is_all: bool) -> rusqlite::Result<()> {
        let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for (asset, amount) in amounts {
            let rows = [
                self.channel.map(|channel| Row::Channel(channel, *asset)),
                Some(Row::Day(self.day, self.chain, *asset)),
            ];
            for row in rows.into_iter().flatten() {
                let spent = row.read(&transaction, &self.token)?;
                // Nothing was counted where there is no limit of the kind.
                if let Some(rest) = spent.checked_sub(*amount) {
                    row.write(&transaction, &self.token, rest)?;
                }
            }
        }
        if let (Some(key), true) = (&self.key, is_all) {
            transaction
                .execute("DELETE FROM reservation WHERE token = ? AND key = ?", params![self.token, key])?;
        }
        transaction.commit()
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if let Some(key) = self.key.take() {
            lock(&self.tokens.0.under_way).remove(&(std::mem::take(&mut self.token), key));
        }
    }
}

/// A list that is not empty names all that may be paid.
fn limit(list: &[SpendLimit], chain: u64, asset: Address) -> Result<Option<Amount>, ApiError> {
    if list.is_empty() {
        return Ok(None);
    }
    let found =
        list.iter().find(|limit| (limit.chain_id, limit.asset) == (chain, asset)).map(|limit| limit.amount);
    found.map(Some).ok_or_else(|| {
        ApiError::new(
            ErrorCode::Forbidden,
            format!("the limits of this token name no amount of the asset {asset} on the chain with the id {chain}"),
        )
        .hint("pay with an asset that the token's limits name, or ask the operator for another token")
    })
}

/// Where an amount is counted.
enum Row {
    Channel(ChannelId, Address),
    /// The day, the chain, the asset.
    Day(u64, u64, Address),
}

impl Row {
    fn read(&self, db: &Connection, token: &str) -> rusqlite::Result<Amount> {
        let amount = |row: &rusqlite::Row<'_>| row.get::<_, String>(0);
        let text = match self {
            Row::Channel(channel, asset) => db
                .prepare_cached(
                    "SELECT amount FROM channel_spending WHERE token = ? AND channel = ? AND asset = ?",
                )?
                .query_row(params![token, channel.0.as_slice(), asset.as_slice()], amount),
            Row::Day(day, chain, asset) => db
                .prepare_cached(
                    "SELECT amount FROM day_spending WHERE token = ? AND day = ? AND chain = ? AND asset = ?",
                )?
                .query_row(params![token, day, chain.to_be_bytes(), asset.as_slice()], amount),
        };
        let Some(text) = text.optional()? else { return Ok(Amount::ZERO) };
        let units = text.parse().ok().and_then(Amount::new);
        units.ok_or(rusqlite::Error::InvalidColumnType(0, "amount".into(), rusqlite::types::Type::Text))
    }

    fn write(&self, db: &Connection, token: &str, amount: Amount) -> rusqlite::Result<()> {
        let amount = amount.to_string();
        match self {
            Row::Channel(channel, asset) => db
                .prepare_cached("INSERT OR REPLACE INTO channel_spending VALUES (?, ?, ?, ?)")?
                .execute(params![token, channel.0.as_slice(), asset.as_slice(), amount]),
            Row::Day(day, chain, asset) => db
                .prepare_cached("INSERT OR REPLACE INTO day_spending VALUES (?, ?, ?, ?, ?)")?
                .execute(params![token, day, chain.to_be_bytes(), asset.as_slice(), amount]),
        }
        .map(drop)
    }
}

fn earlier_request(db: &Connection, token: &str, key: &str) -> rusqlite::Result<Option<Vec<u8>>> {
    db.prepare_cached("SELECT request FROM reservation WHERE token = ? AND key = ?")?
        .query_row(params![token, key], |row| row.get(0))
        .optional()
}

/// What no longer plays a part. The day before stays for payments that fail after midnight.
fn forget(db: &Connection, today: u64, now_ms: u64) -> rusqlite::Result<()> {
    db.prepare_cached("DELETE FROM day_spending WHERE day < ?")?.execute([today.saturating_sub(1)])?;
    db.prepare_cached("DELETE FROM reservation WHERE made_ms < ?")?
        .execute([now_ms.saturating_sub(KEY_LIFE_MS)])?;
    Ok(())
}
