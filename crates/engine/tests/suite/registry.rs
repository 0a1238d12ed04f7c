//! Preimages that were registered before their lock was known.

use crate::reorg::reorganise_last;
use crate::world::{GENESIS, World};
use strait_chain::dev::Reinclude;
use strait_engine::ports::{Chain, TxRequest};
use strait_engine::{Effect, Input};
use strait_protocol::Command;
use strait_types::abi::calls;
use strait_types::{Amount, AssetIndex, B256, ChannelId, U256};

const PREIMAGE: B256 = B256::repeat_byte(1);
/// The sha256 of [`PREIMAGE`].
const HASH: &str = "72cd6e8422c407fb6d098690f1130b7ded7ec2f7f5e1d30bd9d521f015363793";
const LIFE: u64 = 7_200;

fn command(world: &mut World, node: usize, channel: ChannelId, command: Command) -> u64 {
    let token = world.token();
    world.input(node, Input::Command { token, channel, command }).expect("commits");
    world.settle();
    token
}

fn register(world: &mut World) {
    let port = &mut world.nodes[0].port;
    let to = port.adjudicator();
    port.submit(&TxRequest { to, value: U256::ZERO, data: calls::register_preimage(PREIMAGE) })
        .expect("taken");
    world.follow();
}

fn lock(world: &mut World, channel: ChannelId) {
    let (asset, amount, hash) = (AssetIndex(0), Amount::from(10), HASH.parse().expect("a hash"));
    command(world, 0, channel, Command::AddLock { asset, amount, hash, expiry: GENESIS + LIFE });
}

fn mine_at(world: &mut World, seconds: u64) {
    world.nodes[0].port.chain().with(|chain| {
        chain.advance(seconds);
        chain.mine();
    });
    world.follow();
}

#[test]
fn a_lock_is_not_taken_back_whose_preimage_was_registered_before_it_was_added() {
    for is_registered in [true, false] {
        let mut world = World::new(2);
        world.connect(0, 1);
        let channel = world.channel(0, 1, 1, 1_000);
        if is_registered {
            register(&mut world);
        }
        // The contributor takes it back once it has expired, as if it had not registered anything.
        world.nodes[0].blind = true;
        lock(&mut world, channel);
        (0..2).for_each(|_| mine_at(&mut world, 12));
        mine_at(&mut world, LIFE);
        let view = world.nodes[1].engine.view(channel).expect("known");
        assert_eq!(view.locks.is_empty(), !is_registered, "what the chain would pay stays locked");
    }
}

#[test]
fn a_lock_that_is_settled_within_a_block_costs_no_question() {
    let mut world = World::new(2);
    world.connect(0, 1);
    let channel = world.channel(0, 1, 1, 1_000);
    lock(&mut world, channel);
    command(&mut world, 1, channel, Command::SettleLock { number: 0, preimage: PREIMAGE });
    lock(&mut world, channel);
    let mut asked = Vec::new();
    for _ in 0..4 {
        let chain = world.nodes[0].port.chain().clone();
        chain.with(|chain| chain.mine());
        let known = world.nodes[1].engine.known_blocks();
        let followed = world.nodes[1].port.follow(&known, 10).expect("answers");
        let now = world.now;
        world.nodes[1].engine.handle(now, Input::Followed(followed));
        let staged = world.nodes[1].engine.round(now).expect("a block");
        let effects = staged.commit(&mut world.nodes[1].store).expect("commits");
        asked.push(effects.iter().filter(|effect| matches!(effect, Effect::LookUp { .. })).count());
    }
    assert_eq!(asked, [0, 1, 0, 0], "the one that outlives a block is asked for once");
}

#[test]
fn a_reorg_does_not_make_a_registration_forgotten_that_is_older_than_what_was_replaced() {
    let mut world = World::new(2);
    world.connect(0, 1);
    let channel = world.channel(0, 1, 1, 1_000);
    register(&mut world);
    lock(&mut world, channel);
    // The registry is asked at the head, and just the head is replaced afterwards.
    (0..2).for_each(|_| mine_at(&mut world, 12));
    reorganise_last(&mut world, 1, &Reinclude::Never);
    mine_at(&mut world, LIFE);
    for node in 0..2 {
        let view = world.nodes[node].engine.view(channel).expect("known");
        assert_eq!(view.locks.len(), 1, "what the chain would pay was taken back with {node}'s word");
    }
}
