//! Two channels, an in-memory link, a chain, and time that only the test moves.

use crate::adjudicator::Adjudicator;
use crate::chain::{Chain, Transaction};
use crate::signer::{Key, Seen};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use strait_protocol::{
    Body, ChainAction, ChainDelta, Channel, ChildOutcome, Command, CommandError, Context, Event, Frame,
    Outcome, Outputs, Payment, Record, Settings, SignedPosition, Signer as _, Surroundings, Token,
};
use strait_types::abi::AdjudicatorEvent;
use strait_types::{
    Address, Amount, AssetIndex, B256, ChannelId, ChannelParams, Domain, Participant, Side, Signature, State,
};

/// What a command came to.
pub(crate) type Ended = Result<Outcome, CommandError>;

/// First block's time.
pub(crate) const GENESIS: u64 = 1_800_000_000;

pub(crate) fn hash_of(preimage: B256) -> B256 {
    B256::new(Sha256::digest(preimage.0).into())
}

pub(crate) fn amount(units: u64) -> Amount {
    Amount::from(units)
}

pub(crate) fn settings() -> Settings {
    Settings { window: 4, batch: 10, lock_margin: 600, ..Settings::default() }
}

/// Where a side's process dies while it handles an input.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Death {
    /// Nothing of the input is durable.
    BeforeDurable,
    /// All of it is durable, nothing left.
    BeforeSent,
    /// Everything left.
    AfterSent,
}

pub(crate) struct Node {
    pub(crate) side: Side,
    pub(crate) channel: Channel,
    pub(crate) key: Key,
    snapshot: Option<Vec<u8>>,
    journal: Vec<Vec<u8>>,
    /// Every record that ever became durable.
    pub(crate) log: Vec<Record>,
    /// What left, in order.
    pub(crate) events: Vec<Event>,
    pub(crate) done: BTreeMap<Token, Vec<Ended>>,
    pub(crate) issued: BTreeMap<Token, Command>,
    /// Commands whose process died.
    pub(crate) orphans: BTreeSet<Token>,
    /// Height of the chain that this side has processed.
    seen: u64,
}

impl Node {
    fn new(id: ChannelId, params: &ChannelParams, side: Side, key: Key, settings: &Settings) -> Node {
        let (channel, record) = Channel::open(id, params.clone(), side, settings.clone());
        Node {
            side,
            channel,
            key,
            snapshot: None,
            journal: vec![borsh::to_vec(&record).unwrap()],
            log: vec![record],
            events: Vec::new(),
            done: BTreeMap::new(),
            issued: BTreeMap::new(),
            orphans: BTreeSet::new(),
            seen: 0,
        }
    }

    fn persist(&mut self, records: Vec<Record>) {
        for record in records {
            self.journal.push(borsh::to_vec(&record).unwrap());
            self.log.push(record);
        }
        let recovered = Channel::recover(self.snapshot.as_deref(), &self.journal).unwrap();
        assert_eq!(recovered.snapshot(), self.channel.snapshot(), "the journal rebuilds what is in memory");
        if self.journal.len() > 12 {
            self.snapshot = Some(self.channel.snapshot());
            self.journal.clear();
        }
    }

    /// What a backup would keep.
    pub(crate) fn backup(&self) -> Backup {
        Backup {
            snapshot: self.snapshot.clone(),
            journal: self.journal.clone(),
            log: self.log.clone(),
            seen: self.seen,
        }
    }
}

#[derive(Clone)]
pub(crate) struct Backup {
    snapshot: Option<Vec<u8>>,
    journal: Vec<Vec<u8>>,
    log: Vec<Record>,
    seen: u64,
}

pub(crate) struct World {
    pub(crate) domain: Domain,
    pub(crate) params: ChannelParams,
    pub(crate) id: ChannelId,
    pub(crate) now_ms: u64,
    pub(crate) chain: Chain,
    pub(crate) nodes: [Node; 2],
    /// Frames on their way to a side.
    pub(crate) wires: [VecDeque<Vec<u8>>; 2],
    pub(crate) connected: bool,
    pub(crate) seen: Seen,
    /// Sides whose wishes are not carried to the chain.
    pub(crate) muted: BTreeSet<Side>,
    /// Sides that are not told of registered preimages.
    pub(crate) blind: BTreeSet<Side>,
    /// Sides that are not the code under test: their signatures prove nothing.
    pub(crate) liars: BTreeSet<Side>,
    /// What each side has seen its children come to.
    pub(crate) outcomes: [BTreeMap<ChannelId, ChildOutcome>; 2],
    /// Both sides have many other channels at work.
    pub(crate) is_crowded: bool,
    next_token: Token,
}

