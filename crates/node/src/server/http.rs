//! What is served over HTTP: calls by POST, the WebSocket, health, readiness and metrics.

use super::accept::Place;
use super::carried::Carried;
use super::rpc::{self, Incoming, Item};
use super::tokens::Token;
use super::{Shared, headers, websocket};
use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use futures_util::FutureExt as _;
use jsonrpsee_types::Request as Call;
use serde_json::value::RawValue;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;
use strait_api::{ApiError, ErrorCode, Scope};

/// What handlers know.
#[derive(Clone)]
struct Context {
    shared: Arc<Shared>,
    place: Place,
}

/// The routes, for one connection.
pub(super) fn router(shared: Arc<Shared>, place: Place) -> Router {
    let context = Context { shared, place };
    Router::new()
        .route("/", any(root))
        .route("/health", get(health))
        .route("/ready", get(ready))
        .route("/metrics", get(metrics))
        .fallback(nothing_here)
        .layer(middleware::from_fn_with_state(context.clone(), check_source))
        .with_state(context)
}

/// A refusal outside a call.
pub(super) fn refusal(status: StatusCode, error: &ApiError) -> Response {
    let kind = [(header::CONTENT_TYPE, "application/json")];
    let mut response = (status, kind, rpc::failure(error)).into_response();
    if status == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, header::HeaderValue::from_static("Bearer"));
    }
    response
}

/// The HTTP status of an error that stands for a whole request.
fn status(error: &ApiError) -> StatusCode {
    match error.code {
        ErrorCode::Unauthorized | ErrorCode::TokenExpired => StatusCode::UNAUTHORIZED,
        ErrorCode::Forbidden => StatusCode::FORBIDDEN,
        ErrorCode::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        ErrorCode::Busy | ErrorCode::Stopping | ErrorCode::StoreFailed => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::BAD_REQUEST,
    }
}

async fn check_source(State(context): State<Context>, request: Request, next: Next) -> Response {
    let shared = &context.shared;
    if let Err(error) = headers::check_source(shared, request.headers()) {
        return refusal(StatusCode::FORBIDDEN, &error);
    }
    // The origin is one of the configured ones, as it was checked.
    let origin = request.headers().get(header::ORIGIN).cloned();
    let Some(origin) = origin else { return next.run(request).await };
    let mut response = match *request.method() {
        Method::OPTIONS => StatusCode::NO_CONTENT.into_response(),
        _ => next.run(request).await,
    };
    let answers = [
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, origin),
        (
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            header::HeaderValue::from_static("authorization, content-type"),
        ),
        (header::ACCESS_CONTROL_ALLOW_METHODS, header::HeaderValue::from_static("GET, POST")),
        (header::VARY, header::HeaderValue::from_static("origin")),
    ];
    response.headers_mut().extend(answers);
    response
}

async fn nothing_here() -> Response {
    let error = ApiError::new(ErrorCode::InvalidRequest, "nothing is served at this path")
        .hint("calls go to /; there are also /health, /ready and /metrics");
    refusal(StatusCode::NOT_FOUND, &error)
}

async fn root(
    State(context): State<Context>,
    upgrade: Result<WebSocketUpgrade, axum::extract::ws::rejection::WebSocketUpgradeRejection>,
    request: Request,
) -> Response {
    let token = match headers::bearer(&context.shared, request.headers()) {
        Ok(token) => token,
        Err(error) => return refusal(status(&error), &error),
    };
    match (request.method().clone(), upgrade) {
        (Method::POST, _) => {
            let (parts, body) = request.into_parts();
            post(&context.shared, &token, &parts.headers, body).await
        }
        (_, Ok(upgrade)) => websocket::upgrade(context.shared, token, upgrade, context.place),
        _ => {
            let error = ApiError::new(ErrorCode::InvalidRequest, "this is neither a call nor a WebSocket")
                .hint("send calls by POST with the header 'Content-Type: application/json', or open a WebSocket");
            let mut response = refusal(StatusCode::METHOD_NOT_ALLOWED, &error);
            response.headers_mut().insert(header::ALLOW, header::HeaderValue::from_static("POST"));
            response
        }
    }
}

async fn post(shared: &Arc<Shared>, token: &Arc<Token>, headers: &HeaderMap, body: Body) -> Response {
    if !headers::is_json(headers) {
        let error = ApiError::new(ErrorCode::InvalidRequest, "the body is not declared as JSON")
            .hint("send the header 'Content-Type: application/json'");
        return refusal(StatusCode::UNSUPPORTED_MEDIA_TYPE, &error);
    }
    let body = match receive(shared, body).await {
        Ok(body) => body,
        Err(error) => return refusal(status(&error), &error),
    };
    let incoming = match rpc::parse(&body, shared.config.limits.max_batch) {
        Ok(incoming) => incoming,
        Err(error) => return refusal(status(&error), &error),
    };
    let answer = match incoming {
        Incoming::One(item) => one(shared, token, item).await,
        Incoming::Batch(items) => batch(shared, token, items).await,
    };
    match answer {
        Some(answer) => ([(header::CONTENT_TYPE, "application/json")], answer).into_response(),
        None => StatusCode::NO_CONTENT.into_response(),
    }
}

