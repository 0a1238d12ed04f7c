//! Transactions, receipts, accounts and calls.

use super::Driver;
use super::scene::Scene;
use crate::costs;
use strait_engine::ports::{Chain, ChainError, TxRequest};
use strait_types::abi::app::{app_address, deploy_app};
use strait_types::abi::{calls, views};
use strait_types::{Address, AssetIndex, B256, Bytes, Side, SigningKey, U256};

/// A reorg takes the receipt away with the transaction.
pub fn has_a_receipt_while_the_transaction_is_in_the_chain<D: Driver>(driver: &mut D) {
    let mut scene = Scene::new(driver);
    assert_eq!(scene.chains[0].receipt(B256::repeat_byte(9)), Ok(None));
    let request = scene.deposit_request(Side::Zero, 5);
    let (hash, receipt) = scene.send(Side::Zero, &request);
    assert!(receipt.success);
    assert!((21_000..200_000).contains(&receipt.gas_used), "{}", receipt.gas_used);
    let head = scene.chains[0].follow(&[], 1_000).expect("the chain answers").head;
    assert_eq!(receipt.block, head);
    assert_eq!(scene.chains[1].receipt(hash), Ok(Some(receipt.clone())), "a receipt is anybody's");

    scene.driver.reorg(1, true);
    let moved = scene.chains[0].receipt(hash).expect("the chain answers").expect("kept");
    assert_eq!(moved.block.number, receipt.block.number);
    assert_ne!(moved.block.hash, receipt.block.hash);
    scene.driver.reorg(1, false);
    assert_eq!(scene.chains[0].receipt(hash), Ok(None));
}

/// The reason is the contract's error by name, and nothing has been paid.
pub fn sends_nothing_that_would_revert<D: Driver>(driver: &mut D) {
    let mut scene = Scene::new(driver);
    let before = scene.chains[0].account();
    let state = scene.state(1, 5);
    let signatures = scene.sign(&state);
    let not_final = calls::close(&scene.params, &state, &signatures);
    assert_eq!(scene.refusal(Side::Zero, not_final), "WrongFinality");
    scene.driver.mine();
    assert_eq!(scene.chains[0].account(), before);
}

/// The account can pay for the value, not for the gas.
pub fn sends_nothing_that_cannot_be_paid<D: Driver>(driver: &mut D) {
    let scene = Scene::new(driver);
    let key = SigningKey::from_bytes([0x33; 32]).expect("a key");
    scene.driver.fund(key.address(), U256::from(10));
    let mut poor = scene.driver.account(&key);
    let request = scene.deposit_request(Side::Zero, 10);
    let Err(ChainError::NotEnoughGasMoney { account, balance, needed }) = poor.submit(&request) else {
        panic!("there is no money for gas");
    };
    assert_eq!((account, balance), (key.address(), U256::from(10)));
    assert!(needed > balance);
    scene.driver.fund(key.address(), needed - balance);
    let hash = poor.submit(&request).expect("what was needed suffices");
    scene.driver.mine();
    assert!(poor.receipt(hash).expect("the chain answers").is_some_and(|receipt| receipt.success));
}

/// The account cannot even pay the value.
pub fn counts_the_value_as_needed_money<D: Driver>(driver: &mut D) {
    let mut scene = Scene::new(driver);
    let balance = scene.chains[0].account().expect("the chain answers").balance;
    let data = calls::deposit(&scene.params, Side::Zero);
    let value = balance + U256::ONE;
    let refused = scene.chains[0].submit(&TxRequest { to: scene.adjudicator(), value, data });
    let Err(ChainError::NotEnoughGasMoney { needed, .. }) = refused else {
        panic!("more than the account holds");
    };
    assert!(needed > value);
}

/// Both send in one block; each pays its own.
pub fn keeps_accounts_apart<D: Driver>(driver: &mut D) {
    let mut scene = Scene::new(driver);
    let balance = |scene: &mut Scene<'_, D>, side: usize| {
        let account = scene.chains[side].account().expect("the chain answers");
        assert_eq!(account.address, scene.keys[side].address());
        account.balance
    };
    let before = [balance(&mut scene, 0), balance(&mut scene, 1)];
    let mut hashes = Vec::new();
    for (side, wei) in [(0, 1), (1, 10), (0, 100), (1, 1_000)] {
        let request = scene.deposit_request(if side == 0 { Side::Zero } else { Side::One }, wei);
        hashes.push((side, scene.chains[side].submit(&request).expect("sent")));
    }
    scene.driver.mine();
    let after = [balance(&mut scene, 0), balance(&mut scene, 1)];
    for (side, hash) in hashes {
        let receipt = scene.chains[side].receipt(hash).expect("the chain answers");
        assert!(receipt.is_some_and(|receipt| receipt.success));
    }
    assert_eq!(scene.funds().deposited.map(|amount| amount.units()), [101, 1_010]);
    assert!(before[0] > after[0] + U256::from(101) && before[1] > after[1] + U256::from(1_010));
}

