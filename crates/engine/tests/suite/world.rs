//! Engines over memory stores and one development chain, driven by hand in virtual time.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use strait_app::{AppCode, CodeError, EvmApps};
use strait_chain::dev::Mining;
use strait_chain::{DevAccount, DevChain, DevChainConfig, SharedChain};
use strait_engine::ports::{Chain, StoreError};
use strait_engine::{Effect, Engine, Input, Notice, Policy, Starts, SubmissionKey, TowerEffect};
use strait_examples::{connect_four, fair_exchange, rock_paper_scissors};
use strait_protocol::{Body, Command, Frame, Outcome, Payment, Settings, Signer, SignerError, Token};
use strait_store::{MemoryDisk, MemoryStore};
use strait_types::abi::views;
use strait_types::{
    Address, Amount, AssetIndex, B256, ChannelId, ChannelParams, Domain, Participant, Signature, SigningKey,
    U256, Version,
};

pub(crate) const GENESIS: u64 = 1_800_000_000;
/// What a node puts into a child channel that its peer opens.
pub(crate) const MOST_STAKE: u64 = 500;
pub(crate) const NOW_MS: u64 = GENESIS * 1_000;

pub(crate) struct Node {
    pub(crate) engine: Engine,
    pub(crate) disk: MemoryDisk,
    pub(crate) store: MemoryStore,
    pub(crate) port: DevAccount,
    pub(crate) notices: Vec<Notice>,
    pub(crate) disconnects: Vec<Address>,
    /// Its calls to the chain are lost on the way.
    pub(crate) mute: bool,
    /// Of these channels alone.
    pub(crate) away_from: BTreeSet<ChannelId>,
    /// Its questions for the past are not answered.
    pub(crate) blind: bool,
    /// What it handed to the chain.
    pub(crate) submitted: Vec<SubmissionKey>,
    /// The key; switched off, it cannot be used.
    pub(crate) key: Arc<SwitchedKey>,
}

impl Node {
    fn is_lost(&self, call: SubmissionKey) -> bool {
        let is_away = matches!(call, SubmissionKey::Call(key) if self.away_from.contains(&key.channel));
        self.mute || is_away
    }
}

pub(crate) struct SwitchedKey {
    key: SigningKey,
    pub(crate) off: AtomicBool,
}

impl Signer for SwitchedKey {
    fn address(&self) -> Address {
        self.key.address()
    }

    fn sign(&self, digest: B256) -> Result<Signature, SignerError> {
        if self.off.load(Ordering::Relaxed) {
            return Err(SignerError("switched off".into()));
        }
        Ok(self.key.sign(digest))
    }
}

pub(crate) struct World {
    pub(crate) nodes: Vec<Node>,
    /// For towers: from which node, what.
    pub(crate) to_towers: VecDeque<(usize, TowerEffect)>,
    /// Frames under way: from, to, bytes.
    pub(crate) wire: VecDeque<(Address, Address, Vec<u8>)>,
    next_token: Token,
    /// Milliseconds.
    pub(crate) now: u64,
    /// A process that will die.
    pub(crate) crash: Option<Crash>,
    /// Whatever sent what it signed: a key signs one state of a version.
    signed: BTreeMap<(Address, ChannelId, Version), Signature>,
}

/// When a process dies: at so many rounds from now, before or after its records are durable, and before anything leaves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Crash {
    pub(crate) node: usize,
    pub(crate) rounds: usize,
    pub(crate) is_durable: bool,
}

fn key(index: usize) -> Arc<SwitchedKey> {
    let key = SigningKey::from_bytes([u8::try_from(index).expect("few") + 1; 32]).expect("in range");
    Arc::new(SwitchedKey { key, off: AtomicBool::new(false) })
}

/// Each takes one to three sticks in turn; who is to move loses the stake if it stalls, or if none is left.
pub(crate) fn sticks() -> AppCode {
    AppCode::from_artifact(include_str!("../../../../contracts/artifacts/Sticks.json")).expect("an app")
}

pub(crate) fn recover(key: &Arc<SwitchedKey>, port: &DevAccount, store: &MemoryStore) -> Engine {
    recover_with(key, port, store, policy(port.adjudicator()), false)
}

