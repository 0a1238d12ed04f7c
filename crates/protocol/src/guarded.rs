//! What a tower holds of a channel, in the place of one of its participants: enough to defend it, and no key.

use crate::app::AppMove;
use crate::channel::is_consistent;
use crate::child::ChildOpening;
use crate::message::SignedPosition;
use crate::onchain::ChainView;
use crate::position::sha256;
use crate::signer::{Signer, SignerError};
use borsh::{BorshDeserialize, BorshSerialize};
use strait_types::{
    Address, B256, ChannelId, ChannelParams, ChildTerms, Domain, MAX_APP_DATA, MAX_LOCKS, ParamsError, Side,
    Signature, State, Version, child_terms_hash, keccak256,
};

/// The best that a participant could show, as it hands it to a tower. Each one takes the place of the one before, so
/// that a tower's memory of a channel does not grow with its payments.
#[derive(Clone, PartialEq, Eq, Debug, BorshSerialize, BorshDeserialize)]
pub struct Guarded {
    /// The channel's terms; its id follows from them.
    pub params: ChannelParams,
    /// What a channel within a channel adds to them.
    pub child: Option<GuardedChild>,
    /// The highest state that both signed, with its lock list.
    pub latest: SignedPosition,
    /// Known preimages of locks in the participant's favour.
    pub preimages: Vec<B256>,
    /// In a channel with an app: the participant's own move from that state, signed by it alone.
    pub next: Option<SignedMove>,
}

/// What a channel within a channel is funded by, and what it began with: whoever lost all else gets it back whole.
#[derive(Clone, PartialEq, Eq, Debug, BorshSerialize, BorshDeserialize)]
pub struct GuardedChild {
    /// Its parent, and what each put in; its parameters carry their hash.
    pub terms: ChildTerms,
    /// Its first state, when it has an app.
    pub first: Option<AppMove>,
}

/// A move that its writer alone has signed.
#[derive(Clone, PartialEq, Eq, Debug, BorshSerialize, BorshDeserialize)]
pub struct SignedMove {
    /// Where it leads.
    pub state: State,
    /// By its writer.
    pub signature: Signature,
}

