//! Disputes: what each side wants on chain, and what it gets.

use crate::adjudicator::Status;
use crate::chain::Transaction;
use crate::world::{World, hash_of, settings};
use strait_protocol::{
    Body, ChainAction, ChainNews, Command, CommandError, Event, Outcome, Refusal, Rule, Settings,
    SignedPosition,
};
use strait_types::{AssetIndex, B256, Side, Version};

const PERIOD: u64 = 86_400;
const SECRET: B256 = B256::repeat_byte(0x5e);

/// Both have 100, and 0 has paid 10 three times. With what could be shown after each payment.
fn traded() -> (World, Vec<SignedPosition>) {
    let mut world = World::funded(100, 100);
    let mut states = Vec::new();
    for _ in 0..3 {
        world.pay(Side::Zero, 10);
        world.run();
        states.push(world.latest(Side::Zero).unwrap());
    }
    (world, states)
}

fn finish(world: &mut World) {
    world.mine_after(PERIOD + 1);
    world.mine_many(4);
}

#[test]
fn an_old_state_is_answered_and_the_best_one_pays() {
    for shown in [None, Some(0), Some(1)] {
        let (mut world, states) = traded();
        world.challenge(Side::Zero, shown.map(|index| &states[index]));
        world.mine();
        assert_eq!(world.wanted_names(Side::One), ["respond"]);
        assert!(world.node(Side::One).events.iter().any(|event| matches!(
            event,
            Event::Chain(ChainNews::Challenged { challenger: Side::Zero, .. })
        )));
        world.mine();
        assert!(world.wanted_names(Side::One).is_empty());
        world.mine_after(PERIOD - 24);
        assert!(world.wanted_names(Side::One).is_empty(), "the period runs to its last second");
        finish(&mut world);
        assert_eq!(world.chain.state().status, Status::Closed);
        assert_eq!(world.chain.state().paid_out, [[70, 130]]);
    }
}

#[test]
fn the_best_state_needs_no_answer() {
    let (mut world, states) = traded();
    world.challenge(Side::Zero, states.last());
    world.mine();
    assert!(world.wanted_names(Side::One).is_empty());
    finish(&mut world);
    assert_eq!(world.chain.state().paid_out, [[70, 130]]);
}

#[test]
fn an_answer_that_a_reorg_undoes_is_given_again() {
    let (mut world, _) = traded();
    world.challenge(Side::Zero, None);
    world.mine_many(2);
    assert!(world.wanted_names(Side::One).is_empty());
    world.reorganise(1);
    assert_eq!(world.wanted_names(Side::One), ["respond"]);
}

#[test]
fn a_challenge_that_a_reorg_undoes_leaves_the_channel_open() {
    let (mut world, _) = traded();
    world.challenge(Side::Zero, None);
    world.mine();
    let during = world.pay(Side::Zero, 1);
    assert_eq!(world.error(during), Some(&CommandError::NotOpen));
    world.reorganise(1);
    let after = world.pay(Side::Zero, 1);
    world.run();
    assert!(world.is_paid(after));
    world.assert_agreed();
}

#[test]
fn nothing_is_accepted_in_a_dispute() {
    let (mut world, _) = traded();
    let token = world.pay(Side::Zero, 5);
    world.challenge(Side::One, None);
    world.mine();
    world.run();
    assert_eq!(world.node(Side::One).channel.view().version, Version(3));
    world.run_for(130_000);
    assert_eq!(world.ended(token), None, "it was signed, so the chain decides");
    world.mine();
    finish(&mut world);
    assert!(world.error(token).is_some());
    assert_eq!(world.chain.state().paid_out, [[70, 130]]);
}

#[test]
fn force_close_shows_our_best() {
    let (mut world, _) = traded();
    world.disconnect();
    world.command(Side::One, Command::ForceClose);
    assert_eq!(world.wanted_names(Side::One), ["challenge"]);
    world.crash(Side::One);
    assert_eq!(world.wanted_names(Side::One), ["challenge"], "the wish is durable");
    world.mine();
    assert_eq!(world.chain.state().recorded.as_ref().unwrap().version, Version(3));
    finish(&mut world);
    assert_eq!(world.chain.state().paid_out, [[70, 130]]);
}

