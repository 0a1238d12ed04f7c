//! Messages that an engine would not write, with signatures that fit.

use crate::check::book::Book;
use crate::dice::Dice;
use crate::plan::ChannelPlan;
use crate::world::World;
use strait_protocol::{
    AppMove, Body, Frame, Operation, Operations, Payment, Position, Refusal, Rule, SignedPosition, Sync,
    Update,
};
use strait_types::abi::app::progress;
use strait_types::abi::child::Child;
use strait_types::{
    Amount, AssetIndex, B256, ChannelId, Domain, Lock, LockKind, Side, Signature, SigningKey, State, Version,
};

/// What forging needs.
struct Forge<'a> {
    dice: &'a mut Dice,
    key: &'a SigningKey,
    domain: &'a Domain,
    book: &'a Book,
    /// Chain time, about.
    time: u64,
    preimages: Vec<B256>,
}

impl World {
    /// A message out of thin air.
    pub(super) fn forge(&mut self, node: usize, channel: ChannelId) -> Option<Body> {
        let preimages = self.preimages.values().copied().collect();
        let state = &self.nodes[node];
        let (key, book) = (&state.key, state.book(channel)?);
        let (dice, domain, time) = (&mut self.lies, &self.domain, self.now / 1_000);
        Some(Forge { dice, key, domain, book, time, preimages }.body())
    }

    /// Says that it has made a move which the rules forbid: to the peer, and in a dispute to the chain.
    pub(crate) fn cheat(&mut self, node: usize, channel: ChannelId, from: &State, next: &AppMove) {
        let Some(book) = self.nodes[node].book(channel) else { return };
        let Some(base) = book.positions.get(&from.hash()) else { return };
        let Some(version) = base.state.version.next() else { return };
        let operations = [Operation::Move(next.clone())].into();
        let Ok(position) = base.next(version, &operations, &mut |_, _| Ok(())) else { return };
        let (base_version, base_hash) = (base.state.version, base.state.hash());
        let signature = self.nodes[node].key.sign(self.domain.state_digest(position.state.hash()));
        self.report.count("lie", "illegal move");
        let ChannelPlan { params, terms, .. } = &self.channels[&channel];
        let data = match terms {
            None => progress(params, from, &position.state, &signature),
            Some(terms) => Child { params, terms }.progress(from, &position.state, &signature),
        };
        if self.call_adjudicator(node, data) {
            self.report.count("lie", "illegal move sent to the chain");
        }
        let update = Update { base: base_version, base_hash, version, operations, signature };
        self.whisper(node, channel, Frame::Channel { channel, body: Body::Update(update) }.encode());
    }

    /// Another update of the version that a frame carries.
    pub(crate) fn second_version(&mut self, node: usize, frame: &[u8]) -> Option<Vec<u8>> {
        let Ok(Frame::Channel { channel, body: Body::Update(mut update) }) = Frame::decode(frame) else {
            return None;
        };
        let state = &self.nodes[node];
        let base = state.book(channel)?.positions.get(&update.base_hash)?;
        let payment =
            Payment { asset: AssetIndex(0), amount: 1.into(), invoice: None, memo: b"second".to_vec() };
        update.operations =
            std::iter::once(Operation::Pay(payment)).chain(update.operations.iter().cloned()).collect();
        let next = base.next(update.version, &update.operations, &mut |_, _| Ok(())).ok()?;
        update.signature = state.key.sign(self.domain.state_digest(next.state.hash()));
        Some(Frame::Channel { channel, body: Body::Update(update) }.encode())
    }
}

