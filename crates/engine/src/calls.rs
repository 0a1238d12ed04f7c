//! Calls to the chain: wanted by channels until the chain shows them done, or asked for by the user.

use crate::engine::Engine;
use crate::input::{Effect, EngineError, Notice};
use crate::ports::{ChainError, Receipt, TxHash, TxRequest};
use std::collections::BTreeMap;
use strait_protocol::{ChainAction, Channel, Phase, Rule, Token};
use strait_types::abi::calls;
use strait_types::{Address, Amount, Asset, AssetIndex, B256, Bytes, ChannelId, U256};

/// Blocks after which a call that is still wanted is sent again.
const RESEND_BLOCKS: u64 = 3;

/// Names a wanted call.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct CallKey {
    /// For which channel.
    pub channel: ChannelId,
    /// [`strait_protocol::ChainAction::name`].
    pub name: &'static str,
}

/// Whose transactions they are.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum SubmissionKey {
    /// A channel's.
    Call(CallKey),
    /// The user's.
    User(Token),
}

/// What a call pulls from the account's tokens, and the account must have approved before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Allowance {
    /// The token.
    pub token: Address,
    /// Who pulls.
    pub spender: Address,
    /// In the token's smallest unit.
    pub amount: U256,
}

impl Allowance {
    /// Approves exactly this.
    pub fn approve(&self) -> TxRequest {
        self.set(self.amount)
    }

    /// Takes back what is approved.
    pub fn revoke(&self) -> TxRequest {
        self.set(U256::ZERO)
    }

    fn set(&self, amount: U256) -> TxRequest {
        TxRequest { to: self.token, value: U256::ZERO, data: calls::approve(self.spender, amount) }
    }
}

/// A transaction to send, and what it needs before.
#[derive(Clone, Debug)]
pub struct Submission {
    /// Comes back with the answer.
    pub key: SubmissionKey,
    /// What must be approved when it is sent.
    pub allowance: Option<Allowance>,
    /// What to send.
    pub call: TxRequest,
}

impl Submission {
    /// What to send, in order, where nothing is approved yet; each needs the one before to be in a block.
    pub fn steps(&self) -> Vec<TxRequest> {
        self.allowance.iter().map(Allowance::approve).chain([self.call.clone()]).collect()
    }
}

/// Calls that are wanted and handed out, by the calldata's hash: the head at that time.
#[derive(Debug, Default)]
pub(crate) struct Calls(BTreeMap<(ChannelId, B256), u64>);

impl Calls {
    /// Whether a call was handed out and has been wanted ever since.
    pub(crate) fn is_known(&self, channel: ChannelId, data: &Bytes) -> bool {
        self.0.contains_key(&(channel, strait_types::keccak256(data)))
    }

    /// The submissions of what a channel wants, by name and calldata, and that is not under way.
    pub(crate) fn hand_out(
        &mut self,
        channel: ChannelId,
        wanted: Vec<(&'static str, Bytes)>,
        head: u64,
        to: Address,
    ) -> Vec<Effect> {
        let wanted: Vec<_> =
            wanted.into_iter().map(|(name, data)| (strait_types::keccak256(&data), name, data)).collect();
        let known = self.0.range((channel, B256::ZERO)..=(channel, B256::repeat_byte(0xff)));
        let over: Vec<_> = known
            .map(|(key, _)| *key)
            .filter(|(_, digest)| !wanted.iter().any(|(other, ..)| other == digest))
            .collect();
        for key in over {
            self.0.remove(&key);
        }
        let mut submissions = Vec::new();
        for (digest, name, data) in wanted {
            let sent = self.0.get(&(channel, digest));
            if sent.is_some_and(|at_block| head < at_block.saturating_add(RESEND_BLOCKS)) {
                continue;
            }
            // Who else plays the same app has the same wish, and one deployment is enough.
            let is_same = |(of, at_block): (&(ChannelId, B256), &u64)| {
                of.1 == digest && head < at_block.saturating_add(RESEND_BLOCKS)
            };
            if name == ChainAction::DEPLOY_APP && self.0.iter().any(is_same) {
                continue;
            }
            self.0.insert((channel, digest), head);
            let call = TxRequest { to, value: U256::ZERO, data };
            let key = SubmissionKey::Call(CallKey { channel, name });
            submissions.push(Effect::Submit(Submission { key, allowance: None, call }));
        }
        submissions
    }
}

/// What is told of a submission's end.
pub(crate) fn submitted(key: SubmissionKey, result: Result<TxHash, ChainError>) -> Option<Notice> {
    match (key, result) {
        // It may be that the peer's call came first; the next block tells, and else it is sent again.
        (SubmissionKey::Call(key), Err(error)) => {
            Some(Notice::CallFailed { channel: key.channel, call: key.name, error })
        }
        (SubmissionKey::Call(_), Ok(_)) => None,
        (SubmissionKey::User(token), Ok(transaction)) => Some(Notice::Submitted { token, transaction }),
        (SubmissionKey::User(token), Err(error)) => Some(Notice::Failed { token, error: error.into() }),
    }
}

/// What is told of a transaction's end.
pub(crate) fn mined(key: SubmissionKey, transaction: TxHash, receipt: Option<&Receipt>) -> Notice {
    match receipt {
        Some(&Receipt { block, success, gas_used }) => {
            Notice::Included { key, transaction, block, success, gas_used }
        }
        None => Notice::NotIncluded { key, transaction },
    }
}

impl Engine {
    /// Hands out the calls that a channel wants and that are not under way.
    pub(crate) fn hand_out_calls(&mut self, now_ms: u64, channel: ChannelId) {
        let Some(entry) = self.channels.get(&channel) else { return };
        if self.fetching.contains(&channel) {
            // Without its events it would want what is long done.
            return;
        }
        let ctx = self.context(now_ms, &entry);
        let params = entry.channel.params();
        let terms = entry.channel.terms();
        let wanted = entry.channel.wanted(&ctx);
        let wanted = wanted.iter().map(|action| (action.name(), action.calldata(params, terms))).collect();
        let (head, to) = (self.head_number(), self.domain.adjudicator());
        self.effects.extend(self.calls.hand_out(channel, wanted, head, to));
    }

