//! What the liar brings to the chain, and what it keeps for that.

use crate::failure::Broken;
use crate::plan::{ChannelPlan, Role};
use crate::world::World;
use strait_engine::ports::TxRequest;
use strait_protocol::{Body, Frame, Operation, Refusal, Rule, Update};
use strait_types::abi::child::{Challenger, Child, Shown};
use strait_types::abi::{Record, calls};
use strait_types::{Bytes, ChannelId, Side, Signature, State, U256, Version};

/// Seconds before a lock's expiry at which the griefer shows its preimage.
const LAST_MOMENT: u64 = 400;

/// A state that could be brought to the chain, and the peer's signature on it.
type Weapon = (State, Option<Signature>);

impl World {
    /// Whether the turncoat takes an update for itself: it refuses it, and keeps it for the chain.
    pub(crate) fn keeps_secret(&mut self, node: usize, bytes: &[u8]) -> Result<bool, Broken> {
        let is_turncoat = self.nodes[node].liar.as_ref().is_some_and(|liar| liar.role == Role::Turncoat);
        let Ok(Frame::Channel { channel, body: Body::Update(update) }) = Frame::decode(bytes) else {
            return Ok(false);
        };
        let withdraws = update.operations.iter().any(|op| matches!(op, Operation::Withdraw { .. }));
        if !is_turncoat || !self.lies.chance(if withdraws { 900 } else { 200 }) {
            return Ok(false);
        }
        let Some(refusal) = self.refuse_in_bad_faith(node, channel, &update) else { return Ok(false) };
        self.report.count("lie", "refused and kept");
        self.note(format_args!("the turncoat refuses {} of {channel:?} and keeps it", update.version));
        let [zero, one] = self.channels[&channel].nodes;
        if let Some(link) = self.link_between(zero, one) {
            self.transmit(link, node, Frame::Channel { channel, body: Body::Refuse(refusal) }.encode());
        }
        if withdraws {
            self.execute_refused(node, channel);
        }
        Ok(true)
    }

    /// Executes the withdrawal that it has just refused: the record is above all that the peer can show. Perhaps nothing
    /// more is heard of it then, and the peer has to get out by the record.
    fn execute_refused(&mut self, node: usize, channel: ChannelId) {
        let Some(side) = self.side(channel, node) else { return };
        let Some((_, previous)) = self.on_record(node, channel) else { return };
        let secret = self.nodes[node].liar.as_ref().and_then(|liar| liar.secret.get(&channel)?.last());
        let Some((position, peer)) = secret.cloned() else { return };
        let signatures = self.both(node, side, &position.state, peer);
        let data = calls::withdraw(&self.channels[&channel].params, &position.state, &signatures, previous);
        if !self.call_adjudicator(node, data) {
            return;
        }
        self.report.count("lie", "withdrawal refused and executed");
        self.note(format_args!("the turncoat executes {} of {channel:?}", position.state.version));
        if let Some(liar) = self.nodes[node].liar.as_mut().filter(|_| self.lies.chance(400)) {
            liar.silent = true;
        }
    }

    /// What a turncoat waits for is asked of it more often.
    pub(crate) fn tempts_turncoat(&mut self, channel: ChannelId) -> bool {
        let nodes = self.channels[&channel].nodes;
        let faces =
            self.plan.liar.is_some_and(|(liar, role)| role == Role::Turncoat && nodes.contains(&liar));
        faces && self.lies.chance(40)
    }

    fn refuse_in_bad_faith(&mut self, node: usize, channel: ChannelId, update: &Update) -> Option<Refusal> {
        let state = &mut self.nodes[node];
        let book = state.books.get(&channel)?.as_ref()?;
        let base = book.positions.get(&update.base_hash)?;
        let next = base.next(update.version, &update.operations, &mut |_, _| Ok(())).ok()?;
        let confirmed = &book.confirmed().state;
        if update.version <= confirmed.version {
            return None;
        }
        let signature = state.key.sign(self.domain.state_digest(book.confirmed));
        let refusal = Refusal {
            version: update.version,
            index: self.lies.chance(500).then_some(0),
            rule: self.lies.pick(&[Rule::Overdraw, Rule::HoldTimeout, Rule::Closing]),
            confirmed: confirmed.version,
            signature: (confirmed.version > Version::ZERO).then_some(signature),
        };
        state.liar.as_mut()?.secret.entry(channel).or_default().push((next, update.signature));
        Some(refusal)
    }

