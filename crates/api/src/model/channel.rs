use super::{AppPosition, AssetAmount};
use crate::error::{ErrorCode, Shortage};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use strait_types::{Address, Amount, B256, Bytes, ChannelId};

/// A channel to open.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChannelOpen {
    /// On which chain; may be left out when the node has one.
    #[serde(default)]
    pub chain_id: Option<u64>,
    /// The peer: `strait://SIGNER@HOST:PORT`, or the signer alone when the node knows where it is. Left out with `parent`.
    #[serde(default)]
    pub peer: String,
    /// The payment channel to open it in: without a transaction, at once, and of one asset. What goes in is locked there, and
    /// comes back when the two close this one. Absent: a channel of its own.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub parent: Option<ChannelId>,
    /// With `parent`: what the peer puts in, of the asset of `deposit`; its node must take that by its `policy.stakes`.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub peer_deposit: Option<Amount>,
    /// Where the peer is paid out; absent: the address that its node announces.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub peer_payout: Option<Address>,
    /// The channel's assets; absent: those of `deposit`, or else the native coin.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub assets: Vec<Address>,
    /// Seconds to answer a challenge, 3,600 to 2,592,000; absent: the node's configured one.
    #[serde(default)]
    pub challenge_duration: Option<u32>,
    /// What to deposit at once.
    #[serde(default)]
    pub deposit: Vec<AssetAmount>,
    /// Makes a repetition open no second channel; at most 128 bytes, kept for 7 days.
    #[serde(default)]
    pub idempotency_key: Option<String>,
}

impl ChannelOpen {
    /// With a peer, by default values; nothing is deposited.
    pub fn new(peer: impl Into<String>) -> ChannelOpen {
        ChannelOpen {
            chain_id: None,
            peer: peer.into(),
            parent: None,
            peer_deposit: None,
            peer_payout: None,
            assets: Vec::new(),
            challenge_duration: None,
            deposit: Vec::new(),
            idempotency_key: None,
        }
    }
}

/// A channel that was opened, with what came of the deposits. It is open whatever came of them.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ChannelOpened {
    /// The channel.
    pub channel: ChannelInfo,
    /// One per deposit that was asked for, in order.
    pub deposits: Vec<DepositResult>,
    /// An earlier request with the same idempotency key had opened it: this one opened nothing and deposited nothing, and the rest is
    /// told as it was then.
    #[serde(default)]
    pub was_opened_before: bool,
}

/// What came of one deposit.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DepositResult {
    /// It was handed to the chain; it counts when it has its confirmations.
    Submitted {
        /// Hash of the transaction; a replacement with a higher fee has another one. All zeros: a process that has ended sent it,
        /// and its hash is lost.
        #[schemars(with = "String")]
        transaction: B256,
    },
    /// It was not made; deposit again with `channel_deposit`.
    Failed {
        /// What went wrong.
        code: ErrorCode,
        /// The case at hand.
        message: String,
        /// The next step.
        hint: String,
    },
}

/// Which channel.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChannelRef {
    /// Its id.
    #[schemars(with = "String")]
    pub channel: ChannelId,
}

/// Which channels to list.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ChannelList {
    /// Only on this chain.
    pub chain_id: Option<u64>,
    /// Only with this peer.
    #[schemars(with = "Option<String>")]
    pub peer: Option<Address>,
    /// Only in this phase.
    pub phase: Option<Phase>,
    /// The `next` of the page before.
    pub cursor: Option<String>,
    /// At most so many, 1 to 1,000; absent: 100.
    pub limit: Option<u32>,
}

/// A page of channels.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Channels {
    /// On this page.
    pub channels: Vec<ChannelInfo>,
    /// The cursor of the next page, unless this is the last.
    pub next: Option<String>,
}

/// Where a channel stands on chain.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Nobody has gone to the chain.
    Open,
    /// A challenge period runs, or is over and waits for `settle`.
    Disputed,
    /// Free balances are paid, locks are still to be resolved.
    Settled,
    /// All is paid.
    Closed,
}

