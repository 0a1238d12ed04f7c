//! Reading of parameters, with errors that name the parameter.

use crate::error::{ApiError, ErrorCode};
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use strait_types::NO_AMOUNT;

/// Reads named parameters; absent ones are an empty object.
///
/// # Errors
/// [`ErrorCode::InvalidParams`], which names the parameter.
pub fn read_params<P: DeserializeOwned>(params: Option<&RawValue>) -> Result<P, ApiError> {
    let text = params.map_or("{}", RawValue::get);
    let mut source = serde_json::Deserializer::from_str(text);
    serde_path_to_error::deserialize(&mut source).map_err(|error| {
        let path = error.path().to_string();
        let what = without_place(&error.into_inner().to_string());
        let (code, what) = match what.strip_prefix(NO_AMOUNT) {
            Some(what) => (ErrorCode::InvalidAmount, what),
            None => (ErrorCode::InvalidParams, what.as_str()),
        };
        if let Some(name) = what.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`')) {
            let place = if path == "." { name.to_owned() } else { format!("{path}.{name}") };
            return ApiError::new(code, format!("the parameter `{place}` is missing")).hint(format!(
                "parameters are named: send an object with `{name}`; rpc.discover has the names"
            ));
        }
        let message = if path == "." { what.to_owned() } else { format!("the parameter `{path}`: {what}") };
        ApiError::new(code, message)
    })
}

/// The message without line and column, which say nothing to whoever has built the request by a program.
fn without_place(message: &str) -> String {
    message.rsplit_once(" at line ").map_or(message, |(what, _)| what).to_owned()
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
        assert_eq!(message::<ChannelRef>("{}"), "the parameter `channel` is missing");
        let id = format!("0x{}", "ab".repeat(32));
        let nested =
            message::<PayMany>(&format!("{{\"channel\": \"{id}\", \"payments\": [{{\"memo\": \"tea\"}}]}}"));
        assert_eq!(nested, "the parameter `payments[0].amount` is missing");
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
