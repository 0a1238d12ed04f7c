//! The parts of a daemon from their sections of the configuration.

use super::{DaemonConfig, DaemonError, payout};
use crate::config::{ChainSection, Config, Confirmations};
use crate::service::{ChainNode, Retention, ServiceConfig, ServiceError, stored_towers};
use crate::transport::{Limits, Listen, Listener, ListenerConfig, PeerAddress, TlsIdentity, TowerAddress};
use crate::{Capacity, Node, NodeConfig, SystemClock, SystemRng};
use std::collections::BTreeMap;
use std::sync::Arc;
use strait_app::EvmApps;
use strait_engine::ports::Chain;
use strait_engine::{Alarms, Policy};
use strait_protocol::Settings;
use strait_store::SqliteStore;
use strait_types::{Address, Amount};

/// Longest age of a finalised block, with room.
const FINALITY_SECONDS: u64 = 3_600;

pub(super) async fn listener(config: &Config) -> Result<Option<Listener>, DaemonError> {
    let Some(address) = config.node.listen else { return Ok(None) };
    let tls = match &config.tls {
        None => None,
        Some(files) => {
            let read = |path: &std::path::Path| {
                std::fs::read(path).map_err(|source| DaemonError::Io { path: path.to_owned(), source })
            };
            Some(TlsIdentity::from_pem(&read(&files.cert)?, &read(&files.key)?)?)
        }
    };
    let allow_plain_remote = config.node.allow_plain_remote;
    let listener = ListenerConfig { address, tls, allow_plain_remote, limits: Limits::default() };
    Ok(Some(Listener::start(listener).await?))
}

/// Under which addresses peers reach this node.
pub(super) fn addresses(config: &Config, signer: Address, listener: Option<&Listener>) -> Vec<PeerAddress> {
    let Some(listener) = listener else { return Vec::new() };
    let advertised = config.node.advertise.as_ref().map(|place| format!("strait://{signer}@{place}").parse());
    let local = listener.local_addr();
    let address = match advertised {
        Some(Ok(address)) => Some(address),
        _ => PeerAddress::new(signer, &local.ip().to_string(), local.port()).ok(),
    };
    address.into_iter().collect()
}

fn policy(config: &Config, chain: &str, payout: Address) -> Policy {
    let policy = &config.policy;
    let of_chain = |amounts: &BTreeMap<(String, Address), Amount>| {
        let of_chain = amounts.iter().filter(|((name, _), _)| name == chain);
        of_chain.map(|((_, asset), amount)| (*asset, *amount)).collect()
    };
    Policy {
        payout: Some(payout),
        assets: policy.assets.get(chain).cloned().unwrap_or_default(),
        apps: policy.apps.clone(),
        min_challenge: policy.min_challenge,
        max_challenge: policy.max_challenge,
        min_deposits: of_chain(&policy.min_deposits),
        stakes: of_chain(&policy.stakes),
        starts: policy.starts.clone(),
        channels_per_peer: policy.channels_per_peer,
        unfunded_channels: policy.unfunded_channels,
        manual_approval: policy.manual_approval,
        proposals: policy.proposals,
    }
}

/// Only finalised blocks are looked at when these decide, so that nothing more is waited for.
fn settings(section: &ChainSection) -> Settings {
    match section.confirmations {
        Confirmations::Blocks(_) => section.settings.clone(),
        Confirmations::Finalized => Settings { confirmations: 0, ..section.settings.clone() },
    }
}

/// A chain whose time is not real alarms nobody, and finalised blocks are minutes old.
pub(super) fn alarms(section: &ChainSection) -> Alarms {
    let normal = Alarms::default();
    match (section.check_clock, section.confirmations) {
        (false, _) => Alarms { stale_after: u64::MAX, clock_skew: u64::MAX },
        (true, Confirmations::Finalized) => Alarms { stale_after: FINALITY_SECONDS, ..normal },
        (true, Confirmations::Blocks(_)) => normal,
    }
}

/// Those of the configuration, and those that were added by the API.
pub(super) async fn towers(config: &Config) -> Result<Vec<TowerAddress>, DaemonError> {
    let mut towers = stored_towers(&config.database("service.db")).await.map_err(ServiceError::from)?;
    for tower in &config.node.towers {
        if towers.iter().all(|known| known.signer() != tower.signer()) {
            towers.push(tower.clone());
        }
    }
    Ok(towers)
}

pub(super) async fn node(
    daemon: &DaemonConfig,
    name: &str,
    section: &ChainSection,
    (account, chain): (Address, Box<dyn Chain>),
    listener: Option<Listener>,
    towers: Vec<TowerAddress>,
) -> Result<ChainNode, DaemonError> {
    let config = &daemon.config;
    let directory = config.chain_directory(name);
    let store = SqliteStore::open(&directory)
        .map_err(|source| DaemonError::Store { chain: name.to_owned(), source })?;
    let copy = store.backup_source();
    let payout = payout(config, daemon.signer.address());
    let settings = settings(section);
    let node = NodeConfig {
        signer: Arc::new(daemon.signer.clone()),
        listen: listener.map_or(Listen::Off, Listen::On),
        payout,
        allow_plain_remote: config.node.allow_plain_remote,
        limits: Limits::default(),
        policy: policy(config, name, payout),
        capacity: Capacity::default(),
        settings: settings.clone(),
        poll: section.poll,
        alarms: alarms(section),
        restored: daemon.restored,
        rng: Box::new(SystemRng),
        rules: Arc::new(EvmApps),
        towers,
    };
    let started = Node::start(node, chain, Box::new(store)).await;
    let node = started.map_err(|source| DaemonError::Node { chain: name.to_owned(), source })?;
    Ok(ChainNode {
        name: name.to_owned(),
        node,
        account,
        payout,
        settings: settings.clone(),
        challenge_duration: section.challenge_duration,
        copy_store: Some(Arc::new(move |target| copy.copy_to(target))),
        transactions: Some(directory.join("transactions.db")),
    })
}

pub(super) fn service(
    daemon: &DaemonConfig,
    nodes: Vec<ChainNode>,
    addresses: Vec<PeerAddress>,
) -> ServiceConfig {
    let config = &daemon.config;
    ServiceConfig {
        nodes,
        signer: Arc::new(daemon.signer.clone()),
        assets: config.asset_infos(),
        addresses,
        database: config.database("service.db"),
        restored: daemon.restored,
        retention: Retention::default(),
        clock: Arc::new(SystemClock::start()),
        rng: Box::new(SystemRng),
    }
}
