//! Towers that do their work while their client is away.

use crate::tower_world::{DAY, Watch, open_to_all};
use crate::world::World;
use strait_chain::dev::Reinclude;
use strait_engine::{Input, Notice, TowerEffect, TowerInput};
use strait_protocol::{Command, lock_hash};
use strait_store::MemoryDisk;
use strait_types::{Amount, AssetIndex, B256, ChannelId, U256};

/// Node 0 has paid 400 of 1,000 to node 1, whose state towers hold, and may go back to a disk from before that.
fn guarded(world: &mut World, watches: &mut [&mut Watch]) -> (ChannelId, MemoryDisk) {
    world.connect(0, 1);
    let channel = world.channel(0, 1, 1, 1_000);
    world.guard(1, watches);
    let old = world.nodes[0].disk.fork();
    world.pay(0, channel, 400);
    world.settle();
    world.hand_over(watches);
    let all = vec![Some(1); watches.len()];
    assert_eq!(world.acknowledged(1, channel), all);
    (channel, old)
}

fn is_paid(world: &World) -> bool {
    (world.received(0), world.received(1)) == (U256::from(600), U256::from(400))
}

#[test]
fn a_tower_answers_in_the_first_quarter_and_settles_while_its_client_is_away() {
    let mut world = World::new(2);
    let mut watch = Watch::new(&world, 0, open_to_all());
    let (channel, old) = guarded(&mut world, &mut [&mut watch]);
    world.cheat(&old, channel);
    watch.follow(world.now);
    assert!(watch.calls.is_empty(), "its client may be there, and comes first");
    let dispute = watch.tower.status().disputes.pop().expect("one");
    assert!(!dispute.answered && !dispute.ours);
    let quarter = dispute.deadline - DAY * 3 / 4;
    for _ in 0..23 {
        world.chain_passes(DAY / 4 / 24, &mut [&mut watch]);
    }
    let now = watch.tower.status().chain.head.expect("a head").time;
    assert!(now < quarter, "{now}");
    assert_eq!(watch.calls, ["respond"]);
    assert!(watch.tower.status().disputes.pop().expect("it runs on").answered);
    world.chain_passes(DAY, &mut [&mut watch]);
    world.chain_passes(DAY / 4, &mut [&mut watch]);
    assert_eq!((&watch.calls[..], watch.failed), (&["respond", "settle"][..], 0));
    assert!(is_paid(&world));
    assert_eq!(watch.tower.status().channels, 0, "what is over is forgotten");
    watch.restart();
    assert_eq!(watch.tower.status().channels, 0);
}

#[test]
fn a_tower_that_dies_in_the_middle_goes_on_from_its_disk() {
    let mut world = World::new(2);
    let mut watch = Watch::new(&world, 0, open_to_all());
    let (channel, old) = guarded(&mut world, &mut [&mut watch]);
    watch.restart();
    world.cheat(&old, channel);
    watch.follow(world.now);
    watch.restart();
    world.chain_passes(DAY / 5, &mut [&mut watch]);
    assert_eq!(watch.calls, ["respond"]);
    watch.restart();
    world.chain_passes(60, &mut [&mut watch]);
    assert_eq!(watch.calls, ["respond"], "the chain shows that it was done");
    world.chain_passes(DAY, &mut [&mut watch]);
    world.chain_passes(DAY / 4, &mut [&mut watch]);
    assert!(is_paid(&world));
}

#[test]
fn a_client_that_is_there_answers_itself_and_its_tower_spends_nothing() {
    let mut world = World::new(2);
    let mut watch = Watch::new(&world, 0, open_to_all());
    let (channel, old) = guarded(&mut world, &mut [&mut watch]);
    world.cheat(&old, channel);
    world.follow();
    watch.follow(world.now);
    world.chain_passes(DAY / 4, &mut [&mut watch]);
    assert!(watch.calls.is_empty(), "{:?}", watch.calls);
    assert!(watch.tower.status().disputes.pop().expect("it runs on").answered);
}

