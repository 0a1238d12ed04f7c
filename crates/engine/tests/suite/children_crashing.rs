//! A game within a channel whose players die at every write, before and after it is durable.

use crate::apps::{STAKE, won_by};
use crate::children::{DEPOSIT, game};
use crate::world::{Crash, World};
use strait_protocol::Command;
use strait_types::ChannelId;

/// Rounds after which a game has surely ended without the crash.
const MANY: usize = 400;

/// Lets the next thing happen that makes the game go on; whoever died is back, and tries again.
fn step(world: &mut World, parent: ChannelId) {
    world.disconnect(0, 1);
    world.connect(0, 1);
    world.follow();
    let children = |node: usize| -> Vec<ChannelId> {
        let engine = &world.nodes[node].engine;
        engine.channel_ids().filter(|id| world.view(node, *id).parent == Some(parent)).collect()
    };
    let (ours, theirs) = (children(0), children(1));
    assert_eq!(ours, theirs, "both know the same children");
    let Some(child) = ours.first().copied() else {
        let new = game(world, 3);
        world.open_child(0, parent, new);
        return;
    };
    assert_eq!(ours.len(), 1, "it is opened once");
    let mover = (0..2).max_by_key(|node| world.app(*node, child).state.version).expect("two");
    let state = world.app(mover, child).state;
    let turn = state.writer.index();
    if state.is_final || state.version.0 == 0 {
        return;
    }
    if state.app_data[63] == 0 {
        world.command(turn, child, Command::Finish { outcome: won_by(state.writer.other()) });
        world.settle();
    } else if world.app(turn, child).our_turn {
        world.take(turn, child, 1);
    }
}

#[test]
fn a_game_ends_in_its_parent_whenever_a_player_dies() {
    let mut spared = [0; 2];
    for (node, spared) in spared.iter_mut().enumerate() {
        for is_durable in [false, true] {
            for rounds in 0..MANY {
                let (mut world, parent) = World::parent();
                world.crash = Some(Crash { node, rounds, is_durable });
                for _ in 0..10 {
                    step(&mut world, parent);
                }
                // Node 0, 1 and 0 took one each, so node 1 is to move and has lost.
                let expected = [DEPOSIT + STAKE, DEPOSIT - STAKE].map(i128::from);
                assert_eq!(
                    [0, 1].map(|node| world.own(node, parent)),
                    expected,
                    "{node} {rounds} {is_durable}"
                );
                for side in 0..2 {
                    let view = world.view(side, parent);
                    assert!(view.children.is_empty() && view.balances[0].locked == 0);
                    assert!(world.nodes[side].submitted.is_empty(), "no transaction");
                }
                if world.crash.is_some() {
                    *spared += 1;
                    break;
                }
            }
        }
    }
    assert_eq!(spared, [2, 2], "every write was tried");
}
