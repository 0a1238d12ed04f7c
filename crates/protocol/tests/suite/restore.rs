//! Restores from backups: the operator's word, a peer that shows more than we know, and peers that lie.

use crate::adjudicator::Status;
use crate::chain::Transaction;
use crate::world::{Backup, World, settings};
use strait_protocol::{
    Body, ChainAction, Command, CommandError, Event, Rule, Settings, SignedPosition, Sync,
};
use strait_types::{B256, Side, Version};

/// Long enough that nothing which an earlier life agreed to can still be executed.
const WAIT: u64 = 2 * 3_600 + 60;

/// Of challenges, in seconds.
const PERIOD: u64 = 86_400;

/// 0 and 1 have traded both ways; a backup of each is from the middle.
fn traded() -> (World, [Backup; 2]) {
    let mut world = World::funded(100, 100);
    world.pay(Side::Zero, 10);
    world.pay(Side::One, 1);
    world.run();
    let backups = [world.nodes[0].backup(), world.nodes[1].backup()];
    world.pay(Side::Zero, 10);
    world.pay(Side::One, 2);
    world.run();
    (world, backups)
}

fn wait(world: &mut World) {
    world.run_for(5_000);
    world.mine_final(WAIT);
    world.run_for(10_000);
}

fn is_rebased(world: &World, side: Side) -> bool {
    world.node(side).events.iter().any(|event| matches!(event, Event::Rebased { .. }))
}

#[test]
fn the_peer_gives_back_what_was_lost_and_both_go_on_from_a_rebase() {
    for side in Side::BOTH {
        let (mut world, backups) = traded();
        let before = world.balances();
        world.restore(side, &backups[side.index()]);
        world.connect();
        world.run();
        assert!(world.node(side).channel.view().restoring);
        let early = world.pay(side, 1);
        assert_eq!(world.error(early), Some(&CommandError::Restoring));
        assert!(world.node(side.other()).channel.view().peer_restoring);
        let peers = world.pay(side.other(), 1);
        world.run();
        assert_eq!(world.error(peers), Some(&CommandError::Rule(Rule::Restoring)), "not kept for later");
        wait(&mut world);
        assert!(Side::BOTH.iter().all(|side| is_rebased(&world, *side)));
        assert_eq!(world.balances(), before);
        let version = world.node(side).channel.view().version;
        assert!(
            version.0 >> 24 > world.chain.time() - 2 * WAIT,
            "high bits from the chain's time: {version}"
        );
        let tokens = Side::BOTH.map(|side| world.pay(side, 3));
        world.run();
        assert!(tokens.iter().all(|token| world.is_paid(*token)));
        world.assert_agreed();
    }
}

#[test]
fn a_replaced_data_directory_is_found_out_by_the_peers_proof() {
    for side in Side::BOTH {
        let (mut world, backups) = traded();
        let before = world.balances();
        world.replace(side, &backups[side.index()]);
        world.connect();
        world.run_for(5_000);
        assert!(world.node(side).channel.view().restoring);
        wait(&mut world);
        assert!(is_rebased(&world, side));
        assert_eq!(world.balances(), before);
        world.assert_agreed();
    }
}

#[test]
fn a_current_backup_needs_a_rebase_too() {
    let (mut world, _) = traded();
    let backup = world.node(Side::One).backup();
    world.restore(Side::One, &backup);
    world.connect();
    wait(&mut world);
    assert!(is_rebased(&world, Side::One));
    world.assert_agreed();
}

#[test]
fn what_was_in_flight_is_made_once_after_the_rebase() {
    let (mut world, backups) = traded();
    if !world.node(Side::Zero).channel.view().writer {
        world.pay(Side::Zero, 1);
        world.run();
    }
    let token = world.pay(Side::Zero, 7);
    world.intercept(Side::Zero);
    world.restore(Side::One, &backups[1]);
    world.connect();
    wait(&mut world);
    assert!(world.is_paid(token), "{:?}", world.ended(token));
    world.assert_agreed();
}

#[test]
fn both_may_be_restored() {
    let (mut world, backups) = traded();
    for side in Side::BOTH {
        world.restore(side, &backups[side.index()]);
    }
    world.connect();
    wait(&mut world);
    assert_eq!(world.node(Side::Zero).channel.view().link, "up");
    assert_eq!(world.balances(), [91, 109]);
    let token = world.pay(Side::Zero, 1);
    world.run();
    assert!(world.is_paid(token));
    // What both lost is lost.
    crate::checks::agreed(&world);
}