#[test]
fn of_two_towers_one_answers_and_the_other_does_when_the_first_is_gone() {
    for dead in [false, true] {
        let mut world = World::new(2);
        let mut first = Watch::new(&world, 0, open_to_all());
        let mut second = Watch::new(&world, 1, open_to_all());
        let (channel, old) = guarded(&mut world, &mut [&mut first, &mut second]);
        world.cheat(&old, channel);
        for _ in 0..60 {
            let mut both = vec![&mut second];
            if !dead {
                both.insert(0, &mut first);
            }
            world.chain_passes(DAY / 4 / 64, &mut both);
        }
        let calls = (first.calls.len(), second.calls.len());
        assert!(if dead { calls == (0, 1) } else { calls.0 + calls.1 == 1 }, "{calls:?}");
        assert_eq!(first.failed + second.failed, 0);
    }
}

#[test]
fn a_tower_answers_again_when_a_reorg_undoes_its_answer_and_the_challenge_too() {
    let mut world = World::new(2);
    let mut watch = Watch::new(&world, 0, open_to_all());
    let (channel, old) = guarded(&mut world, &mut [&mut watch]);
    world.cheat(&old, channel);
    world.chain_passes(DAY / 5, &mut [&mut watch]);
    assert_eq!(watch.calls, ["respond"]);
    let chain = world.nodes[0].port.chain().clone();
    chain.with(|chain| chain.reorg(1, &Reinclude::Never)).expect("it can");
    for _ in 0..4 {
        world.chain_passes(60, &mut [&mut watch]);
    }
    assert_eq!(watch.calls, ["respond", "respond"]);
    assert!(watch.tower.status().disputes.pop().expect("it runs on").answered);
}

#[test]
fn a_dispute_that_began_before_the_hand_over_is_answered() {
    let mut world = World::new(2);
    let mut watch = Watch::new(&world, 0, open_to_all());
    world.connect(0, 1);
    let channel = world.channel(0, 1, 1, 1_000);
    let old = world.nodes[0].disk.fork();
    world.pay(0, channel, 400);
    world.settle();
    world.nodes[1].mute = true;
    world.cheat(&old, channel);
    world.follow();
    watch.follow(world.now);
    world.guard(1, &mut [&mut watch]);
    world.chain_passes(DAY / 5, &mut [&mut watch]);
    assert_eq!(watch.calls, ["respond"]);
}

#[test]
fn one_tower_serves_both_sides_and_shows_the_higher_state() {
    let mut world = World::new(2);
    let mut watch = Watch::new(&world, 0, open_to_all());
    world.connect(0, 1);
    let channel = world.channel(0, 1, 1, 1_000);
    world.guard(0, &mut [&mut watch]);
    world.guard(1, &mut [&mut watch]);
    let old = world.nodes[0].disk.fork();
    world.pay(0, channel, 100);
    world.settle();
    world.hand_over(&mut [&mut watch]);
    world.leave(0, &mut watch);
    world.pay(0, channel, 300);
    world.settle();
    world.hand_over(&mut [&mut watch]);
    assert_eq!(
        (world.acknowledged(0, channel), world.acknowledged(1, channel)),
        (vec![Some(1)], vec![Some(2)])
    );
    world.cheat(&old, channel);
    world.chain_passes(DAY / 5, &mut [&mut watch]);
    assert_eq!(watch.calls, ["respond"]);
    let dispute = watch.tower.status().disputes.pop().expect("it runs on");
    assert_eq!(dispute.recorded.0, 2);
}

