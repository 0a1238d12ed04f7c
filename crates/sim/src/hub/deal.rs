//! What the three have signed before they fall out.

use super::HubRole;
use crate::dice::Dice;
use crate::plan::ChannelPlan;
use strait_types::{
    Address, Allocation, Amount, AssetIndex, B256, ChannelId, ChannelParams, ChildTerms, Domain, Lock,
    LockKind, Participant, Side, Signature, SigningKey, State, Version, child_terms_hash, keccak256,
    locks_hash,
};

pub(super) const A: usize = 0;
pub(super) const B: usize = 1;
pub(super) const HUB: usize = 2;
pub(super) const NAMES: [&str; 3] = ["A", "B", "the hub"];

/// What each puts into a channel with the hub.
pub(super) const DEPOSIT: i128 = 1_000_000;

/// A state, with what makes it count.
#[derive(Clone, Debug)]
pub(super) struct Signed {
    pub(super) state: State,
    pub(super) locks: Vec<Lock>,
    /// None at version 0.
    pub(super) both: Option<[Signature; 2]>,
}

/// A channel of two of the three.
pub(super) struct Pair {
    pub(super) id: ChannelId,
    pub(super) params: ChannelParams,
    /// Who plays participants 0 and 1.
    pub(super) members: [usize; 2],
    /// By age; the last is what counts for whoever is honest.
    pub(super) states: Vec<Signed>,
}

/// All that was agreed.
pub(super) struct Deal {
    pub(super) keys: [SigningKey; 3],
    pub(super) domain: Domain,
    pub(super) period: u32,
    pub(super) end: u64,
    /// The hub with A, and with B.
    pub(super) parents: [Pair; 2],
    pub(super) child: Pair,
    pub(super) terms: ChildTerms,
    /// Both locks were countersigned, and the hub has said so.
    pub(super) activation: Option<Signature>,
    /// The end that the hub has signed, too.
    pub(super) last: Option<(Signed, Signature)>,
    /// When whoever is honest has enough of it, and leaves.
    pub(super) leaves: u64,
    /// Until when whoever cheats waits.
    pub(super) strikes: u64,
}

impl std::fmt::Debug for Deal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let versions =
            |pair: &Pair| pair.states.iter().map(|signed| signed.state.version.0).collect::<Vec<_>>();
        f.debug_struct("Deal")
            .field("parents", &self.parents.each_ref().map(versions))
            .field("child", &versions(&self.child))
            .field("amounts", &self.terms.amounts)
            .field("is_active", &self.activation.is_some())
            .field("has_last", &self.last.is_some())
            .field("closed_back", &[0, 1].map(|i| self.parents[i].best().locks.is_empty()))
            .finish_non_exhaustive()
    }
}

impl Pair {
    fn new(domain: &Domain, members: [usize; 2], params: ChannelParams) -> Pair {
        let id = params.id(domain.chain_id(), domain.adjudicator());
        let zero = Signed { state: State::zero(id, 1), locks: Vec::new(), both: None };
        Pair { id, params, members, states: vec![zero] }
    }

    pub(super) fn best(&self) -> &Signed {
        self.states.last().expect("version 0 at least")
    }

    pub(super) fn side_of(&self, player: usize) -> Option<Side> {
        self.members.iter().position(|member| *member == player).and_then(Side::from_index)
    }

    /// Both sign a state.
    fn sign(
        &self,
        deal: &Signers<'_>,
        version: u64,
        delta: [i128; 2],
        locks: Vec<Lock>,
        is_final: bool,
    ) -> Signed {
        let mut state = State::zero(self.id, 1);
        state.version = Version(version);
        state.writer = if version.is_multiple_of(2) { Side::Zero } else { Side::One };
        state.is_final = is_final;
        state.valid_until = if is_final { u64::MAX } else { 0 };
        state.allocations = vec![Allocation { delta, withdrawn: [0; 2] }];
        state.locks_hash = locks_hash(locks.iter());
        state.history = keccak256(version.to_be_bytes());
        let digest = deal.domain.state_digest(state.hash());
        let both = self.members.map(|member| deal.keys[member].sign(digest));
        Signed { state, locks, both: Some(both) }
    }
}

