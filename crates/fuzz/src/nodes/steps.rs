//! What a byte means.

use super::Broken;
use super::world::{BLOCK, CONFIRMATIONS, HORIZON, World, stranger};
use strait_chain::dev::Reinclude;
use strait_engine::Input;
use strait_engine::ports::TxRequest;
use strait_protocol::{Command, Payment, lock_hash};
use strait_store::Fault;
use strait_types::abi::calls;
use strait_types::{Amount, AssetIndex, B256, Bytes, U256};

/// Seconds for which a node may look away from the chain: who sleeps through a margin loses what it guards.
const LONGEST_SLEEP: u64 = 500;
/// Most states that are kept to challenge with.
const MOST_OLD: usize = 32;

/// Reads a program; zeros after its end.
struct Program<'a>(&'a [u8]);

impl Program<'_> {
    fn next(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }
}

impl World<'_> {
    pub(super) fn obey(&mut self, bytes: &[u8]) -> Result<(), Broken> {
        let mut program = Program(bytes);
        while !program.0.is_empty() {
            let step = program.next();
            self.step(usize::from(step & 1), step >> 1, &mut program)?;
            self.check_views()?;
        }
        Ok(())
    }

    /// A step that `node` takes, or has happen to it.
    fn step(&mut self, node: usize, kind: u8, program: &mut Program<'_>) -> Result<(), Broken> {
        match kind % 32 {
            0..=3 => self.pay(node, u64::from(program.next()) * 300),
            4..=6 => self.deliver(node).map(drop),
            7 | 8 => self.deliver_all(),
            9 => {
                self.nodes[node].sent.pop_front();
                Ok(())
            }
            10 => {
                let again = self.nodes[node].sent.front().cloned();
                self.nodes[node].sent.extend(again);
                Ok(())
            }
            11 => {
                let held = self.nodes[node].sent.pop_front();
                self.nodes[node].sent.extend(held);
                Ok(())
            }
            12 => {
                self.alter(node, program);
                Ok(())
            }
            13 => self.disconnect(),
            14 | 15 => self.connect(),
            16 => self.pass(1 << (program.next() % 10)),
            17 | 18 => {
                self.pass(BLOCK)?;
                self.mine()
            }
            19 | 20 => self.follow(node),
            21 => self.call(node, false).map(drop),
            22 => self.call(node, program.next() & 1 == 1).map(drop),
            23 => self.die(node, program.next()),
            24 => self.start(node),
            25 => self.lock(node, program),
            26 => self.resolve(node, program),
            27 => self.move_money(node, program),
            28 => self.reorganise(program.next()),
            29 => self.go_back(node, program.next()),
            30 => self.challenge(node, program.next()),
            _ => self.finish(node, program.next()),
        }
    }

    pub(super) fn command(&mut self, node: usize, command: Command, cost: u128) -> Result<(), Broken> {
        let (token, channel) = (self.token(), self.channel);
        if self.nodes[node].process.is_some() {
            self.nodes[node].ledger.ask(token, cost);
        }
        self.input(node, Input::Command { token, channel, command })
    }

    pub(super) fn pay(&mut self, node: usize, amount: u64) -> Result<(), Broken> {
        let units = Amount::from(amount);
        let payment = Payment { asset: AssetIndex(0), amount: units, invoice: None, memo: Vec::new() };
        self.command(node, Command::Pay(payment), u128::from(amount))
    }

    /// A frame on its way becomes another, or one is made up.
    fn alter(&mut self, node: usize, program: &mut Program<'_>) {
        let (at, with) = (usize::from(program.next()), program.next());
        let sent = &mut self.nodes[node].sent;
        match sent.front_mut() {
            Some(frame) if !frame.is_empty() => {
                let at = at % frame.len();
                frame[at] ^= with.max(1);
            }
            _ => sent.push_back(vec![with; at]),
        }
        self.is_altered = true;
    }

    /// Time passes; nobody sleeps for too long.
    fn pass(&mut self, seconds: u64) -> Result<(), Broken> {
        self.now += seconds * 1_000;
        for node in 0..2 {
            self.nodes[node].asleep += seconds;
            self.tick(node)?;
        }
        if self.nodes.iter().any(|node| node.asleep > LONGEST_SLEEP) {
            self.serve_all()?;
            self.serve_all()?;
        }
        Ok(())
    }

    fn die(&mut self, node: usize, how: u8) -> Result<(), Broken> {
        let faults =
            [Fault::CrashBefore, Fault::Torn, Fault::CrashAfter, Fault::DiskFull, Fault::DiskFullAfterWrite];
        match faults.get(usize::from(how % 6)) {
            Some(fault) => {
                self.fail_next(node, *fault);
                Ok(())
            }
            None => self.crash(node),
        }
    }

    fn lock(&mut self, node: usize, program: &mut Program<'_>) -> Result<(), Broken> {
        let preimage = B256::repeat_byte(program.next() % 16);
        let (amount, long) = (u128::from(program.next()) * 100, u64::from(program.next()));
        let hash = lock_hash(preimage);
        self.preimages.insert(hash, preimage);
        let expiry = self.now / 1_000 + HORIZON * long / 256;
        let command =
            Command::AddLock { asset: AssetIndex(0), amount: Amount::from(amount as u64), hash, expiry };
        self.command(node, command, amount)
    }

    /// Something becomes of a lock: off chain, or by its preimage on chain.
    fn resolve(&mut self, node: usize, program: &mut Program<'_>) -> Result<(), Broken> {
        let (which, how) = (usize::from(program.next()), program.next());
        let view = self.engine(node).and_then(|engine| engine.view(self.channel));
        let locks = view.map(|view| view.locks).unwrap_or_default();
        let Some(lock) = locks.get(which % locks.len().max(1)) else { return Ok(()) };
        let Some(preimage) = self.preimages.get(&lock.lock.reference).copied() else { return Ok(()) };
        let number = lock.number;
        match how % 4 {
            0 | 1 => self.command(node, Command::SettleLock { number, preimage }, 0),
            2 => self.command(node, Command::CancelLock { number }, 0),
            _ => {
                self.send(calls::register_preimage(preimage));
                Ok(())
            }
        }
    }

    /// A stranger's transaction to the adjudicator; the chain may refuse it.
    fn send(&mut self, data: Bytes) -> bool {
        let request = TxRequest { to: self.domain.adjudicator(), value: U256::ZERO, data };
        self.chain.with(|chain| chain.submit_from(stranger(), &request)).is_ok()
    }

    fn move_money(&mut self, node: usize, program: &mut Program<'_>) -> Result<(), Broken> {
        let (what, amount) = (program.next(), u64::from(program.next()) * 100);
        if what & 1 == 0 {
            return self.deposit(node, amount);
        }
        let command = Command::Withdraw { asset: AssetIndex(0), amount: Amount::from(amount) };
        self.command(node, command, 0)
    }

    /// Less deep than what counts as confirmed.
    fn reorganise(&mut self, how: u8) -> Result<(), Broken> {
        let depth = 1 + usize::from(how) % CONFIRMATIONS as usize;
        let reinclude = match how >> 2 & 3 {
            0 => Reinclude::Same,
            1 => Reinclude::Later,
            _ => Reinclude::Never,
        };
        if self.chain.with(|chain| chain.reorg(depth, &reinclude)).is_ok() {
            self.features.note("reorg", "done");
        }
        self.check_conservation()
    }

    /// Keeps a copy of a node's data, or starts it from the copy, by the operator's word that it is one.
    fn go_back(&mut self, node: usize, how: u8) -> Result<(), Broken> {
        if how & 1 == 0 {
            self.nodes[node].backup = Some(self.nodes[node].disk.fork());
            return Ok(());
        }
        // What both have forgotten nobody can show.
        if self.nodes[1 - node].has_forgotten {
            return Ok(());
        }
        let Some(backup) = self.nodes[node].backup.as_ref().map(|backup| backup.fork()) else {
            return Ok(());
        };
        self.crash(node)?;
        let restored = &mut self.nodes[node];
        restored.disk = backup;
        (restored.is_restored, restored.has_forgotten) = (true, true);
        self.features.note("restore", "done");
        self.start(node)
    }

    /// Somebody challenges in a node's name with a state that was the last word once.
    fn challenge(&mut self, node: usize, which: u8) -> Result<(), Broken> {
        let now = self.now;
        let latest = self.engine(node).and_then(|engine| engine.latest(now, self.channel));
        if which & 1 == 0 || self.old.is_empty() {
            self.old.extend(latest);
            self.old.truncate(MOST_OLD);
            return Ok(());
        }
        let old = self.old[usize::from(which >> 1) % self.old.len()].clone();
        let Some(channel) = self.engine(node).and_then(|engine| engine.channel(self.channel)) else {
            return Ok(());
        };
        let facts = channel.facts().clone();
        drop(channel);
        let (state, previous) = (&old.position.state, facts.record());
        let digest = self.domain.challenge_digest(self.channel, facts.dispute, state.hash());
        let word = self.nodes[node].key.sign(digest);
        let signatures = (state.version.0 > 0).then_some(&old.signatures);
        let data = calls::challenge(&self.params, state, signatures, previous, self.side(node), Some(&word));
        if self.send(data) {
            self.features.note("challenge", "sent");
        }
        Ok(())
    }

    fn finish(&mut self, node: usize, how: u8) -> Result<(), Broken> {
        // Seldom: what comes after is little.
        match how {
            0..=15 => self.command(node, Command::Close, 0),
            16..=31 => self.command(node, Command::ForceClose, 0),
            _ => self.deliver_all(),
        }
    }
}
