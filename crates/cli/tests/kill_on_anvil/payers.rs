//! Payments in both directions for as long as a channel lives, and what their callers were told.

use crate::chain::Blocks;
use crate::party::Party;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use strait::{Amount, Api, ApiError, ChannelId, ErrorCode, Pay};
use tokio::task::JoinSet;

/// Payers of each side that work at once.
const PAYERS: u64 = 3;
/// Every so many payments one has a key, and is repeated until it is made.
const KEYED: u64 = 3;

/// What callers were told of their payments, by memo.
#[derive(Default)]
pub(crate) struct Told {
    /// Safe for both: amounts in wei.
    pub(crate) paid: BTreeMap<String, u128>,
    /// Nothing has moved.
    pub(crate) not_paid: Vec<String>,
}

impl Told {
    fn merge(&mut self, other: Told) {
        self.paid.extend(other.paid);
        self.not_paid.extend(other.not_paid);
    }
}

/// The payers of one channel.
pub(crate) struct Payers {
    stop: Arc<AtomicBool>,
    tasks: JoinSet<Told>,
}

impl Payers {
    pub(crate) fn start(parties: &[Arc<Party>; 2], channel: ChannelId, blocks: &Blocks) -> Payers {
        let stop = Arc::new(AtomicBool::new(false));
        let mut tasks = JoinSet::new();
        for party in parties {
            for payer in 0..PAYERS {
                let name = format!("{} {payer}", party.name);
                tasks.spawn(pay(party.clone(), channel, name, blocks.clone(), stop.clone()));
            }
        }
        Payers { stop, tasks }
    }

    /// Lets what is under way end.
    pub(crate) async fn stop(mut self) -> Told {
        self.stop.store(true, Ordering::Release);
        let mut told = Told::default();
        while let Some(ended) = self.tasks.join_next().await {
            told.merge(ended.expect("payers do not fail"));
        }
        told
    }
}

async fn pay(
    party: Arc<Party>,
    channel: ChannelId,
    name: String,
    blocks: Blocks,
    stop: Arc<AtomicBool>,
) -> Told {
    let mut told = Told::default();
    let mut number = 0_u64;
    while !stop.load(Ordering::Acquire) {
        let memo = format!("{name} {number}");
        let amount = 1_000 + number;
        let is_keyed = number.is_multiple_of(KEYED);
        number += 1;
        let request = Pay {
            memo: memo.clone(),
            idempotency_key: is_keyed.then(|| format!("{channel} {memo}")),
            ..Pay::new(channel, Amount::from(amount))
        };
        loop {
            match party.api().await.pay(request.clone()).await {
                Ok(_) => {
                    told.paid.insert(memo, amount.into());
                    break;
                }
                Err(error) if is_keyed && is_to_be_repeated(&error, stop.load(Ordering::Acquire)) => {
                    blocks.next().await;
                }
                Err(error) => {
                    if !is_uncertain(&error) {
                        told.not_paid.push(memo);
                    }
                    blocks.next().await;
                    break;
                }
            }
        }
    }
    told
}

/// Whether the caller cannot know what has moved.
fn is_uncertain(error: &ApiError) -> bool {
    matches!(error.code, ErrorCode::NodeUnreachable | ErrorCode::NoAnswer | ErrorCode::Stopping)
}

/// Until nobody pays any more a balance may still grow.
fn is_to_be_repeated(error: &ApiError, is_over: bool) -> bool {
    let passes = [
        ErrorCode::PeerOffline,
        ErrorCode::ChannelBusy,
        ErrorCode::IdempotencyPending,
        ErrorCode::PeerRefused,
    ];
    is_uncertain(error)
        || passes.contains(&error.code)
        || (error.code == ErrorCode::InsufficientBalance && !is_over)
}
