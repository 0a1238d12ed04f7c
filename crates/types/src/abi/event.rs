//! Events of the adjudicator.

use super::convert::{self, Reader};
use super::solidity::Adjudicator;
use super::{AbiError, HUB, Record};
use crate::{Amount, AssetIndex, ChannelId, Lock, Side, State};
use alloy_primitives::{Address, B256, U256};
use alloy_sol_types::SolEvent;
use borsh::{BorshDeserialize, BorshSerialize};

/// What was paid out per asset: to participant 0's payout and to participant 1's, in the smallest unit. Both deposits
/// may go to one side, so that this can be more than an [`Amount`] holds.
pub type Paid = Vec<[u128; 2]>;

/// A decoded event of the adjudicator.
#[derive(Clone, PartialEq, Eq, Debug, BorshSerialize, BorshDeserialize)]
pub enum AdjudicatorEvent {
    /// What really arrived for a participant.
    Deposited {
        /// The channel.
        channel: ChannelId,
        /// For whom.
        side: Side,
        /// Of which asset.
        asset: AssetIndex,
        /// How much.
        amount: Amount,
    },
    /// A dispute began.
    Challenged {
        /// The channel.
        channel: ChannelId,
        /// Who challenged.
        challenger: Side,
        /// Number of the dispute in the channel, from 0.
        dispute: u16,
        /// Unix seconds; afterwards the record can be settled.
        deadline: u64,
        /// What is now recorded.
        state: State,
    },
    /// The record was replaced by a higher version during a dispute.
    Responded {
        /// The channel.
        channel: ChannelId,
        /// Number of the dispute.
        dispute: u16,
        /// What is now recorded.
        state: State,
    },
    /// The dispute ended by agreement; the record stays.
    Resumed {
        /// The channel.
        channel: ChannelId,
        /// Number of the dispute that ended.
        dispute: u16,
    },
    /// The state was recorded and the increase of its `withdrawn` paid.
    Withdrawn {
        /// The channel.
        channel: ChannelId,
        /// What is now recorded.
        state: State,
        /// Paid now.
        paid: Paid,
    },
    /// All was paid out by agreement.
    Closed {
        /// The channel.
        channel: ChannelId,
        /// Paid now.
        paid: Paid,
    },
    /// The dispute ended by time, free balances were paid.
    Settled {
        /// The channel.
        channel: ChannelId,
        /// Paid now.
        paid: Paid,
        /// Kept for the locks, per asset, in the smallest unit.
        reserve: Vec<u128>,
        /// Of the locks that remain; zero: the channel is closed.
        locks_hash: B256,
    },
    /// Locks were resolved.
    Unlocked {
        /// The channel.
        channel: ChannelId,
        /// Paid now.
        paid: Paid,
        /// What remains; empty: the channel is closed.
        locks: Vec<Lock>,
    },
    /// A preimage is public from now on, and its hash locks can resolve.
    PreimageRegistered {
        /// Its sha256.
        hash: B256,
        /// The preimage.
        preimage: B256,
    },
    /// A payout failed and waits as a credit.
    Credited {
        /// Who can pull it.
        payout: Address,
        /// The zero address is the native coin.
        asset: Address,
        /// How much.
        amount: U256,
    },
    /// A credit was pulled.
    CreditWithdrawn {
        /// Whose it was.
        payout: Address,
        /// The zero address is the native coin.
        asset: Address,
        /// Where it went.
        to: Address,
        /// How much.
        amount: U256,
    },
    /// The hub of a child channel began a dispute at what was recorded.
    HubChallenged {
        /// The channel.
        channel: ChannelId,
        /// Number of the dispute in the channel, from 0.
        dispute: u16,
        /// Unix seconds; until then higher states can be shown.
        deadline: u64,
        /// What is recorded.
        state: State,
    },
    /// A forced move, or a higher state that both signed, was recorded after the period of a dispute.
    Progressed {
        /// The channel.
        channel: ChannelId,
        /// Number of the dispute.
        dispute: u16,
        /// Unix seconds; until then the writer of `state` may move, afterwards the channel can be settled.
        deadline: u64,
        /// What is now recorded.
        state: State,
    },
    /// A child channel has its outcome: the locks that wait for it can be resolved.
    Finalised {
        /// The child.
        channel: ChannelId,
        /// For its participants 0 and 1.
        outcome: [Amount; 2],
    },
    /// An app has code from now on.
    AppDeployed {
        /// Its address.
        app: Address,
    },
}