#[test]
fn a_known_preimage_is_registered_in_time_and_the_lock_is_paid() {
    let mut world = World::new(2);
    let mut watch = Watch::new(&world, 0, open_to_all());
    world.connect(0, 1);
    let channel = world.channel(0, 1, 1, 1_000);
    world.guard(1, &mut [&mut watch]);
    let old = world.nodes[0].disk.fork();
    let (preimage, expiry) = (B256::repeat_byte(5), world.now / 1_000 + DAY / 2);
    let (amount, hash) = (Amount::from(400u64), lock_hash(preimage));
    let token = world.token();
    let command = Command::AddLock { asset: AssetIndex(0), amount, hash, expiry };
    world.input(0, Input::Command { token, channel, command }).expect("commits");
    world.settle();
    world.disconnect(0, 1);
    let token = world.token();
    let command = Command::SettleLock { number: 0, preimage };
    // It cannot be settled now, but is known.
    world.input(1, Input::Command { token, channel, command }).expect("commits");
    world.hand_over(&mut [&mut watch]);
    assert_eq!(world.acknowledged(1, channel), [Some(1)]);
    world.connect(0, 1);
    world.cheat(&old, channel);
    for _ in 0..24 {
        world.chain_passes(DAY / 16, &mut [&mut watch]);
    }
    assert_eq!(watch.failed, 0);
    assert_eq!(watch.calls, ["register preimage", "respond", "settle", "unlock"]);
    assert!(is_paid(&world));
}

#[test]
fn a_tower_that_was_away_gets_the_newest_alone_and_nothing_waits_for_it() {
    let mut world = World::new(2);
    let mut watch = Watch::new(&world, 0, open_to_all());
    let (channel, _) = guarded(&mut world, &mut [&mut watch]);
    world.leave(1, &mut watch);
    for _ in 0..50 {
        let token = world.pay(0, channel, 1);
        world.settle();
        assert!(world.outcome(0, token).expect("at once").is_ok(), "no payment waits for a tower");
    }
    assert!(world.to_towers.is_empty());
    let told = |world: &World, wanted: fn(&Notice) -> bool| {
        world.nodes[1].notices.iter().filter(|notice| wanted(notice)).count()
    };
    let behind = |notice: &Notice| matches!(notice, Notice::TowerBehind { channels: 1, .. });
    assert_eq!(told(&world, behind), 0);
    world.pass(70_000);
    assert_eq!(told(&world, behind), 1, "{:?}", world.nodes[1].notices);
    world.reach(1, &mut watch);
    world.hand_over(&mut [&mut watch]);
    world.pass(10_000);
    assert_eq!(world.acknowledged(1, channel), [Some(51)]);
    assert_eq!(told(&world, |notice| matches!(notice, Notice::TowerCurrent { .. })), 1);
    assert_eq!(told(&world, behind), 1);
}

#[test]
fn a_node_that_starts_again_knows_what_its_tower_holds() {
    let mut world = World::new(2);
    let mut watch = Watch::new(&world, 0, open_to_all());
    let (channel, _) = guarded(&mut world, &mut [&mut watch]);
    world.pass(20_000);
    world.restart(1);
    let node = &mut world.nodes[1];
    node.engine.recover_towers(&[watch.signer()], &node.store).expect("reads");
    assert_eq!(world.acknowledged(1, channel), [Some(1)], "without asking");
    world.reach(1, &mut watch);
    let before = watch.tower.held(channel, world.signer(1)).cloned();
    world.hand_over(&mut [&mut watch]);
    assert_eq!(watch.tower.held(channel, world.signer(1)).cloned(), before);
    let engine = &world.nodes[1].engine;
    assert_eq!(engine.towers()[0].behind, 0);
    let receipt = engine.receipt(watch.signer(), channel).expect("its word");
    receipt.verify(engine.domain(), watch.signer(), engine.signer()).expect("signed by it for this node");
}

#[test]
fn the_payments_of_a_channel_do_not_grow_its_record() {
    let mut world = World::new(2);
    let mut watch = Watch::new(&world, 0, open_to_all());
    let (channel, _) = guarded(&mut world, &mut [&mut watch]);
    let before = watch.tower.status().bytes;
    for _ in 0..20 {
        for _ in 0..20 {
            world.pay(0, channel, 1);
        }
        world.settle();
        world.hand_over(&mut [&mut watch]);
    }
    assert_eq!(watch.tower.status().bytes, before);
    let Some(version) = world.acknowledged(1, channel)[0] else { panic!("it was handed over") };
    assert!(version > 20, "{version}");
}

