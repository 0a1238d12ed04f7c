//! Payment channels that are left before anybody has put anything in.

use crate::world::World;
use strait_engine::{Engine, Input, Notice, Policy};
use strait_protocol::{Command, Outcome, Settings, Token};
use strait_types::{AssetIndex, ChannelId};

fn settings() -> Settings {
    Settings { confirmations: 0, ..Settings::default() }
}

fn open(world: &mut World, opener: usize, nonce: u64) -> ChannelId {
    let params = world.params(opener, 1 - opener, nonce);
    let domain = *world.nodes[0].engine.domain();
    let (token, id) = (world.token(), params.id(domain.chain_id(), domain.adjudicator()));
    world.input(opener, Input::Open { token, params, settings: settings() }).expect("commits");
    world.settle();
    id
}

/// Two connected nodes, of which node 0 has opened a channel.
fn opened() -> (World, ChannelId) {
    let mut world = World::new(2);
    world.follow();
    world.connect(0, 1);
    let id = open(&mut world, 0, 1);
    (world, id)
}

fn close(world: &mut World, node: usize, id: ChannelId) -> Token {
    let token = world.command(node, id, Command::Close);
    world.settle();
    token
}

fn is_given_up(world: &World, node: usize, token: Token) -> bool {
    matches!(world.outcome(node, token), Some(Ok(Outcome::Agreed { version })) if version.0 == 0)
}

fn phase(world: &World, node: usize, id: ChannelId) -> Option<&'static str> {
    world.nodes[node].engine.view(id).map(|view| view.phase)
}

fn reasons(world: &World, node: usize) -> Vec<&str> {
    let mut reasons = Vec::new();
    for notice in &world.nodes[node].notices {
        if let Notice::Declined { reason, .. } = notice {
            reasons.push(reason.as_str());
        }
    }
    reasons
}

#[test]
fn an_empty_channel_is_given_up_alone_for_good_and_without_a_transaction() {
    for is_connected in [true, false] {
        let (mut world, id) = opened();
        if !is_connected {
            world.disconnect(0, 1);
        }
        let token = close(&mut world, 0, id);
        assert!(is_given_up(&world, 0, token), "{:?}", world.outcome(0, token));
        assert_eq!(phase(&world, 0, id), Some("closed"));
        assert_eq!(world.nodes[0].engine.status().open_channels, 0);
        let again = close(&mut world, 0, id);
        assert!(matches!(world.outcome(0, again), Some(Err(_))), "once");
        let late = world.token();
        let deposit = Input::Deposit { token: late, channel: id, asset: AssetIndex(0), amount: 1_u64.into() };
        world.input(0, deposit).expect("commits");
        assert!(matches!(world.outcome(0, late), Some(Err(_))), "{:?}", world.outcome(0, late));
        world.restart(0);
        world.follow();
        assert_eq!(phase(&world, 0, id), Some("closed"), "it stays away");
        world.follow();
        assert!(world.news(0).is_empty(), "nothing was sent");
    }
}

#[test]
fn a_backup_brings_no_empty_channel_back_that_could_not_be_left() {
    for is_before in [true, false] {
        let (mut world, id) = opened();
        world.disconnect(0, 1);
        let before = world.nodes[0].disk.fork();
        let token = close(&mut world, 0, id);
        assert!(is_given_up(&world, 0, token));
        let disk = if is_before { before } else { world.nodes[0].disk.fork() };
        world.restore(0, disk);
        world.follow();
        if is_before {
            assert_eq!(phase(&world, 0, id), Some("open"), "it does not know");
            let token = close(&mut world, 0, id);
            assert!(is_given_up(&world, 0, token), "{:?}", world.outcome(0, token));
        }
        assert_eq!(phase(&world, 0, id), Some("closed"));
        // What turns out to be in it is there, and waits as after every restore.
        world.put_in(1, id, 70);
        world.follow();
        let view = world.nodes[0].engine.view(id).expect("known");
        assert!(view.phase == "open" && view.restoring, "{view:?}");
    }
}

