//! The configuration as a table.

use super::layers::Source;
use super::raw::NEVER;
use super::units::show_duration;
use super::{ChainSection, Confirmations, Loaded, LogFormat};
use std::time::Duration;
use strait_engine::Starts;
use strait_engine::tower::Admission;

/// One value for people.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Row {
    /// Such as `node.listen`.
    pub key: String,
    /// As it would be written in the file.
    pub value: String,
    /// Where it comes from.
    pub source: Source,
}

pub(super) fn rows(loaded: &Loaded) -> Vec<Row> {
    let mut table = Table { loaded, rows: Vec::new() };
    table.node();
    for (name, chain) in &loaded.config.chains {
        table.chain(name, chain);
    }
    table.assets();
    table.policy();
    table.tower();
    table.rows
}

struct Table<'a> {
    loaded: &'a Loaded,
    rows: Vec<Row>,
}

fn text(value: impl std::fmt::Display) -> String {
    format!("\"{value}\"")
}

fn list(values: impl IntoIterator<Item = String>) -> String {
    format!("[{}]", values.into_iter().map(text).collect::<Vec<_>>().join(", "))
}

fn seconds(seconds: u64) -> String {
    text(show_duration(Duration::from_secs(seconds)))
}

impl Table<'_> {
    fn row(&mut self, key: impl Into<String>, value: String) {
        let key = key.into();
        let source = self.loaded.source(&key);
        self.rows.push(Row { key, value, source });
    }

    fn optional(&mut self, key: &str, value: Option<impl std::fmt::Display>) {
        self.row(key, value.map_or_else(|| "(none)".into(), text));
    }

    fn node(&mut self) {
        let config = &self.loaded.config;
        let node = &config.node;
        self.row("node.listen", node.listen.map_or_else(|| text("off"), text));
        self.optional("node.advertise", node.advertise.as_ref());
        self.row("node.api", text(node.api));
        self.row("node.api_hosts", list(node.api_hosts.iter().cloned()));
        self.row("node.api_origins", list(node.api_origins.iter().cloned()));
        self.row("node.api_allow_plain_remote", node.api_allow_plain_remote.to_string());
        self.row("node.key", text(&node.key));
        self.optional("node.password_file", node.password_file.as_ref().map(|path| path.display()));
        self.optional("node.payout", node.payout);
        self.row("node.log", text(&node.log));
        let format = match node.log_format {
            LogFormat::Text => "text",
            LogFormat::Json => "json",
        };
        self.row("node.log_format", text(format));
        self.row("node.allow_plain_remote", node.allow_plain_remote.to_string());
        self.row("node.peers", list(node.peers.iter().map(ToString::to_string)));
        self.row("node.towers", list(node.towers.iter().map(ToString::to_string)));
        self.optional("tls.cert", config.tls.as_ref().map(|tls| tls.cert.display()));
        self.optional("tls.key", config.tls.as_ref().map(|tls| tls.key.display()));
    }

    fn chain(&mut self, name: &str, chain: &ChainSection) {
        let at = |key: &str| format!("chains.{name}.{key}");
        self.row(at("chain_id"), chain.chain_id.to_string());
        self.row(at("rpc"), list(chain.rpc.iter().map(|url| without_secrets(url))));
        self.row(at("adjudicator"), text(chain.adjudicator));
        let deployed_at =
            chain.deployed_at.map_or_else(|| "(searched for)".to_owned(), |block| block.to_string());
        self.row(at("deployed_at"), deployed_at);
        let confirmations = match chain.confirmations {
            Confirmations::Blocks(blocks) => blocks.to_string(),
            Confirmations::Finalized => text("finalized"),
        };
        self.row(at("confirmations"), confirmations);
        self.row(at("poll_ms"), chain.poll.as_millis().to_string());
        self.row(at("account"), text(&chain.account));
        self.row(at("challenge_duration"), seconds(u64::from(chain.challenge_duration)));
        self.row(at("check_clock"), chain.check_clock.to_string());
        let settings = &chain.settings;
        let at = |key: &str| format!("chains.{name}.settings.{key}");
        self.row(at("window"), settings.window.to_string());
        self.row(at("batch"), settings.batch.to_string());
        self.row(at("lock_margin"), seconds(settings.lock_margin));
        self.row(at("lock_horizon"), seconds(settings.lock_horizon));
        self.row(at("execution_window"), seconds(settings.execution_window));
        let millis = |millis| text(show_duration(Duration::from_millis(millis)));
        self.row(at("hold_timeout"), millis(settings.hold_timeout_ms));
        self.row(at("retry"), millis(settings.retry_ms));
        let patience = settings.move_patience;
        self.row(at("move_patience"), if patience == 0 { text(NEVER) } else { seconds(patience) });
    }

    fn assets(&mut self) {
        let config = &self.loaded.config;
        for asset in config.assets.all() {
            let source = if asset.address.is_zero() && asset.symbol == "ETH" {
                Source::Default
            } else {
                self.loaded.source("assets")
            };
            let address = if asset.address.is_zero() { "native".into() } else { asset.address.to_string() };
            let value = format!("{address}, {} decimals", asset.decimals);
            self.rows.push(Row { key: format!("assets.{}.{}", asset.chain, asset.symbol), value, source });
        }
    }

    fn policy(&mut self) {
        let config = &self.loaded.config;
        let policy = &config.policy;
        let named = |chain: &str, address| match config.assets.find(chain, address) {
            Some(asset) => asset.symbol.clone(),
            None => address.to_string(),
        };
        let mut symbols: Vec<String> = Vec::new();
        for (chain, addresses) in &policy.assets {
            symbols.extend(addresses.iter().map(|address| named(chain, *address)));
        }
        symbols.sort_unstable();
        symbols.dedup();
        let takes_any = policy.assets.is_empty() && !config.chains.is_empty();
        self.row("policy.assets", if takes_any { list(["any".into()]) } else { list(symbols) });
        self.row("policy.apps", list(policy.apps.iter().map(ToString::to_string)));
        self.row("policy.min_challenge", seconds(u64::from(policy.min_challenge)));
        self.row("policy.max_challenge", seconds(u64::from(policy.max_challenge)));
        for (key, amounts) in [("min_deposit", &policy.min_deposits), ("stakes", &policy.stakes)] {
            let mut shown: Vec<String> = Vec::new();
            for ((chain, address), amount) in amounts {
                shown.extend(config.assets.find(chain, *address).map(|asset| asset.show(*amount)));
            }
            shown.dedup();
            self.row(format!("policy.{key}"), list(shown));
        }
        self.row(
            "policy.starts",
            match &policy.starts {
                Starts::Any => list(["any".into()]),
                Starts::Listed(starts) => list(starts.iter().map(ToString::to_string)),
            },
        );
        self.row("policy.channels_per_peer", policy.channels_per_peer.to_string());
        self.row("policy.unfunded_channels", policy.unfunded_channels.to_string());
        self.row("policy.manual_approval", policy.manual_approval.to_string());
        self.row("policy.proposals", policy.proposals.to_string());
    }
}

impl Table<'_> {
    fn tower(&mut self) {
        let tower = &self.loaded.config.tower;
        let clients = match &tower.quotas.admission {
            Admission::Anybody => list(["any".into()]),
            Admission::Keys(keys) => list(keys.iter().map(ToString::to_string)),
        };
        self.row("tower.clients", clients);
        self.row("tower.channels_per_client", tower.quotas.channels.to_string());
        self.row("tower.bytes_per_client", tower.quotas.bytes.to_string());
        self.row("tower.requests_per_second", tower.quotas.requests_per_second.to_string());
        self.row("tower.calls_per_day", tower.quotas.calls_per_day.to_string());
        self.row("tower.total_bytes", tower.quotas.total_bytes.to_string());
        self.row("tower.lock_margin", seconds(tower.lock_margin));
        self.row("tower.settle", tower.settle.to_string());
        self.row("tower.metrics", tower.metrics.map_or_else(|| "off".into(), |address| address.to_string()));
    }
}

/// An endpoint without what providers use as a password: user, path and query.
pub fn without_secrets(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let host = authority.rsplit('@').next().unwrap_or(authority);
    let hidden = if path.is_empty() || path == "/" { path } else { "/…" };
    format!("{scheme}://{host}{hidden}")
}
