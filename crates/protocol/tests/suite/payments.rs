//! Payments, the pen, and what deposits allow.

use crate::world::{World, amount, settings};
use strait_protocol::{
    Body, ChainDelta, Command, CommandError, Event, MAX_MEMO_BYTES, Outcome, Payment, Rule, Settings, Update,
};
use strait_types::abi::AdjudicatorEvent;
use strait_types::{Amount, AssetIndex, Side, Version};

fn updates(bodies: &[Body]) -> Vec<&Update> {
    bodies
        .iter()
        .filter_map(|body| if let Body::Update(update) = body { Some(update) } else { None })
        .collect()
}

fn pays(world: &World, count: u64, units: u64) -> Vec<Command> {
    let first = world.upcoming_token();
    let memo = |token: u64| token.to_be_bytes().to_vec();
    let payment =
        |token| Payment { asset: AssetIndex(0), amount: amount(units), invoice: None, memo: memo(token) };
    (first..first + count).map(|token| Command::Pay(payment(token))).collect()
}

#[test]
fn payments_flow_both_ways() {
    let mut world = World::funded(100, 50);
    let first = world.pay(Side::Zero, 30);
    world.run();
    assert_eq!(world.ended(first), Some(&Ok(Outcome::Paid { number: 0, version: Version(1) })));
    assert_eq!(world.balances(), [70, 80]);
    let back = world.pay(Side::One, 75);
    world.run();
    assert!(world.is_paid(back));
    assert_eq!(world.balances(), [145, 5]);
    world.assert_agreed();
}

#[test]
fn the_payee_is_told_of_each_payment_once_and_in_order() {
    let mut world = World::funded(100, 0);
    let commands = pays(&world, 3, 5);
    world.commands(Side::Zero, commands);
    world.run();
    world.pay(Side::Zero, 7);
    world.run();
    let received: Vec<_> = world
        .node(Side::One)
        .events
        .iter()
        .filter_map(|event| match event {
            Event::Received { first, payments, .. } => Some((*first, payments.iter().count())),
            _ => None,
        })
        .collect();
    assert_eq!(received, [(0, 3), (3, 1)]);
}

#[test]
fn assets_are_kept_apart() {
    let mut world = World::with(3, &[settings(), settings()]);
    world.mine();
    world.deposit(Side::Zero, 0, 100);
    world.deposit(Side::Zero, 2, 7);
    world.deposit(Side::One, 1, 40);
    world.mine_many(3);
    world.connect();
    world.run();
    let first = Command::Pay(world.payment(0, 10));
    let token = world.command(Side::Zero, first);
    let second = Command::Pay(world.payment(2, 7));
    let other = world.command(Side::Zero, second);
    let third = Command::Pay(world.payment(1, 1));
    let missing = world.command(Side::Zero, third);
    world.run();
    assert!(world.is_paid(token) && world.is_paid(other));
    assert_eq!(
        world.error(missing),
        Some(&CommandError::InsufficientBalance { available: Amount::ZERO, wanted: amount(1) })
    );
    let owned = world.node(Side::One).channel.view().balances.iter().map(|b| b.own).collect::<Vec<_>>();
    assert_eq!(owned, [10, 40, 7]);
    world.assert_agreed();
}

#[test]
fn what_waits_together_goes_into_one_version() {
    let mut world = World::funded(100, 0);
    let commands = pays(&world, 10, 1);
    let tokens = world.commands(Side::Zero, commands);
    let sent = world.on_wire(Side::Zero);
    let [update] = updates(&sent)[..] else { panic!("one version: {sent:?}") };
    assert_eq!(update.operations.len(), 10);
    world.run();
    for (number, token) in tokens.into_iter().enumerate() {
        let number = number as u64;
        assert_eq!(world.ended(token), Some(&Ok(Outcome::Paid { number, version: Version(1) })));
    }
    world.assert_agreed();
}

#[test]
fn what_comes_while_two_versions_are_in_flight_shares_the_next() {
    let mut world = World::funded(100, 0);
    let tokens: Vec<_> = (0..9).map(|_| world.pay(Side::Zero, 1)).collect();
    assert_eq!(updates(&world.on_wire(Side::Zero)).len(), 2);
    assert!(tokens.iter().all(|token| world.ended(*token).is_none()));
    world.run();
    assert!(tokens.iter().all(|token| world.is_paid(*token)));
    assert_eq!(
        world.node(Side::Zero).channel.view().version,
        Version(3),
        "seven payments shared the last one"
    );
    world.assert_agreed();
}

