//! Hash locks.

use crate::world::{World, amount, hash_of, settings};
use strait_protocol::{Body, Command, CommandError, Event, Operation, Outcome, Rule, Settings};
use strait_types::{AssetIndex, B256, Lock, Side};

const SECRET: B256 = B256::repeat_byte(0x5e);

/// A lock of 40 from 0 to 1, an hour before its expiry.
fn locked() -> (World, u64) {
    let mut world = World::funded(100, 10);
    let expiry = world.chain.time() + 3_600;
    let token = world.lock(Side::Zero, 40, SECRET, expiry);
    world.run();
    assert_eq!(world.ended(token), Some(&Ok(Outcome::Locked { number: 0 })));
    (world, expiry)
}

fn settle(number: u64) -> Command {
    Command::SettleLock { number, preimage: SECRET }
}

#[test]
fn a_lock_leaves_the_balance_and_is_shown_to_both() {
    let (world, expiry) = locked();
    assert_eq!(world.balances(), [60, 10]);
    let lock = Lock::hash(Side::Zero, AssetIndex(0), amount(40), hash_of(SECRET), expiry);
    assert!(world.node(Side::One).events.contains(&Event::LockOffered { number: 0, lock }));
    assert_eq!(world.node(Side::One).channel.view().balances[0].locked, 40);
    world.assert_agreed();
}

#[test]
fn the_beneficiary_settles_after_asking_for_the_pen() {
    let (mut world, _) = locked();
    let token = world.command(Side::One, settle(0));
    world.run();
    assert_eq!(world.ended(token), Some(&Ok(Outcome::LockSettled { number: 0 })));
    assert!(
        world.node(Side::Zero).events.contains(&Event::LockSettled { number: 0, preimage: SECRET }),
        "its payer learns the preimage"
    );
    assert_eq!(world.balances(), [60, 50]);
    world.assert_agreed();
}

#[test]
fn the_contributor_may_settle_too() {
    let (mut world, _) = locked();
    let token = world.command(Side::Zero, settle(0));
    world.run();
    assert_eq!(world.ended(token), Some(&Ok(Outcome::LockSettled { number: 0 })));
    assert_eq!(world.balances(), [60, 50]);
    world.assert_agreed();
}

#[test]
fn the_beneficiary_may_give_it_back_at_any_time() {
    let (mut world, _) = locked();
    let token = world.command(Side::One, Command::CancelLock { number: 0 });
    world.run();
    assert_eq!(world.ended(token), Some(&Ok(Outcome::LockCancelled { number: 0 })));
    assert!(world.node(Side::Zero).events.contains(&Event::LockCancelled { number: 0 }));
    assert_eq!(world.balances(), [100, 10]);
    world.assert_agreed();
}

#[test]
fn the_contributor_gets_it_back_only_after_its_expiry_and_then_by_itself() {
    let (mut world, expiry) = locked();
    let token = world.command(Side::Zero, Command::CancelLock { number: 0 });
    assert_eq!(world.error(token), Some(&CommandError::Rule(Rule::NotExpired)));
    world.mine_at(expiry + 1);
    world.run();
    assert_eq!(world.balances(), [60, 10], "not before that block is final");
    world.mine_many(2);
    world.run();
    assert_eq!(world.balances(), [100, 10]);
    world.assert_agreed();
}

#[test]
fn an_early_cancellation_is_held_until_the_reader_sees_the_expiry() {
    let cautious = Settings { confirmations: 5, ..settings() };
    let mut world = World::with(1, &[settings(), cautious]);
    world.mine();
    world.deposit(Side::Zero, 0, 100);
    world.mine_many(6);
    world.connect();
    world.run();
    let expiry = world.chain.time() + 3_600;
    world.lock(Side::Zero, 40, SECRET, expiry);
    world.run();
    world.mine_at(expiry + 1);
    world.mine_many(2);
    world.run();
    assert_eq!(world.node(Side::Zero).channel.view().in_flight, 1);
    world.mine_many(4);
    world.run();
    assert_eq!(world.balances(), [100, 0]);
    assert!(world.node(Side::One).events.iter().all(|event| !matches!(event, Event::Refused { .. })));
    world.assert_agreed();
}

#[test]
fn a_wrong_preimage_is_told_at_once() {
    let (mut world, _) = locked();
    let preimage = B256::repeat_byte(1);
    let token = world.command(Side::One, Command::SettleLock { number: 0, preimage });
    world.run();
    assert_eq!(world.error(token), Some(&CommandError::Rule(Rule::WrongPreimage)));
    let unknown = world.command(Side::One, settle(7));
    assert_eq!(world.error(unknown), Some(&CommandError::Rule(Rule::UnknownLock)));
    world.assert_agreed();
}

