//! What needs the reader's agreement first: withdrawals and the cooperative close.

use crate::adjudicator::Status;
use crate::world::{World, amount, settings};
use strait_protocol::{Body, Command, CommandError, Event, Operation, Outcome, Rule, Settings};
use strait_types::{AssetIndex, B256, Side, Version};

fn withdraw(units: u64) -> Command {
    Command::Withdraw { asset: AssetIndex(0), amount: amount(units) }
}

fn limit(world: &World, version: u64) -> u64 {
    let records = world.nodes.iter().flat_map(|node| &node.log);
    records
        .filter_map(|record| match record {
            strait_protocol::Record::Wrote(update) if update.version.0 == version => {
                update.operations.iter().find_map(Operation::valid_until)
            }
            _ => None,
        })
        .next()
        .unwrap()
}

#[test]
fn a_withdrawal_is_agreed_countersigned_and_paid() {
    let mut world = World::funded(100, 0);
    let token = world.command(Side::Zero, withdraw(30));
    assert!(matches!(world.on_wire(Side::Zero)[..], [Body::Propose { .. }]), "agreed first");
    world.run();
    assert_eq!(world.ended(token), Some(&Ok(Outcome::Agreed { version: Version(1) })));
    assert_eq!(world.wanted_names(Side::Zero), ["withdraw"]);
    assert!(world.wanted_names(Side::One).is_empty(), "its writer calls first");
    world.mine_many(3);
    assert_eq!(world.chain.state().paid_out, [[30, 0]]);
    assert!(world.wanted_names(Side::Zero).is_empty());
    let view = world.node(Side::One).channel.view();
    assert_eq!((view.balances[0].peer, view.balances[0].withdrawn), (70, [0, 30]));
    assert_eq!(world.chain.reverts, []);
    world.assert_agreed();
}

#[test]
fn payments_go_on_above_a_countersigned_withdrawal() {
    let mut world = World::funded(100, 0);
    world.command(Side::Zero, withdraw(30));
    world.run();
    let token = world.pay(Side::Zero, 70);
    world.run();
    assert!(world.is_paid(token));
    world.mine_many(3);
    assert_eq!(world.chain.state().paid_out, [[30, 0]]);
    let second = world.command(Side::One, withdraw(70));
    world.run();
    assert!(matches!(world.ended(second), Some(Ok(Outcome::Agreed { .. }))));
    world.mine_many(3);
    assert_eq!(world.chain.state().paid_out, [[30, 70]]);
    world.assert_agreed();
}

#[test]
fn nothing_is_written_above_a_withdrawal_before_its_countersignature() {
    let mut world = World::funded(100, 0);
    let withdrawal = world.command(Side::Zero, withdraw(30));
    world.deliver(Side::One, None);
    world.deliver(Side::Zero, None);
    let payment = world.pay(Side::Zero, 1);
    let sent = world.on_wire(Side::Zero);
    assert!(matches!(&sent[..], [Body::Update(update)] if update.operations.len() == 1), "{sent:?}");
    world.run();
    assert!(world.is_paid(payment));
    assert!(matches!(world.ended(withdrawal), Some(Ok(_))));
    world.assert_agreed();
}

#[test]
fn the_reader_executes_when_the_writer_does_not() {
    let mut world = World::funded(100, 0);
    world.muted.insert(Side::Zero);
    world.command(Side::Zero, withdraw(30));
    world.run();
    world.mine_after(1_700);
    assert!(world.wanted_names(Side::One).is_empty());
    world.mine_after(101);
    assert_eq!(world.wanted_names(Side::One), ["withdraw"]);
    world.mine();
    assert_eq!(world.chain.state().paid_out, [[30, 0]]);
}