#[test]
fn beside_many_other_channels_what_comes_while_one_version_is_in_flight_shares_the_next() {
    let mut world = World::funded(100, 0);
    world.is_crowded = true;
    let tokens: Vec<_> = (0..9).map(|_| world.pay(Side::Zero, 1)).collect();
    assert_eq!(updates(&world.on_wire(Side::Zero)).len(), 1);
    world.run();
    assert!(tokens.iter().all(|token| world.is_paid(*token)));
    assert_eq!(world.node(Side::Zero).channel.view().version, Version(2), "eight shared the last one");
    world.assert_agreed();
}

#[test]
fn full_versions_do_not_wait_up_to_the_window() {
    let mut world = World::funded(100, 0);
    let tokens: Vec<_> = (0..32).map(|_| world.pay(Side::Zero, 1)).collect();
    let sent = world.on_wire(Side::Zero);
    let sizes: Vec<_> = updates(&sent).iter().map(|update| update.operations.len()).collect();
    assert_eq!(sizes, [1, 1, 10, 10], "the window is four versions");
    world.run();
    assert!(tokens.iter().all(|token| world.is_paid(*token)));
    assert_eq!(world.node(Side::Zero).channel.view().version, Version(5));
    world.assert_agreed();
}

#[test]
fn one_acknowledgement_confirms_all_before_it() {
    let mut world = World::funded(100, 0);
    let tokens: Vec<_> = (0..2).map(|_| world.pay(Side::Zero, 1)).collect();
    for _ in 0..2 {
        world.deliver(Side::One, None);
    }
    let last = world.intercept(Side::One).pop().unwrap();
    assert!(matches!(last, Body::Acknowledge { version: Version(2), .. }));
    world.inject(Side::Zero, last);
    assert!(tokens.iter().all(|token| world.is_paid(*token)));
    world.run();
    world.assert_agreed();
}

#[test]
fn neither_side_starves_when_both_stream() {
    let mut world = World::funded(1_000, 1_000);
    let mut tokens = [Vec::new(), Vec::new()];
    for _ in 0..60 {
        for side in Side::BOTH {
            tokens[side.index()].push(world.pay(side, 1));
            world.deliver(side, None);
        }
    }
    let done = |world: &World, side: Side| tokens[side.index()].iter().filter(|t| world.is_paid(**t)).count();
    assert!(done(&world, Side::Zero) > 10, "{}", done(&world, Side::Zero));
    assert!(done(&world, Side::One) > 10, "{}", done(&world, Side::One));
    world.run();
    assert_eq!(Side::BOTH.map(|side| done(&world, side)), [60, 60]);
    assert_eq!(world.balances(), [1_000, 1_000]);
    world.assert_agreed();
}

#[test]
fn the_pen_changes_hands_with_a_payment_in_flight() {
    let mut world = World::funded(100, 100);
    let theirs = world.pay(Side::One, 1);
    world.deliver(Side::Zero, None);
    // The hand-over is under way when its writer wants to pay again.
    let late = world.pay(Side::Zero, 2);
    assert_eq!(world.ended(late), None);
    world.run();
    assert!(world.is_paid(theirs) && world.is_paid(late));
    assert_eq!(world.balances(), [99, 101]);
    world.assert_agreed();
}

#[test]
fn an_acknowledged_hand_over_need_not_be_seen() {
    let mut world = World::funded(100, 100);
    let theirs = world.pay(Side::One, 1);
    world.deliver(Side::Zero, None);
    world.deliver(Side::One, None);
    // The acknowledgement is lost, the version that builds on it is not.
    let sent = world.intercept(Side::One);
    let update = sent.into_iter().find(|body| matches!(body, Body::Update(_))).unwrap();
    world.inject(Side::Zero, update);
    world.run();
    assert!(world.is_paid(theirs));
    world.assert_agreed();
}