#[test]
fn equal_locks_are_kept_apart() {
    let mut world = World::funded(100, 10);
    let expiry = world.chain.time() + 3_600;
    for _ in 0..3 {
        world.lock(Side::Zero, 10, SECRET, expiry);
    }
    world.run();
    let token = world.command(Side::One, Command::CancelLock { number: 1 });
    world.run();
    assert_eq!(world.ended(token), Some(&Ok(Outcome::LockCancelled { number: 1 })));
    let left: Vec<_> = world.node(Side::Zero).channel.view().locks.iter().map(|l| l.number).collect();
    assert_eq!(left, [0, 2]);
    let twice = world.command(Side::One, Command::CancelLock { number: 1 });
    assert_eq!(world.error(twice), Some(&CommandError::Rule(Rule::UnknownLock)));
    world.command(Side::One, settle(2));
    world.run();
    assert_eq!(world.balances(), [80, 30], "the preimage opens both that are left");
    world.assert_agreed();
}

#[test]
fn senseless_locks_get_their_error() {
    let mut world = World::funded(100, 10);
    let now = world.chain.time();
    let lock = |asset: u8, units: u64, expiry: u64| Command::AddLock {
        asset: AssetIndex(asset),
        amount: amount(units),
        hash: hash_of(SECRET),
        expiry,
    };
    let mut try_one = |command: Command| {
        let token = world.command(Side::Zero, command);
        world.run();
        world.error(token).cloned()
    };
    assert_eq!(try_one(lock(0, 0, now + 3_600)), Some(CommandError::ZeroAmount));
    assert_eq!(try_one(lock(3, 1, now + 3_600)), Some(CommandError::Rule(Rule::UnknownAsset)));
    assert_eq!(try_one(lock(0, 1, now + 600)), Some(CommandError::Rule(Rule::LockExpiry)));
    assert_eq!(try_one(lock(0, 1, u64::MAX)), Some(CommandError::Rule(Rule::LockExpiry)));
    assert_eq!(
        try_one(lock(0, 101, now + 3_600)),
        Some(CommandError::InsufficientBalance { available: amount(100), wanted: amount(101) })
    );
    assert_eq!(try_one(lock(0, 100, now + 3_600)), None);
}

#[test]
fn there_is_a_most_of_locks() {
    let mut world = World::funded(100, 10);
    let expiry = world.chain.time() + 3_600;
    let tokens: Vec<_> = (0..65).map(|_| world.lock(Side::Zero, 1, SECRET, expiry)).collect();
    world.run();
    assert!(tokens[..64].iter().all(|token| matches!(world.ended(*token), Some(Ok(_)))));
    assert_eq!(world.error(tokens[64]), Some(&CommandError::Rule(Rule::LockCount)));
    world.assert_agreed();
}

#[test]
fn too_near_the_expiry_the_preimage_goes_to_the_chain_instead() {
    let (mut world, expiry) = locked();
    world.mine_at(expiry - 599);
    let token = world.command(Side::One, settle(0));
    assert_eq!(world.error(token), Some(&CommandError::Rule(Rule::TooLate)));
    assert_eq!(world.wanted_names(Side::One), ["register preimage"]);
    world.mine();
    assert!(world.wanted_names(Side::One).is_empty());
    // Registered in time, it settles off chain even now, and by itself.
    world.run();
    assert_eq!(world.balances(), [60, 50]);
    world.assert_agreed();
}

#[test]
fn a_registered_lock_is_not_taken_back_by_its_contributor() {
    let (mut world, expiry) = locked();
    world.disconnect();
    let token = world.command(Side::One, settle(0));
    assert_eq!(world.error(token), Some(&CommandError::PeerOffline));
    world.mine_at(expiry - 300);
    world.mine();
    world.mine_at(expiry + 1);
    world.mine_many(3);
    world.connect();
    world.run();
    assert_eq!(world.balances(), [60, 50], "the beneficiary settled it by itself");
    world.assert_agreed();
}

#[test]
fn a_preimage_stays_armed_until_the_settlement_is_countersigned() {
    let (mut world, expiry) = locked();
    world.command(Side::One, settle(0));
    // The pen comes, the settlement leaves, its countersignature never arrives.
    world.deliver(Side::Zero, None);
    world.deliver(Side::One, None);
    assert!(world.intercept(Side::One).iter().any(|body| matches!(body, Body::Update(_))));
    world.disconnect();
    world.mine_at(expiry - 500);
    assert!(world.node(Side::One).channel.needs_attention());
    assert_eq!(world.wanted_names(Side::One), ["register preimage"]);
    world.crash(Side::One);
    assert_eq!(world.wanted_names(Side::One), ["register preimage"], "after a crash too");
}

