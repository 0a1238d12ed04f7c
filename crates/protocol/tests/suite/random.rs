//! Random commands under random faults. What must hold is judged after every step and at the end.

use crate::adjudicator::Status;
use crate::world::{Death, World, amount, hash_of, settings};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use strait_protocol::{Command, Settings};
use strait_types::{AssetIndex, B256, Side};

#[derive(Clone, Debug)]
enum Step {
    Pay {
        side: Side,
        count: u8,
        units: u64,
    },
    Lock {
        side: Side,
        units: u64,
        secret: u8,
        seconds: u64,
    },
    Settle {
        side: Side,
        index: usize,
    },
    Cancel {
        side: Side,
        index: usize,
    },
    Withdraw {
        side: Side,
        units: u64,
    },
    Deposit {
        side: Side,
        units: u64,
    },
    Deliver {
        to: Side,
        frames: u8,
    },
    Lose {
        to: Side,
    },
    Duplicate {
        to: Side,
    },
    Swap {
        to: Side,
    },
    Disconnect,
    Connect,
    Crash {
        side: Side,
    },
    DeliverAndDie {
        to: Side,
        death: Death,
    },
    PayAndDie {
        side: Side,
        death: Death,
    },
    Mine {
        seconds: u64,
    },
    Reorganise,
    Wait {
        milliseconds: u64,
    },
    /// No block for so long that the view of the chain is too old to count.
    Stall,
    Backup {
        side: Side,
    },
    Restore {
        side: Side,
    },
    Close {
        side: Side,
    },
    OpenChild {
        side: Side,
        own: u64,
        peers: u64,
    },
    /// A child has come to something, as far as one side knows.
    EndChild {
        side: Side,
        index: usize,
        units: u64,
    },
    Run,
}

fn side() -> impl Strategy<Value = Side> {
    prop_oneof![Just(Side::Zero), Just(Side::One)]
}

fn death() -> impl Strategy<Value = Death> {
    prop_oneof![Just(Death::BeforeDurable), Just(Death::BeforeSent), Just(Death::AfterSent)]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (side(), 1..4_u8, 1..60_u64).prop_map(|(side, count, units)| Step::Pay { side, count, units }),
        3 => (side(), 1..40_u64, 0..3_u8, 500..5_000_u64)
            .prop_map(|(side, units, secret, seconds)| Step::Lock { side, units, secret, seconds }),
        2 => (side(), 0..4_usize).prop_map(|(side, index)| Step::Settle { side, index }),
        2 => (side(), 0..4_usize).prop_map(|(side, index)| Step::Cancel { side, index }),
        1 => (side(), 1..60_u64).prop_map(|(side, units)| Step::Withdraw { side, units }),
        1 => (side(), 1..60_u64).prop_map(|(side, units)| Step::Deposit { side, units }),
        10 => (side(), 1..4_u8).prop_map(|(to, frames)| Step::Deliver { to, frames }),
        2 => side().prop_map(|to| Step::Lose { to }),
        1 => side().prop_map(|to| Step::Duplicate { to }),
        1 => side().prop_map(|to| Step::Swap { to }),
        2 => Just(Step::Disconnect),
        12 => Just(Step::Connect),
        1 => side().prop_map(|side| Step::Crash { side }),
        2 => (side(), death()).prop_map(|(to, death)| Step::DeliverAndDie { to, death }),
        1 => (side(), death()).prop_map(|(side, death)| Step::PayAndDie { side, death }),
        3 => (1..900_u64).prop_map(|seconds| Step::Mine { seconds }),
        1 => Just(Step::Reorganise),
        3 => (1..5_000_u64).prop_map(|milliseconds| Step::Wait { milliseconds }),
        1 => Just(Step::Stall),
        2 => Just(Step::Run),
        2 => (side(), 0..80_u64, 0..80_u64).prop_map(|(side, own, peers)| Step::OpenChild { side, own, peers }),
        2 => (side(), 0..4_usize, 0..160_u64)
            .prop_map(|(side, index, units)| Step::EndChild { side, index, units }),
    ]
}

/// Faults that take data away, among the others.
fn step_with_restores() -> impl Strategy<Value = Step> {
    prop_oneof![
        18 => step(),
        1 => side().prop_map(|side| Step::Backup { side }),
        1 => side().prop_map(|side| Step::Restore { side }),
    ]
}

fn secret(index: u8) -> B256 {
    B256::repeat_byte(index + 1)
}

/// Deposits count after two blocks and reorgs take one, so that what counts stays.
fn random_settings() -> Settings {
    Settings { confirmations: 2, execution_window: 600, batch: 3, ..settings() }
}

fn start() -> World {
    // The second side is stricter, so that versions are held and refused.
    let strict = Settings { confirmations: 3, lock_margin: 900, hold_timeout_ms: 8_000, ..random_settings() };
    let mut world = World::with(1, &[random_settings(), strict]);
    world.mine();
    world.deposit(Side::Zero, 0, 300);
    world.deposit(Side::One, 0, 200);
    world.mine_many(5);
    world.connect();
    world.run();
    world
}