#[test]
fn what_is_not_affordable_fails_alone() {
    let mut world = World::funded(10, 0);
    let mut commands = pays(&world, 3, 4);
    commands.extend(pays(&world, 5, 2).split_off(3));
    let tokens = world.commands(Side::Zero, commands);
    world.run();
    let paid: Vec<_> = tokens.iter().map(|token| world.is_paid(*token)).collect();
    assert_eq!(paid, [true, true, false, true, false]);
    assert_eq!(
        world.error(tokens[2]),
        Some(&CommandError::InsufficientBalance { available: amount(2), wanted: amount(4) })
    );
    world.assert_agreed();
}

#[test]
fn senseless_payments_get_their_error_at_once() {
    let mut world = World::funded(10, 0);
    let zero = Command::Pay(world.payment(0, 0));
    let zero = world.command(Side::Zero, zero);
    assert_eq!(world.error(zero), Some(&CommandError::ZeroAmount));
    let asset = Command::Pay(world.payment(1, 1));
    let asset = world.command(Side::Zero, asset);
    assert_eq!(world.error(asset), Some(&CommandError::Rule(Rule::UnknownAsset)));
    let mut payment = world.payment(0, 1);
    payment.memo = vec![0; MAX_MEMO_BYTES + 1];
    let long = world.command(Side::Zero, Command::Pay(payment.clone()));
    assert_eq!(world.error(long), Some(&CommandError::Rule(Rule::MemoTooLong)));
    payment.memo.pop();
    let fits = world.command(Side::Zero, Command::Pay(payment.clone()));
    payment.amount = Amount::MAX;
    let huge = world.command(Side::Zero, Command::Pay(payment));
    world.run();
    assert!(world.is_paid(fits));
    assert!(matches!(world.error(huge), Some(CommandError::InsufficientBalance { .. })));
}

#[test]
fn without_a_connection_a_payment_fails_and_nothing_moves() {
    let mut world = World::funded(10, 0);
    world.disconnect();
    let token = world.pay(Side::Zero, 1);
    assert_eq!(world.error(token), Some(&CommandError::PeerOffline));
    world.connect();
    world.run();
    assert_eq!(world.balances(), [10, 0]);
}

#[test]
fn what_was_not_written_fails_when_the_connection_breaks() {
    let mut world = World::funded(10, 10);
    let waits = world.pay(Side::One, 1);
    assert_eq!(world.ended(waits), None, "the pen is with the other side");
    world.disconnect();
    assert_eq!(world.error(waits), Some(&CommandError::PeerOffline));
    world.connect();
    world.run_for(60_000);
    assert_eq!(world.balances(), [10, 10]);
    world.assert_agreed();
}

#[test]
fn a_key_that_is_away_delays_and_loses_nothing() {
    use std::sync::atomic::Ordering;
    let mut world = World::funded(10, 0);
    for side in Side::BOTH {
        world.node(side).key.missing.store(true, Ordering::Relaxed);
        let token = world.pay(Side::Zero, 1);
        world.run_for(10_000);
        assert_eq!(world.ended(token), None);
        world.node(side).key.missing.store(false, Ordering::Relaxed);
        world.run_for(10_000);
        assert!(world.is_paid(token));
    }
    world.assert_agreed();
}

#[test]
fn a_top_up_needs_no_agreement_and_counts_after_its_confirmations() {
    let mut world = World::funded(10, 0);
    let before = world.pay(Side::Zero, 10);
    world.deposit(Side::Zero, 0, 5);
    world.mine();
    let early = world.pay(Side::Zero, 5);
    assert_eq!(
        world.error(early),
        Some(&CommandError::InsufficientBalance { available: Amount::ZERO, wanted: amount(5) })
    );
    let view = world.node(Side::One).channel.view();
    assert_eq!(view.balances[0].arriving, [Amount::ZERO, amount(5)]);
    world.mine();
    let late = world.pay(Side::Zero, 5);
    world.run();
    assert!(world.is_paid(before) && world.is_paid(late));
    assert_eq!(world.balances(), [0, 15]);
    world.assert_agreed();
}

/// The payee wants more confirmations than the payer.
fn cautious_payee() -> World {
    let cautious = Settings { confirmations: 3, ..settings() };
    let mut world = World::with(1, &[Settings { confirmations: 0, ..settings() }, cautious]);
    world.connect();
    world.run();
    world.mine();
    world.deposit(Side::Zero, 0, 10);
    world.mine();
    world
}

