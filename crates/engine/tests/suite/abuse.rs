//! What costs a peer or a user little costs this node little: no flood of transactions, bytes or channels.

use crate::world::{GENESIS, NOW_MS, World};
use strait_engine::{Engine, EngineRecoverError, Input, Notice, Policy, SubmissionKey};
use strait_protocol::{Body, Command, Frame, Operation, Settings};
use strait_types::{Address, Amount, AssetIndex, B256, ChannelId, Domain};

fn command(world: &mut World, node: usize, channel: ChannelId, command: Command) {
    let token = world.token();
    world.input(node, Input::Command { token, channel, command }).expect("commits");
    world.settle();
}

fn settings() -> Settings {
    Settings { confirmations: 0, ..Settings::default() }
}

/// Starts a node anew under another policy.
fn restart_with(world: &mut World, node: usize, policy: Policy) {
    world.restart(node);
    let node = &mut world.nodes[node];
    let domain = *node.engine.domain();
    node.engine =
        Engine::recover(domain, node.key.clone(), policy, settings(), &node.store, false).expect("recovers");
}

#[test]
fn a_peer_that_introduces_a_channel_again_and_again_gets_what_is_in_flight_once() {
    let mut world = World::new(2);
    world.connect(0, 1);
    let channel = world.channel(0, 1, 1, 1_000);
    let (ours, theirs) = (world.signer(0), world.signer(1));
    world.wire.clear();
    world.pay(0, channel, 1);
    world.wire.clear();
    world.input(1, Input::Connected { peer: ours }).expect("commits");
    let is_sync =
        |bytes: &[u8]| matches!(Frame::decode(bytes), Ok(Frame::Channel { body: Body::Sync(_), .. }));
    let sync = world.wire.iter().find(|(_, _, bytes)| is_sync(bytes)).expect("a sync").2.clone();
    world.wire.clear();
    let introduction = Frame::Open { params: world.params(0, 1, 1) }.encode();
    for _ in 0..50 {
        for bytes in [introduction.clone(), sync.clone()] {
            world.nodes[0].engine.handle(NOW_MS, Input::Frame { peer: theirs, bytes });
        }
    }
    world.round(0).expect("commits");
    let is_update =
        |bytes: &[u8]| matches!(Frame::decode(bytes), Ok(Frame::Channel { body: Body::Update(_), .. }));
    let updates = world.wire.iter().filter(|(_, _, bytes)| is_update(bytes)).count();
    assert!((1..=2).contains(&updates), "{updates} updates");
}

#[test]
fn several_wanted_calls_of_one_kind_are_sent_once_each() {
    let mut world = World::new(2);
    world.connect(0, 1);
    let channel = world.channel(0, 1, 1, 1_000);
    let secrets = [B256::repeat_byte(0x51), B256::repeat_byte(0x52)];
    // Their sha256.
    let hashes = [
        "2cf2c6077769e8f910ed119ac8fa288d12817d4fdcef245576c752a076d3217a",
        "16b72cfab7dbca73cb348f4e59a74b5c56d6e95574c1e9ca84850d69f5fa9430",
    ];
    for hash in hashes {
        let hash = hash.parse().expect("a hash");
        let (asset, amount) = (AssetIndex(0), Amount::from(10));
        command(&mut world, 0, channel, Command::AddLock { asset, amount, hash, expiry: GENESIS + 86_400 });
    }
    world.disconnect(0, 1);
    for (number, preimage) in (0..).zip(secrets) {
        command(&mut world, 1, channel, Command::SettleLock { number, preimage });
    }
    command(&mut world, 1, channel, Command::ForceClose);
    // The dispute is seen, and the preimages go to the chain.
    world.follow();
    // The block with them is not seen yet, while the channel has other things to do.
    let peer = world.signer(0);
    for _ in 0..10 {
        world.input(1, Input::Connected { peer }).expect("commits");
    }
    let is_registration =
        |key: &&SubmissionKey| matches!(key, SubmissionKey::Call(call) if call.name == "register preimage");
    assert_eq!(world.nodes[1].submitted.iter().filter(is_registration).count(), 2);
}

