//! The handshake's messages: magic, one byte of version, then a borsh value, like the frames that follow it.
//! The encoding of [`Rejection`] never changes, so that every release can tell every other why it refuses.

use borsh::{BorshDeserialize, BorshSerialize};
use strait_protocol::WIRE_VERSION;
use strait_types::{Address, B256, Domain, Signature, keccak256};

const MAGIC: [u8; 4] = *b"STRT";
const PROOF_TAG: &[u8] = b"Strait transport proof\0";

/// Version of the handshake itself.
pub const HANDSHAKE_VERSION: u8 = 1;
/// Largest handshake message, in bytes.
pub const MAX_HANDSHAKE_BYTES: usize = 512;
/// Optional abilities of this release; a bit counts when both sides set it.
pub const FEATURES: u64 = 0;
/// The bit of a hello's features by which a connection is one between a node and its watchtower. Both sides set it, or none.
pub const TOWER_LINK: u64 = 1;

/// One message of the handshake.
#[derive(Clone, Copy, PartialEq, Eq, Debug, BorshSerialize, BorshDeserialize)]
pub enum HandshakeMessage {
    /// Who the sender claims to be and what it speaks.
    Hello(Hello),
    /// The sender's signature on [`proof_digest`].
    Proof(Signature),
    /// The sender ends the handshake.
    Reject(Rejection),
}

/// Who a side claims to be and what it speaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, BorshSerialize, BorshDeserialize)]
pub struct Hello {
    /// Versions of the frames that it speaks.
    pub wire: WireRange,
    /// Optional abilities, see [`FEATURES`]; unknown bits are ignored.
    pub features: u64,
    /// The address of its key.
    pub signer: Address,
    /// Fresh random bytes, so that no earlier proof fits.
    pub nonce: B256,
    /// EIP-155 id of its chain.
    pub chain_id: u64,
    /// Its adjudicator.
    pub adjudicator: Address,
    /// Where channels pay it out.
    pub payout: Address,
}

/// Inclusive range of wire versions.
#[derive(Clone, Copy, PartialEq, Eq, Debug, BorshSerialize, BorshDeserialize)]
pub struct WireRange {
    /// Oldest version spoken.
    pub oldest: u8,
    /// Newest version spoken.
    pub newest: u8,
}

/// Why a side ends the handshake. Variants are only appended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, BorshSerialize, BorshDeserialize, thiserror::Error)]
pub enum Rejection {
    /// The releases are too far apart.
    #[error("it speaks wire versions {} to {}; update the older of the two nodes", .0.oldest, .0.newest)]
    NoCommonVersion(WireRange),
    /// It serves another chain or adjudicator.
    #[error("it serves chain {chain_id} with adjudicator {adjudicator}; configure both nodes alike")]
    OtherDomain {
        /// Its chain.
        chain_id: u64,
        /// Its adjudicator.
        adjudicator: Address,
    },
    /// It looked for somebody else.
    #[error("it expected {expected} here; give it this node's current peer address")]
    WrongIdentity {
        /// Whom it expected.
        expected: Address,
    },
    /// It has the same key.
    #[error("it has the same signer key as this node; give every node a key of its own")]
    OwnIdentity,
    /// The signature is not by the claimed key, or not on this handshake.
    #[error(
        "our proof of identity did not convince it; something between the nodes alters the handshake, or the key does not fit its address"
    )]
    BadProof,
    /// It could not read a message.
    #[error("it could not read our message; update the older of the two nodes")]
    Malformed,
    /// The connection opened by the other side is kept.
    #[error("it is connected to this node already")]
    AlreadyConnected,
    /// It has as many connections as it allows.
    #[error(
        "it serves as many peers as it is allowed to; try later, or ask its operator to add this node as a peer"
    )]
    Busy,
    /// It could not sign.
    #[error("it cannot use its own key at the moment; try later")]
    NoKey,
    /// It stops.
    #[error("it is shutting down; try later")]
    ShuttingDown,
    /// The connection is not encrypted and comes from another machine.
    #[error("it takes unencrypted connections only from its own machine; dial it by TLS")]
    NeedsTls,
    /// It was taken for a tower.
    #[error(
        "no tower is there, but a node; correct the tower's address, which the tower prints when it starts"
    )]
    NoTower,
    /// It was taken for a peer.
    #[error("a tower is there, no node; `strait tower add` is for towers")]
    NoNode,
}

