//! One endpoint: requests with a time limit, and what its failures mean.

use alloy_primitives::{B256, Bytes};
use alloy_rpc_client::{ClientBuilder, RpcClient, WsConnect};
use alloy_transport::{RpcError, TransportError, TransportErrorKind};
use reqwest::Url;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::time::Duration;
use strait_engine::ports::{ChainError, Wake};
use strait_types::abi::decode_revert;
use tokio::sync::broadcast::error::RecvError;

/// Error code of a reverted call in Ethereum's execution API.
const REVERTED: i64 = 3;
/// JSON-RPC's code for a request limit, EIP-1474.
const LIMIT_EXCEEDED: i64 = -32_005;
/// Longest rest that an endpoint can ask for.
const LONGEST_REST: Duration = Duration::from_secs(300);

/// Why an endpoint gave no answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Fault {
    /// No answer, or none in time.
    Unreachable(String),
    /// Too many requests; it may say how long to wait.
    RateLimited { wait: Option<Duration>, text: String },
    /// The call reverts, with this reason.
    Reverted(String),
    /// It answered by an error.
    Refused { code: i64, message: String },
    /// It answered, and the answer cannot be true.
    Nonsense(String),
    /// It is behind what was seen before.
    Behind(String),
    /// Another endpoint says something else, and nobody can tell which of them is right.
    Contradiction(String),
    /// There is more to be read than one call takes time for.
    Unfinished(String),
    /// A block that the question was about is not in its chain.
    NotCanonical(strait_engine::ports::BlockRef),
}

impl Fault {
    /// Whether another endpoint may do better.
    pub(super) fn is_the_endpoints(&self) -> bool {
        !matches!(
            self,
            Fault::Reverted(_) | Fault::NotCanonical(_) | Fault::Contradiction(_) | Fault::Unfinished(_)
        )
    }

    pub(super) fn nonsense(text: impl Into<String>) -> Fault {
        Fault::Nonsense(text.into())
    }

    /// For the caller, who learns which endpoint it was.
    pub(super) fn at(self, endpoint: &str) -> ChainError {
        match self {
            Fault::Unreachable(text) | Fault::Unfinished(text) => {
                ChainError::Unreachable(format!("{endpoint}: {text}; check its address and that it runs"))
            }
            Fault::RateLimited { text, .. } => ChainError::Unreachable(format!(
                "{endpoint} limits requests: {text}; raise `poll_ms`, or name another endpoint beside it"
            )),
            Fault::Refused { code, message } => ChainError::Unreachable(format!(
                "{endpoint} refuses: {message} (code {code}); ask its operator, or name another endpoint"
            )),
            Fault::Behind(text) => ChainError::Unreachable(format!(
                "{endpoint} is behind: {text}; name another endpoint beside it"
            )),
            Fault::Reverted(reason) => ChainError::Reverts { reason },
            Fault::Nonsense(text) | Fault::Contradiction(text) => ChainError::Nonsense(format!(
                "{endpoint}: {text}; name the address of an Ethereum JSON-RPC endpoint that can be trusted"
            )),
            Fault::NotCanonical(block) => ChainError::NotCanonical(block),
        }
    }
}

/// Scheme, host and port. The path of a provider's address often is the key of an account there.
pub(super) fn public_name(url: &Url) -> String {
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}://{}{port}", url.scheme(), url.host_str().unwrap_or("?"))
}

/// Opens the way to an endpoint. Over HTTP nothing is sent yet.
pub(super) async fn open(url: Url, http: reqwest::Client, limit: Duration) -> Result<RpcClient, Fault> {
    if url.scheme().starts_with("http") {
        return Ok(ClientBuilder::default().http_with_client(http, url));
    }
    // Reconnecting is the pool's business, which knows of other endpoints.
    let connect = ClientBuilder::default().ws(WsConnect::new(url.as_str()).with_max_retries(0));
    match tokio::time::timeout(limit, connect).await {
        Ok(client) => client.map_err(fault),
        Err(_) => Err(late(limit)),
    }
}

/// Calls `wake` at every block that the endpoint tells of, while the connection lasts. Where nothing is told, over HTTP say, it
/// ends at once, and the caller's own looks have to do.
pub(super) async fn listen(client: RpcClient, wake: Wake, limit: Duration) {
    let Some(frontend) = client.pubsub_frontend().cloned() else { return };
    let asked = request(client, "eth_subscribe", json!(["newHeads"]), limit).await;
    let Ok(id) = asked.and_then(|answer| read::<B256>("eth_subscribe", answer)) else { return };
    let Ok(mut heads) = frontend.get_subscription(id).await else { return };
    while !matches!(heads.recv().await, Err(RecvError::Closed)) {
        wake();
    }
}

/// One request.
pub(super) async fn request(
    client: RpcClient,
    method: &'static str,
    parameters: Value,
    limit: Duration,
) -> Result<Value, Fault> {
    match tokio::time::timeout(limit, client.request::<Value, Value>(method, parameters)).await {
        Ok(answer) => answer.map_err(fault),
        Err(_) => Err(late(limit)),
    }
}

/// An answer in its type.
pub(super) fn read<T: DeserializeOwned>(method: &str, answer: Value) -> Result<T, Fault> {
    serde_json::from_value(answer).map_err(|error| Fault::nonsense(format!("{method} answers: {error}")))
}

fn late(limit: Duration) -> Fault {
    Fault::Unreachable(format!("no answer within {:.1} s", limit.as_secs_f64()))
}

