//! The error catalogue. Every error that leaves a node has a code from here, and a hint that names the next step.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strait_types::{Address, Amount};

/// Whose matter an error is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// The peer broke a rule, or does not agree.
    Peer,
    /// The caller asked for what cannot be.
    Caller,
    /// The chain, the network, the disk or the machine.
    Environment,
    /// Strait itself.
    Bug,
}

macro_rules! catalogue {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $text:literal, $kind:ident, $hint:literal;)*) => {
        /// What went wrong. The numbers are stable; so are the names, in `data.code` of a JSON-RPC error.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum ErrorCode {
            $($(#[$doc])* $name,)*
        }

        impl ErrorCode {
            /// All of them.
            pub const ALL: &[ErrorCode] = &[$(ErrorCode::$name),*];

            /// The JSON-RPC error number.
            pub const fn number(self) -> i32 {
                match self { $(ErrorCode::$name => $number),* }
            }

            /// The name in `data.code`.
            pub const fn name(self) -> &'static str {
                match self { $(ErrorCode::$name => $text),* }
            }

            /// Whose matter it is.
            pub const fn kind(self) -> ErrorKind {
                match self { $(ErrorCode::$name => ErrorKind::$kind),* }
            }

            /// What to do next, when nothing more exact is known.
            pub const fn hint(self) -> &'static str {
                match self { $(ErrorCode::$name => $hint),* }
            }
        }
    };
}

