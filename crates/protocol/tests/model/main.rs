//! Every run of two channels within bounds: frames in any order, lost and repeated, processes that die at any input, a
//! peer that comes back from the past and challenges with what it likes, a chain with a period.
//!
//! From each state that can be reached, two honest sides must be able to finish and agree, and the first side alone
//! must get out with what it is due. `cargo xtask campaign model` has larger bounds.

#[path = "../suite/adjudicator.rs"]
mod adjudicator;
mod bounds;
mod game;
mod world;

use adjudicator::Status;
use bounds::Bounds;
use stateright::{Checker, Model, Property};
use std::collections::HashSet;
use std::fmt;
use std::sync::Mutex;
use strait_protocol::{Command, Frame};
use strait_types::{Side, Version};
use world::{Death, World};

/// What an answer depends on.
type Key = (u64, Option<u64>, Option<u64>);
/// A step of a side.
type MakesStep = fn(Side) -> Step;

/// Runs within bounds.
struct Runs {
    bounds: Bounds,
    start: World,
    /// From where the first side gets out, and from where two honest sides finish: many states differ in what matters
    /// for neither.
    exits: Mutex<HashSet<Key>>,
    completions: Mutex<HashSet<Key>>,
}

impl Runs {
    fn new(bounds: Bounds) -> Runs {
        Runs { bounds, start: World::new(bounds), exits: Mutex::default(), completions: Mutex::default() }
    }

    fn holds(known: &Mutex<HashSet<Key>>, key: Key, check: impl FnOnce() -> bool) -> bool {
        if known.lock().expect("no check panics").contains(&key) {
            return true;
        }
        let holds = check();
        if holds {
            known.lock().expect("no check panics").insert(key);
        }
        holds
    }
}

/// What is under way, shown as what it says.
#[derive(Clone, PartialEq, Eq)]
struct Bytes(Vec<u8>);

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", Frame::decode(&self.0))
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Step {
    Pay(Side),
    Withdraw(Side),
    Close(Side),
    Lock(Side),
    Settle(Side),
    Move(Side),
    End(Side),
    Deliver { to: Side, frame: Bytes, death: Option<Death> },
    Copy { to: Side, frame: Bytes },
    Lose { to: Side, frame: Bytes },
    Break,
    Tick,
    Relapse,
    Challenge(Version),
    Mine { censored: bool },
}

impl Model for Runs {
    type State = World;
    type Action = Step;

    fn init_states(&self) -> Vec<World> {
        vec![self.start.clone()]
    }

    fn actions(&self, world: &World, steps: &mut Vec<Step>) {
        let left = &world.left;
        if world.chain.status == Status::Closed {
            return;
        }
        let commands: [(_, MakesStep); 6] = [
            (left.payments, Step::Pay),
            (left.withdrawals, Step::Withdraw),
            (left.closes, Step::Close),
            (left.locks, Step::Lock),
            (left.settlements, Step::Settle),
            (left.ends, Step::End),
        ];
        for (left, step) in commands {
            steps.extend(Side::BOTH.into_iter().filter(|side| left[side.index()] > 0).map(step));
        }
        let moves = |side: &Side| left.moves[side.index()] > 0 && world.may_move(*side);
        steps.extend(Side::BOTH.into_iter().filter(moves).map(Step::Move));
        for (to, frame) in world.network.keys().map(|(to, frame)| (*to, Bytes(frame.clone()))) {
            if left.losses > 0 {
                steps.push(Step::Lose { to, frame: frame.clone() });
            }
            if left.copies > 0 {
                steps.push(Step::Copy { to, frame: frame.clone() });
            }
            if left.deaths > 0 {
                for death in [Death::BeforeDurable, Death::BeforeSent] {
                    steps.push(Step::Deliver { to, frame: frame.clone(), death: Some(death) });
                }
            }
            steps.push(Step::Deliver { to, frame, death: None });
        }
        if left.breaks > 0 {
            steps.push(Step::Break);
        }
        if left.ticks > 0 {
            steps.push(Step::Tick);
        }
        if left.relapses > 0 {
            steps.push(Step::Relapse);
        }
        if left.challenges > 0 && world.chain.deadline.is_none() {
            steps.push(Step::Challenge(Version::ZERO));
            steps.extend(world.shown.keys().map(|version| Step::Challenge(*version)));
        }
        if left.steps > 0 {
            steps.push(Step::Mine { censored: false });
            if left.censored > 0 {
                steps.push(Step::Mine { censored: true });
            }
        }
    }