#[test]
fn force_close_works_before_anything_was_signed() {
    let mut world = World::funded(100, 30);
    world.command(Side::One, Command::ForceClose);
    world.mine();
    finish(&mut world);
    assert_eq!(world.chain.state().paid_out, [[100, 30]]);
    // Both settle, and one comes first.
    assert_eq!(world.chain.reverts, [("settle", "not open")]);
}

#[test]
fn an_agreed_close_goes_before_a_challenge() {
    let (mut world, _) = traded();
    world.muted.insert(Side::Zero);
    world.command(Side::One, Command::Close);
    world.run();
    world.command(Side::One, Command::ForceClose);
    assert_eq!(world.wanted_names(Side::One), ["close"]);
    world.mine();
    assert_eq!(world.chain.state().paid_out, [[70, 130]]);
}

#[test]
fn a_close_that_fails_leaves_time_for_the_answer() {
    let patient = Settings { execution_window: 6 * 3_600, ..settings() };
    let mut world = World::with(1, &[patient.clone(), patient]);
    world.mine();
    world.deposit(Side::Zero, 0, 100);
    world.mine_many(3);
    world.connect();
    world.run();
    world.pay(Side::Zero, 10);
    world.run();
    world.muted.extend(Side::BOTH);
    world.command(Side::One, Command::Close);
    world.run();
    world.challenge(Side::Zero, None);
    world.mine();
    let wanted = |world: &mut World| {
        world.muted.clear();
        let names = world.wanted_names(Side::One);
        world.muted.extend(Side::BOTH);
        names
    };
    assert_eq!(wanted(&mut world), ["close"]);
    world.mine_after(PERIOD / 8 - 1);
    assert_eq!(wanted(&mut world), ["close"], "it has an eighth of the period");
    world.mine_after(1);
    assert_eq!(wanted(&mut world), ["close", "respond"], "within the first quarter");
    world.muted.remove(&Side::One);
    world.mine();
    assert_eq!(world.chain.state().paid_out, [[90, 10]]);
}

#[test]
fn an_agreed_close_also_ends_a_dispute() {
    let (mut world, states) = traded();
    world.muted.insert(Side::Zero);
    world.command(Side::One, Command::Close);
    world.run();
    world.challenge(Side::Zero, states.first());
    world.mine();
    assert_eq!(world.chain.state().status, Status::Closed);
    assert_eq!(world.chain.state().paid_out, [[70, 130]]);
}

#[test]
fn locks_are_resolved_after_the_settlement() {
    for is_redeemed in [true, false] {
        let mut world = World::funded(100, 100);
        let expiry = world.chain.time() + 3 * PERIOD;
        world.lock(Side::Zero, 40, SECRET, expiry);
        world.run();
        world.disconnect();
        world.command(Side::Zero, Command::ForceClose);
        world.mine();
        if is_redeemed {
            // Too late for the other side, in time for the chain.
            world.command(Side::One, Command::SettleLock { number: 0, preimage: SECRET });
            assert_eq!(world.wanted_names(Side::One), ["register preimage"]);
        }
        world.mine();
        finish(&mut world);
        if is_redeemed {
            assert_eq!(world.chain.state().paid_out, [[60, 140]]);
        } else {
            assert_eq!(world.chain.state().status, Status::Settled);
            assert_eq!(world.chain.state().paid_out, [[60, 100]]);
            assert!(world.wanted_names(Side::Zero).is_empty());
            world.mine_at(expiry + 1);
            world.mine();
            assert_eq!(world.chain.state().paid_out, [[100, 100]]);
        }
        assert_eq!(world.chain.state().status, Status::Closed);
        let raced = ["settle", "unlock"];
        assert!(
            world.chain.reverts.iter().all(|(name, _)| raced.contains(name)),
            "{:?}",
            world.chain.reverts
        );
    }
}

