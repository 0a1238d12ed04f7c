//! anvil keeps to the port's contract, over both transports.

use crate::anvil::{Anvil, CHAIN_ID};
use serde_json::json;
use strait_chain::conformance::Driver;
use strait_chain::rpc::{Contract, EndpointConfig, FeePolicy, RpcChain, RpcConfig, SqliteJournal, deploy};
use strait_types::{Address, Bytes, SigningKey, U256};
use tempfile::TempDir;

pub(crate) struct AnvilDriver {
    pub(crate) anvil: Anvil,
    pub(crate) directory: TempDir,
    pub(crate) adjudicator: Address,
    token: Address,
    scheme: &'static str,
}

impl AnvilDriver {
    pub(crate) fn new(scheme: &'static str) -> AnvilDriver {
        let anvil = Anvil::start();
        let directory = tempfile::tempdir().expect("a directory");
        let deployer = SigningKey::from_bytes([0x99; 32]).expect("a key");
        anvil.fund(deployer.address(), U256::from(u128::MAX));
        let deployed = |contract, name| {
            let journal = SqliteJournal::open(directory.path().join(name), CHAIN_ID).expect("a journal");
            let endpoints = EndpointConfig::new(CHAIN_ID, vec![anvil.url(scheme)]);
            let key = deployer.clone();
            let mut go_on = || {
                anvil.mine();
                true
            };
            deploy(contract, endpoints, key, FeePolicy::default(), Box::new(journal), &mut go_on)
                .expect("deploys")
                .address
        };
        let adjudicator = deployed(Contract::Adjudicator, "deploy.db");
        let token = deployed(Contract::TestUsdc, "deploy.db");
        AnvilDriver { anvil, directory, adjudicator, token, scheme }
    }

    pub(crate) fn config(&self, key: &SigningKey) -> RpcConfig {
        let endpoints = EndpointConfig::new(CHAIN_ID, vec![self.anvil.url(self.scheme)]);
        RpcConfig::new(endpoints, self.adjudicator, key.clone())
    }

    pub(crate) fn journal(&self, key: &SigningKey) -> Box<SqliteJournal> {
        let path = self.directory.path().join(format!("{}.db", key.address()));
        Box::new(SqliteJournal::open(path, CHAIN_ID).expect("a journal"))
    }
}

impl Driver for AnvilDriver {
    type Chain = RpcChain;

    fn account(&mut self, key: &SigningKey) -> RpcChain {
        RpcChain::connect(self.config(key), self.journal(key)).expect("connects")
    }

    fn fund(&mut self, account: Address, wei: U256) {
        self.anvil.fund(account, wei);
    }

    fn balance(&mut self, account: Address) -> U256 {
        self.anvil.balance(account)
    }

    fn mine(&mut self) {
        self.anvil.mine();
    }

    fn advance(&mut self, seconds: u64) {
        self.anvil.ask("evm_increaseTime", &json!([seconds]));
    }

    fn reorg(&mut self, depth: usize, keep_transactions: bool) {
        self.anvil.reorg(depth, keep_transactions);
    }

    fn token(&self) -> Address {
        self.token
    }

    fn deploy(&mut self, init_code: Bytes) -> Address {
        let from = Address::repeat_byte(0xde);
        self.anvil.fund(from, U256::from(u64::MAX) << 8);
        self.anvil.ask("anvil_impersonateAccount", &json!([from]));
        let sent = self.anvil.ask("eth_sendTransaction", &json!([{ "from": from, "data": init_code }]));
        self.anvil.mine();
        let receipt = self.anvil.ask("eth_getTransactionReceipt", &json!([sent]));
        serde_json::from_value(receipt["contractAddress"].clone()).expect("deployed")
    }
}

mod http {
    use super::AnvilDriver;

    fn driver() -> AnvilDriver {
        AnvilDriver::new("http")
    }

    strait_chain::chain_conformance!(driver);
}

mod websocket {
    use super::AnvilDriver;

    fn driver() -> AnvilDriver {
        AnvilDriver::new("ws")
    }

    strait_chain::chain_conformance!(driver);
}
