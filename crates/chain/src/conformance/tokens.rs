//! Deposits in tokens, as a node makes them: by a [`Plan`].

use super::Driver;
use super::scene::{Scene, pair};
use crate::artifacts;
use crate::plan::Plan;
use strait_engine::ports::{Chain, ChainError, TxHash, TxRequest};
use strait_engine::{Allowance, Submission, SubmissionKey};
use strait_types::abi::{calls, views};
use strait_types::{Address, Amount, AssetIndex, Bytes, Side, U256};

/// Blocks in which a plan must be over.
const ENOUGH: usize = 8;

/// A channel in a token like USDT, of which side 0 has much.
fn strict<D: Driver>(driver: &mut D) -> Scene<'_, D> {
    let token = driver.deploy(artifacts::strict_token());
    let mut scene = Scene::with_assets(driver, |_| vec![token]);
    let owner = scene.keys[0].address();
    to_token(&mut scene, calls::mint(owner, U256::from(1_000_000)));
    scene
}

fn to_token<D: Driver>(scene: &mut Scene<'_, D>, data: Bytes) {
    let request = TxRequest { to: scene.params.assets[0], value: U256::ZERO, data };
    assert!(scene.send(Side::Zero, &request).1.success);
}

fn approve<D: Driver>(scene: &mut Scene<'_, D>, amount: u64) {
    let data = calls::approve(scene.adjudicator(), U256::from(amount));
    to_token(scene, data);
}

fn plan<D: Driver>(scene: &Scene<'_, D>, amount: u64) -> Plan {
    let (token, spender) = (scene.params.assets[0], scene.adjudicator());
    let data = calls::deposit_token(&scene.params, AssetIndex(0), Side::Zero, Amount::from(amount));
    Plan::new(Submission {
        key: SubmissionKey::User(1),
        allowance: Some(Allowance { token, spender, amount: U256::from(amount) }),
        call: scene.to_adjudicator(data),
    })
}

/// Goes on with every block until the plan is over; how many it waited for, too.
fn carry_out<D: Driver>(scene: &mut Scene<'_, D>, plan: &mut Plan) -> (usize, Result<TxHash, ChainError>) {
    for waited in 0..ENOUGH {
        if let Some(result) = plan.advance(&mut scene.chains[0], 0) {
            return (waited, result);
        }
        scene.driver.mine();
    }
    panic!("no end after {ENOUGH} blocks");
}

/// Deposits and mines; how many blocks the approvals took.
fn deposit<D: Driver>(scene: &mut Scene<'_, D>, amount: u64) -> usize {
    let mut plan = plan(scene, amount);
    let (waited, result) = carry_out(scene, &mut plan);
    let transaction = result.expect("deposited");
    scene.driver.mine();
    let receipt = scene.chains[0].receipt(transaction).expect("the chain answers");
    assert!(receipt.is_some_and(|receipt| receipt.success));
    waited
}

fn standing<D: Driver>(scene: &mut Scene<'_, D>) -> U256 {
    let (owner, spender, token) = (scene.keys[0].address(), scene.adjudicator(), scene.params.assets[0]);
    let answer = scene.chains[0].call(token, views::allowance(owner, spender)).expect("a view");
    views::read_allowance(&answer).expect("decodes")
}

/// One approval for each deposit, which uses it up.
pub fn approves_what_a_deposit_pulls_and_no_more<D: Driver>(driver: &mut D) {
    let mut scene = strict(driver);
    for (amount, total) in [(300, 300), (200, 500)] {
        assert_eq!(deposit(&mut scene, amount), 1, "one approval");
        assert_eq!((scene.funds().deposited, standing(&mut scene)), (pair(total, 0), U256::ZERO));
    }
}

/// A life that ended between approval and deposit leaves an allowance; nothing is approved again.
pub fn uses_an_allowance_that_stands<D: Driver>(driver: &mut D) {
    let mut scene = strict(driver);
    approve(&mut scene, 300);
    assert_eq!(deposit(&mut scene, 200), 0, "no approval");
    assert_eq!((scene.funds().deposited, standing(&mut scene)), (pair(200, 0), U256::from(100)));
}

/// Less is approved than is needed, and the token changes no allowance but from nothing.
pub fn takes_an_allowance_back_before_it_is_changed<D: Driver>(driver: &mut D) {
    let mut scene = strict(driver);
    approve(&mut scene, 7);
    assert_eq!(deposit(&mut scene, 200), 2, "one approval of nothing, one of the amount");
    assert_eq!((scene.funds().deposited, standing(&mut scene)), (pair(200, 0), U256::ZERO));

    // Others are not made to pay for that.
    let plain = scene.driver.token();
    scene.params.assets = vec![plain];
    let owner = scene.keys[0].address();
    to_token(&mut scene, calls::mint(owner, U256::from(1_000)));
    approve(&mut scene, 7);
    assert_eq!(deposit(&mut scene, 200), 1, "one approval");
}

/// What stands is pulled by a deposit that waits for its block; the next one cannot have it too.
pub fn approves_again_when_what_stands_is_promised<D: Driver>(driver: &mut D) {
    let mut scene = strict(driver);
    approve(&mut scene, 200);
    let mut first = plan(&scene, 200);
    let sent = first.advance(&mut scene.chains[0], 0).expect("nothing to wait for");
    sent.expect("sent, and in no block yet");
    deposit(&mut scene, 200);
    assert_eq!((scene.funds().deposited, standing(&mut scene)), (pair(400, 0), U256::ZERO));
}

/// Nothing is sent to an address that is no token.
pub fn tells_a_token_from_what_is_none<D: Driver>(driver: &mut D) {
    let mut scene = strict(driver);
    scene.params.assets = vec![Address::repeat_byte(0x77)];
    let mut plan = plan(&scene, 1);
    let Some(Err(ChainError::Reverts { reason })) = plan.advance(&mut scene.chains[0], 0) else {
        panic!("refused is expected");
    };
    assert!(reason.contains("no ERC-20 token"), "{reason}");
}