impl Forge<'_> {
    fn body(mut self) -> Body {
        let version = self.version();
        match self.dice.below(16) {
            0..=5 => Body::Update(self.update()),
            6 => Body::Update(self.unasked()),
            7 => Body::Acknowledge { version, signature: self.signature() },
            8 => Body::Refuse(Refusal {
                version,
                index: self.dice.chance(500).then_some(0),
                rule: Rule::Overdraw,
                confirmed: self.version(),
                signature: self.dice.chance(500).then(|| self.signature()),
            }),
            9 => Body::RequestPen,
            10 | 11 => Body::Propose { id: self.dice.below(5), operation: self.operation() },
            12 => Body::Answer {
                id: self.dice.below(5),
                refused: self.dice.chance(500).then_some(Rule::NotAgreed),
            },
            13 => Body::Latest(self.latest()),
            14 => Body::Rebase {
                base: self.book.confirmed().state.version,
                base_hash: self.book.confirmed,
                version: if self.dice.chance(500) { Version(self.time << 24) } else { version },
                signature: self.signature(),
            },
            _ => Body::Sync(Sync {
                confirmed: version,
                confirmed_hash: if self.dice.chance(500) { self.book.confirmed } else { B256::ZERO },
                signature: self.dice.chance(500).then(|| self.signature()),
                restored: self.dice.chance(300),
                reply: self.dice.chance(500),
            }),
        }
    }

    fn version(&mut self) -> Version {
        let own = self.book.confirmed().state.version.0;
        Version(match self.dice.below(6) {
            0 => self.dice.below(own + 1),
            1 => own,
            2 | 3 => own + 1,
            4 => own + 1 + self.dice.below(100_000),
            _ => self.dice.below(u64::MAX),
        })
    }

    /// Of its own key, on something.
    fn signature(&mut self) -> Signature {
        let hash = if self.dice.chance(700) { self.some_position().0 } else { B256::new(self.dice.word()) };
        self.key.sign(self.domain.state_digest(hash))
    }

    fn some_position(&mut self) -> (B256, &Position) {
        let index = self.dice.index(self.book.positions.len());
        let some = self.book.positions.iter().nth(index).map(|(hash, position)| (*hash, position));
        some.filter(|_| self.dice.chance(300)).unwrap_or((self.book.confirmed, self.book.confirmed()))
    }

    fn update(&mut self) -> Update {
        let version = self.version();
        let operations: Operations = (0..=self.dice.below(3)).map(|_| self.operation()).collect();
        let (base_hash, base) = self.some_position();
        let (base_version, next) = (base.state.version, base.next(version, &operations, &mut |_, _| Ok(())));
        let is_sound = !self.dice.chance(150);
        let known = next.ok().filter(|_| is_sound).map(|next| next.state.hash());
        let hash = known.unwrap_or_else(|| B256::new(self.dice.word()));
        let signature = self.key.sign(self.domain.state_digest(hash));
        Update { base: base_version, base_hash, version, operations, signature }
    }

    /// What would be paid out at once, in the next version and as it should be, but that nobody was asked for.
    fn unasked(&mut self) -> Update {
        let base = self.book.confirmed().clone();
        let (valid_until, side) = (self.time + self.dice.pick(&[300, 600, 1_200]), self.book.side);
        let operation = if self.dice.chance(500) {
            Operation::Withdraw { side, asset: AssetIndex(0), amount: 1.into(), valid_until }
        } else {
            Operation::Finalise { valid_until }
        };
        let operations = [operation].into();
        let version = Version(base.state.version.0 + 1);
        let known = base.next(version, &operations, &mut |_, _| Ok(()));
        let hash = known.map_or_else(|_| B256::new(self.dice.word()), |next| next.state.hash());
        let signature = self.key.sign(self.domain.state_digest(hash));
        Update { base: base.state.version, base_hash: self.book.confirmed, version, operations, signature }
    }

    fn operation(&mut self) -> Operation {
        let asset = AssetIndex(self.dice.pick(&[0, 0, 0, 1, 9]));
        let number = self.dice.below(self.book.confirmed().locks_added + 2);
        let valid_until = self.time + self.dice.pick(&[0, 60, 600, 1_200, 100_000]);
        match self.dice.below(9) {
            0..=2 => {
                let payment =
                    Payment { asset, amount: self.amount(), invoice: None, memo: b"forged".to_vec() };
                Operation::Pay(payment)
            }
            3 => Operation::AddLock(Lock {
                kind: self.dice.pick(&[LockKind::Hash, LockKind::Hash, LockKind::Channel]),
                asset,
                amounts: [self.amount(), self.dice.pick(&[Amount::ZERO, 1.into()])],
                reference: B256::new(self.dice.word()),
                expiry: self.time + self.dice.pick(&[0, 1_500, 3_000, 1_000_000]),
                flip: self.dice.chance(200),
            }),
            4 => {
                let known = self.preimages.get(self.dice.index(self.preimages.len())).copied();
                let preimage = known.unwrap_or_else(|| B256::new(self.dice.word()));
                Operation::SettleLock { number, preimage }
            }
            5 => Operation::CancelLock { number },
            6 => {
                let side = self.dice.pick(&Side::BOTH);
                Operation::Withdraw { side, asset, amount: self.amount(), valid_until }
            }
            7 => Operation::HandOver,
            _ => Operation::Finalise { valid_until },
        }
    }

    fn amount(&mut self) -> Amount {
        let some = self.dice.below(1_000_000);
        self.dice.pick(&[Amount::ZERO, 1.into(), some.into(), Amount::MAX])
    }

    fn latest(&mut self) -> SignedPosition {
        let signature = self.signature();
        let peer = self.book.peer_signatures.values().last().copied().unwrap_or(signature);
        let mut position = self.some_position().1.clone();
        if self.dice.chance(600) {
            position.state.version = self.version();
        }
        let own = self.key.sign(self.domain.state_digest(position.state.hash()));
        let signatures = if self.book.side == Side::Zero { [own, peer] } else { [peer, own] };
        SignedPosition { position, signatures }
    }
}
