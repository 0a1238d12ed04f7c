//! The OpenRPC document, made from the same list as the code.

use crate::error::{ErrorCode, ErrorData};
use crate::methods::METHODS;
use crate::model::{EventQuery, EventRecord};
use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

/// The OpenRPC 1.3 document of this release; see <https://spec.open-rpc.org>.
pub fn openrpc() -> Value {
    let mut generator = SchemaSettings::draft07()
        .with(|settings| settings.definitions_path = "/components/schemas".into())
        .into_generator();
    let mut methods: Vec<Value> = METHODS
        .iter()
        .map(|method| {
            json!({
                "name": method.name,
                "summary": method.summary,
                "description": format!("Needs a token with the scope {}.", scope(method.scope)),
                "paramStructure": "by-name",
                "params": [{ "name": "params", "required": true, "schema": (method.params)(&mut generator) }],
                "result": { "name": "result", "schema": (method.result)(&mut generator) },
            })
        })
        .collect();
    methods.push(json!({
        "name": "strait_subscribe",
        "summary": "Subscribes to all events, over WebSocket; with a cursor, from after it on. Ends with strait_unsubscribe.",
        "description": "Needs a token with the scope read. Each notification is an EventRecord; its cursor resumes after a disconnect.",
        "paramStructure": "by-name",
        "params": [{ "name": "params", "required": true, "schema": generator.subschema_for::<EventQuery>() }],
        "result": { "name": "subscription", "schema": generator.subschema_for::<EventRecord>() },
    }));
    let errors: Vec<Value> = ErrorCode::ALL
        .iter()
        .map(|code| json!({ "code": code.number(), "message": code.name(), "data": { "kind": code.kind(), "hint": code.hint() } }))
        .collect();
    generator.subschema_for::<ErrorData>();
    json!({
        "openrpc": "1.3.2",
        "info": { "title": "Strait", "version": env!("CARGO_PKG_VERSION"), "license": { "name": "MIT" } },
        "methods": methods,
        "components": { "schemas": generator.take_definitions(true), "errors": errors },
    })
}

fn scope(scope: crate::Scope) -> String {
    serde_json::to_value(scope).ok().and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default()
}