async fn receive(shared: &Shared, body: Body) -> Result<Bytes, ApiError> {
    let limits = &shared.config.limits;
    let received = tokio::time::timeout(limits.body_timeout, to_bytes(body, limits.max_request_bytes)).await;
    match received {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(error)) => {
            // The library tells a body that is too large from a broken one by the cause alone.
            let is_large =
                std::error::Error::source(&error).is_some_and(|cause| cause.to_string().contains("limit"));
            match is_large {
                true => Err(ApiError::new(
                    ErrorCode::TooLarge,
                    format!("the request has more than {} bytes", limits.max_request_bytes),
                )),
                false => {
                    Err(ApiError::new(ErrorCode::InvalidRequest, format!("the request broke off: {error}")))
                }
            }
        }
        Err(_) => Err(ApiError::new(ErrorCode::InvalidRequest, "the request did not arrive in time")
            .hint("send it again over a faster connection, or split it")),
    }
}

pub(super) async fn one(shared: &Arc<Shared>, token: &Arc<Token>, item: Item<'_>) -> Option<String> {
    match item {
        Item::Call(call) => {
            let result = carry_out(shared, token, &call).await;
            Some(rpc::answer(call.id, result))
        }
        Item::Notification => None,
        Item::Bad(id, error) => Some(rpc::answer(id, Err(error))),
    }
}

/// One after the other, so that what is asked for in order happens in order.
pub(super) async fn batch(shared: &Arc<Shared>, token: &Arc<Token>, items: Vec<Item<'_>>) -> Option<String> {
    let mut answers = Vec::new();
    for item in items {
        answers.extend(one(shared, token, item).await);
    }
    (!answers.is_empty()).then(|| format!("[{}]", answers.join(",")))
}

/// Carries a call out to its end, even if the client goes away meanwhile.
pub(super) async fn carry_out(
    shared: &Arc<Shared>,
    token: &Arc<Token>,
    call: &Call<'_>,
) -> Result<Box<RawValue>, ApiError> {
    if matches!(call.method.as_ref(), "strait_subscribe" | "strait_unsubscribe") {
        return Err(ApiError::new(ErrorCode::InvalidRequest, "subscriptions need a WebSocket, and no batch")
            .hint("open a WebSocket at the same address, or follow strait_events by its cursor"));
    }
    let Ok(place) = shared.calls.clone().try_acquire_owned() else {
        return Err(ApiError::new(ErrorCode::Busy, "too many calls are under way"));
    };
    let (guarded, token) = (shared.guarded.clone(), token.clone());
    let (method, params) =
        (call.method.clone().into_owned(), call.params.clone().map(|params| params.into_owned()));
    let started = Instant::now();
    let name = method.clone();
    let call = async move {
        let _place = place;
        guarded.call(&token, &method, params.as_deref()).await
    };
    let call = Carried::new(&shared.tasks, AssertUnwindSafe(call).catch_unwind());
    let result = call.await.unwrap_or_else(|_| {
        tracing::error!(method = name, "a call panicked");
        Err(ApiError::new(ErrorCode::Internal, "the call ended by a bug of the node"))
    });
    shared.metrics.call(&name, started.elapsed(), result.as_ref().err().map(|error| error.code));
    result
}

async fn health() -> &'static str {
    "ok\n"
}

async fn ready(State(Context { shared, .. }): State<Context>, headers: HeaderMap) -> Response {
    let missing = shared.readiness.missing().await;
    let code = if missing.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    // Without a token only what a probe needs.
    let is_reader = headers::bearer(&shared, &headers).is_ok_and(|token| token.allows(Scope::Read));
    let missing: Vec<_> = missing
        .into_iter()
        .map(|missing| if is_reader { missing.details } else { missing.part.to_owned() })
        .collect();
    let body = serde_json::json!({ "ready": missing.is_empty(), "missing": missing }).to_string();
    (code, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

async fn metrics(State(Context { shared, .. }): State<Context>, headers: HeaderMap) -> Response {
    let allowed = headers::bearer(&shared, &headers).and_then(|token| match token.allows(Scope::Read) {
        true => Ok(()),
        false => Err(ApiError::new(ErrorCode::Forbidden, "metrics need the scope read")),
    });
    if let Err(error) = allowed {
        return refusal(status(&error), &error);
    }
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], shared.metrics.render().await).into_response()
}
