//! What a token allows: scopes, spend limits, and the methods on tokens themselves.

use super::tokens::{Spend, Token, Tokens};
use serde::Serialize;
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use strait_api::{
    Api, ApiError, ChannelInfo, ChannelRef, ErrorCode, ErrorKind, InvoicePay, InvoiceText, LockAdd, METHODS,
    Nothing, Pay, PayMany, PayResult, TokenCreate, TokenRef, dispatch, read_params, unknown_method,
};
use strait_types::{Address, Amount, ChannelId};

/// A node that carries out what a token allows, and answers for the tokens.
#[derive(Clone)]
pub struct Guarded {
    api: Arc<dyn Api>,
    tokens: Tokens,
}

type Raw = Result<Box<RawValue>, ApiError>;

impl Guarded {
    /// In front of a node.
    pub fn new(api: Arc<dyn Api>, tokens: Tokens) -> Guarded {
        Guarded { api, tokens }
    }

    /// Carries out a call that came with a token.
    ///
    /// # Errors
    /// That the token does not allow it, or what the method says.
    pub async fn call(&self, token: &Arc<Token>, method: &str, params: Option<&RawValue>) -> Raw {
        self.tokens.check(token)?;
        let params = by_name(params)?;
        if method == "rpc.discover" {
            return discover();
        }
        let known = METHODS.iter().find(|known| known.name == method);
        let known = known.ok_or_else(|| unknown_method(method))?;
        if !token.allows(known.scope) {
            let scope = serde_json::to_value(known.scope).unwrap_or_default();
            let message = format!("the token '{}' does not have the scope {scope}", token.info().name);
            return Err(ApiError::new(ErrorCode::Forbidden, message));
        }
        match method {
            "strait_token_create" => {
                let request: TokenCreate = read_params(params)?;
                self.on_tokens(move |tokens| tokens.create(&request)).await
            }
            "strait_token_list" => {
                let Nothing {} = read_params(params)?;
                self.on_tokens(|tokens| Ok(strait_api::Tokens { tokens: tokens.list()? })).await
            }
            "strait_token_revoke" => {
                let request: TokenRef = read_params(params)?;
                self.on_tokens(move |tokens| tokens.revoke(&request.id).map(|()| Nothing {})).await
            }
            "strait_pay" if token.is_limited() => self.pay(token, read_params(params)?).await,
            "strait_pay_many" if token.is_limited() => self.pay_many(token, read_params(params)?).await,
            "strait_lock_add" if token.is_limited() => self.lock_add(token, read_params(params)?).await,
            "strait_invoice_pay" if token.is_limited() => self.invoice_pay(token, read_params(params)?).await,
            _ => dispatch(self.api.as_ref(), method, params).await,
        }
    }

    async fn on_tokens<R: Serialize + Send + 'static>(
        &self,
        work: impl FnOnce(&Tokens) -> Result<R, ApiError> + Send + 'static,
    ) -> Raw {
        let tokens = self.tokens.clone();
        write(&blocking(move || work(&tokens)).await?)
    }

    async fn pay(&self, token: &Arc<Token>, pay: Pay) -> Raw {
        let (chain, asset) = self.chain_and_asset(pay.channel, pay.asset).await?;
        let spend = Spend {
            chain,
            channel: Some(pay.channel),
            amounts: BTreeMap::from([(asset, pay.amount)]),
            request: fingerprint("pay", &pay),
            key: pay.idempotency_key.as_deref().map(own_key),
        };
        self.spend(token, spend, self.api.pay(pay)).await
    }

    async fn lock_add(&self, token: &Arc<Token>, lock: LockAdd) -> Raw {
        let (chain, asset) = self.chain_and_asset(lock.channel, lock.asset).await?;
        let spend = Spend {
            chain,
            channel: Some(lock.channel),
            amounts: BTreeMap::from([(asset, lock.amount)]),
            request: fingerprint("lock_add", &lock),
            key: lock.idempotency_key.as_deref().map(own_key),
        };
        self.spend(token, spend, self.api.lock_add(lock)).await
    }

    /// An invoice is paid at most once, so it is its own idempotency key.
    async fn invoice_pay(&self, token: &Arc<Token>, pay: InvoicePay) -> Raw {
        let terms = self.api.invoice_read(InvoiceText { text: pay.text.clone() }).await?;
        let over = pay.channel.map(|channel| channel.to_string()).unwrap_or_default();
        let spend = Spend {
            chain: terms.chain_id,
            channel: pay.channel,
            amounts: BTreeMap::from([(terms.asset, terms.amount)]),
            request: fingerprint("invoice_pay", &terms),
            key: Some(format!("invoice {} {} {over}", terms.payee, terms.id)),
        };
        self.spend(token, spend, self.api.invoice_pay(pay)).await
    }

    async fn spend<R: Serialize>(
        &self,
        token: &Arc<Token>,
        spend: Spend,
        work: impl Future<Output = Result<R, ApiError>>,
    ) -> Raw {
        let amounts = spend.amounts.clone();
        let (tokens, token) = (self.tokens.clone(), token.clone());
        let reservation = blocking(move || tokens.reserve(&token, spend)).await?;
        let error = match work.await {
            Ok(result) => return write(&result),
            Err(error) => error,
        };
        if is_certainly_unpaid(error.code) {
            blocking(move || reservation.release(&amounts, true)).await?;
        }
        Err(error)
    }

    async fn pay_many(&self, token: &Arc<Token>, many: PayMany) -> Raw {
        let channel = self.api.channel_show(ChannelRef { channel: many.channel }).await?;
        let items: Result<Vec<_>, ApiError> =
            many.payments.iter().map(|item| Ok((asset(&channel, item.asset)?, item.amount))).collect();
        let items = items?;
        let spend = Spend {
            chain: channel.chain_id,
            channel: Some(many.channel),
            amounts: sum(items.iter().copied())?,
            request: fingerprint("pay_many", &many),
            key: many.idempotency_key.as_deref().map(own_key),
        };
        let (tokens, token, all) = (self.tokens.clone(), token.clone(), spend.amounts.clone());
        let reservation = blocking(move || tokens.reserve(&token, spend)).await?;
        let paid = match self.api.pay_many(many).await {
            Ok(paid) => paid,
            Err(error) => {
                if is_certainly_unpaid(error.code) {
                    blocking(move || reservation.release(&all, true)).await?;
                }
                return Err(error);
            }
        };
        let unpaid = items.iter().zip(&paid.results).filter(
            |(_, result)| matches!(result, PayResult::Failed { code, .. } if is_certainly_unpaid(*code)),
        );
        let unpaid = sum(unpaid.map(|(item, _)| *item))?;
        if !unpaid.is_empty() {
            let is_all = unpaid == all;
            blocking(move || reservation.release(&unpaid, is_all)).await?;
        }
        write(&paid)
    }

    /// The channel's chain, and the asset that a request means.
    async fn chain_and_asset(
        &self,
        channel: ChannelId,
        named: Option<Address>,
    ) -> Result<(u64, Address), ApiError> {
        let channel = self.api.channel_show(ChannelRef { channel }).await?;
        Ok((channel.chain_id, asset(&channel, named)?))
    }
}

