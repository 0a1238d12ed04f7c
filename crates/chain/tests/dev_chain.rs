//! What a user of the development chain relies on beyond the port.

use alloy_consensus::Transaction as _;
use strait_chain::dev::{
    Call, CallError, DevChain, DevChainConfig, DevChainError, Mining, Override, Reinclude, Within,
};
use strait_engine::ports::{ChainError, TxRequest};
use strait_types::abi::{calls, views};
use strait_types::{Address, Amount, AssetIndex, Bytes, ChannelParams, Participant, Side, U256};

const ALICE: Address = Address::repeat_byte(0xa1);
const BOB: Address = Address::repeat_byte(0xb0);

fn ether(amount: u64) -> U256 {
    U256::from(amount) * U256::from(10).pow(U256::from(18))
}

fn chain(mining: Mining) -> DevChain {
    let accounts = vec![(ALICE, ether(100)), (BOB, ether(100))];
    DevChain::new(DevChainConfig { mining, accounts, ..DevChainConfig::default() }).expect("deploys")
}

fn params(nonce: u64) -> ChannelParams {
    let participant = |address| Participant { signer: address, payout: address };
    ChannelParams {
        participants: [participant(ALICE), participant(BOB)],
        challenge_duration: 3600,
        nonce,
        app: Address::ZERO,
        child: Default::default(),
        assets: vec![Address::ZERO],
    }
}

fn deposit(chain: &DevChain, nonce: u64, wei: u64) -> TxRequest {
    let data = calls::deposit(&params(nonce), Side::Zero);
    TxRequest { to: chain.adjudicator(), value: U256::from(wei), data }
}

fn deposited(chain: &DevChain, nonce: u64) -> u128 {
    let id = params(nonce).id(chain.config().chain_id, chain.adjudicator());
    let answer = chain.call_from(ALICE, chain.adjudicator(), views::funds(id, AssetIndex(0)));
    views::read_funds(&answer.expect("a view")).expect("decodes").deposited[0].units()
}

#[test]
fn same_calls_give_same_hashes() {
    let run = || {
        let mut chain = chain(Mining::Manual);
        for nonce in 0..5 {
            chain.submit_from(ALICE, &deposit(&chain, nonce, 7)).expect("sent");
            chain.advance(12);
            chain.mine();
        }
        chain.reorg(3, &Reinclude::Same).expect("possible");
        chain.head().clone()
    };
    assert_eq!(run(), run());
}

#[test]
fn a_transaction_waits_for_its_block() {
    let mut chain = chain(Mining::Manual);
    let hash = chain.submit_from(ALICE, &deposit(&chain, 1, 7)).expect("sent");
    assert_eq!((chain.included(hash), deposited(&chain, 1)), (None, 0));
    chain.mine();
    let included = chain.included(hash).expect("in the block").clone();
    assert!(included.success && included.gas_used > 21_000);
    assert_eq!(included.cumulative_gas_used, chain.head().gas_used());
    assert_eq!(deposited(&chain, 1), 7);
    let paid = U256::from(included.gas_used) * U256::from(included.transaction.envelope().max_fee_per_gas())
        + U256::from(7);
    assert_eq!(chain.balance(ALICE), ether(100) - paid, "unused gas costs nothing");
}

#[test]
fn a_removed_block_leaves_no_trace() {
    let mut chain = chain(Mining::Automatic);
    let before = chain.clone();
    for nonce in 0..4 {
        chain.submit_from(ALICE, &deposit(&chain, nonce, 7)).expect("sent");
    }
    chain.reorg(4, &Reinclude::Never).expect("possible");
    assert_eq!((chain.balance(ALICE), chain.nonce(ALICE)), (before.balance(ALICE), 0));
    assert_eq!(deposited(&chain, 3), 0);
    assert_eq!(chain.balance(chain.adjudicator()), U256::ZERO);
    assert_eq!(chain.head().at.number, before.head().at.number + 4);
}

#[test]
fn a_reorg_can_change_the_order() {
    let mut chain = chain(Mining::Manual);
    let first = chain.submit_from(ALICE, &deposit(&chain, 1, 1)).expect("sent");
    chain.mine();
    let second = chain.submit_from(BOB, &deposit(&chain, 1, 2)).expect("sent");
    let third = chain.submit_from(BOB, &deposit(&chain, 2, 3)).expect("sent");
    chain.mine();
    chain.reorg(2, &Reinclude::Only(vec![second, first])).expect("possible");
    assert!(chain.position(second) < chain.position(first) && chain.position(second).is_some());
    assert_eq!((chain.position(third), chain.pending().len()), (None, 0));
    chain.reorg(2, &Reinclude::Later).expect("possible");
    assert_eq!((chain.position(first), chain.pending().len()), (None, 2));
    chain.mine();
    assert_eq!(deposited(&chain, 1), 3);
}

#[test]
fn a_nonce_that_is_missing_holds_back_the_later_ones() {
    let mut chain = chain(Mining::Manual);
    let first = chain.submit_from(ALICE, &deposit(&chain, 1, 1)).expect("sent");
    let second = chain.submit_from(ALICE, &deposit(&chain, 2, 1)).expect("sent");
    chain.forget(first);
    chain.mine();
    assert_eq!((chain.position(second), chain.pending().len()), (None, 1));
    let filler = chain.submit_from(ALICE, &deposit(&chain, 3, 1)).expect("sent");
    chain.mine();
    assert!(chain.position(filler) < chain.position(second));
}