/// All examples may be played.
pub(crate) fn policy(adjudicator: Address) -> Policy {
    let codes = [
        sticks(),
        code(connect_four::code()),
        code(rock_paper_scissors::code()),
        code(fair_exchange::code()),
    ];
    let apps = codes.iter().map(|code| code.address(adjudicator)).collect();
    let stakes = BTreeMap::from([(Address::ZERO, Amount::from(MOST_STAKE))]);
    Policy { apps, stakes, starts: Starts::Any, ..Policy::default() }
}

fn code(code: Result<AppCode, CodeError>) -> AppCode {
    code.expect("fit to be an app")
}

pub(crate) fn recover_with(
    key: &Arc<SwitchedKey>,
    port: &DevAccount,
    store: &MemoryStore,
    policy: Policy,
    restored: bool,
) -> Engine {
    let domain = Domain::new(port.chain_id(), port.adjudicator());
    let settings = Settings { confirmations: 0, ..Settings::default() };
    let mut engine =
        Engine::recover(domain, key.clone(), policy, settings, store, restored).expect("recovers");
    assert_eq!(engine.set_rules(Arc::new(EvmApps)), []);
    engine
}

impl World {
    pub(crate) fn new(nodes: usize) -> World {
        let account = |index: usize| Address::repeat_byte(0xa0 + u8::try_from(index).expect("few"));
        let ether = U256::from(10u64).pow(U256::from(18));
        let accounts = (0..nodes).map(|index| (account(index), ether)).collect();
        let config = DevChainConfig {
            genesis_time: GENESIS,
            mining: Mining::Automatic,
            accounts,
            ..DevChainConfig::default()
        };
        let chain = SharedChain::new(DevChain::new(config).expect("a chain"));
        let node = |index| {
            let (key, port, disk) = (key(index), chain.account(account(index)), MemoryDisk::new());
            let store = disk.open().expect("opens");
            let engine = recover(&key, &port, &store);
            Node {
                engine,
                disk,
                store,
                port,
                notices: Vec::new(),
                disconnects: Vec::new(),
                mute: false,
                away_from: BTreeSet::new(),
                blind: false,
                submitted: Vec::new(),
                key,
            }
        };
        let nodes = (0..nodes).map(node).collect();
        let mut world = World {
            nodes,
            to_towers: VecDeque::new(),
            wire: VecDeque::new(),
            next_token: 1,
            now: NOW_MS,
            crash: None,
            signed: BTreeMap::new(),
        };
        world.follow();
        world
    }

    pub(crate) fn signer(&self, node: usize) -> Address {
        self.nodes[node].engine.signer()
    }

    pub(crate) fn params(&self, zero: usize, one: usize, nonce: u64) -> ChannelParams {
        let participant = |node: usize| Participant {
            signer: self.signer(node),
            payout: Address::repeat_byte(0xb0 + u8::try_from(node).expect("few")),
        };
        ChannelParams {
            participants: [participant(zero), participant(one)],
            challenge_duration: 24 * 3_600,
            nonce,
            app: Address::ZERO,
            child: B256::ZERO,
            assets: vec![Address::ZERO],
        }
    }

    pub(crate) fn token(&mut self) -> Token {
        self.next_token += 1;
        self.next_token
    }

    /// Hands an input to a node and ends the round.
    pub(crate) fn input(&mut self, node: usize, input: Input) -> Result<(), StoreError> {
        self.nodes[node].engine.handle(self.now, input);
        self.round(node)
    }

    pub(crate) fn round(&mut self, node: usize) -> Result<(), StoreError> {
        let Node { engine, store, .. } = &mut self.nodes[node];
        let Some(staged) = engine.round(self.now) else { return Ok(()) };
        if let Some(crash) = self.crash.as_mut().filter(|crash| crash.node == node) {
            if crash.rounds == 0 {
                if crash.is_durable {
                    drop(staged.commit(store)?);
                }
                self.crash = None;
                self.restart(node);
                self.lose_connections(node);
                return Ok(());
            }
            crash.rounds -= 1;
        }
        for effect in staged.commit(store)? {
            self.perform(node, effect);
        }
        Ok(())
    }

