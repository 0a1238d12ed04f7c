use super::{AppPosition, InvoiceIssue, InvoicePayment, Phase};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strait_types::{Address, Amount, B256, ChannelId};

/// Which events.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EventQuery {
    /// Those after this cursor; absent: from now on (a subscription), or the newest that are held (a query).
    pub after: Option<String>,
    /// Only of this channel.
    #[schemars(with = "Option<String>")]
    pub channel: Option<ChannelId>,
    /// At most so many, 1 to 10,000; absent: 1,000. A subscription has no limit.
    pub limit: Option<u32>,
}

/// Events.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Events {
    /// Oldest first.
    pub events: Vec<EventRecord>,
    /// Yields what happens after these.
    pub cursor: String,
}

/// Something that happened.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct EventRecord {
    /// Resumes after this event.
    pub cursor: String,
    /// When, by the node's clock, in Unix milliseconds.
    pub at_ms: u64,
    /// On which chain.
    pub chain_id: u64,
    /// In which channel, if in one.
    #[schemars(with = "Option<String>")]
    pub channel: Option<ChannelId>,
    /// What.
    #[serde(flatten)]
    pub event: Event,
}

/// What happened.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A channel became known.
    Opened {
        /// The peer's key.
        #[schemars(with = "String")]
        peer: Address,
    },
    /// A peer proposes a channel that waits for approval.
    Proposed {
        /// The peer's key.
        #[schemars(with = "String")]
        peer: Address,
    },
    /// The peer does not take a channel.
    Declined {
        /// Its reason.
        reason: String,
    },
    /// Synchronised with the peer: payments flow.
    Ready,
    /// The connection to a peer is up.
    PeerConnected {
        /// Its key.
        #[schemars(with = "String")]
        peer: Address,
    },
    /// It is gone; it is dialled again by itself.
    PeerDisconnected {
        /// Its key.
        #[schemars(with = "String")]
        peer: Address,
    },
    /// The peer has paid; its signature is on disk.
    Received {
        /// The version that holds the payments.
        version: u64,
        /// Number of the first among the peer's payments.
        first: u64,
        /// In order; the details are in the history.
        payments: Vec<ReceivedPayment>,
    },
    /// An invoice of this node was paid in full.
    InvoicePaid {
        /// Its id.
        #[schemars(with = "String")]
        id: B256,
        /// What paid it.
        payment: InvoicePayment,
    },
    /// A payment names an invoice of this node and does not complete it. The money is received all the same.
    InvoiceMispaid {
        /// The invoice's id.
        #[schemars(with = "String")]
        id: B256,
        /// The payment.
        payment: InvoicePayment,
        /// In which asset it came.
        #[schemars(with = "String")]
        asset: Address,
        /// In the smallest unit.
        #[schemars(with = "String")]
        amount: Amount,
        /// All that came for the invoice so far, in its asset.
        #[schemars(with = "String")]
        received: Amount,
        /// Why it does not complete the invoice.
        issue: InvoiceIssue,
    },
    /// The peer locked an amount for this node.
    LockOffered {
        /// Its number.
        number: u64,
        /// In the smallest unit.
        #[schemars(with = "String")]
        amount: Amount,
        /// sha256 of the secret.
        #[schemars(with = "String")]
        hash: B256,
        /// Last chain time at which the secret counts on chain.
        expiry: u64,
    },
    /// A lock was paid.
    LockSettled {
        /// Its number.
        number: u64,
        /// The secret.
        #[schemars(with = "String")]
        preimage: B256,
    },
    /// A lock went back.
    LockCancelled {
        /// Its number.
        number: u64,
    },
    /// A deposit is on chain; it counts after its confirmations.
    Deposited {
        /// Whether of this node.
        is_ours: bool,
        /// The zero address is the native coin.
        #[schemars(with = "String")]
        asset: Address,
        /// In the smallest unit.
        #[schemars(with = "String")]
        amount: Amount,
    },
    /// Money was taken out on chain.
    Withdrawn {
        /// The version that was executed.
        version: u64,
    },
    /// A dispute began.
    Challenged {
        /// The version that was shown.
        version: u64,
        /// Whether by this node.
        is_ours: bool,
        /// The end of the challenge period, chain time.
        deadline: u64,
    },
    /// A higher version was shown.
    Responded {
        /// Which.
        version: u64,
    },
    /// A move counts: the other has countersigned it, or the chain has recorded it. Version 1 is the start.
    AppMoved {
        /// The version that it made.
        version: u64,
        /// Whether it is this node's.
        is_ours: bool,
        /// Whether this node moves next.
        our_turn: bool,
        /// Where it led.
        position: AppPosition,
    },
    /// The peer refused this node's move, which the rules allow: it goes to the chain.
    AppMoveRefused {
        /// The version that it would have made.
        version: u64,
        /// Why.
        rule: String,
    },
    /// In a dispute the chain has recorded a move. It counts when it has its confirmations.
    AppForced {
        /// The version that it made.
        version: u64,
        /// Until when the next one may be made, chain time.
        deadline: u64,
    },
    /// The peer would end play so; `app_finish` with the same outcome agrees.
    AppFinishOffered {
        /// The version that it rests on.
        version: u64,
        /// What participant 0 and 1 would gain or lose, per asset.
        outcome: Vec<[String; 2]>,
    },
    /// Both signed the end of play; the chain pays it.
    AppFinished {
        /// The version that the chain will execute.
        version: u64,
        /// What participant 0 and 1 gain or lose, per asset.
        outcome: Vec<[String; 2]>,
    },
    /// The game has ended, by what both signed or by the chain; told beside the phase `closed`. What is gained in a game within a
    /// channel is there with `child_closed`.
    AppEnded {
        /// What participant 0 and 1 gain or lose, per asset.
        outcome: Vec<[String; 2]>,
    },
    /// A game or channel that was opened in this one has come back into it: what it gave is in this channel's balances now.
    ChildClosed {
        /// It.
        #[schemars(with = "String")]
        child: ChannelId,
        /// The zero address is the native coin.
        #[schemars(with = "String")]
        asset: Address,
        /// What this node got of it, in the smallest unit.
        #[schemars(with = "String")]
        own: Amount,
        /// What the peer got.
        #[schemars(with = "String")]
        peer: Amount,
    },
    /// A dispute's deadline comes near and the answer is not on chain yet; or it is this node's turn in a game that is before
    /// the chain, which is told at once, too.
    DeadlineInDanger {
        /// The end of the challenge period, chain time.
        deadline: u64,
        /// Seconds of chain time that are left.
        left: u64,
        /// Whether what is missing is a move of this node's user.
        #[serde(default)]
        our_move: bool,
    },
    /// The channel's place on chain changed.
    PhaseChanged {
        /// To this.
        phase: Phase,
    },
    /// A reorg took events back.
    Reorganised,
    /// Both signed a rebase after a restore.
    Rebased {
        /// Its version.
        version: u64,
    },
    /// The peer broke a rule; nothing was accepted.
    PeerFault {
        /// Which.
        rule: String,
    },
    /// The node needs its operator.
    Alarm {
        /// What is wrong, and the next step.
        message: String,
    },
}

/// A payment of the peer.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ReceivedPayment {
    /// The zero address is the native coin.
    #[schemars(with = "String")]
    pub asset: Address,
    /// In the smallest unit.
    #[schemars(with = "String")]
    pub amount: Amount,
    /// This node's reference.
    #[schemars(with = "Option<String>")]
    pub invoice: Option<B256>,
    /// Text, or `0x` and hex when it is none.
    pub memo: String,
}
