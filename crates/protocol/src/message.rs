//! The wire format between peers: one byte of version, then a borsh value (<https://borsh.io>). The order of
//! variants and fields is the format; later releases append variants and announce them by feature bits.

use crate::app::AppStart;
use crate::child::ChildOpening;
use crate::operation::Operation;
use crate::operations::Operations;
use crate::position::Position;
use crate::rule::Rule;
use borsh::{BorshDeserialize, BorshSerialize};
use strait_types::{Amount, B256, ChannelId, ChannelParams, Side, Signature, Version};

/// Version of the wire format.
pub const WIRE_VERSION: u8 = 1;
/// Largest frame that is read, in bytes.
pub const MAX_FRAME_BYTES: usize = 4 * 1024 * 1024;

/// What one peer sends the other, apart from the transport's handshake.
#[derive(Clone, PartialEq, Eq, Debug, BorshSerialize, BorshDeserialize)]
pub enum Frame {
    /// Introduces a channel. Needed before its first message; repeated after every connect until answered.
    Open {
        /// Its terms; the id follows from them.
        params: ChannelParams,
    },
    /// The receiver does not take the channel.
    Decline {
        /// Which channel.
        channel: ChannelId,
        /// The policy's reason, in words; at most 256 bytes.
        reason: String,
    },
    /// A message within a channel.
    Channel {
        /// Which channel.
        channel: ChannelId,
        /// The message.
        body: Body,
    },
    /// The receiver knows no such channel with the sender: introduce it first.
    Unknown {
        /// Which channel.
        channel: ChannelId,
    },
    /// Introduces a channel with an app.
    OpenApp {
        /// Its terms; the id follows from them.
        params: ChannelParams,
        /// What both begin with.
        start: AppStart,
    },
    /// Tells a peer, which says that it does not know it, of a child channel whose lock both have signed.
    OpenChild {
        /// What both agreed to.
        opening: Box<ChildOpening>,
    },
}

/// A message within a channel.
#[derive(Clone, PartialEq, Eq, Debug, BorshSerialize, BorshDeserialize)]
pub enum Body {
    /// Where the sender stands; on every connect, and whenever something seems lost.
    Sync(Sync),
    /// The next version.
    Update(Update),
    /// Countersignature of a version and, with it, of all before.
    Acknowledge {
        /// Highest version accepted.
        version: Version,
        /// The sender's signature on it.
        signature: Signature,
    },
    /// A version is refused, durably.
    Refuse(Refusal),
    /// The reader wants to write.
    RequestPen,
    /// Asks for agreement to an operation.
    Propose {
        /// Tells proposals of one connection apart.
        id: u64,
        /// The operation as it would be written.
        operation: Operation,
    },
    /// Answers a proposal.
    Answer {
        /// The proposal.
        id: u64,
        /// `None`: agreed.
        refused: Option<Rule>,
    },
    /// The best that the sender holds, for a peer that lost it.
    Latest(SignedPosition),
    /// First version after a restore: the receiver's best state under a number that no earlier life can have used.
    Rebase {
        /// Version of the state it repeats.
        base: Version,
        /// Hash of that state.
        base_hash: B256,
        /// Its number.
        version: Version,
        /// The restored side's signature.
        signature: Signature,
    },
    /// The receiver broke a rule; nothing was changed by its message.
    Fault {
        /// Which.
        rule: Rule,
    },
    /// Who is to move would end the app so. Binds nobody: the other side proposes and writes it.
    OfferFinish {
        /// Version that it rests on.
        version: Version,
        /// What participant 0 and 1 would gain or lose, per asset.
        outcome: Vec<[i128; 2]>,
    },
    /// Lets the running dispute end, so that the channel lives on.
    Resume {
        /// Number of the dispute.
        dispute: u16,
        /// The sender's signature.
        signature: Signature,
    },
    /// What the receiver must have deposited before the sender signs anything beyond the channel's close. Sent before
    /// `Sync` on every connect while it is not there.
    Demand {
        /// By the channel's assets in order, in the smallest unit; assets beyond the list have no minimum.
        deposits: Vec<Amount>,
    },
}

