//! The measured node, in a process of its own.

use super::talk::{Order, Pruned, Said, Setup, Used};
use super::{PEERS_FROM, crowd};
use crate::chain::{self, FundedChain};
use crate::party::{Stream, orders, pay, say};
use crate::talk::Usage;
use crate::usage::{Counters, figure};
use anyhow::{Context as _, Result};
use std::collections::HashSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::Range;
use std::path::Path;
use std::time::Instant;
use strait_node::Node;
use strait_node::transport::Listen;
use strait_protocol::{Bill, ChannelView, Record, Settings};
use strait_store::SqliteStore;
use strait_types::{Address, Amount, ChannelId, ChannelParams, Side};
use tokio::task::JoinSet;

/// Channels that are opened at once.
const OPENED_AT_ONCE: usize = 4_096;
/// Payments that wait for their end at once.
const IN_FLIGHT: usize = 131_072;
/// Records of history read at once.
const RECORDS: usize = 512;

struct Measured {
    node: Node,
    setup: Setup,
    /// Deriving an address takes longer than a payment.
    peers: Vec<Address>,
}

/// Follows orders until there are no more.
pub(super) async fn run(setup: &str) -> Result<()> {
    let setup: Setup = serde_json::from_str(setup).context("the setup is not understood")?;
    let store = SqliteStore::open(&setup.directory)?;
    let listen = Listen::At(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
    let node = Node::start(crowd::config(setup.key, listen), Box::new(FundedChain), Box::new(store)).await?;
    let peers = (0..setup.peers).map(|number| chain::key(PEERS_FROM + number).address()).collect();
    let measured = Measured { node, setup, peers };
    say(&Said::Listening(measured.node.address().context("it listens")?.to_string()))?;
    let mut orders = orders();
    while let Some(order) = orders.recv().await {
        say(&match order {
            Order::Open { from, to } => {
                for start in (from..to).step_by(OPENED_AT_ONCE) {
                    measured.open(start..to.min(start + OPENED_AT_ONCE as u64)).await?;
                }
                Said::Opened
            }
            Order::Connect { channels } => {
                measured.connect(channels).await?;
                Said::Connected
            }
            Order::Pay { channels, over, payments, seed } => {
                let chosen: Vec<_> =
                    choose(seed, channels, over).into_iter().map(|number| measured.id(number)).collect();
                let stream =
                    Stream { node: &measured.node, channels: &chosen, in_flight: IN_FLIGHT, aloud: false };
                Said::Ran(pay(&stream, |_, started| started < payments).await?)
            }
            Order::Prune { channels } => Said::Pruned(measured.prune(channels).await?),
            Order::Usage => Said::Usage(measured.used()?),
        })?;
    }
    Ok(())
}

impl Measured {
    fn params(&self, number: u64) -> ChannelParams {
        let peer = usize::try_from(number % self.setup.peers).expect("few peers");
        chain::params(self.node.signer(), self.peers[peer], number)
    }

    fn id(&self, number: u64) -> ChannelId {
        chain::id(&self.params(number))
    }

    /// Opens channels and makes a payment in each.
    async fn open(&self, numbers: Range<u64>) -> Result<()> {
        let mut opening = JoinSet::new();
        for number in numbers.clone() {
            let (node, params) = (self.node.clone(), self.params(number));
            opening.spawn(async move { node.open(params, Settings::default()).await });
        }
        while let Some(opened) = opening.join_next().await {
            opened??;
        }
        let channels: Vec<_> = numbers.map(|number| self.id(number)).collect();
        self.wait_for_all(channels.clone()).await?;
        let stream = Stream { node: &self.node, channels: &channels, in_flight: IN_FLIGHT, aloud: false };
        pay(&stream, |_, started| started < channels.len() as u64).await?;
        Ok(())
    }

    async fn wait_for(&self, channel: ChannelId) -> Result<()> {
        self.node.wait_until(channel, is_usable).await?;
        Ok(())
    }

    /// Asks for many channels at once: one after the other, each question would wait for a round of its own.
    async fn wait_for_all(&self, mut channels: Vec<ChannelId>) -> Result<()> {
        while let Some(last) = channels.pop() {
            self.wait_for(last).await?;
            let mut looks = JoinSet::new();
            for channel in channels.drain(..) {
                let node = self.node.clone();
                looks.spawn(async move { (channel, node.view(channel).await) });
            }
            while let Some(looked) = looks.join_next().await {
                let (channel, view) = looked?;
                if !is_usable(&view?) {
                    channels.push(channel);
                }
            }
        }
        Ok(())
    }

    /// A peer's channels are brought up in the order of their ids, so its last one tells of all.
    async fn connect(&self, channels: u64) -> Result<()> {
        for peer in 0..self.setup.peers.min(channels) {
            let numbers = (peer..channels).step_by(usize::try_from(self.setup.peers)?);
            let last = numbers.map(|number| self.id(number)).max().context("each peer has a channel")?;
            self.wait_for(last).await?;
        }
        Ok(())
    }

    async fn prune(&self, channels: u64) -> Result<Pruned> {
        let mut pruned = Pruned::default();
        let began = Instant::now();
        let mut ends = Vec::new();
        for number in 0..channels {
            let mut bill = Bill::new(Side::Zero);
            let mut after = None;
            loop {
                let page = self.node.history(self.id(number), after, RECORDS).await?;
                let Some(last) = page.last() else { break };
                after = Some(last.position);
                for entry in &page {
                    pruned.bytes += entry.payload.len() as u64;
                    bill.read(Record::decode(&entry.payload)?);
                }
            }
            pruned.payments += bill.payments()[0];
            ends.push(after);
        }
        pruned.seconds = began.elapsed().as_secs_f64();
        for (number, end) in (0..channels).zip(ends) {
            let Some(through) = end else { continue };
            self.node.prune_history(self.id(number), through).await?;
            pruned.left += self.node.history(self.id(number), None, usize::MAX).await?.len() as u64;
        }
        Ok(pruned)
    }

    fn used(&self) -> Result<Used> {
        let since_start = Usage { wire_bytes: self.node.bytes_received(), ..Counters::default().usage()? };
        Ok(Used {
            since_start,
            rss_kib: figure("/proc/self/status", "VmRSS:")?,
            database_bytes: size(&self.setup.directory)?,
        })
    }
}

fn is_usable(view: &ChannelView) -> bool {
    view.link == "up" && view.balances.iter().all(|of| of.deposited[0] > Amount::ZERO)
}

/// So many different numbers below `below` in random order, or all of them. Different ones, since who draws some twice
/// pays over fewer channels, of a few more than of many.
fn choose(seed: u64, below: u64, many: u64) -> Vec<u64> {
    let mut drawn = HashSet::new();
    (0..)
        .map(|index| random(seed << 32 | index) % below)
        .filter(|number| drawn.insert(*number))
        .take(usize::try_from(many.min(below)).unwrap_or(usize::MAX))
        .collect()
}

/// Numbers that look random, the same in every run (SplitMix64).
fn random(index: u64) -> u64 {
    let mixed = index.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// Bytes of the files in a directory.
fn size(directory: &Path) -> Result<u64> {
    std::fs::read_dir(directory)?.map(|entry| Ok(entry?.metadata()?.len())).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_are_chosen_once_each() {
        for (below, many) in [(1_000, 1_000), (1_000_000, 1_000), (10, 1_000)] {
            let chosen = choose(7, below, many);
            let different: HashSet<_> = chosen.iter().collect();
            assert_eq!(different.len() as u64, many.min(below));
            assert_eq!(chosen.len(), different.len());
            assert_ne!(chosen, choose(8, below, many), "each round has its own");
        }
    }
}