#[test]
fn strangers_fill_the_node_with_no_more_unfunded_channels_than_it_allows() {
    let mut world = World::new(2);
    restart_with(&mut world, 1, Policy { unfunded_channels: 2, ..Policy::default() });
    world.connect(0, 1);
    let open = |world: &mut World, nonce| {
        let (token, params) = (world.token(), world.params(0, 1, nonce));
        world.input(0, Input::Open { token, params, settings: settings() }).expect("commits");
        world.settle();
    };
    (1..=3).for_each(|nonce| open(&mut world, nonce));
    assert_eq!(world.nodes[1].engine.channel_ids().count(), 2);
    let declined = |notice: &Notice| matches!(notice, Notice::Declined { reason, .. } if reason.contains("waits for the deposits"));
    assert!(world.nodes[0].notices.iter().any(declined));
    let channel = world.nodes[1].engine.channel_ids().next().expect("one of two");
    let (token, asset) = (world.token(), AssetIndex(0));
    world.input(0, Input::Deposit { token, channel, asset, amount: Amount::from(1) }).expect("commits");
    world.follow();
    open(&mut world, 4);
    assert_eq!(world.nodes[1].engine.channel_ids().count(), 3, "a deposit makes room");
}

fn offer(world: &mut World, node: usize, to: usize, nonce: u64) -> ChannelId {
    let (token, params) = (world.token(), world.params(node, to, nonce));
    let domain = *world.nodes[node].engine.domain();
    let id = params.id(domain.chain_id(), domain.adjudicator());
    world.input(node, Input::Open { token, params, settings: settings() }).expect("commits");
    world.settle();
    id
}

#[test]
fn a_peer_with_many_unfunded_channels_gives_way_to_another() {
    let mut world = World::new(3);
    restart_with(&mut world, 1, Policy { unfunded_channels: 4, ..Policy::default() });
    world.connect(0, 1);
    world.connect(2, 1);
    let first = offer(&mut world, 0, 1, 1);
    for nonce in 2..=4 {
        offer(&mut world, 0, 1, nonce);
    }
    let honest = world.channel(2, 1, 1, 500);
    assert!(world.nodes[1].engine.view(first).is_none(), "the oldest is forgotten");
    assert!(world.nodes[1].engine.view(honest).is_some());
    world.pay(2, honest, 20);
    world.settle();
    assert_eq!(world.own(1, honest), 20);
    // Whoever was forgotten offers it again, once there is room.
    let token = world.token();
    let (channel, asset) = (first, AssetIndex(0));
    world.input(0, Input::Deposit { token, channel, asset, amount: Amount::from(7) }).expect("commits");
    world.disconnect(0, 1);
    world.connect(0, 1);
    world.follow();
    world.pay(0, first, 7);
    world.settle();
    assert_eq!(world.own(1, first), 7);
}

#[test]
fn a_channel_that_cost_its_opener_nothing_is_neither_written_nor_signed() {
    let mut world = World::new(2);
    world.connect(0, 1);
    // In one of them the other side has the first word, and could be asked for it.
    let params = world.params(1, 0, 2);
    let (token, domain) = (world.token(), *world.nodes[0].engine.domain());
    let second = params.id(domain.chain_id(), domain.adjudicator());
    world.input(0, Input::Open { token, params, settings: settings() }).expect("commits");
    world.settle();
    let first = offer(&mut world, 0, 1, 1);
    let peer = world.signer(0);
    let close = Operation::Finalise { valid_until: GENESIS + 600 };
    for channel in [first, second] {
        for body in [Body::RequestPen, Body::Propose { id: 1, operation: close.clone() }] {
            let bytes = Frame::Channel { channel, body }.encode();
            world.input(1, Input::Frame { peer, bytes }).expect("commits");
        }
        assert_eq!(world.nodes[1].engine.view(channel).expect("known").version.0, 0);
    }
    world.restart(1);
    assert_eq!(world.nodes[1].engine.channel_ids().count(), 0);
    // Known again as soon as the peer speaks of it.
    world.disconnect(0, 1);
    world.follow();
    world.connect(0, 1);
    assert_eq!(world.nodes[1].engine.channel_ids().count(), 2);
}

