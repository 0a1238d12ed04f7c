//! JSON-RPC 2.0: from bytes to calls, and back.

use jsonrpsee_types::{ErrorObjectOwned, Id, Request, Response, ResponsePayload};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use strait_api::{ApiError, ErrorCode, ErrorData};

/// What a client sent.
pub(super) enum Incoming<'a> {
    One(Item<'a>),
    Batch(Vec<Item<'a>>),
}

/// One entry of what a client sent.
pub(super) enum Item<'a> {
    Call(Request<'a>),
    /// Without an id: the specification wants no answer, and what nobody waits for is not carried out.
    Notification,
    Bad(Id<'static>, ApiError),
}

/// Whether there is an id, and which.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    method: Option<&'a RawValue>,
}

/// Reads a request or a batch.
///
/// # Errors
/// [`ErrorCode::ParseError`]; [`ErrorCode::InvalidRequest`] for an empty batch; [`ErrorCode::TooLarge`].
pub(super) fn parse(bytes: &[u8], max_batch: usize) -> Result<Incoming<'_>, ApiError> {
    let no_json =
        |error: serde_json::Error| ApiError::new(ErrorCode::ParseError, format!("this is no JSON: {error}"));
    if bytes.trim_ascii_start().first() != Some(&b'[') {
        let raw: &RawValue = serde_json::from_slice(bytes).map_err(no_json)?;
        return Ok(Incoming::One(item(raw)));
    }
    let raw: Vec<&RawValue> = serde_json::from_slice(bytes).map_err(no_json)?;
    if raw.is_empty() {
        return Err(ApiError::new(ErrorCode::InvalidRequest, "the batch is empty"));
    }
    if raw.len() > max_batch {
        let message = format!("the batch has {} calls, at most {max_batch} are taken", raw.len());
        return Err(ApiError::new(ErrorCode::TooLarge, message));
    }
    Ok(Incoming::Batch(raw.into_iter().map(item).collect()))
}

fn item(raw: &RawValue) -> Item<'_> {
    if let Ok(request) = serde_json::from_str::<Request<'_>>(raw.get()) {
        return Item::Call(request);
    }
    let envelope = serde_json::from_str(raw.get()).unwrap_or(Envelope { id: None, method: None });
    match (envelope.id, envelope.method) {
        (None, Some(_)) => Item::Notification,
        (id, _) => {
            let id = id.and_then(|id| serde_json::from_str::<Id<'_>>(id.get()).ok());
            let bad =
                ApiError::new(ErrorCode::InvalidRequest, format!("this is no call: {}", fault(raw.get())));
            Item::Bad(id.map_or(Id::Null, Id::into_owned), bad)
        }
    }
}

/// What keeps a JSON text from being a call.
fn fault(text: &str) -> &'static str {
    let Ok(Value::Object(call)) = serde_json::from_str::<Value>(text) else { return "it is no object" };
    let id = call.get("id");
    if call.get("jsonrpc").and_then(Value::as_str) != Some("2.0") {
        "its `jsonrpc` is not \"2.0\""
    } else if !call.get("method").is_some_and(Value::is_string) {
        "it has no `method` that is text"
    } else if !id.is_none_or(|id| id.is_null() || id.is_string() || id.as_u64().is_some()) {
        "its `id` is neither text nor a whole number from 0 to 2^64 - 1"
    } else {
        "a field is there twice, or is none of `jsonrpc`, `id`, `method` and `params`"
    }
}

/// The answer to one call, as JSON.
pub(super) fn answer(id: Id<'_>, result: Result<Box<RawValue>, ApiError>) -> String {
    let payload = match result {
        Ok(result) => ResponsePayload::success(result),
        Err(error) => ResponsePayload::error(object(&error)),
    };
    to_json(&Response::new(payload, id))
}

/// The answer to what could not be read.
pub(super) fn failure(error: &ApiError) -> String {
    to_json(&Response::<()>::new(ResponsePayload::error(object(error)), Id::Null))
}

/// An error as JSON-RPC has it.
pub(super) fn object(error: &ApiError) -> ErrorObjectOwned {
    ErrorObjectOwned::owned(error.code.number(), error.message.clone(), Some(ErrorData::from(error)))
}

/// Strings, numbers and maps with text keys always have a JSON text.
pub(super) fn to_json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}
