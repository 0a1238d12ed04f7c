//! Lost messages, broken connections and crashes, one at a time.

use crate::world::{Death, World};
use strait_protocol::{Body, Channel, Command, CommandError, Event, RecoverError, Rule};
use strait_types::{AssetIndex, B256, Side, Version};

/// Payments both ways and a hand-over, one message at a time: `fault` strikes when `count` have been delivered.
fn trade_with(fault: impl Fn(&mut World), count: usize) -> (World, bool) {
    let mut world = World::funded(100, 100);
    let mut delivered = 0;
    let mut struck = false;
    for side in [Side::Zero, Side::One, Side::Zero] {
        world.pay(side, 7);
        while !world.wires.iter().all(|wire| wire.is_empty()) {
            if delivered == count && !struck {
                struck = true;
                fault(&mut world);
            }
            delivered += 1;
            world.deliver(Side::Zero, None);
            world.deliver(Side::One, None);
        }
    }
    (world, struck)
}

fn finish(mut world: World) -> World {
    if !world.connected {
        world.connect();
    }
    world.run_for(30_000);
    world.assert_agreed();
    world
}

#[test]
fn any_single_loss_is_made_good() {
    for to in Side::BOTH {
        for count in 0.. {
            let lose = |world: &mut World| drop(world.wires[to.index()].pop_front());
            let (world, struck) = trade_with(lose, count);
            finish(world);
            if !struck {
                assert!(count > 3);
                break;
            }
        }
    }
}

#[test]
fn any_single_duplicate_changes_nothing() {
    for to in Side::BOTH {
        for count in 0.. {
            let duplicate = |world: &mut World| {
                let wire = &mut world.wires[to.index()];
                wire.extend(wire.front().cloned());
            };
            let (world, struck) = trade_with(duplicate, count);
            let world = finish(world);
            assert_eq!(world.balances(), [93, 107]);
            if !struck {
                break;
            }
        }
    }
}

#[test]
fn any_single_crash_is_survived() {
    for side in Side::BOTH {
        for death in [Death::BeforeDurable, Death::BeforeSent, Death::AfterSent] {
            for count in 0.. {
                let die = |world: &mut World| {
                    world.deliver(side, Some(death));
                    world.connect();
                };
                let (world, struck) = trade_with(die, count);
                finish(world);
                if !struck {
                    break;
                }
            }
        }
    }
}

#[test]
fn any_single_disconnection_is_survived() {
    for count in 0.. {
        let (world, struck) = trade_with(World::reconnect, count);
        finish(world);
        if !struck {
            break;
        }
    }
}

#[test]
fn what_was_durable_but_not_sent_is_sent_after_the_crash() {
    let mut world = World::funded(100, 0);
    let payment = Command::Pay(world.payment(0, 5));
    world.commands_until(Side::Zero, Some(Death::BeforeSent), vec![payment]);
    world.connect();
    world.run();
    assert_eq!(world.balances(), [95, 5]);
    world.assert_agreed();
}

#[test]
fn what_was_not_durable_never_was() {
    let mut world = World::funded(100, 0);
    let payment = Command::Pay(world.payment(0, 5));
    world.commands_until(Side::Zero, Some(Death::BeforeDurable), vec![payment]);
    world.connect();
    world.run();
    let other = world.pay(Side::Zero, 6);
    world.run();
    assert!(world.is_paid(other));
    assert_eq!(world.balances(), [94, 6]);
    world.assert_agreed();
}

#[test]
fn identical_bytes_are_sent_again() {
    let mut world = World::funded(100, 0);
    world.pay(Side::Zero, 5);
    let is_update = |body: &Body| matches!(body, Body::Update(_));
    let first: Vec<_> = world.intercept(Side::Zero).into_iter().filter(is_update).collect();
    world.crash(Side::Zero);
    world.connect();
    world.deliver(Side::Zero, None);
    let second: Vec<_> = world.intercept(Side::Zero).into_iter().filter(is_update).collect();
    assert_eq!(first, second);
    assert_eq!(first.len(), 1);
}

#[test]
fn a_lost_acknowledgement_comes_with_the_next_synchronisation() {
    let mut world = World::funded(100, 0);
    let token = world.pay(Side::Zero, 5);
    world.deliver(Side::One, None);
    assert!(matches!(world.intercept(Side::One)[..], [Body::Acknowledge { .. }]));
    world.reconnect();
    world.run();
    assert!(world.is_paid(token));
    world.assert_agreed();
}

#[test]
fn a_gap_is_reported_once_and_filled() {
    let mut world = World::funded(100, 0);
    for _ in 0..4 {
        world.pay(Side::Zero, 1);
    }
    world.wires[Side::One.index()].pop_front();
    while world.deliver(Side::One, None) {}
    let sent = world.on_wire(Side::One);
    assert!(matches!(sent[..], [Body::Sync(_)]), "once: {sent:?}");
    world.run();
    assert_eq!(world.balances(), [96, 4]);
    world.assert_agreed();
}

