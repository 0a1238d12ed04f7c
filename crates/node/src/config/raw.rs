//! The values as they are written, before they are checked.

use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;
use std::fmt;

/// A text; a number is taken as it is written, since the environment does not tell them apart.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Text(pub(super) String);

/// A time that does not come.
pub(super) const NEVER: &str = "never";

/// Several texts, or one.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Texts(pub(super) Vec<String>);

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Raw {
    pub(super) node: RawNode,
    pub(super) tls: RawTls,
    pub(super) chains: BTreeMap<String, RawChain>,
    pub(super) assets: Vec<RawAsset>,
    pub(super) policy: RawPolicy,
    pub(super) tower: RawTower,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawNode {
    pub(super) listen: Option<Text>,
    pub(super) advertise: Option<Text>,
    pub(super) api: Option<Text>,
    pub(super) api_hosts: Texts,
    pub(super) api_origins: Texts,
    pub(super) api_allow_plain_remote: bool,
    pub(super) key: Option<Text>,
    pub(super) password_file: Option<Text>,
    pub(super) payout: Option<Text>,
    pub(super) log: Option<Text>,
    pub(super) log_format: Option<Text>,
    pub(super) allow_plain_remote: bool,
    pub(super) peers: Texts,
    pub(super) towers: Texts,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawTls {
    pub(super) cert: Option<Text>,
    pub(super) key: Option<Text>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawChain {
    pub(super) chain_id: Option<u64>,
    pub(super) rpc: Texts,
    pub(super) adjudicator: Option<Text>,
    pub(super) deployed_at: Option<u64>,
    pub(super) confirmations: Option<Text>,
    pub(super) poll_ms: Option<u64>,
    pub(super) account: Option<Text>,
    pub(super) challenge_duration: Option<Text>,
    pub(super) check_clock: Option<bool>,
    pub(super) settings: RawSettings,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawSettings {
    pub(super) window: Option<u64>,
    pub(super) batch: Option<u64>,
    pub(super) lock_margin: Option<Text>,
    pub(super) lock_horizon: Option<Text>,
    pub(super) execution_window: Option<Text>,
    pub(super) hold_timeout: Option<Text>,
    pub(super) retry: Option<Text>,
    pub(super) move_patience: Option<Text>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawAsset {
    pub(super) chain: Option<Text>,
    pub(super) symbol: Option<Text>,
    pub(super) address: Option<Text>,
    pub(super) decimals: Option<u8>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawPolicy {
    pub(super) assets: Option<Texts>,
    pub(super) apps: Texts,
    pub(super) min_challenge: Option<Text>,
    pub(super) max_challenge: Option<Text>,
    pub(super) min_deposit: Texts,
    pub(super) stakes: Texts,
    pub(super) starts: Texts,
    pub(super) channels_per_peer: Option<u64>,
    pub(super) unfunded_channels: Option<u64>,
    pub(super) manual_approval: bool,
    pub(super) proposals: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawTower {
    pub(super) clients: Texts,
    pub(super) channels_per_client: Option<u64>,
    pub(super) bytes_per_client: Option<u64>,
    pub(super) requests_per_second: Option<u64>,
    pub(super) calls_per_day: Option<u64>,
    pub(super) total_bytes: Option<u64>,
    pub(super) lock_margin: Option<Text>,
    pub(super) settle: Option<bool>,
    pub(super) metrics: Option<Text>,
}

struct TextVisitor;

impl Visitor<'_> for TextVisitor {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a text")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<String, E> {
        Ok(text.to_owned())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<String, E> {
        Ok(number.to_string())
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<String, E> {
        Ok(number.to_string())
    }

    fn visit_i128<E: Error>(self, number: i128) -> Result<String, E> {
        Ok(number.to_string())
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<String, E> {
        Ok(number.to_string())
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Text, D::Error> {
        deserializer.deserialize_any(TextVisitor).map(Text)
    }
}

struct TextsVisitor;

impl<'de> Visitor<'de> for TextsVisitor {
    type Value = Vec<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a list of texts")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Vec<String>, E> {
        Ok(text.split(',').map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Vec<String>, A::Error> {
        let mut texts = Vec::new();
        while let Some(Text(text)) = items.next_element()? {
            texts.push(text);
        }
        Ok(texts)
    }
}

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Texts, D::Error> {
        deserializer.deserialize_any(TextsVisitor).map(Texts)
    }
}
