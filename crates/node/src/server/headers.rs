//! Who may speak at all: by token, by the name under which the server was called, and by the page that calls.
//!
//! A browser lets any page send requests here. It names the page in `Origin`, which must be allowed, and the server in
//! `Host`, which must be no name that somebody else has pointed here (DNS rebinding).

use super::Shared;
use super::tokens::Token;
use axum::http::{HeaderMap, header};
use std::net::IpAddr;
use std::sync::Arc;
use strait_api::{ApiError, ErrorCode};

/// What a WebSocket speaks.
pub(super) const SUBPROTOCOL: &str = "strait";

/// Browsers cannot set `Authorization` on a WebSocket, but they can offer a subprotocol with this prefix.
const BEARER_SUBPROTOCOL: &str = "bearer.";

/// Whether the name and the page may be served.
///
/// # Errors
/// [`ErrorCode::Forbidden`].
pub(super) fn check_source(shared: &Shared, headers: &HeaderMap) -> Result<(), ApiError> {
    let refuse = |message: String, hint: &str| Err(ApiError::new(ErrorCode::Forbidden, message).hint(hint));
    let host = text(headers, header::HOST).unwrap_or_default();
    let name = without_port(host);
    let is_own = name.eq_ignore_ascii_case("localhost")
        || name.trim_matches(['[', ']']).parse::<IpAddr>().is_ok()
        || shared.config.hosts.iter().any(|allowed| allowed.eq_ignore_ascii_case(name));
    if !is_own {
        let hint = "call it by its IP address, or add the name to `node.api_hosts` in the configuration";
        return refuse(format!("the API is not served under the name '{name}'"), hint);
    }
    if let Some(origin) = headers.get(header::ORIGIN) {
        let is_allowed = shared.config.origins.iter().any(|allowed| allowed.as_bytes() == origin.as_bytes());
        if !is_allowed {
            let hint = "add the page's origin to `node.api_origins` in the configuration, if you trust it";
            return refuse(format!("web pages of {origin:?} may not call"), hint);
        }
    }
    Ok(())
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        // The colons of an IPv6 address stand before its bracket.
        Some((name, port)) if !port.contains(']') => name,
        _ => host,
    }
}

/// The bearer of a request.
///
/// # Errors
/// [`ErrorCode::Unauthorized`], [`ErrorCode::TokenExpired`], or [`ErrorCode::StoreFailed`].
pub(super) fn bearer(shared: &Shared, headers: &HeaderMap) -> Result<Arc<Token>, ApiError> {
    let missing = || ApiError::new(ErrorCode::Unauthorized, "the request carries no token");
    let secret = match text(headers, header::AUTHORIZATION) {
        Some(value) => value.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")),
        None => offered(headers)
            .find_map(|offer| offer.strip_prefix(BEARER_SUBPROTOCOL))
            .map(|secret| ("", secret)),
    };
    let (_, secret) = secret.ok_or_else(missing)?;
    shared.tokens.authenticate(secret.trim())
}

fn offered(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let values = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter();
    values.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')).map(str::trim)
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// Whether the body is declared as JSON. Web pages cannot do that without asking first, so it keeps out the requests
/// that they may send unasked.
pub(super) fn is_json(headers: &HeaderMap) -> bool {
    let kind = text(headers, header::CONTENT_TYPE).unwrap_or_default();
    kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json")
}