/// How a channel is connected.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Link {
    /// No connection to the peer.
    Down,
    /// Both compare what they hold.
    Syncing,
    /// Payments flow.
    Up,
}

/// A channel.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ChannelInfo {
    /// Its id.
    #[schemars(with = "String")]
    pub channel: ChannelId,
    /// On which chain.
    pub chain_id: u64,
    /// The peer's key.
    #[schemars(with = "String")]
    pub peer: Address,
    /// Where this node is paid out.
    #[schemars(with = "String")]
    pub payout: Address,
    /// Where the peer is paid out.
    #[schemars(with = "String")]
    pub peer_payout: Address,
    /// Which of the two participants this node is, 0 or 1.
    pub side: u8,
    /// Seconds to answer a challenge.
    pub challenge_duration: u32,
    /// Where it stands on chain.
    pub phase: Phase,
    /// Whether a payment can be made now: connected, undisputed, with something to spend, and no game.
    pub can_pay: bool,
    /// The app that is played in it; absent in a channel for payments. `app_show` tells how it stands.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub app: Option<Address>,
    /// How it is connected.
    pub link: Link,
    /// A final state is agreed and waits for the chain.
    pub is_closing: bool,
    /// This node was told to dispute the channel, and the chain does not show it yet.
    #[serde(default)]
    pub is_dispute_ordered: bool,
    /// The withdrawal or close that is agreed and waits for the chain; until it has ended, no other can be asked for.
    #[serde(default)]
    pub under_way: Option<UnderWay>,
    /// Why the peer does not take the channel, in its words. It is offered again by itself; what was deposited comes back by
    /// `channel_dispute`. Absent: it takes it, or has not answered since the start.
    #[serde(default)]
    pub declined: Option<String>,
    /// It is `declined` only until the peer's operator approves it, who is asked: it is taken then without another offer.
    #[serde(default)]
    pub awaits_approval: bool,
    /// Restored from a backup and waiting for a rebase.
    pub is_restoring: bool,
    /// Chain time that has to be final before this node signs a rebase, in Unix seconds; `null` when it is not restoring,
    /// or has not seen the chain since its start.
    pub restoring_until: Option<u64>,
    /// Towers that a restored channel waits for: they have not told what they hold, which may be more than the backup does.
    #[serde(default)]
    pub awaits_towers: Vec<AwaitedTower>,
    /// The peer was restored from a backup: nothing moves until both have signed a rebase.
    pub is_peer_restoring: bool,
    /// One per asset.
    pub balances: Vec<Balance>,
    /// Highest version that both signed.
    pub version: u64,
    /// Hash over all operations up to it: the same at both.
    #[schemars(with = "String")]
    pub history: B256,
    /// Highest version by which money was taken out on chain, as of the chain's head; 0: none was.
    pub withdrawn_version: u64,
    /// Payments made by this node.
    pub payments_made: u64,
    /// Payments made by the peer.
    pub payments_received: u64,
    /// Pending locks.
    pub locks: Vec<LockInfo>,
    /// Child channels whose funds are locked here.
    #[serde(default)]
    pub children: Vec<ChildInfo>,
    /// The channel in which the funds of this one are locked; absent when it is funded by deposits.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub parent: Option<ChannelId>,
    /// Of a channel within another one that the chain has decided: what it came to lies in that one still.
    #[serde(default)]
    pub awaits_parent: Option<AwaitsParent>,
    /// The dispute, while there is one.
    pub dispute: Option<Dispute>,
}

/// What the chain has decided of a child lies in its parent until both sign that there, or the chain pays the parent.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct AwaitsParent {
    /// Where the parent stands on chain.
    pub phase: Phase,
    /// When this node goes to the chain with the parent if the peer has not signed by then, Unix seconds of chain time, by
    /// `chains.NAME.settings.move_patience`; absent: not by itself, or it has. No sooner than `hold_timeout` of this machine's clock
    /// after it saw that the decision counts, or was started again.
    pub leaves_at: Option<u64>,
}