#[test]
fn a_settlement_too_late_is_held_until_the_registration_is_seen() {
    let (mut world, expiry) = locked();
    // The pen is with the beneficiary; its settlement is delayed on the way.
    world.pay(Side::One, 1);
    world.run();
    let token = world.command(Side::One, settle(0));
    let sent = world.intercept(Side::One);
    world.mine_at(expiry - 100);
    for body in sent {
        world.inject(Side::Zero, body);
    }
    world.run();
    assert_eq!(world.ended(token), None);
    // The beneficiary has registered meanwhile: what was held is now good.
    assert_eq!(world.wanted_names(Side::One), ["register preimage"]);
    world.mine();
    world.run_for(5_000);
    assert_eq!(world.ended(token), Some(&Ok(Outcome::LockSettled { number: 0 })));
    world.assert_agreed();
}

#[test]
fn a_strangers_preimage_changes_nothing() {
    let (mut world, _) = locked();
    let before = world.node(Side::One).channel.snapshot();
    world.chain.waiting.push(crate::chain::Transaction::Register(B256::repeat_byte(0x77)));
    world.mine();
    assert_eq!(world.node(Side::One).channel.snapshot(), before);
}

#[test]
fn whoever_registers_the_preimage_serves_the_beneficiary() {
    let (mut world, expiry) = locked();
    world.chain.waiting.push(crate::chain::Transaction::Register(SECRET));
    world.mine_many(2);
    world.mine_final(expiry + 10 - world.chain.time());
    world.run();
    assert_eq!(world.balances(), [60, 50]);
    assert_eq!(world.node(Side::One).channel.facts().preimage(hash_of(SECRET)), Some(SECRET));
    world.assert_agreed();
}

#[test]
fn what_the_peer_does_not_let_us_take_is_not_tried_again_and_again() {
    let (mut world, expiry) = locked();
    // Only the beneficiary knows of the registration.
    world.chain.waiting.push(crate::chain::Transaction::Register(SECRET));
    world.blind.insert(Side::Zero);
    world.muted.insert(Side::One);
    world.disconnect();
    world.mine_final(30);
    world.mine_at(expiry + 1);
    world.mine_many(2);
    world.connect();
    // The contributor has the pen: it takes back, the beneficiary refuses.
    let payment = world.pay(Side::Zero, 1);
    world.run_for(300_000);
    assert!(world.is_paid(payment), "{:?}", world.ended(payment));
    let refusals =
        world.node(Side::One).events.iter().filter(|event| matches!(event, Event::Refused { .. })).count();
    assert_eq!(refusals, 1);
    world.assert_agreed();
}

#[test]
fn a_lock_paid_by_the_other_side_cannot_be_added() {
    let mut world = World::funded(100, 10);
    world.pay(Side::Zero, 1);
    let Some(Body::Update(mut update)) = world.intercept(Side::Zero).pop() else { panic!("an update") };
    let expiry = world.chain.time() + 3_600;
    let lock = Lock::hash(Side::One, AssetIndex(0), amount(5), hash_of(SECRET), expiry);
    update.operations = [Operation::AddLock(lock)].into();
    world.inject(Side::One, Body::Update(update));
    assert!(
        world
            .node(Side::One)
            .events
            .iter()
            .any(|event| matches!(event, Event::Refused { rule: Rule::LockContributor, .. }))
    );
}

#[test]
fn a_full_list_brings_the_pen_to_who_settles_and_an_emptied_one_brings_it_back() {
    let mut world = World::funded(100, 10);
    let expiry = world.chain.time() + 3_600;
    let locks = u64::try_from(strait_types::MAX_LOCKS).expect("few");
    for _ in 1..locks {
        world.lock(Side::Zero, 1, SECRET, expiry);
    }
    world.run();
    assert!(world.node(Side::Zero).channel.view().writer, "there is room for one more");
    world.lock(Side::Zero, 1, SECRET, expiry);
    world.run();
    assert!(world.node(Side::One).channel.view().writer);
    world.commands(Side::One, (0..locks).map(settle).collect());
    world.run();
    assert!(world.node(Side::Zero).channel.view().writer);
    assert_eq!(world.balances(), [36, 74]);
    world.assert_agreed();
}