impl World {
    /// Opened on both sides, not funded, not connected.
    pub(crate) fn with(assets: usize, settings: &[Settings; 2]) -> World {
        let keys = [Key::new(1), Key::new(2)];
        let domain = Domain::new(31_337, Address::repeat_byte(0xad));
        let participant = |key: &Key| Participant { signer: key.address(), payout: key.address() };
        let params = ChannelParams {
            participants: [participant(&keys[0]), participant(&keys[1])],
            challenge_duration: 86_400,
            nonce: 7,
            app: Address::ZERO,
            child: B256::ZERO,
            assets: (0..assets).map(|index| Address::with_last_byte(index as u8)).collect(),
        };
        params.check().unwrap();
        let id = params.id(domain.chain_id(), domain.adjudicator());
        let chain = Chain::new(GENESIS, Adjudicator::new(id, &params, domain));
        let [zero, one] = keys;
        let nodes = [
            Node::new(id, &params, Side::Zero, zero, &settings[0]),
            Node::new(id, &params, Side::One, one, &settings[1]),
        ];
        World {
            domain,
            params,
            id,
            now_ms: GENESIS * 1_000,
            chain,
            nodes,
            wires: Default::default(),
            connected: false,
            seen: Seen::default(),
            muted: BTreeSet::new(),
            blind: BTreeSet::new(),
            liars: BTreeSet::new(),
            outcomes: Default::default(),
            is_crowded: false,
            next_token: 0,
        }
    }

    /// One asset, both sides funded, connected and in step.
    pub(crate) fn funded(zero: u64, one: u64) -> World {
        let mut world = World::with(1, &[settings(), settings()]);
        world.mine();
        for (side, units) in Side::BOTH.into_iter().zip([zero, one]) {
            if units > 0 {
                world.deposit(side, 0, units);
            }
        }
        world.mine_many(3);
        world.connect();
        world.run();
        world
    }

    pub(crate) fn node(&self, side: Side) -> &Node {
        &self.nodes[side.index()]
    }

    pub(crate) fn node_mut(&mut self, side: Side) -> &mut Node {
        &mut self.nodes[side.index()]
    }

    // ---- one side