#[test]
fn a_withdrawal_that_nobody_executed_leaves_the_money_withdrawable() {
    let mut world = World::funded(100, 0);
    world.muted.extend(Side::BOTH);
    world.command(Side::Zero, withdraw(30));
    world.run();
    let busy = world.command(Side::Zero, withdraw(5));
    assert_eq!(world.error(busy), Some(&CommandError::Busy));
    world.mine_final(3_700);
    assert!(world.wanted_names(Side::Zero).is_empty(), "its limit has passed");
    world.muted.clear();
    let next = world.command(Side::Zero, withdraw(5));
    world.run();
    assert!(matches!(world.ended(next), Some(Ok(_))));
    world.mine_many(3);
    assert_eq!(world.chain.state().paid_out, [[35, 0]], "the next one pays what the last one did not");
    world.assert_agreed();
}

#[test]
fn a_withdrawal_that_a_reorg_undoes_is_executed_again() {
    let mut world = World::funded(100, 0);
    world.command(Side::Zero, withdraw(30));
    world.run();
    world.mine();
    assert!(world.wanted_names(Side::Zero).is_empty());
    world.reorganise(1);
    assert_eq!(world.wanted_names(Side::Zero), ["withdraw"]);
    world.mine_many(2);
    assert_eq!(world.chain.state().paid_out, [[30, 0]]);
}

#[test]
fn more_than_the_balance_cannot_be_withdrawn() {
    let mut world = World::funded(100, 0);
    let much = world.command(Side::Zero, withdraw(101));
    assert_eq!(
        world.error(much),
        Some(&CommandError::InsufficientBalance { available: amount(100), wanted: amount(101) })
    );
    let nothing = world.command(Side::Zero, withdraw(0));
    assert_eq!(world.error(nothing), Some(&CommandError::ZeroAmount));
    let other = world.command(Side::Zero, Command::Withdraw { asset: AssetIndex(1), amount: amount(1) });
    assert_eq!(world.error(other), Some(&CommandError::Rule(Rule::UnknownAsset)));
}

#[test]
fn a_withdrawal_by_the_reader_asks_for_the_pen_and_is_not_starved_by_payments() {
    let mut world = World::funded(1_000, 100);
    let mut token = None;
    for round in 0..40 {
        world.pay(Side::Zero, 1);
        if round == 3 {
            token = Some(world.command(Side::One, withdraw(50)));
        }
        world.deliver(Side::One, None);
        world.deliver(Side::Zero, None);
    }
    let token = token.unwrap();
    assert!(matches!(world.ended(token), Some(Ok(Outcome::Agreed { .. }))), "{:?}", world.ended(token));
    world.run();
    world.assert_agreed();
}

#[test]
fn the_writers_own_payments_do_not_starve_its_withdrawal() {
    let mut world = World::funded(1_000, 0);
    let mut tokens = Vec::new();
    let mut withdrawal = None;
    for round in 0..40 {
        tokens.push(world.pay(Side::Zero, 1));
        if round == 3 {
            withdrawal = Some(world.command(Side::Zero, withdraw(50)));
        }
        if round > 2 {
            world.deliver(Side::One, None);
            world.deliver(Side::Zero, None);
        }
    }
    assert!(matches!(world.ended(withdrawal.unwrap()), Some(Ok(Outcome::Agreed { .. }))));
    world.run();
    assert!(tokens.iter().all(|token| world.is_paid(*token)));
}

#[test]
fn a_lost_proposal_or_answer_is_made_good() {
    for lost in Side::BOTH {
        let mut world = World::funded(100, 0);
        let token = world.command(Side::Zero, withdraw(30));
        if lost == Side::One {
            world.deliver(Side::One, None);
        }
        world.intercept(lost);
        world.run_for(20_000);
        assert!(matches!(world.ended(token), Some(Ok(Outcome::Agreed { .. }))));
        world.assert_agreed();
    }
}