    fn note_signature(&mut self, from: Address, frame: &[u8]) {
        let Ok(Frame::Channel { channel, body }) = Frame::decode(frame) else { return };
        let (version, signature) = match body {
            Body::Update(update) => (update.version, update.signature),
            Body::Acknowledge { version, signature } => (version, signature),
            _ => return,
        };
        // Signatures are deterministic, so another one is on another state.
        let first = *self.signed.entry((from, channel, version)).or_insert(signature);
        assert_eq!(first, signature, "{from} signs two states of version {version}");
    }

    /// The peers of a process that died see its connections break.
    fn lose_connections(&mut self, node: usize) {
        self.wire.clear();
        let peer = self.signer(node);
        for other in (0..self.nodes.len()).filter(|other| *other != node) {
            self.input(other, Input::Disconnected { peer }).expect("commits");
        }
    }

    fn perform(&mut self, node: usize, effect: Effect) {
        let from = self.signer(node);
        match effect {
            Effect::Send { peer, frame } => {
                self.note_signature(from, &frame);
                self.wire.push_back((from, peer, frame));
            }
            Effect::Notify(notice) => self.nodes[node].notices.push(notice),
            Effect::Disconnect { peer, .. } | Effect::Dismiss { peer } => {
                self.nodes[node].disconnects.push(peer);
            }
            Effect::Tower(effect) => self.to_towers.push_back((node, effect)),
            Effect::FollowFrom { .. } => {}
            Effect::LookUp { .. } | Effect::FetchEvents { .. } | Effect::FindCode { .. }
                if self.nodes[node].blind => {}
            Effect::LookUp { channel, hashes } => {
                let through = self.nodes[node].engine.known_blocks()[0];
                let port = &mut self.nodes[node].port;
                let mut registered = Vec::new();
                for hash in hashes {
                    let data = views::registered_at(hash);
                    let answer = port.call(port.adjudicator(), data).expect("answers");
                    let time = views::read_registered_at(&answer).expect("an answer");
                    registered.extend(time.map(|time| (hash, time)));
                }
                self.input(node, Input::Registered { channel, through, registered }).expect("commits");
            }
            Effect::FindCode { app } => {
                let through = self.nodes[node].engine.known_blocks()[0];
                let is_there = self.nodes[node].port.has_code(app).expect("answers");
                self.input(node, Input::Code { app, through, is_there }).expect("commits");
            }
            Effect::Submit(submission) if self.nodes[node].is_lost(submission.key) => {
                self.nodes[node].submitted.push(submission.key);
            }
            Effect::Submit(submission) => {
                let port = &mut self.nodes[node].port;
                let mut result = Ok(B256::ZERO);
                for step in &submission.steps() {
                    result = result.and_then(|_| port.submit(step));
                }
                let key = submission.key;
                self.nodes[node].submitted.push(key);
                self.input(node, Input::Submitted { key, result }).expect("commits");
            }
            Effect::FetchEvents { channel, through } => {
                let blocks = self.nodes[node].port.events_of(channel, through).expect("answers");
                self.input(node, Input::ChannelEvents { channel, through, blocks }).expect("commits");
            }
        }
    }

    /// Delivers frames until none is under way.
    pub(crate) fn settle(&mut self) {
        while self.deliver_one() {}
    }

    /// Delivers a frame; returns whether there was one.
    pub(crate) fn deliver_one(&mut self) -> bool {
        let Some((from, to, bytes)) = self.wire.pop_front() else { return false };
        if let Some(node) = (0..self.nodes.len()).find(|node| self.signer(*node) == to) {
            self.input(node, Input::Frame { peer: from, bytes }).expect("commits");
        }
        true
    }

    pub(crate) fn connect(&mut self, one: usize, other: usize) {
        let (a, b) = (self.signer(one), self.signer(other));
        self.input(one, Input::Connected { peer: b }).expect("commits");
        self.input(other, Input::Connected { peer: a }).expect("commits");
        self.settle();
    }