#[test]
fn a_version_on_an_unconfirmed_deposit_is_held_then_accepted() {
    let mut world = cautious_payee();
    let token = world.pay(Side::Zero, 4);
    let next = world.pay(Side::Zero, 3);
    world.run();
    assert_eq!(world.ended(token), None);
    world.mine_many(3);
    world.run_for(5_000);
    assert!(world.is_paid(token) && world.is_paid(next));
    assert!(world.node(Side::One).events.iter().all(|event| !matches!(event, Event::Refused { .. })));
    world.assert_agreed();
}

#[test]
fn a_reorganised_deposit_turns_the_hold_into_a_refusal() {
    let mut world = cautious_payee();
    let token = world.pay(Side::Zero, 4);
    world.run();
    world.reorganise(1);
    world.run_for(119_000);
    assert_eq!(world.ended(token), None, "it may still come again");
    world.mine_many(9);
    world.run_for(30_000);
    assert_eq!(world.error(token), Some(&CommandError::PeerRefused(Rule::HoldTimeout)));
    assert!(
        world
            .node(Side::One)
            .events
            .contains(&Event::Refused { version: Version(1), rule: Rule::HoldTimeout })
    );
    world.deposit(Side::Zero, 0, 10);
    world.mine_many(4);
    let again = world.pay(Side::Zero, 4);
    world.run();
    assert!(world.is_paid(again));
    world.assert_agreed();
}

#[test]
fn whoever_asks_for_the_pen_does_not_wait_for_a_deposit_that_a_reorg_took_for_ever() {
    let mut world = World::with(1, &[settings(), settings()]);
    world.connect();
    world.run();
    let event = AdjudicatorEvent::Deposited {
        channel: world.id,
        side: Side::One,
        asset: AssetIndex(0),
        amount: amount(10),
    };
    let deposited = ChainDelta::Event { block: 1, time: 1, event };
    world.drive(Side::One, |channel, ctx, out| channel.chain(ctx, deposited, out));
    let waiting = world.pay(Side::One, 4);
    world.run();
    assert_eq!(world.ended(waiting), None, "the other side has heard of no deposit yet");
    world.drive(Side::One, |channel, ctx, out| channel.chain(ctx, ChainDelta::Rollback { to: 0 }, out));
    assert_eq!(world.error(waiting), Some(&CommandError::NothingDeposited));
    let late = world.pay(Side::One, 4);
    world.run();
    assert_eq!(world.error(late), Some(&CommandError::NothingDeposited));
    world.deposit(Side::One, 0, 10);
    world.mine_many(3);
    let again = world.pay(Side::One, 4);
    world.run();
    assert!(world.is_paid(again));
    world.assert_agreed();
}

#[test]
fn a_channel_that_a_reorg_has_emptied_is_not_closed_with_a_peer_that_never_heard_of_a_deposit() {
    let mut world = World::with(1, &[settings(), settings()]);
    world.connect();
    world.run();
    let event = AdjudicatorEvent::Deposited {
        channel: world.id,
        side: Side::One,
        asset: AssetIndex(0),
        amount: amount(10),
    };
    let deposited = ChainDelta::Event { block: 1, time: 1, event };
    world.drive(Side::One, |channel, ctx, out| channel.chain(ctx, deposited, out));
    let waiting = world.command(Side::One, Command::Close);
    world.run();
    assert_eq!(world.ended(waiting), None, "the other side may hear of the deposit");
    world.drive(Side::One, |channel, ctx, out| channel.chain(ctx, ChainDelta::Rollback { to: 0 }, out));
    assert_eq!(world.error(waiting), Some(&CommandError::NothingDeposited));
    let late = world.command(Side::One, Command::Close);
    world.run();
    assert_eq!(world.error(late), Some(&CommandError::NothingDeposited));
}

#[test]
fn a_hold_outlives_neither_a_crash_nor_a_new_connection_wrongly() {
    let mut world = cautious_payee();
    let token = world.pay(Side::Zero, 4);
    world.run();
    world.crash(Side::One);
    world.connect();
    world.run();
    assert_eq!(world.ended(token), None);
    world.mine_many(3);
    world.run_for(5_000);
    assert!(world.is_paid(token));
    world.assert_agreed();
}

