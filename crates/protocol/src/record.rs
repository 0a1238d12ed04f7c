//! The journal records of a channel. Replaying them over the last snapshot rebuilds it exactly.

use crate::app::AppStart;
use crate::child::ChildOpening;
use crate::message::{SignedPosition, Update};
use crate::onchain::ChainDelta;
use crate::operation::Operation;
use crate::position::Violation;
use crate::settings::Settings;
use borsh::{BorshDeserialize, BorshSerialize};
use strait_types::{B256, ChannelId, ChannelParams, Side, Signature, State, Version};

/// One durable step. The order of the variants is the format on disk.
#[derive(Clone, PartialEq, Eq, Debug, BorshSerialize, BorshDeserialize)]
pub enum Record {
    /// The channel became known.
    Opened {
        /// Its id.
        id: ChannelId,
        /// Its terms.
        params: ChannelParams,
        /// Which participant we are.
        side: Side,
        /// What we demand.
        settings: Settings,
    },
    /// We signed a version.
    Wrote(Update),
    /// We accepted the peer's version.
    Accepted(Update),
    /// The peer countersigned one of ours.
    Confirmed {
        /// Which.
        version: Version,
        /// Its signature.
        signature: Signature,
    },
    /// We refuse this version and all below that are not confirmed, for ever.
    Refused {
        /// Which.
        version: Version,
        /// Why.
        violation: Violation,
    },
    /// The peer refused ours; we go on from the confirmed state.
    RolledBack,
    /// We agreed to an operation beforehand.
    Agreed(Operation),
    /// We learnt a preimage.
    Preimage(B256),
    /// A fact of the chain.
    Chain(ChainDelta),
    /// This side was restored from a backup.
    Restored,
    /// We adopted what carries our own signature and the peer's.
    Adopted(SignedPosition),
    /// We, restored, signed a rebase.
    Rebasing {
        /// Its number.
        version: Version,
    },
    /// Both signed a rebase.
    Rebased {
        /// Its number.
        version: Version,
        /// The peer's signature on it.
        signature: Signature,
    },
    /// The user wants out, without the peer.
    ForceClose,
    /// The limit of the pending execution has passed at depth, or it was executed.
    ExecutionOver,
    /// A channel with an app became known.
    OpenedApp {
        /// Its id.
        id: ChannelId,
        /// Its terms.
        params: ChannelParams,
        /// Which participant we are.
        side: Side,
        /// What we demand.
        settings: Settings,
        /// What both begin with.
        start: AppStart,
    },
    /// The app is to be played on by the chain's clock: the peer stalls, or broke a rule.
    Dispute {
        /// Number of the dispute that we want.
        number: u16,
    },
    /// The peer refused our move in flight. It is never rewritten: it goes to the chain.
    MoveRefused,
    /// The chain has recorded a state, at depth, that is above what both signed: the app goes on from there.
    Forced(Box<State>),
    /// The peer signed to end a dispute.
    Resume {
        /// Its number.
        dispute: u16,
        /// The peer's signature.
        signature: Signature,
    },
    /// A child channel became known.
    OpenedChild {
        /// Its id.
        id: ChannelId,
        /// What both agreed to.
        opening: ChildOpening,
        /// Which participant we are.
        side: Side,
        /// What we demand.
        settings: Settings,
    },
    /// An app stands as it does since then, so that a restart does not give the peer its time anew.
    Turn {
        /// By this node's clock, milliseconds since the Unix epoch.
        since_ms: u64,
    },
    /// The user left a payment channel into which nobody had put anything.
    GivenUp,
}

impl Record {
    /// Reads a record as it is in the journal and the history.
    ///
    /// # Errors
    /// When the bytes are damaged.
    pub fn decode(bytes: &[u8]) -> Result<Record, std::io::Error> {
        borsh::from_slice(bytes)
    }

    /// Whether it carries operations that both sides agreed, or says which of them count, and so belongs to the
    /// itemised bill.
    pub fn is_history(&self) -> bool {
        matches!(
            self,
            Record::Wrote(_)
                | Record::Accepted(_)
                | Record::Confirmed { .. }
                | Record::RolledBack
                | Record::Adopted(_)
                | Record::Rebased { .. }
                | Record::Forced(_)
        )
    }
}