    /// Lets a side handle something, with one flush and one commit, as the engine does.
    pub(crate) fn drive(&mut self, side: Side, work: impl FnOnce(&mut Channel, &Context<'_>, &mut Outputs)) {
        self.drive_until(side, None, work);
    }

    pub(crate) fn drive_until(
        &mut self,
        side: Side,
        death: Option<Death>,
        work: impl FnOnce(&mut Channel, &Context<'_>, &mut Outputs),
    ) {
        let mut out = Outputs::default();
        self.apply(side, |channel, ctx| {
            work(channel, ctx, &mut out);
            drop(channel.flush(ctx, &mut out));
        });
        if death == Some(Death::BeforeDurable) {
            self.crash(side);
            return;
        }
        let Outputs { records, messages, events, .. } = out;
        self.node_mut(side).persist(records);
        if death == Some(Death::BeforeSent) {
            self.crash(side);
            return;
        }
        self.release(side, messages, events);
        self.look_up(side);
        if death == Some(Death::AfterSent) {
            self.crash(side);
        }
    }

    /// Registrations of preimages whose locks became known only now, as the engine looks them up.
    fn look_up(&mut self, side: Side) {
        if self.blind.contains(&side) {
            return;
        }
        let node = self.node(side);
        let mut hashes: Vec<B256> =
            node.channel.view().locks.iter().map(|entry| entry.lock.reference).collect();
        hashes.retain(|hash| node.channel.facts().preimage(*hash).is_none());
        for height in 0..=node.seen {
            let block = self.chain.block(height).clone();
            for event in block.events {
                let missed = matches!(&event, AdjudicatorEvent::PreimageRegistered { hash, .. }
                    if hashes.contains(hash));
                if missed {
                    let delta = ChainDelta::Event { block: height, time: block.time, event };
                    self.drive(side, |channel, ctx, out| channel.chain(ctx, delta, out));
                    return;
                }
            }
        }
    }

    fn apply<T>(&mut self, side: Side, work: impl FnOnce(&mut Channel, &Context<'_>) -> T) -> T {
        let node = &mut self.nodes[side.index()];
        let depth = node.seen.saturating_sub(node.channel.confirmations());
        let ctx = Context {
            now_ms: self.now_ms,
            head_time: self.chain.block(node.seen).time,
            final_time: self.chain.block(depth).time,
            halted: false,
            domain: &self.domain,
            signer: &node.key,
            around: Surroundings {
                admission: Some(&crate::children::Anything),
                is_crowded: self.is_crowded,
                ..Default::default()
            },
        };
        work(&mut node.channel, &ctx)
    }

    fn release(&mut self, side: Side, messages: Vec<Body>, events: Vec<Event>) {
        for body in messages {
            if !self.liars.contains(&side) {
                self.seen.note_message(side, &body);
            }
            if self.connected {
                let frame = Frame::Channel { channel: self.id, body };
                self.wires[side.other().index()].push_back(frame.encode());
            }
        }
        let node = self.node_mut(side);
        for event in &events {
            for (token, result) in event.ended() {
                node.done.entry(token).or_default().push(result.cloned().map_err(Clone::clone));
            }
        }
        node.events.extend(events);
    }

    /// The process dies and starts again from what is durable. The connection breaks.
    pub(crate) fn crash(&mut self, side: Side) {
        let node = self.node_mut(side);
        node.channel = Channel::recover(node.snapshot.as_deref(), &node.journal).unwrap();
        let open = node.issued.keys().filter(|token| !node.done.contains_key(*token)).copied();
        node.orphans.extend(open.collect::<Vec<_>>());
        self.break_link(Some(side));
        for (child, outcome) in self.outcomes[side.index()].clone() {
            self.tell_outcome(side, child, outcome);
        }
        // A real node follows the chain from where its store is; here it never falls behind.
    }

    /// The data directory is replaced by a backup, and the operator says so.
    pub(crate) fn restore(&mut self, side: Side, backup: &Backup) {
        self.replace(side, backup);
        self.drive(side, |channel, _, out| channel.restored(out));
    }

    /// The data directory is replaced by a backup, and nobody says so.
    pub(crate) fn replace(&mut self, side: Side, backup: &Backup) {
        let node = self.node_mut(side);
        node.snapshot = backup.snapshot.clone();
        node.journal = backup.journal.clone();
        node.log = backup.log.clone();
        self.crash(side);
        // Its last blocks may have been reorganised away since.
        let to = backup.seen.min(self.chain.head()).saturating_sub(2);
        self.node_mut(side).seen = to;
        self.drive(side, |channel, ctx, out| channel.chain(ctx, ChainDelta::Rollback { to }, out));
        self.follow();
    }

    // ---- the link

    pub(crate) fn connect(&mut self) {
        self.connected = true;
        for side in Side::BOTH {
            self.drive(side, |channel, ctx, out| channel.connected(ctx, out));
        }
    }

    /// One side is connected to the test.
    pub(crate) fn connected_alone(&mut self, side: Side) {
        self.connected = true;
        self.drive(side, |channel, ctx, out| channel.connected(ctx, out));
    }

    pub(crate) fn disconnect(&mut self) {
        self.break_link(None);
    }

    fn break_link(&mut self, dead: Option<Side>) {
        let was_connected = std::mem::replace(&mut self.connected, false);
        for wire in &mut self.wires {
            wire.clear();
        }
        for side in Side::BOTH {
            if was_connected && dead != Some(side) {
                self.drive(side, |channel, _, out| channel.disconnected(out));
            }
        }
    }

    pub(crate) fn reconnect(&mut self) {
        self.disconnect();
        self.connect();
    }

    /// Hands the next frame to a side. Returns whether there was one.
    pub(crate) fn deliver(&mut self, to: Side, death: Option<Death>) -> bool {
        let Some(bytes) = self.wires[to.index()].pop_front() else { return false };
        let Ok(Frame::Channel { body, .. }) = Frame::decode(&bytes) else { panic!("a frame is a frame") };
        self.drive_until(to, death, |channel, ctx, out| channel.message(ctx, body, out));
        true
    }

    /// A message out of thin air.
    pub(crate) fn inject(&mut self, to: Side, body: Body) {
        self.drive(to, |channel, ctx, out| channel.message(ctx, body, out));
    }

    /// Takes what a side has sent off the wire.
    pub(crate) fn intercept(&mut self, from: Side) -> Vec<Body> {
        let frames = std::mem::take(&mut self.wires[from.other().index()]);
        let body = |bytes: Vec<u8>| match Frame::decode(&bytes) {
            Ok(Frame::Channel { body, .. }) => body,
            other => panic!("{other:?}"),
        };
        frames.into_iter().map(body).collect()
    }

    /// Delivers until nobody says anything any more. Time stands still.
    pub(crate) fn run(&mut self) {
        for round in 0.. {
            assert!(round < 20_000, "the two never stop talking");
            let zero = self.deliver(Side::Zero, None);
            let one = self.deliver(Side::One, None);
            if !zero && !one {
                break;
            }
        }
    }

    /// Runs, and lets the timers of the next while ring.
    pub(crate) fn run_for(&mut self, milliseconds: u64) {
        let end = self.now_ms + milliseconds;
        loop {
            self.run();
            let due = self.nodes.iter().filter_map(|node| node.channel.next_tick()).min();
            let Some(due) = due.filter(|due| *due <= end) else { break };
            self.now_ms = self.now_ms.max(due) + 1;
            self.tick();
        }
        self.now_ms = self.now_ms.max(end);
        self.tick();
        self.run();
    }

    pub(crate) fn tick(&mut self) {
        for side in Side::BOTH {
            self.drive(side, |channel, ctx, out| channel.tick(ctx, out));
        }
    }

    // ---- the chain

    pub(crate) fn deposit(&mut self, side: Side, asset: u8, units: u64) {
        self.chain.waiting.push(Transaction::Deposit(side, AssetIndex(asset), amount(units)));
    }

    /// Takes the sides' wishes and the waiting transactions into a block, twelve seconds later.
    pub(crate) fn mine(&mut self) {
        self.mine_after(12);
    }

    pub(crate) fn mine_many(&mut self, blocks: usize) {
        for _ in 0..blocks {
            self.mine();
        }
    }

    /// Like [`World::mine`], after some seconds; followed by as many empty blocks as make it final.
    pub(crate) fn mine_final(&mut self, seconds: u64) {
        self.mine_after(seconds);
        self.mine_many(2);
    }

    pub(crate) fn mine_after(&mut self, seconds: u64) {
        self.now_ms += seconds * 1_000;
        self.mine_at((self.chain.time() + seconds).max(self.now_ms / 1_000));
    }

    pub(crate) fn mine_at(&mut self, time: u64) {
        for side in Side::BOTH {
            for action in self.wanted(side) {
                self.chain.waiting.push(Transaction::Call(action));
            }
        }
        self.chain.mine(time);
        self.follow();
    }

    /// Both sides process what they have not seen of the chain.
    pub(crate) fn follow(&mut self) {
        for side in Side::BOTH {
            while self.node(side).seen < self.chain.head() {
                self.follow_one(side);
            }
        }
    }

    fn follow_one(&mut self, side: Side) {
        let node = self.node_mut(side);
        node.seen += 1;
        let height = node.seen;
        let through = height.saturating_sub(node.channel.confirmations());
        let block = self.chain.block(height).clone();
        let is_blind = self.blind.contains(&side);
        self.drive(side, |channel, ctx, out| {
            for event in block.events {
                if is_blind && matches!(event, AdjudicatorEvent::PreimageRegistered { .. }) {
                    continue;
                }
                channel.chain(ctx, ChainDelta::Event { block: height, time: block.time, event }, out);
            }
            channel.chain(ctx, ChainDelta::Final { through }, out);
            channel.tick(ctx, out);
        });
    }

    /// The last blocks never were; their transactions are lost.
    pub(crate) fn reorganise(&mut self, blocks: u64) {
        let to = self.chain.head() - blocks;
        self.chain.truncate(to);
        for side in Side::BOTH {
            self.node_mut(side).seen = to;
            self.drive(side, |channel, ctx, out| channel.chain(ctx, ChainDelta::Rollback { to }, out));
        }
    }

    pub(crate) fn wanted(&mut self, side: Side) -> Vec<ChainAction> {
        let wanted = self.apply(side, |channel, ctx| channel.wanted(ctx));
        if self.muted.contains(&side) { Vec::new() } else { wanted }
    }

    pub(crate) fn wanted_names(&mut self, side: Side) -> Vec<&'static str> {
        self.wanted(side).iter().map(ChainAction::name).collect()
    }

    /// A side's signature on a state, whatever its channel thinks of it.
    pub(crate) fn sign(&self, side: Side, state: &State) -> Signature {
        self.node(side).key.sign(self.domain.state_digest(state.hash())).unwrap()
    }

    /// The best that a side could show.
    pub(crate) fn latest(&mut self, side: Side) -> Option<SignedPosition> {
        self.apply(side, |channel, ctx| channel.latest(ctx))
    }

    /// A side brings a state to the chain that its channel would not; `None`: version 0.
    pub(crate) fn challenge(&mut self, challenger: Side, shown: Option<&SignedPosition>) {
        let facts = self.node(challenger).channel.facts().clone();
        let zero = State::zero(self.id, self.params.assets.len());
        let state = shown.map_or(zero, |shown| shown.position.state.clone());
        let digest = self.domain.challenge_digest(self.id, facts.dispute, state.hash());
        let signature = self.node(challenger).key.sign(digest).unwrap();
        let signatures = shown.map(|shown| shown.signatures);
        let previous = facts.record();
        let state = Box::new(state);
        let action = ChainAction::Challenge { state, signatures, previous, challenger, signature };
        self.chain.waiting.push(Transaction::Call(action));
    }

    // ---- commands

    pub(crate) fn command(&mut self, side: Side, command: Command) -> Token {
        self.commands(side, vec![command])[0]
    }

    /// Several commands in one round.
    pub(crate) fn commands(&mut self, side: Side, commands: Vec<Command>) -> Vec<Token> {
        self.commands_until(side, None, commands)
    }

    pub(crate) fn commands_until(
        &mut self,
        side: Side,
        death: Option<Death>,
        commands: Vec<Command>,
    ) -> Vec<Token> {
        let first = self.next_token;
        self.next_token += commands.len() as Token;
        let tokens: Vec<Token> = (first..self.next_token).collect();
        for (token, command) in tokens.iter().zip(&commands) {
            self.node_mut(side).issued.insert(*token, command.clone());
        }
        let numbered: Vec<_> = tokens.iter().copied().zip(commands).collect();
        self.drive_until(side, death, |channel, ctx, out| {
            for (token, command) in numbered {
                channel.command(ctx, token, command, out);
            }
        });
        tokens
    }

    /// The token that the next command gets.
    pub(crate) fn upcoming_token(&self) -> Token {
        self.next_token
    }

    pub(crate) fn pay(&mut self, side: Side, units: u64) -> Token {
        let payment = self.payment(0, units);
        self.command(side, Command::Pay(payment))
    }

    /// A payment whose memo is the token of the next command.
    pub(crate) fn payment(&self, asset: u8, units: u64) -> Payment {
        let memo = self.next_token.to_be_bytes().to_vec();
        Payment { asset: AssetIndex(asset), amount: amount(units), invoice: None, memo }
    }

    pub(crate) fn lock(&mut self, side: Side, units: u64, preimage: B256, expiry: u64) -> Token {
        let hash = hash_of(preimage);
        self.command(side, Command::AddLock { asset: AssetIndex(0), amount: amount(units), hash, expiry })
    }

    /// How a command ended, if it did. Never twice.
    pub(crate) fn ended(&self, token: Token) -> Option<&Ended> {
        let ends: Vec<_> = self.nodes.iter().filter_map(|node| node.done.get(&token)).flatten().collect();
        assert!(ends.len() <= 1, "command {token} ended more than once: {ends:?}");
        ends.first().copied()
    }

    pub(crate) fn is_paid(&self, token: Token) -> bool {
        matches!(self.ended(token), Some(Ok(Outcome::Paid { .. })))
    }

    pub(crate) fn error(&self, token: Token) -> Option<&CommandError> {
        self.ended(token)?.as_ref().err()
    }

    /// Free balance of a side in its own eyes.
    pub(crate) fn balance(&self, side: Side) -> i128 {
        self.node(side).channel.view().balances[0].own
    }

    pub(crate) fn balances(&self) -> [i128; 2] {
        Side::BOTH.map(|side| self.balance(side))
    }

    /// Versions that a side sent and that are on the wire now.
    pub(crate) fn on_wire(&self, from: Side) -> Vec<Body> {
        let decode = |bytes: &Vec<u8>| match Frame::decode(bytes) {
            Ok(Frame::Channel { body, .. }) => body,
            other => panic!("{other:?}"),
        };
        self.wires[from.other().index()].iter().map(decode).collect()
    }

    /// Both hold the same, and it adds up.
    pub(crate) fn assert_agreed(&self) {
        crate::checks::agreed(self);
        crate::checks::conserved(self);
        crate::checks::bills(self);
    }
}
