//! Games and payment channels within a payment channel: opened without a transaction, closed back into it.

use crate::apps::{STAKE, heap, won_by};
use crate::world::{MOST_STAKE, World, policy, recover_with, sticks};
use strait_engine::{Policy, Starts};
use strait_protocol::{ChannelView, Command, Event, NewChild, Outcome, Token, start_id};
use strait_types::{Address, Amount, AssetIndex, ChannelId, MAX_LOCKS, Side, Version};

pub(crate) const DEPOSIT: u64 = 1_000;

/// A game of sticks in which both put in the stake, as whoever opens it asks for it.
pub(crate) fn game(world: &World, left: u8) -> NewChild {
    let app = sticks().address(world.nodes[0].engine.domain().adjudicator());
    NewChild { app: Some((app, heap(Side::Zero, left))), ..purse(STAKE, STAKE) }
}

/// A payment channel.
pub(crate) fn purse(own: u64, peers: u64) -> NewChild {
    NewChild {
        asset: AssetIndex(0),
        stakes: [Amount::from(own), Amount::from(peers)],
        challenge_duration: 24 * 3_600,
        nonce: 1,
        app: None,
    }
}

impl World {
    /// Two nodes that have installed the game, and a payment channel in which both have deposited.
    pub(crate) fn parent() -> (World, ChannelId) {
        let mut world = World::new(2);
        world.connect(0, 1);
        for node in 0..2 {
            world.install(node, sticks().runtime().to_vec());
        }
        let id = world.channel(0, 1, 1, DEPOSIT);
        let token = world.token();
        let amount = Amount::from(DEPOSIT);
        let deposit = strait_engine::Input::Deposit { token, channel: id, asset: AssetIndex(0), amount };
        world.input(1, deposit).expect("commits");
        world.follow();
        for node in &mut world.nodes {
            node.submitted.clear();
        }
        (world, id)
    }

    pub(crate) fn open_child(&mut self, node: usize, parent: ChannelId, new: NewChild) -> Token {
        let token = self.command(node, parent, Command::OpenChild(Box::new(new)));
        self.settle();
        token
    }

    /// Opens a child that is taken.
    pub(crate) fn child(&mut self, node: usize, parent: ChannelId, new: NewChild) -> ChannelId {
        let token = self.open_child(node, parent, new);
        match self.outcome(node, token) {
            Some(Ok(Outcome::ChildOpened { child })) => child,
            other => panic!("not opened: {other:?}"),
        }
    }

    pub(crate) fn view(&self, node: usize, channel: ChannelId) -> ChannelView {
        self.nodes[node].engine.view(channel).expect("known")
    }

    /// The user of a node ends a game that nobody can play on: both must want the same.
    pub(crate) fn finish(&mut self, game: ChannelId, outcome: &[[i128; 2]]) {
        for node in 0..2 {
            self.command(node, game, Command::Finish { outcome: outcome.to_vec() });
            self.settle();
        }
    }

    pub(crate) fn refusal(&self, node: usize, token: Token) -> String {
        self.outcome(node, token).expect("ended").expect_err("refused")
    }
}