/// What a connection is for: each side says so in its hello, and two kinds never meet, so that a link with a tower takes
/// nobody's link with a peer of the same key away.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum LinkKind {
    /// Two nodes, which have channels with each other.
    #[default]
    Peer,
    /// A node and its watchtower.
    Tower,
}

impl LinkKind {
    /// What a hello of this kind sets in `features`.
    pub fn features(self) -> u64 {
        match self {
            LinkKind::Peer => FEATURES,
            LinkKind::Tower => FEATURES | TOWER_LINK,
        }
    }

    /// The kind of a hello with these features.
    pub fn of(features: u64) -> LinkKind {
        if features & TOWER_LINK == 0 { LinkKind::Peer } else { LinkKind::Tower }
    }
}

/// Which side of a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// It dialled.
    Initiator,
    /// It listened.
    Acceptor,
}

/// Bytes that are no handshake message; the peer's fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// Not Strait at all.
    #[error("the other side does not speak Strait's protocol; check host and port")]
    NotStrait,
    /// Another handshake.
    #[error(
        "the other side uses handshake version {0}, this release version {HANDSHAKE_VERSION}; update the older of the two nodes"
    )]
    OtherVersion(u8),
    /// Truncated, trailing or malformed bytes, or too many.
    #[error("the handshake message is malformed: {0}")]
    Malformed(String),
}

impl WireRange {
    /// What this release speaks.
    pub const OURS: WireRange = WireRange { oldest: WIRE_VERSION, newest: WIRE_VERSION };

    /// The newest version in both ranges.
    pub fn common(self, other: WireRange) -> Option<u8> {
        let newest = self.newest.min(other.newest);
        (newest >= self.oldest && newest >= other.oldest).then_some(newest)
    }
}

impl Hello {
    /// What this release says of itself. `nonce` must be fresh and random.
    pub fn new(domain: &Domain, signer: Address, payout: Address, nonce: B256) -> Hello {
        Hello {
            wire: WireRange::OURS,
            features: FEATURES,
            signer,
            nonce,
            chain_id: domain.chain_id(),
            adjudicator: domain.adjudicator(),
            payout,
        }
    }
}

impl HandshakeMessage {
    /// The bytes to send.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(128);
        bytes.extend_from_slice(&MAGIC);
        bytes.push(HANDSHAKE_VERSION);
        // Writing to a Vec cannot fail.
        let _infallible = self.serialize(&mut bytes);
        bytes
    }

    /// Reads a message; nothing may follow it.
    ///
    /// # Errors
    /// See [`MessageError`].
    pub fn decode(bytes: &[u8]) -> Result<HandshakeMessage, MessageError> {
        if bytes.len() > MAX_HANDSHAKE_BYTES {
            return Err(MessageError::Malformed(format!("{} bytes", bytes.len())));
        }
        let rest = bytes.strip_prefix(&MAGIC).ok_or(MessageError::NotStrait)?;
        match rest.split_first() {
            None => Err(MessageError::Malformed("no version".into())),
            Some((&HANDSHAKE_VERSION, body)) => {
                borsh::from_slice(body).map_err(|error| MessageError::Malformed(error.to_string()))
            }
            Some((&version, _)) => Err(MessageError::OtherVersion(version)),
        }
    }
}

/// What the side in `role` signs: tag, role, the hashes of both hellos as they were sent, the initiator's first, and the
/// binding to the TLS session (zero without one). It fits one handshake only (nonces), between these two (signers), in
/// this direction (role), over this connection (binding), and is no EIP-712 digest.
pub fn proof_digest(role: Role, initiator_hello: &[u8], acceptor_hello: &[u8], binding: B256) -> B256 {
    let mut preimage = Vec::with_capacity(PROOF_TAG.len() + 97);
    preimage.extend_from_slice(PROOF_TAG);
    preimage.push(match role {
        Role::Initiator => 0,
        Role::Acceptor => 1,
    });
    preimage.extend_from_slice(keccak256(initiator_hello).as_slice());
    preimage.extend_from_slice(keccak256(acceptor_hello).as_slice());
    preimage.extend_from_slice(binding.as_slice());
    keccak256(preimage)
}
