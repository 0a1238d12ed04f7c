//! Forced play when the chain, the peer or one's own past make it hard: reorgs, confirmations, a refusal without reason, many
//! resumes, a restore, and channels that the operator approves.

use crate::apps::{STAKE, game_settings, heap};
use crate::apps_disputed::PERIOD;
use crate::reorg::mine;
use crate::world::{World, policy, recover_with, sticks};
use strait_chain::dev::Reinclude;
use strait_engine::ports::{Chain, TxRequest};
use strait_engine::{Input, Notice, Policy};
use strait_protocol::{Body, ChainNews, Command, Event, Frame, Outcome, Refusal, Rule, Settings, Signer};
use strait_types::abi::calls;
use strait_types::{ChannelId, Side, U256, Version};

/// Blocks that node 0 wants on top of what counts.
const CONFIRMATIONS: u64 = 3;

/// A game of five sticks in which node 0 is careful.
fn careful_game() -> (World, ChannelId) {
    let mut world = World::new(2);
    world.connect(0, 1);
    for node in 0..2 {
        world.install(node, sticks().runtime().to_vec());
    }
    let (_, id) = world.offer_game(5, Settings { confirmations: CONFIRMATIONS, ..game_settings() });
    for node in 0..2 {
        world.stake(node, id);
    }
    assert_eq!(world.app(0, id).state.version, Version(0), "the stakes do not count yet");
    mine(&mut world, CONFIRMATIONS as usize);
    assert_eq!(world.app(0, id).state.version, Version(1));
    (world, id)
}

fn next_hour(world: &mut World) {
    let chain = world.nodes[0].port.chain().clone();
    chain.with(|chain| {
        chain.advance(3_600);
        chain.mine();
    });
    let now = chain.with(|chain| chain.now()) * 1_000;
    world.pass(now.saturating_sub(world.now));
    world.follow();
}

/// Takes the last blocks away, with all that was in them.
fn forget_blocks(world: &mut World, blocks: usize) {
    let chain = world.nodes[0].port.chain().clone();
    chain.with(|chain| chain.reorg(blocks, &Reinclude::Never)).expect("it can");
}

#[test]
fn a_reorg_of_unconfirmed_blocks_in_forced_play_changes_nothing_in_the_end() {
    let (mut world, id) = careful_game();
    world.silence(1);
    world.command(0, id, Command::Dispute);
    world.follow();
    assert_eq!(world.calls(0, "challenge"), 1);
    let early = world.take(0, id, 3);
    let error = world.outcome(0, early).expect("at once").expect_err("the challenge has no confirmations");
    assert!(error.contains("has not recorded"), "{error}");
    // The challenge is taken back, and brought again.
    forget_blocks(&mut world, 1);
    mine(&mut world, 1);
    assert!(world.news(0).contains(&ChainNews::Reorganised));
    assert_eq!(world.calls(0, "challenge"), 2);
    mine(&mut world, 1 + CONFIRMATIONS as usize);
    let token = world.take(0, id, 3);
    assert_eq!(world.outcome(0, token), None, "it waits for the chain");
    while world.calls(0, "progress") == 0 {
        next_hour(&mut world);
    }
    assert_eq!(world.calls(0, "deploy app"), 1);
    // The move and the app's deployment are taken back.
    forget_blocks(&mut world, CONFIRMATIONS as usize);
    world.follow();
    next_hour(&mut world);
    assert_eq!(world.outcome(0, token), None, "it has no confirmations");
    world.elapse(PERIOD + 6 * 3_600);
    assert_eq!(world.outcome(0, token), Some(Ok(Outcome::Moved { version: Version(2) })));
    assert_eq!((world.calls(0, "deploy app"), world.payouts()), (2, [2 * STAKE, 0]));
}

/// Node 0 has sent its move, and hears from node 1 that it is against the rules.
fn refuse(world: &mut World, id: ChannelId) {
    let before = world.nodes[1].engine.latest(world.now, id).expect("signed");
    let version = before.position.state.version;
    let signature = Some(before.signatures[1]);
    let next = version.next().expect("few");
    let refusal =
        Refusal { version: next, index: Some(0), rule: Rule::IllegalMove, confirmed: version, signature };
    let bytes = Frame::Channel { channel: id, body: Body::Refuse(refusal) }.encode();
    let peer = world.signer(1);
    world.input(0, Input::Frame { peer, bytes }).expect("commits");
}

#[test]
fn a_move_that_the_peer_refuses_goes_to_the_chain() {
    let (mut world, id) = World::game(5);
    let token = world.command(0, id, Command::Move(heap(Side::One, 4)));
    world.wire.clear();
    refuse(&mut world, id);
    let refused = |event: &Event| matches!(event, Event::MoveRefused { version: Version(2), .. });
    assert!(world.events(0).iter().any(refused));
    let other = world.command(0, id, Command::Move(heap(Side::One, 3)));
    let error = world.outcome(0, other).expect("at once").expect_err("there is a move under way");
    assert!(error.contains("awaits the peer or the chain"), "{error}");
    world.silence(1);
    world.restart(0);
    world.elapse(2 * PERIOD + 6 * 3_600);
    assert_eq!(world.left(0, id), 4, "the chain took the move as it was");
    assert_eq!(world.payouts(), [2 * STAKE, 0]);
    // The one who asked is told if its node did not die.
    assert_eq!(world.outcome(0, token), None);
}