#[test]
fn a_node_without_its_data_gets_its_channels_back_and_rebases_with_an_honest_peer() {
    let mut world = World::new(2);
    let mut watch = Watch::new(&world, 0, open_to_all());
    world.connect(0, 1);
    let channel = world.channel(0, 1, 1, 1_000);
    let empty = MemoryDisk::new();
    world.guard(1, &mut [&mut watch]);
    world.pay(0, channel, 400);
    world.settle();
    world.hand_over(&mut [&mut watch]);
    world.disconnect(0, 1);
    world.leave(1, &mut watch);
    world.nodes[1].disk = empty;
    world.restart(1);
    world.follow();
    let towers = vec![watch.signer()];
    world.input(1, Input::Tower(TowerInput::Set { towers })).expect("commits");
    world.reach(1, &mut watch);
    world.hand_over(&mut [&mut watch]);
    let handed = |notice: &Notice| matches!(notice, Notice::HandedBack { version, .. } if version.0 == 1);
    assert!(world.nodes[1].notices.iter().any(handed), "{:?}", world.nodes[1].notices);
    assert_eq!(world.own(1, channel), 400);
    assert!(world.nodes[1].engine.view(channel).expect("known").restoring);
    world.connect(0, 1);
    // Until nothing that was forgotten can be executed any more.
    for _ in 0..3 {
        world.chain_passes(3_700, &mut [&mut watch]);
        world.follow();
        world.pass(10_000);
    }
    assert!(!world.nodes[1].engine.view(channel).expect("known").restoring);
    let token = world.pay(1, channel, 50);
    world.settle();
    assert!(world.outcome(1, token).expect("at once").is_ok());
}

#[test]
fn with_a_peer_that_lies_a_restored_node_signs_for_no_less_and_leaves_with_its_towers_state() {
    let mut world = World::new(2);
    let mut watch = Watch::new(&world, 0, open_to_all());
    world.connect(0, 1);
    let channel = world.channel(0, 1, 1, 1_000);
    world.guard(1, &mut [&mut watch]);
    world.pay(0, channel, 100);
    world.settle();
    let (liar, backup) = (world.nodes[0].disk.fork(), world.nodes[1].disk.fork());
    world.pay(0, channel, 400);
    world.settle();
    world.hand_over(&mut [&mut watch]);
    assert_eq!(world.acknowledged(1, channel), [Some(2)]);
    world.disconnect(0, 1);
    world.leave(1, &mut watch);
    // Both go back to the payment before; the peer says that nothing has come since.
    world.replace(0, liar, false);
    world.replace(1, backup, true);
    let towers = vec![watch.signer()];
    world.input(1, Input::Tower(TowerInput::Set { towers })).expect("commits");
    world.connect(0, 1);
    for _ in 0..3 {
        world.chain_passes(3_700, &mut [&mut watch]);
        world.follow();
        world.pass(10_000);
    }
    let view = world.nodes[1].engine.view(channel).expect("known");
    assert!(view.restoring && view.version.0 == 1, "nothing is signed before the tower was asked: {view:?}");
    world.disconnect(0, 1);
    world.reach(1, &mut watch);
    world.hand_over(&mut [&mut watch]);
    assert_eq!(world.own(1, channel), 500);
    let token = world.token();
    world.input(1, Input::Command { token, channel, command: Command::ForceClose }).expect("commits");
    for _ in 0..3 {
        world.chain_passes(DAY / 2 + 600, &mut []);
        world.follow();
    }
    assert_eq!((world.received(0), world.received(1)), (U256::from(500), U256::from(500)));
}

