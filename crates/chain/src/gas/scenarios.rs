//! The scenarios of the gas report.

use super::{Bench, Cost, GasError};
use sha2::{Digest, Sha256};
use strait_types::abi::{Record, calls};
use strait_types::{Address, Amount, AssetIndex, B256, Lock, Side, State, U256, locks_hash};

const COIN: Address = Address::ZERO;
const DEPOSIT: u128 = 1_000_000_000_000_000_000;
const PAID: i128 = 300_000_000_000_000_000;
const USDC: u64 = 1_000_000_000;
const USDC_PAID: i128 = 300_000_000;

/// Opening, closing, topping up and withdrawing, all in agreement, in the native coin.
pub(super) fn cooperative(bench: &mut Bench) -> Result<(), GasError> {
    let params = bench.channel(COIN);
    let first = bench.deposit("deposit, first", &params, Side::Zero, DEPOSIT)?;
    bench.row("deposit, first", first);
    let second = bench.deposit("deposit, second", &params, Side::One, DEPOSIT)?;
    bench.row("deposit, second", second);
    let top_up = bench.deposit("top-up", &params, Side::Zero, DEPOSIT)?;
    bench.row("top-up", top_up);
    let last = bench.last(bench.state(&params, 42, PAID));
    let close = calls::close(&params, &last, &bench.sign(&last));
    let closed = bench.adjudicate("close, both paid", Side::Zero, 0, close)?;
    bench.row("close, both paid", closed);
    bench.row("open to close, two deposits", first + second + closed);

    let params = bench.channel(COIN);
    let only = bench.deposit("open to close, one deposit", &params, Side::Zero, DEPOSIT)?;
    let last = bench.last(bench.state(&params, 42, PAID));
    let close = calls::close(&params, &last, &bench.sign(&last));
    let closed = bench.adjudicate("open to close, one deposit", Side::One, 0, close)?;
    bench.row("open to close, one deposit", only + closed);

    let params = bench.channel(COIN);
    bench.deposit("withdraw", &params, Side::Zero, DEPOSIT)?;
    let mut previous = None;
    for (name, version) in [("withdraw, first", 42), ("withdraw, again", 84)] {
        let mut state = bench.state(&params, version, PAID);
        let taken = PAID / 2 * i128::from(version / 42);
        state.allocations[0].delta[1] -= taken;
        state.allocations[0].withdrawn[1] = taken.unsigned_abs();
        state.valid_until = bench.chain.now().saturating_add(3_600);
        let data = calls::withdraw(&params, &state, &bench.sign(&state), previous);
        let cost = bench.adjudicate(name, Side::One, 0, data)?;
        bench.row(name, cost);
        previous = Some(Record::of(&state));
    }
    deposit_many(bench)
}

fn deposit_many(bench: &mut Bench) -> Result<(), GasError> {
    const NAME: &str = "20 deposits in one call";
    let channels: Vec<_> = (0..20).map(|_| bench.channel(COIN)).collect();
    let each = Amount::from(1_000_000_000);
    let data = calls::deposit_many(channels.iter().map(|params| (params, Side::Zero, each)));
    let cost = bench.adjudicate(NAME, Side::Zero, 20 * each.units(), data)?;
    bench.row(NAME, cost);
    Ok(())
}

/// A dispute over a payment channel with two deposits.
pub(super) fn disputes(bench: &mut Bench) -> Result<(), GasError> {
    const TOTAL: &str = "open to settle, with a response";
    let params = bench.channel(COIN);
    let first = bench.deposit(TOTAL, &params, Side::Zero, DEPOSIT)?;
    let second = bench.deposit(TOTAL, &params, Side::One, DEPOSIT)?;
    let (old, new) = (bench.state(&params, 41, PAID / 2), bench.state(&params, 42, PAID));
    let data = calls::challenge(&params, &old, Some(&bench.sign(&old)), None, Side::Zero, None);
    let challenge = bench.adjudicate("challenge", Side::Zero, 0, data)?;
    bench.row("challenge", challenge);
    let data = calls::respond(&params, &new, &bench.sign(&new), Some(Record::of(&old)));
    let respond = bench.adjudicate("respond", Side::One, 0, data)?;
    bench.row("respond", respond);
    bench.pass_the_period();
    let settle = bench.adjudicate("settle, both paid", Side::One, 0, calls::settle(&params, &new))?;
    bench.row("settle, both paid", settle);
    bench.row(TOTAL, first + second + challenge + respond + settle);
    bench.row("open to settle, unanswered", first + second + challenge + settle);

    let params = bench.channel(COIN);
    bench.deposit("challenge at version 0", &params, Side::Zero, DEPOSIT)?;
    let zero = State::zero(bench.state(&params, 0, 0).channel, 1);
    let data = calls::challenge(&params, &zero, None, None, Side::Zero, None);
    let cost = bench.adjudicate("challenge at version 0", Side::Zero, 0, data)?;
    bench.row("challenge at version 0", cost);
    Ok(())
}

