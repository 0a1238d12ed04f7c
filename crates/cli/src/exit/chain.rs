//! One chain that is left.

use super::report::Exited;
use crate::failure::Failure;
use crate::output::Wait;
use crate::text::{short, time};
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use strait_chain::rpc::{EndpointConfig, RpcChain, RpcConfig, SqliteJournal, Url};
use strait_engine::ports::{Chain, Store};
use strait_node::transport::Listen;
use strait_node::{Node, NodeConfig, NodeError, SystemRng};
use strait_protocol::{Command, Phase, Settings};
use strait_store::SqliteStore;
use strait_types::{Address, ChannelId, SigningKey, Version};

/// How often the chain is asked for new blocks.
const POLL: Duration = Duration::from_secs(2);
/// Name of the store's own note: the chain's id and the adjudicator.
const DOMAIN: &str = "domain";

/// One chain that is left.
pub(super) struct Leaving {
    name: String,
    chain_id: u64,
    node: Node,
    adjudicator: Address,
    urls: Vec<Url>,
    /// Block that was newest when it began.
    head: u64,
    channels: Vec<ChannelId>,
    /// The versions that the backup holds.
    held: HashMap<ChannelId, Version>,
    /// Nothing of them is on chain.
    empty: Vec<ChannelId>,
    /// Closed and paid before this began.
    closed: Vec<ChannelId>,
    /// Where these are noted.
    closed_note: PathBuf,
}

impl Leaving {
    /// Starts over a store; `None` when it never had a channel.
    pub(super) async fn start(
        work: &Path,
        name: &str,
        urls: Vec<Url>,
        key: SigningKey,
        gas_key: SigningKey,
    ) -> Result<Option<Leaving>, Failure> {
        let directory = work.join(name);
        let store = SqliteStore::open(&directory).map_err(Failure::local)?;
        let Some((chain_id, adjudicator)) = domain(&store)? else { return Ok(None) };
        let endpoints = EndpointConfig::new(chain_id, urls.clone());
        let config = RpcConfig::new(endpoints, adjudicator, gas_key);
        let journal =
            SqliteJournal::open(directory.join("exit-transactions.db"), chain_id).map_err(Failure::local)?;
        // Its calls block.
        let (chain, head) = tokio::task::spawn_blocking(move || {
            let mut chain = RpcChain::connect(config, Box::new(journal)).map_err(Failure::chain)?;
            let head = chain.follow(&[], 1).map_err(Failure::chain)?.head.number;
            Ok::<_, Failure>((chain, head))
        })
        .await
        .map_err(Failure::local)??;
        let node_config = NodeConfig {
            signer: Arc::new(key.clone()),
            listen: Listen::Off,
            payout: key.address(),
            allow_plain_remote: false,
            limits: Default::default(),
            policy: Default::default(),
            settings: Settings::default(),
            poll: POLL,
            alarms: Default::default(),
            capacity: Default::default(),
            restored: true,
            rng: Box::new(SystemRng),
            rules: Arc::new(strait_app::EvmApps),
            towers: Vec::new(),
        };
        let node =
            Node::start(node_config, Box::new(chain), Box::new(store)).await.map_err(Failure::local)?;
        let channels = node.channels().await.map_err(Failure::local)?;
        let held = channels.iter().map(|view| (view.id, view.version)).collect();
        let channels = channels.into_iter().map(|view| view.id).collect();
        let name = name.to_owned();
        let (empty, closed, closed_note) = (Vec::new(), Vec::new(), directory.join("closed-before.json"));
        Ok(Some(Leaving {
            name,
            chain_id,
            node,
            adjudicator,
            urls,
            head,
            channels,
            held,
            empty,
            closed,
            closed_note,
        }))
    }

    /// Channels that were closed when the command was first given; a repetition goes on and tells of all that it left.
    async fn find_closed(&mut self) -> Result<(), Failure> {
        if let Ok(text) = fs::read_to_string(&self.closed_note) {
            self.closed = serde_json::from_str(&text).map_err(Failure::local)?;
            return Ok(());
        }
        for channel in &self.channels {
            if self.node.facts(*channel).await.map_err(Failure::local)?.phase == Phase::Closed {
                self.closed.push(*channel);
            }
        }
        let text = serde_json::to_string(&self.closed).map_err(Failure::local)?;
        fs::write(&self.closed_note, text).map_err(Failure::local)
    }

