//! A peer that lies: it has its key, sees everything, says anything, and brings any state that it could have signed
//! to the chain. The honest side keeps what it was told that it has.

use crate::adjudicator::Status;
use crate::chain::Transaction;
use crate::random::run_cases;
use crate::world::{World, amount, hash_of, settings};
use proptest::prelude::*;
use std::collections::BTreeMap;
use strait_protocol::{
    Body, ChainAction, Command, Event, Operation, Operations, Outcome, Payment, Position, Refusal, Rule,
    Settings, SignedPosition, Sync, Update,
};
use strait_types::{AssetIndex, B256, Lock, Side, Signature, Version};

const HONEST: Side = Side::Zero;
const LIAR: Side = Side::One;
const GARBAGE: Signature = Signature([0x33; 64]);

/// What one lie is made of; the liar reads it against what it knows at that moment.
#[derive(Clone, Debug)]
enum Lie {
    Update {
        base: usize,
        jump: u64,
        operations: Vec<Choice>,
        signs: bool,
    },
    Acknowledge {
        which: usize,
        signs: bool,
    },
    Refuse {
        which: usize,
        index: Option<u32>,
        confirms: usize,
        signs: bool,
    },
    Sync {
        which: usize,
        signs: bool,
        restored: bool,
        reply: bool,
    },
    Latest {
        which: usize,
        meddles: bool,
    },
    Rebase {
        which: usize,
        hours: i64,
        signs: bool,
    },
    Propose {
        operation: Choice,
    },
    /// Asks for agreement and uses it.
    Agree {
        operation: Choice,
    },
    Answer {
        id: u64,
        agrees: bool,
    },
    RequestPen,
    Fault(Rule),
    Replay {
        which: usize,
    },
}

/// An operation in the making.
#[derive(Clone, Debug)]
enum Choice {
    Pay { asset: u8, units: u64 },
    AddLock { from: Side, units: u64, seconds: u64, secret: u8 },
    Settle { number: u64, secret: u8 },
    Cancel { number: u64 },
    Withdraw { side: Side, units: u64, seconds: u64 },
    HandOver,
    Finalise { seconds: u64 },
}

#[derive(Clone, Debug)]
enum Step {
    Lie(Lie),
    /// The honest side's user.
    Pay {
        units: u64,
    },
    Lock {
        units: u64,
        secret: u8,
    },
    Settle {
        index: usize,
    },
    Withdraw {
        units: u64,
    },
    Close,
    Mine {
        seconds: u64,
    },
    Wait {
        milliseconds: u64,
    },
    Crash,
    Reconnect,
}

fn side() -> impl Strategy<Value = Side> {
    prop_oneof![Just(Side::Zero), Just(Side::One)]
}

fn choice() -> impl Strategy<Value = Choice> {
    prop_oneof![
        8 => (0..2_u8, 0..60_u64).prop_map(|(asset, units)| Choice::Pay { asset: asset / 2, units }),
        1 => (0..3_u8, any::<u64>()).prop_map(|(asset, units)| Choice::Pay { asset, units }),
        4 => (side(), 1..30_u64, 0..9_000_u64, 0..3_u8).prop_map(|(from, units, seconds, secret)| {
            Choice::AddLock { from, units, seconds, secret }
        }),
        3 => (0..6_u64, 0..3_u8).prop_map(|(number, secret)| Choice::Settle { number, secret }),
        3 => (0..6_u64).prop_map(|number| Choice::Cancel { number }),
        2 => (side(), 0..60_u64, 0..9_000_u64)
            .prop_map(|(side, units, seconds)| Choice::Withdraw { side, units, seconds }),
        5 => Just(Choice::HandOver),
        1 => (0..9_000_u64).prop_map(|seconds| Choice::Finalise { seconds }),
    ]
}

