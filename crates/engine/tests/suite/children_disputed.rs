//! Children that go to the chain, alone or with their parent. The real contract decides.

use crate::apps::{STAKE, won_by};
use crate::children::{DEPOSIT, game, purse};
use crate::world::{Crash, World};
use strait_engine::Notice;
use strait_engine::ports::{Chain, TxRequest};
use strait_protocol::{ChainNews, Command, Signer as _};
use strait_types::abi::calls;
use strait_types::abi::child::{Challenger, Child, Shown};
use strait_types::{Amount, Bytes, ChannelId, Side, State, U256};

pub(crate) const PERIOD: u64 = 24 * 3_600;

/// What both have in the end when node 0 wins the game.
pub(crate) const WON: [u64; 2] = [DEPOSIT + STAKE, DEPOSIT - STAKE];

/// A game in which node 1 is to move, and loses by the clock.
pub(crate) fn stalled() -> (World, ChannelId, ChannelId) {
    let (mut world, parent) = World::parent();
    let new = game(&world, 5);
    let child = world.child(0, parent, new);
    world.take(0, child, 1);
    (world, parent, child)
}

pub(crate) fn submit(world: &mut World, node: usize, data: Bytes) {
    let to = world.nodes[node].port.adjudicator();
    world.nodes[node].port.submit(&TxRequest { to, value: U256::ZERO, data }).expect("taken");
}

#[test]
fn a_staller_loses_and_whoever_is_left_alone_takes_the_parent_along() {
    let (mut world, parent, child) = stalled();
    world.silence(1);
    world.command(0, child, Command::Dispute);
    // Both periods of the game, a day in which the peer could take its end over, and the parent's period.
    world.elapse(4 * PERIOD + 6 * 3_600);
    assert_eq!(world.payouts(), WON);
    assert_eq!([0, 1].map(|node| world.own(node, parent)), WON.map(i128::from), "as the chain paid");
    assert_eq!([0, 1].map(|node| world.own(node, child)), [i128::from(2 * STAKE), 0], "as the chain judged");
    for (call, count) in [("challenge", 2), ("settle", 2), ("unlock", 1)] {
        assert_eq!(world.calls(0, call), count, "{call}");
    }
}

/// Blocks come while this machine's clock hardly moves.
fn mine_ahead(world: &mut World, seconds: u64) {
    let chain = world.nodes[0].port.chain().clone();
    for _ in 0..seconds / 3_600 {
        chain.with(|chain| {
            chain.advance(3_600);
            chain.mine();
        });
        world.pass(10);
        world.follow();
    }
}

#[test]
fn the_parent_follows_by_the_chains_time_once_the_peer_had_a_moment() {
    for restarts in [false, true] {
        let (mut world, parent, child) = stalled();
        world.silence(1);
        world.command(0, child, Command::Dispute);
        mine_ahead(&mut world, 2 * PERIOD + 3 * 3_600);
        let [held] = &world.view(0, parent).children[..] else { panic!("it is not taken over") };
        assert_eq!(held.outcome, Some([2 * STAKE, 0].map(Amount::from)), "what the chain gave");
        let decided = held.leaves_at.expect("a time") - PERIOD;
        let now = world.nodes[0].port.chain().with(|chain| chain.now());
        assert!(decided <= now && decided + 3 * 3_600 >= now, "{decided} {now}");
        mine_ahead(&mut world, PERIOD);
        if restarts {
            world.restart(0);
            world.follow();
        }
        assert_eq!(world.view(0, parent).phase, "open", "a peer that is on its way is waited for");
        // No further block is needed, and what the chain's clock has counted stays.
        world.pass(120_000);
        mine_ahead(&mut world, PERIOD + 4 * 3_600);
        assert_eq!(world.payouts(), WON, "{restarts}");
    }
}