    pub(crate) fn on_submitted(&mut self, key: SubmissionKey, result: Result<TxHash, ChainError>) {
        if let (SubmissionKey::Call(key), Err(_)) = (key, &result) {
            self.doubt_code(key.channel);
        }
        self.effects.extend(submitted(key, result).map(Effect::Notify));
    }

    pub(crate) fn on_mined(&mut self, key: SubmissionKey, transaction: TxHash, receipt: Option<&Receipt>) {
        self.effects.push(Effect::Notify(mined(key, transaction, receipt)));
    }

    pub(crate) fn fail(&mut self, token: Token, error: EngineError) {
        self.effects.push(Effect::Notify(Notice::Failed { token, error }));
    }

    pub(crate) fn deposit(&mut self, token: Token, channel: ChannelId, asset: AssetIndex, amount: Amount) {
        let has_left = |channel: &Channel| channel.is_leaving() || channel.is_given_up();
        let is_leaving = self.channels.get(&channel).is_some_and(|entry| has_left(&entry.channel));
        match self.plan_deposit(channel, asset, amount) {
            Ok(_) if is_leaving => self.fail(token, EngineError::Leaving),
            Ok((allowance, call)) => {
                if let Some(entry) = self.channels.get_mut(&channel) {
                    entry.write_opening(channel, &mut self.batch, &mut self.unfunded);
                }
                let key = SubmissionKey::User(token);
                self.effects.push(Effect::Submit(Submission { key, allowance, call }));
            }
            Err(error) => self.fail(token, error),
        }
    }

    /// The transaction of a deposit by this node, and what of a token must be approved before it.
    ///
    /// # Errors
    /// When the channel is unknown or closed, or the amount is zero or of an asset that it does not hold.
    pub fn plan_deposit(
        &self,
        channel: ChannelId,
        asset: AssetIndex,
        amount: Amount,
    ) -> Result<(Option<Allowance>, TxRequest), EngineError> {
        let entry = self.channels.get(&channel).ok_or(EngineError::UnknownChannel(channel))?;
        if amount.is_zero() {
            return Err(EngineError::ZeroAmount);
        }
        if entry.channel.parent().is_some() {
            return Err(EngineError::ChildDeposit);
        }
        if matches!(entry.channel.facts().phase, Phase::Closed | Phase::Settled(_)) {
            return Err(EngineError::Closed);
        }
        let params = entry.channel.params();
        let address = params.assets.get(asset.index()).ok_or(EngineError::Rule(Rule::UnknownAsset))?;
        let adjudicator = self.domain.adjudicator();
        let side = entry.channel.side();
        let value = U256::from(amount.units());
        let call = |value, data| TxRequest { to: adjudicator, value, data };
        Ok(match Asset::from(*address) {
            Asset::Native => (None, call(value, calls::deposit(params, side))),
            Asset::Token(token) => {
                let allowance = Allowance { token, spender: adjudicator, amount: value };
                (Some(allowance), call(U256::ZERO, calls::deposit_token(params, asset, side, amount)))
            }
        })
    }
}