fn lie() -> impl Strategy<Value = Lie> {
    let jump =
        prop_oneof![9 => Just(1_u64), 2 => 2..8_u64, 1 => Just(1_024), 1 => Just(1_025), 1 => any::<u64>()];
    let rule = prop_oneof![Just(Rule::Restoring), Just(Rule::BadSignature)];
    prop_oneof![
        14 => (prop_oneof![4 => Just(0_usize), 1 => 1..4_usize], jump, prop::collection::vec(choice(), 0..4), prop::bool::weighted(0.9))
            .prop_map(|(base, jump, operations, signs)| Lie::Update { base, jump, operations, signs }),
        12 => (0..4_usize, prop::bool::weighted(0.9)).prop_map(|(which, signs)| Lie::Acknowledge { which, signs }),
        4 => (0..4_usize, prop::option::of(0..3_u32), 0..4_usize, any::<bool>())
            .prop_map(|(which, index, confirms, signs)| Lie::Refuse { which, index, confirms, signs }),
        6 => (0..5_usize, any::<bool>(), prop::bool::weighted(0.2), any::<bool>())
            .prop_map(|(which, signs, restored, reply)| Lie::Sync { which, signs, restored, reply }),
        3 => (0..6_usize, any::<bool>()).prop_map(|(which, meddles)| Lie::Latest { which, meddles }),
        2 => (0..3_usize, -2..3_i64, any::<bool>())
            .prop_map(|(which, hours, signs)| Lie::Rebase { which, hours, signs }),
        1 => choice().prop_map(|operation| Lie::Propose { operation }),
        2 => (1..60_u64, 1..1_200_u64).prop_map(|(units, seconds)| {
            Lie::Agree { operation: Choice::Withdraw { side: LIAR, units, seconds } }
        }),
        1 => (1..1_200_u64).prop_map(|seconds| Lie::Agree { operation: Choice::Finalise { seconds } }),
        4 => (prop::bool::weighted(0.1), prop::bool::weighted(0.8))
            .prop_map(|(errs, agrees)| Lie::Answer { id: u64::from(errs), agrees }),
        8 => Just(Lie::RequestPen),
        1 => rule.prop_map(Lie::Fault),
        4 => any::<prop::sample::Index>().prop_map(|which| Lie::Replay { which: which.index(1_000) }),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        24 => lie().prop_map(Step::Lie),
        6 => (1..40_u64).prop_map(|units| Step::Pay { units }),
        2 => (1..40_u64, 0..3_u8).prop_map(|(units, secret)| Step::Lock { units, secret }),
        2 => (0..4_usize).prop_map(|index| Step::Settle { index }),
        1 => (1..60_u64).prop_map(|units| Step::Withdraw { units }),
        1 => Just(Step::Close),
        2 => (1..400_u64).prop_map(|seconds| Step::Mine { seconds }),
        1 => (1..9_000_u64).prop_map(|milliseconds| Step::Wait { milliseconds }),
        1 => Just(Step::Crash),
        3 => Just(Step::Reconnect),
    ]
}

fn secret(index: u8) -> B256 {
    B256::repeat_byte(index + 1)
}

struct Stage {
    world: World,
    /// Every position that the honest side has signed or that the liar made.
    known: BTreeMap<(Version, B256), Position>,
    /// What the honest side has signed, oldest first: each is a weapon.
    weapons: Vec<(Position, Signature)>,
    /// Versions of the honest side that it may still wait for.
    flying: Vec<Version>,
    /// What the honest side last asked agreement for.
    proposal: u64,
    said: Vec<Body>,
}

impl Stage {
    fn new() -> Stage {
        let quick = Settings { execution_window: 600, hold_timeout_ms: 5_000, ..settings() };
        let mut world = World::with(1, &[quick.clone(), quick]);
        world.liars.insert(LIAR);
        world.mine();
        world.deposit(HONEST, 0, 300);
        world.deposit(LIAR, 0, 200);
        world.mine_many(3);
        let zero = Position::zero(world.id, 1);
        let known = BTreeMap::from([((Version(0), zero.state.hash()), zero)]);
        let mut stage =
            Stage { world, known, weapons: Vec::new(), flying: Vec::new(), proposal: 0, said: Vec::new() };
        stage.world.muted.insert(LIAR);
        stage.reconnect();
        stage
    }

    fn reconnect(&mut self) {
        self.world.disconnect();
        self.world.connected_alone(HONEST);
        self.say(Lie::Sync { which: 0, signs: true, restored: false, reply: false });
    }