#[test]
fn an_order_to_the_chain_is_no_giving_up() {
    let (mut world, id) = opened();
    world.command(0, id, Command::ForceClose);
    let token = close(&mut world, 0, id);
    assert!(matches!(world.outcome(0, token), Some(Err(_))), "{:?}", world.outcome(0, token));
    world.follow();
    assert_eq!(phase(&world, 0, id), Some("disputed"));
}

#[test]
fn a_peer_that_only_took_the_channel_forgets_it_and_has_room_for_another() {
    let (mut world, _) = opened();
    let policy = Policy { channels_per_peer: 1, ..Policy::default() };
    let node = &mut world.nodes[1];
    let domain = *node.engine.domain();
    node.engine =
        Engine::recover(domain, node.key.clone(), policy, settings(), &node.store, false).expect("recovers");
    world.disconnect(0, 1);
    world.follow();
    world.connect(0, 1);
    let second = open(&mut world, 0, 2);
    assert_eq!(phase(&world, 1, second), None, "one is the most");
    let first = world.nodes[1].engine.channel_ids().next().expect("the first");
    close(&mut world, 0, first);
    assert_eq!(phase(&world, 1, first), None, "it was told");
    let status = world.nodes[1].engine.status();
    assert_eq!((status.open_channels, status.unfunded_channels), (0, 0));
    world.pass(20_000);
    assert_eq!(phase(&world, 1, second), Some("open"), "it is offered again");
}

#[test]
fn the_opener_is_told_that_the_peer_has_given_up_and_can_do_so_too() {
    let (mut world, id) = opened();
    let token = close(&mut world, 1, id);
    assert!(is_given_up(&world, 1, token), "{:?}", world.outcome(1, token));
    assert!(reasons(&world, 0).iter().any(|reason| reason.contains("given up")), "{:?}", reasons(&world, 0));
    let late = world.pay(0, id, 1);
    let refused = world.outcome(0, late).expect("at once").expect_err("there is nobody");
    assert!(refused.contains("given up"), "{refused}");
    // Who was away hears of it when it comes back.
    for node in 0..2 {
        world.disconnect(0, 1);
        world.restart(node);
        world.follow();
        world.connect(0, 1);
        assert_eq!([0, 1].map(|node| phase(&world, node, id)), [Some("open"), Some("closed")]);
        let late = world.pay(0, id, 1);
        assert!(world.outcome(0, late).is_some_and(|outcome| outcome.is_err()), "{node}");
    }
    let token = close(&mut world, 0, id);
    assert!(is_given_up(&world, 0, token), "{:?}", world.outcome(0, token));
    world.pass(100_000);
    assert!(world.wire.is_empty(), "nothing is left to be said");
    assert_eq!([0, 1].map(|node| world.nodes[node].engine.status().open_channels), [0; 2]);
}

#[test]
fn what_somebody_puts_in_all_the_same_comes_back_by_a_close() {
    for (payer, closer) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        let (mut world, id) = opened();
        world.disconnect(0, 1);
        let own = world.token();
        if payer == 0 {
            // It is on its way when the channel is given up.
            let deposit =
                Input::Deposit { token: own, channel: id, asset: AssetIndex(0), amount: 70_u64.into() };
            world.input(0, deposit).expect("commits");
        }
        let token = close(&mut world, 0, id);
        assert!(is_given_up(&world, 0, token), "{:?}", world.outcome(0, token));
        if payer == 1 {
            world.put_in(1, id, 70);
        }
        world.follow();
        assert_eq!(phase(&world, 0, id), Some("open"), "it is there again");
        world.restart(0);
        world.follow();
        world.connect(0, 1);
        assert_eq!(world.nodes[0].engine.status().open_channels, 1);
        let token = close(&mut world, closer, id);
        assert!(matches!(world.outcome(closer, token), Some(Ok(_))), "{:?}", world.outcome(closer, token));
        world.follow();
        world.follow();
        let expected = if payer == 0 { [70, 0] } else { [0, 70] };
        assert_eq!(world.payouts(), expected, "{payer} {closer}");
        assert_eq!(phase(&world, 0, id), Some("closed"));
    }
}
