//! Reorgs that leave nothing of what an engine has seen.

use crate::world::World;
use std::sync::Arc;
use strait_chain::dev::Reinclude;
use strait_engine::ports::{Block, BlockRef, Followed};
use strait_engine::{Effect, Engine, Input, Notice, Policy};
use strait_protocol::Settings;
use strait_store::MemoryStore;
use strait_types::{Address, ChannelId, Domain, SigningKey, keccak256};

const NOW_MS: u64 = 1_800_000_000_000;

fn engine(store: &MemoryStore) -> Engine {
    let key = Arc::new(SigningKey::from_bytes([7; 32]).expect("in range"));
    let domain = Domain::new(1, Address::repeat_byte(9));
    Engine::recover(domain, key, Policy::default(), Settings::default(), store, false).expect("recovers")
}

fn block(number: u64, branch: &str) -> BlockRef {
    BlockRef { number, hash: keccak256(format!("{branch} {number}")) }
}

/// The chain's answer that `head` follows `fork`.
fn follow(
    engine: &mut Engine,
    store: &mut MemoryStore,
    fork: Option<BlockRef>,
    head: BlockRef,
) -> Vec<Effect> {
    let blocks = vec![Block { at: head, time: NOW_MS / 1_000, events: Vec::new() }];
    let followed = Followed { fork, blocks, head, head_time: NOW_MS / 1_000 };
    engine.handle(NOW_MS, Input::Followed(followed));
    let staged = engine.round(NOW_MS).expect("the cursor moves or the user is told");
    staged.commit(store).expect("commits")
}

#[test]
fn a_new_node_survives_the_loss_of_its_only_block() {
    let mut store = MemoryStore::new();
    let mut engine = engine(&store);
    follow(&mut engine, &mut store, None, block(40, "first"));
    let effects = follow(&mut engine, &mut store, None, block(41, "second"));
    assert!(effects.is_empty(), "{effects:?}");
    assert_eq!(engine.known_blocks(), [block(41, "second")]);
}

#[test]
fn a_reorg_below_all_that_is_remembered_is_told() {
    let mut store = MemoryStore::new();
    let mut engine = engine(&store);
    let mut fork = None;
    for number in 1..=200 {
        follow(&mut engine, &mut store, fork, block(number, "first"));
        fork = Some(block(number, "first"));
    }
    let effects = follow(&mut engine, &mut store, None, block(201, "second"));
    let told = |wanted: Notice| {
        effects.iter().any(|effect| matches!(effect, Effect::Notify(notice) if *notice == wanted))
    };
    assert!(told(Notice::DeepReorg { head: 201 }) && told(Notice::ChainRebuilt), "{effects:?}");
    assert_eq!(engine.known_blocks(), [block(201, "second")], "it goes on from there");
}

/// A channel with a deposit of 1,000 and a payment of 100, and many blocks on top.
fn old_channel() -> (World, ChannelId) {
    let mut world = World::new(2);
    world.connect(0, 1);
    let channel = world.channel(0, 1, 1, 1_000);
    world.pay(0, channel, 100);
    world.settle();
    mine(&mut world, 150);
    (world, channel)
}

pub(crate) fn mine(world: &mut World, blocks: usize) {
    world.nodes[0].port.chain().with(|chain| {
        for _ in 0..blocks {
            chain.mine();
        }
    });
    world.follow();
}

pub(crate) fn reorganise(world: &mut World, reinclude: &Reinclude) {
    let replaceable = world.nodes[0].port.chain().with(|chain| chain.replaceable());
    reorganise_last(world, replaceable, reinclude);
}

/// Replaces the last blocks by one more.
pub(crate) fn reorganise_last(world: &mut World, blocks: usize, reinclude: &Reinclude) {
    world.nodes[0].port.chain().with(|chain| chain.reorg(blocks, reinclude)).expect("it can");
    world.follow();
    mine(world, 1);
}

fn told(world: &World, wanted: impl Fn(&Notice) -> bool) -> usize {
    world.nodes[0].notices.iter().filter(|notice| wanted(notice)).count()
}

#[test]
fn a_deposit_counts_once_after_a_reorg_that_cannot_be_undone() {
    let (mut world, channel) = old_channel();
    reorganise(&mut world, &Reinclude::Same);
    assert_eq!(told(&world, |notice| matches!(notice, Notice::DeepReorg { .. })), 1);
    assert_eq!(told(&world, |notice| *notice == Notice::ChainRebuilt), 1);
    assert_eq!((world.own(0, channel), world.own(1, channel)), (900, 100));
    let token = world.pay(0, channel, 50);
    world.settle();
    assert!(matches!(world.outcome(0, token), Some(Ok(_))), "{:?}", world.outcome(0, token));
    world.restart(0);
    assert_eq!(world.own(0, channel), 850);
    assert!(world.nodes[0].engine.status().halted.is_none());
}

#[test]
fn a_deposit_that_is_gone_is_not_spent() {
    let (mut world, channel) = old_channel();
    reorganise(&mut world, &Reinclude::Never);
    let token = world.pay(0, channel, 50);
    world.settle();
    let error = world.outcome(0, token).expect("at once").expect_err("nothing is there");
    assert!(error.contains("deposit"), "{error}");
}

#[test]
fn nothing_of_value_moves_before_the_events_are_read_anew_and_a_restart_changes_nothing() {
    let (mut world, channel) = old_channel();
    world.nodes[0].blind = true;
    reorganise(&mut world, &Reinclude::Same);
    for _ in 0..2 {
        let halted = world.nodes[0].engine.status().halted.expect("it waits");
        assert_eq!(halted.waiting, 1);
        let token = world.pay(0, channel, 50);
        let error = world.outcome(0, token).expect("at once").expect_err("halted");
        assert!(error.contains("reorganised so deeply"), "{error}");
        world.pass(1_300_000);
        assert!(told(&world, |notice| matches!(notice, Notice::Halted { waiting: 1, .. })) >= 2);
        world.restart(0);
        world.disconnect(0, 1);
        world.connect(0, 1);
    }
    world.nodes[0].blind = false;
    mine(&mut world, 1);
    assert!(world.nodes[0].engine.status().halted.is_none());
    let token = world.pay(0, channel, 50);
    world.settle();
    assert!(matches!(world.outcome(0, token), Some(Ok(_))), "{:?}", world.outcome(0, token));
}
