//! Property 4: which states each key has signed, over all its lives.

use crate::check::book::Book;
use crate::failure::{Broken, Property};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};
use strait_protocol::{Signer, SignerError};
use strait_types::{Address, B256, ChannelId, ChannelParams, Domain, Signature, SigningKey, Version};

/// A signer that remembers what it signed. It lives as long as the key, through all crashes of the node.
pub(crate) struct RecordingSigner {
    key: SigningKey,
    signatures: Mutex<Signatures>,
}

/// Signing is deterministic, so that what was signed once need not be signed again.
#[derive(Default)]
struct Signatures {
    by_digest: HashMap<B256, Signature>,
    digests: HashMap<[u8; 64], B256>,
}

impl RecordingSigner {
    pub(crate) fn new(key: SigningKey) -> RecordingSigner {
        RecordingSigner { key, signatures: Mutex::default() }
    }

    /// The digest behind a signature of this key.
    pub(crate) fn digest(&self, signature: &Signature) -> Option<B256> {
        self.signatures.lock().ok()?.digests.get(&signature.0).copied()
    }
}

impl Signer for RecordingSigner {
    fn address(&self) -> Address {
        self.key.address()
    }

    fn sign(&self, digest: B256) -> Result<Signature, SignerError> {
        let mut signatures = self.signatures.lock().unwrap_or_else(PoisonError::into_inner);
        let signature = *signatures.by_digest.entry(digest).or_insert_with(|| self.key.sign(digest));
        signatures.digests.insert(signature.0, digest);
        Ok(signature)
    }
}

/// What a side relies on can be shown to the contract: the peer's signature on it is one.
pub(crate) fn check_signature(book: &Book, params: &ChannelParams, domain: &Domain) -> Result<(), Broken> {
    let peer = params.participant(book.side.other()).signer;
    let signature = book.peer_signatures.get(&book.confirmed);
    let is_sound =
        signature.is_some_and(|given| given.verify(domain.state_digest(book.confirmed), peer).is_ok());
    Property::Safety.check(is_sound, || {
        format!("version {} rests on a signature that is none", book.confirmed().state.version)
    })
}

/// Which state of each version a node has committed to: in its journal, in a frame, or on chain.
#[derive(Default)]
pub(crate) struct Signed {
    states: BTreeMap<(usize, ChannelId, Version), B256>,
    /// What a digest stands for.
    digests: BTreeMap<B256, (ChannelId, Version, B256)>,
}

impl Signed {
    /// Makes a state known by the digest that its signatures are on.
    pub(crate) fn learn(&mut self, digest: B256, channel: ChannelId, version: Version, state_hash: B256) {
        self.digests.insert(digest, (channel, version, state_hash));
    }

    pub(crate) fn meaning(&self, digest: B256) -> Option<(ChannelId, Version, B256)> {
        self.digests.get(&digest).copied()
    }

    /// A node is bound to a state from now on.
    pub(crate) fn bind(
        &mut self,
        node: usize,
        channel: ChannelId,
        version: Version,
        state_hash: B256,
    ) -> Result<(), Broken> {
        let earlier = *self.states.entry((node, channel, version)).or_insert(state_hash);
        Property::NoEquivocation.check(earlier == state_hash, || {
            format!("{} signed two states of version {version} of {channel:?}", crate::genesis::NAMES[node])
        })
    }
}
