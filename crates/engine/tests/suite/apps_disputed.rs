//! Games that go to the chain: a peer that stalls, one that cheats, one that comes back. The real contract decides.

use crate::apps::{STAKE, game_settings, heap, won_by};
use crate::reorg::{mine, reorganise};
use crate::world::{World, sticks};
use strait_chain::dev::Reinclude;
use strait_engine::ports::{Chain, TxHash, TxRequest};
use strait_engine::{Input, Notice, SubmissionKey};
use strait_protocol::{
    AppMove, Body, ChainNews, Command, Event, Frame, Operation, Outcome, Settings, Signer, Sync, Update,
};
use strait_types::abi::app::deploy_app;
use strait_types::abi::calls;
use strait_types::{ChannelId, Side, U256, Version};

pub(crate) const PERIOD: u64 = 24 * 3_600;

impl World {
    /// Lets time pass on the chain and for the nodes, in blocks of an hour, and lets them do what they want.
    pub(crate) fn elapse(&mut self, seconds: u64) {
        self.elapse_by(3_600, seconds);
    }

    pub(crate) fn elapse_by(&mut self, block: u64, seconds: u64) {
        let chain = self.nodes[0].port.chain().clone();
        let end = chain.with(|chain| chain.now()) + seconds;
        while chain.with(|chain| chain.now()) < end {
            let step = block.min(end - chain.with(|chain| chain.now()));
            chain.with(|chain| {
                chain.advance(step);
                chain.mine();
            });
            let now = chain.with(|chain| chain.now()) * 1_000;
            self.pass(now.saturating_sub(self.now));
            self.follow();
        }
        for _ in 0..4 {
            chain.with(|chain| chain.mine());
            self.follow();
        }
    }

    pub(crate) fn calls(&self, node: usize, name: &str) -> usize {
        let is_it = |key: &&SubmissionKey| matches!(key, SubmissionKey::Call(key) if key.name == name);
        self.nodes[node].submitted.iter().filter(is_it).count()
    }

    pub(crate) fn silence(&mut self, node: usize) {
        self.disconnect(0, 1);
        self.nodes[node].mute = true;
    }
}

#[test]
fn a_staller_loses_by_the_verdict() {
    let (mut world, id) = World::game(5);
    world.take(0, id, 1);
    world.silence(1);
    let token = world.command(0, id, Command::Dispute);
    assert_eq!(world.outcome(0, token), Some(Ok(Outcome::Disputing)));
    world.elapse(2 * PERIOD + 3_600);
    assert_eq!(world.payouts(), [2 * STAKE, 0]);
    assert_eq!(world.calls(0, "deploy app"), 1, "the chain was given the app");
}

/// Somebody gives the chain the app, of which no node's dispute is the reason.
fn deploy_by(world: &mut World, node: usize) -> TxHash {
    let adjudicator = world.nodes[node].engine.domain().adjudicator();
    let call = TxRequest { to: adjudicator, value: U256::ZERO, data: deploy_app(sticks().runtime()) };
    let hash = world.nodes[node].port.submit(&call).expect("deployed");
    world.follow();
    hash
}

#[test]
fn an_app_that_the_chain_has_is_not_given_to_it_again() {
    let (mut world, id) = World::game(5);
    world.take(0, id, 1);
    deploy_by(&mut world, 1);
    world.silence(1);
    world.command(0, id, Command::Dispute);
    world.restart(0);
    world.elapse(2 * PERIOD + 3_600);
    assert_eq!(world.payouts(), [2 * STAKE, 0]);
    assert_eq!(world.calls(0, "deploy app"), 0);
}

