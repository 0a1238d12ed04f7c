//! What an operator's policy lets in, and when value counts.

use crate::world::World;
use std::collections::BTreeMap;
use strait_engine::{Engine, Input, Notice, Policy};
use strait_protocol::{Body, Command, Frame, Outcome, Payment, Settings};
use strait_types::{Address, Amount, AssetIndex, ChannelId};

fn settings() -> Settings {
    Settings { confirmations: 0, ..Settings::default() }
}

/// Two connected nodes, the second under a policy.
fn world(policy: Policy) -> World {
    let mut world = World::new(2);
    let node = &mut world.nodes[1];
    let domain = *node.engine.domain();
    node.engine =
        Engine::recover(domain, node.key.clone(), policy, settings(), &node.store, false).expect("recovers");
    world.follow();
    world.connect(0, 1);
    world
}

fn open(world: &mut World, node: usize, zero: usize, one: usize, nonce: u64) -> ChannelId {
    let params = world.params(zero, one, nonce);
    let domain = *world.nodes[node].engine.domain();
    let token = world.token();
    let id = params.id(domain.chain_id(), domain.adjudicator());
    world.input(node, Input::Open { token, params, settings: settings() }).expect("commits");
    world.settle();
    id
}

fn deposit(world: &mut World, node: usize, channel: ChannelId, amount: u64) {
    let (token, asset, amount) = (world.token(), AssetIndex(0), Amount::from(amount));
    world.input(node, Input::Deposit { token, channel, asset, amount }).expect("commits");
    world.follow();
}

fn minimum(amount: u64) -> Policy {
    let min_deposits = BTreeMap::from([(Address::ZERO, Amount::from(amount))]);
    Policy { min_deposits, ..Policy::default() }
}

fn reasons(world: &World, node: usize) -> Vec<&str> {
    let reason = |notice: &'_ Notice| matches!(notice, Notice::Declined { .. });
    let declined = world.nodes[node].notices.iter().filter(|notice| reason(notice));
    declined
        .filter_map(|notice| match notice {
            Notice::Declined { reason, .. } => Some(reason.as_str()),
            _ => None,
        })
        .collect()
}

#[test]
fn nothing_is_signed_for_a_peer_below_the_minimum_deposit_and_all_flows_above_it() {
    let mut world = world(minimum(1_000));
    let channel = open(&mut world, 0, 0, 1, 1);
    deposit(&mut world, 0, channel, 999);
    let early = world.pay(0, channel, 10);
    let refused = world.outcome(0, early).expect("at once").expect_err("not paid");
    assert!(refused.contains("before 1000 are deposited, and 999 count"), "{refused}");
    assert_eq!((world.own(0, channel), world.own(1, channel)), (999, 0), "both books agree");
    assert_eq!(world.own(1, channel), 0);
    deposit(&mut world, 1, channel, 500);
    let own = world.pay(1, channel, 1);
    let refused = world.outcome(1, own).expect("at once").expect_err("not paid");
    assert!(refused.contains("has not deposited the minimum"), "{refused}");
    deposit(&mut world, 0, channel, 1);
    let (there, back) = (world.pay(0, channel, 10), world.pay(1, channel, 4));
    world.settle();
    world.pass(10_000);
    assert!(matches!(world.outcome(0, there), Some(Ok(_))), "{:?}", world.outcome(0, there));
    assert!(matches!(world.outcome(1, back), Some(Ok(_))), "{:?}", world.outcome(1, back));
    assert_eq!((world.own(0, channel), world.own(1, channel)), (994, 506));
}

#[test]
fn an_opener_that_gives_us_the_first_word_pays_nothing_either() {
    let mut world = world(minimum(1_000));
    let channel = open(&mut world, 0, 1, 0, 1);
    deposit(&mut world, 0, channel, 1);
    let token = world.pay(0, channel, 1);
    assert!(matches!(world.outcome(0, token), Some(Err(_))), "{:?}", world.outcome(0, token));
    assert_eq!(world.own(1, channel), 0);
    // The pen alone is had once, not again and again.
    let peer = world.signer(0);
    let mut versions = Vec::new();
    for _ in 0..10 {
        let bytes = Frame::Channel { channel, body: Body::RequestPen }.encode();
        world.input(1, Input::Frame { peer, bytes }).expect("commits");
        world.settle();
        versions.push(world.nodes[1].engine.view(channel).expect("known").version);
    }
    assert_eq!(versions[1..], vec![versions[0]; 9]);
}

