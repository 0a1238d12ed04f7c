//! The OpenRPC document, made from the same list as the code.

use crate::error::{ErrorCode, ErrorData};
use crate::methods::METHODS;
use crate::model::{EventQuery, EventRecord, Nothing};
use schemars::generate::SchemaSettings;
use schemars::{Schema, SchemaGenerator};
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
                "params": params(&mut generator, method.params),
                "result": { "name": "result", "schema": (method.result)(&mut generator) },
            })
        })
        .collect();
    methods.push(json!({
        "name": "strait_subscribe",
        "summary": "Subscribes to all events, over WebSocket; with a cursor, from after it on. Ends with strait_unsubscribe.",
        "description": "Needs a token with the scope read. Notifications have the method strait_subscription; their params hold the subscription's number, and a result, which is an EventRecord, or an error that ends it. The cursor of a record resumes after a disconnect.",
        "paramStructure": "by-name",
        "params": params(&mut generator, SchemaGenerator::subschema_for::<EventQuery>),
        "result": { "name": "subscription", "description": "The subscription's number.", "schema": { "type": "integer" } },
    }));
    methods.push(json!({
        "name": "strait_unsubscribe",
        "summary": "Ends a subscription of the same WebSocket.",
        "description": "Needs a token with the scope read.",
        "paramStructure": "by-name",
        "params": [{ "name": "subscription", "required": true, "schema": { "type": "integer" } }],
        "result": { "name": "result", "schema": generator.subschema_for::<Nothing>() },
    }));
    methods.push(json!({
        "name": "rpc.discover",
        "summary": "This document.",
        "description": "Any token may read it.",
        "params": [],
        "result": { "name": "document", "schema": { "type": "object" } },
    }));
    let errors: Vec<Value> = ErrorCode::ALL
        .iter()
        .map(|code| json!({ "code": code.number(), "message": code.name(), "data": { "kind": code.kind(), "hint": code.hint() } }))
        .collect();
    generator.subschema_for::<ErrorData>();
    generator.subschema_for::<EventRecord>();
    json!({
        "openrpc": "1.3.2",
        "info": { "title": "Strait", "version": env!("CARGO_PKG_VERSION"), "license": { "name": "MIT" } },
        "methods": methods,
        "components": { "schemas": generator.take_definitions(true), "errors": errors },
    })
}

/// The named parameters of a method: the properties of its request, required ones first as OpenRPC wants it.
fn params(generator: &mut SchemaGenerator, request: fn(&mut SchemaGenerator) -> Schema) -> Vec<Value> {
    let schema = request(generator);
    let reference = schema.get("$ref").and_then(Value::as_str).unwrap_or_default();
    let name = reference.rsplit('/').next().unwrap_or_default();
    let Some(definition) = generator.definitions().get(name) else { return Vec::new() };
    let required: Vec<_> =
        definition["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let mut params: Vec<_> = definition["properties"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, schema)| (!required.contains(&name.as_str()), name, schema))
        .collect();
    params.sort_by_key(|(is_optional, ..)| *is_optional);
    let entry = |(is_optional, name, schema): (bool, &String, &Value)| json!({ "name": name, "required": !is_optional, "schema": schema });
    params.into_iter().map(entry).collect()
}

fn scope(scope: crate::Scope) -> String {
    serde_json::to_value(scope).ok().and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default()
}