#[test]
fn an_app_that_a_reorg_has_taken_away_is_given_to_the_chain_again() {
    let (mut world, id) = World::game(5);
    world.take(0, id, 1);
    let deployment = deploy_by(&mut world, 1);
    world.silence(1);
    world.command(0, id, Command::Dispute);
    world.elapse(2 * PERIOD + 3_600);
    assert_eq!((world.payouts(), world.calls(0, "deploy app")), ([2 * STAKE, 0], 0));
    mine(&mut world, 150);
    let kept = world.nodes[0].port.chain().with(|chain| {
        let all = chain.blocks().iter().flat_map(|block| &block.transactions);
        all.map(|included| included.transaction.hash).filter(|hash| *hash != deployment).collect()
    });
    reorganise(&mut world, &Reinclude::Only(kept));
    assert!(world.nodes[0].notices.iter().any(|notice| matches!(notice, Notice::DeepReorg { .. })));
    // What was settled is undone, too, until it is settled with the app again.
    assert_eq!((world.payouts(), world.calls(0, "deploy app")), ([2 * STAKE, 0], 1));
    assert!(world.calls(0, "settle") >= 2);
}

#[test]
fn a_node_does_not_wait_for_a_staller_for_ever() {
    let settings = Settings { move_patience: 2 * 3_600, ..game_settings() };
    let (mut world, id) = World::game_with(5, settings);
    world.take(0, id, 1);
    let now = world.now / 1_000;
    let told = [0, 1].map(|node| world.app(node, id).claims_at);
    assert!(told[0].is_some_and(|at| at > now && at <= now + 2 * 3_600) && told[1].is_none(), "{told:?}");
    world.silence(1);
    world.elapse(2 * PERIOD + 5 * 3_600);
    assert_eq!(world.payouts(), [2 * STAKE, 0]);
    let both = i128::from(2 * STAKE);
    for (node, shown) in [(0, [both, 0]), (1, [0, both])] {
        let balance = &world.nodes[node].engine.view(id).expect("known").balances[0];
        assert_eq!([balance.own, balance.peer], shown, "{node} is told what the chain paid");
    }
}

#[test]
fn patience_does_not_begin_anew_with_each_start() {
    let (mut world, id) = World::game(5);
    world.take(0, id, 1);
    world.silence(1);
    let claims_at = world.app(0, id).claims_at;
    for minutes in [360, 360, 360, 330] {
        world.elapse(minutes * 60);
        world.restart(0);
    }
    assert!(!world.news(0).iter().any(|news| matches!(news, ChainNews::Challenged { .. })), "{claims_at:?}");
    world.elapse(45 * 60);
    let now = world.now / 1_000;
    let again = world.app(0, id).claims_at.expect("a time");
    assert!(
        claims_at.is_some_and(|at| at < now) && again > now && again <= now + 3_600,
        "{claims_at:?} {again}"
    );
    world.elapse(2 * PERIOD + 2 * 3_600);
    assert_eq!(world.payouts(), [2 * STAKE, 0]);
}

#[test]
fn nobody_lets_the_chains_clock_run_against_itself_while_the_peer_is_there() {
    let (mut world, id) = World::game(5);
    let token = world.command(0, id, Command::Dispute);
    assert!(world.outcome(0, token).expect("ended").expect_err("refused").contains("own turn"));
    let token = world.command(1, id, Command::Dispute);
    assert_eq!(world.outcome(1, token), Some(Ok(Outcome::Disputing)));
    // Without the peer nothing can be moved but on chain.
    let (mut world, id) = World::game(5);
    world.disconnect(0, 1);
    let token = world.command(0, id, Command::Dispute);
    assert_eq!(world.outcome(0, token), Some(Ok(Outcome::Disputing)));
}

#[test]
fn forced_moves_are_answered_to_the_end() {
    let (mut world, id) = World::game(5);
    world.take(0, id, 1);
    world.disconnect(0, 1);
    world.command(0, id, Command::ForceClose);
    world.elapse(3_600);
    // In the first period the base is recorded, and the move can be signed already.
    let token = world.take(1, id, 1);
    assert_eq!(world.outcome(1, token), None);
    world.elapse(PERIOD);
    assert_eq!(world.outcome(1, token), Some(Ok(Outcome::Moved { version: Version(3) })));
    assert_eq!(world.left(0, id), 3, "the other goes on from what the chain recorded");
    let moved = |event: &Event| matches!(event, Event::Moved { state, is_ours: false } if state.version == Version(3));
    assert!(world.events(0).iter().any(moved));
    let token = world.take(0, id, 3);
    world.elapse(3_600);
    assert_eq!(world.outcome(0, token), Some(Ok(Outcome::Moved { version: Version(4) })));
    world.elapse(PERIOD + 3_600);
    assert_eq!(world.payouts(), [2 * STAKE, 0], "no stick is left to node 1");
}

