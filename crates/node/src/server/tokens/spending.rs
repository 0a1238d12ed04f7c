//! Spend limits: what is to be paid is reserved durably before it is paid, and given back only when it was certainly
//! not paid. So neither a crash nor 32 payers at once get past a limit.

use super::{Token, Tokens, database};
use crate::server::lock;
use rusqlite::{Connection, OptionalExtension as _, params};
use std::collections::BTreeMap;
use strait_api::{ApiError, ErrorCode, Exceeded, SpendLimit, SpendLimits};
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

/// Where an amount is counted.
#[derive(Clone)]
struct Account {
    token: String,
    chain: u64,
    channel: Option<ChannelId>,
    day: u64,
}

/// An amount that counts as spent.
pub(crate) struct Reservation {
    tokens: Tokens,
    account: Account,
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
        let id = token.info().id.clone();
        if let Some(key) = &spend.key
            && !lock(&self.0.under_way).insert((id.clone(), key.clone()))
        {
            return Err(ApiError::new(
                ErrorCode::IdempotencyPending,
                "a request with this idempotency key is under way",
            ));
        }
        let account = Account { token: id, chain: spend.chain, channel: spend.channel, day: now_ms / DAY_MS };
        // From here on its end frees the key.
        let mut reservation = Reservation {
            tokens: self.clone(),
            account: account.clone(),
            key: spend.key.clone(),
            is_repetition: false,
        };
        let limits = token.info().limits.clone();
        reservation.is_repetition =
            self.0.writer.write(move |db| account.reserve(db, &limits, spend, now_ms))?;
        Ok(reservation)
    }
}

impl Account {
    /// Whether it is a repetition, which counts nothing.
    fn reserve(
        &self,
        db: &Connection,
        limits: &SpendLimits,
        spend: Spend,
        now_ms: u64,
    ) -> Result<bool, ApiError> {
        let failed = |error| database::failed(&error);
        forget(db, self.day, now_ms).map_err(failed)?;
        if let Some(key) = &spend.key {
            let earlier = earlier_request(db, &self.token, key).map_err(failed)?;
            if let Some(request) = earlier {
                if request != spend.request {
                    let message = "this idempotency key was used for another payment";
                    return Err(ApiError::new(ErrorCode::IdempotencyConflict, message));
                }
                return Ok(true);
            }
            db.execute(
                "INSERT INTO reservation (token, key, request, made_ms) VALUES (?, ?, ?, ?)",
                params![self.token, key, spend.request, now_ms],
            )
            .map_err(failed)?;
        }
        for (asset, amount) in spend.amounts {
            self.count(db, limits, asset, amount)?;
        }
        Ok(false)
    }

    fn count(
        &self,
        db: &Connection,
        limits: &SpendLimits,
        asset: Address,
        amount: Amount,
    ) -> Result<(), ApiError> {
        if let Some(limit) = limit(&limits.per_channel, self.chain, asset)? {
            let channel = self.channel.ok_or_else(|| {
                ApiError::new(
                    ErrorCode::InvalidParams,
                    "a token with a limit per channel must name the channel",
                )
                .hint("repeat with `channel`; `strait pay INVOICE` with --over CHANNEL")
            })?;
            let hint = "use another channel, or ask the operator for a token with a higher limit";
            self.add(db, &Row::Channel(channel, asset), amount, limit).map_err(|error| match error.code {
                ErrorCode::SpendLimit => error.hint(hint),
                _ => error,
            })?;
        }
        if let Some(limit) = limit(&limits.per_day, self.chain, asset)? {
            self.add(db, &Row::Day(self.day, self.chain, asset), amount, limit)?;
        }
        Ok(())
    }

    fn add(&self, db: &Connection, row: &Row, asked: Amount, limit: Amount) -> Result<(), ApiError> {
        let spent = row.read(db, &self.token).map_err(|error| database::failed(&error))?;
        let sum = spent.checked_add(asked).filter(|sum| *sum <= limit);
        let Some(sum) = sum else {
            let (asset, is_daily) = match row {
                Row::Channel(_, asset) => (*asset, false),
                Row::Day(_, _, asset) => (*asset, true),
            };
            let per = if is_daily { "a day" } else { "over this channel" };
            let message = format!(
                "this token may spend {limit} {per}; {spent} are spent or reserved, {asked} were asked for, in the asset's smallest unit"
            );
            let exceeded = Exceeded { chain_id: self.chain, asset, is_daily, limit, spent, asked };
            return Err(ApiError::new(ErrorCode::SpendLimit, message).exceeded(exceeded));
        };
        row.write(db, &self.token, sum).map_err(|error| database::failed(&error))
    }

    fn give_back(&self, db: &Connection, amounts: &Amounts, forgotten: Option<&str>) -> rusqlite::Result<()> {
        for (asset, amount) in amounts {
            let rows = [
                self.channel.map(|channel| Row::Channel(channel, *asset)),
                Some(Row::Day(self.day, self.chain, *asset)),
            ];
            for row in rows.into_iter().flatten() {
                let spent = row.read(db, &self.token)?;
                // Nothing was counted where there is no limit of the kind.
                if let Some(rest) = spent.checked_sub(*amount) {
                    row.write(db, &self.token, rest)?;
                }
            }
        }
        if let Some(key) = forgotten {
            db.execute("DELETE FROM reservation WHERE token = ? AND key = ?", params![self.token, key])?;
        }
        Ok(())
    }
}

impl Reservation {
    /// Gives back what was certainly not paid; with `is_all` its key is forgotten, too. Blocks while the disk syncs.
    ///
    /// # Errors
    /// [`ErrorCode::StoreFailed`]; the amount then stays counted.
    pub(crate) fn release(&self, amounts: &Amounts, is_all: bool) -> Result<(), ApiError> {
        if self.is_repetition {
            return Ok(());
        }
        let (account, amounts) = (self.account.clone(), amounts.clone());
        let forgotten = self.key.clone().filter(|_| is_all);
        self.tokens.0.writer.write(move |db| {
            account.give_back(db, &amounts, forgotten.as_deref()).map_err(|error| database::failed(&error))
        })
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if let Some(key) = self.key.take() {
            let token = std::mem::take(&mut self.account.token);
            lock(&self.tokens.0.under_way).remove(&(token, key));
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

/// A place where an amount is counted.
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
