//! Single lies, and what exactly comes of them.

use crate::world::{World, amount, settings};
use strait_protocol::{
    Body, Command, Event, Operation, Payment, Position, Refusal, Rule, Settings, Sync, Update,
};
use strait_types::{Amount, AssetIndex, B256, Side, Signature, Version};

/// What a writer with its key could say next, true or not.
fn forge(world: &mut World, writer: Side, version: u64, operations: Vec<Operation>) -> Update {
    let operations = operations.into();
    let zero = Position::zero(world.id, 1);
    let base = world.latest(writer.other()).map_or(zero, |latest| latest.position);
    let next = base.next(Version(version), &operations, &mut |_, _| Ok(()));
    let signature = next.map_or(Signature([0x33; 64]), |position| world.sign(writer, &position.state));
    let (base, base_hash) = (base.state.version, base.state.hash());
    Update { base, base_hash, version: Version(version), operations, signature }
}

fn pay(units: u128) -> Operation {
    Operation::Pay(Payment {
        asset: AssetIndex(0),
        amount: Amount::new(units).unwrap(),
        invoice: None,
        memo: Vec::new(),
    })
}

/// What the reader makes of it: the fault that it tells, or the rule by which it refuses.
fn verdict(world: &mut World, update: Update) -> Option<Rule> {
    let before = world.node(Side::One).events.len();
    world.inject(Side::One, Body::Update(update));
    world.node(Side::One).events[before..].iter().find_map(|event| match event {
        Event::PeerFault(rule) | Event::Refused { rule, .. } => Some(*rule),
        _ => None,
    })
}

#[test]
fn each_broken_rule_is_named() {
    let take =
        Operation::Withdraw { side: Side::Zero, asset: AssetIndex(0), amount: amount(1), valid_until: 1 };
    let cases: [(u64, Vec<Operation>, Rule); 10] = [
        (1, vec![pay(1), take], Rule::OperationOrder),
        (1_025, vec![pay(1)], Rule::VersionJump),
        (u64::MAX, vec![pay(1)], Rule::VersionJump),
        (1, vec![pay(0)], Rule::ZeroAmount),
        (1, vec![Operation::HandOver, pay(1)], Rule::OperationOrder),
        (1, vec![Operation::CancelLock { number: 0 }], Rule::UnknownLock),
        (1, vec![Operation::Finalise { valid_until: 1 }], Rule::NotAgreed),
        (1, vec![pay(1), Operation::Finalise { valid_until: 1 }], Rule::OperationOrder),
        (1, vec![pay(u128::MAX >> 1), pay(2), pay(u128::MAX >> 1)], Rule::Overflow),
        (1, vec![pay(1); 2], Rule::BadSignature),
    ];
    for (version, operations, rule) in cases {
        let mut world = World::funded(100, 100);
        let mut update = forge(&mut world, Side::Zero, version, operations);
        if rule == Rule::BadSignature {
            update.signature = Signature([0x33; 64]);
        }
        let before = world.balances();
        assert_eq!(verdict(&mut world, update), Some(rule));
        assert_eq!(world.balances(), before);
        // A refused number is lost to the writer, no more.
        let first = world.pay(Side::Zero, 1);
        world.run_for(10_000);
        assert!(world.ended(first).is_some());
        let second = world.pay(Side::Zero, 1);
        world.run_for(10_000);
        assert!(world.is_paid(second), "after {rule:?}");
    }
}

#[test]
fn an_overdraft_is_held_and_then_refused() {
    let mut world = World::funded(100, 100);
    let update = forge(&mut world, Side::Zero, 1, vec![pay(101)]);
    assert_eq!(verdict(&mut world, update), None);
    assert_eq!(world.balance(Side::One), 100);
    world.now_ms += settings().hold_timeout_ms;
    world.tick();
    assert!(
        world
            .node(Side::One)
            .events
            .contains(&Event::Refused { version: Version(1), rule: Rule::HoldTimeout })
    );
    assert_eq!(world.balance(Side::One), 100);
}

#[test]
fn who_has_not_the_pen_cannot_write() {
    let mut world = World::funded(100, 100);
    let update = forge(&mut world, Side::One, 1, vec![pay(1)]);
    world.inject(Side::Zero, Body::Update(update));
    assert!(world.node(Side::Zero).events.contains(&Event::PeerFault(Rule::NotWriter)));
}