#[test]
fn both_may_be_restored_from_backups_of_different_age() {
    for older in Side::BOTH {
        let (mut world, backups) = traded();
        let fresh = world.node(older.other()).backup();
        world.restore(older, &backups[older.index()]);
        world.restore(older.other(), &fresh);
        world.connect();
        wait(&mut world);
        world.run_for(10_000);
        assert_eq!(world.node(older).channel.view().link, "up");
        assert_eq!(world.balances(), [83, 117]);
        world.assert_agreed();
    }
}

#[test]
fn a_second_restore_makes_another_rebase() {
    let (mut world, backups) = traded();
    let mut versions = Vec::new();
    for _ in 0..2 {
        world.restore(Side::One, &backups[1]);
        world.connect();
        wait(&mut world);
        versions.push(world.node(Side::One).channel.view().version);
        world.pay(Side::One, 1);
        world.run();
        world.assert_agreed();
    }
    assert!(versions[0] < versions[1]);
}

#[test]
fn a_crash_in_the_middle_of_a_rebase_repeats_it() {
    for side in Side::BOTH {
        for frames in 0..6 {
            let (mut world, backups) = traded();
            world.restore(Side::One, &backups[1]);
            world.connect();
            world.run();
            world.mine_final(WAIT);
            world.now_ms += 5_000;
            world.tick();
            for _ in 0..frames {
                world.deliver(Side::Zero, None);
                world.deliver(Side::One, None);
            }
            world.crash(side);
            world.connect();
            wait(&mut world);
            wait(&mut world);
            assert_eq!(world.node(Side::One).channel.view().link, "up");
            assert_eq!(world.balances(), [83, 117]);
            world.assert_agreed();
        }
    }
}

#[test]
fn a_peer_that_shows_its_states_one_by_one_gets_no_two_rebases_of_one_number() {
    let (mut world, backups) = traded();
    let mut shown = Vec::new();
    let old = backups[1].clone();
    shown.extend(world.latest(Side::Zero));
    world.restore(Side::One, &old);
    let first = world.latest(Side::One).unwrap();
    world.connected_alone(Side::One);
    world.mine_final(WAIT);
    world.intercept(Side::One);
    let sync = Sync {
        confirmed: first.position.state.version,
        confirmed_hash: first.position.state.hash(),
        signature: Some(first.signatures[0]),
        restored: false,
        reply: false,
    };
    // `World::release` fails the test if a number is used for two states.
    world.inject(Side::One, Body::Sync(sync.clone()));
    world.mine_final(WAIT);
    world.inject(Side::One, Body::Sync(sync));
    let rebases = world.intercept(Side::One).into_iter().filter(|b| matches!(b, Body::Rebase { .. })).count();
    assert_eq!(rebases, 1);
    for latest in shown {
        world.inject(Side::One, Body::Latest(latest));
    }
    let again = world.intercept(Side::One).into_iter().filter(|b| matches!(b, Body::Rebase { .. })).count();
    assert_eq!(again, 0, "the number of this second is taken");
    world.mine_many(2);
    world.run_for(5_000);
}

#[test]
fn a_rebase_of_a_state_that_is_no_longer_the_best_is_made_anew() {
    let mut world = World::funded(100, 100);
    world.pay(Side::Zero, 1);
    world.run();
    let base = world.latest(Side::Zero).unwrap();
    world.pay(Side::Zero, 2);
    let Some(Body::Update(update)) = world.intercept(Side::Zero).pop() else { panic!("an update") };
    let next = base.position.next(update.version, &update.operations, &mut |_, _| Ok(())).unwrap();
    let backup = world.node(Side::Zero).backup();
    world.restore(Side::Zero, &backup);
    world.connected_alone(Side::Zero);
    let sync = |position: &strait_protocol::Position| {
        Body::Sync(Sync {
            confirmed: position.state.version,
            confirmed_hash: position.state.hash(),
            signature: None,
            restored: false,
            reply: false,
        })
    };
    let rebases = |world: &mut World| -> Vec<(Version, Version)> {
        let sent = world.intercept(Side::Zero).into_iter();
        sent.filter_map(|body| match body {
            Body::Rebase { base, version, .. } => Some((base, version)),
            _ => None,
        })
        .collect()
    };
    world.inject(Side::Zero, sync(&base.position));
    world.mine_final(WAIT);
    world.inject(Side::Zero, sync(&base.position));
    let first = rebases(&mut world);
    assert_eq!(first.len(), 1);
    // Only now the peer admits that it has countersigned the next one.
    let signature = world.sign(Side::One, &next.state);
    world.inject(Side::Zero, Body::Acknowledge { version: update.version, signature });
    world.mine();
    world.inject(Side::Zero, sync(&next));
    let second = rebases(&mut world);
    assert_eq!(second.len(), 1);
    assert_eq!((first[0].0, second[0].0), (Version(1), Version(2)));
    assert_ne!(first[0].1, second[0].1);
}

