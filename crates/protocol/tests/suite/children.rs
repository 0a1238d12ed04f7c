//! Child channels in their parent: agreed beforehand, locked, and closed back by what both know they came to.

use crate::world::{World, amount, settings};
use strait_protocol::{
    Admission, Body, ChainAction, Channel, ChildOpening, ChildOutcome, Command, CommandError, Event,
    NewChild, Operation, Outcome, Outputs, Rule, Standing, Update,
};
use strait_types::{Address, Amount, AssetIndex, ChannelId, Side, Version};

/// Takes every child, with up to 1,000 units.
pub(crate) struct Anything;

impl Admission for Anything {
    fn admit(&self, _: ChannelId, _: &ChildOpening) -> Result<(), Rule> {
        Ok(())
    }

    fn stake(&self, _: Address, units: Amount, _: &ChildOpening) -> Result<(), Rule> {
        if units <= amount(1_000) { Ok(()) } else { Err(Rule::StakeTooHigh) }
    }
}

fn purse(own: u64, peers: u64) -> NewChild {
    NewChild {
        asset: AssetIndex(0),
        stakes: [amount(own), amount(peers)],
        challenge_duration: 86_400,
        nonce: 0,
        app: None,
    }
}

impl World {
    pub(crate) fn open_child(&mut self, side: Side, own: u64, peers: u64) -> strait_protocol::Token {
        self.command(side, Command::OpenChild(Box::new(purse(own, peers))))
    }

    pub(crate) fn tell_outcome(&mut self, side: Side, child: ChannelId, outcome: ChildOutcome) {
        self.drive(side, |channel, ctx, out| channel.child_came_to(ctx, child, Some(outcome), out));
    }

    /// One side sees that a child has come to something: `units` of it, or what the other has seen, are participant 0's.
    pub(crate) fn end_child(&mut self, side: Side, child: ChannelId, units: u64) {
        let known = self.outcomes[side.other().index()].get(&child).copied();
        let views = self.node(side).channel.view().children;
        let stakes = views.iter().find(|view| view.child == child).expect("a child").stakes;
        let total = stakes[0].checked_add(stakes[1]).unwrap();
        let zero = amount(units).min(total);
        let amounts = [zero, total.checked_sub(zero).unwrap()];
        let outcome = known.unwrap_or(ChildOutcome { amounts, is_agreed: true, on_chain_at: None });
        self.outcomes[side.index()].insert(child, outcome);
        self.tell_outcome(side, child, outcome);
    }

    /// What one side has seen the other sees, too.
    pub(crate) fn end_all_children(&mut self) {
        for side in Side::BOTH {
            for (child, outcome) in self.outcomes[side.index()].clone() {
                self.outcomes[side.other().index()].insert(child, outcome);
                self.tell_outcome(side.other(), child, outcome);
            }
        }
    }

