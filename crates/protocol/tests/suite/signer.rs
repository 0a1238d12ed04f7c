//! A key that can be taken away, and what was seen to be signed with it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use strait_protocol::{Body, Signer, SignerError};
use strait_types::{Address, B256, Side, Signature, SigningKey, Version};

#[derive(Debug)]
pub(crate) struct Key {
    key: SigningKey,
    pub(crate) missing: AtomicBool,
}

impl Key {
    pub(crate) fn new(seed: u8) -> Key {
        Key { key: SigningKey::from_bytes([seed; 32]).unwrap(), missing: AtomicBool::new(false) }
    }
}

impl Signer for Key {
    fn address(&self) -> Address {
        self.key.address()
    }

    fn sign(&self, digest: B256) -> Result<Signature, SignerError> {
        if self.missing.load(Ordering::Relaxed) {
            return Err(SignerError("taken away".into()));
        }
        Ok(self.key.sign(digest))
    }
}

/// Every signature on a state that left a side. Signing is deterministic, so one version with two signatures is one
/// version with two states.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    by_version: BTreeMap<(Side, Version), Signature>,
}

impl Seen {
    pub(crate) fn note(&mut self, side: Side, version: Version, signature: Signature) {
        let first = *self.by_version.entry((side, version)).or_insert(signature);
        assert_eq!(first, signature, "{side:?} signed two states of version {version}");
    }

    pub(crate) fn note_message(&mut self, side: Side, body: &Body) {
        match body {
            Body::Update(update) => self.note(side, update.version, update.signature),
            Body::Acknowledge { version, signature } | Body::Rebase { version, signature, .. } => {
                self.note(side, *version, *signature);
            }
            Body::Sync(sync) => {
                if let Some(signature) = sync.signature {
                    self.note(side, sync.confirmed, signature);
                }
            }
            Body::Refuse(refusal) => {
                if let Some(signature) = refusal.signature {
                    self.note(side, refusal.confirmed, signature);
                }
            }
            Body::Latest(latest) => {
                for of in Side::BOTH {
                    self.note(of, latest.position.state.version, latest.signatures[of.index()]);
                }
            }
            Body::RequestPen
            | Body::Propose { .. }
            | Body::Answer { .. }
            | Body::Fault { .. }
            | Body::OfferFinish { .. }
            | Body::Resume { .. }
            | Body::Demand { .. } => {}
        }
    }
}