#[test]
fn an_accepted_version_cannot_be_replaced() {
    let mut world = World::funded(100, 100);
    let other = forge(&mut world, Side::Zero, 1, vec![pay(1)]);
    world.pay(Side::Zero, 50);
    world.run();
    assert_eq!(verdict(&mut world, other), Some(Rule::Equivocation));
    assert_eq!(world.balances(), [50, 150]);
}

#[test]
fn a_refused_version_stays_refused() {
    let mut world = World::funded(100, 100);
    let bad = forge(&mut world, Side::Zero, 3, vec![pay(0)]);
    assert_eq!(verdict(&mut world, bad), Some(Rule::ZeroAmount));
    for version in 1..4 {
        let good = forge(&mut world, Side::Zero, version, vec![pay(1)]);
        verdict(&mut world, good);
        assert_eq!(world.balance(Side::One), 100, "{version}");
    }
    world.crash(Side::One);
    world.connected_alone(Side::One);
    let good = forge(&mut world, Side::Zero, 3, vec![pay(1)]);
    verdict(&mut world, good);
    assert_eq!(world.balance(Side::One), 100, "after a crash too");
}

#[test]
fn acknowledgements_that_are_none_confirm_nothing() {
    let mut world = World::funded(100, 100);
    let token = world.pay(Side::Zero, 1);
    let garbage = Signature([0x33; 64]);
    let own = match &world.intercept(Side::Zero)[..] {
        [Body::Update(update)] => update.signature,
        other => panic!("{other:?}"),
    };
    for signature in [garbage, own] {
        world.inject(Side::Zero, Body::Acknowledge { version: Version(1), signature });
        assert_eq!(world.ended(token), None);
    }
    for version in [2, 99, u64::MAX] {
        world.inject(Side::Zero, Body::Acknowledge { version: Version(version), signature: own });
        assert_eq!(world.ended(token), None);
    }
    assert_eq!(world.node(Side::Zero).channel.view().version, Version(0));
}

#[test]
fn a_peer_that_refuses_everything_gets_no_two_states_and_no_memory() {
    let mut world = World::funded(1_000, 100);
    let expiry = world.chain.time() + 3_600;
    world.lock(Side::Zero, 3, B256::repeat_byte(1), expiry);
    let mut largest = 0;
    for round in 0..600_u64 {
        if round % 10 == 0 {
            world.pay(Side::Zero, 1);
        }
        let last = world.intercept(Side::Zero).into_iter().rev().find_map(|body| match body {
            Body::Update(update) => Some(update.version),
            _ => None,
        });
        let Some(version) = last else { continue };
        // It names an operation that nobody asked for, so that everything is written again.
        let index = (round % 2 == 0).then_some(9_999);
        let refusal =
            Refusal { version, index, rule: Rule::HoldTimeout, confirmed: Version(0), signature: None };
        world.inject(Side::Zero, Body::Refuse(refusal));
        largest = largest.max(world.node(Side::Zero).channel.snapshot().len());
    }
    assert!(largest < 8 * 1_024, "{largest}");
}

#[test]
fn asking_for_the_pen_again_and_again_costs_one_hand_over() {
    let mut world = World::funded(100, 100);
    for _ in 0..1_000 {
        world.inject(Side::Zero, Body::RequestPen);
    }
    let updates =
        world.intercept(Side::Zero).into_iter().filter(|body| matches!(body, Body::Update(_))).count();
    assert_eq!(updates, 1);
}

#[test]
fn synchronising_again_and_again_does_not_multiply_what_is_in_flight() {
    let mut world = World::funded(100, 100);
    world.pay(Side::Zero, 1);
    world.intercept(Side::Zero);
    let sync = Sync {
        confirmed: Version(0),
        confirmed_hash: Position::zero(world.id, 1).state.hash(),
        signature: None,
        restored: false,
        reply: false,
    };
    for _ in 0..1_000 {
        world.inject(Side::Zero, Body::Sync(sync.clone()));
    }
    assert_eq!(world.intercept(Side::Zero).len(), 1);
}

