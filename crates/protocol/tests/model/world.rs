//! Two channels, a network that loses, repeats and reorders, processes that die, a chain with a period: one state of
//! the model.

use crate::adjudicator::{Adjudicator, Status};
use crate::bounds::Bounds;
use crate::game::{TwoMoves, start};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use strait_protocol::{
    Body, ChainAction, ChainDelta, Channel, Command, Context, Frame, Outputs, Payment, Rules, Settings,
    Signer, Surroundings, Token,
};
use strait_types::abi::{AdjudicatorEvent, Record as Recorded};
use strait_types::{
    Address, Amount, AssetIndex, B256, ChannelId, ChannelParams, Domain, Participant, Side, Signature,
    SigningKey, State, Version,
};

/// First block's time.
const GENESIS: u64 = 1_800_000_000;
/// A period is so many steps of the chain's time.
pub(crate) const STEPS: u64 = 3;
const STEP_SECONDS: u64 = 1_200;
const DEPOSIT: u64 = 10;
/// From the first block to the expiry of locks: a period, and what a lock needs besides to be accepted.
const LOCK_SECONDS: u64 = STEPS * STEP_SECONDS + 3_600;

/// The preimage of the locks that a side offers.
fn secret_of(side: Side) -> B256 {
    B256::repeat_byte(0x5e + side as u8)
}

pub(crate) fn hash_of(preimage: B256) -> B256 {
    B256::new(Sha256::digest(preimage.0).into())
}

/// What never changes.
#[derive(Debug)]
pub(crate) struct Setting {
    domain: Domain,
    keys: [SigningKey; 2],
    pub(crate) id: ChannelId,
    /// Of a channel with a game.
    rules: Option<&'static dyn Rules>,
}

/// What may still happen in a run.
pub(crate) type Left = Bounds;

#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) channel: Channel,
    /// What is on disk.
    snapshot: Vec<u8>,
    /// Commands that ended, and whether well.
    pub(crate) done: BTreeMap<Token, bool>,
    pub(crate) issued: Token,
    /// Commands whose process died.
    pub(crate) orphans: Token,
    /// What it would have if the chain paid by its newest state, while the channel was last open.
    pub(crate) due: i128,
    /// Calls that it made on chain, beyond settling.
    pub(crate) responses: u8,
}

#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) setting: Arc<Setting>,
    pub(crate) nodes: [Node; 2],
    /// Frames under way to a side, and how often.
    pub(crate) network: BTreeMap<(Side, Vec<u8>), u8>,
    pub(crate) chain: Adjudicator,
    height: u64,
    pub(crate) time: u64,
    now_ms: u64,
    /// States that the second side holds with both signatures: what it could show.
    pub(crate) shown: BTreeMap<Version, (State, [Signature; 2])>,
    /// Every signature on a state that left a side.
    signed: BTreeMap<(Side, Version), Signature>,
    pub(crate) challenges: u8,
    /// Who has asked for an end of the game.
    pub(crate) has_asked: [bool; 2],
    pub(crate) left: Left,
    /// The rule that was broken, if any.
    pub(crate) broken: Option<&'static str>,
    fingerprint: u64,
    /// Of the nodes; none of one that has changed.
    prints: [Option<u64>; 2],
}

impl PartialEq for World {
    fn eq(&self, other: &World) -> bool {
        self.fingerprint == other.fingerprint
    }
}

impl Eq for World {}

impl Hash for World {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.fingerprint.hash(state);
    }
}

/// Hashes what is written to it.
struct Sink(DefaultHasher);