/// The peer keeps a version with a lock of ours, says that it refuses it, and brings it to the chain.
fn disowned_lock(refuses: bool) -> (World, u64, u64) {
    let mut world = World::funded(100, 100);
    let expiry = world.chain.time() + 3 * PERIOD;
    let before = world.pay(Side::Zero, 1);
    world.run();
    assert!(world.is_paid(before));
    let token = world.lock(Side::Zero, 40, SECRET, expiry);
    let Some(Body::Update(update)) = world.intercept(Side::Zero).pop() else { panic!("an update") };
    // What the update makes of the confirmed position, signed by both.
    let base = world.latest(Side::Zero).unwrap().position;
    let position = base.next(update.version, &update.operations, &mut |_, _| Ok(())).unwrap();
    let signatures = [update.signature, world.sign(Side::One, &position.state)];
    if refuses {
        let refusal = Refusal {
            version: update.version,
            index: Some(0),
            rule: Rule::LockExpiry,
            confirmed: Version(1),
            signature: None,
        };
        world.inject(Side::Zero, Body::Refuse(refusal));
        assert_eq!(world.node(Side::Zero).channel.view().locks, []);
        world.crash(Side::Zero);
    }
    world.disconnect();
    world.challenge(Side::One, Some(&SignedPosition { position, signatures }));
    world.muted.insert(Side::One);
    world.mine();
    (world, token, expiry)
}

#[test]
fn a_lock_comes_back_from_a_version_that_the_peer_kept_to_itself() {
    for refuses in [false, true] {
        let (mut world, _, expiry) = disowned_lock(refuses);
        finish(&mut world);
        assert_eq!(world.chain.state().status, Status::Settled);
        world.mine_at(expiry + 1);
        world.mine();
        assert_eq!(world.chain.state().paid_out, [[99, 101]], "refused: {refuses}");
    }
}

#[test]
fn what_the_peer_signs_when_all_is_over_makes_no_list_forgotten_that_the_chain_unlocks_by() {
    for when in ["challenged", "settled", "away"] {
        let mut world = World::funded(100, 100);
        let expiry = world.chain.time() + 3 * PERIOD;
        world.lock(Side::Zero, 40, SECRET, expiry);
        world.run();
        let shown = world.latest(Side::Zero).unwrap();
        world.lock(Side::Zero, 10, B256::repeat_byte(0x5f), expiry);
        let Some(Body::Update(update)) = world.intercept(Side::Zero).pop() else { panic!("an update") };
        let position = shown.position.next(update.version, &update.operations, &mut |_, _| Ok(())).unwrap();
        let signature = world.sign(Side::One, &position.state);
        world.challenge(Side::One, Some(&shown));
        world.muted.insert(Side::One);
        if when == "away" {
            let later = world.chain.time() + PERIOD / 2;
            world.now_ms = later * 1_000;
            world.chain.mine(later);
        } else {
            world.mine();
        }
        let late = Body::Acknowledge { version: update.version, signature };
        if when == "settled" {
            finish(&mut world);
            world.inject(Side::Zero, late);
        } else {
            // Too late for an answer to be mined.
            world.muted.insert(Side::Zero);
            world.inject(Side::Zero, late);
            world.mine_after(PERIOD + 1);
            world.muted.remove(&Side::Zero);
            world.mine_many(4);
        }
        assert_eq!(world.chain.state().status, Status::Settled);
        world.crash(Side::Zero);
        world.mine_at(expiry + 1);
        world.mine_many(2);
        assert_eq!(world.chain.state().status, Status::Closed, "{when}");
        assert_eq!(world.chain.state().paid_out, [[100, 100]]);
    }
}

#[test]
fn a_version_between_that_the_peer_shows_at_the_last_moment_leaves_its_locks_known() {
    let mut world = World::funded(100, 100);
    let expiry = world.chain.time() + 3 * PERIOD;
    world.lock(Side::Zero, 40, SECRET, expiry);
    world.run();
    let shown = world.latest(Side::Zero).unwrap();
    world.lock(Side::Zero, 10, B256::repeat_byte(0x5f), expiry);
    let Some(Body::Update(second)) = world.intercept(Side::Zero).pop() else { panic!("an update") };
    world.lock(Side::Zero, 5, B256::repeat_byte(0x60), expiry);
    let Some(Body::Update(third)) = world.intercept(Side::Zero).pop() else { panic!("another") };
    let between = shown.position.next(second.version, &second.operations, &mut |_, _| Ok(())).unwrap();
    let newest = between.next(third.version, &third.operations, &mut |_, _| Ok(())).unwrap();
    let [by_one, late] = [&between, &newest].map(|position| world.sign(Side::One, &position.state));
    world.challenge(Side::One, Some(&shown));
    world.muted.extend(Side::BOTH);
    world.mine();
    world.inject(Side::Zero, Body::Acknowledge { version: third.version, signature: late });
    let previous = world.node(Side::One).channel.facts().record();
    let signatures = [second.signature, by_one];
    let action = ChainAction::Respond(Box::new(between.state), signatures, previous);
    world.chain.waiting.push(Transaction::Call(action));
    world.mine();
    world.mine_after(PERIOD + 1);
    world.muted.remove(&Side::Zero);
    world.mine_many(4);
    assert_eq!(world.chain.state().status, Status::Settled);
    world.mine_at(expiry + 1);
    world.mine_many(2);
    assert_eq!(world.chain.state().status, Status::Closed);
    assert_eq!(world.chain.state().paid_out, [[100, 100]]);
}