#[test]
fn what_is_held_does_not_pile_up() {
    let mut world = World::funded(100, 100);
    let update = forge(&mut world, Side::Zero, 1, vec![pay(101)]);
    verdict(&mut world, update);
    let before = world.node(Side::One).channel.snapshot();
    for version in 2..2_000 {
        let update = forge(&mut world, Side::Zero, version, vec![pay(101)]);
        world.inject(Side::One, Body::Update(update));
    }
    assert_eq!(world.node(Side::One).channel.snapshot(), before);
    assert!(world.intercept(Side::One).is_empty());
}

#[test]
fn a_fork_is_an_equivocation() {
    let mut world = World::funded(100, 100);
    world.pay(Side::Zero, 1);
    world.run();
    let sync = Sync {
        confirmed: Version(1),
        confirmed_hash: B256::repeat_byte(1),
        signature: None,
        restored: false,
        reply: false,
    };
    world.inject(Side::Zero, Body::Sync(sync));
    assert!(world.node(Side::Zero).events.contains(&Event::PeerFault(Rule::Equivocation)));
}

#[test]
fn nothing_is_believed_before_synchronisation() {
    let mut world = World::funded(100, 100);
    let update = forge(&mut world, Side::Zero, 1, vec![pay(1)]);
    world.disconnect();
    world.inject(Side::One, Body::Update(update.clone()));
    world.connected_alone(Side::One);
    world.inject(Side::One, Body::Update(update));
    assert_eq!(world.balance(Side::One), 100);
}

#[test]
fn an_agreement_is_good_for_exactly_what_was_agreed() {
    let mut world = World::funded(100, 100);
    let valid_until = world.chain.time() + 1_000;
    let take = |units: u64, valid_until: u64| Operation::Withdraw {
        side: Side::Zero,
        asset: AssetIndex(0),
        amount: amount(units),
        valid_until,
    };
    world.inject(Side::One, Body::Propose { id: 1, operation: take(10, valid_until) });
    for other in [take(11, valid_until), take(10, valid_until + 1)] {
        let version = world.node(Side::One).log.len() as u64 + 5;
        let update = forge(&mut world, Side::Zero, version, vec![other]);
        assert_eq!(verdict(&mut world, update), Some(Rule::NotAgreed));
    }
    let update = forge(&mut world, Side::Zero, 100, vec![take(10, valid_until)]);
    assert_eq!(verdict(&mut world, update), None);
    assert_eq!(world.node(Side::One).channel.view().balances[0].withdrawn, [0, 10]);
    // Once only.
    let update = forge(&mut world, Side::Zero, 101, vec![take(10, valid_until)]);
    assert_eq!(verdict(&mut world, update), Some(Rule::NotAgreed));
}

#[test]
fn nothing_is_accepted_above_a_final_state() {
    let mut world = World::funded(100, 100);
    let valid_until = world.chain.time() + 1_000;
    let last = Operation::Finalise { valid_until };
    world.inject(Side::One, Body::Propose { id: 1, operation: last.clone() });
    let update = forge(&mut world, Side::Zero, 1, vec![last]);
    assert_eq!(verdict(&mut world, update), None);
    assert!(world.node(Side::One).channel.view().closing);
    let update = forge(&mut world, Side::Zero, 2, vec![pay(1)]);
    verdict(&mut world, update);
    assert_eq!(world.balance(Side::One), 100, "the close would not pay it");
}

#[test]
fn odd_settings_neither_panic_nor_stall() {
    let odd = Settings {
        peer_deposit: Vec::new(),
        move_patience: 0,
        window: 0,
        batch: 0,
        retry_ms: 0,
        hold_timeout_ms: 0,
        lock_margin: u64::MAX,
        lock_horizon: u64::MAX,
        execution_window: u64::MAX,
        confirmations: 0,
    };
    let large = Settings { window: usize::MAX, batch: usize::MAX, ..odd.clone() };
    let mut world = World::with(1, &[odd, large]);
    world.mine();
    world.deposit(Side::Zero, 0, 100);
    world.mine_many(3);
    world.connect();
    world.run();
    for side in Side::BOTH {
        let payment = Command::Pay(world.payment(0, 1));
        let tokens = world.commands(side, vec![payment]);
        let rest = vec![
            Command::AddLock { asset: AssetIndex(0), amount: amount(1), hash: B256::ZERO, expiry: u64::MAX },
            Command::Withdraw { asset: AssetIndex(0), amount: amount(1) },
        ];
        world.commands(side, rest);
        world.run();
        assert!(world.is_paid(tokens[0]));
    }
}