#[test]
fn below_the_minimum_either_side_closes_whoever_had_the_first_word() {
    for (zero, one, closer) in [(0, 1, 0), (0, 1, 1), (1, 0, 0), (1, 0, 1)] {
        let mut world = world(minimum(1_000));
        let channel = open(&mut world, 0, zero, one, 1);
        deposit(&mut world, 0, channel, 999);
        let token = world.token();
        world.input(closer, Input::Command { token, channel, command: Command::Close }).expect("commits");
        world.settle();
        let outcome = world.outcome(closer, token);
        assert!(matches!(outcome, Some(Ok(Outcome::Agreed { .. }))), "{zero} {one} {closer}: {outcome:?}");
        world.follow();
        assert_eq!(world.nodes[0].engine.view(channel).expect("known").phase, "closed");
    }
}

#[test]
fn a_channel_below_the_minimum_can_still_be_closed_together() {
    let mut world = world(minimum(1_000));
    let channel = open(&mut world, 0, 0, 1, 1);
    deposit(&mut world, 0, channel, 999);
    let token = world.token();
    world.input(0, Input::Command { token, channel, command: Command::Close }).expect("commits");
    world.settle();
    assert!(matches!(world.outcome(0, token), Some(Ok(Outcome::Agreed { .. }))));
    world.follow();
    assert_eq!(world.nodes[0].engine.view(channel).expect("known").phase, "closed");
}

#[test]
fn the_minimum_outlives_a_restart() {
    let mut world = world(minimum(1_000));
    let channel = open(&mut world, 0, 0, 1, 1);
    deposit(&mut world, 0, channel, 999);
    world.restart(1);
    world.disconnect(0, 1);
    world.connect(0, 1);
    let token = world.pay(0, channel, 10);
    let refused = world.outcome(0, token).expect("at once").expect_err("not paid");
    assert!(refused.contains("before 1000 are deposited"), "{refused}");
}

/// Says to the first node what the second demands.
fn demand(world: &mut World, channel: ChannelId, deposits: &[u64]) {
    let deposits = deposits.iter().copied().map(Amount::from).collect();
    let bytes = Frame::Channel { channel, body: Body::Demand { deposits } }.encode();
    let peer = world.signer(1);
    world.input(0, Input::Frame { peer, bytes }).expect("commits");
}

#[test]
fn a_payment_below_the_minimum_by_a_node_that_was_not_told_is_held_and_refused_in_time() {
    let mut world = world(minimum(1_000));
    let channel = open(&mut world, 0, 0, 1, 1);
    deposit(&mut world, 0, channel, 999);
    demand(&mut world, channel, &[]);
    let early = world.pay(0, channel, 10);
    world.settle();
    assert!(world.outcome(0, early).is_none(), "it is held");
    world.pass(300_000);
    let refused = world.outcome(0, early).expect("it was refused in time").expect_err("not paid");
    assert!(refused.contains("below the minimum"), "{refused}");
    assert_eq!((world.own(0, channel), world.own(1, channel)), (999, 0));
}

#[test]
fn who_lacks_a_deposit_is_told_from_ones_own_side() {
    let mut world = world(minimum(1_000));
    let channel = open(&mut world, 0, 0, 1, 1);
    let refused = |world: &mut World, node: usize, command: Command| {
        let token = world.token();
        world.input(node, Input::Command { token, channel, command }).expect("commits");
        world.outcome(node, token).expect("at once").expect_err("nothing is deposited")
    };
    let pay = || {
        let (asset, amount) = (AssetIndex(0), Amount::from(1));
        Command::Pay(Payment { asset, amount, invoice: None, memo: Vec::new() })
    };
    let opener = refused(&mut world, 0, pay());
    assert!(opener.contains("before 1000 are deposited, and 0 count"), "{opener}");
    let peer = refused(&mut world, 1, pay());
    assert!(peer.contains("the peer has not deposited the minimum that this node demands"), "{peer}");
    let mut world = self::world(Policy::default());
    open(&mut world, 0, 0, 1, 1);
    let unfunded = refused(&mut world, 0, pay());
    assert!(unfunded.contains("nobody has deposited anything"), "{unfunded}");
}

