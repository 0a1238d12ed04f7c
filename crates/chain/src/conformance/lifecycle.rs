//! Whole lives of channels: what the events say, and where the money goes.

use super::Driver;
use super::scene::{PERIOD, Scene, pair};
use sha2::{Digest, Sha256};
use strait_engine::ports::TxRequest;
use strait_types::abi::{AdjudicatorEvent, Record, calls, views};
use strait_types::{
    Address, Amount, AssetIndex, B256, Lock, Side, State, U256, locks_hash, record_fingerprint,
};

fn after_the_period<D: Driver>(scene: &mut Scene<'_, D>) {
    scene.driver.advance(u64::from(PERIOD) + 1);
    scene.driver.mine();
}

fn units(zero: u64, one: u64) -> [U256; 2] {
    [U256::from(zero), U256::from(one)]
}

/// Rust and the contract agree on what identifies a channel.
pub fn computes_the_contracts_channel_id<D: Driver>(driver: &mut D) {
    let mut scene = Scene::with_assets(driver, |token| vec![Address::ZERO, token]);
    let answer = scene.view(views::channel_id(&scene.params));
    assert_eq!(views::read_channel_id(&answer), Ok(scene.id()));
    scene.params.assets.truncate(1);
    let answer = scene.view(views::channel_id(&scene.params));
    assert_eq!(views::read_channel_id(&answer), Ok(scene.id()));
}

/// Two deposits, a payment, and a final state; afterwards nothing is taken any more.
pub fn opens_and_closes_by_agreement<D: Driver>(driver: &mut D) {
    let mut scene = Scene::new(driver);
    scene.deposit(Side::Zero, 100);
    scene.deposit(Side::One, 50);
    let mut last = scene.state(9, 30);
    last.is_final = true;
    last.valid_until = scene.now() + 1_000;
    let close = calls::close(&scene.params, &last, &scene.sign(&last));
    scene.adjudicate(Side::One, close.clone());
    assert_eq!(scene.paid_coins(), units(70, 80));
    let closed = AdjudicatorEvent::Closed { channel: scene.id(), paid: vec![[70, 80]] };
    assert_eq!(scene.events().last(), Some(&closed));
    assert_eq!(scene.status().phase, views::Phase::Closed);
    assert_eq!(scene.refusal(Side::One, close), "ChannelEnded");
}

/// An old version is challenged, the newer one answers, time decides.
pub fn settles_a_dispute_by_the_highest_version<D: Driver>(driver: &mut D) {
    let mut scene = Scene::new(driver);
    scene.deposit(Side::Zero, 100);
    let (old, new) = (scene.state(3, 10), scene.state(8, 60));
    let (id, old_signed, new_signed) = (scene.id(), scene.sign(&old), scene.sign(&new));

    // Brought by the other account with the challenger's signature.
    let authorisation = scene.sign_challenge(Side::Zero, 0, &old);
    let challenge =
        calls::challenge(&scene.params, &old, Some(&old_signed), None, Side::Zero, Some(&authorisation));
    scene.adjudicate(Side::One, challenge);
    let deadline = scene.now() + u64::from(PERIOD);
    let status = scene.status();
    assert_eq!((status.phase, status.dispute, status.deadline), (views::Phase::Open, 0, Some(deadline)));
    assert_eq!(status.fingerprint, Some(record_fingerprint(id, old.version, 0, old.hash())));

    let respond = calls::respond(&scene.params, &new, &new_signed, Some(Record::of(&old)));
    scene.adjudicate(Side::One, respond.clone());
    let recorded = Some(record_fingerprint(id, new.version, 0, new.hash()));
    assert_eq!((scene.status().deadline, scene.status().fingerprint), (Some(deadline), recorded));
    assert_eq!(scene.refusal(Side::One, respond), "RecordMismatch");
    let settle = calls::settle(&scene.params, &new);
    assert_eq!(scene.refusal(Side::One, settle.clone()), "PeriodRunning");

    after_the_period(&mut scene);
    assert_eq!(scene.refusal(Side::One, calls::settle(&scene.params, &old)), "RecordMismatch");
    scene.adjudicate(Side::One, settle);
    assert_eq!(scene.paid_coins(), units(40, 60));
    let events = [
        AdjudicatorEvent::Challenged {
            channel: id,
            challenger: Side::Zero,
            dispute: 0,
            deadline,
            state: old,
        },
        AdjudicatorEvent::Responded { channel: id, dispute: 0, state: new },
        AdjudicatorEvent::Settled {
            channel: id,
            paid: vec![[40, 60]],
            reserve: vec![0],
            locks_hash: B256::ZERO,
        },
    ];
    assert_eq!(scene.events()[1..], events);
}

