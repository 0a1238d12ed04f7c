//! Views of the adjudicator and of ERC-20 tokens: calldata, and the reader of the answer.

use super::AbiError;
use super::convert::{self, Reader};
use super::solidity::{Adjudicator, Token};
use crate::{Amount, AssetIndex, ChannelId, ChannelParams};
use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_sol_types::SolCall;

/// Where a channel stands on chain.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Phase {
    /// Takes deposits, withdrawals, challenges.
    Open,
    /// Free balances are paid, locks wait.
    Settled,
    /// Nothing is left.
    Closed,
}

/// Answer of `channel`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ChannelStatus {
    /// Where it stands.
    pub phase: Phase,
    /// Number of the running, or else of the next, dispute.
    pub dispute: u16,
    /// End of the running dispute's period in Unix seconds, if one runs.
    pub deadline: Option<u64>,
    /// See [`crate::record_fingerprint`]; none when nothing is recorded.
    pub fingerprint: Option<[u8; 25]>,
}

/// Answer of `funds` for one asset.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Funds {
    /// Per participant, cumulative.
    pub deposited: [Amount; 2],
    /// Per participant, cumulative, in the smallest unit; one side may have withdrawn both deposits.
    pub withdrawn: [u128; 2],
    /// After settle: kept for the locks, in the smallest unit.
    pub reserve: u128,
}

fn answer<C: SolCall>(what: &'static str, data: &[u8]) -> Result<C::Return, AbiError> {
    C::abi_decode_returns_validate(data).map_err(|error| Reader(what).malformed(&error))
}

/// Asks for the id that the contract computes of parameters.
pub fn channel_id(params: &ChannelParams) -> Bytes {
    Adjudicator::channelIdCall { params: convert::params(params) }.abi_encode().into()
}

/// Reads the answer of [`channel_id`].
///
/// # Errors
/// When it is not such an answer.
pub fn read_channel_id(data: &[u8]) -> Result<ChannelId, AbiError> {
    answer::<Adjudicator::channelIdCall>("channelId answer", data).map(ChannelId)
}

/// Asks where a channel stands.
pub fn channel(id: ChannelId) -> Bytes {
    Adjudicator::channelCall { id: id.0 }.abi_encode().into()
}

/// Reads the answer of [`channel`].
///
/// # Errors
/// When it is not such an answer.
pub fn read_channel(data: &[u8]) -> Result<ChannelStatus, AbiError> {
    const WHAT: &str = "channel answer";
    let status = answer::<Adjudicator::channelCall>(WHAT, data)?;
    let phase = match status.phase {
        0 => Phase::Open,
        1 => Phase::Settled,
        2 => Phase::Closed,
        _ => return Err(Reader(WHAT).impossible("phase")),
    };
    let deadline = Reader(WHAT).number("deadline", U256::from(status.deadline))?;
    Ok(ChannelStatus {
        phase,
        dispute: status.dispute,
        deadline: Some(deadline).filter(|deadline| *deadline != 0),
        fingerprint: Some(status.fingerprint.0).filter(|fingerprint| *fingerprint != [0; 25]),
    })
}

/// Asks what a channel has of an asset.
pub fn funds(id: ChannelId, asset: AssetIndex) -> Bytes {
    Adjudicator::fundsCall { id: id.0, assetIndex: U256::from(asset.0) }.abi_encode().into()
}

/// Reads the answer of [`funds`].
///
/// # Errors
/// When it is not such an answer.
pub fn read_funds(data: &[u8]) -> Result<Funds, AbiError> {
    const WHAT: &str = "funds answer";
    let funds = answer::<Adjudicator::fundsCall>(WHAT, data)?;
    let amount = |units: u128| Reader(WHAT).amount("deposit", U256::from(units));
    let [zero, one] = funds.deposited;
    Ok(Funds { deposited: [amount(zero)?, amount(one)?], withdrawn: funds.withdrawn, reserve: funds.reserve })
}

/// Asks for the credit of a payout in an asset.
pub fn credits(payout: Address, asset: Address) -> Bytes {
    Adjudicator::creditsCall { payout, asset }.abi_encode().into()
}

/// Reads the answer of [`credits`].
///
/// # Errors
/// When it is not such an answer.
pub fn read_credits(data: &[u8]) -> Result<U256, AbiError> {
    answer::<Adjudicator::creditsCall>("credits answer", data)
}

/// Asks when the preimage of a sha256 hash was registered.
pub fn registered_at(hash: B256) -> Bytes {
    Adjudicator::registeredAtCall { hash }.abi_encode().into()
}

/// Reads the answer of [`registered_at`]: Unix seconds, none when it never was.
///
/// # Errors
/// When it is not such an answer.
pub fn read_registered_at(data: &[u8]) -> Result<Option<u64>, AbiError> {
    let time = answer::<Adjudicator::registeredAtCall>("registeredAt answer", data)?;
    Ok(Some(time).filter(|time| *time != 0))
}

/// ERC-20: asks what `owner` holds.
pub fn balance_of(owner: Address) -> Bytes {
    Token::balanceOfCall { owner }.abi_encode().into()
}

/// Reads the answer of [`balance_of`].
///
/// # Errors
/// When it is not such an answer.
pub fn read_balance_of(data: &[u8]) -> Result<U256, AbiError> {
    answer::<Token::balanceOfCall>("balanceOf answer", data)
}

/// ERC-20: asks how much of the owner's tokens `spender` may pull.
pub fn allowance(owner: Address, spender: Address) -> Bytes {
    Token::allowanceCall { owner, spender }.abi_encode().into()
}

/// Reads the answer of [`allowance`].
///
/// # Errors
/// When it is not such an answer.
pub fn read_allowance(data: &[u8]) -> Result<U256, AbiError> {
    answer::<Token::allowanceCall>("allowance answer", data)
}
