//! What a tower and its clients say to each other: two bytes that tell it from the frames between peers, then a borsh
//! value. The order of variants and fields is the format. What changes it otherwise than by a variant at the end is a new
//! version: both sides refuse another one than theirs, and say which of them is the older.

use borsh::{BorshDeserialize, BorshSerialize};
use strait_protocol::{Guarded, MAX_FRAME_BYTES, Signer, SignerError};
use strait_types::{Address, B256, ChannelId, Domain, Signature, SignatureError, Version, keccak256};

/// First byte of every frame; frames between peers begin with their wire version.
const MAGIC: u8 = b'T';
/// Version of this format.
pub const TOWER_WIRE_VERSION: u8 = 2;
/// What a tower signs begins so.
const RECEIPT_TAG: &[u8] = b"Strait tower receipt\0";
/// Most receipts in one frame.
pub(crate) const MAX_RECEIPTS: usize = 1_000;

/// What a client says.
#[derive(Clone, PartialEq, Eq, Debug, BorshSerialize, BorshDeserialize)]
pub enum ClientFrame {
    /// Guard this, in the place of what was handed over before.
    Keep(Box<Guarded>),
    /// Which channels are held for this client, with ids above the one given.
    List {
        /// `None`: from the start.
        after: Option<ChannelId>,
    },
    /// Hand back what is held.
    Fetch {
        /// Of which channel.
        channel: ChannelId,
    },
}

/// What a tower answers.
#[derive(Clone, PartialEq, Eq, Debug, BorshSerialize, BorshDeserialize)]
pub enum TowerFrame {
    /// It is on disk.
    Kept(Receipt),
    /// It is not guarded.
    Refused {
        /// Which channel.
        channel: ChannelId,
        /// Its version that is refused.
        version: Version,
        /// Why.
        reason: Refusal,
    },
    /// What is held for this client, by channel.
    Held {
        /// Ascending by channel; at most a thousand.
        receipts: Vec<Receipt>,
        /// There are others, with higher ids.
        more: bool,
    },
    /// What is held of a channel; `None`: nothing.
    Back {
        /// Which channel.
        channel: ChannelId,
        /// The last that was handed over.
        guarded: Option<Box<Guarded>>,
    },
    /// The client is not served at all, and the tower hangs up.
    TurnedAway {
        /// Why.
        reason: Refusal,
    },
}

/// A tower's signed word that it holds something; with it a client can show that a tower did not do its work.
#[derive(Clone, PartialEq, Eq, Debug, BorshSerialize, BorshDeserialize)]
pub struct Receipt {
    /// Which channel.
    pub channel: ChannelId,
    /// Version that both participants signed.
    pub version: Version,
    /// [`Guarded::digest`] of what was handed over.
    pub digest: B256,
    /// When it was on disk, by the tower's clock, in Unix seconds.
    pub at: u64,
    /// The tower's, on all of this, the client, chain and adjudicator.
    pub signature: Signature,
}

/// Why a tower does not guard something.
#[derive(Clone, PartialEq, Eq, Debug, BorshSerialize, BorshDeserialize, thiserror::Error)]
pub enum Refusal {
    /// The operator did not admit the client.
    #[error("the tower does not serve this key; ask its operator to add it to tower.clients")]
    NotAdmitted,
    /// A higher version is held already.
    #[error("the tower holds version {0} already, which is higher")]
    Lower(Version),
    /// It proves nothing.
    #[error("the tower finds it wrong: {0}")]
    Wrong(String),
    /// The client has as many channels there as it may.
    #[error(
        "the tower guards {0} channels for this key, the most that it may have; ask its operator for more"
    )]
    Channels(u32),
    /// The client takes as much space there as it may.
    #[error("the tower holds {0} bytes for this key, the most that it may have; ask its operator for more")]
    Bytes(u64),
    /// The tower is full.
    #[error("the tower is full; use another one too, or try later")]
    Full,
    /// Too much at once; the same again later.
    #[error("the tower takes no more of this key for {retry_ms} milliseconds")]
    Busy {
        /// When to try again, in milliseconds.
        retry_ms: u32,
    },
    /// The tower cannot sign.
    #[error("the tower cannot use its key at the moment")]
    NoKey,
    /// The channel is closed on chain.
    #[error("the channel is closed on chain, there is nothing to guard")]
    Closed,
    /// As many channels within the same channel are held as that has room for; some are over once its next state is held.
    #[error("the tower holds as many channels within the same channel as that has room for")]
    Family,
}

