//! `[tower]`.

use super::super::TowerSection;
use super::super::raw::RawTower;
use super::{Checker, read_address};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;
use strait_engine::tower::{Admission, Quotas, TowerConfig};

/// Serves any key.
const ANY: &str = "any";
const MIN_MARGIN: Duration = Duration::from_secs(60);
const MAX_MARGIN: Duration = Duration::from_secs(24 * 3_600);

/// Figures are nobody else's business, and no token guards them.
fn local(text: &str) -> Result<SocketAddr, String> {
    match text.parse::<SocketAddr>() {
        Ok(address) if address.ip().is_loopback() => Ok(address),
        Ok(_) => {
            Err("figures are served to this machine alone; give 127.0.0.1 with a port, and a proxy beyond"
                .into())
        }
        Err(_) => Err(format!("'{text}' is no address; write it as 127.0.0.1:4043")),
    }
}

pub(super) fn tower(checker: &mut Checker<'_>, raw: RawTower) -> TowerSection {
    let normal = TowerConfig::default();
    let mut keys = BTreeSet::new();
    let is_open = raw.clients.0.iter().any(|client| client == ANY);
    for (index, client) in raw.clients.0.iter().enumerate().filter(|(_, client)| *client != ANY) {
        match read_address(client) {
            Ok(address) => {
                keys.insert(address);
            }
            Err(text) => checker.problem(format!("tower.clients[{index}]"), text),
        }
    }
    let mut count = |name: &str, value: Option<u64>, default: u64, most: u64| match value {
        None => default,
        Some(value) if (1..=most).contains(&value) => value,
        Some(_) => {
            checker.problem(format!("tower.{name}"), format!("this is out of range; give 1 to {most}"));
            default
        }
    };
    let quotas = normal.quotas;
    let small = |value: u64| u32::try_from(value).unwrap_or(u32::MAX);
    let most = u64::from(u32::MAX);
    let channels = count("channels_per_client", raw.channels_per_client, quotas.channels.into(), most);
    let bytes = count("bytes_per_client", raw.bytes_per_client, quotas.bytes, u64::MAX);
    let requests = quotas.requests_per_second.into();
    let requests = count("requests_per_second", raw.requests_per_second, requests, most);
    let calls = count("calls_per_day", raw.calls_per_day, quotas.calls_per_day.into(), most);
    let total_bytes = count("total_bytes", raw.total_bytes, quotas.total_bytes, u64::MAX);
    let margin = checker.duration("tower.lock_margin", raw.lock_margin, MIN_MARGIN..=MAX_MARGIN);
    TowerSection {
        quotas: Quotas {
            admission: if is_open { Admission::Anybody } else { Admission::Keys(keys) },
            channels: small(channels),
            bytes,
            requests_per_second: small(requests),
            calls_per_day: small(calls),
            total_bytes,
        },
        lock_margin: margin.map_or(normal.lock_margin, |margin| margin.as_secs()),
        settle: raw.settle.unwrap_or(normal.settles),
        metrics: checker.read("tower.metrics", raw.metrics, local),
    }
}