#[test]
fn versions_that_follow_a_refused_one_are_written_again() {
    let strict = strait_protocol::Settings { lock_margin: 7_200, ..crate::world::settings() };
    let mut world = World::with(1, &[crate::world::settings(), strict]);
    world.mine();
    world.deposit(Side::Zero, 0, 100);
    world.mine_many(3);
    world.connect();
    world.run();
    let expiry = world.chain.time() + 3_600;
    let lock = world.lock(Side::Zero, 5, B256::repeat_byte(9), expiry);
    let tokens = [world.pay(Side::Zero, 1), world.pay(Side::Zero, 2)];
    world.run();
    assert_eq!(world.error(lock), Some(&CommandError::PeerRefused(Rule::LockExpiry)));
    assert!(tokens.iter().all(|token| world.is_paid(*token)));
    assert_eq!(world.node(Side::Zero).channel.view().version, Version(3), "versions skip, and never recur");
    world.assert_agreed();
}

#[test]
fn a_refusal_and_a_crash_of_the_writer_leave_no_open_end() {
    let strict = strait_protocol::Settings { lock_margin: 7_200, ..crate::world::settings() };
    let mut world = World::with(1, &[crate::world::settings(), strict]);
    world.mine();
    world.deposit(Side::Zero, 0, 100);
    world.mine_many(3);
    world.connect();
    world.run();
    let expiry = world.chain.time() + 3_600;
    world.lock(Side::Zero, 5, B256::repeat_byte(9), expiry);
    world.deliver(Side::One, None);
    world.deliver(Side::Zero, Some(Death::BeforeSent));
    world.connect();
    world.run();
    assert_eq!(world.node(Side::One).channel.view().version, Version(2), "the refused one is superseded");
    world.assert_agreed();
}

#[test]
fn damaged_records_are_told() {
    let nothing: [&[u8]; 0] = [];
    assert!(matches!(Channel::recover(None, nothing), Err(RecoverError::Inconsistent(_))));
    assert!(matches!(Channel::recover(Some(&[1, 2, 3]), nothing), Err(RecoverError::Malformed { .. })));
    let mut world = World::funded(100, 0);
    world.pay(Side::Zero, 5);
    world.run();
    let log: Vec<Vec<u8>> =
        world.node(Side::Zero).log.iter().map(|record| borsh::to_vec(record).unwrap()).collect();
    assert_eq!(
        Channel::recover(None, &log).unwrap().snapshot(),
        world.node(Side::Zero).channel.snapshot(),
        "the whole journal rebuilds it"
    );
    assert!(matches!(Channel::recover(None, &log[1..]), Err(RecoverError::Inconsistent(_))));
    assert!(matches!(Channel::recover(None, [&log[0], &log[0]]), Err(RecoverError::Inconsistent(_))));
    let cut = &log[log.len() - 1][..3];
    assert!(matches!(Channel::recover(None, [&log[0][..], cut]), Err(RecoverError::Malformed { .. })));
}

#[test]
fn nothing_grows_with_the_number_of_payments() {
    let mut world = World::funded(100_000, 0);
    world.pay(Side::Zero, 1);
    world.run();
    let small = world.node(Side::Zero).channel.snapshot().len();
    for _ in 0..500 {
        world.pay(Side::Zero, 1);
        world.run();
    }
    for side in Side::BOTH {
        assert!(world.node(side).channel.snapshot().len() <= small + 256);
    }
}

#[test]
fn a_withdrawal_survives_a_crash_at_any_point() {
    for side in Side::BOTH {
        for frames in 0..8 {
            let mut world = World::funded(100, 100);
            let amount = crate::world::amount(30);
            world.command(Side::Zero, Command::Withdraw { asset: AssetIndex(0), amount });
            for _ in 0..frames {
                world.deliver(Side::One, None);
                world.deliver(Side::Zero, None);
            }
            world.crash(side);
            world.connect();
            world.run_for(10_000);
            world.mine_many(4);
            let paid = world.chain.state().paid_out[0];
            let view = world.node(Side::Zero).channel.view();
            assert_eq!(i128::try_from(view.balances[0].withdrawn[0]).unwrap(), paid[0]);
            assert!(paid == [30, 0] || paid == [0, 0]);
            world.assert_agreed();
        }
    }
}

#[test]
fn ready_is_told_on_each_connection() {
    let mut world = World::funded(100, 100);
    for _ in 0..3 {
        world.reconnect();
        world.run();
    }
    for side in Side::BOTH {
        let ready = world.node(side).events.iter().filter(|event| **event == Event::Ready).count();
        assert_eq!(ready, 4);
    }
}

#[test]
fn a_side_that_waits_for_the_peer_asks_again_after_a_while_and_not_at_once() {
    let mut world = World::funded(100, 10);
    world.disconnect();
    world.connected_alone(Side::Zero);
    let due = world.node(Side::Zero).channel.next_tick().expect("it asks again");
    assert!(due > world.now_ms);
}
