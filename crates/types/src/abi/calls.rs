//! Calldata of the adjudicator's functions, and of the few ERC-20 functions that go with them.

use super::solidity::{Adjudicator, NativeDeposit, Token};
use super::{Record, convert};
use crate::{Amount, Asset, AssetIndex, ChannelParams, Lock, Side, Signature, State};
use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_sol_types::SolCall;

fn encode(call: &impl SolCall) -> Bytes {
    call.abi_encode().into()
}

/// Deposits the transaction's value, in the native coin, for a side.
pub fn deposit(params: &ChannelParams, side: Side) -> Bytes {
    encode(&Adjudicator::depositCall {
        terms: params.terms_hash(),
        moreAssets: params.more_assets_hash(),
        participant: U256::from(side.index()),
    })
}

/// Many deposits in the native coin; the transaction's value is their sum.
pub fn deposit_many<'a>(deposits: impl IntoIterator<Item = (&'a ChannelParams, Side, Amount)>) -> Bytes {
    let item = |(params, side, amount): (&ChannelParams, Side, Amount)| NativeDeposit {
        terms: params.terms_hash(),
        moreAssets: params.more_assets_hash(),
        participant: side as u8,
        amount: amount.units(),
    };
    encode(&Adjudicator::depositManyCall { deposits: deposits.into_iter().map(item).collect() })
}

/// Deposits a token for a side, from the sender by its allowance.
pub fn deposit_token(params: &ChannelParams, asset: AssetIndex, side: Side, amount: Amount) -> Bytes {
    encode(&Adjudicator::depositTokenCall {
        terms: params.terms_hash(),
        assets: params.assets.clone(),
        assetIndex: U256::from(asset.0),
        participant: U256::from(side.index()),
        amount: U256::from(amount.units()),
    })
}

/// How much of an asset a call with this value deposits for a side; `None`: it does something else.
pub fn deposited(
    params: &ChannelParams,
    asset: AssetIndex,
    side: Side,
    (value, data): (U256, &Bytes),
) -> Option<Amount> {
    let amount_of = |units: U256| Amount::new(u128::try_from(units).ok()?);
    match Asset::from(*params.assets.get(asset.index())?) {
        Asset::Native => amount_of(value).filter(|_| *data == deposit(params, side)),
        Asset::Token(_) => {
            let call = Adjudicator::depositTokenCall::abi_decode_validate(data).ok()?;
            amount_of(call.amount).filter(|amount| *data == deposit_token(params, asset, side, *amount))
        }
    }
}

/// Pays all by a final state that both signed.
pub fn close(params: &ChannelParams, state: &State, signatures: &[Signature; 2]) -> Bytes {
    let [zero, one] = signatures;
    encode(&Adjudicator::closeCall {
        params: convert::params(params),
        state: convert::state(state),
        sig0: convert::signature(Some(zero)),
        sig1: convert::signature(Some(one)),
    })
}

/// Records a state that both signed and pays the increase of its `withdrawn`.
pub fn withdraw(
    params: &ChannelParams,
    state: &State,
    signatures: &[Signature; 2],
    previous: Option<Record>,
) -> Bytes {
    let [zero, one] = signatures;
    encode(&Adjudicator::withdrawCall {
        params: convert::params(params),
        state: convert::state(state),
        sig0: convert::signature(Some(zero)),
        sig1: convert::signature(Some(one)),
        previous: convert::record(previous),
    })
}

/// Starts a dispute at a state. `signatures` are none for version 0; `authorisation` is the challenger's on the
/// challenge digest, none when its signer or payout sends the transaction.
pub fn challenge(
    params: &ChannelParams,
    state: &State,
    signatures: Option<&[Signature; 2]>,
    previous: Option<Record>,
    challenger: Side,
    authorisation: Option<&Signature>,
) -> Bytes {
    encode(&Adjudicator::challengeCall {
        params: convert::params(params),
        state: convert::state(state),
        sig0: convert::signature(signatures.map(|[zero, _]| zero)),
        sig1: convert::signature(signatures.map(|[_, one]| one)),
        previous: convert::record(previous),
        challenger: U256::from(challenger.index()),
        sig: convert::signature(authorisation),
    })
}