#[test]
fn a_demand_is_met_by_a_deposit_that_counts_and_forgotten() {
    let mut world = world(minimum(1_000));
    let channel = open(&mut world, 0, 0, 1, 1);
    let demanded = |world: &World| world.nodes[0].engine.view(channel).expect("known").demanded;
    assert_eq!(demanded(&world), [Amount::from(1_000)]);
    deposit(&mut world, 0, channel, 1_000);
    assert_eq!(demanded(&world), []);
    let token = world.pay(0, channel, 10);
    world.settle();
    assert!(matches!(world.outcome(0, token), Some(Ok(_))), "{:?}", world.outcome(0, token));
    world.disconnect(0, 1);
    world.connect(0, 1);
    assert_eq!(demanded(&world), [], "what is met is not said again");
}

#[test]
fn a_demand_of_more_assets_than_there_are_is_no_demand() {
    let mut world = world(Policy::default());
    let channel = open(&mut world, 0, 0, 1, 1);
    deposit(&mut world, 0, channel, 10);
    demand(&mut world, channel, &[0, 7]);
    let token = world.pay(0, channel, 10);
    world.settle();
    assert!(matches!(world.outcome(0, token), Some(Ok(_))), "{:?}", world.outcome(0, token));
}

#[test]
fn nothing_is_deposited_once_a_dispute_is_ordered() {
    let mut world = world(Policy::default());
    let channel = open(&mut world, 0, 0, 1, 1);
    deposit(&mut world, 0, channel, 10);
    let token = world.token();
    world.input(0, Input::Command { token, channel, command: Command::ForceClose }).expect("commits");
    assert!(world.nodes[0].engine.view(channel).expect("known").leaving);
    let token = world.token();
    let late = Input::Deposit { token, channel, asset: AssetIndex(0), amount: Amount::from(5) };
    world.input(0, late).expect("commits");
    let refused = world.outcome(0, token).expect("at once").expect_err("not made");
    assert!(refused.contains("dispute of the channel was ordered"), "{refused}");
}

#[test]
fn an_app_is_refused_by_name_while_it_is_not_on_the_list() {
    let app = Address::repeat_byte(7);
    let mut params = World::new(2).params(0, 1, 1);
    params.app = app;
    let listed = Policy { apps: vec![app], ..Policy::default() };
    let unlisted = Policy::default().check(&params, 0).expect_err("refused");
    assert!(unlisted.to_string().contains("add it to the configuration"));
    listed.check(&params, 0).expect("it is on the list");
    params.child = strait_types::B256::repeat_byte(1);
    assert!(listed.check(&params, 0).expect_err("refused").to_string().contains("within that"));
}

fn manual() -> Policy {
    Policy { manual_approval: true, ..Policy::default() }
}

fn proposed(world: &World) -> usize {
    world.nodes[1].notices.iter().filter(|notice| matches!(notice, Notice::Proposed { .. })).count()
}

#[test]
fn a_channel_waits_for_the_operator_and_works_once_approved() {
    let mut world = world(manual());
    let channel = open(&mut world, 0, 0, 1, 1);
    deposit(&mut world, 0, channel, 1_000);
    assert_eq!(proposed(&world), 1);
    assert!(world.nodes[1].engine.view(channel).is_none());
    let (id, proposal) = world.nodes[1].engine.proposals().next().expect("it waits");
    assert_eq!((id, proposal.peer), (channel, world.signer(0)));
    let early = world.pay(0, channel, 1);
    let refused = world.outcome(0, early).expect("at once").expect_err("not paid");
    assert!(refused.contains("approve"), "{refused}");
    let token = world.token();
    world.input(1, Input::Approve { token, channel }).expect("commits");
    world.settle();
    let is_opened = |notice: &Notice| *notice == Notice::Opened { token: Some(token), channel };
    assert!(world.nodes[1].notices.iter().any(is_opened));
    assert_eq!(world.nodes[1].engine.proposals().count(), 0);
    let token = world.pay(0, channel, 400);
    world.settle();
    assert!(matches!(world.outcome(0, token), Some(Ok(_))), "{:?}", world.outcome(0, token));
    assert_eq!(world.own(1, channel), 400);
}

#[test]
fn the_operator_is_asked_once_and_a_rejection_lasts() {
    let mut world = world(manual());
    let channel = open(&mut world, 0, 0, 1, 1);
    for _ in 0..3 {
        world.disconnect(0, 1);
        world.connect(0, 1);
    }
    assert_eq!(proposed(&world), 1);
    let token = world.token();
    let reason = "closed on Sundays".to_owned();
    world.input(1, Input::Reject { token, channel, reason }).expect("commits");
    world.settle();
    assert!(world.nodes[1].notices.contains(&Notice::Rejected { token, channel }));
    world.pass(24 * 3_600_000);
    assert_eq!(proposed(&world), 1);
    assert!(reasons(&world, 0).contains(&"closed on Sundays"));
    let again = world.token();
    world.input(1, Input::Approve { token: again, channel }).expect("commits");
    let error = world.outcome(1, again).expect("answered").expect_err("nothing waits");
    assert!(error.contains("waits for approval"), "{error}");
}

