//! The two-party protocol as a pure state machine: no clock, no randomness, no I/O, no async.
//!
//! A [`Channel`] is one side's view of one channel. Inputs are commands of the user, messages of the peer, facts of
//! the chain and time; each appends to an [`Outputs`]: journal records, messages and events. **Messages and events
//! may leave only after the records of the same `Outputs` are durable**; the engine enforces that.
//! Nothing that a peer sends panics.

#![deny(clippy::disallowed_methods, clippy::iter_over_hash_type)]

mod app;
mod bill;
mod channel;
mod child;
mod command;
mod guarded;
mod invoices;
mod message;
mod onchain;
mod operation;
mod operations;
mod position;
mod record;
mod replay;
mod rule;
mod rules;
mod settings;
mod signer;

pub use app::{AppMove, AppStart, AppView, FinishOffer};
pub use bill::{Bill, BillLine};
pub use channel::{
    BalanceView, Channel, ChannelView, ChildView, Completed, Context, ExecutionView, GuardMark, HandedBack,
    Link, LockView, Outputs, RecoverError, Surroundings,
};
pub use child::{Admission, ChildOpening, ChildOutcome, NewChild, Standing, start_id};
pub use command::{ChainNews, Command, CommandError, Event, Outcome, Token};
pub use guarded::{Guarded, GuardedChild, GuardedError, SignedBefore, SignedMove};
pub use invoices::Invoices;
pub use message::{
    Body, Frame, FrameError, MAX_FRAME_BYTES, Refusal, SignedPosition, Sync, Update, WIRE_VERSION,
};
pub use onchain::{ChainAction, ChainDelta, ChainView, Deadline, Facts, Phase, Settlement};
pub use operation::{MAX_MEMO_BYTES, MAX_OPERATIONS, Operation, Payment};
pub use operations::{Operations, Payments, history_hash};
pub use position::{NumberedLock, Position, Violation, sha256 as lock_hash};
pub use record::Record;
pub use replay::{Check, Replay, ReplayError};
pub use rule::Rule;
pub use rules::{NoRules, Refused, Rules, RulesProvider};
pub use settings::Settings;
pub use signer::{Signer, SignerError};