#[test]
fn a_channel_into_which_we_deposit_is_remembered() {
    let mut world = World::new(2);
    world.connect(0, 1);
    let channel = offer(&mut world, 0, 1, 1);
    world.nodes[1].mute = true;
    let (token, asset) = (world.token(), AssetIndex(0));
    world.input(1, Input::Deposit { token, channel, asset, amount: Amount::from(7) }).expect("commits");
    world.restart(1);
    assert!(world.nodes[1].engine.view(channel).is_some());
}

#[test]
fn closed_channels_do_not_count_against_a_peer() {
    let mut world = World::new(2);
    restart_with(&mut world, 1, Policy { channels_per_peer: 1, ..Policy::default() });
    world.connect(0, 1);
    let first = world.channel(0, 1, 1, 1_000);
    command(&mut world, 0, first, Command::Close);
    world.follow();
    assert_eq!(world.nodes[1].engine.view(first).expect("known").phase, "closed");
    let second = world.channel(0, 1, 2, 1_000);
    assert!(world.nodes[1].engine.view(second).is_some());
}

#[test]
fn a_data_directory_of_another_chain_is_refused_even_without_channels() {
    let world = World::new(1);
    let node = &world.nodes[0];
    let adjudicator = node.engine.domain().adjudicator();
    for domain in [Domain::new(1, adjudicator), Domain::new(node.engine.domain().chain_id(), Address::ZERO)] {
        let recovered =
            Engine::recover(domain, node.key.clone(), Policy::default(), settings(), &node.store, false);
        assert!(matches!(recovered, Err(EngineRecoverError::OtherDomain { .. })));
    }
}

/// Frames that a node sends when another connects.
fn frames_on_connection(world: &mut World, from: usize, to: usize) -> Vec<Frame> {
    let peer = world.signer(to);
    world.wire.clear();
    world.input(from, Input::Connected { peer }).expect("commits");
    world.wire.iter().map(|(_, _, bytes)| Frame::decode(bytes).expect("our own")).collect()
}

#[test]
fn of_a_closed_channel_nothing_is_said_on_later_connections() {
    let mut world = World::new(2);
    world.connect(0, 1);
    let channel = world.channel(0, 1, 1, 1_000);
    command(&mut world, 0, channel, Command::Close);
    world.follow();
    world.disconnect(0, 1);
    world.restart(0);
    world.follow();
    assert!(frames_on_connection(&mut world, 0, 1).is_empty());
}

#[test]
fn a_peer_that_declines_a_channel_with_agreed_states_changes_nothing() {
    let mut world = World::new(2);
    world.connect(0, 1);
    let channel = world.channel(0, 1, 1, 1_000);
    world.pay(0, channel, 10);
    world.settle();
    world.disconnect(0, 1);
    world.restart(1);
    let frames = frames_on_connection(&mut world, 1, 0);
    assert!(!frames.iter().any(|frame| matches!(frame, Frame::Open { .. })), "{frames:?}");
    let peer = world.signer(0);
    let decline = Frame::Decline { channel, reason: "never heard of it".into() };
    world.input(1, Input::Frame { peer, bytes: decline.encode() }).expect("commits");
    world.connect(0, 1);
    let token = world.pay(1, channel, 5);
    world.settle();
    assert!(matches!(world.outcome(1, token), Some(Ok(_))), "{:?}", world.outcome(1, token));
}
