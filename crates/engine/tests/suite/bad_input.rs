//! What strangers, lying peers, users and disks can do to an engine: a clear error, and nothing else.

use crate::world::World;
use strait_engine::ports::StoreError;
use strait_engine::{Input, Notice};
use strait_protocol::{Body, Command, Frame, MAX_FRAME_BYTES, Outcome, Settings, Sync};
use strait_store::Fault;
use strait_types::{Address, Amount, AssetIndex, B256, ChannelId, Version, keccak256};

#[test]
fn pays_both_ways() {
    let mut world = World::new(2);
    world.connect(0, 1);
    let channel = world.channel(0, 1, 1, 1_000);
    let there = world.pay(0, channel, 300);
    world.settle();
    let back = world.pay(1, channel, 100);
    world.settle();
    assert!(matches!(world.outcome(0, there), Some(Ok(Outcome::Paid { number: 0, .. }))));
    assert!(matches!(world.outcome(1, back), Some(Ok(Outcome::Paid { number: 0, .. }))));
    assert_eq!((world.own(0, channel), world.own(1, channel)), (800, 200));
}

#[test]
fn a_stranger_learns_nothing_and_changes_nothing() {
    let mut world = World::new(3);
    world.connect(0, 1);
    world.connect(2, 1);
    let channel = world.channel(0, 1, 1, 1_000);
    let before = world.nodes[1].engine.channel(channel).expect("known").snapshot();
    let made_up = ChannelId(keccak256("made up"));
    let mut answers = Vec::new();
    for id in [channel, made_up] {
        let sync = Sync {
            confirmed: Version::ZERO,
            confirmed_hash: B256::ZERO,
            signature: None,
            restored: true,
            reply: true,
        };
        for body in [Body::Sync(sync), Body::RequestPen] {
            let bytes = Frame::Channel { channel: id, body }.encode();
            let peer = world.signer(2);
            world.input(1, Input::Frame { peer, bytes }).expect("commits");
            let (_, to, answer) = world.wire.pop_front().expect("an answer");
            assert_eq!(to, peer);
            answers.push(Frame::decode(&answer).expect("a frame"));
            assert!(world.wire.is_empty());
        }
    }
    let unknown = |channel| Frame::Unknown { channel };
    assert_eq!(answers, [unknown(channel), unknown(channel), unknown(made_up), unknown(made_up)]);
    assert_eq!(world.nodes[1].engine.channel(channel).expect("known").snapshot(), before);
}

#[test]
fn garbage_ends_the_connection_and_disturbs_no_other_channel() {
    let mut world = World::new(3);
    world.connect(0, 1);
    world.connect(2, 1);
    let (honest, other) = (world.channel(0, 1, 1, 1_000), world.channel(2, 1, 1, 1_000));
    let valid = Frame::Channel { channel: other, body: Body::RequestPen }.encode();
    let mut trailing = valid.clone();
    trailing.push(0);
    let wrong_version = [&[9], &valid[1..]].concat();
    let frames = [
        Vec::new(),
        vec![0xff; 64],
        valid[..valid.len() - 1].to_vec(),
        trailing,
        wrong_version,
        vec![1; MAX_FRAME_BYTES + 1],
    ];
    for (count, bytes) in frames.into_iter().enumerate() {
        let peer = world.signer(2);
        world.input(1, Input::Frame { peer, bytes }).expect("commits");
        assert_eq!(world.nodes[1].disconnects.len(), count + 1);
        assert_eq!(world.nodes[1].disconnects.last(), Some(&peer));
    }
    let token = world.pay(0, honest, 1);
    world.settle();
    assert!(matches!(world.outcome(0, token), Some(Ok(_))));
}

#[test]
fn channels_that_are_not_ours_or_against_the_policy_are_declined() {
    let mut world = World::new(3);
    world.connect(0, 1);
    let good = world.params(0, 1, 7);
    let mut short = good.clone();
    short.challenge_duration = 3_600;
    let mut app = good.clone();
    app.app = Address::repeat_byte(1);
    let mut unordered = good;
    unordered.assets = vec![Address::repeat_byte(2), Address::repeat_byte(1)];
    let of_others = world.params(0, 2, 7);
    for (params, reason) in [
        (short, "outside this node's range"),
        (app, "not on this node's list"),
        (unordered, "ascending"),
        (of_others, "not the two of us"),
    ] {
        let bytes = Frame::Open { params }.encode();
        let peer = world.signer(0);
        world.input(1, Input::Frame { peer, bytes }).expect("commits");
        let (_, _, answer) = world.wire.pop_front().expect("an answer");
        let Ok(Frame::Decline { reason: given, .. }) = Frame::decode(&answer) else { panic!("{answer:?}") };
        assert!(given.contains(reason), "{given}");
    }
    assert_eq!(world.nodes[1].engine.channel_ids().count(), 0);
}

