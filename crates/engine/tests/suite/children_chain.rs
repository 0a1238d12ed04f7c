//! Children while the chain is slow to be believed, and nodes that start again at every step.

use crate::alarms::dangers;
use crate::apps::{STAKE, game_settings, won_by};
use crate::children::{DEPOSIT, game, purse};
use crate::children_disputed::{PERIOD, WON, challenge_at_zero, stalled};
use crate::reorg::mine;
use crate::world::{World, sticks};
use strait_engine::Input;
use strait_engine::ports::{Block, BlockRef, Event, Followed};
use strait_protocol::{ChildOutcome, Command, Settings};
use strait_types::abi::AdjudicatorEvent;
use strait_types::{Amount, AssetIndex, ChannelId, Side, keccak256};

const CONFIRMATIONS: u64 = 3;

#[test]
fn a_childs_deadline_that_runs_out_is_told_at_each_quarter() {
    let (mut world, _, child) = stalled();
    world.silence(1);
    world.nodes[0].mute = true;
    challenge_at_zero(&mut world, child);
    world.follow();
    assert!(dangers(&world, 0, child, "respond").is_empty());
    for quarters in [vec![3], vec![3, 2], vec![3, 2, 1], vec![3, 2, 1, 0]] {
        world.pass(PERIOD / 4 * 1_000 + 60_000);
        assert_eq!(dangers(&world, 0, child, "respond"), quarters);
    }
}

#[test]
fn a_move_that_is_due_in_a_childs_dispute_is_told() {
    let (mut world, parent) = World::parent();
    let new = game(&world, 5);
    // Node 0 is to move, and node 1 has it do so by the clock.
    let child = world.child(0, parent, new);
    world.disconnect(0, 1);
    world.command(1, child, Command::Dispute);
    world.elapse(PERIOD + PERIOD / 2);
    assert_eq!(dangers(&world, 0, child, "move"), [4, 3, 2], "at once, since only its user can");
}

/// Two nodes that want confirmations, with a payment channel in which both have deposited.
fn careful_parent() -> (World, ChannelId) {
    let mut world = World::new(2);
    for node in 0..2 {
        world.install(node, sticks().runtime().to_vec());
    }
    let params = world.params(0, 1, 1);
    let id =
        params.id(world.nodes[0].engine.domain().chain_id(), world.nodes[0].engine.domain().adjudicator());
    for node in 0..2 {
        let settings = Settings { confirmations: CONFIRMATIONS, ..game_settings() };
        let token = world.token();
        world.input(node, Input::Open { token, params: params.clone(), settings }).expect("commits");
    }
    world.connect(0, 1);
    for node in 0..2 {
        let (token, amount) = (world.token(), Amount::from(DEPOSIT));
        let deposit = Input::Deposit { token, channel: id, asset: AssetIndex(0), amount };
        world.input(node, deposit).expect("commits");
    }
    mine(&mut world, 1 + CONFIRMATIONS as usize);
    (world, id)
}

/// Shows both nodes a block after `fork`.
fn show(world: &mut World, fork: BlockRef, branch: &str, events: &[AdjudicatorEvent]) -> BlockRef {
    let at = BlockRef { number: fork.number + 1, hash: keccak256(format!("{branch} {}", fork.number + 1)) };
    let time = world.now / 1_000;
    let events = events
        .iter()
        .map(|event| Event { channel: event.channel(), transaction: at.hash, event: event.clone() })
        .collect();
    let blocks = vec![Block { at, time, events }];
    let followed = Followed { fork: Some(fork), blocks, head: at, head_time: time };
    for node in 0..2 {
        world.input(node, Input::Followed(followed.clone())).expect("commits");
    }
    world.settle();
    at
}

#[test]
fn an_outcome_that_a_reorg_takes_back_moves_nothing_and_what_comes_instead_counts() {
    let (mut world, parent) = careful_parent();
    let child = world.child(0, parent, purse(300, 200));
    let finalised = |outcome: [u64; 2]| {
        [AdjudicatorEvent::Finalised { channel: child, outcome: outcome.map(Amount::from) }]
    };
    let told = |world: &World| world.nodes[0].engine.channel(parent).expect("known").told_of(child);
    let known = |world: &World, amounts: [u64; 2], is_agreed| {
        let amounts = amounts.map(Amount::from);
        Some(ChildOutcome { amounts, is_agreed, on_chain_at: Some(world.now / 1_000) })
    };
    let fork = world.nodes[0].engine.known_blocks()[0];
    let first = show(&mut world, fork, "first", &finalised([500, 0]));
    show(&mut world, first, "first", &[]);
    assert_eq!(told(&world), known(&world, [500, 0], false));
    world.restart(0);
    world.disconnect(0, 1);
    world.connect(0, 1);
    assert_eq!(told(&world), known(&world, [500, 0], false), "it is known after a start, too");
    // Both blocks are gone.
    let mut head = show(&mut world, fork, "second", &[]);
    assert_eq!(told(&world), None);
    head = show(&mut world, head, "second", &finalised([100, 400]));
    for _ in 0..CONFIRMATIONS - 1 {
        head = show(&mut world, head, "second", &[]);
        assert_eq!(world.view(0, parent).children.len(), 1, "it lacks confirmations");
    }
    show(&mut world, head, "second", &[]);
    for (node, own) in [800, 1_200].into_iter().enumerate() {
        assert!(world.view(node, parent).children.is_empty());
        assert_eq!(world.own(node, parent), own);
    }
}

#[test]
fn a_dispute_of_a_child_ends_the_same_with_a_start_at_every_step() {
    let (mut world, _, child) = stalled();
    world.silence(1);
    world.command(0, child, Command::Dispute);
    // Both periods of the game, the time that the peer has to take its end over, and the parent's period.
    for _ in 0..26 + 12 + 14 {
        world.restart(0);
        world.elapse(2 * 3_600);
    }
    assert_eq!(world.payouts(), WON);
}

#[test]
fn a_life_of_a_child_goes_on_after_a_start_at_every_step() {
    let (mut world, parent) = World::parent();
    let again = |world: &mut World| {
        for node in 0..2 {
            world.restart(node);
        }
        world.disconnect(0, 1);
        world.connect(0, 1);
    };
    let new = game(&world, 5);
    let child = world.child(0, parent, new);
    again(&mut world);
    world.take(0, child, 1);
    again(&mut world);
    world.disconnect(0, 1);
    world.command(0, child, Command::Dispute);
    world.follow();
    again(&mut world);
    world.elapse(3_600);
    again(&mut world);
    world.take(1, child, 2);
    again(&mut world);
    world.take(0, child, 2);
    again(&mut world);
    world.command(0, child, Command::Finish { outcome: won_by(Side::Zero) });
    world.settle();
    world.command(1, child, Command::Finish { outcome: won_by(Side::Zero) });
    // Nothing that the end set off has arrived.
    world.wire.clear();
    again(&mut world);
    for node in 0..2 {
        world.command(node, child, Command::Finish { outcome: won_by(Side::Zero) });
        world.settle();
    }
    again(&mut world);
    let own = [DEPOSIT + STAKE, DEPOSIT - STAKE].map(i128::from);
    assert_eq!([0, 1].map(|node| world.own(node, parent)), own);
    assert!(world.view(0, parent).children.is_empty());
}
