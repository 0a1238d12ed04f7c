//! The start of every run: one chain, made once, with the contracts deployed and the accounts funded.

use std::sync::LazyLock;
use strait_chain::dev::Mining;
use strait_chain::{DevChain, DevChainConfig};
use strait_engine::ports::TxRequest;
use strait_types::abi::calls;
use strait_types::{Address, SigningKey, U256, keccak256};

/// Names of the nodes.
pub(crate) const NAMES: [&str; 3] = ["alice", "bob", "carol"];

/// Key of a node.
pub(crate) fn key(node: usize) -> SigningKey {
    SigningKey::from_bytes(keccak256(NAMES[node]).0).expect("a hash of a name is a key")
}

static GENESIS: LazyLock<DevChain> = LazyLock::new(|| {
    let plenty = U256::from(u128::MAX);
    let accounts: Vec<_> = (0..NAMES.len()).map(|node| (key(node).address(), plenty)).collect();
    let config = DevChainConfig { mining: Mining::Manual, accounts: accounts.clone(), ..Default::default() };
    let mut chain = DevChain::new(config).expect("the committed contracts deploy");
    for (account, _) in accounts {
        let data = calls::mint(account, plenty);
        let request = TxRequest { to: chain.token(), value: U256::ZERO, data };
        chain.submit_from(account, &request).expect("anyone may mint");
    }
    chain.mine();
    chain
});

/// The token of every chain.
pub(crate) fn token() -> Address {
    GENESIS.token()
}

/// A chain of one's own.
pub(crate) fn chain() -> DevChain {
    GENESIS.clone()
}
