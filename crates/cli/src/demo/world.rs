//! The embedded chain with its clock: a block every 100 milliseconds, and jumps in time on demand.

use super::DemoError;
use super::accounts::Identity;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use strait_chain::{DevChain, DevChainConfig, SharedChain};
use strait_types::{Address, Domain, U256};

const BLOCK_TIME: Duration = Duration::from_millis(100);
const ETHER: u128 = 1_000_000_000_000_000_000;

pub(super) struct World {
    pub(super) chain: SharedChain,
    pub(super) domain: Domain,
    /// Seconds by which chain time runs ahead of the clock.
    ahead: Arc<AtomicU64>,
    /// Blocks before the first that the parties caused.
    deployed_at: u64,
    miner: tokio::task::JoinHandle<()>,
}

fn clock_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

impl World {
    pub(super) fn new(parties: &[&Identity]) -> Result<World, DemoError> {
        let accounts = parties.iter().map(|party| (party.account, U256::from(1_000 * ETHER))).collect();
        let config = DevChainConfig { genesis_time: clock_seconds(), accounts, ..DevChainConfig::default() };
        let chain = DevChain::new(config)?;
        let domain = Domain::new(chain.config().chain_id, chain.adjudicator());
        let deployed_at = chain.head().at.number;
        let chain = SharedChain::new(chain);
        let ahead = Arc::new(AtomicU64::new(0));
        let miner = tokio::spawn(mine(chain.clone(), ahead.clone()));
        Ok(World { chain, domain, ahead, deployed_at, miner })
    }

    /// Lets chain time jump.
    pub(super) fn travel(&self, seconds: u64) {
        self.ahead.fetch_add(seconds, Ordering::Relaxed);
    }

    /// Chain time of the head, Unix seconds.
    pub(super) fn now(&self) -> u64 {
        self.chain.with(|chain| chain.head().time())
    }

    pub(super) fn balance(&self, address: Address) -> U256 {
        self.chain.with(|chain| chain.balance(address))
    }

    /// Transactions since the deployment, and the gas that they used.
    pub(super) fn transactions(&self) -> (u64, u64) {
        self.chain.with(|chain| {
            let blocks = (self.deployed_at + 1)..=chain.head().at.number;
            let included =
                blocks.filter_map(|number| chain.block(number)).flat_map(|block| &block.transactions);
            included.fold((0, 0), |(count, gas), included| (count + 1, gas + included.gas_used))
        })
    }

    pub(super) fn stop(&self) {
        self.miner.abort();
    }
}

async fn mine(chain: SharedChain, ahead: Arc<AtomicU64>) {
    let mut interval = tokio::time::interval(BLOCK_TIME);
    loop {
        interval.tick().await;
        chain.with(|chain| {
            chain.set_time(clock_seconds() + ahead.load(Ordering::Relaxed));
            chain.mine();
        });
    }
}