#[test]
fn a_move_that_the_chain_recorded_first_is_no_fault_of_the_peer_that_sends_it() {
    let (mut world, id) = World::game(5);
    world.take(0, id, 1);
    world.command(0, id, Command::Dispute);
    world.elapse(3_600);
    let token = world.take(1, id, 1);
    world.elapse(PERIOD);
    assert_eq!(world.outcome(1, token), Some(Ok(Outcome::Moved { version: Version(3) })));
    assert_eq!([0, 1].map(|node| world.left(node, id)), [3, 3]);
    for node in 0..2 {
        let faults: Vec<_> = world.events(node);
        let faults: Vec<_> = faults.iter().filter(|event| matches!(event, Event::PeerFault(_))).collect();
        assert!(faults.is_empty(), "node {node}: {faults:?}");
    }
    assert!(world.news(0).contains(&ChainNews::Resumed));
    let token = world.take(0, id, 1);
    assert!(matches!(world.outcome(0, token), Some(Ok(_))), "play goes on: {:?}", world.outcome(0, token));
}

#[test]
fn a_peer_that_says_it_was_restored_keeps_nobody_from_a_forced_move() {
    let (mut world, id) = World::game(5);
    world.take(0, id, 1);
    world.command(0, id, Command::ForceClose);
    world.elapse(3_600);
    let (domain, state) = (*world.nodes[0].engine.domain(), world.nodes[0].engine.latest(world.now, id));
    let state = state.expect("signed").position.state;
    let signature = world.nodes[0].key.sign(domain.state_digest(state.hash())).expect("signs");
    let sync = Sync {
        confirmed: state.version,
        confirmed_hash: state.hash(),
        signature: Some(signature),
        restored: true,
        reply: true,
    };
    let bytes = Frame::Channel { channel: id, body: Body::Sync(sync) }.encode();
    let peer = world.signer(0);
    world.input(1, Input::Frame { peer, bytes }).expect("commits");
    assert!(world.nodes[1].engine.view(id).expect("known").peer_restoring, "believed for what it is worth");
    let token = world.take(1, id, 1);
    world.elapse(PERIOD);
    assert_eq!(world.outcome(1, token), Some(Ok(Outcome::Moved { version: Version(3) })));
}

#[test]
fn a_restart_in_the_middle_of_a_dispute_changes_nothing() {
    let (mut world, id) = World::game(5);
    world.take(0, id, 1);
    world.silence(1);
    world.command(0, id, Command::Dispute);
    world.restart(0);
    world.elapse(PERIOD + 3_600);
    world.restart(0);
    world.elapse(PERIOD + 3_600);
    assert_eq!(world.payouts(), [2 * STAKE, 0]);
}

/// Node 1 sends this version, signed by its key, instead of what its engine would.
pub(crate) fn forge(world: &mut World, id: ChannelId, next: AppMove) {
    let domain = *world.nodes[1].engine.domain();
    let base = world.nodes[1].engine.latest(world.now, id).expect("signed").position;
    let operations = [Operation::Move(next)].into();
    let version = base.state.version.next().expect("few");
    // Where the structure itself is broken, there is no state to sign.
    let hash =
        base.next(version, &operations, &mut |_, _| Ok(())).map_or(base.state.hash(), |p| p.state.hash());
    let signature = world.nodes[1].key.sign(domain.state_digest(hash)).expect("signs");
    let update =
        Update { base: base.state.version, base_hash: base.state.hash(), version, operations, signature };
    let bytes = Frame::Channel { channel: id, body: Body::Update(update) }.encode();
    let peer = world.signer(1);
    world.input(0, Input::Frame { peer, bytes }).expect("commits");
    world.settle();
}