#[test]
fn whether_the_operator_is_asked_is_what_the_peer_has_said_last() {
    let mut world = world(manual());
    let channel = open(&mut world, 0, 0, 1, 1);
    let waits = world.nodes[0].engine.answer_to_offer(channel).expect("answered").expect_err("declined");
    let peer = world.signer(1);
    for (reason, awaits) in [("rejected", false), (&waits, true), ("rejected", false)] {
        let bytes = Frame::Decline { channel, reason: reason.into() }.encode();
        world.input(0, Input::Frame { peer, bytes }).expect("commits");
        let engine = &world.nodes[0].engine;
        assert_eq!(engine.awaits_approval(channel), awaits, "{reason}");
        assert_eq!(engine.answer_to_offer(channel), Some(Err(reason.to_owned())));
    }
}

/// What waits is offered again by the peer, which connects; what was said is durable.
#[test]
fn what_waits_and_what_was_decided_is_there_after_a_restart() {
    let mut world = world(manual());
    let [approved, rejected, waiting] = [1, 2, 3].map(|nonce| open(&mut world, 0, 0, 1, nonce));
    let token = world.token();
    world.input(1, Input::Approve { token, channel: approved }).expect("commits");
    let token = world.token();
    world.input(1, Input::Reject { token, channel: rejected, reason: "no".to_owned() }).expect("commits");
    world.settle();
    world.disconnect(0, 1);
    world.restart(1);
    let node = &mut world.nodes[1];
    let domain = *node.engine.domain();
    node.engine = Engine::recover(domain, node.key.clone(), manual(), settings(), &node.store, false)
        .expect("recovers");
    world.connect(0, 1);
    world.settle();
    assert!(world.nodes[1].engine.view(approved).is_some(), "nobody has deposited, and it was approved");
    let ids: Vec<_> = world.nodes[1].engine.proposals().map(|(id, _)| id).collect();
    assert_eq!(ids, [waiting]);
}

#[test]
fn proposals_do_not_pile_up() {
    let mut world = world(Policy { proposals: 20, ..manual() });
    for nonce in 1..=40 {
        open(&mut world, 0, 0, 1, nonce);
    }
    assert_eq!(world.nodes[1].engine.proposals().count(), 16, "of one peer");
    assert_eq!(world.nodes[1].engine.channel_ids().count(), 0);
}

#[test]
fn a_declined_channel_is_offered_more_and_more_rarely_and_the_user_is_told_once() {
    let mut world = world(Policy { min_challenge: 48 * 3_600, ..Policy::default() });
    let channel = open(&mut world, 0, 0, 1, 1);
    let mut offers = 0;
    for _ in 0..24 * 60 {
        world.now += 60_000;
        if world.nodes[0].engine.next_tick().is_some_and(|due| due <= world.now) {
            world.input(0, Input::Tick).expect("commits");
            offers += world.wire.len();
            world.settle();
        }
    }
    assert_eq!(reasons(&world, 0).len(), 1, "{:?}", reasons(&world, 0));
    assert!((20..=80).contains(&offers), "{offers} frames in a day");
    let token = world.pay(0, channel, 1);
    let error = world.outcome(0, token).expect("at once").expect_err("declined");
    assert!(error.contains("declines the channel"), "{error}");
}

#[test]
fn a_peer_does_not_choose_where_this_node_is_paid_out() {
    let params = World::new(2).params(0, 1, 1);
    let (theirs, ours) = (params.participants[0].payout, params.participants[1].payout);
    for (payout, is_taken) in [(ours, true), (theirs, false)] {
        let mut world = world(Policy { payout: Some(payout), ..Policy::default() });
        let channel = open(&mut world, 0, 0, 1, 1);
        deposit(&mut world, 0, channel, 1_000);
        assert_eq!(world.nodes[1].engine.view(channel).is_some(), is_taken, "{payout}");
        let token = world.pay(0, channel, 400);
        world.settle();
        match world.outcome(0, token) {
            Some(Ok(_)) => assert!(is_taken),
            Some(Err(reason)) => assert!(!is_taken && reason.contains("is not its payout"), "{reason}"),
            None => panic!("nothing was said"),
        }
    }
}
