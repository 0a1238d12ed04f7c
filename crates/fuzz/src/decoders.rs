//! Everything that reads bytes from outside: peers, strangers, the chain, the disk, users.

mod disk;
mod people;
mod rules;
mod wire;

use crate::{Target, unhex};
use serde_json::Value;

const fn target(
    name: &'static str,
    longest: usize,
    run: fn(&[u8], &mut crate::Features) -> Result<(), String>,
) -> Target {
    Target { name, longest, run }
}

/// The targets.
pub const DECODERS: &[Target] = &[
    target("frame", 4_096, wire::frame),
    target("handshake", 512, wire::handshake),
    target("tower", 4_096, wire::tower),
    target("log", 2_048, wire::log),
    target("answer", 1_024, wire::answer),
    target("record", 4_096, disk::record),
    target("snapshot", 4_096, disk::snapshot),
    target("journal", 4_096, disk::journal),
    target("database", 64 * 1_024, disk::database),
    target("keystore", 1_024, disk::keystore),
    target("address", 256, people::address),
    target("amount", 128, people::amount),
    target("invoice", 1_024, people::invoice),
    target("config", 4_096, people::config),
    target("api", 1_024, people::api),
    target("app", 512, rules::app),
    target("code", 1_024, rules::code),
    target("fields", 256, rules::fields),
];

const VECTORS: &[&str] = &[
    include_str!("../../../vectors/wire.json"),
    include_str!("../../../vectors/locks.json"),
    include_str!("../../../vectors/moves.json"),
    include_str!("../../../vectors/transport.json"),
];

/// What a search in a target begins with, besides its corpus.
pub fn samples(target: &str) -> Vec<Vec<u8>> {
    let text = |texts: &[&str]| texts.iter().map(|text| text.as_bytes().to_vec()).collect();
    match target {
        "database" => disk::databases(),
        "keystore" => text(disk::KEYSTORES),
        "address" => text(people::ADDRESSES),
        "amount" => text(people::AMOUNTS),
        "invoice" => people::invoices(),
        "config" => text(people::CONFIGS),
        "api" => people::requests(),
        "app" | "code" => rules::samples(target),
        "fields" => text(rules::FIELDS),
        "nodes" => crate::programs(),
        _ => vectors(),
    }
}

/// Every piece of bytes in `vectors/`, and the beginning of a journal.
fn vectors() -> Vec<Vec<u8>> {
    fn collect(value: &Value, into: &mut Vec<Vec<u8>>) {
        match value {
            Value::String(text) => into.extend(unhex(text).filter(|bytes| !bytes.is_empty())),
            Value::Array(values) => values.iter().for_each(|value| collect(value, into)),
            Value::Object(fields) => fields.values().for_each(|value| collect(value, into)),
            _ => {}
        }
    }
    let mut all = Vec::new();
    for text in VECTORS {
        collect(&serde_json::from_str(text).unwrap_or_default(), &mut all);
    }
    let (snapshot, record) = disk::begun();
    all.extend([snapshot, record]);
    all.sort_unstable();
    all.dedup();
    all
}