#[test]
fn a_rebase_whose_number_the_peer_does_not_take_is_made_anew() {
    let (mut world, backups) = traded();
    for side in Side::BOTH {
        world.restore(side, &backups[side.index()]);
    }
    // The second was restored first and has signed a rebase of its own, which nobody took.
    let sync = world.latest(Side::Zero).unwrap();
    world.connected_alone(Side::One);
    let sync = Sync {
        confirmed: sync.position.state.version,
        confirmed_hash: sync.position.state.hash(),
        signature: Some(sync.signatures[0]),
        restored: false,
        reply: false,
    };
    world.inject(Side::One, Body::Sync(sync.clone()));
    world.mine_final(WAIT);
    world.inject(Side::One, Body::Sync(sync));
    assert!(world.intercept(Side::One).iter().any(|body| matches!(body, Body::Rebase { .. })));
    world.connect();
    wait(&mut world);
    world.mine_many(2);
    wait(&mut world);
    assert_eq!(world.balances(), [91, 109]);
    crate::checks::agreed(&world);
}

#[test]
fn a_forgotten_close_cannot_be_used_after_the_rebase() {
    let (mut world, backups) = traded();
    world.muted.extend(Side::BOTH);
    world.command(Side::One, Command::Close);
    world.run();
    world.restore(Side::One, &backups[1]);
    // The peer lies: it shows what it had before the close.
    world.replace(Side::Zero, &backups[0]);
    world.connect();
    world.run_for(10_000);
    world.mine_final(3_000);
    world.run_for(10_000);
    assert!(!is_rebased(&world, Side::One), "the close is still executable");
    world.mine_final(WAIT);
    world.run_for(10_000);
    assert!(is_rebased(&world, Side::One));
}

#[test]
fn a_rebase_waits_for_a_withdrawal_that_is_under_way() {
    let (mut world, backups) = traded();
    world.muted.extend(Side::BOTH);
    let asset = strait_types::AssetIndex(0);
    world.command(Side::Zero, Command::Withdraw { asset, amount: crate::world::amount(5) });
    world.run();
    world.restore(Side::One, &backups[1]);
    world.connect();
    world.run_for(10_000);
    world.muted.clear();
    world.mine_many(3);
    assert_eq!(world.chain.state().paid_out, [[5, 0]]);
    wait(&mut world);
    assert!(is_rebased(&world, Side::One));
    assert_eq!(world.balances(), [78, 117]);
    world.assert_agreed();
}

#[test]
fn a_restored_side_exits_with_its_best_when_the_peer_will_not() {
    let (mut world, backups) = traded();
    world.restore(Side::One, &backups[1]);
    world.muted.insert(Side::Zero);
    world.command(Side::One, Command::ForceClose);
    assert_eq!(world.wanted_names(Side::One), ["challenge"]);
    world.mine();
    world.mine_after(86_401);
    world.mine();
    assert_eq!(world.chain.state().paid_out, [[91, 109]]);
}

#[test]
fn a_restored_side_adopts_nothing_before_it_knows_by_which_state_the_chain_settled() {
    for is_told in [false, true] {
        let mut world = World::funded(100, 100);
        let expiry = world.chain.time() + 3 * PERIOD;
        world.lock(Side::Zero, 40, B256::repeat_byte(7), expiry);
        world.run();
        let (shown, backup) = (world.latest(Side::Zero).unwrap(), world.node(Side::Zero).backup());
        world.command(Side::One, Command::CancelLock { number: 0 });
        world.run();
        assert_eq!(world.node(Side::Zero).channel.view().locks, []);
        if is_told {
            world.restore(Side::Zero, &backup);
        } else {
            world.replace(Side::Zero, &backup);
        }
        world.challenge(Side::One, Some(&shown));
        let begun = world.chain.time() + 12;
        world.chain.mine(begun);
        let settle = ChainAction::Settle(Box::new(shown.position.state.clone()));
        world.chain.waiting.push(Transaction::Call(settle));
        world.chain.mine(begun + PERIOD + 1);
        world.now_ms = world.chain.time() * 1_000;
        world.connect();
        world.run_for(10_000);
        assert_eq!(world.chain.state().status, Status::Settled);
        world.mine_at(expiry + 1);
        world.mine_many(2);
        assert_eq!(world.chain.state().status, Status::Closed, "told of the restore: {is_told}");
        assert_eq!(world.chain.state().paid_out, [[100, 100]]);
    }
}

