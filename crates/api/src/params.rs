//! Reading of parameters, with errors that name the parameter.

use crate::error::{ApiError, ErrorCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use strait_types::NO_AMOUNT;

/// Deepest place that is named: a field of an item of a list, say.
const DEPTH: usize = 6;

/// Reads named parameters; absent ones are an empty object.
///
/// # Errors
/// [`ErrorCode::InvalidParams`], which names the parameter.
pub fn read_params<P: DeserializeOwned>(params: Option<&RawValue>) -> Result<P, ApiError> {
    let text = params.map_or("{}", RawValue::get);
    serde_json::from_str(text).map_err(|error| {
        let what = without_place(&error.to_string());
        // What is wrong with a value may be found at the comma or bracket after it; what is wrong with the names, there.
        let is_of_names = ["missing field", "unknown field", "duplicate field"];
        let slack = usize::from(!is_of_names.iter().any(|start| what.starts_with(start)));
        let place = end_of(text, &error).and_then(|end| path(text, end, slack, DEPTH));
        let (code, what) = match what.strip_prefix(NO_AMOUNT) {
            Some(what) => (ErrorCode::InvalidAmount, what),
            None => (ErrorCode::InvalidParams, what.as_str()),
        };
        let message = match place {
            Some(place) => format!("the parameter `{place}`: {what}"),
            None => what.to_owned(),
        };
        ApiError::new(code, message)
    })
}

/// The message without line and column, which say nothing to whoever has built the request by a program.
fn without_place(message: &str) -> String {
    message.rsplit_once(" at line ").map_or(message, |(what, _)| what).to_owned()
}

/// How many bytes of the text were read when it failed.
fn end_of(text: &str, error: &serde_json::Error) -> Option<usize> {
    let before: usize = text.split_inclusive('\n').take(error.line().checked_sub(1)?).map(str::len).sum();
    before.checked_add(error.column()).filter(|end| error.line() > 0 && *end <= text.len())
}

/// The way to the value in which a byte lies, or so many bytes after it.
fn path(text: &str, end: usize, slack: usize, depth: usize) -> Option<String> {
    let depth = depth.checked_sub(1)?;
    let is_in = |value: &RawValue| {
        let start = (value.get().as_ptr() as usize).checked_sub(text.as_ptr() as usize)?;
        let inside = end.checked_sub(start)?;
        (inside > 0 && inside <= value.get().len().saturating_add(slack)).then_some(inside)
    };
    if let Ok(fields) = serde_json::from_str::<Fields<'_>>(text) {
        let (name, value, inside) =
            fields.0.iter().find_map(|(name, value)| Some((name, value, is_in(value)?)))?;
        let rest = path(value.get(), inside, slack, depth);
        return Some(rest.map_or_else(|| name.clone(), |rest| joined(name, &rest)));
    }
    let items: Vec<&RawValue> = serde_json::from_str(text).ok()?;
    let (index, value, inside) =
        items.iter().enumerate().find_map(|(index, value)| Some((index, value, is_in(value)?)))?;
    let place = format!("[{index}]");
    Some(path(value.get(), inside, slack, depth).map_or_else(|| place.clone(), |rest| joined(&place, &rest)))
}

/// Borrowed, so that places in them are places in the text.
#[derive(Deserialize)]
struct Fields<'a>(#[serde(borrow)] BTreeMap<String, &'a RawValue>);

fn joined(outer: &str, inner: &str) -> String {
    if inner.starts_with('[') { format!("{outer}{inner}") } else { format!("{outer}.{inner}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ChannelRef, PayMany};

    fn message<P: DeserializeOwned>(text: &str) -> String {
        let raw = RawValue::from_string(text.to_owned()).expect("JSON");
        read_params::<P>(Some(&raw)).err().expect("it is wrong").message
    }

    #[test]
    fn an_error_names_the_parameter_and_no_column() {
        let channel = message::<ChannelRef>("{\n  \"channel\": \"0x12\"\n}");
        assert!(channel.starts_with("the parameter `channel`: ") && !channel.contains("line"), "{channel}");
        assert!(message::<ChannelRef>("{\"channel\": 5}").starts_with("the parameter `channel`: "));
        assert_eq!(message::<ChannelRef>("{}"), "missing field `channel`");
        assert!(message::<ChannelRef>("{\"chanel\": \"\"}").contains("`chanel`"));
        let id = format!("0x{}", "ab".repeat(32));
        let many = format!(
            "{{\"channel\": \"{id}\", \"payments\": [{{\"amount\": \"1\"}}, {{\"memo\": \"tea\", \"amount\": \"1.5\"}}]}}"
        );
        let amount = message::<PayMany>(&many);
        assert_eq!(
            amount,
            "the parameter `payments[1].amount`: '1.5' is no whole number of the smallest unit"
        );
    }

    #[test]
    fn what_is_no_amount_has_the_code_and_hint_of_amounts() {
        let id = format!("0x{}", "ab".repeat(32));
        for amount in ["abc", "1e18", "0x10", "1.5", "-1", "", "1 000"] {
            let text = format!("{{\"channel\": \"{id}\", \"amount\": \"{amount}\"}}");
            let raw = RawValue::from_string(text).expect("JSON");
            let error = read_params::<crate::model::Pay>(Some(&raw)).expect_err(amount);
            assert_eq!(error.code, ErrorCode::InvalidAmount, "{amount}: {error}");
            assert!(!error.message.contains("0.05"), "{error}");
        }
    }
}