#[test]
fn a_gift_survives_reorgs_and_costs_no_block() {
    let mut chain = chain(Mining::Automatic);
    let stranger = Address::repeat_byte(0x77);
    let gift = TxRequest { to: stranger, value: U256::from(5), data: Bytes::new() };
    chain.submit_from(ALICE, &gift).expect("sent");
    chain.fund(stranger, U256::from(100));
    chain.fund(ALICE, ether(1));
    assert_eq!(chain.balance(stranger), U256::from(105));
    chain.reorg(1, &Reinclude::Never).expect("possible");
    assert_eq!(chain.balance(stranger), U256::from(100));
    assert_eq!(chain.balance(ALICE), ether(101));
}

#[test]
fn final_blocks_stay() {
    let mut chain = chain(Mining::Manual);
    chain.mine_empty(2);
    assert_eq!(chain.reorg(3, &Reinclude::Never), Err(DevChainError::TooDeep { asked: 3, possible: 2 }));
}

#[test]
fn time_never_runs_back() {
    let mut chain = chain(Mining::Manual);
    let start = chain.now();
    chain.advance(100);
    chain.mine();
    chain.set_time(start);
    chain.mine();
    assert_eq!(chain.head().time(), start + 100);
    chain.set_time(start + 500);
    assert_eq!(chain.head().time(), start + 100, "time passes, the next block tells");
    chain.mine();
    assert_eq!(chain.head().time(), start + 500);
}

#[test]
fn own_waiting_transactions_count_in_the_simulation() {
    let mut chain = chain(Mining::Manual);
    let token = chain.token();
    let call = |to, data| TxRequest { to, value: U256::ZERO, data };
    let mut params = params(1);
    params.assets = vec![token];
    let adjudicator = chain.adjudicator();
    let deposit =
        call(adjudicator, calls::deposit_token(&params, AssetIndex(0), Side::Zero, Amount::from(9)));
    let refused = chain.submit_from(ALICE, &deposit);
    assert!(matches!(refused, Err(ChainError::Reverts { .. })), "{refused:?}");
    chain.submit_from(ALICE, &call(token, calls::mint(ALICE, U256::from(9)))).expect("sent");
    chain.submit_from(ALICE, &call(token, calls::approve(adjudicator, U256::from(9)))).expect("sent");
    let hash = chain.submit_from(ALICE, &deposit).expect("sent");
    chain.mine();
    assert!(chain.included(hash).is_some_and(|included| included.success));
    let answer = chain.call_from(BOB, token, views::balance_of(adjudicator)).expect("a view");
    assert_eq!(views::read_balance_of(&answer), Ok(U256::from(9)));
}

#[test]
fn a_full_block_makes_the_rest_wait() {
    let config =
        DevChainConfig { block_gas_limit: 8_000_000, mining: Mining::Manual, ..DevChainConfig::default() };
    let mut chain = DevChain::new(config).expect("deploys");
    for nonce in 0..200 {
        let sender = Address::repeat_byte((nonce % 30) as u8 + 1);
        chain.fund(sender, ether(1));
        chain.submit_from(sender, &deposit(&chain, nonce, 1)).expect("sent");
    }
    chain.mine();
    let left = chain.pending().len();
    assert!((1..200).contains(&left), "{left}");
    assert!(chain.head().gas_used() <= 8_000_000);
    while !chain.pending().is_empty() {
        chain.mine();
    }
    assert_eq!(deposited(&chain, 199), 1);
}

#[test]
fn the_past_and_the_next_block_can_be_looked_at() {
    let mut chain = chain(Mining::Manual);
    let start = chain.head().at.number;
    chain.submit_from(ALICE, &deposit(&chain, 1, 7)).expect("sent");
    assert_eq!((deposited(&chain, 1), deposited(&chain.as_of_next(), 1)), (0, 7));
    chain.mine();
    let past = chain.as_of(start).expect("remembered");
    assert_eq!((deposited(&chain, 1), deposited(&past, 1)), (7, 0));
    assert_eq!((past.balance(ALICE), past.nonce(ALICE)), (ether(100), 0));
    assert!(chain.as_of(start - 1).is_none(), "the deployment is final");
    assert!(chain.as_of(start + 2).is_none(), "not yet");
}

#[test]
fn an_estimate_is_enough_and_hardly_more() {
    let mut chain = chain(Mining::Automatic);
    let request = deposit(&chain, 1, 7);
    let call = Call {
        from: ALICE,
        to: Some(request.to),
        value: request.value,
        input: request.data,
        ..Call::default()
    };
    let estimate = chain.estimate_gas(&call).expect("it succeeds");
    let with = |gas| chain.call(&Call { gas_limit: Some(gas), ..call.clone() }, Within::Next);
    assert_eq!(with(estimate), Ok(Bytes::new()));
    assert!(with(estimate - estimate / 50).is_err());
    let poor = Call { from: Address::repeat_byte(0x77), ..call.clone() };
    assert!(matches!(chain.estimate_gas(&poor), Err(CallError::Invalid(_))));
    let lent = Override { balance: Some(ether(1)), ..Override::default() };
    let rich = Call { overrides: [(poor.from, lent)].into(), ..poor };
    assert!(chain.estimate_gas(&rich).is_ok_and(|gas| gas.abs_diff(estimate) < 1_000));
    let used = chain.submit_from(ALICE, &deposit(&chain, 1, 7)).expect("sent");
    let used = chain.included(used).expect("in a block").gas_used;
    assert!((used..used + used / 10).contains(&estimate), "{used} of {estimate}");
}

#[test]
fn the_next_time_can_be_taken_back_but_not_before_the_head() {
    let mut chain = chain(Mining::Manual);
    let start = chain.head().time();
    chain.set_next_time(start + 500);
    chain.set_next_time(start + 100);
    chain.mine();
    assert_eq!(chain.head().time(), start + 100);
    chain.set_next_time(start);
    chain.mine();
    assert_eq!(chain.head().time(), start + 100);
}