#[test]
fn an_unagreed_withdrawal_is_refused_and_superseded_once_its_limit_has_passed() {
    let mut world = World::funded(100, 100);
    // The reader forgets its agreement: as if it had never been asked.
    let backup = world.node(Side::One).backup();
    let token = world.command(Side::Zero, withdraw(30));
    world.deliver(Side::One, None);
    world.deliver(Side::Zero, None);
    let update = world.intercept(Side::Zero).pop().unwrap();
    world.replace(Side::One, &backup);
    world.connect();
    world.intercept(Side::Zero);
    world.intercept(Side::One);
    world.connect();
    world.deliver(Side::One, None);
    world.inject(Side::One, update);
    world.run_for(60_000);
    assert_eq!(world.ended(token), None, "it stays executable until its limit");
    let payment = world.pay(Side::Zero, 5);
    world.run_for(60_000);
    assert_eq!(world.ended(payment), None);
    world.muted.extend(Side::BOTH);
    world.mine_final(3_700);
    world.run_for(10_000);
    assert!(world.is_paid(payment), "{:?}", world.ended(payment));
    assert!(world.error(token).is_some());
    assert_eq!(world.balances(), [95, 105]);
    world.assert_agreed();
}

#[test]
fn a_close_is_agreed_and_pays_all() {
    let mut world = World::funded(100, 20);
    world.pay(Side::Zero, 40);
    world.run();
    let token = world.command(Side::One, Command::Close);
    world.run();
    assert!(matches!(world.ended(token), Some(Ok(Outcome::Agreed { .. }))));
    for side in Side::BOTH {
        assert!(world.node(side).channel.view().closing);
        let late = world.pay(side, 1);
        assert_eq!(world.error(late), Some(&CommandError::NotOpen));
    }
    world.mine_many(3);
    assert_eq!(world.chain.state().status, Status::Closed);
    assert_eq!(world.chain.state().paid_out, [[60, 60]]);
    assert_eq!(world.chain.reverts, []);
    for side in Side::BOTH {
        assert_eq!(world.node(side).channel.view().phase, "closed");
        assert!(world.wanted_names(side).is_empty());
    }
}

#[test]
fn both_may_close_at_once() {
    let mut world = World::funded(100, 20);
    let tokens = Side::BOTH.map(|side| world.command(side, Command::Close));
    world.run();
    for token in tokens {
        assert!(matches!(world.ended(token), Some(Ok(Outcome::Agreed { .. }))), "{:?}", world.ended(token));
    }
}

#[test]
fn payments_that_wait_are_made_before_the_close() {
    let mut world = World::funded(100, 20);
    let payment = Command::Pay(world.payment(0, 1));
    let tokens = world.commands(Side::One, vec![payment, Command::Close]);
    world.run();
    assert!(world.is_paid(tokens[0]));
    assert!(matches!(world.ended(tokens[1]), Some(Ok(Outcome::Agreed { .. }))));
    world.mine();
    assert_eq!(world.chain.state().paid_out, [[101, 19]]);
}

#[test]
fn a_close_whose_limit_passed_reopens_the_channel() {
    let mut world = World::funded(100, 20);
    world.muted.extend(Side::BOTH);
    world.command(Side::Zero, Command::Close);
    world.run();
    let limit = limit(&world, 1);
    world.mine_at(limit - 1);
    let early = world.pay(Side::Zero, 1);
    assert_eq!(world.error(early), Some(&CommandError::NotOpen));
    world.mine_after(100);
    let barely = world.pay(Side::Zero, 1);
    assert_eq!(world.error(barely), Some(&CommandError::NotOpen), "not final yet");
    world.mine_many(2);
    let later = world.pay(Side::Zero, 1);
    world.run();
    assert!(world.is_paid(later));
    world.assert_agreed();
    let back = world.pay(Side::One, 2);
    world.run();
    assert!(world.is_paid(back));
    assert_eq!(world.balances(), [101, 19]);
    world.assert_agreed();
}

#[test]
fn locks_prevent_a_close() {
    let mut world = World::funded(100, 20);
    let expiry = world.chain.time() + 10_000;
    world.lock(Side::Zero, 5, B256::repeat_byte(1), expiry);
    world.run();
    for side in Side::BOTH {
        let token = world.command(side, Command::Close);
        assert_eq!(world.error(token), Some(&CommandError::Rule(Rule::LocksPending)));
    }
    world.assert_agreed();
}