/// One asset of a channel.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Balance {
    /// The zero address is the native coin.
    #[schemars(with = "String")]
    pub asset: Address,
    /// What this node owns freely, by deposits that count and the newest version.
    #[schemars(with = "String")]
    pub own: Amount,
    /// What the peer owns freely.
    #[schemars(with = "String")]
    pub peer: Amount,
    /// In locks, those of child channels included.
    #[schemars(with = "String")]
    pub locked: Amount,
    /// In child channels.
    #[serde(default)]
    #[schemars(with = "String")]
    pub in_children: Amount,
    /// This node's deposits that count.
    #[schemars(with = "String")]
    pub deposited: Amount,
    /// The peer's deposits that count.
    #[schemars(with = "String")]
    pub peer_deposited: Amount,
    /// This node's deposits that lack confirmations, from the moment on when they are handed to the chain.
    #[schemars(with = "String")]
    pub arriving: Amount,
    /// The peer's deposits that lack confirmations.
    #[schemars(with = "String")]
    pub peer_arriving: Amount,
    /// Taken out by this node so far, on chain.
    #[schemars(with = "String")]
    pub withdrawn: Amount,
    /// Taken out by the peer so far, on chain.
    #[schemars(with = "String")]
    pub peer_withdrawn: Amount,
    /// This node's withdrawals that are agreed and that the chain has not paid; the next call on chain pays them, at the latest
    /// the channel's end.
    #[serde(default)]
    #[schemars(with = "String")]
    pub leaving: Amount,
    /// The same of the peer.
    #[serde(default)]
    #[schemars(with = "String")]
    pub peer_leaving: Amount,
    /// What the peer demands this node to deposit in all before it takes or makes payments in the channel, while less than that
    /// counts; zero: nothing more.
    #[serde(default)]
    #[schemars(with = "String")]
    pub demanded: Amount,
}

/// A withdrawal or close that is agreed and waits for the chain.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct UnderWay {
    /// The version that the chain will execute.
    pub version: u64,
    /// Whether it closes the channel; else it is a withdrawal.
    pub is_close: bool,
    /// Whether this node makes the call at once, and the peer when half of the time has passed; else the other way round.
    pub is_ours: bool,
    /// Whether the chain shows it; then only confirmations are missing.
    pub is_on_chain: bool,
    /// The last chain time at which the chain takes it, Unix seconds. What did not come in time is paid by a later call.
    pub until: u64,
}

/// A pending lock.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct LockInfo {
    /// Its number in the channel.
    pub number: u64,
    /// Whether this node's money is in it.
    pub is_ours: bool,
    /// The zero address is the native coin.
    #[schemars(with = "String")]
    pub asset: Address,
    /// In the smallest unit.
    #[schemars(with = "String")]
    pub amount: Amount,
    /// sha256 of the secret.
    #[schemars(with = "String")]
    pub hash: B256,
    /// Last chain time at which the secret counts on chain.
    pub expiry: u64,
}

/// A child channel, as its parent holds it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ChildInfo {
    /// Its id.
    #[schemars(with = "String")]
    pub channel: ChannelId,
    /// The zero address is the native coin.
    #[schemars(with = "String")]
    pub asset: Address,
    /// What this node has put in, in the smallest unit.
    #[schemars(with = "String")]
    pub stake: Amount,
    /// What the peer has put in.
    #[schemars(with = "String")]
    pub peer_stake: Amount,
    /// What this node gets of it, once it has come to that: by what both signed, or by what the chain decided.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub gets: Option<Amount>,
    /// What the peer gets of it.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub peer_gets: Option<Amount>,
    /// When this node goes to the chain if the peer has not signed by then what that has decided, Unix seconds of chain time; see
    /// [`AwaitsParent::leaves_at`].
    #[serde(default)]
    pub leaves_at: Option<u64>,
}

/// A dispute.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Dispute {
    /// The version that the chain would pay.
    pub recorded: u64,
    /// The end of the challenge period, chain time.
    pub deadline: u64,
    /// Whether this node brought it.
    pub is_ours: bool,
    /// Whether the chain holds this node's best state.
    pub is_answered: bool,
}