#[test]
fn a_game_is_opened_played_and_closed_back_without_a_transaction() {
    for opener in 0..2 {
        let (mut world, parent) = World::parent();
        let new = game(&world, 5);
        let child = world.child(opener, parent, new);
        // Whoever opens is participant 0 and takes first.
        let (first, second) = (opener, 1 - opener);
        for node in 0..2 {
            assert_eq!(world.app(node, child).state.version, Version(1), "both signed the start");
            assert_eq!(world.view(node, child).parent, Some(parent));
            let view = world.view(node, parent);
            assert_eq!(view.balances[0].own, i128::from(DEPOSIT - STAKE));
            assert_eq!(view.balances[0].in_children, u128::from(2 * STAKE));
            assert_eq!(view.children.len(), 1);
            assert_eq!(view.children[0].child, child);
        }
        let moved = world.take(first, child, 3);
        assert!(matches!(world.outcome(first, moved), Some(Ok(Outcome::Moved { .. }))));
        let paid = world.pay(first, parent, 7);
        world.settle();
        assert!(matches!(world.outcome(first, paid), Some(Ok(Outcome::Paid { .. }))), "payments go on");
        world.take(second, child, 2);
        world.finish(child, &won_by(Side::One));
        assert_eq!(world.own(first, parent), i128::from(DEPOSIT - STAKE - 7));
        assert_eq!(world.own(second, parent), i128::from(DEPOSIT + STAKE + 7));
        for node in 0..2 {
            let view = world.view(node, parent);
            assert!(view.children.is_empty());
            assert_eq!(view.balances[0].locked, 0);
            assert_eq!(world.view(node, child).phase, "closed");
            assert_eq!(world.nodes[node].submitted, [], "no transaction");
            let closed =
                |event: &Event| matches!(event, Event::ChildClosed { child: of, .. } if *of == child);
            assert!(world.events(node).iter().any(closed));
        }
        assert_eq!(world.view(0, parent).history, world.view(1, parent).history);
        let closed = world.command(0, parent, Command::Close);
        world.settle();
        assert!(matches!(world.outcome(0, closed), Some(Ok(Outcome::Agreed { .. }))));
        world.follow();
        world.follow();
        let mut expected = [DEPOSIT; 2];
        expected[first] -= STAKE + 7;
        expected[second] += STAKE + 7;
        assert_eq!(world.payouts(), expected);
    }
}

#[test]
fn payments_are_made_in_a_child_and_it_is_closed_back() {
    let (mut world, parent) = World::parent();
    let child = world.child(1, parent, purse(300, 200));
    for (node, amount) in [(1, 50), (0, 20), (1, 100)] {
        let paid = world.pay(node, child, amount);
        world.settle();
        assert!(matches!(world.outcome(node, paid), Some(Ok(Outcome::Paid { .. }))), "{node}");
    }
    assert_eq!((world.own(1, child), world.own(0, child)), (170, 330));
    let closed = world.command(0, child, Command::Close);
    world.settle();
    assert!(matches!(world.outcome(0, closed), Some(Ok(Outcome::Agreed { .. }))));
    assert_eq!(world.own(0, parent), i128::from(DEPOSIT) + 130);
    assert_eq!(world.own(1, parent), i128::from(DEPOSIT) - 130);
    assert!(world.nodes.iter().all(|node| node.submitted.is_empty()));
}

#[test]
fn a_child_that_is_not_taken_costs_nothing_and_its_reason_is_told() {
    let (mut world, parent) = World::parent();
    let (most, all) = (MOST_STAKE, DEPOSIT);
    let strange = Some((Address::repeat_byte(0x77), heap(Side::Zero, 5)));
    let mut first = heap(Side::Zero, 5);
    first.deltas = vec![[-2, 2]];
    let uncovered = game(&world, 5).app.map(|(app, _)| (app, first));
    let cases = [
        (purse(0, most + 1), "policy.stakes"),
        (purse(all + 1, 0), "the balance is 1000, 1001 are needed"),
        (purse(0, all + 1), "balance does not cover"),
        (purse(0, 0), "zero"),
        (NewChild { challenge_duration: 3_600, ..purse(1, 1) }, "challenge duration"),
        (NewChild { app: strange, ..purse(1, 1) }, "is not on this node's list"),
        (NewChild { asset: AssetIndex(1), ..purse(1, 1) }, "no such asset"),
        (NewChild { app: uncovered, ..purse(1, 1) }, "balance does not cover"),
    ];
    for (new, reason) in cases {
        let token = world.open_child(0, parent, new);
        let told = world.refusal(0, token);
        assert!(told.contains(reason), "{told}");
    }
    let child = world.child(0, parent, purse(1, 1));
    let nested = world.open_child(0, child, purse(1, 0));
    assert!(world.refusal(0, nested).contains("not supported"));
    for node in 0..2 {
        assert_eq!(world.own(node, parent), i128::from(all - 1));
        assert_eq!(
            world.nodes[node].engine.channel_ids().count(),
            2,
            "nothing is left of what was not taken"
        );
    }
    let closed = world.command(0, parent, Command::Close);
    assert!(world.refusal(0, closed).contains("1 child channels are open"));
}