/// The asset that a request means.
fn asset(channel: &ChannelInfo, named: Option<Address>) -> Result<Address, ApiError> {
    match (named, channel.balances.as_slice()) {
        (Some(asset), _) => Ok(asset),
        (None, [only]) => Ok(only.asset),
        (None, _) => Err(ApiError::new(ErrorCode::UnknownAsset, "the channel has several assets")
            .hint("repeat with `asset`; `strait channel show` lists them")),
    }
}

/// A key of the caller, apart from those that are made here.
fn own_key(key: &str) -> String {
    format!("key {key}")
}

fn fingerprint(method: &str, request: &impl Serialize) -> Vec<u8> {
    let text = serde_json::to_string(request).unwrap_or_default();
    Sha256::new().chain_update(method).chain_update([0]).chain_update(text).finalize().to_vec()
}

fn sum(items: impl Iterator<Item = (Address, Amount)>) -> Result<BTreeMap<Address, Amount>, ApiError> {
    let mut sums = BTreeMap::new();
    for (asset, amount) in items {
        let sum: &mut Amount = sums.entry(asset).or_default();
        *sum = sum.checked_add(amount).ok_or_else(|| {
            ApiError::new(ErrorCode::InvalidAmount, "the payments add up to more than any channel can hold")
        })?;
    }
    Ok(sums)
}

/// Whether a payment that failed so was not made and will not be. Of all others only the history tells.
fn is_certainly_unpaid(code: ErrorCode) -> bool {
    match code.kind() {
        ErrorKind::Caller => true,
        ErrorKind::Peer => code != ErrorCode::PeerFault,
        ErrorKind::Environment => {
            matches!(
                code,
                ErrorCode::Busy | ErrorCode::PeerOffline | ErrorCode::ChainStale | ErrorCode::KeyUnavailable
            )
        }
        ErrorKind::Bug => false,
    }
}

fn discover() -> Raw {
    static DOCUMENT: OnceLock<Box<RawValue>> = OnceLock::new();
    if let Some(document) = DOCUMENT.get() {
        return Ok(document.clone());
    }
    let document = write(&strait_api::openrpc())?;
    Ok(DOCUMENT.get_or_init(|| document).clone())
}

/// Parameters are named; an empty list stands for none, as some clients send it.
fn by_name(params: Option<&RawValue>) -> Result<Option<&RawValue>, ApiError> {
    let Some(list) = params.filter(|params| params.get().starts_with('[')) else { return Ok(params) };
    if list.get().trim_matches(['[', ']']).trim().is_empty() {
        return Ok(None);
    }
    Err(ApiError::new(ErrorCode::InvalidParams, "the parameters are a list")
        .hint("send an object with named parameters; rpc.discover has the names"))
}

fn write<R: Serialize>(result: &R) -> Raw {
    serde_json::value::to_raw_value(result)
        .map_err(|error| ApiError::new(ErrorCode::Internal, error.to_string()))
}

/// Syncing to disk takes a while.
async fn blocking<R: Send + 'static>(
    work: impl FnOnce() -> Result<R, ApiError> + Send + 'static,
) -> Result<R, ApiError> {
    let joined = tokio::task::spawn_blocking(work).await;
    joined.map_err(|error| ApiError::new(ErrorCode::Internal, error.to_string()))?
}