#[test]
fn a_restored_side_adopts_what_it_was_shown_before_the_chain_was_read_once_it_is() {
    let mut world = World::funded(100, 100);
    let expiry = world.chain.time() + 3 * PERIOD;
    world.lock(Side::Zero, 40, B256::repeat_byte(7), expiry);
    world.run();
    let backup = world.node(Side::Zero).backup();
    world.pay(Side::Zero, 5);
    world.run();
    world.restore(Side::Zero, &backup);
    let later = world.chain.time() + PERIOD;
    world.chain.mine(later);
    world.now_ms = later * 1_000;
    world.connect();
    world.run_for(10_000);
    assert_eq!(world.balance(Side::Zero), 60, "nothing is adopted yet");
    world.follow();
    wait(&mut world);
    assert!(is_rebased(&world, Side::Zero));
    assert_eq!(world.balance(Side::Zero), 55);
    world.assert_agreed();
}

#[test]
fn a_rebase_is_signed_only_when_it_is_known_by_which_state_the_chain_settled() {
    let mut world = World::funded(100, 100);
    world.pay(Side::Zero, 10);
    world.run();
    let before = world.latest(Side::Zero).unwrap().position;
    let expiry = world.chain.time() + 3 * PERIOD;
    world.lock(Side::Zero, 40, B256::repeat_byte(7), expiry);
    let Some(Body::Update(update)) = world.intercept(Side::Zero).pop() else { panic!("an update") };
    let position = before.next(update.version, &update.operations, &mut |_, _| Ok(())).unwrap();
    let signatures = [update.signature, world.sign(Side::One, &position.state)];
    let shown = SignedPosition { position, signatures };
    world.disconnect();
    // The peer keeps its signature to itself, and settles by that version while 0 sees nothing of the chain.
    let head_time = world.chain.time();
    world.challenge(Side::One, Some(&shown));
    world.chain.mine(head_time + 12);
    let settle = ChainAction::Settle(Box::new(shown.position.state.clone()));
    world.chain.waiting.push(Transaction::Call(settle));
    world.chain.mine(head_time + 12 + PERIOD + 1);
    world.now_ms = world.chain.time() * 1_000;
    world.connected_alone(Side::Zero);
    let sync = Sync {
        confirmed: update.base,
        confirmed_hash: update.base_hash,
        signature: None,
        restored: true,
        reply: false,
    };
    world.inject(Side::Zero, Body::Sync(sync));
    let version = Version(head_time << 24);
    let signature = world.sign(Side::One, &before.rebased(version, false).state);
    world.inject(
        Side::Zero,
        Body::Rebase { base: update.base, base_hash: update.base_hash, version, signature },
    );
    assert!(!is_rebased(&world, Side::Zero));
    world.mine_at(expiry + 1);
    world.mine_many(2);
    assert_eq!(world.chain.state().status, Status::Closed);
    assert_eq!(world.chain.state().paid_out, [[90, 110]]);
}

/// 1 was restored, and asks its peer for a rebase.
fn asking(settings: Settings) -> World {
    let mut world = World::with(1, &[crate::world::settings(), settings]);
    world.mine();
    world.deposit(Side::Zero, 0, 100);
    world.mine_many(3);
    world.connect();
    world.run();
    world.pay(Side::Zero, 10);
    world.run();
    let backup = world.node(Side::One).backup();
    let sync = world.latest(Side::Zero).unwrap();
    world.restore(Side::One, &backup);
    world.connected_alone(Side::One);
    let sync = Sync {
        confirmed: sync.position.state.version,
        confirmed_hash: sync.position.state.hash(),
        signature: Some(sync.signatures[0]),
        restored: false,
        reply: false,
    };
    world.inject(Side::One, Body::Sync(sync.clone()));
    world.mine_final(WAIT);
    world.inject(Side::One, Body::Sync(sync));
    assert!(world.intercept(Side::One).iter().any(|body| matches!(body, Body::Rebase { .. })));
    world
}

#[test]
fn a_restored_side_leaves_by_itself_when_its_peer_signs_no_rebase() {
    let mut world = asking(Settings { move_patience: 3_600, ..settings() });
    world.inject(Side::One, Body::Fault { rule: Rule::Restoring });
    world.now_ms += 3_599_000;
    world.tick();
    assert!(world.wanted_names(Side::One).is_empty(), "it may still come");
    world.now_ms += 1_000;
    world.tick();
    assert_eq!(world.wanted_names(Side::One), ["challenge"]);
    world.crash(Side::One);
    assert_eq!(world.wanted_names(Side::One), ["challenge"], "for good");
    world.muted.insert(Side::Zero);
    world.mine();
    world.mine_after(86_401);
    world.mine();
    assert_eq!(world.chain.state().paid_out, [[90, 10]]);
}