impl Write for Sink {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.0.write(text.as_bytes());
        Ok(())
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Death {
    /// Nothing of the input is durable.
    BeforeDurable,
    /// All of it is durable, nothing left.
    BeforeSent,
}

impl World {
    /// Both funded, connected and in step.
    pub(crate) fn new(bounds: Bounds) -> World {
        let key = |seed| SigningKey::from_bytes([seed; 32]).expect("a key");
        let keys = [key(1), key(2)];
        let domain = Domain::new(31_337, Address::repeat_byte(0xad));
        let participant = |key: &SigningKey| Participant { signer: key.address(), payout: key.address() };
        let params = ChannelParams {
            participants: [participant(&keys[0]), participant(&keys[1])],
            challenge_duration: (STEPS * STEP_SECONDS) as u32,
            nonce: 7,
            app: if bounds.plays() { Address::repeat_byte(0xa9) } else { Address::ZERO },
            child: B256::ZERO,
            assets: vec![Address::ZERO],
        };
        let id = params.id(domain.chain_id(), domain.adjudicator());
        // Nobody loses patience: what waits for a player waits for ever.
        let settings = Settings { window: 2, batch: 2, move_patience: 0, ..Settings::default() };
        let rules = bounds.plays().then_some(&TwoMoves as &dyn Rules);
        let node = |side| {
            let (params, settings) = (params.clone(), settings.clone());
            let (channel, _) = match rules {
                None => Channel::open(id, params, side, settings),
                Some(_) => Channel::open_app(id, params, side, settings, start()),
            };
            let snapshot = channel.snapshot();
            Node { channel, snapshot, done: BTreeMap::new(), issued: 0, orphans: 0, due: 0, responses: 0 }
        };
        let nodes = Side::BOTH.map(node);
        let mut chain = Adjudicator::new(id, &params, domain);
        chain.rules = rules;
        let mut world = World {
            setting: Arc::new(Setting { domain, keys, id, rules }),
            nodes,
            network: BTreeMap::new(),
            chain,
            height: 0,
            time: GENESIS,
            now_ms: GENESIS * 1_000,
            shown: BTreeMap::new(),
            signed: BTreeMap::new(),
            challenges: 0,
            has_asked: [false; 2],
            left: bounds,
            broken: None,
            fingerprint: 0,
            prints: [None; 2],
        };
        for side in Side::BOTH {
            let event = world.chain.deposit(side, AssetIndex(0), Amount::from(DEPOSIT)).expect("open");
            world.block(12, &[event]);
        }
        world.block(12, &[]);
        world.block(12, &[]);
        world.connect();
        world.quiet();
        world.seal();
        world
    }

    /// To be called after the last change of a step.
    pub(crate) fn seal(&mut self) {
        for (node, print) in self.nodes.iter().zip(&mut self.prints) {
            print.get_or_insert_with(|| {
                let mut sink = Sink(DefaultHasher::new());
                // Text, because the parts that a crash may forget have no other order or hash.
                let commands = (&node.done, node.issued, node.orphans);
                write!(sink, "{:?}{commands:?}", node.channel).expect("a hasher takes everything");
                (node.due, node.responses).hash(&mut sink.0);
                sink.0.finish()
            });
        }
        let mut hasher = DefaultHasher::new();
        self.chain_print().hash(&mut hasher);
        self.prints.hash(&mut hasher);
        self.network.hash(&mut hasher);
        self.signed.hash(&mut hasher);
        self.shown.keys().for_each(|version| version.hash(&mut hasher));
        (self.left, self.broken, self.has_asked).hash(&mut hasher);
        self.fingerprint = hasher.finish();
    }

    fn chain_print(&self) -> u64 {
        let mut sink = Sink(DefaultHasher::new());
        write!(sink, "{:?}", self.chain).expect("a hasher takes everything");
        (self.height, self.time, self.now_ms, self.challenges).hash(&mut sink.0);
        sink.0.finish()
    }

    /// All that [`World::exits`] depends on.
    pub(crate) fn exit_key(&self) -> (u64, Option<u64>, Option<u64>) {
        (self.chain_print(), self.prints[0], None)
    }

    /// All that [`World::completes`] depends on.
    pub(crate) fn completion_key(&self) -> (u64, Option<u64>, Option<u64>) {
        (self.chain_print(), self.prints[0], self.prints[1])
    }

    pub(crate) fn node(&self, side: Side) -> &Node {
        &self.nodes[side.index()]
    }