fn pays(world: &World, count: u8, units: u64) -> Vec<Command> {
    let first = world.upcoming_token();
    let payment = |token: u64| {
        let mut payment = world.payment(0, units);
        payment.memo = token.to_be_bytes().to_vec();
        Command::Pay(payment)
    };
    (first..first + u64::from(count)).map(payment).collect()
}

fn perform(world: &mut World, step: &Step) {
    match *step {
        Step::Pay { side, count, units } => {
            let commands = pays(world, count, units);
            world.commands(side, commands);
        }
        Step::PayAndDie { side, death } => {
            let commands = pays(world, 2, 3);
            world.commands_until(side, Some(death), commands);
        }
        Step::Lock { side, units, secret: index, seconds } => {
            let expiry = world.chain.time() + seconds;
            world.lock(side, units, secret(index), expiry);
        }
        Step::Settle { side, index } => {
            let locks = world.node(side).channel.view().locks;
            let Some(entry) = locks.get(index) else { return };
            let preimage = (0..3).map(secret).find(|p| hash_of(*p) == entry.lock.reference).unwrap();
            world.command(side, Command::SettleLock { number: entry.number, preimage });
        }
        Step::Cancel { side, index } => {
            let locks = world.node(side).channel.view().locks;
            let Some(entry) = locks.get(index) else { return };
            world.command(side, Command::CancelLock { number: entry.number });
        }
        Step::Withdraw { side, units } => {
            world.command(side, Command::Withdraw { asset: AssetIndex(0), amount: amount(units) });
        }
        Step::OpenChild { side, own, peers } => {
            world.open_child(side, own, peers);
        }
        Step::EndChild { side, index, units } => {
            let children = world.node(side).channel.view().children;
            let Some(child) = children.get(index) else { return };
            world.end_child(side, child.child, units);
        }
        Step::Close { side } => drop(world.command(side, Command::Close)),
        Step::Deposit { side, units } => world.deposit(side, 0, units),
        Step::Mine { seconds } => world.mine_after(seconds),
        Step::Reorganise if world.chain.head() == world.chain.peak => world.reorganise(1),
        Step::Reorganise => {}
        Step::Wait { milliseconds } => {
            world.now_ms += milliseconds;
            world.tick();
        }
        Step::Stall => {
            world.now_ms += 7 * 3_600 * 1_000;
            world.tick();
        }
        Step::Run => world.run(),
        _ => perform_on_link(world, step),
    }
}

fn perform_on_link(world: &mut World, step: &Step) {
    match *step {
        Step::Deliver { to, frames } => {
            for _ in 0..frames {
                world.deliver(to, None);
            }
        }
        Step::Lose { to } => drop(world.wires[to.index()].pop_front()),
        Step::Duplicate { to } => {
            let wire = &mut world.wires[to.index()];
            if let Some(frame) = wire.front().cloned() {
                wire.push_back(frame);
            }
        }
        Step::Swap { to } => {
            let wire = &mut world.wires[to.index()];
            if wire.len() > 1 {
                wire.swap(0, 1);
            }
        }
        Step::Disconnect => world.disconnect(),
        Step::Connect if world.connected => {}
        Step::Connect => world.connect(),
        Step::Crash { side } => world.crash(side),
        Step::DeliverAndDie { to, death } => drop(world.deliver(to, Some(death))),
        _ => {}
    }
}

fn is_quiet(world: &World) -> bool {
    world.nodes.iter().all(|node| {
        let open =
            node.issued.keys().any(|token| !node.done.contains_key(token) && !node.orphans.contains(token));
        let view = node.channel.view();
        !open && (view.in_flight == 0 || view.phase == "closed") && !view.restoring
    })
}

/// Two honest and connected sides come to an end of everything.
fn drain(world: &mut World) {
    world.end_all_children();
    world.reconnect();
    for _ in 0..200 {
        world.run_for(4_000);
        world.mine_after(60);
        if is_quiet(world) {
            world.mine_many(4);
            world.run_for(10_000);
            if is_quiet(world) {
                return;
            }
        }
    }
    let views = [0, 1].map(|index| world.nodes[index].channel.view());
    let open = |index: usize| {
        let node: &crate::world::Node = &world.nodes[index];
        let open = node.issued.iter().filter(|(token, _)| !node.done.contains_key(*token));
        open.filter(|(token, _)| !node.orphans.contains(*token)).collect::<Vec<_>>()
    };
    panic!("no end: {views:#?}\n{:?}\n{:?}", open(0), open(1));
}

fn check_always(world: &World) {
    crate::checks::conserved(world);
    for node in &world.nodes {
        for (token, ends) in &node.done {
            assert_eq!(ends.len(), 1, "command {token} ended more than once: {ends:?}");
        }
    }
}