/// An amount to move between the chain and a channel.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChannelMove {
    /// Which channel.
    #[schemars(with = "String")]
    pub channel: ChannelId,
    /// Which asset; absent: the channel's only one.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub asset: Option<Address>,
    /// In the smallest unit.
    #[schemars(with = "String")]
    pub amount: Amount,
    /// Makes a repetition move nothing more; at most 128 bytes, kept for 7 days.
    #[serde(default)]
    pub idempotency_key: Option<String>,
}

/// A transaction that was handed to the chain.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Submitted {
    /// Its hash; a replacement with a higher fee has another one. All zeros: a process that has ended sent it, and its hash is lost.
    #[schemars(with = "String")]
    pub transaction: B256,
    /// This node's deposits of the asset that count, once this one does.
    #[schemars(with = "String")]
    pub total: Amount,
}

/// Both have signed; the call on chain is under way.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Agreed {
    /// The version that the chain will execute; 0: nobody had put anything in, and this node has given the channel up alone.
    pub version: u64,
    /// This node's account cannot pay for the call now. It is made when the account can, or by the peer when half of its time
    /// has passed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gas_shortage: Option<Shortage>,
    /// Why this node cannot reach the chain now. The call is made when it can, or by the peer when half of its time has passed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chain_away: Option<String>,
}

/// A state that both have signed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct SignedState {
    /// The channel's terms, as the contract takes them.
    pub params: Value,
    /// EIP-712 typed data of the state, as `eth_signTypedData_v4` takes it.
    pub typed_data: Value,
    /// What is signed.
    #[schemars(with = "String")]
    pub digest: B256,
    /// By participant 0 and 1; 64 bytes as of EIP-2098. Both empty at version 0, which needs none.
    #[schemars(with = "[String; 2]")]
    pub signatures: [Bytes; 2],
}

/// Channels that wait for approval.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Proposals {
    /// Oldest first.
    pub proposals: Vec<Proposal>,
    /// What was decided and can be taken back with `proposal_reconsider`.
    #[serde(default)]
    pub decided: Vec<DecidedProposal>,
}

/// An offer of which the operator has spoken, and that was not opened since.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct DecidedProposal {
    /// Its id.
    #[schemars(with = "String")]
    pub channel: ChannelId,
    /// On which chain.
    pub chain_id: u64,
    /// What the peer is told of a rejection; absent: it may be opened once.
    pub rejection: Option<String>,
}

/// A channel that a peer proposes.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Proposal {
    /// Its id.
    #[schemars(with = "String")]
    pub channel: ChannelId,
    /// On which chain.
    pub chain_id: u64,
    /// The peer's key.
    #[schemars(with = "String")]
    pub peer: Address,
    /// Its assets.
    #[schemars(with = "Vec<String>")]
    pub assets: Vec<Address>,
    /// Seconds to answer a challenge.
    pub challenge_duration: u32,
    /// The payment channel in which it would be opened; absent: it would be one of its own.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub parent: Option<ChannelId>,
    /// Per asset, what this node is to put in and what the peer puts in, in the smallest unit; empty where each deposits
    /// what it likes.
    #[serde(default)]
    #[schemars(with = "Vec<[String; 2]>")]
    pub stakes: Vec<[Amount; 2]>,
    /// The game that would be played in it.
    #[serde(default)]
    pub game: Option<ProposedGame>,
}

/// The game of a proposed channel.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ProposedGame {
    /// Its app.
    #[schemars(with = "String")]
    pub app: Address,
    /// Which of the two participants this node would be, 0 or 1.
    pub side: u8,
    /// Where it begins, and who is the first to move.
    pub start: AppPosition,
    /// Names the start for `policy.starts`: app, stakes and first state.
    #[schemars(with = "String")]
    pub start_id: B256,
}

/// A proposal to refuse.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProposalReject {
    /// Which channel.
    #[schemars(with = "String")]
    pub channel: ChannelId,
    /// What the peer is told.
    #[serde(default)]
    pub reason: String,
}

/// A tower that a restored channel waits for.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct AwaitedTower {
    /// Its key; `tower_remove` ends the wait.
    #[schemars(with = "String")]
    pub signer: Address,
    /// Why it does not tell, where that is known.
    pub problem: Option<String>,
}
