//! The names that an app's author gave to its errors. The node holds the code alone, so `strait app install` keeps them in
//! the home directory of the command line.

use crate::context::Context;
use crate::failure::Failure;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use strait_api::ApiError;
use strait_app::Reasons;
use strait_types::{Address, Bytes};

/// In front of what an app reverted with, in the node's words.
const MARK: &str = "reverted: ";

fn file(home: &Path, app: Address) -> PathBuf {
    home.join("apps").join(format!("{app}.json"))
}

/// Keeps what an artifact says of errors. Without it they are shown as bytes, so that nothing fails.
pub(super) fn keep(context: &Context, app: Address, artifact: &str) {
    let Some(home) = &context.home else { return };
    let Ok(artifact) = serde_json::from_str::<Value>(artifact) else { return };
    let is_error = |item: &&Value| item["type"] == "error";
    let errors: Vec<&Value> = artifact["abi"].as_array().into_iter().flatten().filter(is_error).collect();
    let path = file(home, app);
    let written = path.parent().map_or(Ok(()), fs::create_dir_all);
    // A home that cannot be written to, or none at all, is no reason to refuse an app.
    drop(written.and_then(|()| fs::write(path, json!({ "abi": errors }).to_string())));
}

/// What the node said of an app's refusal, with the error's name.
pub(super) fn named(context: &Context, app: Address, error: ApiError) -> Failure {
    let Some((before, bytes, after)) = reverted(&error.message) else { return error.into() };
    let kept = context.home.as_ref().and_then(|home| fs::read_to_string(file(home, app)).ok());
    let abi = kept.and_then(|kept| serde_json::from_str::<Value>(&kept).ok());
    let Some(abi) = abi else {
        let hint = format!(
            "{}; `strait app install ARTIFACT` with this home tells the names of the app's errors",
            error.hint
        );
        return error.hint(hint).into();
    };
    let reason = Reasons::of_abi(&abi["abi"]).decode(&bytes);
    let message = format!("{before}{reason}{after}");
    ApiError { message, ..error }.into()
}

/// The text before and after what an app reverted with.
fn reverted(message: &str) -> Option<(&str, Bytes, &str)> {
    let start = message.find(MARK)?.checked_add(MARK.len())?;
    let (before, rest) = message.split_at_checked(start)?;
    let digits = rest.strip_prefix("0x")?;
    let length = digits.bytes().take_while(u8::is_ascii_hexdigit).count().checked_add(2)?;
    let (hex, after) = rest.split_at_checked(length)?;
    Some((before, hex.parse().ok()?, after))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Fake;
    use strait_api::ErrorCode;
    use strait_types::keccak256;

    #[test]
    fn an_error_has_the_name_that_its_author_gave() {
        let home = tempfile::tempdir().expect("a directory");
        let mut context = Fake::new(false).context();
        context.home = Some(home.path().to_owned());
        let app = Address::repeat_byte(7);
        let selector = Bytes::copy_from_slice(&keccak256("NotYourTurn()")[..4]);
        let refused = || {
            let message = format!("validTransition reverted: {selector}; look at the app's rules");
            ApiError::new(ErrorCode::InvalidParams, message)
        };
        assert!(named(&context, app, refused()).render(false, false).contains("strait app install"));
        let abi =
            json!({"abi": [{"type": "error", "name": "NotYourTurn", "inputs": []}, {"type": "function"}]});
        keep(&context, app, &abi.to_string());
        let told = named(&context, app, refused()).to_string();
        assert_eq!(told, "validTransition reverted: NotYourTurn; look at the app's rules");
        let other = ApiError::new(ErrorCode::InvalidParams, "validTransition reverted: the column is full");
        assert_eq!(named(&context, app, other.clone()).to_string(), other.message);
    }
}