/// Runs cases from a fixed seed, so that a failure is found again; `STRAIT_CASES` runs more of them.
pub(crate) fn run_cases<S: Strategy>(cases: u32, strategy: &S, test: impl Fn(S::Value)) {
    let cases = std::env::var("STRAIT_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(cases);
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 20_000, ..Config::default() };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[42; 32]);
    let outcome = TestRunner::new_with_rng(config, rng).run(strategy, |value| {
        test(value);
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}

/// Only one side ever loses data: what the other holds, it gets back.
fn run_with_restores(steps: &[Step], losers: &[Side]) -> World {
    let mut world = start();
    let mut backups = [world.nodes[0].backup(), world.nodes[1].backup()];
    for step in steps {
        match *step {
            Step::Backup { side } => backups[side.index()] = world.node(side).backup(),
            Step::Restore { side } if losers.contains(&side) => {
                // Two restores within one block's time cannot be told apart by it.
                world.mine();
                world.restore(side, &backups[side.index()]);
            }
            Step::Restore { .. } => {}
            _ => perform(&mut world, step),
        }
        crate::checks::conserved(&world);
    }
    drain(&mut world);
    for node in &world.nodes {
        assert!(!node.channel.view().restoring);
    }
    world
}

#[test]
fn whatever_is_restored_the_two_agree_and_finish() {
    for loser in Side::BOTH {
        run_cases(60, &prop::collection::vec(step_with_restores(), 1..120), |steps| {
            run_with_restores(&steps, &[loser]).assert_agreed();
        });
    }
}

#[test]
fn whatever_both_lose_the_two_agree_and_finish() {
    run_cases(60, &prop::collection::vec(step_with_restores(), 1..120), |steps| {
        let world = run_with_restores(&steps, &Side::BOTH);
        crate::checks::agreed(&world);
        crate::checks::conserved(&world);
    });
}

#[test]
fn a_close_among_faults_pays_the_last_balances() {
    let any_step = prop_oneof![12 => step(), 1 => side().prop_map(|side| Step::Close { side })];
    run_cases(150, &prop::collection::vec(any_step, 1..120), |steps| {
        let mut world = start();
        for step in &steps {
            perform(&mut world, step);
            check_always(&world);
        }
        drain(&mut world);
        if world.chain.state().status == Status::Open {
            world.assert_agreed();
            return;
        }
        let [zero, one] = [0, 1].map(|index| world.nodes[index].channel.view().balances[0].clone());
        assert_eq!((zero.own, zero.peer), (one.peer, one.own));
        let taken = zero.withdrawn.map(|amount| i128::try_from(amount).unwrap());
        assert_eq!(world.chain.state().paid_out, [[zero.own + taken[0], zero.peer + taken[1]]]);
    });
}

/// Payments alone, and faults in which no process dies: every outcome is known.
fn plain_step() -> impl Strategy<Value = Step> {
    step().prop_filter("payments and the link", |step| {
        !matches!(
            step,
            Step::Lock { .. }
                | Step::Settle { .. }
                | Step::Cancel { .. }
                | Step::Withdraw { .. }
                | Step::OpenChild { .. }
                | Step::EndChild { .. }
                | Step::Deposit { .. }
                | Step::Crash { .. }
                | Step::DeliverAndDie { .. }
                | Step::PayAndDie { .. }
                | Step::Reorganise
        )
    })
}

#[test]
fn a_dispute_at_any_moment_pays_what_the_commands_were_told() {
    let steps = prop::collection::vec(plain_step(), 1..80);
    run_cases(150, &(steps, side(), any::<bool>()), |(steps, closer, connected)| {
        let mut world = start();
        for step in &steps {
            perform(&mut world, step);
        }
        if !connected {
            world.disconnect();
        }
        world.command(closer, Command::ForceClose);
        for _ in 0..6 {
            world.run_for(2_000);
            world.mine();
        }
        world.mine_after(86_401);
        world.mine_many(6);
        assert_eq!(world.chain.state().status, Status::Closed);
        let mut due = [300, 200];
        for node in &world.nodes {
            for (token, command) in &node.issued {
                let Command::Pay(payment) = command else { continue };
                let ended = world.ended(*token).unwrap_or_else(|| panic!("payment {token} never ended"));
                if ended.is_ok() {
                    due[node.side.index()] -= payment.amount.signed();
                    due[node.side.other().index()] += payment.amount.signed();
                }
            }
        }
        assert_eq!(world.chain.state().paid_out, [due]);
    });
}

#[test]
fn whatever_fails_the_two_agree_and_finish() {
    run_cases(250, &prop::collection::vec(step(), 1..120), |steps| {
        let mut world = start();
        for step in &steps {
            perform(&mut world, step);
            check_always(&world);
        }
        drain(&mut world);
        check_always(&world);
        world.assert_agreed();
    });
}