    fn context<T>(&mut self, side: Side, work: impl FnOnce(&mut Channel, &Context<'_>) -> T) -> T {
        let setting = Arc::clone(&self.setting);
        let ctx = Context {
            now_ms: self.now_ms,
            head_time: self.time,
            final_time: self.time,
            halted: false,
            domain: &setting.domain,
            signer: &setting.keys[side.index()],
            around: Surroundings { rules: setting.rules, is_deployed: Some(true), ..Surroundings::default() },
        };
        work(&mut self.nodes[side.index()].channel, &ctx)
    }

    /// Lets a side handle something, as the engine does: a flush, a commit, and only then what leaves.
    pub(crate) fn drive(
        &mut self,
        side: Side,
        death: Option<Death>,
        work: impl FnOnce(&mut Channel, &Context<'_>, &mut Outputs),
    ) {
        let mut out = Outputs::default();
        self.prints[side.index()] = None;
        self.context(side, |channel, ctx| {
            work(channel, ctx, &mut out);
            channel.flush(ctx, &mut out).expect("the key is there");
        });
        if death != Some(Death::BeforeDurable) {
            let node = &mut self.nodes[side.index()];
            node.snapshot = node.channel.snapshot();
        }
        if death.is_some() {
            self.crash(side);
            return;
        }
        for body in out.messages {
            self.note_signature(side, &body);
            let frame = Frame::Channel { channel: self.setting.id, body }.encode();
            let copies = self.network.entry((side.other(), frame)).or_default();
            *copies = copies.saturating_add(1);
        }
        let node = &mut self.nodes[side.index()];
        for event in out.events {
            for (token, result) in event.ended() {
                if node.done.insert(token, result.is_ok()).is_some() {
                    self.broken = Some("a command ended twice");
                }
            }
        }
        self.note_state(side);
    }

    fn note_signature(&mut self, side: Side, body: &Body) {
        let (version, signature) = match body {
            Body::Update(update) => (update.version, update.signature),
            Body::Acknowledge { version, signature } => (*version, *signature),
            _ => return,
        };
        // Signing is deterministic: two signatures are two states.
        let first = *self.signed.entry((side, version)).or_insert(signature);
        if first != signature && side == Side::Zero {
            self.broken = Some("two states of one version are signed");
        }
    }

    fn note_state(&mut self, side: Side) {
        if side == Side::One
            && let Some(latest) = self.context(side, |channel, ctx| channel.latest(ctx))
        {
            let state = latest.position.state;
            self.shown.entry(state.version).or_insert((state, latest.signatures));
        }
        if self.chain.status == Status::Open {
            if self.setting.rules.is_some() {
                self.nodes[0].due = self.due_in_game(DEPOSIT);
                return;
            }
            let channel = &self.node(side).channel;
            let view = channel.view();
            let balance = &view.balances[0];
            // Locks whose preimage it knows are its own; they are when their settlement is on its way, too.
            let claimed = view.locks.iter().filter(|lock| !lock.ours);
            let claimed = claimed.filter(|lock| channel.known_preimage(lock.lock.reference).is_some());
            let claimed: i128 = claimed.filter_map(|lock| lock.lock.total()).map(Amount::signed).sum();
            self.nodes[side.index()].due = balance.own + balance.withdrawn[0].cast_signed() + claimed;
        }
    }

    fn crash(&mut self, side: Side) {
        let node = &mut self.nodes[side.index()];
        node.channel = Channel::recover(Some(&node.snapshot), [] as [&[u8]; 0]).expect("its own snapshot");
        node.orphans = node.issued;
        self.drive(side.other(), None, |channel, _, out| channel.disconnected(out));
        self.connect();
    }

    /// The second side comes back with what it once had on disk, and says nothing of it.
    pub(crate) fn forget(&mut self, snapshot: &[u8]) {
        self.nodes[1].snapshot = snapshot.to_vec();
        self.crash(Side::One);
    }

    pub(crate) fn snapshot(&self, side: Side) -> &[u8] {
        &self.node(side).snapshot
    }

    /// The connection breaks and comes back. What was under way may still arrive.
    pub(crate) fn reconnect(&mut self) {
        for side in Side::BOTH {
            self.drive(side, None, |channel, _, out| channel.disconnected(out));
        }
        self.connect();
    }

    fn connect(&mut self) {
        for side in Side::BOTH {
            self.drive(side, None, |channel, ctx, out| channel.connected(ctx, out));
        }
    }

    pub(crate) fn deliver(&mut self, to: Side, frame: &[u8], death: Option<Death>) {
        let Ok(Frame::Channel { body, .. }) = Frame::decode(frame) else { return };
        self.drive(to, death, |channel, ctx, out| channel.message(ctx, body, out));
    }

    /// Takes one copy of a frame off the network.
    pub(crate) fn take(&mut self, to: Side, frame: &[u8]) {
        let key = (to, frame.to_vec());
        if let Some(copies) = self.network.get_mut(&key) {
            *copies -= 1;
            if *copies == 0 {
                self.network.remove(&key);
            }
        }
    }

    pub(crate) fn pay(&mut self, side: Side, units: u64) {
        let memo = vec![side as u8, self.nodes[side.index()].issued as u8];
        let payment = Payment { asset: AssetIndex(0), amount: Amount::from(units), invoice: None, memo };
        self.command(side, Command::Pay(payment));
    }

    pub(crate) fn withdraw(&mut self, side: Side) {
        self.command(side, Command::Withdraw { asset: AssetIndex(0), amount: Amount::from(3) });
    }

    /// Offers a lock whose preimage is known to the other side's user.
    pub(crate) fn lock(&mut self, side: Side) {
        let (hash, expiry) = (hash_of(secret_of(side)), GENESIS + LOCK_SECONDS);
        let command = Command::AddLock { asset: AssetIndex(0), amount: Amount::from(2), hash, expiry };
        self.command(side, command);
    }

    /// Settles a lock of the peer's; false where there is none.
    pub(crate) fn settle(&mut self, side: Side) -> bool {
        let locks = self.node(side).channel.view().locks;
        let Some(number) = locks.iter().find(|lock| !lock.ours).map(|lock| lock.number) else { return false };
        self.command(side, Command::SettleLock { number, preimage: secret_of(side.other()) });
        true
    }

    pub(crate) fn command(&mut self, side: Side, command: Command) {
        let token = self.nodes[side.index()].issued;
        self.nodes[side.index()].issued += 1;
        self.drive(side, None, |channel, ctx, out| channel.command(ctx, token, command, out));
    }

    pub(crate) fn tick(&mut self) {
        self.now_ms += Settings::default().retry_ms;
        for side in Side::BOTH {
            self.drive(side, None, |channel, ctx, out| channel.tick(ctx, out));
        }
    }

    // ---- the chain

    /// A block with these events, seen by both at once.
    fn block(&mut self, seconds: u64, events: &[AdjudicatorEvent]) {
        self.height += 1;
        self.time += seconds;
        self.now_ms = self.now_ms.max(self.time * 1_000);
        let (height, time) = (self.height, self.time);
        for side in Side::BOTH {
            self.drive(side, None, |channel, ctx, out| {
                for event in events.iter().cloned() {
                    channel.chain(ctx, ChainDelta::Event { block: height, time, event }, out);
                }
                channel.chain(ctx, ChainDelta::Final { through: height - 1 }, out);
                channel.tick(ctx, out);
            });
        }
    }

    pub(crate) fn wanted(&mut self, side: Side) -> Vec<ChainAction> {
        self.context(side, |channel, ctx| channel.wanted(ctx))
    }

    /// A step of time. What the first side wants is in the block, unless it is censored.
    pub(crate) fn mine(&mut self, censored: bool) {
        self.mine_for(if censored { &[] } else { &[Side::Zero] });
    }

    fn mine_for(&mut self, sides: &[Side]) {
        let actions = self.wanted_by(sides);
        self.execute(&actions, STEP_SECONDS);
    }

    /// Lets the chain take what both want, until it has its confirmations.
    fn mine_all(&mut self) {
        for _ in 0..3 {
            let actions = self.wanted_by(&Side::BOTH);
            self.execute(&actions, 12);
        }
    }

    fn wanted_by(&mut self, sides: &[Side]) -> Vec<(Side, ChainAction)> {
        let mut wanted = Vec::new();
        for side in sides {
            wanted.extend(self.wanted(*side).into_iter().map(|action| (*side, action)));
        }
        wanted
    }

    fn execute(&mut self, actions: &[(Side, ChainAction)], seconds: u64) {
        let mut events = Vec::new();
        for (side, action) in actions {
            if let Ok(event) = self.chain.execute(self.time + seconds, action) {
                if *side == Side::Zero && matches!(action, ChainAction::Respond(..)) {
                    self.nodes[0].responses += 1;
                    self.prints[0] = None;
                }
                events.push(event);
            }
        }
        self.block(seconds, &events);
    }

    /// The second side brings a state to the chain: one that both signed, or version 0.
    pub(crate) fn challenge(&mut self, version: Version) {
        let facts = self.node(Side::One).channel.facts().clone();
        let shown = self.shown.get(&version).cloned();
        let (state, signatures) = match shown {
            Some((state, signatures)) => (state, Some(signatures)),
            None => (State::zero(self.setting.id, 1), None),
        };
        let digest = self.setting.domain.challenge_digest(self.setting.id, facts.dispute, state.hash());
        let signature = Signer::sign(&self.setting.keys[1], digest).expect("the key is there");
        let previous = facts.recorded.as_deref().map(Recorded::of);
        let action = ChainAction::Challenge {
            state: Box::new(state),
            signatures,
            previous,
            challenger: Side::One,
            signature,
        };
        self.challenges += 1;
        self.execute(&[(Side::One, action)], 12);
    }

    // ---- the end of all faults

    /// Delivers until nobody says anything any more; false when that never comes.
    pub(crate) fn quiet(&mut self) -> bool {
        for _ in 0..500 {
            let Some((to, frame)) = self.network.keys().next().cloned() else { return true };
            self.take(to, &frame);
            self.deliver(to, &frame, None);
        }
        false
    }

    fn come_to_rest(&mut self) -> Result<(), &'static str> {
        for _ in 0..20 {
            if !self.quiet() {
                return Err("the two never stop talking");
            }
            self.mine_all();
            if self.network.is_empty() && self.nodes.iter().all(|node| node.channel.next_tick().is_none()) {
                return Ok(());
            }
            self.tick();
        }
        Err("the two never come to rest")
    }

    fn has_open_commands(&self) -> bool {
        let is_open = |node: &Node| (node.orphans..node.issued).any(|token| !node.done.contains_key(&token));
        self.nodes.iter().any(is_open)
    }

    /// Whether two honest sides, once connected anew, get everything done, and then hold the same.
    pub(crate) fn completes(&self) -> Result<(), &'static str> {
        let mut world = self.clone();
        world.network.clear();
        world.reconnect();
        world.come_to_rest()?;
        if world.has_open_commands() {
            // What was refused and can still be executed keeps all else waiting until its limit has passed.
            world.execute(&[], 2 * Settings::default().execution_window);
            world.come_to_rest()?;
        }
        world.accept_ends();
        world.come_to_rest()?;
        if world.has_open_commands() {
            return Err("a command never ends");
        }
        let [zero, one] = [0, 1].map(|index| world.nodes[index].channel.view());
        let same = (zero.version, zero.history, zero.payments)
            == (one.version, one.history, [one.payments[1], one.payments[0]]);
        let even =
            (zero.balances[0].own, zero.balances[0].peer) == (one.balances[0].peer, one.balances[0].own);
        if !same
            || !even
            || zero.in_flight + one.in_flight != 0
            || zero.writer == one.writer && world.setting.rules.is_none()
        {
            return Err("the two do not agree");
        }
        let balance = &zero.balances[0];
        let outside = balance.locked + balance.withdrawn.iter().sum::<u128>();
        if balance.own + balance.peer + outside.cast_signed() != i128::from(2 * DEPOSIT) {
            return Err("something is lost or doubled");
        }
        Ok(())
    }

