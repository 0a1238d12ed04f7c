//! A channel on anvil, and ports that see the chain through endpoints under the test's control.

use crate::anvil::CHAIN_ID;
use crate::conformance::AnvilDriver;
use crate::proxy::Proxy;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use strait_chain::conformance::scene::Scene;
use strait_chain::rpc::{ConnectError, EndpointConfig, RpcChain, RpcConfig, Url};
use strait_engine::ports::{Chain, TxRequest};
use strait_types::abi::AdjudicatorEvent;
use strait_types::{Side, SigningKey, U256};

/// Time that stands still unless it is moved.
#[derive(Clone)]
pub(crate) struct TestClock(Arc<AtomicU64>);

impl TestClock {
    pub(crate) fn new() -> TestClock {
        TestClock(Arc::new(AtomicU64::new(1_800_000_000_000)))
    }

    pub(crate) fn advance(&self, time: Duration) {
        self.0.fetch_add(u64::try_from(time.as_millis()).expect("short"), Ordering::SeqCst);
    }
}

/// A key that the channel's parties do not use.
pub(crate) fn own_key() -> SigningKey {
    SigningKey::from_bytes([0x44; 32]).expect("a key")
}

/// A port of an account of its own over these endpoints.
pub(crate) fn config(scene: &Scene<'_, AnvilDriver>, urls: Vec<Url>, clock: &TestClock) -> RpcConfig {
    let now = clock.clone();
    let endpoints = EndpointConfig {
        timeout: Duration::from_secs(5),
        clock: Arc::new(move || now.0.load(Ordering::SeqCst)),
        ..EndpointConfig::new(CHAIN_ID, urls)
    };
    RpcConfig::new(endpoints, scene.adjudicator(), own_key())
}

pub(crate) fn connect(scene: &Scene<'_, AnvilDriver>, config: RpcConfig) -> Result<RpcChain, ConnectError> {
    RpcChain::connect(config, scene.driver.journal(&own_key()))
}

/// A port over proxies before the same anvil, with money.
pub(crate) fn through(scene: &Scene<'_, AnvilDriver>, proxies: &[&Proxy], clock: &TestClock) -> RpcChain {
    scene.driver.anvil.fund(own_key().address(), U256::from(10_000_000_000_000_000_000u128));
    let urls = proxies.iter().map(|proxy| proxy.url()).collect();
    connect(scene, config(scene, urls, clock)).expect("connects")
}

pub(crate) fn proxy(scene: &Scene<'_, AnvilDriver>) -> Proxy {
    Proxy::before(scene.driver.anvil.port)
}

/// Amounts of the deposits that a port sees from the beginning.
pub(crate) fn deposits(chain: &mut RpcChain) -> Vec<u64> {
    let mut reader = strait_chain::conformance::scene::Reader::default();
    reader.catch_up(chain, 1_000);
    let amounts = reader.events().into_iter().map(|event| match event {
        AdjudicatorEvent::Deposited { amount, .. } => u64::try_from(amount.units()).expect("small"),
        other => panic!("only deposits were made, not {other:?}"),
    });
    amounts.collect()
}

/// Submits a deposit into the scene's channel.
pub(crate) fn deposit(
    scene: &Scene<'_, AnvilDriver>,
    chain: &mut RpcChain,
    wei: u64,
) -> strait_engine::ports::TxHash {
    let request: TxRequest = scene.deposit_request(Side::Zero, wei);
    chain.submit(&request).expect("sent")
}

/// Makes blocks, and lets the port see each head.
pub(crate) fn mine(scene: &Scene<'_, AnvilDriver>, chain: &mut RpcChain, blocks: usize) {
    for _ in 0..blocks {
        scene.driver.anvil.mine();
        chain.follow(&[], 1_000).expect("the chain answers");
    }
}