#[test]
fn what_the_chain_decided_is_taken_over_by_a_peer_that_comes_back_and_the_parent_lives() {
    let (mut world, parent, child) = stalled();
    world.silence(1);
    world.command(0, child, Command::Dispute);
    world.elapse(2 * PERIOD + 3_600);
    assert_eq!(world.view(0, parent).children.len(), 1);
    world.nodes[1].mute = false;
    world.connect(0, 1);
    for (node, won) in WON.into_iter().enumerate() {
        assert_eq!(world.own(node, parent), i128::from(won), "{node}");
        assert!(world.view(node, parent).children.is_empty());
    }
    let paid = world.pay(1, parent, 5);
    world.settle();
    assert!(matches!(world.outcome(1, paid), Some(Ok(_))));
    assert!(!world.nodes[0].notices.iter().any(|notice| matches!(notice,
        Notice::Channel { channel, event: strait_protocol::Event::Chain(ChainNews::Challenged { .. }) }
            if *channel == parent)));
}

#[test]
fn who_comes_back_to_a_disputed_game_plays_on_in_the_living_parent() {
    let (mut world, parent, child) = stalled();
    world.silence(1);
    world.command(0, child, Command::Dispute);
    world.elapse(PERIOD / 2);
    world.nodes[1].mute = false;
    world.connect(0, 1);
    world.elapse(3_600);
    assert!(world.news(0).contains(&ChainNews::Resumed));
    world.take(1, child, 2);
    world.take(0, child, 2);
    world.finish(child, &won_by(Side::Zero));
    assert_eq!([0, 1].map(|node| world.own(node, parent)), WON.map(i128::from));
}

#[test]
fn a_forced_close_takes_its_children_along() {
    for leaver in 0..2 {
        let (mut world, parent, child) = stalled();
        let second = world.child(1, parent, purse(40, 30));
        world.pay(1, second, 10);
        world.settle();
        world.disconnect(0, 1);
        world.command(leaver, parent, Command::ForceClose);
        world.elapse(3 * PERIOD);
        assert_eq!(world.payouts(), [WON[0] + 10, WON[1] - 10], "{leaver}");
        for node in 0..2 {
            for channel in [parent, child, second] {
                assert_eq!(world.view(node, channel).phase, "closed");
            }
        }
    }
}

#[test]
fn a_game_that_goes_on_by_force_while_its_parent_is_settled_decides_the_lock() {
    let (mut world, parent, child) = stalled();
    world.disconnect(0, 1);
    world.command(0, parent, Command::ForceClose);
    world.elapse(PERIOD / 2);
    let token = world.take(1, child, 1);
    world.elapse(PERIOD / 2 + 2 * 3_600);
    assert!(matches!(world.outcome(1, token), Some(Ok(_))), "{:?}", world.outcome(1, token));
    assert_eq!(world.view(0, parent).phase, "settled");
    // Node 0 lets its turn pass now, and loses.
    world.elapse(PERIOD + 3_600);
    assert_eq!(world.payouts(), [DEPOSIT - STAKE, DEPOSIT + STAKE]);
}

#[test]
fn a_challenge_with_a_state_from_before_the_child_gains_nothing() {
    let (mut world, parent) = World::parent();
    world.pay(0, parent, 10);
    world.settle();
    let old = world.nodes[1].engine.latest(world.now, parent).expect("signed");
    let new = game(&world, 5);
    let child = world.child(0, parent, new);
    world.take(0, child, 1);
    world.silence(1);
    let domain = *world.nodes[1].engine.domain();
    let params = world.nodes[1].engine.channel(parent).expect("known").params().clone();
    let state = &old.position.state;
    let digest = domain.challenge_digest(parent, 0, state.hash());
    let signature = world.nodes[1].key.sign(digest).expect("signs");
    let signatures = Some(&old.signatures);
    let data = calls::challenge(&params, state, signatures, None, Side::One, Some(&signature));
    submit(&mut world, 1, data);
    world.elapse(3 * PERIOD);
    assert_eq!(world.calls(0, "respond"), 1);
    assert_eq!(world.payouts(), [WON[0] - 10, WON[1] + 10]);
}

