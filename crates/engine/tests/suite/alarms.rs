//! What an operator is told in time, and what the status shows.

use crate::world::{GENESIS, World, recover};
use strait_engine::ports::{Account, BlockRef, Chain, Receipt};
use strait_engine::{Input, Notice, SubmissionKey};
use strait_protocol::Command;
use strait_types::{Address, B256, ChannelId, U256, Version};

const DAY: u64 = 86_400;

fn told(world: &World, node: usize, wanted: impl Fn(&Notice) -> bool) -> usize {
    world.nodes[node].notices.iter().filter(|notice| wanted(notice)).count()
}

/// Quarters of a call's time that a node's user was told to be left.
pub(crate) fn dangers(world: &World, node: usize, channel: ChannelId, call: &str) -> Vec<u8> {
    let told = world.nodes[node].notices.iter().filter_map(|notice| match notice {
        Notice::DeadlineInDanger { channel: of, call: what, quarters_left, .. }
            if *of == channel && *what == call =>
        {
            Some(*quarters_left)
        }
        _ => None,
    });
    told.collect()
}

/// Node 0 brings version 0 to the chain although version 1 is agreed; node 1's transactions are lost.
fn cheated() -> (World, ChannelId) {
    let mut world = World::new(2);
    world.connect(0, 1);
    let channel = world.channel(0, 1, 1, 1_000);
    let old = world.nodes[0].disk.fork();
    world.pay(0, channel, 400);
    world.settle();
    world.nodes[1].mute = true;
    world.disconnect(0, 1);
    let node = &mut world.nodes[0];
    node.store = old.open().expect("opens");
    node.engine = recover(&node.key, &node.port, &node.store);
    let token = world.token();
    world.input(0, Input::Command { token, channel, command: Command::ForceClose }).expect("commits");
    world.follow();
    (world, channel)
}

#[test]
fn a_deadline_that_runs_out_is_told_at_each_quarter_until_the_call_is_on_chain() {
    let (mut world, channel) = cheated();
    let danger = |world: &World| dangers(world, 1, channel, "respond");
    assert!(danger(&world).is_empty());
    // Also when no block comes: the clock runs.
    world.pass(DAY / 4 * 1_000 + 120_000);
    assert_eq!(danger(&world), [3]);
    world.pass(DAY / 4 * 1_000);
    assert_eq!(danger(&world), [3, 2]);
    world.nodes[1].mute = false;
    world.nodes[1].port.chain().with(|chain| {
        chain.set_time(GENESIS + DAY / 2);
        for _ in 0..4 {
            chain.mine();
        }
    });
    world.follow();
    world.follow();
    world.pass(DAY / 2 * 1_000);
    assert_eq!(danger(&world), [3, 2], "the response is on chain");
}

#[test]
fn the_status_shows_disputes_until_they_are_answered() {
    let (mut world, channel) = cheated();
    let dispute = world.nodes[1].engine.status().disputes.pop().expect("one");
    assert_eq!((dispute.channel, dispute.ours, dispute.answered), (channel, false, false));
    assert_eq!((dispute.recorded, dispute.best), (Version(0), Version(1)));
    assert!(dispute.deadline > GENESIS);
    world.nodes[1].mute = false;
    world.nodes[1].port.chain().with(|chain| {
        for _ in 0..4 {
            chain.mine();
        }
    });
    world.follow();
    world.follow();
    let dispute = world.nodes[1].engine.status().disputes.pop().expect("it runs on");
    assert!(dispute.answered, "{dispute:?}");
}

#[test]
fn a_chain_that_stands_still_is_told_once_and_so_is_its_return() {
    let mut world = World::new(1);
    let stale = |notice: &Notice| matches!(notice, Notice::ChainStale { head: Some(_) });
    let fresh = |notice: &Notice| matches!(notice, Notice::ChainFresh { .. });
    world.pass(290_000);
    assert_eq!(told(&world, 0, stale), 0);
    world.pass(3_600_000);
    assert_eq!(told(&world, 0, stale), 1);
    assert!(world.nodes[0].engine.status().chain.stale);
    let now = world.now / 1_000;
    world.nodes[0].port.chain().with(|chain| {
        chain.set_time(now);
        chain.mine();
    });
    world.follow();
    assert_eq!((told(&world, 0, stale), told(&world, 0, fresh)), (1, 1));
    let status = world.nodes[0].engine.status();
    assert!(!status.chain.stale);
    assert_eq!(status.chain.head, status.chain.processed);
}

#[test]
fn an_endpoint_that_never_answers_is_a_stale_chain_too() {
    let mut world = World::new(1);
    world.restart(0);
    world.connect(0, 0);
    world.pass(400_000);
    assert_eq!(told(&world, 0, |notice| *notice == Notice::ChainStale { head: None }), 1);
}

#[test]
fn a_clock_that_is_behind_the_chains_is_told_once() {
    let mut world = World::new(1);
    for _ in 0..3 {
        world.nodes[0].port.chain().with(|chain| {
            chain.set_time(GENESIS + 1_000);
            chain.mine();
        });
        world.follow();
    }
    let skew = |notice: &Notice| matches!(notice, Notice::ClockSkew { seconds: 900..=1_100 });
    assert_eq!(told(&world, 0, skew), 1);
}

#[test]
fn peers_with_a_channel_are_told_and_shown_and_strangers_are_not() {
    let mut world = World::new(3);
    world.connect(0, 1);
    world.connect(2, 1);
    world.channel(0, 1, 1, 1_000);
    world.disconnect(0, 1);
    world.connect(0, 1);
    let (friend, stranger) = (world.signer(0), world.signer(2));
    assert_eq!(told(&world, 1, |notice| *notice == Notice::Disconnected { peer: friend }), 1);
    assert_eq!(told(&world, 1, |notice| *notice == Notice::Connected { peer: friend }), 1);
    assert_eq!(told(&world, 1, |notice| *notice == Notice::Connected { peer: stranger }), 0);
    let peers = world.nodes[1].engine.status().peers;
    assert_eq!(peers.len(), 1);
    assert_eq!((peers[0].signer, peers[0].connected, peers[0].open_channels), (friend, true, 1));
}

#[test]
fn what_became_of_a_transaction_and_the_gas_account_are_told() {
    let mut world = World::new(1);
    let (key, transaction) = (SubmissionKey::User(7), B256::repeat_byte(3));
    let block = BlockRef { number: 5, hash: B256::ZERO };
    let receipt = Some(Receipt { block, success: false, gas_used: 21_000 });
    world.input(0, Input::Mined { key, transaction, receipt }).expect("commits");
    world.input(0, Input::Mined { key, transaction, receipt: None }).expect("commits");
    let included = Notice::Included { key, transaction, block, success: false, gas_used: 21_000 };
    assert!(world.nodes[0].notices.contains(&included));
    assert!(world.nodes[0].notices.contains(&Notice::NotIncluded { key, transaction }));
    let account = Account { address: Address::repeat_byte(4), balance: U256::from(12) };
    world.input(0, Input::Account(account)).expect("commits");
    let shown = world.nodes[0].engine.status().account.expect("told");
    assert_eq!((shown.address, shown.balance.as_str()), (account.address, "12"));
    assert_eq!(world.nodes[0].port.account().expect("answers").address, world.nodes[0].port.address());
}