#[test]
fn a_cheater_is_taken_to_the_chain_and_loses() {
    let mut too_many = heap(Side::Zero, 0);
    too_many.data[63] = 0;
    let mut uneven = heap(Side::Zero, 3);
    uneven.deltas = vec![[-60, 61]];
    let mut taking = heap(Side::Zero, 3);
    taking.deltas = vec![[-60, 60]];
    for illegal in [too_many, uneven, taking] {
        let (mut world, id) = World::game(5);
        world.take(0, id, 1);
        forge(&mut world, id, illegal);
        assert!(world.events(0).iter().any(|event| matches!(event, Event::Refused { .. })));
        assert_eq!(world.left(0, id), 4, "nothing has changed");
        world.silence(1);
        world.elapse(2 * PERIOD + 3_600);
        assert_eq!(world.payouts(), [2 * STAKE, 0]);
    }
}

#[test]
fn a_false_challenge_is_answered_with_the_newest_state() {
    let (mut world, id) = World::game(5);
    world.take(0, id, 1);
    let old = world.nodes[1].engine.latest(world.now, id).expect("signed");
    world.take(1, id, 1);
    // Node 0 takes the last, and node 1 remembers only that there were four.
    world.take(0, id, 3);
    world.silence(1);
    let domain = *world.nodes[1].engine.domain();
    let params = world.nodes[1].engine.channel(id).expect("known").params().clone();
    let state = &old.position.state;
    let digest = domain.challenge_digest(id, 0, state.hash());
    let signature = world.nodes[1].key.sign(digest).expect("signs");
    let signatures = Some(&old.signatures);
    let data = calls::challenge(&params, state, signatures, None, Side::One, Some(&signature));
    let call = TxRequest { to: domain.adjudicator(), value: U256::ZERO, data };
    world.nodes[1].port.submit(&call).expect("challenged");
    world.elapse(2 * PERIOD + 3_600);
    assert_eq!(world.calls(0, "respond"), 1, "one answer is enough");
    assert_eq!(world.payouts(), [2 * STAKE, 0]);
}

#[test]
fn who_comes_back_is_let_go_on_and_the_channel_lives() {
    let (mut world, id) = World::game(9);
    world.take(0, id, 1);
    world.silence(1);
    world.command(0, id, Command::Dispute);
    world.elapse(PERIOD / 2);
    assert!(world.news(0).iter().any(|news| matches!(news, ChainNews::Challenged { .. })));
    world.nodes[1].mute = false;
    world.connect(0, 1);
    world.elapse(3_600);
    assert!(world.news(0).contains(&ChainNews::Resumed));
    let token = world.take(1, id, 2);
    assert!(matches!(world.outcome(1, token), Some(Ok(_))), "{:?}", world.outcome(1, token));
    assert_eq!(world.left(0, id), 6);
    // What the dispute left on record does not matter any more.
    world.silence(0);
    world.command(1, id, Command::Dispute);
    world.elapse(2 * PERIOD + 3_600);
    assert_eq!(world.payouts(), [0, 2 * STAKE]);
}

#[test]
fn who_stalls_while_it_is_here_is_not_let_off() {
    let settings = Settings { move_patience: 3_600, ..game_settings() };
    let (mut world, id) = World::game_with(9, settings);
    world.take(0, id, 1);
    world.elapse(2 * PERIOD + 4 * 3_600);
    assert!(!world.news(0).contains(&ChainNews::Resumed), "it is connected all the time, and owes a move");
    assert_eq!(world.payouts(), [2 * STAKE, 0]);
}

#[test]
fn what_both_agreed_is_paid_even_after_its_limit() {
    let (mut world, id) = World::game(9);
    for node in 0..2 {
        world.nodes[node].mute = true;
    }
    world.command(0, id, Command::Finish { outcome: won_by(Side::One) });
    world.settle();
    world.elapse(3 * 3_600);
    assert_eq!(world.payouts(), [0, 0]);
    world.nodes[1].mute = false;
    world.elapse(PERIOD + 2 * 3_600);
    assert_eq!(world.payouts(), [0, 2 * STAKE]);
}