    /// Reads what the honest side says, and keeps what it signs.
    fn listen(&mut self) {
        for body in self.world.intercept(HONEST) {
            match body {
                Body::Update(update) => {
                    let Some(base) = self.known.get(&(update.base, update.base_hash)) else { continue };
                    let position = base.next(update.version, &update.operations, &mut |_, _| Ok(())).unwrap();
                    self.learn(position.clone());
                    self.flying.push(update.version);
                    self.weapons.push((position, update.signature));
                }
                Body::Acknowledge { version, signature } => self.arm(version, signature),
                Body::Refuse(Refusal { confirmed, signature: Some(signature), .. })
                | Body::Sync(Sync { confirmed, signature: Some(signature), .. }) => {
                    self.arm(confirmed, signature);
                }
                Body::Propose { id, .. } => self.proposal = id,
                Body::Latest(latest) => self.weapons.push((latest.position, latest.signatures[0])),
                Body::Rebase { base, base_hash, version, signature } => {
                    if let Some(position) =
                        self.known.get(&(base, base_hash)).map(|p| p.rebased(version, false))
                    {
                        self.learn(position.clone());
                        self.weapons.push((position, signature));
                    }
                }
                _ => {}
            }
        }
        let confirmed = self.world.node(HONEST).channel.view().version;
        self.flying.retain(|version| *version > confirmed);
    }

    fn learn(&mut self, position: Position) {
        self.known.insert((position.state.version, position.state.hash()), position);
    }

    /// The honest side countersigned one of the liar's.
    fn arm(&mut self, version: Version, signature: Signature) {
        let signer = self.world.params.participant(HONEST).signer;
        let fits = |position: &&Position| {
            let digest = self.world.domain.state_digest(position.state.hash());
            position.state.version == version && signature.verify(digest, signer).is_ok()
        };
        if let Some(position) = self.known.values().find(fits).cloned() {
            self.weapons.push((position, signature));
        }
    }

    fn confirmed(&mut self) -> Position {
        let zero = Position::zero(self.world.id, 1);
        self.world.latest(HONEST).map_or(zero, |latest| latest.position)
    }

    /// The honest side's best, or one of the positions around it.
    fn position(&mut self, which: usize) -> Position {
        let confirmed = self.confirmed();
        match which {
            0 => confirmed,
            _ => self.known.values().rev().nth(which - 1).cloned().unwrap_or(confirmed),
        }
    }

    /// The newest position that gives the liar the pen.
    fn writable(&mut self) -> Position {
        let confirmed = self.confirmed();
        let ours = self.weapons.iter().rev().map(|(position, _)| position);
        let mut ours = ours.filter(|p| p.state.writer == LIAR && p.state.version > confirmed.state.version);
        ours.next().cloned().unwrap_or(confirmed)
    }

    fn operation(&self, choice: &Choice) -> Operation {
        let now = self.world.chain.time();
        let asset = AssetIndex(0);
        match *choice {
            Choice::Pay { asset, units } => Operation::Pay(Payment {
                asset: AssetIndex(asset),
                amount: amount(units),
                invoice: None,
                memo: Vec::new(),
            }),
            Choice::AddLock { from, units, seconds, secret: index } => {
                let hash = hash_of(secret(index));
                Operation::AddLock(Lock::hash(from, asset, amount(units), hash, now + seconds))
            }
            Choice::Settle { number, secret: index } => {
                Operation::SettleLock { number, preimage: secret(index) }
            }
            Choice::Cancel { number } => Operation::CancelLock { number },
            Choice::Withdraw { side, units, seconds } => {
                Operation::Withdraw { side, asset, amount: amount(units), valid_until: now + seconds }
            }
            Choice::HandOver => Operation::HandOver,
            Choice::Finalise { seconds } => Operation::Finalise { valid_until: now + seconds },
        }
    }

    fn sign(&self, position: &Position, signs: bool) -> Signature {
        if signs { self.world.sign(LIAR, &position.state) } else { GARBAGE }
    }

    fn say(&mut self, lie: Lie) {
        let Some(body) = self.word(lie) else { return };
        self.said.push(body.clone());
        self.world.inject(HONEST, body);
        self.listen();
    }