catalogue! {
    /// The request is no JSON.
    ParseError = -32700, "parse_error", Caller, "send one JSON-RPC 2.0 object, or an array of them";
    /// The request is JSON, but no call.
    InvalidRequest = -32600, "invalid_request", Caller, "send {\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"strait_node_info\",\"params\":{}}";
    /// No such method.
    UnknownMethod = -32601, "unknown_method", Caller, "call rpc.discover for the methods that this node has";
    /// The parameters do not fit the method.
    InvalidParams = -32602, "invalid_params", Caller, "compare the parameters with the method's entry in rpc.discover";
    /// A bug.
    Internal = -32603, "internal", Bug, "please report it with the node's log; the channel's money is safe, restart the node";
    /// No token, or not one of this node.
    Unauthorized = -32001, "unauthorized", Caller, "give a token of this node: --token or STRAIT_TOKEN of a command, the header 'Authorization: Bearer TOKEN' of a request; `strait token create` makes one";
    /// The token's time is over.
    TokenExpired = -32002, "token_expired", Caller, "make a new one with `strait token create`";
    /// The token does not allow this.
    Forbidden = -32003, "forbidden", Caller, "use a token with the scope that the method needs; `strait token list` shows yours";
    /// The token's spend limit would be passed.
    SpendLimit = -32004, "spend_limit", Caller, "wait for the next day (UTC), or ask the operator for a token with a higher limit";
    /// Too many requests, or the node is full.
    Busy = -32005, "busy", Environment, "wait for answers before you send more, then repeat";
    /// A batch or body is too large.
    TooLarge = -32006, "too_large", Caller, "split it, and follow the pages of lists by `cursor`";
    /// The idempotency key was used for another request.
    IdempotencyConflict = -32007, "idempotency_conflict", Caller, "use a new key for a new request; the same key repeats only the same request";
    /// The first request with this idempotency key has not ended.
    IdempotencyPending = -32008, "idempotency_pending", Environment, "repeat the request with the same key in a moment; it is carried out once";
    /// The events after this cursor are no longer held.
    EventsLost = -32009, "events_lost", Caller, "list the channels and read their history, then subscribe again without a cursor";
    /// The node is stopping.
    Stopping = -32010, "stopping", Environment, "start the node again; its history shows what was done";

    /// No such chain here.
    UnknownChain = -32020, "unknown_chain", Caller, "use one of the chains that `strait info` lists, or add it to the configuration";
    /// No such channel here.
    UnknownChannel = -32021, "unknown_channel", Caller, "list the channels with `strait channel list`; the id may be shortened only on the command line";
    /// No such peer here.
    UnknownPeer = -32022, "unknown_peer", Caller, "give the peer's address as strait://SIGNER@HOST:PORT; its operator finds it with `strait info`";
    /// The channel does not hold this asset.
    UnknownAsset = -32023, "unknown_asset", Caller, "use an asset of the channel; `strait channel show` lists them";
    /// No such invoice here.
    UnknownInvoice = -32024, "unknown_invoice", Caller, "list the invoices with `strait invoice list`";
    /// No such token here.
    UnknownToken = -32025, "unknown_token", Caller, "list the tokens with `strait token list`";
    /// No such proposal waits.
    UnknownProposal = -32026, "unknown_proposal", Caller, "list what waits with `strait channel proposals`; the peer may have taken it back";
    /// No such lock in the channel.
    UnknownLock = -32027, "unknown_lock", Caller, "`strait channel show` lists the channel's locks";

    /// Not a positive amount in range.
    InvalidAmount = -32040, "invalid_amount", Caller, "give a positive whole number of the smallest unit, as a decimal string";
    /// More than is free.
    InsufficientBalance = -32041, "insufficient_balance", Caller, "pay less, deposit more, or wait until a deposit has its confirmations";
    /// The channel takes no more commands.
    ChannelNotOpen = -32042, "channel_not_open", Caller, "the channel is closing, disputed or closed; open another one";
    /// A withdrawal or close is under way.
    ChannelBusy = -32043, "channel_busy", Caller, "wait for the withdrawal or close to end, then repeat";
    /// The channel exists already.
    ChannelExists = -32044, "channel_exists", Caller, "use the channel that exists, or another nonce";
    /// The channel waits for a rebase after a restore.
    ChannelRestoring = -32045, "channel_restoring", Caller, "wait for the peer to sign the rebase; if it does not within `move_patience`, the node goes to the chain, as `strait channel dispute` does at once";
    /// Terms that the contract or this node's policy refuses.
    PolicyRefused = -32046, "policy_refused", Caller, "change the terms, or the [policy] of the configuration";
    /// The invoice's time is over, or it is paid or cancelled.
    InvoiceNotPayable = -32047, "invoice_not_payable", Caller, "ask the payee for a new invoice";
    /// No text of an invoice.
    InvalidInvoice = -32048, "invalid_invoice", Caller, "copy the whole invoice again; it starts with straitinvoice1";
    /// No text of a peer's address.
    InvalidAddress = -32049, "invalid_address", Caller, "write strait://SIGNER@HOST:PORT, as the peer's node shows it";
    /// No channel with the payee can carry it.
    NoRoute = -32050, "no_route", Caller, "open a channel with the payee, or deposit into the one that exists";
    /// The peer's deposit is missing or too small.
    AwaitingDeposit = -32051, "awaiting_deposit", Peer, "wait for the peer's deposit and its confirmations, or take the money out with `strait channel dispute`";
    /// This node's deposit is below what the peer demands.
    DepositTooSmall = -32053, "deposit_too_small", Caller, "`strait channel deposit` puts in what is missing; `strait channel close` takes out what is there, with the peer's word";
    /// Locks stand in the way of a close.
    LocksPending = -32052, "locks_pending", Caller, "settle or cancel the pending locks, or wait for their expiry; `strait channel show` lists them";

    /// No connection.
    PeerOffline = -32060, "peer_offline", Environment, "the node dials by itself; repeat when the peer is back, or dispute if it never is";
    /// The peer did not agree.
    PeerRefused = -32061, "peer_refused", Peer, "the message names the peer's rule; change the request, or ask the peer's operator";
    /// The peer broke the protocol.
    PeerFault = -32062, "peer_fault", Peer, "nothing was accepted; if it goes on, `strait channel dispute` takes the money out";

    /// No endpoint answers.
    ChainUnreachable = -32080, "chain_unreachable", Environment, "check the chain's `rpc` in the configuration, and that the endpoint runs; `strait doctor` tests it";
    /// The chain would refuse the transaction.
    TransactionReverts = -32081, "transaction_reverts", Environment, "the message names the contract's error; `strait channel show` shows what the chain holds";
    /// The gas account is too poor.
    NotEnoughGasMoney = -32082, "not_enough_gas_money", Environment, "send native coin to the account that the message names";
    /// The endpoint contradicts itself.
    ChainNonsense = -32083, "chain_nonsense", Environment, "use another endpoint; several can be configured, and the node changes over by itself";
    /// The view of the chain is too old to take value.
    ChainStale = -32084, "chain_stale", Environment, "check the endpoint and this machine's clock; payments go on when a new block arrives";
    /// The transaction came into no block.
    NotIncluded = -32085, "not_included", Environment, "look the transaction up in an explorer, and repeat if it is gone";
    /// The disk failed.
    StoreFailed = -32086, "store_failed", Environment, "free space or repair the disk, then start the node again; nothing acknowledged is lost";
    /// The key cannot be used.
    KeyUnavailable = -32087, "key_unavailable", Environment, "check the keystore and its password";
    /// No connection to the node's API: nothing was done.
    NodeUnreachable = -32088, "node_unreachable", Environment, "check that the node runs, and that the address is that of its API";
    /// The node's answer did not arrive: it may have done what it was asked.
    NoAnswer = -32089, "no_answer", Environment, "repeat with the same idempotency key, which does it once, or look at the history";
}