#[test]
fn a_restored_side_waits_for_ever_when_its_operator_says_so() {
    let mut world = asking(Settings { move_patience: 0, ..settings() });
    world.now_ms += 1_000_000_000;
    world.tick();
    assert!(world.wanted_names(Side::One).is_empty());
}

#[test]
fn only_what_carries_our_own_signature_is_adopted() {
    let (mut world, _) = traded();
    let mut forged = world.latest(Side::Zero).unwrap();
    forged.position.state.version = Version(99);
    forged.position.state.allocations[0].delta = [50, -50];
    forged.signatures[0] = world.sign(Side::Zero, &forged.position.state);
    let before = world.node(Side::One).channel.snapshot();
    world.inject(Side::One, Body::Latest(forged));
    assert!(world.node(Side::One).events.contains(&Event::PeerFault(Rule::BadSignature)));
    assert_eq!(world.node(Side::One).channel.snapshot(), before);
}

#[test]
fn a_state_that_the_peer_said_it_refused_is_no_proof_of_a_loss() {
    let (mut world, _) = traded();
    if !world.node(Side::Zero).channel.view().writer {
        world.pay(Side::Zero, 1);
        world.run();
    }
    let token = world.pay(Side::Zero, 5);
    let Some(Body::Update(update)) = world.intercept(Side::Zero).pop() else { panic!("an update") };
    let base = world.latest(Side::Zero).unwrap();
    let position = base.position.next(update.version, &update.operations, &mut |_, _| Ok(())).unwrap();
    let signatures = [update.signature, world.sign(Side::One, &position.state)];
    let refusal = strait_protocol::Refusal {
        version: update.version,
        index: None,
        rule: Rule::HoldTimeout,
        confirmed: base.position.state.version,
        signature: None,
    };
    world.inject(Side::Zero, Body::Refuse(refusal));
    world.inject(Side::Zero, Body::Latest(strait_protocol::SignedPosition { position, signatures }));
    assert!(!world.node(Side::Zero).channel.view().restoring);
    world.run_for(5_000);
    assert!(world.error(token).is_some());
    world.assert_agreed();
}

#[test]
fn counters_that_do_not_fit_the_locks_are_not_adopted() {
    let mut world = World::funded(100, 100);
    let backup = world.node(Side::One).backup();
    let expiry = world.chain.time() + 80_000;
    for byte in 1..3 {
        world.lock(Side::Zero, 10, B256::repeat_byte(byte), expiry);
    }
    world.run();
    let latest = world.latest(Side::Zero).unwrap();
    world.restore(Side::One, &backup);
    world.connected_alone(Side::One);
    let mut twice = latest.clone();
    twice.position.locks[1].number = 0;
    let mut low = latest.clone();
    low.position.locks_added = 1;
    let mut fewer = latest.clone();
    fewer.position.locks.pop();
    for forged in [twice, low, fewer] {
        world.inject(Side::One, Body::Latest(forged));
        assert_eq!(world.node(Side::One).channel.view().version, Version(0));
    }
    world.inject(Side::One, Body::Latest(latest));
    assert_ne!(world.node(Side::One).channel.view().version, Version(0));
}

#[test]
fn a_node_that_was_not_restored_takes_no_rebase() {
    let (mut world, _) = traded();
    let latest = world.latest(Side::Zero).unwrap();
    let version = Version(world.chain.time() << 24);
    let signature = world.sign(Side::Zero, &latest.position.rebased(version, false).state);
    let rebase = Body::Rebase {
        base: latest.position.state.version,
        base_hash: latest.position.state.hash(),
        version,
        signature,
    };
    let before = world.node(Side::One).channel.snapshot();
    world.inject(Side::One, rebase);
    assert_eq!(world.node(Side::One).channel.snapshot(), before);
}

#[test]
fn windows_of_agreements_bound_the_wait() {
    let short = Settings { execution_window: 60, ..settings() };
    let mut world = World::with(1, &[short.clone(), short]);
    world.mine();
    world.deposit(Side::Zero, 0, 100);
    world.mine_many(3);
    world.connect();
    world.run();
    world.pay(Side::Zero, 10);
    world.run();
    let backup = world.node(Side::Zero).backup();
    world.restore(Side::Zero, &backup);
    world.connect();
    world.run_for(5_000);
    world.mine_final(121);
    world.run_for(5_000);
    assert!(is_rebased(&world, Side::Zero));
}