    /// Brings a state to the chain that the peer has signed but that is not the last. Says whether it could.
    pub(crate) fn challenge_with_old(&mut self, node: usize, channel: ChannelId) -> bool {
        let Some(side) = self.side(channel, node) else { return false };
        let weapons = self.weapons(node, channel);
        if weapons.is_empty() {
            return false;
        }
        let some = self.lies.index(weapons.len());
        let best = weapons.iter().max_by_key(|(state, _)| gain(state, side));
        let chosen = if self.lies.chance(500) { weapons.get(some) } else { best };
        let Some((state, peer)) = chosen else { return false };
        let Some((dispute, previous)) = self.on_record(node, channel) else { return false };
        let hash = state.hash();
        let signatures = peer.map(|peer| self.both(node, side, state, peer));
        let word = self.nodes[node].key.sign(self.domain.challenge_digest(channel, dispute, hash));
        let ChannelPlan { params, terms, .. } = &self.channels[&channel];
        let data = match terms {
            None => calls::challenge(params, state, signatures.as_ref(), previous, side, Some(&word)),
            Some(terms) => {
                let shown = Shown { state, signatures: signatures.as_ref(), activation: None, previous };
                Child { params, terms }.challenge(shown, Challenger::Participant(side, Some(&word)))
            }
        };
        let is_child = terms.is_some();
        let taken = self.call_adjudicator(node, data);
        if taken && is_child {
            self.report.count("lie", "challenge of a child with an old state");
        }
        if taken {
            self.report.count("lie", "challenge with an old state");
            self.note(format_args!("the liar challenges {channel:?} with version {}", state.version));
        }
        taken
    }

    /// Superseded states, and with luck the last one; and what only the liar knows.
    fn weapons(&mut self, node: usize, channel: ChannelId) -> Vec<Weapon> {
        let with_last = self.lies.chance(100);
        let Some(book) = self.nodes[node].book(channel) else { return Vec::new() };
        let old = book.ever_confirmed.iter().filter(|hash| with_last || **hash != book.confirmed);
        let weapon =
            |hash| Some((book.positions.get(hash)?.state.clone(), book.peer_signatures.get(hash).copied()));
        let mut weapons: Vec<Weapon> = old.filter_map(weapon).collect();
        let secret = self.nodes[node].liar.iter().filter_map(|liar| liar.secret.get(&channel)).flatten();
        weapons.extend(secret.map(|(position, peer)| (position.state.clone(), Some(*peer))));
        weapons.sort_by_key(|(state, _)| (state.version, state.hash()));
        weapons
    }

    /// Answers a dispute with what the other side believes to be superseded.
    pub(super) fn respond_with_secret(&mut self, node: usize, channel: ChannelId) {
        let Some(side) = self.side(channel, node) else { return };
        let Some(secret) = self.nodes[node].liar.as_ref().and_then(|liar| liar.secret.get(&channel)) else {
            return;
        };
        let Some((position, peer)) = secret.last().cloned() else { return };
        let Some((_, previous)) = self.on_record(node, channel) else { return };
        let signatures = self.both(node, side, &position.state, peer);
        let ChannelPlan { params, terms, .. } = &self.channels[&channel];
        let state = &position.state;
        let data = match terms {
            None => calls::respond(params, state, &signatures, previous),
            Some(terms) => {
                let signatures = Some(&signatures);
                Child { params, terms }.respond(Shown { state, signatures, activation: None, previous })
            }
        };
        if self.call_adjudicator(node, data) {
            self.report.count("lie", "response with a refused state");
        }
    }

    /// Shows preimages on chain at the last moment, instead of settling off chain.
    pub(super) fn register_late(&mut self, node: usize, channel: ChannelId) {
        let Some(view) = self.view(node, channel) else { return };
        let now = self.now / 1_000;
        let due = |expiry: u64| now < expiry && now + LAST_MOMENT > expiry;
        for lock in view.locks.iter().filter(|lock| !lock.ours && due(lock.lock.expiry)) {
            let known = self.preimages.get(&lock.lock.reference).copied();
            if let Some(preimage) = known
                && self.call_adjudicator(node, calls::register_preimage(preimage))
            {
                self.report.count("lie", "preimage shown at the last moment");
            }
        }
    }

    /// Number of the dispute and what is recorded, as the liar's engine sees it.
    fn on_record(&self, node: usize, channel: ChannelId) -> Option<(u16, Option<Record>)> {
        let channel = self.nodes[node].process.as_ref()?.engine.channel(channel)?;
        let facts = channel.facts();
        Some((facts.dispute, facts.record()))
    }

    fn both(&self, node: usize, side: Side, state: &State, peer: Signature) -> [Signature; 2] {
        let own = self.nodes[node].key.sign(self.domain.state_digest(state.hash()));
        if side == Side::Zero { [own, peer] } else { [peer, own] }
    }

    pub(super) fn call_adjudicator(&mut self, node: usize, data: Bytes) -> bool {
        let request = TxRequest { to: self.domain.adjudicator(), value: U256::ZERO, data };
        self.send_transaction(node, &request).is_ok()
    }
}

/// What a state gives a side, over all assets.
fn gain(state: &State, side: Side) -> i128 {
    state.allocations.iter().map(|allocation| allocation.delta[side.index()]).sum()
}
