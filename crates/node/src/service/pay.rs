//! Payments and locks.

use super::Core;
use super::channels::positive;
use super::convert::asset_index;
use super::registry::Known;
use strait_api::{
    ApiError, ErrorCode, LockAdd, LockNumber, LockRef, LockSettle, Nothing, Paid, PaidMany, Pay, PayItem,
    PayMany, PayResult,
};
use strait_protocol::{Command, MAX_MEMO_BYTES, Outcome, Payment};
use strait_types::{Address, Amount, B256};

/// Most payments in one request.
const MAX_PAYMENTS: usize = 10_000;

impl Core {
    pub(crate) async fn pay(&self, request: Pay) -> Result<Paid, ApiError> {
        let known = self.known(request.channel).await?;
        let payment = payment(&known, request.asset, request.amount, request.invoice, request.memo)?;
        self.pay_now(&known, payment).await
    }

    pub(crate) async fn pay_now(&self, known: &Known, payment: Payment) -> Result<Paid, ApiError> {
        match self.node(known)?.pay(known.id, payment).await? {
            Outcome::Paid { number, version } => Ok(Paid { channel: known.id, number, version: version.0 }),
            _ => Err(crate::NodeError::Mismatch.into()),
        }
    }

    pub(crate) async fn pay_many(&self, request: PayMany) -> Result<PaidMany, ApiError> {
        let known = self.known(request.channel).await?;
        check_count(request.payments.len())?;
        let node = self.node(&known)?;
        // All are handed over before any answer is awaited, so that they share versions.
        let hand_over = |item: PayItem| {
            let payment = payment(&known, item.asset, item.amount, item.invoice, item.memo)?;
            Ok(node.pay(known.id, payment))
        };
        let waiting: Vec<_> = request.payments.into_iter().map(hand_over).collect();
        let mut results = Vec::with_capacity(waiting.len());
        for paying in waiting {
            let ended = match paying {
                Ok(paying) => paying.await.map_err(ApiError::from),
                Err(error) => Err(error),
            };
            results.push(match ended {
                Ok(Outcome::Paid { number, version }) => PayResult::Paid { number, version: version.0 },
                Ok(_) => failed(crate::NodeError::Mismatch.into()),
                Err(error) => failed(error),
            });
        }
        Ok(PaidMany { results })
    }

    pub(crate) async fn lock_add(&self, request: &LockAdd) -> Result<LockNumber, ApiError> {
        let known = self.known(request.channel).await?;
        positive(request.amount)?;
        let asset = asset_index(&known, request.asset)?;
        let LockAdd { amount, hash, expiry, .. } = *request;
        let command = Command::AddLock { asset, amount, hash, expiry };
        match self.node(&known)?.command(known.id, command).await? {
            Outcome::Locked { number } => Ok(LockNumber { number }),
            _ => Err(crate::NodeError::Mismatch.into()),
        }
    }

    pub(crate) async fn lock_settle(&self, request: LockSettle) -> Result<Nothing, ApiError> {
        let known = self.known(request.channel).await?;
        let command = Command::SettleLock { number: request.number, preimage: request.preimage };
        self.node(&known)?.command(known.id, command).await?;
        Ok(Nothing {})
    }

    pub(crate) async fn lock_cancel(&self, request: LockRef) -> Result<Nothing, ApiError> {
        let known = self.known(request.channel).await?;
        let command = Command::CancelLock { number: request.number };
        self.node(&known)?.command(known.id, command).await?;
        Ok(Nothing {})
    }
}

pub(crate) fn check_count(count: usize) -> Result<(), ApiError> {
    match count {
        0 => Err(ApiError::new(ErrorCode::InvalidParams, "there are no payments in the request")),
        1..=MAX_PAYMENTS => Ok(()),
        _ => {
            let message = format!("{count} payments in one request are more than {MAX_PAYMENTS}");
            Err(ApiError::new(ErrorCode::TooLarge, message))
        }
    }
}

/// A payment of a channel, checked as far as the request alone allows.
pub(crate) fn payment(
    known: &Known,
    asset: Option<Address>,
    amount: Amount,
    invoice: Option<B256>,
    memo: String,
) -> Result<Payment, ApiError> {
    positive(amount)?;
    if memo.len() > MAX_MEMO_BYTES {
        let message = format!("the memo has {} bytes, more than {MAX_MEMO_BYTES}", memo.len());
        return Err(ApiError::new(ErrorCode::InvalidParams, message).hint("shorten the memo"));
    }
    Ok(Payment { asset: asset_index(known, asset)?, amount, invoice, memo: memo.into_bytes() })
}

fn failed(error: ApiError) -> PayResult {
    PayResult::Failed { code: error.code, message: error.message, hint: error.hint }
}