/// Replaces what is recorded by a higher state that both signed, within the period.
pub fn respond(
    params: &ChannelParams,
    state: &State,
    signatures: &[Signature; 2],
    previous: Option<Record>,
) -> Bytes {
    let [zero, one] = signatures;
    encode(&Adjudicator::respondCall {
        params: convert::params(params),
        state: convert::state(state),
        sig0: convert::signature(Some(zero)),
        sig1: convert::signature(Some(one)),
        previous: convert::record(previous),
    })
}

/// Ends a dispute that both signed to end; the channel lives on.
pub fn resume(params: &ChannelParams, recorded: Record, signatures: &[Signature; 2]) -> Bytes {
    let [zero, one] = signatures;
    encode(&Adjudicator::resumeCall {
        params: convert::params(params),
        recorded: convert::record(Some(recorded)),
        sig0: convert::signature(Some(zero)),
        sig1: convert::signature(Some(one)),
    })
}

/// Pays free balances by the recorded state, after the period.
pub fn settle(params: &ChannelParams, state: &State) -> Bytes {
    encode(&Adjudicator::settleCall { params: convert::params(params), state: convert::state(state) })
}

/// Resolves what can be resolved of a settled channel's locks; the list must be the whole recorded one.
pub fn unlock<'a>(params: &ChannelParams, locks: impl IntoIterator<Item = &'a Lock>) -> Bytes {
    encode(&Adjudicator::unlockCall {
        params: convert::params(params),
        locks: locks.into_iter().map(convert::lock).collect(),
    })
}

/// Makes a preimage public, so that its hash locks resolve to the beneficiary.
pub fn register_preimage(preimage: B256) -> Bytes {
    encode(&Adjudicator::registerPreimageCall { preimage })
}

/// Pulls the sender's credit of an asset (the zero address is the native coin) to any address.
pub fn withdraw_credit(asset: Address, to: Address) -> Bytes {
    encode(&Adjudicator::withdrawCreditCall { asset, to })
}

/// Several unpaid calls in one transaction; all of them or none.
pub fn multicall(calls: Vec<Bytes>) -> Bytes {
    encode(&Adjudicator::multicallCall { calls })
}

/// ERC-20: lets `spender` pull up to `amount` from the sender.
pub fn approve(spender: Address, amount: U256) -> Bytes {
    encode(&Token::approveCall { spender, amount })
}

/// Test token: makes `amount` out of nothing for `to`.
pub fn mint(to: Address, amount: U256) -> Bytes {
    encode(&Token::mintCall { to, amount })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Participant;

    #[test]
    fn what_a_call_deposits_is_read_from_it() {
        let (coin, token) = (Address::ZERO, Address::repeat_byte(7));
        let participant =
            |byte| Participant { signer: Address::repeat_byte(byte), payout: Address::repeat_byte(byte) };
        let params = ChannelParams {
            participants: [participant(1), participant(2)],
            challenge_duration: 3_600,
            nonce: 1,
            app: Address::ZERO,
            child: B256::ZERO,
            assets: vec![coin, token],
        };
        let (asset, side, amount) = (AssetIndex(1), Side::One, Amount::from(10));
        let of_token = deposit_token(&params, asset, side, amount);
        let read = |asset, side, value, data| deposited(&params, asset, side, (U256::from(value), data));
        assert_eq!(read(asset, side, 0, &of_token), Some(amount));
        assert_eq!(read(asset, Side::Zero, 0, &of_token), None);
        let of_coin = deposit(&params, side);
        assert_eq!(read(AssetIndex(0), side, 10, &of_coin), Some(amount));
        assert_eq!(read(AssetIndex(0), side, 10, &of_token), None);
        assert_eq!(read(asset, side, 10, &of_coin), None);
    }
}
