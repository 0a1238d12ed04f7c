//! The server: starts the chain, answers, makes blocks at intervals, and stops.

use crate::accounts::{self, Account};
use crate::clock::Clock;
use crate::config::{DevnetConfig, DevnetError, Mining};
use crate::node::Node;
use crate::rpc;
use alloy_consensus::TxEip1559;
use alloy_primitives::TxKind;
use futures_util::future::BoxFuture;
use jsonrpsee::server::middleware::http::HostFilterLayer;
use jsonrpsee::server::{BatchRequestConfig, Server, ServerConfig, ServerHandle};
use std::net::SocketAddr;
use std::sync::Arc;
use strait_chain::dev::{self, Transaction};
use strait_chain::{DevChain, DevChainConfig, SharedChain};
use strait_types::abi::calls;
use strait_types::{Address, U256};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// Most bytes of a request: several of the largest transactions.
const MAX_REQUEST_BYTES: u32 = 2 << 20;

/// Most bytes of an answer: a block of the longest calldata, or some ten thousand logs.
const MAX_ANSWER_BYTES: u32 = 64 << 20;

/// Most requests in a batch.
const MAX_BATCH: u32 = 1_000;

const MAX_CONNECTIONS: u32 = 500;

/// Block that holds the adjudicator's deployment.
const ADJUDICATOR_BLOCK: u64 = 1;

/// A running devnet. It stops when this is dropped; [`Devnet::shutdown`] waits for that.
pub struct Devnet {
    node: Arc<Node>,
    address: SocketAddr,
    server: ServerHandle,
    miner: JoinHandle<()>,
}

impl Devnet {
    /// Starts a chain and serves it, within a tokio runtime.
    ///
    /// # Errors
    /// When the address is taken; see [`DevnetError`].
    pub fn start(config: DevnetConfig) -> BoxFuture<'static, Result<Devnet, DevnetError>> {
        Box::pin(async move {
            if matches!(config.mining, Mining::Interval(interval) if interval.is_zero()) {
                return Err(DevnetError::NoInterval);
            }
            let listen = |source| DevnetError::Listen { address: config.listen, source };
            let listener = TcpListener::bind(config.listen).await.map_err(listen)?;
            let address = listener.local_addr().map_err(listen)?;
            let node = Arc::new(chain(&config)?);
            match config.mining {
                Mining::Instant => node.set_instant(true),
                Mining::Interval(interval) => drop(node.interval.send_replace(Some(interval))),
                Mining::Manual => {}
            }
            let limits = ServerConfig::builder()
                .max_request_body_size(MAX_REQUEST_BYTES)
                .max_response_body_size(MAX_ANSWER_BYTES)
                .set_batch_request_config(BatchRequestConfig::Limit(MAX_BATCH))
                .max_connections(MAX_CONNECTIONS)
                .set_id_provider(rpc::subscribe::HexIds::default())
                .build();
            let builder = Server::builder()
                .set_config(limits)
                .set_http_middleware(tower::ServiceBuilder::new().layer(known_hosts(address)));
            let server = builder.build_from_tcp(listener.into_std().map_err(listen)?).map_err(listen)?;
            let server = server.start(rpc::methods(Arc::clone(&node))?);
            let miner = tokio::spawn(mine_at_intervals(Arc::clone(&node)));
            Ok(Devnet { node, address, server, miner })
        })
    }

    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// For clients that speak HTTP.
    pub fn http_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// For clients that speak WebSocket.
    pub fn ws_url(&self) -> String {
        format!("ws://{}", self.address)
    }

    /// EIP-155 id.
    pub fn chain_id(&self) -> u64 {
        self.node.with(|chain| chain.config().chain_id)
    }

    /// The adjudicator's address.
    pub fn adjudicator(&self) -> Address {
        self.node.with(|chain| chain.adjudicator())
    }

    /// Number of the block in which the adjudicator was deployed.
    pub fn adjudicator_block(&self) -> u64 {
        ADJUDICATOR_BLOCK
    }

    /// A stand-in for USDC, with six decimals, that anyone can mint.
    pub fn usdc(&self) -> Address {
        self.node.with(|chain| chain.token())
    }

    /// The funded accounts.
    pub fn accounts(&self) -> &[Account] {
        &self.node.accounts
    }

    /// The chain itself, for a program that runs both.
    pub fn chain(&self) -> &SharedChain {
        &self.node.chain
    }

    /// Stops answering, and waits until the port is free.
    pub fn shutdown(self) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            self.miner.abort();
            // It has stopped already if this fails.
            self.server.stop().ok();
            self.server.clone().stopped().await;
        })
    }
}

impl Drop for Devnet {
    fn drop(&mut self) {
        self.miner.abort();
    }
}

/// Web pages reach this machine by names of their own; only who listens everywhere cannot know all its names.
fn known_hosts(address: SocketAddr) -> HostFilterLayer {
    if address.ip().is_unspecified() {
        return HostFilterLayer::disable();
    }
    let own = address.to_string();
    let hosts = HostFilterLayer::new(["localhost:*", "127.0.0.1:*", "[::1]:*", own.as_str()]);
    hosts.expect("addresses and ports are written as they should be")
}

fn chain(config: &DevnetConfig) -> Result<Node, DevnetError> {
    let accounts = accounts::accounts();
    let clock = Clock::starting_at(config.genesis_time);
    let mut chain = DevChain::new(DevChainConfig {
        chain_id: config.chain_id,
        genesis_time: clock.next(),
        mining: dev::Mining::Manual,
        accounts: accounts.iter().map(|account| (account.address(), accounts::endowment())).collect(),
        ..DevChainConfig::default()
    })?;
    mint(&mut chain, &accounts)?;
    chain.finalize();
    Ok(Node::new(SharedChain::new(chain), accounts, clock))
}

/// Gives each account its test tokens.
fn mint(chain: &mut DevChain, accounts: &[Account]) -> Result<(), DevnetError> {
    let deployer = dev::deployer();
    let amount = U256::from(accounts::TEST_USDC) * U256::from(1_000_000);
    for account in accounts {
        let unsigned = TxEip1559 {
            chain_id: chain.config().chain_id,
            nonce: chain.next_nonce(deployer.address()),
            gas_limit: 100_000,
            max_fee_per_gas: u128::from(chain.config().base_fee),
            to: TxKind::Call(chain.token()),
            input: calls::mint(account.address(), amount),
            ..TxEip1559::default()
        };
        let transaction = Transaction::signed(unsigned.into(), &deployer);
        chain.send(transaction.envelope().clone())?;
    }
    chain.mine();
    Ok(())
}

async fn mine_at_intervals(node: Arc<Node>) {
    let mut interval = node.interval.subscribe();
    loop {
        let period = *interval.borrow_and_update();
        let tick = async {
            match period {
                Some(period) => tokio::time::sleep(period).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            changed = interval.changed() => if changed.is_err() { return },
            () = tick => {
                let node = Arc::clone(&node);
                // It fails when the runtime ends.
                tokio::task::spawn_blocking(move || node.mine()).await.ok();
            }
        }
    }
}
