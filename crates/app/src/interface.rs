//! Whether a contract answers what it will be asked, by its ABI.

use crate::reason::written;
use alloy_primitives::hex;
use serde_json::Value;
use strait_types::abi::app::SELECTORS;
use strait_types::keccak256;

/// What an app is asked, in the order of [`SELECTORS`]: name, parameters for people, and what it returns.
const QUESTIONS: [(&str, &str, &str); 2] =
    [("validTransition", "State, State", "bool"), ("verdict", "State", "int128[2][]")];

/// The first question that it has no answer to, or not of that type. An ABI that says nothing at all is no reason.
pub(crate) fn lacks(abi: &Value) -> Option<String> {
    let items = abi.as_array().filter(|items| !items.is_empty())?;
    let functions: Vec<&Value> = items.iter().filter(|item| item["type"] == "function").collect();
    QUESTIONS.iter().zip(SELECTORS).find_map(|((name, takes, answer), selector)| {
        let asked = |function: &&&Value| selector_of(function) == Some(selector);
        let Some(function) = functions.iter().find(asked) else {
            let selector = hex::encode_prefixed(selector);
            let other = functions.iter().find(|function| function["name"] == **name);
            let other = other.and_then(|function| parameters(function, "inputs"));
            let instead = other.map_or(String::new(), |given| format!("; its `{name}` takes ({given})"));
            return Some(format!("no function {name}({takes}) (selector {selector}){instead}"));
        };
        let returned = parameters(function, "outputs").unwrap_or_default();
        (returned != *answer).then(|| format!("a `{name}` that returns ({returned}) instead of ({answer})"))
    })
}

fn selector_of(function: &Value) -> Option<[u8; 4]> {
    let name = function["name"].as_str()?;
    let hash = keccak256(format!("{name}({})", parameters(function, "inputs")?));
    hash.first_chunk().copied()
}

fn parameters(function: &Value, of: &str) -> Option<String> {
    let types: Option<Vec<String>> = function[of].as_array()?.iter().map(written).collect();
    Some(types?.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    const STICKS: &str = include_str!("../../../contracts/artifacts/Sticks.json");

    fn abi() -> Value {
        serde_json::from_str::<Value>(STICKS).expect("JSON")["abi"].clone()
    }

    fn change(name: &str, with: impl FnOnce(&mut Value)) -> String {
        let mut abi = abi();
        let items = abi.as_array_mut().expect("a list");
        with(items.iter_mut().find(|item| item["name"] == name).expect("there"));
        lacks(&abi).expect("not what is asked for")
    }

    #[test]
    fn an_app_answers_both_questions() {
        assert_eq!(lacks(&abi()), None);
        assert_eq!((lacks(&Value::Null), lacks(&serde_json::json!([]))), (None, None), "nothing is known");
    }

    #[test]
    fn what_is_missing_is_named_with_what_is_there_instead() {
        let none = change("verdict", |item| item["name"] = "judge".into());
        assert!(none.starts_with("no function verdict(State) (selector 0x"), "{none}");
        assert!(!none.contains("takes"), "{none}");
        let other = change("validTransition", |item| {
            item["inputs"] = serde_json::json!([{"type": "bytes"}, {"type": "bytes"}]);
        });
        assert!(other.contains("its `validTransition` takes (bytes,bytes)"), "{other}");
        let wrong = change("verdict", |item| item["outputs"] = serde_json::json!([{"type": "uint256"}]));
        assert_eq!(wrong, "a `verdict` that returns (uint256) instead of (int128[2][])");
    }
}