/// Hash locks after a settled dispute.
pub(super) fn locks(bench: &mut Bench) -> Result<(), GasError> {
    for (count, settle_name, unlock_name) in [
        (1u8, "settle, one lock kept", "unlock one hash lock"),
        (64, "settle, 64 locks kept", "unlock 64 hash locks"),
    ] {
        let params = bench.channel(COIN);
        bench.deposit(settle_name, &params, Side::Zero, DEPOSIT)?;
        let preimage = B256::repeat_byte(count);
        let hash = B256::from_slice(&Sha256::digest(preimage));
        let expiry = bench.chain.now().saturating_add(1_000_000);
        let each = 1_000_000;
        let lock = Lock::hash(Side::Zero, AssetIndex(0), Amount::from(each), hash, expiry);
        let locks = vec![lock; usize::from(count)];
        let mut state = bench.state(&params, 42, PAID);
        state.allocations[0].delta[0] -= i128::from(each) * i128::from(count);
        state.locks_hash = locks_hash(locks.iter());
        let data = calls::challenge(&params, &state, Some(&bench.sign(&state)), None, Side::One, None);
        bench.adjudicate(settle_name, Side::One, 0, data)?;
        bench.pass_the_period();
        let cost = bench.adjudicate(settle_name, Side::One, 0, calls::settle(&params, &state))?;
        bench.row(settle_name, cost);
        let registered =
            bench.adjudicate("register a preimage", Side::One, 0, calls::register_preimage(preimage))?;
        if count == 1 {
            bench.row("register a preimage", registered);
        }
        let cost = bench.adjudicate(unlock_name, Side::One, 0, calls::unlock(&params, &locks))?;
        bench.row(unlock_name, cost);
    }
    Ok(())
}

/// An ERC-20 channel; allowances and balances exist beforehand.
pub(super) fn tokens(bench: &mut Bench) -> Result<(), GasError> {
    let token = bench.chain.token();
    let adjudicator = bench.domain.adjudicator();
    for side in Side::BOTH {
        let owner = bench.keys[side.index()].address();
        bench.send("mint", side, token, 0, calls::mint(owner, U256::from(USDC) * U256::from(100)))?;
        bench.send("approve", side, token, 0, calls::approve(adjudicator, U256::MAX))?;
    }
    // The adjudicator holds the token for other channels already.
    let other = bench.channel(token);
    let pull = |params, side| calls::deposit_token(params, AssetIndex(0), side, Amount::from(USDC));
    bench.adjudicate("ERC-20 deposit", Side::Zero, 0, pull(&other, Side::Zero))?;

    let params = bench.channel(token);
    let mut total = Cost::default();
    for (name, side) in [("ERC-20 deposit, first", Side::Zero), ("ERC-20 deposit, second", Side::One)] {
        let cost = bench.adjudicate(name, side, 0, pull(&params, side))?;
        bench.row(name, cost);
        total = total + cost;
    }
    let last = bench.last(bench.state(&params, 42, USDC_PAID));
    let close = calls::close(&params, &last, &bench.sign(&last));
    let cost = bench.adjudicate("ERC-20 close, both paid", Side::Zero, 0, close)?;
    bench.row("ERC-20 close, both paid", cost);
    bench.row("ERC-20 open to close, two deposits", total + cost);
    Ok(())
}
