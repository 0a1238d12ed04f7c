//! Payments and locks.

use super::Core;
use super::channels::positive;
use super::convert::asset_index;
use super::keys::Keyed;
use super::registry::Known;
use crate::NodeError;
use std::sync::Arc;
use strait_api::{
    ApiError, ErrorCode, LockAdd, LockNumber, LockRef, LockSettle, Nothing, Paid, PaidMany, Pay, PayItem,
    PayMany, PayResult,
};
use strait_protocol::{Command, CommandError, MAX_MEMO_BYTES, Operation, Outcome, Payment};
use strait_types::{Address, Amount, AssetIndex, B256, Lock};

/// Most payments in one request.
const MAX_PAYMENTS: usize = 10_000;

impl Core {
    pub(crate) async fn pay(self: &Arc<Core>, mut request: Pay) -> Result<Paid, ApiError> {
        let known = self.known(request.channel).await?;
        let key = request.idempotency_key.take();
        let keyed = match &key {
            Some(key) => Some(Keyed::new(self, key, "pay", &request, Some(&known))?),
            None => None,
        };
        let payment = payment(&known, request.asset, request.amount, request.invoice, request.memo)?;
        let Some(keyed) = keyed else { return self.pay_now(&known, payment).await };
        let intention = self.intention(&known, vec![Operation::Pay(payment.clone())], false).await?;
        let act = |core: Arc<Core>| async move { core.pay_now(&known, payment).await };
        let (paid, was_paid_before) = self.once_told(keyed, intention, act).await?;
        Ok(Paid { was_paid_before, ..paid })
    }

    pub(crate) async fn pay_now(&self, known: &Known, payment: Payment) -> Result<Paid, ApiError> {
        let asset = known.asset(payment.asset);
        let node = self.node(known)?;
        let paid = node.pay(known.id, payment).await;
        if matches!(paid, Err(NodeError::Command(CommandError::PeerOffline))) {
            // For the next attempt.
            drop(node.dial_now(known.peer()));
        }
        let paid = match paid.map_err(|error| self.of_channel(error, known, asset)) {
            Ok(paid) => paid,
            Err(error) => return Err(self.explained(known, error).await),
        };
        match paid {
            Outcome::Paid { number, version } => {
                Ok(Paid { channel: known.id, number, version: version.0, was_paid_before: false })
            }
            _ => Err(crate::NodeError::Mismatch.into()),
        }
    }

    pub(crate) async fn pay_many(self: &Arc<Core>, mut request: PayMany) -> Result<PaidMany, ApiError> {
        let known = self.known(request.channel).await?;
        check_count(request.payments.len())?;
        let Some(key) = request.idempotency_key.take() else {
            return self.pay_all(&known, payments(&known, request.payments)).await;
        };
        let keyed = Keyed::new(self, &key, "pay_many", &request, Some(&known))?;
        let payments = payments(&known, request.payments);
        // One that cannot be paid is looked for in vain: nothing in a history is a payment of nothing.
        let nothing =
            || Payment { asset: AssetIndex(0), amount: Amount::ZERO, invoice: None, memo: Vec::new() };
        let wanted = payments.iter().map(|payment| payment.clone().unwrap_or_else(|_| nothing()));
        let intention = self.intention(&known, wanted.map(Operation::Pay).collect(), true).await?;
        let act = |core: Arc<Core>| async move {
            let paid = core.pay_all(&known, payments).await?;
            all_away(&paid.results).map_or(Ok(paid), Err)
        };
        let (paid, was_paid_before) = self.once_told(keyed, intention, act).await?;
        Ok(PaidMany { was_paid_before, ..paid })
    }

    async fn pay_all(
        &self,
        known: &Known,
        payments: Vec<Result<Payment, ApiError>>,
    ) -> Result<PaidMany, ApiError> {
        let node = self.node(known)?;
        // All are handed over before any answer is awaited, so that they share versions.
        let waiting: Vec<_> = payments
            .into_iter()
            .map(|payment| {
                payment.map(|payment| {
                    let asset = known.asset(payment.asset);
                    (asset, node.pay(known.id, payment))
                })
            })
            .collect();
        let mut results = Vec::with_capacity(waiting.len());
        let mut stopped = None;
        for paying in waiting {
            let ended = match paying {
                Ok((asset, paying)) => paying.await.map_err(|error| self.of_channel(error, known, asset)),
                Err(error) => Err(error),
            };
            results.push(match ended {
                Ok(Outcome::Paid { number, version }) => PayResult::Paid { number, version: version.0 },
                Ok(_) => failed(crate::NodeError::Mismatch.into()),
                Err(error) => {
                    if error.code == ErrorCode::Stopping {
                        stopped = Some(error.clone());
                    }
                    let is_away = error.code == ErrorCode::PeerOffline;
                    failed(if is_away { self.away(known, error) } else { error })
                }
            });
        }
        // Whoever has a key learns after the restart which of them were made.
        stopped.map_or(Ok(PaidMany { results, was_paid_before: false }), Err)
    }

    pub(crate) async fn lock_add(self: &Arc<Core>, mut request: LockAdd) -> Result<LockNumber, ApiError> {
        let known = self.known(request.channel).await?;
        positive(request.amount)?;
        let asset = asset_index(&known, request.asset)?;
        let key = request.idempotency_key.take();
        let LockAdd { amount, hash, expiry, .. } = request;
        let Some(key) = key else { return self.lock_now(&known, asset, amount, hash, expiry).await };
        let keyed = Keyed::new(self, &key, "lock_add", &request, Some(&known))?;
        let wanted = Operation::AddLock(Lock::hash(known.side, asset, amount, hash, expiry));
        let intention = self.intention(&known, vec![wanted], false).await?;
        let act =
            move |core: Arc<Core>| async move { core.lock_now(&known, asset, amount, hash, expiry).await };
        self.once(keyed, intention, act).await
    }

    async fn lock_now(
        &self,
        known: &Known,
        asset: AssetIndex,
        amount: Amount,
        hash: B256,
        expiry: u64,
    ) -> Result<LockNumber, ApiError> {
        let command = Command::AddLock { asset, amount, hash, expiry };
        let locked = self.node(known)?.command(known.id, command).await;
        match locked.map_err(|error| self.of_channel(error, known, known.asset(asset)))? {
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

fn payments(known: &Known, items: Vec<PayItem>) -> Vec<Result<Payment, ApiError>> {
    let payment = |item: PayItem| payment(known, item.asset, item.amount, item.invoice, item.memo);
    items.into_iter().map(payment).collect()
}

/// Of a batch that found nobody: nothing of it was made, so that it fails as a whole and its key is free for a repetition.
fn all_away(results: &[PayResult]) -> Option<ApiError> {
    let is_away =
        |result: &PayResult| matches!(result, PayResult::Failed { code: ErrorCode::PeerOffline, .. });
    match results.first() {
        Some(PayResult::Failed { code, message, hint }) if results.iter().all(is_away) => {
            Some(ApiError::new(*code, message.clone()).hint(hint.clone()))
        }
        _ => None,
    }
}

fn failed(error: ApiError) -> PayResult {
    PayResult::Failed { code: error.code, message: error.message, hint: error.hint }
}