    /// Whether the first side, with one transaction per step and no help, ends with what it is due, in one period.
    pub(crate) fn exits(&self) -> Result<(), &'static str> {
        self.exits_beside(&[Side::Zero])?;
        if self.setting.rules.is_none() {
            return Ok(());
        }
        // The other may make its moves, too.
        self.exits_beside(&Side::BOTH)
    }

    fn exits_beside(&self, acting: &[Side]) -> Result<(), &'static str> {
        let mut world = self.clone();
        let is_game = self.setting.rules.is_some();
        let rest = if is_game { 2 * (STEPS + 2) } else { LOCK_SECONDS / STEP_SECONDS };
        // One step for the challenge, the period, and one in which its end is seen; and the expiry of locks, or both turns.
        for _ in 0..STEPS + 4 + rest {
            if world.chain.status != Status::Closed {
                world.leave();
                world.mine_for(acting);
            }
        }
        if world.chain.status == Status::Closed {
            world.is_paid()
        } else {
            Err("the first side is held hostage")
        }
    }

    /// The first side's user orders a dispute, and makes its moves in it.
    fn leave(&mut self) {
        if self.chain.deadline.is_none() {
            self.drive(Side::Zero, None, |channel, ctx, out| {
                channel.command(ctx, Token::MAX, Command::ForceClose, out);
            });
        } else if self.may_move(Side::Zero) {
            self.make_move(Side::Zero);
        }
    }

    /// Safety and bounded griefing, once the channel is closed.
    pub(crate) fn is_paid(&self) -> Result<(), &'static str> {
        if self.chain.status == Status::Closed && self.chain.paid_out[0][0] < self.node(Side::Zero).due {
            return Err("the first side got less than its last state gives it");
        }
        // A move that was in flight when the dispute began may be acknowledged, and shown, later.
        let in_flight = u8::from(self.setting.rules.is_some());
        let most = if self.challenges == 0 { 0 } else { self.challenges + in_flight };
        if self.node(Side::Zero).responses > most {
            return Err("a false challenge costs more than one transaction");
        }
        Ok(())
    }
}
