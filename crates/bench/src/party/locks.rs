//! Payments against hash locks: the payer locks, the payee shows the preimage. One is done when the payer has the
//! settled state.

use super::node::Party;
use crate::latency::Histogram;
use crate::talk::Ran;
use anyhow::{Context as _, Result};
use sha2::{Digest as _, Sha256};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};
use strait_engine::Notice;
use strait_node::Node;
use strait_protocol::{Command, Event};
use strait_types::{Amount, AssetIndex, B256};
use tokio::sync::mpsc::Receiver;

/// Seconds to a lock's expiry: far enough that the node does not go to the chain.
const EXPIRY: u64 = 24 * 3_600;

/// Secrets are no secrets here: the payee knows that of each lock by the lock's number.
fn preimage(number: u64) -> B256 {
    B256::left_padding_from(&number.to_be_bytes())
}

fn hash(preimage: B256) -> B256 {
    B256::new(Sha256::digest(preimage.0).into())
}

/// The payee: settles every lock that it is offered.
pub(crate) async fn settle(node: Node, mut news: Receiver<Arc<Notice>>) {
    while let Some(notice) = news.recv().await {
        let Notice::Channel { channel, event: Event::LockOffered { number, .. } } = *notice else { continue };
        let settling = node.command(channel, Command::SettleLock { number, preimage: preimage(number) });
        tokio::spawn(async move {
            // The payer waits for the news of it, and would tell.
            drop(settling.await);
        });
    }
}

/// The payer.
#[derive(Default)]
pub(crate) struct Locker {
    /// Locks of earlier runs.
    locked: u64,
}

impl Locker {
    pub(crate) async fn run(&mut self, party: &Party, until: Instant) -> Result<Ran> {
        let channel = *party.channels.first().context("there is a channel")?;
        let mut news = party.node.subscribe();
        let expiry = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs() + EXPIRY;
        // Locks are settled in the order in which they were made.
        let mut waiting: VecDeque<Instant> = VecDeque::new();
        let mut latency = Histogram::default();
        let mut payments = 0;
        let began = Instant::now();
        loop {
            while Instant::now() < until && waiting.len() < party.scenario.in_flight {
                let hash = hash(preimage(self.locked));
                let (asset, amount) = (AssetIndex(0), Amount::from(1));
                let locking = party.node.command(channel, Command::AddLock { asset, amount, hash, expiry });
                waiting.push_back(Instant::now());
                self.locked += 1;
                tokio::spawn(async move {
                    if let Err(error) = locking.await {
                        eprintln!("a lock was not taken: {error}");
                    }
                });
            }
            if waiting.is_empty() {
                break;
            }
            let notice = news.recv().await.context("the node has stopped")?;
            if let Notice::Channel { event: Event::LockSettled { .. }, .. } = *notice
                && let Some(start) = waiting.pop_front()
            {
                latency.add(start.elapsed());
                payments += 1;
            }
        }
        Ok(Ran { payments, seconds: began.elapsed().as_secs_f64(), latency })
    }
}