    pub(crate) fn disconnect(&mut self, one: usize, other: usize) {
        let (a, b) = (self.signer(one), self.signer(other));
        self.wire.clear();
        self.input(one, Input::Disconnected { peer: b }).expect("commits");
        self.input(other, Input::Disconnected { peer: a }).expect("commits");
    }

    /// Brings every node up to the head.
    pub(crate) fn follow(&mut self) {
        (0..self.nodes.len()).for_each(|node| self.follow_one(node));
        self.settle();
    }

    pub(crate) fn follow_one(&mut self, node: usize) {
        let known = self.nodes[node].engine.known_blocks();
        let followed = self.nodes[node].port.follow(&known, 10_000).expect("answers");
        self.input(node, Input::Followed(followed)).expect("commits");
    }

    /// A funded channel between two connected nodes.
    pub(crate) fn channel(&mut self, zero: usize, one: usize, nonce: u64, deposit: u64) -> ChannelId {
        let params = self.params(zero, one, nonce);
        let id = params.id(self.nodes[zero].port.chain_id(), self.nodes[zero].port.adjudicator());
        let settings = Settings { confirmations: 0, ..Settings::default() };
        let token = self.token();
        self.input(zero, Input::Open { token, params, settings }).expect("commits");
        self.settle();
        let token = self.token();
        let amount = Amount::from(deposit);
        self.input(zero, Input::Deposit { token, channel: id, asset: AssetIndex(0), amount })
            .expect("commits");
        self.follow();
        id
    }

    pub(crate) fn pay(&mut self, node: usize, channel: ChannelId, amount: u64) -> Token {
        let token = self.token();
        let payment =
            Payment { asset: AssetIndex(0), amount: Amount::from(amount), invoice: None, memo: Vec::new() };
        let command = Command::Pay(payment);
        self.input(node, Input::Command { token, channel, command }).expect("commits");
        token
    }

    /// How a command ended.
    pub(crate) fn outcome(&self, node: usize, token: Token) -> Option<Result<Outcome, String>> {
        self.nodes[node].notices.iter().rev().find_map(|notice| match notice {
            Notice::Channel { event, .. } => event
                .ended()
                .find(|(of, _)| *of == token)
                .map(|(_, result)| result.cloned().map_err(ToString::to_string)),
            Notice::Failed { token: of, error } if *of == token => Some(Err(error.to_string())),
            _ => None,
        })
    }

    pub(crate) fn own(&self, node: usize, channel: ChannelId) -> i128 {
        self.nodes[node].engine.view(channel).expect("known").balances[0].own
    }

    /// Lets time pass for all nodes, from one timer to the next.
    pub(crate) fn pass(&mut self, milliseconds: u64) {
        let until = self.now + milliseconds;
        loop {
            let due = self.nodes.iter().filter_map(|node| node.engine.next_tick()).min();
            let Some(due) = due.filter(|due| *due <= until) else { break };
            self.now = self.now.max(due);
            for node in 0..self.nodes.len() {
                if self.nodes[node].engine.next_tick().is_some_and(|due| due <= self.now) {
                    self.input(node, Input::Tick).expect("commits");
                }
            }
            self.settle();
        }
        self.now = until;
    }

    /// The process ends and starts again on an older disk, as its operator says.
    pub(crate) fn restore(&mut self, node: usize, disk: MemoryDisk) {
        self.replace(node, disk, true);
    }

    /// The process ends and starts again on another disk.
    pub(crate) fn replace(&mut self, node: usize, disk: MemoryDisk, restored: bool) {
        let node = &mut self.nodes[node];
        node.store = disk.open().expect("opens");
        node.disk = disk;
        let policy = policy(node.port.adjudicator());
        node.engine = recover_with(&node.key, &node.port, &node.store, policy, restored);
    }

    /// The process ends and starts again on the same disk.
    pub(crate) fn restart(&mut self, node: usize) {
        let node = &mut self.nodes[node];
        node.disk.crash(usize::MAX);
        node.store = node.disk.open().expect("opens");
        node.engine = recover(&node.key, &node.port, &node.store);
    }
}