/// How much there is, and how much is needed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Shortage {
    /// On which chain.
    pub chain_id: u64,
    /// The zero address is the native coin.
    #[schemars(with = "String")]
    pub asset: Address,
    /// What there is, in the smallest unit.
    #[schemars(with = "String")]
    pub balance: Amount,
    /// What is needed.
    #[schemars(with = "String")]
    pub needed: Amount,
}

/// A limit of a token, and what would be above it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Exceeded {
    /// On which chain.
    pub chain_id: u64,
    /// The zero address is the native coin.
    #[schemars(with = "String")]
    pub asset: Address,
    /// Whether the limit is for a day (UTC) and all channels; else for a channel and the token's life.
    pub is_daily: bool,
    /// The limit, in the smallest unit.
    #[schemars(with = "String")]
    pub limit: Amount,
    /// What of it is spent or reserved.
    #[schemars(with = "String")]
    pub spent: Amount,
    /// What was asked for.
    #[schemars(with = "String")]
    pub asked: Amount,
}

/// A failed call.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    /// What went wrong.
    pub code: ErrorCode,
    /// The case at hand, for people.
    pub message: String,
    /// The next step, for people.
    pub hint: String,
    /// For errors of too little money, when the amounts are known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shortage: Option<Box<Shortage>>,
    /// For errors of a token's limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exceeded: Option<Box<Exceeded>>,
}

impl ApiError {
    /// With the catalogue's hint.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> ApiError {
        ApiError {
            code,
            message: message.into(),
            hint: code.hint().to_owned(),
            shortage: None,
            exceeded: None,
        }
    }

    /// With a more exact hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> ApiError {
        self.hint = hint.into();
        self
    }

    /// With the amounts.
    #[must_use]
    pub fn shortage(mut self, shortage: Shortage) -> ApiError {
        self.shortage = Some(Box::new(shortage));
        self
    }

    /// With the limit.
    #[must_use]
    pub fn exceeded(mut self, exceeded: Exceeded) -> ApiError {
        self.exceeded = Some(Box::new(exceeded));
        self
    }
}

/// `data` of a JSON-RPC error object.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ErrorData {
    /// The catalogue's name.
    pub code: ErrorCode,
    /// Whose matter it is.
    pub kind: ErrorKind,
    /// The next step.
    pub hint: String,
    /// For errors of too little money, when the amounts are known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shortage: Option<Box<Shortage>>,
    /// For errors of a token's limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exceeded: Option<Box<Exceeded>>,
}

impl From<&ApiError> for ErrorData {
    fn from(error: &ApiError) -> ErrorData {
        ErrorData {
            code: error.code,
            kind: error.code.kind(),
            hint: error.hint.clone(),
            shortage: error.shortage.clone(),
            exceeded: error.exceeded.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_code_has_its_own_number_and_name_and_a_hint_with_a_next_step() {
        let numbers: BTreeSet<_> = ErrorCode::ALL.iter().map(|code| code.number()).collect();
        assert_eq!(numbers.len(), ErrorCode::ALL.len());
        for code in ErrorCode::ALL {
            assert_eq!(serde_json::to_value(code).expect("a name"), code.name());
            // One that only says what is wrong helps nobody.
            assert!(code.hint().len() >= 25, "{code:?}: {}", code.hint());
            assert!(!code.hint().ends_with('.'), "{code:?}");
        }
    }
}
