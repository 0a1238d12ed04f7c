//! Towers and channels within channels, while their client is away for the whole dispute.

use crate::apps::won_by;
use crate::children::{DEPOSIT, game, purse};
use crate::children_disputed::{WON, challenge_at_zero, stalled, submit};
use crate::tower_world::{DAY, Watch, open_to_all};
use crate::world::{World, sticks};
use strait_engine::tower::{ClientFrame, Quotas, TowerConfig};
use strait_engine::{Input, Notice, TowerInput};
use strait_protocol::{Command, Signer as _};
use strait_store::MemoryDisk;
use strait_types::abi::{app, calls};
use strait_types::{ChannelId, Side, State, U256};

/// What both have in the end when node 1 has paid 150 in the child.
const PAID: [u64; 2] = [DEPOSIT + 150, DEPOSIT - 150];

/// Node 1 brings a channel to the chain as if nothing had been paid in it.
fn challenge_parent_at_zero(world: &mut World, parent: ChannelId) {
    let params = world.nodes[1].engine.channel(parent).expect("known").params().clone();
    let state = State::zero(parent, 1);
    let digest = world.nodes[1].engine.domain().challenge_digest(parent, 0, state.hash());
    let signature = world.nodes[1].key.sign(digest).expect("signs");
    let data = calls::challenge(&params, &state, None, None, Side::One, Some(&signature));
    submit(world, 1, data);
}

/// A channel for payments within a channel, in which node 1 has paid 150 to node 0, whose tower holds both.
fn paid_in_child(watch: &mut Watch, world: &mut World, parent: ChannelId) -> ChannelId {
    world.guard(0, &mut [watch]);
    let child = world.child(0, parent, purse(100, 200));
    world.pay(1, child, 150);
    world.settle();
    world.hand_over(&mut [watch]);
    let versions = [parent, child].map(|channel| world.view(0, channel).version.0);
    assert_eq!([parent, child].map(|id| world.acknowledged(0, id)[0]), versions.map(Some));
    world.disconnect(0, 1);
    child
}

fn received(world: &World) -> [U256; 2] {
    [0, 1].map(|node| world.received(node))
}

fn count(watch: &Watch, call: &str) -> usize {
    watch.calls.iter().filter(|name| **name == call).count()
}

#[test]
fn a_tower_defends_parent_and_child_to_the_end_also_when_it_is_restarted() {
    for restarts in [false, true] {
        let (mut world, parent) = World::parent();
        let mut watch = Watch::new(&world, 0, open_to_all());
        let child = paid_in_child(&mut watch, &mut world, parent);
        challenge_parent_at_zero(&mut world, parent);
        challenge_at_zero(&mut world, child);
        for hours in 1..=40 {
            world.chain_passes(3_600, &mut [&mut watch]);
            if restarts {
                watch.restart();
            }
            if hours == 6 {
                assert_eq!(watch.calls, ["respond", "respond"], "within the first quarter");
            }
        }
        assert_eq!(received(&world), PAID.map(U256::from), "{:?}", watch.calls);
        for (call, calls) in [("respond", 2), ("settle", 2), ("unlock", 1)] {
            assert_eq!(count(&watch, call), calls, "{call} {:?}", watch.calls);
        }
        assert_eq!(watch.failed, 0);
        assert_eq!(watch.tower.status().channels, 0, "what is over is forgotten");
    }
}

#[test]
fn a_child_that_is_brought_before_the_chain_only_after_its_parent_was_settled_is_answered_too() {
    let (mut world, parent) = World::parent();
    let mut watch = Watch::new(&world, 0, open_to_all());
    let child = paid_in_child(&mut watch, &mut world, parent);
    challenge_parent_at_zero(&mut world, parent);
    (0..32).for_each(|_| world.chain_passes(3_600, &mut [&mut watch]));
    assert_eq!(watch.calls, ["respond", "settle"]);
    challenge_at_zero(&mut world, child);
    (0..32).for_each(|_| world.chain_passes(3_600, &mut [&mut watch]));
    assert_eq!(received(&world), PAID.map(U256::from), "{:?}", watch.calls);
}

#[test]
fn what_nobody_brings_before_the_chain_waits_for_the_client() {
    let (mut world, parent) = World::parent();
    let mut watch = Watch::new(&world, 0, open_to_all());
    paid_in_child(&mut watch, &mut world, parent);
    challenge_parent_at_zero(&mut world, parent);
    (0..90).for_each(|_| world.chain_passes(DAY, &mut [&mut watch]));
    assert_eq!(watch.calls, ["respond", "settle"], "no key, no challenge");
    world.nodes[1].mute = true;
    for _ in 0..8 {
        world.follow();
        world.chain_passes(DAY / 4, &mut []);
    }
    world.follow();
    assert_eq!(received(&world), PAID.map(U256::from));
}