/// Where a side stands.
#[derive(Clone, PartialEq, Eq, Debug, BorshSerialize, BorshDeserialize)]
pub struct Sync {
    /// Highest version for which the sender holds the receiver's signature.
    pub confirmed: Version,
    /// Hash of that state.
    pub confirmed_hash: B256,
    /// The sender's signature on it; `None` at version 0.
    pub signature: Option<Signature>,
    /// The sender was restored from a backup and waits for a rebase.
    pub restored: bool,
    /// Asks for a `Sync` in return.
    pub reply: bool,
}

/// The writer's next version. The state is not sent: both compute it.
#[derive(Clone, PartialEq, Eq, Debug, BorshSerialize, BorshDeserialize)]
pub struct Update {
    /// Version that it builds on.
    pub base: Version,
    /// Hash of that state.
    pub base_hash: B256,
    /// Its number.
    pub version: Version,
    /// What happens, in order.
    pub operations: Operations,
    /// The writer's signature on the resulting state.
    pub signature: Signature,
}

impl Update {
    /// Who writes this version above a state with that writer: the other side, when it is the end of an app.
    pub fn author(&self, writer: Side) -> Side {
        if matches!(self.operations[..], [Operation::Finish { .. }]) { writer.other() } else { writer }
    }
}

/// A refusal. It goes with the refuser's highest countersignature, from which the writer goes on.
#[derive(Clone, PartialEq, Eq, Debug, BorshSerialize, BorshDeserialize)]
pub struct Refusal {
    /// The refused version; what builds on it is refused with it.
    pub version: Version,
    /// The operation at fault; `None`: the version as a whole.
    pub index: Option<u32>,
    /// The rule that is broken.
    pub rule: Rule,
    /// Highest version accepted.
    pub confirmed: Version,
    /// The refuser's signature on it; `None` at version 0.
    pub signature: Option<Signature>,
}

/// A position with both signatures.
#[derive(Clone, PartialEq, Eq, Debug, BorshSerialize, BorshDeserialize)]
pub struct SignedPosition {
    /// The state with its lock list and counters.
    pub position: Position,
    /// By participant 0 and 1.
    pub signatures: [Signature; 2],
}

/// Bytes that are no frame; the peer's fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Larger than [`MAX_FRAME_BYTES`].
    #[error("the frame has {0} bytes, more than the {MAX_FRAME_BYTES} allowed")]
    TooLarge(usize),
    /// Another wire version.
    #[error(
        "the frame has wire version {0}, this release speaks version {WIRE_VERSION}; update the older of the two nodes"
    )]
    WrongVersion(u8),
    /// Truncated, trailing or malformed bytes.
    #[error("the frame is malformed: {0}")]
    Malformed(String),
}

impl Frame {
    /// The bytes to send.
    pub fn encode(&self) -> Vec<u8> {
        let operations = match self {
            Frame::Channel { body: Body::Update(update), .. } => update.operations.encoded_len(),
            _ => 0,
        };
        let mut bytes = Vec::with_capacity(operations.saturating_add(256));
        bytes.push(WIRE_VERSION);
        // Writing to a Vec cannot fail.
        let _infallible = self.serialize(&mut bytes);
        bytes
    }

    /// Reads a frame; nothing may follow it.
    ///
    /// # Errors
    /// See [`FrameError`].
    pub fn decode(bytes: &[u8]) -> Result<Frame, FrameError> {
        if bytes.len() > MAX_FRAME_BYTES {
            return Err(FrameError::TooLarge(bytes.len()));
        }
        match bytes.split_first() {
            None => Err(FrameError::Malformed("empty".into())),
            Some((&WIRE_VERSION, rest)) => {
                borsh::from_slice(rest).map_err(|error| FrameError::Malformed(error.to_string()))
            }
            Some((&version, _)) => Err(FrameError::WrongVersion(version)),
        }
    }
}