    /// Catches up with the chain, then gives every channel that holds something the order to leave.
    pub(super) async fn begin(&mut self, line: &Wait) -> Result<(), Failure> {
        loop {
            let seen = self.node.head().await.map_err(Failure::local)?.map_or(0, |(block, _)| block.number);
            if seen >= self.head {
                break;
            }
            line.say(format!("{}: reading the chain, block {seen} of {}", self.name, self.head));
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        self.find_closed().await?;
        for channel in self.channels.clone() {
            let facts = self.node.facts(channel).await.map_err(Failure::local)?;
            let is_empty = facts.deposits.iter().flatten().all(|amount| amount.is_zero());
            if is_empty && facts.phase == Phase::Open {
                self.empty.push(channel);
            } else if facts.phase != Phase::Closed {
                match self.node.command(channel, Command::ForceClose).await {
                    Ok(_) => {}
                    // It closed in this moment.
                    Err(NodeError::Command(_)) => {}
                    Err(error) => return Err(Failure::local(error)),
                }
            }
        }
        Ok(())
    }

    /// What each channel that is not closed waits for.
    pub(super) async fn open(&self) -> Result<Vec<String>, Failure> {
        let mut waits = Vec::new();
        for channel in self.channels.iter().filter(|channel| !self.empty.contains(channel)) {
            let facts = self.node.facts(*channel).await.map_err(Failure::local)?;
            let place = format!("{} {}", self.name, short(channel));
            waits.extend(match facts.phase {
                Phase::Open => Some(format!("{place} is brought to the chain")),
                Phase::Disputed { deadline, .. } => {
                    let recorded = facts.recorded.as_ref().map_or(Version::ZERO, |state| state.version);
                    let held = self.held.get(channel).copied().unwrap_or(Version::ZERO);
                    let answer = answered(recorded, held);
                    Some(format!("{place} can be paid after {} of chain time{answer}", time(deadline)))
                }
                Phase::Settled(_) => Some(format!("{place} is paid but for its locks")),
                Phase::Closed => None,
            });
        }
        Ok(waits)
    }

    /// What was paid where.
    pub(super) async fn finish(self) -> Result<Vec<Exited>, Failure> {
        let mut params = Vec::new();
        for channel in &self.channels {
            let view = self.node.view(*channel).await.map_err(Failure::local)?;
            params.push((view.side, self.node.params(*channel).await.map_err(Failure::local)?));
        }
        let Leaving { name, chain_id, node, adjudicator, urls, channels, empty, closed, .. } = self;
        node.shutdown().await;
        tokio::task::spawn_blocking(move || {
            let urls: Vec<String> = urls.iter().map(Url::to_string).collect();
            let mut chain = crate::init::connect(&urls, chain_id, adjudicator).map_err(Failure::chain)?;
            let head = chain.follow(&[], 1).map_err(Failure::chain)?.head;
            // What a child held is paid by its parent.
            let funded = channels.into_iter().zip(params).filter(|(_, (_, params))| params.child.is_zero());
            let exited = funded.map(|(channel, (side, params))| {
                let blocks = chain.events_of(channel, head).map_err(Failure::chain)?;
                let events = blocks.into_iter().flat_map(|block| block.events);
                let done_before = [empty.contains(&channel), closed.contains(&channel)];
                Ok(Exited::new(&name, chain_id, channel, done_before, side, &params, events))
            });
            exited.collect()
        })
        .await
        .map_err(Failure::local)?
    }
}

/// That what is paid in the end is not what the backup says.
fn answered(recorded: Version, held: Version) -> String {
    if recorded <= held {
        return String::new();
    }
    format!(
        "; the peer, or a tower, has shown version {recorded}, newer than {held} of the backup: that is what will be paid"
    )
}

/// The chain and the contract that a store was made for.
fn domain(store: &SqliteStore) -> Result<Option<(u64, Address)>, Failure> {
    let Some(bytes) = store.meta(DOMAIN).map_err(Failure::local)? else { return Ok(None) };
    let damaged =
        || Failure::local("the backup does not say which chain it is of").hint("take another backup");
    let (chain_id, adjudicator) = bytes.split_first_chunk::<8>().ok_or_else(damaged)?;
    let adjudicator = Address::try_from(adjudicator).map_err(|_| damaged())?;
    Ok(Some((u64::from_be_bytes(*chain_id), adjudicator)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_state_than_the_backups_is_told() {
        assert_eq!(answered(Version(4), Version(4)), "");
        assert_eq!(answered(Version::ZERO, Version(4)), "");
        let told = answered(Version(7), Version(4));
        assert!(told.contains("version 7") && told.contains("4 of the backup"), "{told}");
    }
}