#[test]
fn a_final_state_without_agreement_is_refused() {
    let mut world = World::funded(100, 20);
    world.command(Side::Zero, Command::Close);
    let [Body::Propose { id, .. }] = world.intercept(Side::Zero)[..] else { panic!("a proposal") };
    // Somebody says yes in the reader's name.
    world.inject(Side::Zero, Body::Answer { id, refused: None });
    world.run_for(10_000);
    assert!(
        world
            .node(Side::One)
            .events
            .iter()
            .any(|event| matches!(event, Event::Refused { rule: Rule::NotAgreed, .. }))
    );
    assert!(!world.node(Side::One).channel.view().closing);
    let fate = world.node(Side::Zero).channel.view();
    assert_eq!(fate.version, Version(0));
}

#[test]
fn a_proposal_is_judged() {
    let mut world = World::funded(100, 20);
    let now = world.chain.time();
    let propose = |world: &mut World, operation: Operation| {
        world.intercept(Side::One);
        world.inject(Side::One, Body::Propose { id: 9, operation });
        match world.intercept(Side::One).pop() {
            Some(Body::Answer { id: 9, refused }) => refused,
            other => panic!("{other:?}"),
        }
    };
    let take = |side, units, valid_until| Operation::Withdraw {
        side,
        asset: AssetIndex(0),
        amount: amount(units),
        valid_until,
    };
    let good = now + 3_600;
    assert_eq!(propose(&mut world, take(Side::Zero, 101, good)), Some(Rule::Overdraw));
    assert_eq!(propose(&mut world, take(Side::One, 5, good)), Some(Rule::NotAgreed));
    assert_eq!(propose(&mut world, take(Side::Zero, 5, now)), Some(Rule::ValidUntil));
    assert_eq!(propose(&mut world, take(Side::Zero, 5, now + 7_300)), Some(Rule::ValidUntil));
    assert_eq!(propose(&mut world, take(Side::Zero, 5, u64::MAX)), Some(Rule::ValidUntil));
    assert_eq!(propose(&mut world, Operation::HandOver), Some(Rule::Unexpected));
    assert_eq!(propose(&mut world, take(Side::Zero, 5, good)), None);
    world.pay(Side::One, 1);
    world.run();
    assert_eq!(propose(&mut world, take(Side::Zero, 5, good)), Some(Rule::NotWriter));
}

#[test]
fn an_agreement_ends_when_the_pen_was_used_for_something_else() {
    let mut world = World::funded(100, 20);
    let before = world.node(Side::One).channel.snapshot();
    let operation = Operation::Finalise { valid_until: world.chain.time() + 3_000 };
    world.inject(Side::One, Body::Propose { id: 9, operation });
    assert_ne!(world.node(Side::One).channel.snapshot(), before);
    world.intercept(Side::One);
    world.pay(Side::One, 1);
    world.run();
    assert!(!world.node(Side::One).log.is_empty());
    let view = world.node(Side::One).channel.view();
    assert!(view.writer && !view.closing);
}

#[test]
fn the_sides_settings_may_differ() {
    let short = Settings { execution_window: 100, ..settings() };
    let mut world = World::with(1, &[settings(), short]);
    world.mine();
    world.deposit(Side::Zero, 0, 100);
    world.mine_many(3);
    world.connect();
    world.run();
    let token = world.command(Side::Zero, withdraw(1));
    world.run();
    assert_eq!(world.error(token), Some(&CommandError::PeerRefused(Rule::ValidUntil)));
    let payment = world.pay(Side::Zero, 1);
    world.run();
    assert!(world.is_paid(payment));
    let back = world.command(Side::One, withdraw(1));
    world.run();
    assert!(matches!(world.ended(back), Some(Ok(_))));
}
