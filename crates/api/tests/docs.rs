//! The generated documents are those of the code. `STRAIT_WRITE_DOCS=1 cargo test -p strait-api` writes them.

use std::fmt::Write as _;
use std::path::PathBuf;
use strait_api::{ErrorCode, METHODS, openrpc};

fn compare(name: &str, wanted: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name);
    if std::env::var_os("STRAIT_WRITE_DOCS").is_some() {
        std::fs::write(&path, wanted).expect("written");
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == wanted,
        "docs/{name} is not of this code; run STRAIT_WRITE_DOCS=1 cargo test --release -p strait-api"
    );
}

#[test]
fn the_openrpc_document_is_of_this_code() {
    let document = serde_json::to_string_pretty(&openrpc()).expect("JSON");
    compare("openrpc.json", &format!("{document}\n"));
}

#[test]
fn the_error_catalogue_is_of_this_code() {
    let mut text = String::from(
        "# Errors of the API\n\n\
         Generated from `crates/api/src/error.rs`. Each error is a JSON-RPC error object: `code` is the number, `message` the case at\n\
         hand, and `data` holds `code` (the name), `kind` and `hint`. The numbers and names are stable. The hints here are the general\n\
         ones; an answer may have a more exact one.\n\n\
         | name | number | whose matter | next step |\n|---|---:|---|---|\n",
    );
    for code in ErrorCode::ALL {
        let kind = serde_json::to_value(code.kind()).expect("a name");
        let kind = kind.as_str().expect("text");
        let hint = code.hint().replace('|', "\\|");
        writeln!(text, "| `{}` | {} | {kind} | {hint} |", code.name(), code.number()).expect("a string");
    }
    compare("errors.md", &text);
}

#[test]
fn every_method_of_the_document_has_named_parameters_with_schemas() {
    let document = openrpc();
    let listed = document["methods"].as_array().expect("methods");
    assert_eq!(listed.len(), METHODS.len() + 3);
    let pay = listed.iter().find(|method| method["name"] == "strait_pay").expect("pay");
    let names: Vec<_> =
        pay["params"].as_array().expect("parameters").iter().map(|param| &param["name"]).collect();
    assert_eq!(names, ["amount", "channel", "asset", "idempotency_key", "invoice", "memo"]);
    assert_eq!(pay["params"][1]["required"], true);
    assert_eq!(pay["params"][2]["required"], false);
    assert!(
        listed
            .iter()
            .flat_map(|method| method["params"].as_array())
            .flatten()
            .all(|param| param["schema"].is_object())
    );
}