#[test]
fn users_mistakes_are_named_and_move_nothing() {
    let mut world = World::new(2);
    world.connect(0, 1);
    let channel = world.channel(0, 1, 1, 1_000);
    let expect = |world: &mut World, input: Input, token, text: &str| {
        world.input(0, input).expect("commits");
        world.settle();
        let Some(Err(error)) = world.outcome(0, token) else { panic!("no error for {text}") };
        assert!(error.contains(text), "{error}");
        assert_eq!((world.own(0, channel), world.own(1, channel)), (1_000, 0));
    };
    for (amount, text) in [(0, "zero"), (1_001, "balance is 1000, 1001 are needed")] {
        let token = world.pay(0, channel, amount);
        world.settle();
        let Some(Err(error)) = world.outcome(0, token) else { panic!("{text}") };
        assert!(error.contains(text), "{error}");
    }
    let token = world.token();
    let unknown = ChannelId(B256::ZERO);
    expect(
        &mut world,
        Input::Command { token, channel: unknown, command: Command::Close },
        token,
        "no channel",
    );
    let token = world.token();
    let withdraw = Command::Withdraw { asset: AssetIndex(3), amount: Amount::from(1) };
    expect(&mut world, Input::Command { token, channel, command: withdraw }, token, "no such asset");
    let token = world.token();
    let deposit = Input::Deposit { token, channel, asset: AssetIndex(0), amount: Amount::ZERO };
    expect(&mut world, deposit, token, "zero");
    let token = world.token();
    let again = Input::Open { token, params: world.params(0, 1, 1), settings: Settings::default() };
    expect(&mut world, again, token, "exists already");
    let token = world.token();
    let deposit = Input::Deposit { token, channel, asset: AssetIndex(0), amount: Amount::MAX };
    expect(&mut world, deposit, token, "DepositTooLarge");
    let token = world.token();
    let amount = Amount::from(2_000_000_000_000_000_000);
    let deposit = Input::Deposit { token, channel, asset: AssetIndex(0), amount };
    expect(&mut world, deposit, token, "this transaction needs");
}

#[test]
fn without_a_peer_a_payment_fails_at_once_and_moves_nothing() {
    let mut world = World::new(2);
    world.connect(0, 1);
    let channel = world.channel(0, 1, 1, 1_000);
    world.disconnect(0, 1);
    let token = world.pay(0, channel, 1);
    let Some(Err(error)) = world.outcome(0, token) else { panic!("no error") };
    assert!(error.contains("not connected"), "{error}");
    world.connect(0, 1);
    assert_eq!(world.own(0, channel), 1_000);
}

#[test]
fn a_full_disk_stops_the_node_before_anything_leaves() {
    let mut world = World::new(2);
    world.connect(0, 1);
    let channel = world.channel(0, 1, 1, 1_000);
    for (fault, expected_own) in [(Fault::DiskFull, 1_000), (Fault::DiskFullAfterWrite, 990)] {
        let next = world.nodes[0].disk.commits();
        world.nodes[0].disk.fail_commit(next, fault);
        let token = world.token();
        let payment = strait_protocol::Payment {
            asset: AssetIndex(0),
            amount: Amount::from(10),
            invoice: None,
            memo: Vec::new(),
        };
        let input = Input::Command { token, channel, command: Command::Pay(payment) };
        let error = world.input(0, input).expect_err("the disk is full");
        assert!(matches!(error, StoreError::DiskFull { .. }), "{error}");
        assert!(error.to_string().contains("free some space"), "{error}");
        assert!(world.wire.is_empty(), "nothing left");
        assert!(world.outcome(0, token).is_none(), "nothing was promised");
        world.restart(0);
        world.disconnect(0, 1);
        world.connect(0, 1);
        assert_eq!(world.own(0, channel), expected_own);
        assert_eq!(world.own(1, channel), 1_000 - expected_own);
    }
}

#[test]
fn a_channel_funded_before_the_peer_knew_it_is_seen_in_full() {
    let mut world = World::new(2);
    let channel = world.channel(0, 1, 1, 1_000);
    assert!(world.nodes[1].engine.view(channel).is_none());
    world.connect(0, 1);
    let opened =
        |notice: &Notice| matches!(notice, Notice::Opened { token: None, channel: id } if *id == channel);
    assert!(world.nodes[1].notices.iter().any(opened));
    let token = world.pay(0, channel, 400);
    world.settle();
    assert!(matches!(world.outcome(0, token), Some(Ok(_))));
    assert_eq!(world.own(1, channel), 400);
}

#[test]
fn a_key_that_is_away_delays_and_loses_nothing() {
    let mut world = World::new(2);
    world.connect(0, 1);
    let channel = world.channel(0, 1, 1, 1_000);
    world.nodes[0].key.off.store(true, std::sync::atomic::Ordering::Relaxed);
    let token = world.pay(0, channel, 10);
    let told = |notice: &Notice| matches!(notice, Notice::NoSigner { channel: id, .. } if *id == channel);
    assert!(world.nodes[0].notices.iter().any(told));
    assert!(world.outcome(0, token).is_none() && world.wire.is_empty());
    let due = world.nodes[0].engine.next_tick().expect("it is tried again");
    world.nodes[0].key.off.store(false, std::sync::atomic::Ordering::Relaxed);
    world.nodes[0].engine.handle(due, Input::Tick);
    world.round(0).expect("commits");
    world.settle();
    assert!(matches!(world.outcome(0, token), Some(Ok(_))));
    assert_eq!(world.own(1, channel), 10);
}