/// Why it cannot be guarded; the fault of whoever handed it over.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GuardedError {
    /// The contract would not take the terms.
    #[error(transparent)]
    Params(#[from] ParamsError),
    /// Channels over a hub are guarded by nobody.
    #[error("channels over a hub are not guarded by this release")]
    Unsupported,
    /// Who hands it over is neither participant.
    #[error("{0} is no participant of the channel; hand over channels of your own")]
    NotParticipant(Address),
    /// Another channel's state, or lists that are not what the state's hashes stand for.
    #[error("the {0} does not fit the channel")]
    Misfit(&'static str),
    /// Not signed by both.
    #[error("the state of version {0} is not signed by both participants")]
    NotSigned(Version),
}

impl Guarded {
    /// The channel's id.
    pub fn channel(&self, domain: &Domain) -> ChannelId {
        self.params.id(domain.chain_id(), domain.adjudicator())
    }

    /// The version that both signed.
    pub fn version(&self) -> Version {
        self.latest.position.state.version
    }

    /// What opened it, if it is a channel within a channel.
    pub fn opening(&self) -> Option<ChildOpening> {
        let GuardedChild { terms, first } = self.child.clone()?;
        Some(ChildOpening { params: self.params.clone(), terms, first })
    }

    /// What is known of it on chain before anything is asked.
    pub fn blank_chain(&self) -> ChainView {
        match &self.child {
            Some(child) => ChainView::of_child(child.terms.amounts),
            None => ChainView::new(self.params.assets.len()),
        }
    }

    /// Names exactly this content.
    pub fn digest(&self) -> B256 {
        // Writing to a Vec cannot fail.
        keccak256(borsh::to_vec(self).unwrap_or_default())
    }

    /// Whether the adjudicator would take what it holds, as far as that can be told without the chain; which side
    /// `participant` plays.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self, domain: &Domain, participant: Address) -> Result<Side, GuardedError> {
        self.params.check()?;
        self.check_terms()?;
        let side = self.params.side_of(participant).ok_or(GuardedError::NotParticipant(participant))?;
        let position = &self.latest.position;
        let state = &position.state;
        let fits = state.channel == self.channel(domain)
            && state.version > Version::ZERO
            && state.allocations.len() == self.params.assets.len()
            && state.app_data.len() <= MAX_APP_DATA
            && (self.params.app.is_zero() && self.child.is_none() || position.locks.is_empty());
        if !fits {
            return Err(GuardedError::Misfit("state"));
        }
        if position.locks.len() > MAX_LOCKS || !is_consistent(&self.latest) {
            return Err(GuardedError::Misfit("lock list"));
        }
        let is_needed = |preimage: &B256| self.opens(*preimage, side);
        if self.preimages.len() > position.locks.len() || !self.preimages.iter().all(is_needed) {
            return Err(GuardedError::Misfit("list of preimages"));
        }
        let digest = domain.state_digest(state.hash());
        let mut signed = Side::BOTH.iter().zip(&self.latest.signatures);
        let by = |side: &Side| self.params.participant(*side).signer;
        if !signed.all(|(side, signature)| signature.verify(digest, by(side)).is_ok()) {
            return Err(GuardedError::NotSigned(state.version));
        }
        match &self.next {
            Some(next) if !self.is_move(next, domain, side) => Err(GuardedError::Misfit("move")),
            _ => Ok(side),
        }
    }

    fn check_terms(&self) -> Result<(), GuardedError> {
        let params = &self.params;
        let Some(GuardedChild { terms, first }) = &self.child else {
            return if params.child.is_zero() { Ok(()) } else { Err(GuardedError::Misfit("list of terms")) };
        };
        if !terms.hub.is_zero() {
            return Err(GuardedError::Unsupported);
        }
        let is_first = |first: &AppMove| first.check(params.assets.len()).is_ok();
        let fits = params.child == child_terms_hash(terms)
            && params.assets.len() == 1
            && params.app.is_zero() == first.is_none()
            && first.as_ref().is_none_or(is_first);
        if fits { Ok(()) } else { Err(GuardedError::Misfit("list of terms")) }
    }

    /// Whether a preimage is of a lock in a side's favour.
    fn opens(&self, preimage: B256, side: Side) -> bool {
        let hash = sha256(preimage);
        let mut locks = self.latest.position.locks.iter();
        locks.any(|entry| entry.lock.reference == hash && entry.lock.contributor() == Some(side.other()))
    }

    fn is_move(&self, next: &SignedMove, domain: &Domain, side: Side) -> bool {
        let (base, state) = (&self.latest.position.state, &next.state);
        let digest = domain.state_digest(state.hash());
        !self.params.app.is_zero()
            && base.writer == side
            && state.channel == base.channel
            && base.version.next() == Some(state.version)
            && state.history == base.hash()
            && AppMove::of(state).check(self.params.assets.len()).is_ok()
            && next.signature.verify(digest, self.params.participant(side).signer).is_ok()
    }

    /// What the participant signed, in the place of its key.
    pub fn signer(&self, domain: &Domain, side: Side) -> SignedBefore {
        SignedBefore {
            address: self.params.participant(side).signer,
            digest: domain.state_digest(self.latest.position.state.hash()),
            signature: self.latest.signatures[side.index()],
        }
    }
}

/// Gives out the one signature that it holds, and never another.
#[derive(Clone, Debug)]
pub struct SignedBefore {
    address: Address,
    digest: B256,
    signature: Signature,
}

impl Signer for SignedBefore {
    fn address(&self) -> Address {
        self.address
    }

    fn sign(&self, digest: B256) -> Result<Signature, SignerError> {
        if digest == self.digest {
            return Ok(self.signature);
        }
        Err(SignerError("a tower holds no key, only what was signed before".into()))
    }
}