fn fault(error: TransportError) -> Fault {
    match error {
        RpcError::ErrorResp(payload) => {
            let data = payload.data.as_ref().and_then(|data| serde_json::from_str(data.get()).ok());
            refusal(payload.code, &payload.message, data.as_ref())
        }
        RpcError::Transport(kind) => transport_fault(&kind),
        RpcError::DeserError { err, text } if looks_like_a_limit(&text) => {
            Fault::RateLimited { wait: None, text: shortened(&err.to_string()) }
        }
        RpcError::DeserError { err, .. } => Fault::nonsense(format!("no JSON-RPC answer: {err}")),
        other => Fault::Unreachable(shortened(&other.to_string())),
    }
}

fn transport_fault(kind: &TransportErrorKind) -> Fault {
    let wait = kind.retry_after().map(|wait| wait.min(LONGEST_REST));
    match kind.as_http_error() {
        Some(http) if http.status == 429 || wait.is_some() => {
            Fault::RateLimited { wait, text: format!("HTTP status {}", http.status) }
        }
        Some(http) => Fault::Unreachable(shortened(&format!("HTTP status {}: {}", http.status, http.body))),
        None => Fault::Unreachable(shortened(&kind.as_custom().map_or_else(
            || kind.to_string(),
            // The address is left out: it may hold the key of an account.
            |error| {
                error
                    .source()
                    .map_or_else(|| without_addresses(&error.to_string()), |cause| cause.to_string())
            },
        ))),
    }
}

/// What a JSON-RPC error says.
fn refusal(code: i64, message: &str, data: Option<&Value>) -> Fault {
    if (code == LIMIT_EXCEEDED && !speaks_of_the_answer(message))
        || code == 429
        || looks_like_a_limit(message)
    {
        return Fault::RateLimited { wait: None, text: shortened(message) };
    }
    let bytes = data.and_then(revert_data);
    if let Some(bytes) = bytes.filter(|bytes| !bytes.is_empty()) {
        return Fault::Reverted(decode_revert(&bytes));
    }
    if code == REVERTED || looks_like_a_failed_call(message) {
        return Fault::Reverted(shortened(message));
    }
    Fault::Refused { code, message: shortened(message) }
}

/// The bytes lie at `data`, or one level deeper.
fn revert_data(data: &Value) -> Option<Bytes> {
    let text = data.as_str().or_else(|| data.get("data")?.as_str())?;
    text.trim_start_matches("Reverted ").parse().ok()
}

fn looks_like_a_limit(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    ["too many requests", "rate limit", "request limit", "requests per second", "compute units"]
        .iter()
        .any(|sign| text.contains(sign))
}

/// Calls that fail without the contract's own reason; each kind of node has its words for them.
fn looks_like_a_failed_call(message: &str) -> bool {
    let text = message.to_ascii_lowercase();
    ["revert", "vm execution error", "always failing", "out of gas", "gas required exceeds", "invalid opcode"]
        .iter()
        .any(|sign| text.contains(sign))
}

/// JSON-RPC has one code for too many requests and for too large an answer.
fn speaks_of_the_answer(message: &str) -> bool {
    let text = message.to_ascii_lowercase();
    ["result", "range", "block", "size"].iter().any(|sign| text.contains(sign))
}

/// Errors of strangers go into logs; a page of HTML should not.
fn shortened(text: &str) -> String {
    let first: String = without_addresses(text).chars().take(200).collect();
    first.replace(['\n', '\r'], " ")
}

fn without_addresses(text: &str) -> String {
    let hidden = |word: &str| if word.contains("://") { "(address)".to_owned() } else { word.to_owned() };
    text.split(' ').map(hidden).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_name_keeps_the_account_key_secret() {
        let url = Url::parse("https://user:pass@rpc.example:8443/v2/secret?key=1").expect("an address");
        assert_eq!(public_name(&url), "https://rpc.example:8443");
        let error = "error sending request for url (https://rpc.example/v2/secret)";
        assert!(!shortened(error).contains("secret"));
    }

    #[test]
    fn reverts_are_told_from_refusals() {
        let stale = json!("0x01fd75ab");
        assert!(matches!(refusal(3, "execution reverted", Some(&stale)), Fault::Reverted(_)));
        let deeper = refusal(-32_000, "VM error", Some(&json!({ "data": "0x01fd75ab" })));
        assert_eq!(deeper, refusal(3, "execution reverted", Some(&stale)));
        let exceeds = refusal(-32_000, "gas required exceeds allowance (30000000)", None);
        assert_eq!(exceeds, Fault::Reverted("gas required exceeds allowance (30000000)".into()));
        let unknown = refusal(-32_601, "the method does not exist", None);
        assert_eq!(unknown, Fault::Refused { code: -32_601, message: "the method does not exist".into() });
    }

    #[test]
    fn limits_of_requests_are_told_from_limits_of_ranges() {
        assert!(matches!(refusal(-32_005, "daily request count exceeded", None), Fault::RateLimited { .. }));
        assert!(matches!(refusal(-32_005, "project is throttled", None), Fault::RateLimited { .. }));
        assert!(matches!(
            refusal(-32_005, "query returned more than 10000 results", None),
            Fault::Refused { .. }
        ));
        assert!(matches!(
            refusal(-32_007, "100/second request limit reached", None),
            Fault::RateLimited { .. }
        ));
    }
}
