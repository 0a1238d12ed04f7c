//! Games whose players die at every write, before and after it is durable: nothing is signed twice, and the game goes on.

use crate::apps::{STAKE, game_settings, won_by};
use crate::world::{Crash, World, sticks};
use strait_protocol::Command;
use strait_types::ChannelId;

/// Rounds after which a game has surely ended without the crash.
const MANY: usize = 400;

fn crashes() -> impl Iterator<Item = Crash> {
    (0..2).flat_map(|node| {
        [false, true]
            .into_iter()
            .flat_map(move |is_durable| (0..MANY).map(move |rounds| Crash { node, rounds, is_durable }))
    })
}

/// Lets the next thing happen that makes the game go on; whoever died is back, and tries again.
fn step(world: &mut World, id: ChannelId) {
    world.disconnect(0, 1);
    world.connect(0, 1);
    world.follow();
    let (mover, version) = (0..2)
        .map(|node| (node, world.app(node, id).state.version))
        .max_by_key(|(_, version)| *version)
        .expect("two");
    let state = world.app(mover, id).state;
    if version.0 == 0 {
        // An order to deposit that died with the process is given again.
        for node in 0..2 {
            let view = world.nodes[node].engine.view(id).expect("known");
            if view.balances[0].deposited[0].is_zero() {
                world.stake(node, id);
            }
        }
        return;
    }
    if state.is_final {
        return;
    }
    let turn = state.writer.index();
    if state.app_data[63] == 0 {
        world.command(turn, id, Command::Finish { outcome: won_by(state.writer.other()) });
        world.settle();
    } else if world.app(turn, id).our_turn {
        world.take(turn, id, 1);
    }
}

fn opened() -> (World, ChannelId) {
    let mut world = World::new(2);
    world.connect(0, 1);
    for node in 0..2 {
        world.install(node, sticks().runtime().to_vec());
    }
    let (_, id) = world.offer_game(3, game_settings());
    (world, id)
}

#[test]
fn a_game_ends_as_it_would_whenever_a_player_dies() {
    let mut spared = [0; 2];
    for crash in crashes() {
        if spared[crash.node] == 2 {
            continue;
        }
        let (mut world, id) = opened();
        world.crash = Some(crash);
        for node in 0..2 {
            world.stake(node, id);
        }
        for _ in 0..12 {
            step(&mut world, id);
        }
        // Node 0, 1 and 0 took one each, so node 1 is to move and has lost.
        assert_eq!(world.payouts(), [2 * STAKE, 0], "{crash:?}");
        // The game had no more rounds: once for each kind of death is enough.
        if world.crash.is_some() {
            spared[crash.node] += 1;
        }
    }
}

#[test]
fn a_dispute_is_won_whenever_the_honest_side_dies() {
    for is_durable in [false, true] {
        for rounds in 0..MANY {
            let (mut world, id) = opened();
            for node in 0..2 {
                world.stake(node, id);
            }
            world.take(0, id, 1);
            world.disconnect(0, 1);
            world.nodes[1].mute = true;
            world.crash = Some(Crash { node: 0, rounds, is_durable });
            world.command(0, id, Command::Dispute);
            // The order itself may be lost with the process; the user repeats it.
            world.elapse(3_600);
            world.command(0, id, Command::Dispute);
            world.elapse_by(6 * 3_600, 60 * 3_600);
            assert_eq!(world.payouts(), [2 * STAKE, 0], "{rounds} {is_durable}");
            if world.crash.is_some() {
                break;
            }
        }
    }
}
