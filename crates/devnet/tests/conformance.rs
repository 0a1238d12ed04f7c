//! A node's way to real chains finds on the devnet what it finds on any chain.

use alloy_provider::{Provider, ProviderBuilder, RootProvider};
use serde_json::{Value, json};
use strait_chain::conformance::Driver;
use strait_chain::rpc::{EndpointConfig, RpcChain, RpcConfig, SqliteJournal};
use strait_devnet::{Devnet, DevnetConfig, Mining};
use strait_types::{Address, Bytes, SigningKey, U256};
use tempfile::TempDir;
use tokio::runtime::Runtime;

struct DevnetDriver {
    devnet: Devnet,
    provider: RootProvider,
    endpoint: String,
    journals: TempDir,
    runtime: Runtime,
}

impl DevnetDriver {
    fn new(endpoint: fn(&Devnet) -> String) -> DevnetDriver {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let config = DevnetConfig { mining: Mining::Manual, ..DevnetConfig::default() };
        let devnet = runtime.block_on(Devnet::start(config)).expect("port 0 is free");
        // The client wants to know by what it would encrypt, and is content that another test has said so.
        rustls::crypto::ring::default_provider().install_default().ok();
        let provider = ProviderBuilder::default().connect_http(devnet.http_url().parse().expect("a URL"));
        let endpoint = endpoint(&devnet);
        DevnetDriver {
            devnet,
            provider,
            endpoint,
            journals: tempfile::tempdir().expect("a directory"),
            runtime,
        }
    }

    fn ask(&self, method: &'static str, params: Value) -> Value {
        let answer = self.provider.raw_request(method.into(), params);
        self.runtime.block_on(answer).unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    fn number(&self, method: &'static str, params: Value) -> U256 {
        serde_json::from_value(self.ask(method, params)).expect("a number")
    }
}

impl Driver for DevnetDriver {
    type Chain = RpcChain;

    fn account(&mut self, key: &SigningKey) -> RpcChain {
        let chain_id = self.devnet.chain_id();
        let url = self.endpoint.parse().expect("a URL");
        let endpoints = EndpointConfig::new(chain_id, vec![url]);
        let config = RpcConfig::new(endpoints, self.devnet.adjudicator(), key.clone());
        let journal = self.journals.path().join(format!("{}.db", key.address()));
        let journal = SqliteJournal::open(journal, chain_id).expect("a journal");
        RpcChain::connect(config, Box::new(journal)).expect("connects")
    }

    fn fund(&mut self, account: Address, wei: U256) {
        let balance = self.balance(account) + wei;
        self.ask("anvil_setBalance", json!([account, balance]));
    }

    fn balance(&mut self, account: Address) -> U256 {
        self.number("eth_getBalance", json!([account, "latest"]))
    }

    fn mine(&mut self) {
        self.ask("evm_mine", json!([]));
    }

    fn advance(&mut self, seconds: u64) {
        self.ask("evm_increaseTime", json!([seconds]));
    }

    fn reorg(&mut self, depth: usize, keep_transactions: bool) {
        let head: u64 = self.number("eth_blockNumber", json!([])).to();
        let mut kept = Vec::new();
        for index in 0..depth {
            let number = head - u64::try_from(depth - index - 1).expect("small");
            let block = self.ask("eth_getBlockByNumber", json!([format!("{number:#x}"), false]));
            for hash in block["transactions"].as_array().expect("hashes") {
                kept.push(json!([self.ask("eth_getRawTransactionByHash", json!([hash])), index]));
            }
        }
        let pairs = if keep_transactions { kept } else { Vec::new() };
        self.ask("anvil_reorg", json!([depth, pairs]));
    }

    fn token(&self) -> Address {
        self.devnet.usdc()
    }

    fn deploy(&mut self, init_code: Bytes) -> Address {
        let from = self.ask("eth_accounts", json!([]))[0].clone();
        let sent = self.ask("eth_sendTransaction", json!([{ "from": from, "data": init_code }]));
        self.mine();
        let receipt = self.ask("eth_getTransactionReceipt", json!([sent]));
        serde_json::from_value(receipt["contractAddress"].clone()).expect("deployed")
    }
}

mod http {
    use super::{Devnet, DevnetDriver};

    fn driver() -> DevnetDriver {
        DevnetDriver::new(Devnet::http_url)
    }

    strait_chain::chain_conformance!(driver);
}

mod websocket {
    use super::{Devnet, DevnetDriver};

    fn driver() -> DevnetDriver {
        DevnetDriver::new(Devnet::ws_url)
    }

    strait_chain::chain_conformance!(driver);
}