    fn opened(&mut self, side: Side, own: u64, peers: u64) -> ChannelId {
        let token = self.open_child(side, own, peers);
        self.run();
        match self.ended(token) {
            Some(Ok(Outcome::ChildOpened { child })) => *child,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_child_is_agreed_locked_and_closed_back_whoever_opens_it() {
    for (opener, flip) in [(Side::Zero, false), (Side::One, true)] {
        let mut world = World::funded(100, 100);
        let child = world.opened(opener, 30, 20);
        assert_eq!((world.balance(opener), world.balance(opener.other())), (70, 80));
        let openings: Vec<_> = world.node(opener).channel.openings().collect();
        let [(id, opening)] = openings[..] else { panic!("{openings:?}") };
        assert_eq!((id, opening.id(&world.domain)), (child, child));
        assert_eq!(opening.terms.amounts, [amount(30), amount(20)]);
        let lock = opening.lock(child, AssetIndex(0), flip);
        let held = world.latest(opener).unwrap().position.lock_of(child).unwrap().lock.clone();
        assert_eq!(held, lock);
        for side in Side::BOTH {
            assert_eq!(world.node(side).channel.standing_of(child), Standing::Locked);
        }
        let paid = world.pay(opener, 10);
        world.run();
        assert!(world.is_paid(paid), "payments go on beside it");

        let outcome = ChildOutcome { amounts: [amount(5), amount(45)], is_agreed: true, on_chain_at: None };
        for side in Side::BOTH {
            world.tell_outcome(side, child, outcome);
        }
        world.run();
        // The opener is participant 0 of the child.
        assert_eq!((world.balance(opener), world.balance(opener.other())), (65, 135));
        for side in Side::BOTH {
            assert_eq!(world.node(side).channel.standing_of(child), Standing::Over);
        }
        world.assert_agreed();
    }
}

#[test]
fn no_id_recurs_and_each_opening_is_bound_to_its_version() {
    let mut world = World::funded(100, 100);
    let tokens: Vec<_> = (0..3).map(|_| world.open_child(Side::Zero, 1, 1)).collect();
    world.run();
    let ids: std::collections::BTreeSet<_> =
        world.node(Side::One).channel.openings().map(|of| of.0).collect();
    assert_eq!(ids.len(), 3);
    for token in tokens {
        assert!(matches!(world.ended(token), Some(Ok(Outcome::ChildOpened { .. }))));
    }
    // What was agreed for one version is not taken in another.
    let (child, opening) = world.node(Side::One).channel.openings().next().unwrap();
    let opening = Box::new(opening.clone());
    let operation = Operation::OpenChild { child, asset: AssetIndex(0), flip: false, opening };
    world.inject(Side::One, Body::Propose { id: 77, operation });
    let answers = world.intercept(Side::One);
    assert!(answers.contains(&Body::Answer { id: 77, refused: Some(Rule::StaleVersion) }), "{answers:?}");
}

#[test]
fn what_was_not_agreed_is_refused_and_costs_nothing() {
    let mut world = World::funded(100, 2_000);
    let token = world.open_child(Side::Zero, 10, 1_001);
    world.run();
    assert_eq!(world.error(token), Some(&CommandError::PeerRefused(Rule::StakeTooHigh)));
    assert_eq!(world.balances(), [100, 2_000]);
    let token = world.open_child(Side::Zero, 101, 0);
    assert!(matches!(world.error(token), Some(CommandError::InsufficientBalance { .. })));
    world.assert_agreed();
    assert_eq!(world.node(Side::Zero).channel.openings().count(), 0);
}

/// A version of node 0's as its key would sign it.
fn forged(world: &mut World, operation: Operation) -> Body {
    let base = world
        .latest(Side::Zero)
        .map_or_else(|| strait_protocol::Position::zero(world.id, 1), |latest| latest.position);
    let version = Version(base.state.version.0 + 1);
    let operations = [operation].into();
    let next = base.next(version, &operations, &mut |_, _| Ok(())).unwrap();
    let signature = world.sign(Side::Zero, &next.state);
    let (base, base_hash) = (base.state.version, base.state.hash());
    Body::Update(Update { base, base_hash, version, operations, signature })
}

/// What node 1 says to a version of node 0's that waits for more than the hold timeout.
fn said_to(world: &mut World, operation: Operation) -> Vec<Body> {
    world.intercept(Side::One);
    let update = forged(world, operation);
    world.inject(Side::One, update);
    world.now_ms += world.node(Side::One).channel.settings().hold_timeout_ms + 1;
    world.tick();
    world.intercept(Side::One)
}

fn is_refused(said: &[Body], rule: Rule) -> bool {
    said.iter().any(|body| matches!(body, Body::Refuse(refusal) if refusal.rule == rule))
}

#[test]
fn a_lock_without_agreement_is_refused() {
    let mut world = World::funded(100, 100);
    let agreed = world.opened(Side::Zero, 10, 10);
    let (_, opening) = world.node(Side::Zero).channel.openings().next().unwrap();
    let mut opening = Box::new(opening.clone());
    opening.terms.version0 += 1;
    let child = ChannelId([7; 32].into());
    assert_ne!(child, agreed);
    let operation = Operation::OpenChild { child, asset: AssetIndex(0), flip: false, opening };
    let said = said_to(&mut world, operation);
    assert!(is_refused(&said, Rule::NotAgreed), "{said:?}");
}

#[test]
fn only_the_outcome_that_the_reader_knows_closes_a_child() {
    let outcome = [amount(20), amount(0)];
    let known = |amounts| ChildOutcome { amounts, is_agreed: true, on_chain_at: None };
    let cases = [
        (None, Some(Rule::ChildNotOver)),
        (Some(known([amount(1), amount(19)])), Some(Rule::WrongOutcome)),
        (Some(ChildOutcome { is_agreed: false, ..known(outcome) }), Some(Rule::ChildNotOver)),
        (Some(known(outcome)), None),
    ];
    for (known, refused) in cases {
        let mut world = World::funded(100, 100);
        let child = world.opened(Side::Zero, 10, 10);
        if let Some(known) = known {
            world.tell_outcome(Side::One, child, known);
        }
        let said = said_to(&mut world, Operation::CloseChild { child, outcome });
        match refused {
            Some(rule) => assert!(is_refused(&said, rule), "{rule:?}: {said:?}"),
            None => assert_eq!(world.balance(Side::One), 90, "{said:?}"),
        }
    }
}

#[test]
fn a_close_waits_for_children_and_a_forced_close_takes_them_along() {
    let mut world = World::funded(100, 100);
    let child = world.opened(Side::Zero, 10, 10);
    let close = world.command(Side::Zero, Command::Close);
    assert_eq!(world.error(close), Some(&CommandError::ChildrenOpen(1)));
    world.command(Side::Zero, Command::ForceClose);
    assert_eq!(world.node(Side::Zero).channel.standing_of(child), Standing::Leaving);
    world.mine_many(2);
    assert_eq!(world.node(Side::One).channel.standing_of(child), Standing::Leaving);
    world.mine_after(86_401);
    world.mine_many(4);
    assert_eq!(world.chain.state().paid_out, [[90, 90]], "the lock's part stays in reserve");
    assert!(world.wanted_names(Side::Zero).is_empty());
    let on_chain = ChildOutcome { amounts: [amount(20), amount(0)], is_agreed: true, on_chain_at: Some(0) };
    world.tell_outcome(Side::Zero, child, on_chain);
    let wanted = world.wanted(Side::Zero);
    assert!(matches!(&wanted[..], [ChainAction::Unlock(locks)] if locks[0].holds(child)), "{wanted:?}");
}

#[test]
fn a_child_does_nothing_before_it_hears_of_its_parent_and_nothing_after_its_end() {
    let mut world = World::funded(100, 100);
    let child = world.opened(Side::Zero, 10, 10);
    let (_, opening) = world.node(Side::Zero).channel.openings().next().unwrap();
    let (mut channel, _) = Channel::open_child(child, opening.clone(), Side::Zero, settings());
    let view = channel.view();
    assert_eq!((view.parent, view.balances[0].own, view.balances[0].peer), (Some(world.id), 10, 10));
    assert!(!channel.needs_attention() && !channel.knows_nothing_of_chain());
    let mut out = Outputs::default();
    channel.set_standing(Standing::Leaving, &mut out);
    assert!(channel.needs_attention(), "it goes to the chain");
    channel.set_standing(Standing::Over, &mut out);
    assert!(channel.is_over() && !channel.needs_attention());
    assert_eq!(out.events, [Event::ClosedBack]);
    assert!(out.records.is_empty() && out.messages.is_empty());
}