/// Nobody ever answered: the depositor leaves alone, without any signature.
pub fn refunds_at_version_zero<D: Driver>(driver: &mut D) {
    let mut scene = Scene::new(driver);
    scene.deposit(Side::Zero, 100);
    let zero = State::zero(scene.id(), 1);
    scene.adjudicate(Side::Zero, calls::challenge(&scene.params, &zero, None, None, Side::Zero, None));
    after_the_period(&mut scene);
    scene.adjudicate(Side::Zero, calls::settle(&scene.params, &zero));
    assert_eq!(scene.paid_coins(), units(100, 0));
}

/// Both end the dispute; the next one has the next number and needs the record.
pub fn resumes_after_a_dispute<D: Driver>(driver: &mut D) {
    let mut scene = Scene::new(driver);
    scene.deposit(Side::Zero, 100);
    let state = scene.state(2, 10);
    let signatures = scene.sign(&state);
    let challenge = |scene: &Scene<'_, D>, previous| {
        calls::challenge(&scene.params, &state, Some(&signatures), previous, Side::Zero, None)
    };
    scene.adjudicate(Side::Zero, challenge(&scene, None));
    let resume = calls::resume(&scene.params, Record::of(&state), &scene.sign_resume(0));
    scene.adjudicate(Side::One, resume.clone());
    let resumed = AdjudicatorEvent::Resumed { channel: scene.id(), dispute: 0 };
    assert_eq!(scene.events().last(), Some(&resumed));
    assert_eq!((scene.status().dispute, scene.status().deadline), (1, None));
    assert_eq!(scene.refusal(Side::One, resume), "NotDisputed");
    assert_eq!(scene.refusal(Side::Zero, challenge(&scene, None)), "RecordMismatch");
    scene.adjudicate(Side::Zero, challenge(&scene, Some(Record::of(&state))));
    assert_eq!((scene.status().dispute, scene.status().deadline.is_some()), (1, true));
}

/// Part of the money leaves, the channel lives on, the rest is closed.
pub fn withdraws_while_the_channel_lives<D: Driver>(driver: &mut D) {
    let mut scene = Scene::new(driver);
    scene.deposit(Side::Zero, 100);
    let until = scene.now() + 10_000;
    let mut partial = scene.state(4, 40);
    partial.allocations[0].delta = [-40, 15];
    partial.allocations[0].withdrawn = [0, 25];
    partial.valid_until = until;
    let withdraw = calls::withdraw(&scene.params, &partial, &scene.sign(&partial), None);
    scene.adjudicate(Side::One, withdraw);
    assert_eq!(scene.paid_coins(), units(0, 25));
    let withdrawn =
        AdjudicatorEvent::Withdrawn { channel: scene.id(), state: partial.clone(), paid: vec![[0, 25]] };
    assert_eq!(scene.events().last(), Some(&withdrawn));
    assert_eq!(scene.funds().withdrawn, [0, 25]);

    scene.deposit(Side::Zero, 7);
    let last = State { is_final: true, version: partial.version.next().expect("a version"), ..partial };
    scene.adjudicate(Side::One, calls::close(&scene.params, &last, &scene.sign(&last)));
    assert_eq!(scene.paid_coins(), units(67, 40));
}

/// A settled channel with two hash locks: returns the scene after `settle`, and the locks.
fn settle_with_locks<'d, D: Driver>(driver: &'d mut D, preimage: B256) -> (Scene<'d, D>, Vec<Lock>) {
    let mut scene = Scene::new(driver);
    scene.deposit(Side::Zero, 100);
    let expiry = scene.now() + 3 * u64::from(PERIOD);
    let hash = B256::from_slice(&Sha256::digest(preimage));
    let lock = |from, amount, hash| Lock::hash(from, AssetIndex(0), Amount::from(amount), hash, expiry);
    let locks = vec![lock(Side::Zero, 20, hash), lock(Side::One, 5, B256::repeat_byte(1))];
    let mut state = scene.state(6, 10);
    state.allocations[0].delta = [-30, 5];
    state.locks_hash = locks_hash(locks.iter());
    let challenge =
        calls::challenge(&scene.params, &state, Some(&scene.sign(&state)), None, Side::Zero, None);
    scene.adjudicate(Side::Zero, challenge);
    after_the_period(&mut scene);
    scene.adjudicate(Side::Zero, calls::settle(&scene.params, &state));
    let settled = AdjudicatorEvent::Settled {
        channel: scene.id(),
        paid: vec![[70, 5]],
        reserve: vec![25],
        locks_hash: state.locks_hash,
    };
    assert_eq!(scene.events().last(), Some(&settled));
    assert_eq!((scene.status().phase, scene.funds().reserve), (views::Phase::Settled, 25));
    (scene, locks)
}

