//! The development chain keeps to the port's contract.

use strait_chain::conformance::Driver;
use strait_chain::dev::{DevAccount, DevChain, DevChainConfig, Mining, Reinclude, SharedChain};
use strait_types::{Address, Bytes, SigningKey, U256};

struct DevDriver(SharedChain);

impl Driver for DevDriver {
    type Chain = DevAccount;

    fn account(&mut self, key: &SigningKey) -> DevAccount {
        self.0.account(key.address())
    }

    fn fund(&mut self, account: Address, wei: U256) {
        self.0.with(|chain| chain.fund(account, wei));
    }

    fn balance(&mut self, account: Address) -> U256 {
        self.0.with(|chain| chain.balance(account))
    }

    fn mine(&mut self) {
        self.0.with(DevChain::mine);
    }

    fn advance(&mut self, seconds: u64) {
        self.0.with(|chain| chain.advance(seconds));
    }

    fn reorg(&mut self, depth: usize, keep_transactions: bool) {
        let reinclude = if keep_transactions { Reinclude::Same } else { Reinclude::Never };
        self.0.with(|chain| chain.reorg(depth, &reinclude)).expect("these blocks are not final");
    }

    fn token(&self) -> Address {
        self.0.with(|chain| chain.token())
    }

    fn deploy(&mut self, init_code: Bytes) -> Address {
        self.0.with(|chain| {
            let from = Address::repeat_byte(0xde);
            chain.fund(from, U256::from(u64::MAX));
            chain.deploy(from, init_code).expect("deploys")
        })
    }
}

fn driver() -> DevDriver {
    let config = DevChainConfig { mining: Mining::Manual, ..DevChainConfig::default() };
    DevDriver(SharedChain::new(DevChain::new(config).expect("deploys")))
}

strait_chain::chain_conformance!(driver);
