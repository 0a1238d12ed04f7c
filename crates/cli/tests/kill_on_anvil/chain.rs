//! The chain: anvil with the contract, and a miner that also rewrites the newest blocks.

use crate::anvil::{Anvil, CHAIN_ID};
use crate::party::CONFIRMATIONS;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;
use strait::{Address, SigningKey, U256};
use strait_chain::rpc::{Contract, EndpointConfig, FeePolicy, RpcChain, RpcConfig, SqliteJournal, deploy};
use tempfile::TempDir;
use tokio::sync::watch;

/// Between two blocks.
const BLOCK_TIME: Duration = Duration::from_millis(40);
/// In one of so many cases the newest blocks are replaced, instead of another being made.
const REORG_EVERY: u64 = 25;
/// What is waited for is there within so many blocks: two minutes.
const PATIENCE: u64 = 3_000;

/// anvil with the contract.
pub(crate) struct Chain {
    pub(crate) anvil: Arc<Anvil>,
    pub(crate) adjudicator: Address,
    pub(crate) blocks: Blocks,
    directory: TempDir,
    is_calm: Arc<AtomicBool>,
    miner: Option<(Sender<()>, JoinHandle<u64>)>,
}

/// The chain's time.
pub(crate) struct Clock(Arc<Anvil>);

impl Clock {
    /// Of the newest block, in Unix seconds.
    pub(crate) fn now(&self) -> u64 {
        let head = self.0.ask("eth_getBlockByNumber", &json!(["latest", false]));
        let now: U256 = serde_json::from_value(head["timestamp"].clone()).expect("a number");
        now.to()
    }

    /// Lets the chain's time be later than this, in Unix seconds. A reorg that takes the block back in which time has
    /// leapt takes the leap back, too.
    pub(crate) fn pass(&self, time: u64) {
        let missing = time.saturating_sub(self.now());
        if missing > 0 {
            self.0.ask("evm_increaseTime", &json!([missing + 60]));
        }
    }
}

/// Tells when there is another block.
#[derive(Clone)]
pub(crate) struct Blocks(watch::Receiver<u64>);

impl Blocks {
    /// Waits for the next one.
    pub(crate) async fn next(&self) {
        self.0.clone().changed().await.expect("the miner works");
    }

    /// How many were made.
    pub(crate) fn count(&self) -> u64 {
        *self.0.borrow()
    }

    /// Ends when what is waited for should be there.
    pub(crate) async fn patience(&self) {
        let end = self.count() + PATIENCE;
        self.0.clone().wait_for(|count| *count >= end).await.expect("the miner works");
    }
}

impl Chain {
    pub(crate) fn start(seed: u64) -> Chain {
        let anvil = Arc::new(Anvil::start());
        let directory = tempfile::tempdir().expect("a directory");
        let deployer = SigningKey::from_bytes([0x99; 32]).expect("a key");
        anvil.fund(deployer.address(), U256::from(u128::MAX));
        let journal = SqliteJournal::open(directory.path().join("deploy.db"), CHAIN_ID).expect("a journal");
        let endpoints = EndpointConfig::new(CHAIN_ID, vec![anvil.url("http")]);
        let mut go_on = || {
            anvil.mine();
            true
        };
        let fees = FeePolicy::default();
        let deployed =
            deploy(Contract::Adjudicator, endpoints, deployer, fees, Box::new(journal), &mut go_on)
                .expect("deploys");
        // No reorg reaches the contract.
        (0..CONFIRMATIONS).for_each(|_| anvil.mine());
        let (count, counts) = watch::channel(0);
        let (stop, stopped) = channel();
        let is_calm = Arc::new(AtomicBool::new(false));
        let mut miner =
            Miner { anvil: anvil.clone(), rng: ChaCha8Rng::seed_from_u64(seed), is_calm: is_calm.clone() };
        let mining = std::thread::spawn(move || {
            let mut reorgs = 0;
            while stopped.recv_timeout(BLOCK_TIME) == Err(RecvTimeoutError::Timeout) {
                reorgs += u64::from(miner.mine());
                count.send_modify(|count| *count += 1);
            }
            reorgs
        });
        Chain {
            anvil,
            adjudicator: deployed.address,
            blocks: Blocks(counts),
            directory,
            is_calm,
            miner: Some((stop, mining)),
        }
    }

    /// Whether no block is taken back.
    pub(crate) fn set_calm(&self, is_calm: bool) {
        self.is_calm.store(is_calm, Ordering::Release);
    }

    /// Its time.
    pub(crate) fn clock(&self) -> Clock {
        Clock(self.anvil.clone())
    }

    /// A reader of all events.
    pub(crate) fn port(&self) -> RpcChain {
        let key = SigningKey::from_bytes([0x98; 32]).expect("a key");
        let journal =
            SqliteJournal::open(self.directory.path().join("reader.db"), CHAIN_ID).expect("a journal");
        let endpoints = EndpointConfig::new(CHAIN_ID, vec![self.anvil.url("http")]);
        RpcChain::connect(RpcConfig::new(endpoints, self.adjudicator, key), Box::new(journal))
            .expect("connects")
    }

    /// Stops mining; says how many reorgs there were.
    pub(crate) fn stop_mining(&mut self) -> u64 {
        let Some((stop, miner)) = self.miner.take() else { return 0 };
        drop(stop);
        miner.join().expect("the miner ends")
    }
}

struct Miner {
    anvil: Arc<Anvil>,
    rng: ChaCha8Rng,
    is_calm: Arc<AtomicBool>,
}

impl Miner {
    /// Makes a block, or puts others in the place of the newest ones; says whether it did that.
    fn mine(&mut self) -> bool {
        let dice = self.rng.next_u64();
        if self.is_calm.load(Ordering::Acquire) || !dice.is_multiple_of(REORG_EVERY) {
            self.anvil.mine();
            return false;
        }
        let depth = 1 + usize::try_from(self.rng.next_u64() % CONFIRMATIONS).expect("small");
        self.anvil.reorg(depth, self.rng.next_u64().is_multiple_of(2));
        true
    }
}

impl Drop for Chain {
    fn drop(&mut self) {
        if let Some((stop, _)) = self.miner.take() {
            drop(stop);
        }
    }
}
