//! The methods, once: the trait, the table, the server's dispatch and the client's calls come from one list.

use crate::error::{ApiError, ErrorCode};
use crate::model::*;
use crate::params::read_params;
use crate::scope::Scope;
use async_trait::async_trait;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

/// One method, for documentation and for the check of tokens.
#[derive(Clone, Copy)]
pub struct Method {
    /// On the wire.
    pub name: &'static str,
    /// What a token needs.
    pub scope: Scope,
    /// Its documentation.
    pub summary: &'static str,
    /// Schema of `params`.
    pub params: fn(&mut SchemaGenerator) -> Schema,
    /// Schema of `result`.
    pub result: fn(&mut SchemaGenerator) -> Schema,
}

/// The way to a remote node: a JSON-RPC client. Whatever has it has [`Api`] too.
#[async_trait]
pub trait Call: Send + Sync {
    /// Calls a method with named parameters.
    ///
    /// # Errors
    /// What the node answered, or why there is no answer.
    async fn call(&self, method: &'static str, params: Box<RawValue>) -> Result<Box<RawValue>, ApiError>;
}

/// Makes a value with [`Call`] out of one that is borrowed or wrapped; whatever has [`Call`] has [`Api`].
#[derive(Clone, Debug)]
pub struct Remote<C>(pub C);

#[async_trait]
impl<C: Call> Call for Remote<C> {
    async fn call(&self, method: &'static str, params: Box<RawValue>) -> Result<Box<RawValue>, ApiError> {
        self.0.call(method, params).await
    }
}

async fn ask<C: Call + ?Sized, P: Serialize + Send, R: DeserializeOwned>(
    node: &C,
    method: &'static str,
    params: P,
) -> Result<R, ApiError> {
    let raw = serde_json::value::to_raw_value(&params)
        .map_err(|error| ApiError::new(ErrorCode::InvalidParams, error.to_string()))?;
    let answer = node.call(method, raw).await?;
    serde_json::from_str(answer.get()).map_err(|error| {
        ApiError::new(ErrorCode::Internal, format!("the answer of {method} cannot be read: {error}"))
            .hint("use a client and a node of the same release")
    })
}

/// Longest name of a method that is repeated in an error, in characters.
const SHOWN_NAME: usize = 64;

/// That there is no such method.
pub fn unknown_method(method: &str) -> ApiError {
    let shown: String = method.chars().take(SHOWN_NAME).collect();
    let cut = if shown.len() < method.len() { "..." } else { "" };
    ApiError::new(ErrorCode::UnknownMethod, format!("no method '{shown}{cut}'"))
}

fn write<R: Serialize>(result: &R) -> Result<Box<RawValue>, ApiError> {
    serde_json::value::to_raw_value(result)
        .map_err(|error| ApiError::new(ErrorCode::Internal, error.to_string()))
}

fn schema<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

macro_rules! methods {
    ($(#[doc = $doc:literal] $scope:ident $name:ident($request:ty) -> $response:ty;)*) => {
        /// A node, embedded or remote.
        #[async_trait]
        pub trait Api: Send + Sync {
            $(
                #[doc = $doc]
                ///
                /// # Errors
                /// See [`ErrorCode`].
                async fn $name(&self, request: $request) -> Result<$response, ApiError>;
            )*
        }

        /// All methods. Subscriptions stand apart, in [`crate::openrpc`].
        pub const METHODS: &[Method] = &[$(
            Method {
                name: concat!("strait_", stringify!($name)),
                scope: Scope::$scope,
                summary: $doc,
                params: schema::<$request>,
                result: schema::<$response>,
            },
        )*];

        /// Carries out a call that came over the wire, with named parameters.
        ///
        /// # Errors
        /// [`ErrorCode::UnknownMethod`], [`ErrorCode::InvalidParams`], or what the method says.
        pub async fn dispatch(
            api: &dyn Api,
            method: &str,
            params: Option<&RawValue>,
        ) -> Result<Box<RawValue>, ApiError> {
            match method {
                $(concat!("strait_", stringify!($name)) => write(&api.$name(read_params(params)?).await?),)*
                _ => Err(unknown_method(method)),
            }
        }

        #[async_trait]
        impl<C: Call> Api for C {
            $(
                async fn $name(&self, request: $request) -> Result<$response, ApiError> {
                    ask(self, concat!("strait_", stringify!($name)), request).await
                }
            )*
        }
    };
}

methods! {
    #[doc = "The node: its key, chains, tokens, addresses and version."]
    Read node_info(Nothing) -> NodeInfo;
    #[doc = "The peers that the node keeps connections with, or has channels with."]
    Read peer_list(Nothing) -> Peers;
    #[doc = "Keeps a connection with a peer from now on."]
    Admin peer_add(PeerAdd) -> Nothing;
    #[doc = "Dials a peer no more; its channels stay."]
    Admin peer_remove(PeerRemove) -> Nothing;

    #[doc = "The watchtowers that guard this node's channels, and what each has signed for."]
    Read tower_list(TowerQuery) -> Towers;
    #[doc = "Hands over to a watchtower from now on, also after a restart."]
    Admin tower_add(TowerAdd) -> Nothing;
    #[doc = "Hands over to a watchtower no more. It guards what it holds until the channels are closed."]
    Admin tower_remove(TowerRemove) -> TowerRemoved;

    #[doc = "Opens a channel with a peer, and deposits if asked to. It can be paid over when the deposit has its confirmations."]
    Admin channel_open(ChannelOpen) -> ChannelOpened;
    #[doc = "The channels, newest first, in pages."]
    Read channel_list(ChannelList) -> Channels;
    #[doc = "One channel."]
    Read channel_show(ChannelRef) -> ChannelInfo;
    #[doc = "Deposits from the node's account. It counts when it has its confirmations."]
    Admin channel_deposit(ChannelMove) -> Submitted;
    #[doc = "Takes money out to the payout address while the channel lives; the peer must agree."]
    Admin channel_withdraw(ChannelMove) -> Agreed;
    #[doc = "Closes with the peer's agreement: one transaction pays both at once. A channel into which nobody has put anything is given up without either."]
    Admin channel_close(ChannelRef) -> Agreed;
    #[doc = "Takes the best state to the chain without the peer; it is paid after the challenge period."]
    Admin channel_dispute(ChannelRef) -> Nothing;
    #[doc = "The best state that both have signed, as EIP-712 typed data with both signatures."]
    Read channel_state(ChannelRef) -> SignedState;
    #[doc = "Channels that peers have proposed and that wait for approval."]
    Read proposal_list(Nothing) -> Proposals;
    #[doc = "Takes a proposed channel."]
    Admin proposal_approve(ChannelRef) -> ChannelInfo;
    #[doc = "Refuses a proposed channel."]
    Admin proposal_reject(ProposalReject) -> Nothing;
    /// Takes back what was rejected, or approved and not opened since: the peer's next offer is asked about anew.
    Admin proposal_reconsider(ChannelRef) -> Nothing;

    #[doc = "Keeps the code of an app, which then can be played in channels if the policy lists it, and deployed in a dispute."]
    Admin app_install(AppInstall) -> InstalledApp;
    #[doc = "The apps whose code this node holds."]
    Read app_list(Nothing) -> InstalledApps;
    #[doc = "Opens a channel with an app, and deposits this node's stake: play starts when the peer has deposited its own. Or opens it within a payment channel, without a transaction, and play starts at once."]
    Admin app_open(AppOpen) -> ChannelOpened;
    #[doc = "How play stands in a channel with an app."]
    Read app_show(ChannelRef) -> AppInfo;
    #[doc = "Moves; answers when the peer has countersigned, or the chain has recorded it in a dispute."]
    Admin app_move(AppMove) -> AppMoved;
    #[doc = "Ends play by an outcome; answers when the peer has asked for the same. The chain then pays it, or the payment channel that it was opened in takes it over."]
    Admin app_finish(AppFinish) -> Agreed;
    #[doc = "Makes a peer that stalls play on by the chain's clock; what it does not do in time, the app judges."]
    Admin app_claim(ChannelRef) -> Nothing;

    #[doc = "Pays; answers when the peer has countersigned, so the payment is safe for both."]
    Pay pay(Pay) -> Paid;
    #[doc = "Makes many payments of one channel, which share signatures and syncs; each has its own outcome. With a key it fails as a whole when the peer is away and nothing was made."]
    Pay pay_many(PayMany) -> PaidMany;
    #[doc = "Locks an amount for the peer against the sha256 hash of a 32-byte secret."]
    Pay lock_add(LockAdd) -> LockNumber;
    #[doc = "Claims a lock by its secret."]
    Receive lock_settle(LockSettle) -> Nothing;
    #[doc = "Gives a lock of the peer's back, or takes an expired one of one's own back."]
    Pay lock_cancel(LockRef) -> Nothing;

    #[doc = "Makes an invoice."]
    Receive invoice_create(InvoiceCreate) -> InvoiceMade;
    #[doc = "The invoices that this node made, newest first, in pages."]
    Read invoice_list(InvoiceList) -> Invoices;
    #[doc = "One invoice that this node made."]
    Read invoice_show(InvoiceRef) -> Invoice;
    #[doc = "Takes an unpaid invoice back: payments for it are refused from now on."]
    Receive invoice_cancel(InvoiceRef) -> Invoice;
    #[doc = "Reads the text of anybody's invoice and checks its signature."]
    Read invoice_read(InvoiceText) -> InvoiceTerms;
    #[doc = "Pays an invoice over a channel with its payee, at most once."]
    Pay invoice_pay(InvoicePay) -> Paid;

    #[doc = "The agreed operations of a channel, oldest first, in pages."]
    Read history(HistoryQuery) -> History;
    #[doc = "A part of a channel's history with the signatures that prove it, for `strait history verify`."]
    Read history_proof(HistoryQuery) -> HistoryProof;
    #[doc = "Forgets a channel's history before a version for good. The channel, its balances and its defence need none of it; a bill then begins there."]
    Admin history_prune(HistoryPrune) -> HistoryPruned;
    #[doc = "Events after a cursor, at once; for clients that cannot subscribe."]
    Read events(EventQuery) -> Events;

    #[doc = "Makes a token."]
    Admin token_create(TokenCreate) -> TokenSecret;
    #[doc = "The tokens, without their secrets."]
    Admin token_list(Nothing) -> Tokens;
    #[doc = "Ends a token at once."]
    Admin token_revoke(TokenRef) -> Nothing;
    #[doc = "Writes a backup of the running node into a new directory on the node's machine."]
    Admin backup(BackupTo) -> BackupDone;
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_document_holds_every_method_once_with_resolvable_schemas() {
        let document = crate::openrpc();
        let listed = document["methods"].as_array().expect("methods");
        let names: BTreeSet<_> = listed.iter().map(|method| method["name"].as_str().expect("name")).collect();
        assert_eq!(names.len(), listed.len());
        assert!(METHODS.iter().all(|method| names.contains(method.name)));
        let text = document.to_string();
        let schemas = document["components"]["schemas"].as_object().expect("schemas");
        for reference in text.split("#/components/schemas/").skip(1) {
            let name = reference.split('"').next().expect("a name");
            assert!(schemas.contains_key(name), "{name} is referred to and missing");
        }
    }

    #[test]
    fn a_name_that_nobody_would_read_is_cut_when_it_is_repeated() {
        assert_eq!(unknown_method("strait_pya").message, "no method 'strait_pya'");
        for long in ["x".repeat(1 << 20), "日".repeat(SHOWN_NAME + 1)] {
            let message = unknown_method(&long).message;
            assert!(message.ends_with("...'") && message.chars().count() < SHOWN_NAME + 20, "{message}");
        }
        let just = "日".repeat(SHOWN_NAME);
        assert_eq!(unknown_method(&just).message, format!("no method '{just}'"));
    }
}