#[test]
fn a_refused_version_fails_only_what_is_at_fault() {
    // The payee demands a longer margin than the payer.
    let strict = Settings { lock_margin: 7_200, ..settings() };
    let mut world = World::with(1, &[settings(), strict]);
    world.mine();
    world.deposit(Side::Zero, 0, 100);
    world.mine_many(3);
    world.connect();
    world.run();
    let mut commands = pays(&world, 4, 1);
    let expiry = world.chain.time() + 3_600;
    let hash = strait_types::B256::repeat_byte(9);
    commands[2] = Command::AddLock { asset: AssetIndex(0), amount: amount(5), hash, expiry };
    let tokens = world.commands(Side::Zero, commands);
    world.deliver(Side::One, None);
    world.deliver(Side::Zero, None);
    assert_eq!(world.ended(tokens[2]), None, "not before the version without it is countersigned");
    world.run();
    assert_eq!(world.error(tokens[2]), Some(&CommandError::PeerRefused(Rule::LockExpiry)));
    assert!([0, 1, 3].iter().all(|index| world.is_paid(tokens[*index])));
    assert_eq!(world.balances(), [97, 3]);
    world.assert_agreed();
}

#[test]
fn a_lost_refusal_is_repeated_in_the_same_words() {
    let strict = Settings { lock_margin: 7_200, ..settings() };
    let mut world = World::with(1, &[settings(), strict]);
    world.mine();
    world.deposit(Side::Zero, 0, 100);
    world.mine_many(3);
    world.connect();
    world.run();
    let mut commands = pays(&world, 2, 1);
    let expiry = world.chain.time() + 3_600;
    let hash = strait_types::B256::repeat_byte(9);
    commands[0] = Command::AddLock { asset: AssetIndex(0), amount: amount(5), hash, expiry };
    let tokens = world.commands(Side::Zero, commands);
    world.deliver(Side::One, None);
    world.crash(Side::One);
    world.connect();
    world.run_for(10_000);
    assert_eq!(world.error(tokens[0]), Some(&CommandError::PeerRefused(Rule::LockExpiry)));
    assert!(world.is_paid(tokens[1]));
    world.assert_agreed();
}

#[test]
fn a_version_is_held_while_the_view_of_the_chain_is_old() {
    let mut world = World::funded(10, 0);
    world.now_ms += 6 * 3_600 * 1_000 + 60_000;
    let token = world.pay(Side::Zero, 1);
    world.run();
    assert_eq!(world.ended(token), None);
    world.mine_at(world.now_ms / 1_000);
    world.run_for(5_000);
    assert!(world.is_paid(token));
}

#[test]
fn commands_in_a_dispute_or_after_the_end_are_refused() {
    let mut world = World::funded(10, 10);
    let token = world.command(Side::Zero, Command::ForceClose);
    assert_eq!(world.ended(token), Some(&Ok(Outcome::ForceClosing)));
    let late = world.pay(Side::Zero, 1);
    assert_eq!(world.error(late), Some(&CommandError::NotOpen));
    world.mine();
    let peers = world.pay(Side::One, 1);
    assert_eq!(world.error(peers), Some(&CommandError::NotOpen));
    world.mine_after(86_400 + 1);
    world.mine_many(3);
    let again = world.command(Side::Zero, Command::ForceClose);
    assert_eq!(world.error(again), Some(&CommandError::NotOpen));
    assert_eq!(world.chain.state().paid_out, [[10, 10]]);
}

/// A node holds a million channels, nearly all of them idle.
#[test]
fn an_idle_channel_takes_little_memory() {
    let mut world = World::funded(100, 10);
    for _ in 0..20 {
        world.pay(Side::Zero, 1);
        world.run();
    }
    world.mine_many(200);
    world.run();
    for side in Side::BOTH {
        let channel = &world.node(side).channel;
        let size = size_of_val(channel);
        assert!(size <= 848, "{size} bytes");
        let shown = format!("{channel:?}");
        for idle in ["fresh: None", "rare: Lean(None)", "work: Lean(None)", "pending: []"] {
            assert!(shown.contains(idle), "{idle} is not in {shown}");
        }
    }
}
