//! How much a tower does for whom.

use crate::tower_world::{DAY, Watch, open_to_all};
use crate::world::World;
use std::collections::BTreeSet;
use strait_engine::tower::{Admission, ClientFrame, Quotas, Refusal, TowerConfig, TowerFrame};
use strait_engine::{Input, Notice, TowerInput};
use strait_types::{Address, ChannelId, SigningKey};

fn with(quotas: Quotas) -> TowerConfig {
    TowerConfig { quotas, ..open_to_all() }
}

/// Node 1 has two channels with node 0, and a payment in each; node 2 hands over nothing.
fn two_channels(watch_quotas: Quotas) -> (World, Watch, [ChannelId; 2]) {
    let mut world = World::new(2);
    let mut watch = Watch::new(&world, 0, with(watch_quotas));
    world.connect(0, 1);
    let channels = [1, 2].map(|nonce| world.channel(0, 1, nonce, 1_000));
    world.guard(1, &mut [&mut watch]);
    for channel in channels {
        world.pay(0, channel, 100);
        world.settle();
    }
    world.hand_over(&mut [&mut watch]);
    (world, watch, channels)
}

fn refusals(world: &World) -> Vec<String> {
    let reason = |notice: &Notice| match notice {
        Notice::TowerRefused { reason, .. } => Some(reason.clone()),
        _ => None,
    };
    world.nodes[1].notices.iter().filter_map(reason).collect()
}

#[test]
fn who_is_not_admitted_is_told_so_and_loses_its_place() {
    let quotas = Quotas { admission: Admission::Keys(BTreeSet::new()), ..open_to_all().quotas };
    let (world, watch, _) = two_channels(quotas);
    assert!(refusals(&world).is_empty(), "it hangs up on the first question already");
    assert_eq!(watch.tower.status().channels, 0);
    assert!(watch.disconnects.contains(&world.signer(1)));
    let view = world.nodes[1].engine.towers().remove(0);
    assert_eq!((view.behind, view.is_turned_away, view.has_told), (2, true, false), "and the client knows");
    let told = |notice: &&Notice| matches!(notice, Notice::TurnedAway { .. });
    assert_eq!(world.nodes[1].notices.iter().filter(told).count(), 1);
}

#[test]
fn a_client_has_the_channels_and_the_bytes_that_it_may_have() {
    for quotas in [
        Quotas { channels: 1, ..open_to_all().quotas },
        Quotas { bytes: 3_000, ..open_to_all().quotas },
        Quotas { total_bytes: 3_000, ..open_to_all().quotas },
    ] {
        let (mut world, mut watch, channels) = two_channels(quotas);
        assert_eq!(watch.tower.status().channels, 1);
        assert_eq!(refusals(&world).len(), 1, "told once: {:?}", refusals(&world));
        // What is held is renewed all the same.
        let held = channels.iter().position(|channel| watch.tower.held(*channel, world.signer(1)).is_some());
        let held = channels[held.expect("one")];
        world.pay(0, held, 1);
        world.settle();
        world.hand_over(&mut [&mut watch]);
        assert_eq!(world.acknowledged(1, held), [Some(2)]);
        assert_eq!(refusals(&world).len(), 1);
    }
}

#[test]
fn a_client_that_asks_too_often_waits_and_gets_there() {
    let quotas = Quotas { requests_per_second: 1, ..open_to_all().quotas };
    let (mut world, mut watch, channels) = two_channels(quotas);
    for _ in 0..30 {
        world.pay(0, channels[0], 1);
        world.settle();
        world.hand_over(&mut [&mut watch]);
    }
    for _ in 0..5 {
        world.hand_over(&mut [&mut watch]);
    }
    assert_eq!(world.acknowledged(1, channels[0]), [Some(31)]);
    assert!(refusals(&world).is_empty());
}

