//! Child channels: what opens one, and what its parent and it are told of each other.

use crate::app::{AppMove, AppStart};
use crate::rule::Rule;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};
use strait_types::{
    Address, Amount, AssetIndex, B256, ChannelId, ChannelParams, ChildTerms, Domain, Lock, LockKind, Side,
    Version, child_terms_hash, keccak256,
};

/// A child channel as both of its parent agree to it.
#[derive(Clone, PartialEq, Eq, Debug, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct ChildOpening {
    /// Its parameters: one asset, and the hash of `terms`.
    pub params: ChannelParams,
    /// Its parent, the parent's version that opens it, and what each puts in.
    pub terms: ChildTerms,
    /// Its first state, when it has an app.
    pub first: Option<AppMove>,
}

impl ChildOpening {
    /// The child's id.
    pub fn id(&self, domain: &Domain) -> ChannelId {
        self.params.id(domain.chain_id(), domain.adjudicator())
    }

    /// What the child begins with, when it has an app.
    pub fn start(&self) -> Option<AppStart> {
        let first = self.first.clone()?;
        Some(AppStart { stakes: vec![self.terms.amounts], first })
    }

    /// Names what it begins with, when it has an app; see [`start_id`].
    pub fn start_id(&self) -> Option<B256> {
        Some(start_id(self.params.app, self.terms.amounts, self.first.as_ref()?))
    }

    /// What both would sit down to, whatever the version in which it is opened: the same when it is opened again.
    pub fn offer_id(&self) -> ChannelId {
        let ChildOpening { params, terms, first } = self;
        let content = (terms.parent0, params.participants, params.app, params.challenge_duration);
        // Writing to a Vec cannot fail.
        let content = borsh::to_vec(&(content, terms.amounts, &params.assets, first)).unwrap_or_default();
        ChannelId(keccak256([b"Strait offer".as_slice(), &content].concat()))
    }

    /// The lock that holds its funds in the parent.
    pub fn lock(&self, child: ChannelId, asset: AssetIndex, flip: bool) -> Lock {
        let [zero, one] = self.terms.amounts;
        Lock {
            kind: LockKind::Channel,
            asset,
            amounts: if flip { [one, zero] } else { [zero, one] },
            reference: child.0,
            expiry: 0,
            flip,
        }
    }

    /// What must hold whatever the two demand: it is a channel of the parent's two and of the parent's asset, bound to
    /// this version of the parent.
    pub(crate) fn check(
        &self,
        (parent, params): (ChannelId, &ChannelParams),
        asset: AssetIndex,
        flip: bool,
        version: Version,
    ) -> Result<(), Rule> {
        let [zero, one] = params.participants;
        let participants = if flip { [one, zero] } else { [zero, one] };
        let asset = params.assets.get(asset.index()).ok_or(Rule::UnknownAsset)?;
        let terms = terms_of(parent, version, self.terms.amounts);
        let fits = self.terms == terms
            && self.params.child == child_terms_hash(&terms)
            && self.params.participants == participants
            && self.params.assets == [*asset]
            && self.params.check().is_ok()
            && self.params.app.is_zero() == self.first.is_none();
        if !fits {
            return Err(Rule::ChildTerms);
        }
        match self.start() {
            Some(start) => start.check(&self.params),
            None => Ok(()),
        }
    }
}

/// Names what a game begins with: its app, what participants 0 and 1 put in, in the smallest unit, and the first state. Who
/// would play it unasked must know all three: in a start that is lost there is nothing to play for.
pub fn start_id(app: Address, stakes: [Amount; 2], first: &AppMove) -> B256 {
    // Writing to a Vec cannot fail.
    let content = borsh::to_vec(&(stakes.map(Amount::units), first)).unwrap_or_default();
    keccak256([b"Strait start".as_slice(), app.as_slice(), &content].concat())
}

/// The terms of a child between the two of its parent.
fn terms_of(parent: ChannelId, version: Version, amounts: [Amount; 2]) -> ChildTerms {
    ChildTerms {
        parent0: parent,
        version0: version.0,
        parent1: ChannelId(B256::ZERO),
        version1: 0,
        hub: Address::ZERO,
        end: 0,
        amounts,
    }
}

/// A child channel as a user asks for it. The user is its participant 0.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewChild {
    /// Of the parent.
    pub asset: AssetIndex,
    /// What the user and the peer put in, in the smallest unit.
    pub stakes: [Amount; 2],
    /// Seconds that each side has to answer in a dispute of the child.
    pub challenge_duration: u32,
    /// Tells it apart for the user; the parent's version makes it unique anyway.
    pub nonce: u64,
    /// The app's address and its first state; none for a payment channel.
    pub app: Option<(Address, AppMove)>,
}

impl NewChild {
    /// What opens it in a version of its parent, written by the parent's `side`.
    pub(crate) fn opening(
        &self,
        (parent, params): (ChannelId, &ChannelParams),
        side: Side,
        version: Version,
    ) -> Result<ChildOpening, Rule> {
        let asset = params.assets.get(self.asset.index()).ok_or(Rule::UnknownAsset)?;
        let terms = terms_of(parent, version, self.stakes);
        let (app, first) = self.app.clone().map_or((Address::ZERO, None), |(app, first)| (app, Some(first)));
        let params = ChannelParams {
            participants: [*params.participant(side), *params.participant(side.other())],
            challenge_duration: self.challenge_duration,
            nonce: self.nonce,
            app,
            child: child_terms_hash(&terms),
            assets: vec![*asset],
        };
        Ok(ChildOpening { params, terms, first })
    }
}

/// Which child channels this node takes.
pub trait Admission {
    /// Judges the terms: the period, the app and its start.
    ///
    /// # Errors
    /// The rule that is broken.
    fn admit(&self, child: ChannelId, opening: &ChildOpening) -> Result<(), Rule>;

    /// Whether this node puts so much of an asset into what its peer opens.
    ///
    /// # Errors
    /// [`Rule::StakeTooHigh`] or [`Rule::UnknownStart`] when it does not, [`Rule::AwaitsApproval`] when the operator is
    /// to say.
    fn stake(&self, asset: Address, amount: Amount, opening: &ChildOpening) -> Result<(), Rule>;
}

/// What the parent makes of a child, as a child is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Standing {
    /// The lock is not agreed; nothing may rest on it.
    #[default]
    Unlocked,
    /// Both signed the lock, and the parent lives.
    Locked,
    /// The parent leaves, or has left, by the chain and with the lock: so must the child.
    Leaving,
    /// Nothing rests on the child any more.
    Over,
}

/// What a child has come to, as its parent is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ChildOutcome {
    /// What the child's participants 0 and 1 get, in the smallest unit.
    pub amounts: [Amount; 2],
    /// Whether the parent can take it over off chain: both signed it as the end, or the chain has it with its
    /// confirmations.
    pub is_agreed: bool,
    /// When the chain recorded it, by its block's time as of the head: Unix seconds.
    pub on_chain_at: Option<u64>,
}
