//! Very many channels with one peer: they synchronise a few at a time, and whoever is in a hurry need not wait.

use crate::world::World;
use std::collections::BTreeSet;
use strait_engine::Input;
use strait_protocol::{Command, CommandError, Frame, Settings};
use strait_types::ChannelId;

const MANY: u64 = 600;
const AT_ONCE: usize = 256;

/// Two nodes with many channels, and no connection.
fn apart() -> (World, Vec<ChannelId>) {
    let mut world = World::new(2);
    world.connect(0, 1);
    for nonce in 0..MANY {
        let (token, params) = (world.token(), world.params(0, 1, nonce));
        world.input(0, Input::Open { token, params, settings: Settings::default() }).expect("commits");
    }
    world.settle();
    world.disconnect(0, 1);
    let ids: Vec<_> = world.nodes[0].engine.channel_ids().collect();
    assert_eq!(ids.len() as u64, MANY);
    (world, ids)
}

fn links(world: &World, node: usize, ids: &[ChannelId]) -> BTreeSet<&'static str> {
    ids.iter().filter_map(|id| world.nodes[node].engine.view(*id)).map(|view| view.link).collect()
}

/// The channels that the frames under way are about.
fn on_the_wire(world: &World) -> BTreeSet<ChannelId> {
    let channel = |bytes: &[u8]| match Frame::decode(bytes) {
        Ok(Frame::Channel { channel, .. }) => Some(channel),
        _ => None,
    };
    world.wire.iter().filter_map(|(_, _, bytes)| channel(bytes)).collect()
}

fn connect_alone(world: &mut World, node: usize) {
    let peer = world.signer(1 - node);
    world.input(node, Input::Connected { peer }).expect("commits");
}

#[test]
fn many_channels_synchronise_a_few_at_a_time_until_all_are_up() {
    let (mut world, ids) = apart();
    connect_alone(&mut world, 0);
    assert_eq!(on_the_wire(&world).len(), AT_ONCE);
    assert_eq!(
        links(&world, 0, &ids),
        BTreeSet::from(["syncing"]),
        "whether they wait for their turn or not"
    );
    connect_alone(&mut world, 1);
    world.settle();
    for node in 0..2 {
        assert_eq!(links(&world, node, &ids), BTreeSet::from(["up"]));
    }
    world.disconnect(0, 1);
    assert_eq!(links(&world, 0, &ids), BTreeSet::from(["down"]));
}

#[test]
fn a_channel_that_is_used_synchronises_before_its_turn() {
    let (mut world, ids) = apart();
    connect_alone(&mut world, 0);
    let last = *ids.last().expect("many");
    assert!(!on_the_wire(&world).contains(&last));
    let token = world.token();
    world.input(0, Input::Command { token, channel: last, command: Command::Close }).expect("commits");
    assert!(on_the_wire(&world).contains(&last));
    let offline = Some(Err(CommandError::PeerOffline.to_string()));
    assert_ne!(world.outcome(0, token), offline);
}

#[test]
fn a_peer_that_answers_nothing_holds_nothing_up() {
    let (mut world, ids) = apart();
    connect_alone(&mut world, 0);
    let mut told = on_the_wire(&world);
    let mut sent = world.wire.len();
    for _ in 0..4 {
        world.wire.clear();
        world.now = world.nodes[0].engine.next_tick().expect("they are asked again");
        world.input(0, Input::Tick).expect("commits");
        told.extend(on_the_wire(&world));
        sent += world.wire.len();
    }
    assert_eq!(told.len(), ids.len());
    assert!(sent < 4 * ids.len(), "{sent} frames for {} channels", ids.len());
}
