//! Subscriptions of one WebSocket.

use super::lock;
use super::rpc;
use super::websocket::Connection;
use futures_util::StreamExt as _;
use jsonrpsee_types::{ErrorObjectOwned, TwoPointZero};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use strait_api::{ApiError, ErrorCode, EventQuery, EventRecord, EventStream, Nothing, Scope};
use tokio_util::sync::CancellationToken;

/// The method of notifications.
const NOTIFICATION: &str = "strait_subscription";

/// Those that run.
#[derive(Default)]
pub(super) struct Subscriptions {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    last: u64,
    running: HashMap<u64, CancellationToken>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Unsubscribe {
    subscription: u64,
}

#[derive(Serialize)]
struct Notification<'a> {
    jsonrpc: TwoPointZero,
    method: &'static str,
    params: News<'a>,
}

#[derive(Serialize)]
struct News<'a> {
    subscription: u64,
    #[serde(flatten)]
    what: What<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum What<'a> {
    Result(&'a EventRecord),
    /// It has ended.
    Error(ErrorObjectOwned),
}

/// One that is about to run.
pub(super) struct Subscription {
    id: u64,
    ended: CancellationToken,
    stream: EventStream,
}

fn read<P: DeserializeOwned>(params: Option<&RawValue>) -> Result<P, ApiError> {
    serde_json::from_str(params.map_or("{}", RawValue::get))
        .map_err(|error| ApiError::new(ErrorCode::InvalidParams, error.to_string()))
}

fn raw(value: &impl Serialize) -> Result<Box<RawValue>, ApiError> {
    serde_json::value::to_raw_value(value)
        .map_err(|error| ApiError::new(ErrorCode::Internal, error.to_string()))
}

impl Subscriptions {
    /// Begins one, which is then answered and run.
    ///
    /// # Errors
    /// When the token does not allow it, there are too many, or the node does not hold the events after the cursor.
    pub(super) async fn begin(
        &self,
        connection: &Connection,
        params: Option<&RawValue>,
    ) -> Result<Subscription, ApiError> {
        let shared = &connection.shared;
        shared.tokens.check(&connection.token)?;
        if !connection.token.allows(Scope::Read) {
            return Err(ApiError::new(ErrorCode::Forbidden, "subscriptions need the scope read"));
        }
        let query: EventQuery = read(params)?;
        let max = shared.config.limits.max_subscriptions;
        if lock(&self.state).running.len() >= max {
            return Err(ApiError::new(ErrorCode::Busy, format!("this connection has {max} subscriptions"))
                .hint("end one with strait_unsubscribe, or open another connection"));
        }
        let stream = shared.events.subscribe(query).await?;
        let ended = CancellationToken::new();
        let mut state = lock(&self.state);
        // Counts up from 1 as long as the connection lives.
        state.last = state.last.saturating_add(1);
        let id = state.last;
        state.running.insert(id, ended.clone());
        Ok(Subscription { id, ended, stream })
    }

    /// Ends one at once; what is in the queue still arrives.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidParams`] when it does not run.
    pub(super) fn end(&self, params: Option<&RawValue>) -> Result<Box<RawValue>, ApiError> {
        let Unsubscribe { subscription } = read(params)?;
        let ended = lock(&self.state).running.remove(&subscription).ok_or_else(|| {
            ApiError::new(
                ErrorCode::InvalidParams,
                format!("no subscription {subscription} runs on this connection"),
            )
        })?;
        ended.cancel();
        raw(&Nothing {})
    }

    fn forget(&self, id: u64) {
        lock(&self.state).running.remove(&id);
    }
}

impl Subscription {
    /// Its number.
    pub(super) fn answer(&self) -> Result<Box<RawValue>, ApiError> {
        raw(&self.id)
    }

    /// Sends what happens, until it ends.
    pub(super) fn run(self, connection: &Arc<Connection>) {
        let owner = connection.clone();
        connection.tasks.spawn(async move {
            let _running = owner.shared.metrics.subscribed();
            let id = self.id;
            let closed = owner.closed.clone();
            let ended = self.ended.clone();
            let by_error = tokio::select! {
                () = closed.cancelled() => None,
                () = ended.cancelled() => None,
                error = self.forward(&owner) => Some(error),
            };
            if let Some(error) = by_error {
                owner.send(notification(id, What::Error(rpc::object(&error)))).await;
            }
            owner.subscriptions.forget(id);
        });
    }

    /// Why it ended by itself.
    async fn forward(mut self, connection: &Connection) -> ApiError {
        let shared = &connection.shared;
        let stopping = || ApiError::new(ErrorCode::Stopping, "the node is stopping");
        loop {
            let item = tokio::select! {
                biased;
                () = connection.token.ended().cancelled() => {
                    let why = shared.tokens.check(&connection.token);
                    return why.err().unwrap_or_else(stopping);
                }
                () = shared.shutdown.cancelled() => return stopping(),
                item = self.stream.next() => item,
            };
            match item {
                Some(Ok(record)) => {
                    connection.send(notification(self.id, What::Result(&record))).await;
                    shared.metrics.event_sent();
                }
                Some(Err(error)) => return error,
                None => return stopping(),
            }
        }
    }
}

fn notification(subscription: u64, what: What<'_>) -> String {
    let params = News { subscription, what };
    rpc::to_json(&Notification { jsonrpc: TwoPointZero, method: NOTIFICATION, params })
}