#[test]
fn a_tower_that_goes_before_it_has_handed_back_all_has_not_told_all() {
    let mut world = World::new(2);
    let mut watch = Watch::new(&world, 0, open_to_all());
    world.connect(0, 1);
    let channel = world.channel(0, 1, 1, 1_000);
    world.guard(1, &mut [&mut watch]);
    world.pay(0, channel, 100);
    world.settle();
    let (liar, backup) = (world.nodes[0].disk.fork(), world.nodes[1].disk.fork());
    world.pay(0, channel, 400);
    world.settle();
    world.hand_over(&mut [&mut watch]);
    world.disconnect(0, 1);
    world.leave(1, &mut watch);
    world.replace(0, liar, false);
    world.replace(1, backup, true);
    let (tower, peer) = (watch.signer(), world.signer(1));
    world.input(1, Input::Tower(TowerInput::Set { towers: vec![tower] })).expect("commits");
    world.reach(1, &mut watch);
    let Some((1, TowerEffect::Send { frame, .. })) = world.to_towers.pop_front() else { panic!("asks") };
    for (_, bytes) in watch.input(world.now, Input::Frame { peer, bytes: frame }) {
        world.input(1, Input::Tower(TowerInput::Frame { tower, bytes })).expect("commits");
    }
    assert!(!world.to_towers.is_empty(), "what the list names above its own is asked for");
    world.to_towers.clear();
    world.leave(1, &mut watch);
    world.connect(0, 1);
    for _ in 0..3 {
        world.chain_passes(3_700, &mut [&mut watch]);
        world.follow();
        world.pass(10_000);
    }
    let view = world.nodes[1].engine.view(channel).expect("known");
    assert!(view.restoring && view.version.0 == 1, "nothing is signed: {view:?}");
    world.reach(1, &mut watch);
    world.hand_over(&mut [&mut watch]);
    assert_eq!(world.own(1, channel), 500);
}

#[test]
fn what_a_tower_hands_back_is_adopted_only_when_it_is_known_by_which_state_the_chain_settled() {
    let mut world = World::new(2);
    let mut watch = Watch::new(&world, 0, open_to_all());
    world.connect(0, 1);
    let channel = world.channel(0, 1, 1, 1_000);
    world.guard(1, &mut [&mut watch]);
    world.pay(0, channel, 400);
    world.settle();
    let (expiry, hash) = (world.now / 1_000 + 3 * DAY, lock_hash(B256::repeat_byte(5)));
    let command = Command::AddLock { asset: AssetIndex(0), amount: Amount::from(100u64), hash, expiry };
    let token = world.token();
    world.input(1, Input::Command { token, channel, command }).expect("commits");
    world.settle();
    let (cheat, backup) = (world.nodes[0].disk.fork(), world.nodes[1].disk.fork());
    let token = world.token();
    let command = Command::CancelLock { number: 0 };
    world.input(0, Input::Command { token, channel, command }).expect("commits");
    world.settle();
    world.hand_over(&mut [&mut watch]);
    world.leave(1, &mut watch);
    world.cheat(&cheat, channel);
    world.chain_passes(DAY + 60, &mut []);
    for _ in 0..2 {
        world.follow_one(0);
        world.chain_passes(60, &mut []);
    }
    world.replace(1, backup, true);
    let towers = vec![watch.signer()];
    world.input(1, Input::Tower(TowerInput::Set { towers })).expect("commits");
    world.reach(1, &mut watch);
    world.hand_over(&mut [&mut watch]);
    let held = world.nodes[1].engine.view(channel).expect("known").locks.len();
    assert_eq!(held, 1, "the newer state, which has no locks, is not adopted yet");
    world.follow();
    for _ in 0..20 {
        world.hand_over(&mut [&mut watch]);
    }
    assert_eq!(
        world.nodes[1].engine.view(channel).expect("known").locks.len(),
        0,
        "the tower was asked again"
    );
    for _ in 0..3 {
        world.chain_passes(DAY, &mut []);
        world.follow();
    }
    assert_eq!(world.received(1), U256::from(400));
}

#[test]
fn a_record_of_another_format_is_refused_and_never_misread() {
    let mut world = World::new(2);
    let mut watch = Watch::new(&world, 0, open_to_all());
    let (channel, _) = guarded(&mut world, &mut [&mut watch]);
    // Before records said their format they began with the number of guards.
    for record in [vec![1, 0, 0, 0], vec![2, 0, 0, 0], vec![4, 1, 0, 0, 0]] {
        let error = watch.start_with(channel, record).expect_err("refused").to_string();
        assert!(error.contains("written by another release") && error.contains("keep its key"), "{error}");
    }
    let error = watch.start_with(channel, vec![3, 1, 0, 0, 0]).expect_err("damaged").to_string();
    assert!(!error.contains("another release"), "{error}");
}