/// Node 1 brings a channel to the chain as if nothing had been played.
pub(crate) fn challenge_at_zero(world: &mut World, id: ChannelId) {
    let domain = *world.nodes[1].engine.domain();
    let channel = world.nodes[1].engine.channel(id).expect("known");
    let (params, terms) = (channel.params().clone(), channel.terms().cloned());
    let state = State::zero(id, 1);
    let signature = world.nodes[1].key.sign(domain.challenge_digest(id, 0, state.hash())).expect("signs");
    let side = params.side_of(world.signer(1)).expect("plays");
    let data = match &terms {
        Some(terms) => {
            let shown = Shown { state: &state, signatures: None, activation: None, previous: None };
            let challenger = Challenger::Participant(side, Some(&signature));
            Child { params: &params, terms }.challenge(shown, challenger)
        }
        None => calls::challenge(&params, &state, None, None, side, Some(&signature)),
    };
    submit(world, 1, data);
}

#[test]
fn a_false_challenge_of_a_child_is_answered_with_the_newest_state() {
    let (mut world, parent, child) = stalled();
    world.silence(1);
    challenge_at_zero(&mut world, child);
    world.elapse(2 * PERIOD + 3_600);
    assert_eq!(world.calls(0, "respond"), 1);
    world.command(0, parent, Command::ForceClose);
    world.elapse(PERIOD + 3 * 3_600);
    assert_eq!(world.payouts(), WON);
}

#[test]
fn payments_in_a_child_count_whatever_the_peer_shows() {
    let (mut world, parent) = World::parent();
    let child = world.child(0, parent, purse(100, 200));
    world.pay(1, child, 150);
    world.settle();
    world.pay(0, child, 20);
    world.settle();
    challenge_at_zero(&mut world, child);
    world.silence(1);
    world.elapse(PERIOD + 3_600);
    world.nodes[1].mute = false;
    world.connect(0, 1);
    assert_eq!([0, 1].map(|node| world.own(node, parent)), [1_130, 870]);
}

#[test]
fn an_agreed_end_is_paid_wherever_the_messages_stop() {
    for frames in 0..40 {
        let (mut world, parent) = World::parent();
        let new = game(&world, 3);
        let child = world.child(0, parent, new);
        world.take(0, child, 3);
        for node in 0..2 {
            world.command(node, child, Command::Finish { outcome: won_by(Side::Zero) });
        }
        let mut delivered = 0;
        while delivered < frames && world.deliver_one() {
            delivered += 1;
        }
        world.silence(1);
        world.command(0, parent, Command::ForceClose);
        world.elapse_by(3 * 3_600, 3 * PERIOD);
        assert_eq!(world.payouts(), WON, "{frames} messages");
        if delivered < frames {
            return;
        }
    }
    panic!("there is no end to it");
}

#[test]
fn a_restart_at_any_hour_of_the_dispute_changes_nothing() {
    let (mut world, parent, _) = stalled();
    world.silence(1);
    world.command(0, parent, Command::ForceClose);
    for _ in 0..13 {
        world.elapse(6 * 3_600);
        world.restart(0);
    }
    world.elapse(3_600);
    assert_eq!(world.payouts(), WON);
}

#[test]
fn a_forced_close_with_a_game_is_won_whenever_the_honest_side_dies() {
    for is_durable in [false, true] {
        for rounds in 0..400 {
            let (mut world, parent, _) = stalled();
            world.silence(1);
            world.crash = Some(Crash { node: 0, rounds, is_durable });
            world.command(0, parent, Command::ForceClose);
            // The order itself may be lost with the process; the user repeats it.
            world.elapse(3_600);
            world.command(0, parent, Command::ForceClose);
            world.elapse_by(6 * 3_600, 72 * 3_600);
            assert_eq!(world.payouts(), WON, "{rounds} {is_durable}");
            if world.crash.is_some() {
                break;
            }
        }
    }
}
