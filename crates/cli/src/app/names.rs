//! The names that an app's author gave to its errors and its data. The node holds the code alone, so `strait app install`
//! keeps them in the home directory of the command line.

use crate::context::Context;
use crate::failure::Failure;
use crate::text::one_line;
use serde_json::{Value, json};
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use strait_api::ApiError;
use strait_app::{AppCode, Fields, Reasons};
use strait_types::{Address, Bytes};

/// In front of what an app reverted with, in the node's words.
const MARK: &str = "reverted: ";

fn file(home: &Path, app: Address) -> PathBuf {
    home.join("apps").join(format!("{app}.json"))
}

/// Keeps what an artifact says of errors, and what its data's fields are called; `fields` that are not given stay as they
/// were. Without it errors and data are shown as bytes, so that nothing fails.
pub(super) fn keep(context: &Context, app: Address, artifact: &str, title: &str, fields: &str) {
    let Some(home) = &context.home else { return };
    let before = kept(context, app);
    let fields = Some(fields).filter(|fields| !fields.is_empty());
    let fields = fields.or_else(|| before.as_ref()?["fields"].as_str()).unwrap_or_default();
    let Ok(artifact) = serde_json::from_str::<Value>(artifact) else { return };
    let is_error = |item: &&Value| item["type"] == "error";
    let errors: Vec<&Value> = artifact["abi"].as_array().into_iter().flatten().filter(is_error).collect();
    let path = file(home, app);
    let written = path.parent().map_or(Ok(()), fs::create_dir_all);
    // A home that cannot be written to, or none at all, is no reason to refuse an app.
    let runtime = AppCode::from_artifact(&artifact.to_string()).ok().map(|code| code.runtime().clone());
    let names = json!({ "title": title, "abi": errors, "fields": fields, "runtime": runtime });
    drop(written.and_then(|()| fs::write(path, names.to_string())));
}

fn kept(context: &Context, app: Address) -> Option<Value> {
    let text = fs::read_to_string(file(context.home.as_ref()?, app)).ok()?;
    serde_json::from_str(&text).ok()
}

/// The fields of an app's data: as they are given, else as they were at its installation.
pub(crate) fn fields(context: &Context, app: Option<Address>, given: &Fields) -> Fields {
    let known = || Fields::read(kept(context, app?)?["fields"].as_str()?).ok();
    if given.is_empty() { known().unwrap_or_default() } else { given.clone() }
}

/// An app's code, where it was installed with this home.
pub(super) fn code(context: &Context, app: Address) -> Option<AppCode> {
    let runtime: Bytes = kept(context, app)?["runtime"].as_str()?.parse().ok()?;
    AppCode::new(runtime).ok()
}

/// What an artifact calls its contract: Hardhat's and this project's own say it, Foundry's says what was compiled. Else the file
/// is called after it, or the project that it lies in.
pub(super) fn title_of(artifact: &str, path: &Path) -> String {
    let artifact: Value = serde_json::from_str(artifact).unwrap_or_default();
    let compiled = artifact["metadata"]["settings"]["compilationTarget"].as_object();
    let compiled = compiled.and_then(|targets| targets.values().next());
    if let Some(name) = artifact["contractName"].as_str().or_else(|| compiled?.as_str()) {
        return one_line(name);
    }
    let name = |part: Option<&OsStr>| part.map(|part| part.to_string_lossy().into_owned());
    let project = || name(fs::canonicalize(path).ok()?.parent()?.file_name());
    let stem = name(path.file_stem()).unwrap_or_default();
    if stem == "artifact" { project().unwrap_or(stem) } else { stem }
}

/// What an app and its data's fields are called here.
pub(super) fn description(context: &Context, app: Address) -> String {
    let kept = kept(context, app).unwrap_or_default();
    match (kept["title"].as_str().unwrap_or_default(), kept["fields"].as_str().unwrap_or_default()) {
        (title, "") => title.to_owned(),
        (title, fields) => format!("{title} ({fields})"),
    }
}

/// What the node said of an app's refusal, with the error's name.
pub(super) fn named(context: &Context, app: Address, error: ApiError) -> Failure {
    let Some((before, bytes, after)) = reverted(&error.message) else { return error.into() };
    let Some(abi) = kept(context, app) else {
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
    fn an_app_is_called_after_its_contract_or_else_after_its_file_or_project() {
        let home = tempfile::tempdir().expect("a directory");
        let project = home.path().join("my-game");
        fs::create_dir(&project).expect("made");
        let path = project.join("artifact.json");
        fs::write(&path, "{}").expect("written");
        let foundry = json!({"metadata": {"settings": {"compilationTarget": {"src/Nim.sol": "Nim"}}}});
        for (artifact, expected) in
            [(json!({"contractName": "Chess"}), "Chess"), (foundry, "Nim"), (json!({"abi": []}), "my-game")]
        {
            assert_eq!(title_of(&artifact.to_string(), &path), expected);
        }
        assert_eq!(title_of("{}", Path::new("out/ConnectFour.json")), "ConnectFour");
    }

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
        keep(&context, app, &abi.to_string(), "Mine", "uint8 hand");
        keep(&context, app, &abi.to_string(), "Mine", "");
        assert_eq!(fields(&context, Some(app), &Fields::default()).show(&[0; 32]), "hand 0");
        assert_eq!(description(&context, app), "Mine (uint8 hand)");
        let told = named(&context, app, refused()).to_string();
        assert_eq!(told, "validTransition reverted: NotYourTurn; look at the app's rules");
        let other = ApiError::new(ErrorCode::InvalidParams, "validTransition reverted: the column is full");
        assert_eq!(named(&context, app, other.clone()).to_string(), other.message);
    }
}