    fn next_state(&self, world: &World, step: Step) -> Option<World> {
        let mut next = world.clone();
        let left = &mut next.left;
        match step {
            Step::Pay(side) => {
                left.payments[side.index()] -= 1;
                next.pay(side, 1 + side as u64);
            }
            Step::Withdraw(side) => {
                left.withdrawals[side.index()] -= 1;
                next.withdraw(side);
            }
            Step::Close(side) => {
                left.closes[side.index()] -= 1;
                next.command(side, Command::Close);
            }
            Step::Lock(side) => {
                left.locks[side.index()] -= 1;
                next.lock(side);
            }
            Step::Settle(side) => {
                left.settlements[side.index()] -= 1;
                if !next.settle(side) {
                    return None;
                }
            }
            Step::Move(side) => {
                left.moves[side.index()] -= 1;
                next.make_move(side);
            }
            Step::End(side) => {
                left.ends[side.index()] -= 1;
                next.ask_for_end(side);
            }
            Step::Deliver { to, frame, death } => {
                left.deaths -= u8::from(death.is_some());
                next.take(to, &frame.0);
                next.deliver(to, &frame.0, death);
            }
            Step::Copy { to, frame } => {
                left.copies -= 1;
                next.deliver(to, &frame.0, None);
            }
            Step::Lose { to, frame } => {
                left.losses -= 1;
                next.take(to, &frame.0);
            }
            Step::Break => {
                left.breaks -= 1;
                next.reconnect();
            }
            Step::Tick => {
                left.ticks -= 1;
                next.tick();
            }
            Step::Relapse => {
                left.relapses -= 1;
                next.forget(self.start.snapshot(Side::One));
            }
            Step::Challenge(version) => {
                left.challenges -= 1;
                next.challenge(version);
            }
            Step::Mine { censored } => {
                left.steps -= 1;
                left.censored -= u8::from(censored);
                next.mine(censored);
            }
        }
        next.seal();
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(
                "nobody signs two states of one version, no command ends twice",
                |_, world: &World| world.broken.is_none(),
            ),
            Property::always("safety, no hostage, bounded griefing", |runs: &Runs, world: &World| {
                world.is_paid().is_ok()
                    && Runs::holds(&runs.exits, world.exit_key(), || world.exits().is_ok())
            }),
            Property::always("progress and agreement", |runs: &Runs, world: &World| {
                let completes = || world.completes().is_ok();
                !runs.bounds.is_honest() || Runs::holds(&runs.completions, world.completion_key(), completes)
            }),
            // Of nothing else anything would be shown.
            Property::sometimes("everything is done", |_, world: &World| {
                let left = &world.left;
                let commands = [left.payments, left.withdrawals, left.closes, left.locks, left.ends];
                commands == [[0; 2]; 5]
                    && (left.moves == [0; 2] || world.chain.status == Status::Closed)
                    && world.network.is_empty()
            }),
        ]
    }
}

/// Explores all of it; gives the number of different states.
fn explore(name: &str, bounds: Bounds) -> serde_json::Value {
    let began = std::time::Instant::now();
    let checker = Runs::new(bounds).checker().threads(2).spawn_dfs().join();
    let (states, depth) = (checker.unique_state_count(), checker.max_depth());
    println!("{name}: {states} states, at most {depth} steps deep, {:.1?}, {bounds:?}", began.elapsed());
    for (property, path) in checker.discoveries() {
        if property != "everything is done" {
            let last = path.last_state();
            let reasons = (last.broken, last.is_paid(), last.exits(), last.completes());
            panic!("{name}: `{property}` does not hold: {reasons:?} after {:#?}", path.into_actions());
        }
    }
    checker.assert_any_discovery("everything is done");
    serde_json::json!({ "bounds": bounds.describe(), "states": states, "depth": depth })
}

const NONE: Bounds = Bounds {
    payments: [0; 2],
    withdrawals: [0; 2],
    closes: [0; 2],
    locks: [0; 2],
    settlements: [0; 2],
    moves: [0; 2],
    ends: [0; 2],
    losses: 0,
    copies: 0,
    deaths: 0,
    breaks: 0,
    ticks: 0,
    relapses: 0,
    challenges: 0,
    steps: 0,
    censored: 0,
};

#[test]
fn two_honest_sides_finish_and_agree_from_every_state_of_a_bad_network() {
    explore("both pay", Bounds { payments: [1, 1], ..NONE });
    explore("loss", Bounds { payments: [1, 1], losses: 1, ..NONE });
    explore("repetition", Bounds { payments: [1, 0], copies: 2, ..NONE });
    explore("deaths", Bounds { payments: [0, 1], deaths: 1, losses: 1, ..NONE });
}

#[test]
fn an_honest_side_gets_what_it_is_due_from_every_state_of_a_dispute() {
    explore("dispute", Bounds { payments: [0, 1], challenges: 1, ..NONE });
    explore("relapse", Bounds { payments: [0, 1], relapses: 1, challenges: 1, ..NONE });
}

#[test]
fn withdrawals_locks_and_closes_end_well_from_every_state() {
    explore("withdrawal", Bounds { payments: [0, 1], withdrawals: [1, 0], ..NONE });
    explore("close", Bounds { payments: [0, 1], closes: [1, 0], ..NONE });
    explore("lock", Bounds { locks: [0, 1], settlements: [1, 0], losses: 1, ..NONE });
}