impl AdjudicatorEvent {
    /// The channel it speaks of; none for the registry of preimages, apps and credits.
    pub fn channel(&self) -> Option<ChannelId> {
        match self {
            Self::Deposited { channel, .. }
            | Self::Challenged { channel, .. }
            | Self::HubChallenged { channel, .. }
            | Self::Progressed { channel, .. }
            | Self::Finalised { channel, .. }
            | Self::Responded { channel, .. }
            | Self::Resumed { channel, .. }
            | Self::Withdrawn { channel, .. }
            | Self::Closed { channel, .. }
            | Self::Settled { channel, .. }
            | Self::Unlocked { channel, .. } => Some(*channel),
            Self::PreimageRegistered { .. }
            | Self::AppDeployed { .. }
            | Self::Credited { .. }
            | Self::CreditWithdrawn { .. } => None,
        }
    }

    /// What the adjudicator has recorded after this event, when it changes that.
    pub fn record(&self) -> Option<Record> {
        match self {
            Self::Challenged { state, .. }
            | Self::HubChallenged { state, .. }
            | Self::Progressed { state, .. }
            | Self::Responded { state, .. }
            | Self::Withdrawn { state, .. } => Some(Record::of(state)),
            _ => None,
        }
    }
}

/// Decodes a log of the adjudicator. `None`: not one of its events, or of no concern to anyone who follows the protocol:
/// strangers who sign locks beyond any [`Amount`] can have them in an `Unlocked` event, and must not stop those who
/// follow the chain.
///
/// # Errors
/// The topic is the adjudicator's, the rest is not.
pub fn decode_event(topics: &[B256], data: &[u8]) -> Result<Option<AdjudicatorEvent>, AbiError> {
    let Some(topic) = topics.first() else { return Ok(None) };
    let decoded = match *topic {
        Adjudicator::Deposited::SIGNATURE_HASH => deposited(topics, data),
        Adjudicator::Challenged::SIGNATURE_HASH => challenged(topics, data),
        Adjudicator::Responded::SIGNATURE_HASH => responded(topics, data),
        Adjudicator::Resumed::SIGNATURE_HASH => resumed(topics, data),
        Adjudicator::Withdrawn::SIGNATURE_HASH => withdrawn(topics, data),
        Adjudicator::Closed::SIGNATURE_HASH => closed(topics, data),
        Adjudicator::Settled::SIGNATURE_HASH => settled(topics, data),
        Adjudicator::Unlocked::SIGNATURE_HASH => return unlocked(topics, data),
        Adjudicator::PreimageRegistered::SIGNATURE_HASH => preimage_registered(topics, data),
        Adjudicator::Progressed::SIGNATURE_HASH => progressed(topics, data),
        Adjudicator::Finalised::SIGNATURE_HASH => finalised(topics, data),
        Adjudicator::AppDeployed::SIGNATURE_HASH => app_deployed(topics, data),
        Adjudicator::Credited::SIGNATURE_HASH => credited(topics, data),
        Adjudicator::CreditWithdrawn::SIGNATURE_HASH => credit_withdrawn(topics, data),
        _ => return Ok(None),
    };
    decoded.map(Some)
}

fn raw<E: SolEvent>(reader: Reader, topics: &[B256], data: &[u8]) -> Result<E, AbiError> {
    E::decode_raw_log_validate(topics, data).map_err(|error| reader.malformed(&error))
}

fn paid(reader: Reader, rows: &[[U256; 2]]) -> Result<Paid, AbiError> {
    rows.iter().map(|[zero, one]| Ok([reader.number("paid", *zero)?, reader.number("paid", *one)?])).collect()
}

fn deposited(topics: &[B256], data: &[u8]) -> Result<AdjudicatorEvent, AbiError> {
    let reader = Reader("Deposited event");
    let event: Adjudicator::Deposited = raw(reader, topics, data)?;
    Ok(AdjudicatorEvent::Deposited {
        channel: ChannelId(event.channelId),
        side: reader.side("participant", event.participant)?,
        asset: AssetIndex(reader.number("asset index", event.assetIndex)?),
        amount: reader.amount("amount", event.amount)?,
    })
}

fn challenged(topics: &[B256], data: &[u8]) -> Result<AdjudicatorEvent, AbiError> {
    let reader = Reader("Challenged event");
    let event: Adjudicator::Challenged = raw(reader, topics, data)?;
    let channel = ChannelId(event.channelId);
    let dispute = reader.number("dispute", event.dispute)?;
    let deadline = reader.number("deadline", event.deadline)?;
    let state = reader.state(channel, &event.state)?;
    if event.challenger == U256::from(HUB) {
        return Ok(AdjudicatorEvent::HubChallenged { channel, dispute, deadline, state });
    }
    let challenger = reader.side("challenger", event.challenger)?;
    Ok(AdjudicatorEvent::Challenged { channel, challenger, dispute, deadline, state })
}

fn progressed(topics: &[B256], data: &[u8]) -> Result<AdjudicatorEvent, AbiError> {
    let reader = Reader("Progressed event");
    let event: Adjudicator::Progressed = raw(reader, topics, data)?;
    let channel = ChannelId(event.channelId);
    Ok(AdjudicatorEvent::Progressed {
        channel,
        dispute: reader.number("dispute", event.dispute)?,
        deadline: reader.number("deadline", event.deadline)?,
        state: reader.state(channel, &event.state)?,
    })
}