#[test]
fn a_game_is_played_unasked_only_from_a_start_that_the_operator_named() {
    let (mut world, parent) = World::parent();
    let named = |new: &NewChild| {
        let (app, first) = new.app.as_ref().expect("a game");
        start_id(*app, new.stakes, first)
    };
    let fair = game(&world, 5);
    let node = &mut world.nodes[1];
    let starts = Starts::Listed([named(&fair)].into());
    let policy = Policy { starts, ..policy(node.engine.domain().adjudicator()) };
    node.engine = recover_with(&node.key, &node.port, &node.store, policy, false);
    world.disconnect(0, 1);
    world.connect(0, 1);
    let lost = game(&world, 0);
    let with_app = |new: &NewChild, first| NewChild {
        app: new.app.as_ref().map(|(app, _)| (*app, first)),
        ..new.clone()
    };
    let others = [
        with_app(&lost, heap(Side::One, 0)),
        with_app(&fair, heap(Side::One, 5)),
        NewChild { stakes: [STAKE, 2 * STAKE].map(Amount::from), ..fair.clone() },
        game(&world, 4),
    ];
    for other in others {
        let token = world.open_child(0, parent, other);
        assert!(world.refusal(0, token).contains("policy.starts"));
        assert_eq!(world.own(1, parent), i128::from(DEPOSIT));
    }
    world.child(0, parent, fair);
    // Who opens a game has looked at it.
    let own = game(&world, 4);
    world.child(1, parent, own);
}

#[test]
fn a_game_by_which_more_could_be_won_than_is_put_in_does_not_start() {
    let (mut world, parent) = World::parent();
    let new = NewChild { stakes: [STAKE - 1, STAKE].map(Amount::from), ..game(&world, 5) };
    let token = world.open_child(0, parent, new.clone());
    assert!(world.refusal(0, token).contains("lower than the one in its data"), "its own opener says so");
    // And so does the peer of one that does not ask its app.
    let node = &mut world.nodes[0];
    node.engine.set_rules(std::sync::Arc::new(crate::apps_hostile::Anything));
    let token = world.open_child(0, parent, new);
    assert!(world.refusal(0, token).contains("lower than the one in its data"));
    assert!(world.view(1, parent).children.is_empty());
}

#[test]
fn a_channel_carries_as_many_children_as_locks_and_payments_go_on_between() {
    let (mut world, parent) = World::parent();
    let open = || Command::OpenChild(Box::new(purse(1, 1)));
    let tokens: Vec<_> = (0..=MAX_LOCKS).map(|_| world.command(0, parent, open())).collect();
    let paid = world.pay(1, parent, 5);
    world.settle();
    assert!(matches!(world.outcome(1, paid), Some(Ok(Outcome::Paid { .. }))), "the pen is not kept from it");
    let (last, others) = tokens.split_last().expect("some");
    assert!(world.refusal(0, *last).contains("the most locks that it can carry"));
    for token in others {
        assert!(matches!(world.outcome(0, *token), Some(Ok(Outcome::ChildOpened { .. }))));
    }
    let children: Vec<_> = world.view(0, parent).children.iter().map(|view| view.child).collect();
    for child in children {
        world.command(0, child, Command::Close);
    }
    world.settle();
    for node in 0..2 {
        assert!(world.view(node, parent).children.is_empty());
    }
    assert_eq!((world.own(0, parent), world.own(1, parent)), (1_005, 995));
}

#[test]
fn a_side_that_has_forgotten_a_child_is_told_of_it_and_plays_on() {
    let (mut world, parent) = World::parent();
    world.pay(0, parent, 1);
    world.settle();
    let backup = world.nodes[1].disk.fork();
    let new = game(&world, 5);
    let child = world.child(0, parent, new);
    world.take(0, child, 1);
    world.disconnect(0, 1);
    world.restore(1, backup);
    world.follow();
    world.connect(0, 1);
    // Until what it may have signed and forgotten can no longer be executed.
    world.elapse(12 * 3_600);
    assert_eq!(world.left(1, child), 4);
    let moved = world.take(1, child, 1);
    assert!(matches!(world.outcome(1, moved), Some(Ok(_))), "{:?}", world.outcome(1, moved));
    world.take(0, child, 3);
    world.finish(child, &won_by(Side::Zero));
    assert_eq!(world.own(0, parent), i128::from(DEPOSIT + STAKE - 1));
}