/// Bytes that are no frame of this protocol; the other side's fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TowerFrameError {
    /// Larger than a frame may be.
    #[error("the frame has {0} bytes, more than the {MAX_FRAME_BYTES} allowed")]
    TooLarge(usize),
    /// Not of this protocol.
    #[error("the other side does not speak with towers; check the tower's address")]
    NotTower,
    /// Another version.
    #[error(
        "the frame has version {0}, this release speaks version {TOWER_WIRE_VERSION}; update the older of the two"
    )]
    OtherVersion(u8),
    /// Truncated, trailing or malformed bytes.
    #[error("the frame is malformed: {0}")]
    Malformed(String),
}

fn encode(value: &impl BorshSerialize) -> Vec<u8> {
    let mut bytes = vec![MAGIC, TOWER_WIRE_VERSION];
    // Writing to a Vec cannot fail.
    let _infallible = value.serialize(&mut bytes);
    bytes
}

fn decode<T: BorshDeserialize>(bytes: &[u8]) -> Result<T, TowerFrameError> {
    match bytes {
        _ if bytes.len() > MAX_FRAME_BYTES => Err(TowerFrameError::TooLarge(bytes.len())),
        [MAGIC, TOWER_WIRE_VERSION, body @ ..] => {
            borsh::from_slice(body).map_err(|error| TowerFrameError::Malformed(error.to_string()))
        }
        [MAGIC, version, ..] => Err(TowerFrameError::OtherVersion(*version)),
        _ => Err(TowerFrameError::NotTower),
    }
}

impl ClientFrame {
    /// The bytes to send.
    pub fn encode(&self) -> Vec<u8> {
        encode(self)
    }

    /// Reads a frame; nothing may follow it.
    ///
    /// # Errors
    /// See [`TowerFrameError`].
    pub fn decode(bytes: &[u8]) -> Result<ClientFrame, TowerFrameError> {
        decode(bytes)
    }
}

impl TowerFrame {
    /// The bytes to send.
    pub fn encode(&self) -> Vec<u8> {
        encode(self)
    }

    /// Reads a frame; nothing may follow it.
    ///
    /// # Errors
    /// See [`TowerFrameError`].
    pub fn decode(bytes: &[u8]) -> Result<TowerFrame, TowerFrameError> {
        decode(bytes)
    }
}

impl Receipt {
    /// Signs that something is held for a client.
    ///
    /// # Errors
    /// When the tower's key is not to be had.
    pub fn sign(
        domain: &Domain,
        signer: &dyn Signer,
        client: Address,
        guarded: &Guarded,
        at: u64,
    ) -> Result<Receipt, SignerError> {
        let mut receipt = Receipt {
            channel: guarded.channel(domain),
            version: guarded.version(),
            digest: guarded.digest(),
            at,
            signature: Signature([0; 64]),
        };
        receipt.signature = signer.sign(receipt.signed_digest(domain, client))?;
        Ok(receipt)
    }

    /// What the tower signs: a tag, then each part in a fixed width. It is no EIP-712 digest and no proof of a handshake.
    pub fn signed_digest(&self, domain: &Domain, client: Address) -> B256 {
        let mut preimage = Vec::with_capacity(192);
        preimage.extend_from_slice(RECEIPT_TAG);
        preimage.extend_from_slice(&domain.chain_id().to_be_bytes());
        preimage.extend_from_slice(domain.adjudicator().as_slice());
        preimage.extend_from_slice(client.as_slice());
        preimage.extend_from_slice(self.channel.0.as_slice());
        preimage.extend_from_slice(&self.version.0.to_be_bytes());
        preimage.extend_from_slice(self.digest.as_slice());
        preimage.extend_from_slice(&self.at.to_be_bytes());
        keccak256(preimage)
    }

    /// Whether a tower signed it for a client.
    ///
    /// # Errors
    /// When it is by somebody else, or of another client, chain or adjudicator.
    pub fn verify(&self, domain: &Domain, tower: Address, client: Address) -> Result<(), SignatureError> {
        self.signature.verify(self.signed_digest(domain, client), tower)
    }
}
