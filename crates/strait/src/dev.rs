//! A chain inside the program, with the real contracts, for tests and examples. Nothing on it is worth anything.

use crate::ChainSetup;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use strait_chain::dev::DevChainError;
use strait_chain::{DevChain, DevChainConfig, SharedChain};
use strait_protocol::Settings;
use strait_types::{Address, SigningKey, U256, keccak256};

/// How often a block is made, beside those that transactions bring about.
const BLOCK_TIME: Duration = Duration::from_secs(1);

/// A development chain whose time is the wall clock's. It ends when it is dropped.
pub struct DevNet {
    chain: SharedChain,
    miner: tokio::task::JoinHandle<()>,
}

impl Drop for DevNet {
    fn drop(&mut self) {
        self.miner.abort();
    }
}

impl DevNet {
    /// Starts one, within a tokio runtime.
    ///
    /// # Errors
    /// When the contracts cannot be deployed.
    pub fn start() -> Result<DevNet, DevChainError> {
        let config = DevChainConfig { genesis_time: now(), ..DevChainConfig::default() };
        let chain = SharedChain::new(DevChain::new(config)?);
        let miner = tokio::spawn(mine(chain.clone()));
        Ok(DevNet { chain, miner })
    }

    /// A key that everybody knows, made of a name: the same each time, and never for money.
    ///
    /// # Panics
    /// Never in practice: one name in 2^128 has a hash that is no key.
    pub fn key(name: &str) -> SigningKey {
        SigningKey::from_bytes(keccak256(format!("strait development key {name}")).0)
            .expect("a hash below the order of the curve")
    }

    /// The chain as the named account sees it, which holds 1,000 ether more with every call. Deposits count at once.
    pub fn setup(&self, name: &str) -> ChainSetup {
        let account = DevNet::key(name).address();
        let ether = U256::from(1_000_000_000_000_000_000_u64);
        self.chain.with(|chain| chain.fund(account, U256::from(1_000) * ether));
        let settings = Settings { confirmations: 0, retry_ms: 200, ..Settings::default() };
        ChainSetup::custom("dev", account, Box::new(self.chain.account(account)))
            .settings(settings)
            .poll(Duration::from_millis(20))
    }

    /// What an address holds on chain, in wei.
    pub fn balance(&self, address: Address) -> U256 {
        self.chain.with(|chain| chain.balance(address))
    }

    /// The chain itself, to let time or blocks pass.
    pub fn chain(&self) -> &SharedChain {
        &self.chain
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

async fn mine(chain: SharedChain) {
    let mut interval = tokio::time::interval(BLOCK_TIME);
    loop {
        interval.tick().await;
        chain.with(|chain| {
            chain.set_time(now().max(chain.now()));
            chain.mine();
        });
    }
}