    fn word(&mut self, lie: Lie) -> Option<Body> {
        Some(match lie {
            Lie::Agree { operation } => {
                self.say(Lie::Propose { operation: operation.clone() });
                let operations = vec![operation];
                return self.word(Lie::Update { base: 0, jump: 1, operations, signs: true });
            }
            Lie::Update { base, jump, operations, signs } => {
                let base = if base == 0 { self.writable() } else { self.position(base - 1) };
                let operations: Operations = operations.iter().map(|choice| self.operation(choice)).collect();
                let version = Version(base.state.version.0.saturating_add(jump));
                let next = base.next(version, &operations, &mut |_, _| Ok(()));
                let signature = next.as_ref().map_or(GARBAGE, |position| self.sign(position, signs));
                let (base, base_hash) = (base.state.version, base.state.hash());
                if let Ok(position) = next {
                    self.learn(position);
                }
                Body::Update(Update { base, base_hash, version, operations, signature })
            }
            Lie::Acknowledge { which, signs } => {
                let version = *self.flying.get(which)?;
                let position = self.weapons.iter().rev().find(|(p, _)| p.state.version == version)?.0.clone();
                Body::Acknowledge { version, signature: self.sign(&position, signs) }
            }
            Lie::Refuse { which, index, confirms, signs } => {
                let version = *self.flying.get(which)?;
                let confirmed = self.position(confirms);
                let signature = signs.then(|| self.sign(&confirmed, true));
                let (rule, confirmed) = (Rule::HoldTimeout, confirmed.state.version);
                Body::Refuse(Refusal { version, index, rule, confirmed, signature })
            }
            Lie::Sync { which, signs, restored, reply } => {
                let position = self.position(which);
                let signature = signs.then(|| self.sign(&position, true));
                let (confirmed, confirmed_hash) = (position.state.version, position.state.hash());
                Body::Sync(Sync { confirmed, confirmed_hash, signature, restored, reply })
            }
            Lie::Latest { which, meddles } => {
                let (mut position, signature) = self.weapons.iter().rev().nth(which)?.clone();
                let own = self.sign(&position, true);
                if meddles {
                    position.payments = [u64::MAX; 2];
                    position.locks_added = u64::MAX;
                }
                Body::Latest(SignedPosition { position, signatures: [signature, own] })
            }
            Lie::Rebase { which, hours, signs } => {
                let base = self.position(which);
                let time = self.world.chain.time().checked_add_signed(hours * 3_599)?;
                let version = Version(time << 24);
                let signature = self.sign(&base.rebased(version, false), signs);
                self.learn(base.rebased(version, false));
                let (base, base_hash) = (base.state.version, base.state.hash());
                Body::Rebase { base, base_hash, version, signature }
            }
            Lie::Propose { operation } => Body::Propose { id: 1, operation: self.operation(&operation) },
            Lie::Answer { id, agrees } => Body::Answer {
                id: self.proposal.wrapping_add(id),
                refused: (!agrees).then_some(Rule::NotAgreed),
            },
            Lie::RequestPen => Body::RequestPen,
            Lie::Fault(rule) => Body::Fault { rule },
            Lie::Replay { which } => self.said.get(which % self.said.len().max(1))?.clone(),
        })
    }

    fn perform(&mut self, step: Step) {
        let world = &mut self.world;
        match step {
            Step::Lie(lie) => return self.say(lie),
            Step::Pay { units } => drop(world.pay(HONEST, units)),
            Step::Lock { units, secret: index } => {
                let expiry = world.chain.time() + 5_000;
                world.lock(HONEST, units, secret(index), expiry);
            }
            Step::Settle { index } => {
                let locks = world.node(HONEST).channel.view().locks;
                let theirs = locks.into_iter().filter(|entry| !entry.ours);
                let Some(entry) = theirs.into_iter().nth(index) else { return };
                let preimage = (0..3).map(secret).find(|p| hash_of(*p) == entry.lock.reference).unwrap();
                world.command(HONEST, Command::SettleLock { number: entry.number, preimage });
            }
            Step::Withdraw { units } => {
                world.command(HONEST, Command::Withdraw { asset: AssetIndex(0), amount: amount(units) });
            }
            Step::Close => drop(world.command(HONEST, Command::Close)),
            Step::Mine { seconds } => world.mine_after(seconds),
            Step::Wait { milliseconds } => {
                world.now_ms += milliseconds;
                world.tick();
            }
            Step::Crash => {
                world.crash(HONEST);
                return self.reconnect();
            }
            Step::Reconnect => return self.reconnect(),
        }
        self.listen();
    }