#[test]
fn a_game_that_the_peer_cannot_win_any_more_is_not_taken_back() {
    let (mut world, parent, child) = stalled();
    let mut watch = Watch::new(&world, 0, open_to_all());
    world.guard(0, &mut [&mut watch]);
    world.disconnect(0, 1);
    submit(&mut world, 1, app::deploy_app(sticks().runtime()));
    challenge_parent_at_zero(&mut world, parent);
    challenge_at_zero(&mut world, child);
    (0..80).for_each(|_| world.chain_passes(3_600, &mut [&mut watch]));
    assert_eq!(received(&world), WON.map(U256::from), "{:?}", watch.calls);
    assert_eq!(watch.failed, 0);
}

#[test]
fn a_child_that_was_closed_back_takes_neither_room_nor_gas() {
    let (mut world, parent) = World::parent();
    let mut watch = Watch::new(&world, 0, open_to_all());
    world.guard(0, &mut [&mut watch]);
    let new = game(&world, 3);
    let child = world.child(0, parent, new);
    world.take(0, child, 3);
    world.hand_over(&mut [&mut watch]);
    assert_eq!(watch.tower.status().channels, 2);
    world.finish(child, &won_by(Side::Zero));
    world.hand_over(&mut [&mut watch]);
    assert_eq!(watch.tower.status().channels, 1);
    assert_eq!(world.acknowledged(0, child), [None], "and the client does not wait for it");
    watch.restart();
    watch.follow(world.now);
    assert_eq!(watch.tower.status().channels, 1);
    world.disconnect(0, 1);
    challenge_at_zero(&mut world, child);
    world.chain_passes(DAY / 4, &mut [&mut watch]);
    assert!(watch.calls.is_empty(), "{:?}", watch.calls);
}

#[test]
fn a_peer_that_hands_over_a_child_without_its_parent_takes_no_room_of_its_victims() {
    let (mut world, parent) = World::parent();
    let mut watch = Watch::new(&world, 0, open_to_all());
    world.guard(0, &mut [&mut watch]);
    let new = game(&world, 3);
    let child = world.child(0, parent, new);
    world.take(0, child, 3);
    world.hand_over(&mut [&mut watch]);
    let peer = world.signer(1);
    let guarded = watch.tower.held(child, world.signer(0)).cloned().expect("held");
    watch.input(world.now, Input::Connected { peer });
    let bytes = ClientFrame::Keep(Box::new(guarded)).encode();
    watch.input(world.now, Input::Frame { peer, bytes });
    assert!(watch.tower.held(child, peer).is_some());
    world.finish(child, &won_by(Side::Zero));
    world.hand_over(&mut [&mut watch]);
    let channels = |watch: &Watch, client| {
        let clients = watch.tower.status().clients;
        clients.iter().find(|of| of.client == client).map(|of| of.channels)
    };
    for _ in 0..2 {
        assert_eq!(channels(&watch, world.signer(0)), Some(1));
        assert_eq!(channels(&watch, peer), Some(1), "its own room is its own affair");
        watch.restart();
        watch.follow(world.now);
    }
}

#[test]
fn children_count_among_a_clients_channels() {
    let (mut world, parent) = World::parent();
    let config = TowerConfig { quotas: Quotas { channels: 1, ..open_to_all().quotas }, ..open_to_all() };
    let mut watch = Watch::new(&world, 0, config);
    world.guard(0, &mut [&mut watch]);
    world.pay(1, parent, 1);
    world.settle();
    world.hand_over(&mut [&mut watch]);
    let child = world.child(0, parent, purse(100, 200));
    world.pay(1, child, 150);
    world.settle();
    world.hand_over(&mut [&mut watch]);
    let refused =
        |notice: &Notice| matches!(notice, Notice::TowerRefused { channel, .. } if *channel == child);
    assert_eq!(world.nodes[0].notices.iter().filter(|notice| refused(notice)).count(), 1);
    assert_eq!(world.acknowledged(0, child), [None]);
}

#[test]
fn a_node_without_its_data_gets_parent_and_child_back_and_leaves_with_both() {
    let (mut world, parent) = World::parent();
    let mut watch = Watch::new(&world, 0, open_to_all());
    let child = paid_in_child(&mut watch, &mut world, parent);
    world.leave(0, &mut watch);
    world.nodes[0].disk = MemoryDisk::new();
    world.restart(0);
    world.follow();
    let towers = vec![watch.signer()];
    world.input(0, Input::Tower(TowerInput::Set { towers })).expect("commits");
    world.reach(0, &mut watch);
    world.hand_over(&mut [&mut watch]);
    assert_eq!(world.own(0, child), 250, "{:?}", world.nodes[0].notices);
    world.nodes[1].mute = true;
    world.command(0, parent, Command::ForceClose);
    for _ in 0..12 {
        world.follow();
        world.chain_passes(DAY / 4, &mut []);
    }
    world.follow();
    assert_eq!(received(&world), PAID.map(U256::from));
}