#[test]
fn a_list_that_a_tower_does_not_answer_is_asked_for_again() {
    let mut world = World::new(2);
    let quotas = Quotas { requests_per_second: 1, ..open_to_all().quotas };
    let mut watch = Watch::new(&world, 0, with(quotas));
    world.connect(0, 1);
    let channel = world.channel(0, 1, 1, 1_000);
    world.pay(0, channel, 100);
    world.settle();
    let peer = world.signer(1);
    watch.input(world.now, Input::Connected { peer });
    for _ in 0..20 {
        let bytes = ClientFrame::Fetch { channel }.encode();
        watch.input(world.now, Input::Frame { peer, bytes });
    }
    world.guard(1, &mut [&mut watch]);
    assert_eq!(world.acknowledged(1, channel), [None], "the tower takes no more, and tells nothing");
    world.pass(15_000);
    for _ in 0..2 {
        world.hand_over(&mut [&mut watch]);
    }
    assert_eq!(world.acknowledged(1, channel), [Some(1)]);
}

#[test]
fn transactions_for_a_client_are_counted() {
    let quotas = Quotas { calls_per_day: 1, ..open_to_all().quotas };
    let mut world = World::new(2);
    let mut watch = Watch::new(&world, 0, with(quotas));
    world.connect(0, 1);
    let channel = world.channel(0, 1, 1, 1_000);
    world.guard(1, &mut [&mut watch]);
    let old = world.nodes[0].disk.fork();
    world.pay(0, channel, 100);
    world.settle();
    world.hand_over(&mut [&mut watch]);
    world.cheat(&old, channel);
    world.chain_passes(DAY / 5, &mut [&mut watch]);
    assert_eq!(watch.calls, ["respond"]);
    world.chain_passes(DAY * 9 / 10, &mut [&mut watch]);
    world.chain_passes(60, &mut [&mut watch]);
    assert_eq!(watch.calls, ["respond"]);
    let overdrawn = |notice: &Notice| matches!(notice, Notice::ClientOverdrawn { .. });
    assert!(watch.notices.iter().any(overdrawn));
    world.chain_passes(DAY, &mut [&mut watch]);
    assert_eq!(watch.calls, ["respond", "settle"], "the next day is another day");
}

#[test]
fn strangers_without_end_cost_a_tower_neither_memory_nor_its_clients_their_service() {
    let mut world = World::new(2);
    let client = world.signer(1);
    let admission = Admission::Keys(BTreeSet::from([client]));
    let mut watch = Watch::new(&world, 0, with(Quotas { admission, ..Quotas::default() }));
    world.connect(0, 1);
    let channel = world.channel(0, 1, 1, 1_000);
    world.guard(1, &mut [&mut watch]);
    world.pay(0, channel, 100);
    world.settle();
    world.hand_over(&mut [&mut watch]);
    let guarded = watch.tower.held(channel, client).cloned().expect("held");
    for number in 1..=2_000u32 {
        let mut secret = [9; 32];
        secret[..4].copy_from_slice(&number.to_be_bytes());
        let peer: Address = SigningKey::from_bytes(secret).expect("in range").address();
        watch.input(world.now, Input::Connected { peer });
        // Another's channel, a list, garbage.
        let keep = ClientFrame::Keep(Box::new(guarded.clone())).encode();
        let frames = watch.input(world.now, Input::Frame { peer, bytes: keep });
        let answer = TowerFrame::decode(&frames[0].1).expect("an answer");
        assert!(matches!(answer, TowerFrame::TurnedAway { reason: Refusal::NotAdmitted }));
        let list = ClientFrame::List { after: None }.encode();
        assert!(watch.input(world.now, Input::Frame { peer, bytes: list }).is_empty());
        assert_eq!(watch.disconnects.pop(), Some(peer), "hung up, and nothing is answered after that");
        let fetch = ClientFrame::Fetch { channel }.encode();
        assert!(watch.input(world.now, Input::Frame { peer, bytes: fetch }).is_empty(), "it is not theirs");
        watch.input(world.now, Input::Frame { peer, bytes: vec![0; 100] });
        watch.input(world.now, Input::Disconnected { peer });
    }
    assert_eq!((watch.tower.status().channels, watch.tower.status().clients.len()), (1, 1));
    world.pay(0, channel, 100);
    world.settle();
    world.hand_over(&mut [&mut watch]);
    assert_eq!(world.acknowledged(1, channel), [Some(2)]);
    world.input(1, Input::Tower(TowerInput::Set { towers: Vec::new() })).expect("commits");
    assert!(world.acknowledged(1, channel).is_empty());
}