#[test]
fn a_command_ends_by_what_the_chain_pays() {
    let (mut world, token, _) = disowned_lock(false);
    assert_eq!(world.ended(token), None);
    finish(&mut world);
    assert_eq!(world.ended(token), Some(&Ok(Outcome::Locked { number: 0 })));
}

#[test]
fn a_refused_payment_that_the_chain_pays_has_been_made() {
    let (mut world, _) = traded();
    let token = world.pay(Side::Zero, 5);
    let Some(Body::Update(update)) = world.intercept(Side::Zero).pop() else { panic!("an update") };
    let base = world.latest(Side::Zero).unwrap().position;
    let position = base.next(update.version, &update.operations, &mut |_, _| Ok(())).unwrap();
    let signatures = [update.signature, world.sign(Side::One, &position.state)];
    let refusal = Refusal {
        version: update.version,
        index: None,
        rule: Rule::HoldTimeout,
        confirmed: Version(3),
        signature: None,
    };
    world.inject(Side::Zero, Body::Refuse(refusal));
    assert_eq!(world.ended(token), None, "the peer could still bring it to the chain");
    world.muted.insert(Side::One);
    world.challenge(Side::One, Some(&SignedPosition { position, signatures }));
    world.mine();
    finish(&mut world);
    assert_eq!(world.ended(token), Some(&Ok(Outcome::Paid { number: 3, version: Version(4) })));
    assert_eq!(world.chain.state().paid_out, [[65, 135]]);
}

#[test]
fn a_withdrawal_that_only_the_peer_countersigned_does_not_bar_the_way_out() {
    let mut world = World::funded(100, 100);
    world.pay(Side::Zero, 1);
    world.run();
    let base = world.latest(Side::Zero).unwrap().position;
    world.command(Side::Zero, Command::Withdraw { asset: AssetIndex(0), amount: crate::world::amount(30) });
    world.deliver(Side::One, None);
    world.deliver(Side::Zero, None);
    let Some(Body::Update(update)) = world.intercept(Side::Zero).pop() else { panic!("an update") };
    let position = base.next(update.version, &update.operations, &mut |_, _| Ok(())).unwrap();
    let signatures = [update.signature, world.sign(Side::One, &position.state)];
    // The peer executes it and never acknowledges it.
    world.disconnect();
    let action = ChainAction::Withdraw(Box::new(position.state), signatures, None);
    world.chain.waiting.push(Transaction::Call(action));
    world.muted.insert(Side::One);
    world.mine_many(2);
    assert_eq!(world.chain.state().paid_out, [[30, 0]]);
    world.command(Side::Zero, Command::ForceClose);
    world.mine();
    assert_eq!(world.chain.reverts, []);
    finish(&mut world);
    assert_eq!(world.chain.state().paid_out, [[99, 101]]);
}

#[test]
fn a_deposit_that_a_lock_rested_on_and_that_never_came_costs_only_its_owner() {
    let mut world = World::funded(100, 100);
    let expiry = world.chain.time() + 3 * PERIOD;
    world.lock(Side::Zero, 100, SECRET, expiry);
    world.run();
    assert_eq!(hash_of(SECRET), world.node(Side::One).channel.view().locks[0].lock.reference);
    world.command(Side::One, Command::ForceClose);
    world.mine();
    world.command(Side::One, Command::SettleLock { number: 0, preimage: SECRET });
    world.mine();
    finish(&mut world);
    assert_eq!(world.chain.state().paid_out, [[0, 200]]);
}