#[test]
fn an_honest_side_gets_out_of_a_dispute_over_withdrawals_locks_and_closes() {
    explore("withdrawal, dispute", Bounds { withdrawals: [1, 0], challenges: 1, ..NONE });
    explore("close, dispute", Bounds { closes: [1, 0], challenges: 1, ..NONE });
    explore("lock, dispute", Bounds { locks: [0, 1], settlements: [1, 0], challenges: 1, ..NONE });
}

#[test]
fn a_game_is_played_and_ended_from_every_state_of_a_bad_network() {
    explore("game, repetition", Bounds { moves: [1, 1], copies: 1, ..NONE });
    explore("game, loss and death", Bounds { moves: [1, 1], losses: 1, deaths: 1, ..NONE });
    explore("game, agreed end", Bounds { moves: [1, 1], ends: [1, 1], ..NONE });
}

#[test]
fn an_honest_player_wins_what_it_can_win_from_every_state_of_a_dispute() {
    explore("game, dispute", Bounds { moves: [1, 1], challenges: 1, ..NONE });
    explore("agreed end, dispute", Bounds { moves: [0, 1], ends: [1, 1], challenges: 1, ..NONE });
}

/// Runs far beyond what can be explored: numbers choose each step.
#[test]
fn long_runs_that_numbers_choose_break_nothing() {
    let bounds = Bounds { payments: [6, 6], losses: 4, copies: 4, deaths: 4, breaks: 3, ticks: 6, ..NONE };
    let liar = Bounds { relapses: 1, challenges: 1, steps: 5, censored: 1, ..bounds };
    for seed in 0..24 {
        let runs = Runs::new(if seed % 2 == 0 { bounds } else { liar });
        let (mut world, mut number) = (runs.start.clone(), seed);
        for _ in 0..120 {
            let mut steps = Vec::new();
            runs.actions(&world, &mut steps);
            if steps.is_empty() {
                break;
            }
            number =
                u64::wrapping_add(u64::wrapping_mul(number, 0x5851_f42d_4c95_7f2d), 0x1405_7b7e_f767_814f);
            let step = steps.swap_remove((number >> 33) as usize % steps.len());
            world = runs.next_state(&world, step).expect("every step leads somewhere");
            assert_eq!(world.broken, None, "seed {seed}");
        }
        let end = if runs.bounds.is_honest() { world.completes() } else { Ok(()) };
        assert_eq!(end.and_then(|()| world.is_paid()).and_then(|()| world.exits()), Ok(()), "seed {seed}");
    }
}

/// Run by `cargo xtask campaign model`.
#[test]
fn within_larger_bounds() {
    let Some(path) = std::env::var_os("STRAIT_PROOF_RESULT") else { return };
    let runs = [
        ("both pay, repetition", Bounds { payments: [1, 1], copies: 1, ..NONE }),
        ("repetition and timers", Bounds { payments: [0, 1], copies: 1, ticks: 1, ..NONE }),
        ("both pay, deaths", Bounds { payments: [1, 1], deaths: 1, ..NONE }),
        ("three faults", Bounds { payments: [0, 1], losses: 1, copies: 1, deaths: 1, ..NONE }),
        ("withdrawal in time, loss", Bounds { withdrawals: [0, 1], steps: 1, losses: 1, ..NONE }),
        ("withdrawal in time, dispute", Bounds { withdrawals: [0, 1], challenges: 1, steps: 1, ..NONE }),
        ("close and payment, dispute", Bounds { payments: [0, 1], closes: [1, 0], challenges: 1, ..NONE }),
        ("both close, loss", Bounds { closes: [1, 1], losses: 1, ..NONE }),
        ("withdrawal, death", Bounds { withdrawals: [1, 0], deaths: 1, steps: 1, ..NONE }),
        ("close, death", Bounds { payments: [0, 1], closes: [1, 0], deaths: 1, ..NONE }),
        ("lock, death", Bounds { locks: [0, 1], settlements: [1, 0], deaths: 1, ..NONE }),
        ("game, agreed end, loss", Bounds { moves: [1, 1], ends: [1, 1], losses: 1, ..NONE }),
        ("game, agreed end, death", Bounds { moves: [1, 1], ends: [1, 1], deaths: 1, ..NONE }),
        ("game, dispute in time", Bounds { moves: [1, 1], challenges: 1, steps: 1, ..NONE }),
        ("dispute in time", Bounds { payments: [0, 1], challenges: 1, steps: 2, censored: 1, ..NONE }),
    ];
    let mut results = serde_json::Map::new();
    for (name, bounds) in runs {
        results.insert(name.to_owned(), explore(name, bounds));
        std::fs::write(&path, serde_json::to_vec(&results).expect("JSON")).expect("written");
    }
}
