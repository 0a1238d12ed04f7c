//! Calls.

use super::{ClientConfig, Shared};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use strait_api::{ApiError, ErrorCode, ErrorData, METHODS, Scope};

#[derive(Serialize)]
struct Request<'a> {
    jsonrpc: &'static str,
    id: u8,
    method: &'a str,
    params: &'a RawValue,
}

/// The answer to a call; one of the two is there.
#[derive(Deserialize)]
pub(super) struct Answer {
    #[serde(default)]
    result: Option<Box<RawValue>>,
    #[serde(default)]
    error: Option<ErrorObject>,
}

/// An error as JSON-RPC has it.
#[derive(Deserialize)]
pub(super) struct ErrorObject {
    code: i32,
    message: String,
    #[serde(default)]
    data: Option<serde_json::Value>,
}

impl From<ErrorObject> for ApiError {
    fn from(object: ErrorObject) -> ApiError {
        let data = object.data.and_then(|data| serde_json::from_value::<ErrorData>(data).ok());
        if let Some(ErrorData { code, hint, shortage, exceeded, .. }) = data {
            return ApiError { code, message: object.message, hint, shortage, exceeded };
        }
        // A node of a newer release may know more codes than this one, and a proxy none.
        let known = ErrorCode::ALL.iter().find(|code| code.number() == object.code);
        match known {
            Some(code) => ApiError::new(*code, object.message),
            None => ApiError::new(ErrorCode::Internal, format!("error {}: {}", object.code, object.message))
                .hint("use a client and a node of the same release"),
        }
    }
}

/// Whether a failed call tells that something else than a node answers at the address.
pub(super) fn is_of_another(error: &ApiError) -> bool {
    error.code == ErrorCode::UnknownMethod || error.code == ErrorCode::NoAnswer && error.hint == NO_NODE
}

/// What to do where something else answers.
const NO_NODE: &str = "check that the address is that of the node's API, without a path";

/// Reads an answer.
///
/// # Errors
/// What the node said, or that it said nothing that can be understood.
pub(super) fn read(body: &[u8]) -> Result<Box<RawValue>, ApiError> {
    let strange = |why: String| {
        ApiError::new(ErrorCode::NoAnswer, format!("the answer is none of a Strait node: {why}"))
            .hint(NO_NODE)
    };
    let answer: Answer = serde_json::from_slice(body).map_err(|error| strange(error.to_string()))?;
    match (answer.result, answer.error) {
        (_, Some(error)) => Err(error.into()),
        (Some(result), None) => Ok(result),
        (None, None) => Err(strange("neither a result nor an error".into())),
    }
}

pub(super) fn client(config: &ClientConfig, tls: &rustls::ClientConfig) -> Result<reqwest::Client, ApiError> {
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls.clone())
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .connect_timeout(config.connect_timeout)
        .timeout(config.timeout)
        .build()
        .map_err(|error| ApiError::new(ErrorCode::Internal, error.to_string()))
}

/// That the node was not reached: certainly nothing was done.
pub(super) fn unreachable(shared: &Shared, why: &dyn std::fmt::Display) -> ApiError {
    ApiError::new(ErrorCode::NodeUnreachable, format!("the node at {} is not reached: {why}", shared.url))
}

impl Shared {
    pub(super) async fn call(&self, method: &str, params: &RawValue) -> Result<Box<RawValue>, ApiError> {
        let request = Request { jsonrpc: "2.0", id: 1, method, params };
        let body = serde_json::to_vec(&request)
            .map_err(|error| ApiError::new(ErrorCode::InvalidParams, error.to_string()))?;
        let is_reading = METHODS.iter().any(|known| known.name == method && known.scope == Scope::Read);
        let failed = |error: reqwest::Error| {
            let message = format!("{method}: {}", cause(&error));
            if error.is_builder() {
                ApiError::new(ErrorCode::Unauthorized, "the token has characters that no token has")
            } else if error.is_connect() {
                unreachable(self, &cause(&error))
            } else if is_reading {
                ApiError::new(ErrorCode::NoAnswer, message).hint("repeat it; it only reads")
            } else {
                ApiError::new(ErrorCode::NoAnswer, message)
            }
        };
        let answer = self
            .http
            .post(self.url.clone())
            .bearer_auth(&self.config.token)
            .header("content-type", "application/json")
            .body(body)
            .send()
            .await
            .map_err(failed)?;
        read(&answer.bytes().await.map_err(failed)?)
    }
}

/// The last of an error's causes says what happened; the first only that something did.
fn cause(error: &dyn std::error::Error) -> String {
    let mut last = error;
    while let Some(next) = last.source() {
        last = next;
    }
    last.to_string()
}