#[test]
fn who_missed_the_period_still_shows_what_both_signed_instead_of_moving() {
    let (mut world, id) = World::game(5);
    world.take(0, id, 1);
    world.take(1, id, 1);
    let old = world.nodes[1].engine.latest(world.now, id).expect("signed");
    // Node 0 takes the last: in the old state it is to move, and would lose.
    world.take(0, id, 3);
    world.silence(1);
    world.nodes[0].mute = true;
    let domain = *world.nodes[1].engine.domain();
    let params = world.nodes[1].engine.channel(id).expect("known").params().clone();
    let digest = domain.challenge_digest(id, 0, old.position.state.hash());
    let signature = world.nodes[1].key.sign(digest).expect("signs");
    let data = calls::challenge(
        &params,
        &old.position.state,
        Some(&old.signatures),
        None,
        Side::One,
        Some(&signature),
    );
    let call = TxRequest { to: domain.adjudicator(), value: U256::ZERO, data };
    world.nodes[1].port.submit(&call).expect("challenged");
    world.elapse(PERIOD + 3_600);
    world.nodes[0].mute = false;
    world.elapse(PERIOD + 4 * 3_600);
    assert!(
        world.news(0).iter().any(|news| matches!(news, ChainNews::Progressed { version: Version(4), .. }))
    );
    assert_eq!(world.payouts(), [2 * STAKE, 0]);
}

#[test]
fn who_comes_back_again_and_again_is_let_off_three_times() {
    let (mut world, id) = World::game(9);
    world.take(0, id, 1);
    for round in 1..=4 {
        world.silence(1);
        world.command(0, id, Command::Dispute);
        world.elapse(3_600);
        world.nodes[1].mute = false;
        world.connect(0, 1);
        world.elapse(3_600);
        let resumed = world.news(0).iter().filter(|news| **news == ChainNews::Resumed).count();
        assert_eq!(resumed, round.min(3));
    }
    world.silence(1);
    world.elapse(2 * PERIOD);
    assert_eq!(world.payouts(), [2 * STAKE, 0]);
}

#[test]
fn a_side_from_a_backup_forces_no_move_and_defends_with_what_it_holds() {
    let (mut world, id) = World::game(5);
    world.take(0, id, 1);
    // Node 1 is to move, and was restored; it does not know what it has signed.
    let node = &mut world.nodes[1];
    let policy = policy(node.port.adjudicator());
    node.engine = recover_with(&node.key, &node.port, &node.store, policy, true);
    world.disconnect(0, 1);
    world.command(0, id, Command::Dispute);
    world.elapse(3_600);
    let token = world.take(1, id, 3);
    let error = world.outcome(1, token).expect("at once").expect_err("restored");
    assert!(error.contains("restored from a backup"), "{error}");
    world.elapse(2 * PERIOD + 3_600);
    assert_eq!(world.payouts(), [2 * STAKE, 0], "it may lose a turn by that, and no more");

    // The other way round: the one who was restored holds the newest state, and is challenged with an old one.
    let (mut world, id) = World::game(5);
    world.take(0, id, 1);
    world.take(1, id, 1);
    let old = world.nodes[1].engine.latest(world.now, id).expect("signed");
    world.take(0, id, 3);
    world.silence(1);
    let node = &mut world.nodes[0];
    let policy = crate::world::policy(node.port.adjudicator());
    node.engine = recover_with(&node.key, &node.port, &node.store, policy, true);
    let domain = *world.nodes[1].engine.domain();
    let params = world.nodes[1].engine.channel(id).expect("known").params().clone();
    let digest = domain.challenge_digest(id, 0, old.position.state.hash());
    let signature = world.nodes[1].key.sign(digest).expect("signs");
    let data = calls::challenge(
        &params,
        &old.position.state,
        Some(&old.signatures),
        None,
        Side::One,
        Some(&signature),
    );
    let call = TxRequest { to: domain.adjudicator(), value: U256::ZERO, data };
    world.nodes[1].port.submit(&call).expect("challenged");
    world.elapse(2 * PERIOD + 3_600);
    assert_eq!(world.payouts(), [2 * STAKE, 0]);
}

#[test]
fn a_game_that_waits_for_approval_starts_with_it() {
    let mut world = World::new(2);
    let node = &mut world.nodes[1];
    let careful = Policy { manual_approval: true, ..policy(node.port.adjudicator()) };
    node.engine = recover_with(&node.key, &node.port, &node.store, careful, false);
    world.follow();
    world.connect(0, 1);
    for node in 0..2 {
        world.install(node, sticks().runtime().to_vec());
    }
    let (_, id) = world.offer_game(5, game_settings());
    let proposed = |notice: &Notice| matches!(notice, Notice::Proposed { channel, .. } if *channel == id);
    assert!(world.nodes[1].notices.iter().any(proposed));
    world.stake(0, id);
    assert_eq!(world.app(0, id).state.version, Version(0));
    let token = world.token();
    world.input(1, Input::Approve { token, channel: id }).expect("commits");
    world.settle();
    world.stake(1, id);
    assert_eq!([0, 1].map(|node| world.app(node, id).state.version), [Version(1); 2]);
    let token = world.take(0, id, 2);
    assert!(matches!(world.outcome(0, token), Some(Ok(_))), "{:?}", world.outcome(0, token));
}