/// Views see what was just mined; a reverting one is a typed error.
pub fn reads_contracts_at_the_head<D: Driver>(driver: &mut D) {
    let mut scene = Scene::new(driver);
    assert_eq!(scene.funds().deposited[0].units(), 0);
    scene.deposit(Side::Zero, 42);
    assert_eq!(scene.funds().deposited[0].units(), 42);
    let adjudicator = scene.adjudicator();
    let reverted = scene.chains[0].call(adjudicator, calls::register_preimage(B256::ZERO));
    assert_eq!(reverted, Ok(Bytes::new()), "a call changes nothing");
    let view = views::registered_at(B256::ZERO);
    let answer = scene.chains[0].call(adjudicator, view).expect("a view");
    assert_eq!(views::read_registered_at(&answer), Ok(None));
    let mut unsound = scene.params.clone();
    unsound.challenge_duration = 1;
    let refused = scene.chains[0].call(adjudicator, views::channel_id(&unsound));
    assert_eq!(refused, Err(ChainError::Reverts { reason: "InvalidChallengeDuration".to_owned() }));
    let answer = scene.view(views::funds(scene.id(), AssetIndex(3)));
    assert_eq!(views::read_funds(&answer).expect("decodes").deposited[0].units(), 0);
}

/// Code is there from its block on, until a reorg takes it away.
pub fn finds_code_at_the_head<D: Driver>(driver: &mut D) {
    let mut scene = Scene::new(driver);
    let adjudicator = scene.adjudicator();
    assert_eq!(scene.chains[0].has_code(adjudicator), Ok(true));
    assert_eq!(scene.chains[0].has_code(Address::repeat_byte(0x5a)), Ok(false));
    let runtime = [0];
    let app = app_address(adjudicator, &runtime);
    assert_eq!(scene.chains[0].has_code(app), Ok(false));
    scene.adjudicate(Side::Zero, deploy_app(&runtime));
    assert_eq!(scene.chains[1].has_code(app), Ok(true));
    scene.driver.reorg(1, false);
    assert_eq!(scene.chains[1].has_code(app), Ok(false));
}

/// From when it is handed in until the block is passed in which it took effect, and only for the same content and account.
pub fn knows_what_is_under_way<D: Driver>(driver: &mut D) {
    let mut scene = Scene::new(driver);
    let [request, other] = [5, 6].map(|wei| scene.deposit_request(Side::Zero, wei));
    let before = scene.chains[0].follow(&[], 1_000).expect("the chain answers").head.number;
    let ask = |scene: &mut Scene<'_, D>, chain: usize, request: &TxRequest, through: u64| {
        let under_way =
            scene.chains[chain].under_way(&|asked| asked == request, through).expect("the chain answers");
        assert!(under_way.iter().all(|handed_in| handed_in.request == *request));
        under_way.iter().map(|handed_in| handed_in.transaction).collect::<Vec<_>>()
    };
    assert!(ask(&mut scene, 0, &request, before).is_empty());
    let hash = scene.chains[0].submit(&request).expect("sent");
    assert_eq!(ask(&mut scene, 0, &request, before), [hash]);
    assert!(ask(&mut scene, 0, &other, before).is_empty());
    assert!(ask(&mut scene, 1, &request, before).is_empty());
    scene.driver.mine();
    let block = scene.chains[0].receipt(hash).expect("the chain answers").expect("included").block.number;
    assert_eq!(ask(&mut scene, 0, &request, block - 1), [hash]);
    assert!(ask(&mut scene, 0, &request, block).is_empty());
}

/// What is said to suffice does suffice for a call of that much gas, and grows with the calls and with what waits.
pub fn says_what_an_account_must_hold<D: Driver>(driver: &mut D) {
    let scene = Scene::new(driver);
    let key = SigningKey::from_bytes([0x34; 32]).expect("a key");
    let mut poor = scene.driver.account(&key);
    let one = poor.needed_for(&[costs::DEPOSIT], false).expect("the chain answers");
    let two = poor.needed_for(&[costs::DEPOSIT, costs::DEPOSIT_TOKEN], false).expect("the chain answers");
    assert!(U256::ZERO < one && one < two, "{one} {two}");
    scene.driver.fund(key.address(), one + U256::from(10));
    let request = scene.deposit_request(Side::Zero, 10);
    poor.submit(&request).expect("what was needed suffices");
    assert!(poor.needed_for(&[costs::DEPOSIT], false).expect("the chain answers") >= one);
}