struct Signers<'a> {
    keys: &'a [SigningKey; 3],
    domain: &'a Domain,
}

fn payout(nonce: u64, channel: u64, member: usize) -> Address {
    let bytes =
        [b"over a hub".to_vec(), [nonce, channel, member as u64].map(u64::to_be_bytes).concat()].concat();
    Address::from_slice(&keccak256(bytes)[12..])
}

impl Deal {
    pub(super) fn make(role: HubRole, dice: &mut Dice, domain: &Domain, now: u64) -> Deal {
        let keys =
            NAMES.map(|name| SigningKey::from_bytes(keccak256(name).0).expect("a hash of a name is a key"));
        let nonce = dice.below(u64::MAX);
        let period = dice.pick(&[3_600, 7_200]);
        let params = |members: [usize; 2], channel: u64, child: B256| ChannelParams {
            participants: members.map(|member| Participant {
                signer: keys[member].address(),
                payout: payout(nonce, channel, member),
            }),
            challenge_duration: period,
            nonce,
            app: Address::ZERO,
            child,
            assets: vec![Address::ZERO],
        };
        let mut parents = [
            Pair::new(domain, [A, HUB], params([A, HUB], 0, B256::ZERO)),
            Pair::new(domain, [HUB, B], params([HUB, B], 1, B256::ZERO)),
        ];
        let before = [dice.within(&(0..=2)), dice.within(&(0..=2))];
        let end = now + u64::from(period) * dice.within(&(1..=3));
        let amounts = [(); 2].map(|()| Amount::from(dice.within(&(0..=DEPOSIT as u64 / 4))));
        let terms = ChildTerms {
            parent0: parents[0].id,
            version0: before[0] + 1,
            parent1: parents[1].id,
            version1: before[1] + 1,
            hub: keys[HUB].address(),
            end,
            amounts,
        };
        let mut child = Pair::new(domain, [A, B], params([A, B], 2, child_terms_hash(&terms)));
        let signers = Signers { keys: &keys, domain };
        // Whether the second lock was countersigned, and the hub has said so; a hub that cheats need not.
        let is_locked = !dice.chance(150);
        let is_active = is_locked && (role == HubRole::TwoAgainstHub || dice.chance(700));
        let lock = Lock {
            kind: LockKind::Channel,
            asset: AssetIndex(0),
            amounts,
            reference: child.id.0,
            expiry: 0,
            flip: false,
        };
        if is_active || role == HubRole::TwoAgainstHub {
            let wild = role == HubRole::TwoAgainstHub;
            play(&mut child, &signers, dice, amounts, wild);
        }
        let last = (is_active && dice.chance(500)).then(|| {
            let delta = within(dice, amounts);
            let signed = child.sign(&signers, 50, delta, Vec::new(), true);
            let hub = keys[HUB].sign(domain.state_digest(signed.state.hash()));
            (signed, hub)
        });
        // A hub that cheats keeps its signature on the end to itself, and the two keep to the end that they signed.
        if let (Some((signed, _)), HubRole::HubAgainstTwo) = (&last, role) {
            child.states.push(signed.clone());
        }
        for (i, parent) in parents.iter_mut().enumerate() {
            let is_locked = is_locked || i == 0;
            let end = last.as_ref().map(|(signed, _)| signed.state.allocations[0].delta);
            let closing = end.filter(|_| role == HubRole::TwoAgainstHub && dice.chance(500));
            trade(parent, &signers, dice, before[i], is_locked.then(|| lock.clone()), closing);
        }
        let activation = is_active.then(|| keys[HUB].sign(domain.activation_digest(child.id)));
        let last = last.filter(|_| role == HubRole::TwoAgainstHub);
        let leaves = now + dice.below(end - now + u64::from(period));
        let strikes = if dice.chance(300) { end + u64::from(period) / 4 } else { now };
        Deal { keys, domain: *domain, period, end, parents, child, terms, activation, last, leaves, strikes }
    }