/// The preimage is registered in time: the other side is paid, the open lock waits on.
pub fn pays_a_hash_lock_by_its_preimage<D: Driver>(driver: &mut D) {
    let preimage = B256::repeat_byte(0x77);
    let (mut scene, locks) = settle_with_locks(driver, preimage);
    assert_eq!(scene.refusal(Side::One, calls::unlock(&scene.params, &locks)), "NothingToUnlock");
    scene.adjudicate(Side::One, calls::register_preimage(preimage));
    let registered = scene.view(views::registered_at(locks[0].reference));
    assert_eq!(views::read_registered_at(&registered), Ok(Some(scene.now())));
    scene.adjudicate(Side::One, calls::unlock(&scene.params, &locks));
    assert_eq!(scene.paid_coins(), units(70, 25));
    let remaining = vec![locks[1].clone()];
    let unlocked =
        AdjudicatorEvent::Unlocked { channel: scene.id(), paid: vec![[0, 20]], locks: remaining.clone() };
    assert_eq!(scene.events().last(), Some(&unlocked));

    scene.driver.advance(3 * u64::from(PERIOD));
    scene.driver.mine();
    scene.adjudicate(Side::Zero, calls::unlock(&scene.params, &remaining));
    assert_eq!(scene.paid_coins(), units(70, 30));
    assert_eq!(scene.status().phase, views::Phase::Closed);
}

/// Nobody registered anything: each gets its own back, although the preimage turns up later.
pub fn returns_an_expired_hash_lock<D: Driver>(driver: &mut D) {
    let preimage = B256::repeat_byte(0x77);
    let (mut scene, locks) = settle_with_locks(driver, preimage);
    scene.driver.advance(3 * u64::from(PERIOD));
    scene.driver.mine();
    scene.adjudicate(Side::One, calls::register_preimage(preimage));
    scene.adjudicate(Side::One, calls::unlock(&scene.params, &locks));
    assert_eq!(scene.paid_coins(), units(90, 10));
}

/// Two assets; the token comes by allowance.
pub fn moves_tokens_and_coins_in_one_channel<D: Driver>(driver: &mut D) {
    let mut scene = Scene::with_assets(driver, |token| vec![Address::ZERO, token]);
    let token = scene.params.assets[1];
    let signer = scene.keys[1].address();
    let adjudicator = scene.adjudicator();
    for data in [calls::mint(signer, U256::from(500)), calls::approve(adjudicator, U256::from(500))] {
        let request = TxRequest { to: token, value: U256::ZERO, data };
        assert!(scene.send(Side::One, &request).1.success);
    }
    let pull = calls::deposit_token(&scene.params, AssetIndex(1), Side::One, Amount::from(500));
    scene.adjudicate(Side::One, pull.clone());
    assert!(scene.refusal(Side::One, pull).starts_with("ERC20Insufficient"), "the allowance is used up");
    scene.deposit(Side::Zero, 100);

    let mut last = scene.state(5, 60);
    last.allocations[1].delta = [200, -200];
    last.is_final = true;
    last.valid_until = scene.now() + 1_000;
    scene.adjudicate(Side::Zero, calls::close(&scene.params, &last, &scene.sign(&last)));
    assert_eq!(scene.paid_coins(), units(40, 60));
    assert_eq!(Side::BOTH.map(|side| scene.paid(side, token)), units(200, 300));
}

/// One transaction funds several channels; the sum must be right.
pub fn deposits_for_many_at_once<D: Driver>(driver: &mut D) {
    let mut scene = Scene::new(driver);
    let mut other = scene.params.clone();
    other.nonce = 2;
    let data = calls::deposit_many([
        (&scene.params, Side::Zero, Amount::from(3)),
        (&other, Side::One, Amount::from(4)),
    ]);
    let mut request = scene.to_adjudicator(data);
    request.value = U256::from(7);
    assert!(scene.send(Side::Zero, &request).1.success);
    assert_eq!(scene.funds().deposited, pair(3, 0));
    scene.params = other;
    assert_eq!(scene.funds().deposited, pair(0, 4));
    assert_eq!(scene.events().len(), 1);
}

/// A token with absurd amounts: what no channel of ours would hold does not stop those who follow the chain.
pub fn follows_past_amounts_that_only_strangers_use<D: Driver>(driver: &mut D) {
    let mut scene = Scene::with_assets(driver, |token| vec![token]);
    let token = scene.params.assets[0];
    let adjudicator = scene.adjudicator();
    for side in Side::BOTH {
        let owner = scene.keys[side.index()].address();
        let most = U256::from(Amount::MAX.units());
        for data in [calls::mint(owner, most), calls::approve(adjudicator, most)] {
            let request = TxRequest { to: token, value: U256::ZERO, data };
            assert!(scene.send(side, &request).1.success);
        }
        scene.adjudicate(side, calls::deposit_token(&scene.params, AssetIndex(0), side, Amount::MAX));
    }
    let mut last = scene.state(1, Amount::MAX.signed());
    last.is_final = true;
    last.valid_until = scene.now() + 1_000;
    scene.adjudicate(Side::Zero, calls::close(&scene.params, &last, &scene.sign(&last)));
    let both_deposits = 2 * Amount::MAX.units();
    let closed = AdjudicatorEvent::Closed { channel: scene.id(), paid: vec![[0, both_deposits]] };
    assert_eq!(scene.events().last(), Some(&closed));
    assert_eq!(scene.paid(Side::One, token), U256::from(both_deposits));
}