fn finalised(topics: &[B256], data: &[u8]) -> Result<AdjudicatorEvent, AbiError> {
    let reader = Reader("Finalised event");
    let event: Adjudicator::Finalised = raw(reader, topics, data)?;
    let outcome = [reader.amount("outcome", event.outcome0)?, reader.amount("outcome", event.outcome1)?];
    Ok(AdjudicatorEvent::Finalised { channel: ChannelId(event.channelId), outcome })
}

fn app_deployed(topics: &[B256], data: &[u8]) -> Result<AdjudicatorEvent, AbiError> {
    let event: Adjudicator::AppDeployed = raw(Reader("AppDeployed event"), topics, data)?;
    Ok(AdjudicatorEvent::AppDeployed { app: event.app })
}

fn responded(topics: &[B256], data: &[u8]) -> Result<AdjudicatorEvent, AbiError> {
    let reader = Reader("Responded event");
    let event: Adjudicator::Responded = raw(reader, topics, data)?;
    let channel = ChannelId(event.channelId);
    Ok(AdjudicatorEvent::Responded {
        channel,
        dispute: reader.number("dispute", event.dispute)?,
        state: reader.state(channel, &event.state)?,
    })
}

fn resumed(topics: &[B256], data: &[u8]) -> Result<AdjudicatorEvent, AbiError> {
    let reader = Reader("Resumed event");
    let event: Adjudicator::Resumed = raw(reader, topics, data)?;
    Ok(AdjudicatorEvent::Resumed {
        channel: ChannelId(event.channelId),
        dispute: reader.number("dispute", event.dispute)?,
    })
}

fn withdrawn(topics: &[B256], data: &[u8]) -> Result<AdjudicatorEvent, AbiError> {
    let reader = Reader("Withdrawn event");
    let event: Adjudicator::Withdrawn = raw(reader, topics, data)?;
    let channel = ChannelId(event.channelId);
    Ok(AdjudicatorEvent::Withdrawn {
        channel,
        paid: paid(reader, &event.paid)?,
        state: reader.state(channel, &event.state)?,
    })
}

fn closed(topics: &[B256], data: &[u8]) -> Result<AdjudicatorEvent, AbiError> {
    let reader = Reader("Closed event");
    let event: Adjudicator::Closed = raw(reader, topics, data)?;
    Ok(AdjudicatorEvent::Closed { channel: ChannelId(event.channelId), paid: paid(reader, &event.paid)? })
}

fn settled(topics: &[B256], data: &[u8]) -> Result<AdjudicatorEvent, AbiError> {
    let reader = Reader("Settled event");
    let event: Adjudicator::Settled = raw(reader, topics, data)?;
    Ok(AdjudicatorEvent::Settled {
        channel: ChannelId(event.channelId),
        paid: paid(reader, &event.paid)?,
        reserve: event
            .reserve
            .iter()
            .map(|kept| reader.number("reserve", *kept))
            .collect::<Result<_, _>>()?,
        locks_hash: event.locksHash,
    })
}

fn unlocked(topics: &[B256], data: &[u8]) -> Result<Option<AdjudicatorEvent>, AbiError> {
    let reader = Reader("Unlocked event");
    let event: Adjudicator::Unlocked = raw(reader, topics, data)?;
    let locks: Option<Vec<Lock>> = event.locks.iter().map(convert::checked_lock).collect();
    let paid = paid(reader, &event.paid)?;
    let channel = ChannelId(event.channelId);
    Ok(locks.map(|locks| AdjudicatorEvent::Unlocked { channel, paid, locks }))
}

fn preimage_registered(topics: &[B256], data: &[u8]) -> Result<AdjudicatorEvent, AbiError> {
    let event: Adjudicator::PreimageRegistered = raw(Reader("PreimageRegistered event"), topics, data)?;
    Ok(AdjudicatorEvent::PreimageRegistered { hash: event.hash, preimage: event.preimage })
}

fn credited(topics: &[B256], data: &[u8]) -> Result<AdjudicatorEvent, AbiError> {
    let event: Adjudicator::Credited = raw(Reader("Credited event"), topics, data)?;
    Ok(AdjudicatorEvent::Credited { payout: event.payout, asset: event.asset, amount: event.amount })
}

fn credit_withdrawn(topics: &[B256], data: &[u8]) -> Result<AdjudicatorEvent, AbiError> {
    let event: Adjudicator::CreditWithdrawn = raw(Reader("CreditWithdrawn event"), topics, data)?;
    Ok(AdjudicatorEvent::CreditWithdrawn {
        payout: event.payout,
        asset: event.asset,
        to: event.to,
        amount: event.amount,
    })
}