    /// What an honest player is to have in the end, over both channels with the hub.
    pub(super) fn due(&self, player: usize) -> u128 {
        let mut due = 0;
        let own = self.child.best().state.allocations[0].delta;
        for (i, parent) in self.parents.iter().enumerate() {
            let Some(side) = parent.side_of(player) else { continue };
            let Signed { state, locks, .. } = parent.best();
            due += DEPOSIT + state.allocations[0].delta[side.index()];
            if !locks.is_empty() {
                let amounts = self.terms.amounts.map(Amount::signed);
                // The hub has on one side what it lacks on the other: each lock whole, as far as it goes.
                due += if player == HUB { amounts[1 - i] } else { amounts[i] + own[i] };
            }
        }
        if player == HUB && self.last.is_some() {
            due += self.moved_by_last();
        }
        u128::try_from(due).unwrap_or(0)
    }

    /// Where one lock was closed back by the end that the hub has signed and the other was not, the hub gets from the one
    /// what it gave in the other.
    fn moved_by_last(&self) -> i128 {
        let Some((signed, _)) = &self.last else { return 0 };
        let delta = signed.state.allocations[0].delta;
        let is_open = |parent: &Pair| !parent.best().locks.is_empty();
        match self.parents.each_ref().map(is_open) {
            [true, false] => delta[1],
            [false, true] => delta[0],
            _ => 0,
        }
    }

    /// As the simulator knows channels.
    pub(super) fn plan(&self, pair: &Pair, like: &ChannelPlan) -> ChannelPlan {
        ChannelPlan { params: pair.params.clone(), game: None, terms: None, ..like.clone() }
    }
}

/// How much the two of a child move, within what is in it.
fn within(dice: &mut Dice, amounts: [Amount; 2]) -> [i128; 2] {
    let [zero, one] = amounts.map(|amount| u64::try_from(amount.units()).unwrap_or(u64::MAX));
    let moved = i128::from(dice.below(zero + one + 1)) - i128::from(zero);
    [moved, -moved]
}

/// What the two sign in the child; `wild`: whatever they like.
fn play(child: &mut Pair, signers: &Signers<'_>, dice: &mut Dice, amounts: [Amount; 2], wild: bool) {
    let mut version = 0;
    for _ in 0..dice.within(&(0..=3)) {
        version += dice.within(&(1..=5));
        let mut delta = within(dice, amounts);
        if wild {
            let factor = i128::from(dice.pick(&[1u32, 3, 1_000]));
            delta = delta.map(|part| part * factor);
        }
        let is_final = wild && dice.chance(300);
        let signed = child.sign(signers, version, delta, Vec::new(), is_final);
        child.states.push(signed);
    }
}

/// What the hub and one of the two sign: payments, the child's lock, payments, and perhaps the child's end.
fn trade(
    parent: &mut Pair,
    signers: &Signers<'_>,
    dice: &mut Dice,
    before: u64,
    lock: Option<Lock>,
    closing: Option<[i128; 2]>,
) {
    let mut delta = [0i128; 2];
    let pay = |dice: &mut Dice, delta: &mut [i128; 2]| {
        let paid = i128::from(dice.below(DEPOSIT as u64 / 8)) * if dice.chance(500) { 1 } else { -1 };
        (delta[0], delta[1]) = (delta[0] - paid, delta[1] + paid);
    };
    for version in 1..=before {
        pay(dice, &mut delta);
        parent.states.push(parent.sign(signers, version, delta, Vec::new(), false));
    }
    let Some(lock) = lock else { return };
    let amounts = lock.amounts.map(Amount::signed);
    delta = [delta[0] - amounts[0], delta[1] - amounts[1]];
    let mut version = before + 1;
    parent.states.push(parent.sign(signers, version, delta, vec![lock.clone()], false));
    for _ in 0..dice.below(2) {
        version += 1;
        pay(dice, &mut delta);
        parent.states.push(parent.sign(signers, version, delta, vec![lock.clone()], false));
    }
    if let Some(end) = closing {
        delta = [0, 1].map(|i| delta[i] + amounts[i] + end[i]);
        parent.states.push(parent.sign(signers, version + 1, delta, Vec::new(), false));
    }
}
