//! Channels within channels within channels, as no contract has them, made up to wear a tower out.

use crate::tower_world::{Watch, open_to_all};
use crate::world::World;
use strait_engine::Input;
use strait_engine::tower::{ClientFrame, Quotas, Refusal, TowerConfig, TowerFrame};
use strait_protocol::{Guarded, GuardedChild, Position, SignedPosition, Signer as _};
use strait_types::{
    Address, Amount, B256, ChannelId, ChannelParams, ChildTerms, MAX_LOCKS, Side, Version, child_terms_hash,
};

/// More than a thread's stack would take if each were forgotten within the one before.
const LINE: u64 = 3_000;

/// What two keys of one liar sign of a channel of which no chain has heard.
fn made_up(world: &World, params: ChannelParams, child: Option<GuardedChild>, version: u64) -> Guarded {
    let domain = *world.nodes[0].engine.domain();
    let id = params.id(domain.chain_id(), domain.adjudicator());
    let mut position = Position::zero(id, 1);
    position.state.version = Version(version);
    let digest = domain.state_digest(position.state.hash());
    let signatures = [0, 1].map(|node| world.nodes[node].key.sign(digest).expect("signs"));
    let latest = SignedPosition { position, signatures };
    Guarded { params, child, latest, preimages: Vec::new(), next: None }
}

fn within(world: &World, parent: ChannelId, version0: u64) -> Guarded {
    numbered(world, parent, version0, 1)
}

fn numbered(world: &World, parent: ChannelId, version0: u64, nonce: u64) -> Guarded {
    let terms = ChildTerms {
        parent0: parent,
        version0,
        parent1: ChannelId(B256::ZERO),
        version1: 0,
        hub: Address::ZERO,
        end: 0,
        amounts: [Amount::from(1), Amount::from(1)],
    };
    let params = ChannelParams { child: child_terms_hash(&terms), ..world.params(0, 1, nonce) };
    made_up(world, params, Some(GuardedChild { terms, first: None }), 1)
}

fn keep(watch: &mut Watch, world: &World, guarded: &Guarded) {
    keep_for(0, watch, world, guarded);
}

fn keep_for(node: usize, watch: &mut Watch, world: &World, guarded: &Guarded) -> TowerFrame {
    let bytes = ClientFrame::Keep(Box::new(guarded.clone())).encode();
    let frames = watch.input(world.now, Input::Frame { peer: world.signer(node), bytes });
    TowerFrame::decode(&frames[0].1).expect("an answer")
}

#[test]
fn a_long_line_of_channels_within_channels_is_forgotten_without_harm() {
    let world = World::new(2);
    let quotas = Quotas { channels: u32::MAX, bytes: u64::MAX, ..open_to_all().quotas };
    let mut watch = Watch::new(&world, 0, TowerConfig { quotas, ..open_to_all() });
    watch.input(world.now, Input::Connected { peer: world.signer(0) });
    let domain = *world.nodes[0].engine.domain();
    let first = made_up(&world, world.params(0, 1, 0), None, 1);
    keep(&mut watch, &world, &first);
    let mut parent = first.channel(&domain);
    for _ in 0..LINE {
        let child = within(&world, parent, 100);
        assert_eq!(child.check(&domain, world.signer(0)), Ok(Side::Zero));
        keep(&mut watch, &world, &child);
        parent = child.channel(&domain);
    }
    assert_eq!(watch.tower.status().channels as u64, LINE + 1);
    keep(&mut watch, &world, &made_up(&world, first.params.clone(), None, 200));
    watch.follow(world.now);
    assert_eq!(watch.tower.status().channels, 1, "what was opened before version 200 is over");
}

#[test]
fn a_client_has_as_many_children_of_a_parent_guarded_as_that_has_room_for_and_takes_nobody_elses_room() {
    let world = World::new(2);
    let mut watch = Watch::new(&world, 0, open_to_all());
    for node in 0..2 {
        watch.input(world.now, Input::Connected { peer: world.signer(node) });
    }
    let domain = *world.nodes[0].engine.domain();
    let parent = made_up(&world, world.params(0, 1, 0), None, 1);
    let id = parent.channel(&domain);
    keep(&mut watch, &world, &parent);
    let child = |number| numbered(&world, id, 100, number);
    let room = u64::try_from(MAX_LOCKS).expect("few");
    for number in 1..=room {
        assert!(matches!(keep_for(0, &mut watch, &world, &child(number)), TowerFrame::Kept(_)));
    }
    let refused = |frame| matches!(frame, TowerFrame::Refused { reason: Refusal::Family, .. });
    assert!(refused(keep_for(0, &mut watch, &world, &child(room + 1))));
    watch.restart();
    for node in 0..2 {
        watch.input(world.now, Input::Connected { peer: world.signer(node) });
    }
    assert!(refused(keep_for(0, &mut watch, &world, &child(room + 1))), "also after a restart");
    assert!(
        matches!(keep_for(0, &mut watch, &world, &child(1)), TowerFrame::Kept(_)),
        "what is held is renewed"
    );
    assert!(matches!(keep_for(1, &mut watch, &world, &child(room + 1)), TowerFrame::Kept(_)));
    // With the parent's next state they are over, and leave room; the other client has said nothing of the parent.
    keep(&mut watch, &world, &made_up(&world, parent.params.clone(), None, 200));
    watch.follow(world.now);
    let channels = |watch: &Watch| {
        let clients = watch.tower.status().clients;
        [0, 1].map(|node| clients.iter().find(|of| of.client == world.signer(node)).expect("known").channels)
    };
    assert_eq!(channels(&watch), [1, 1]);
    let next = numbered(&world, id, 300, 1);
    assert!(matches!(keep_for(0, &mut watch, &world, &next), TowerFrame::Kept(_)));
    assert_eq!(channels(&watch), [2, 1]);
}