    /// What the honest side may count on: its deposit and what it was told it received, less all that it ever
    /// tried to pay or lock away.
    fn due(&self) -> i128 {
        let node = self.world.node(HONEST);
        let mut due = 300;
        for event in &node.events {
            if let Event::Received { payments, .. } = event {
                due += payments.iter().map(|payment| payment.amount.signed()).sum::<i128>();
            }
        }
        for (token, command) in &node.issued {
            let cost = match command {
                Command::Pay(payment) => payment.amount.signed(),
                Command::AddLock { amount, .. } => amount.signed(),
                _ => 0,
            };
            let has_failed = matches!(node.done.get(token).map(|ends| &ends[0]), Some(Err(_)));
            due -= if has_failed { 0 } else { cost };
        }
        // A lock of the liar's that was settled counts once the settlement did.
        for (token, command) in &node.issued {
            let Command::SettleLock { number, .. } = command else { continue };
            if matches!(node.done.get(token).map(|ends| &ends[0]), Some(Ok(Outcome::LockSettled { .. }))) {
                due += self.offered(*number);
            }
        }
        due
    }

    fn offered(&self, number: u64) -> i128 {
        let mut locks = self.world.node(HONEST).events.iter().filter_map(|event| match event {
            Event::LockOffered { number: offered, lock } if *offered == number => Some(lock),
            _ => None,
        });
        locks.next_back().map_or(0, |lock| lock.amounts[LIAR.index()].signed())
    }

    /// The liar brings a state to the chain; the honest side defends itself until all is paid out.
    fn end(&mut self, weapon: usize) {
        self.world.disconnect();
        let shown = self.weapons.get(weapon % (self.weapons.len() + 1)).cloned();
        let shown = shown.filter(|(position, _)| position.state.version.0 > 0).map(|(position, theirs)| {
            let own = self.sign(&position, true);
            SignedPosition { position, signatures: [theirs, own] }
        });
        self.execute_finals();
        self.world.challenge(LIAR, shown.as_ref());
        self.world.mine();
        self.world.command(HONEST, Command::ForceClose);
        self.world.mine_many(3);
        self.world.mine_after(86_401);
        self.world.mine_many(4);
        // All locks have expired.
        self.world.mine_after(20_000);
        self.world.mine_many(4);
        assert_eq!(self.world.chain.state().status, Status::Closed, "{:?}", self.world.chain.reverts);
    }

    /// Whatever can be executed at once, the liar executes, the newest first.
    fn execute_finals(&mut self) {
        for (position, theirs) in self.weapons.clone().into_iter().rev() {
            let signatures = [theirs, self.sign(&position, true)];
            let state = Box::new(position.state);
            if state.is_final {
                self.world.chain.waiting.push(Transaction::Call(ChainAction::Close(state, signatures)));
            } else if state.valid_until > 0 {
                let previous = self.world.node(LIAR).channel.facts().record();
                let call = ChainAction::Withdraw(state, signatures, previous);
                self.world.chain.waiting.push(Transaction::Call(call));
            }
        }
    }
}

#[test]
fn whatever_the_peer_says_the_honest_side_keeps_what_it_has() {
    let attack = (prop::collection::vec(step(), 1..150), any::<prop::sample::Index>());
    run_cases(250, &attack, |(steps, weapon)| {
        let mut stage = Stage::new();
        for step in steps {
            stage.perform(step);
            let snapshot = stage.world.node(HONEST).channel.snapshot();
            assert!(snapshot.len() < 64 * 1_024, "memory is bounded: {}", snapshot.len());
            crate::checks::conserved_by(stage.world.node(HONEST));
        }
        let due = stage.due();
        stage.end(weapon.index(1_000));
        let paid = stage.world.chain.state().paid_out[0][HONEST.index()];
        assert!(paid >= due, "paid {paid}, due {due}");
    });
}
