//! The funded accounts: keys that every developer's wallet knows, of the mnemonic
//! "test test test test test test test test test test test junk".

use alloy_primitives::b256;
use strait_types::{Address, B256, SigningKey, U256};

/// How many there are.
pub const ACCOUNT_COUNT: usize = 10;

const KEYS: [B256; ACCOUNT_COUNT] = [
    b256!("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"),
    b256!("59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d"),
    b256!("5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a"),
    b256!("7c852118294e51e653712a81e05800f419141751be58f605c371e15141b007a6"),
    b256!("47e179ec197488593b187f80a00eb0da91f1b9d0b13f8733639f19c30a34926a"),
    b256!("8b3a350cf5c34c9194ca85829a2df0ec3153be0318b5e2d3348e872092edffba"),
    b256!("92db14e403b83dfe3df233f83dfa3a0d7096f21ca9b0d6d6b8d88b2b4ec1564e"),
    b256!("4bbbf85ce3377467afe5d46f804f221813b2bb87f24d81f60f1fcdbf7cbf4356"),
    b256!("dbda1821b80551c9d65939329250298aa3472ba22feea921c0cf5d620ea67b97"),
    b256!("2a871d0798f97d79848a013d4936a73bf4cc922c825d33c1cf7073dff6d409c6"),
];

/// Whole coins that each account has.
pub(crate) const COINS: u64 = 10_000;

/// Whole test USDC that each account has.
pub(crate) const TEST_USDC: u64 = 1_000_000;

/// A funded account. Its key is public: whatever it holds on a real chain is anybody's.
#[derive(Clone, Debug)]
pub struct Account {
    /// Signs for it.
    pub key: SigningKey,
    /// The key's bytes, to be typed into a wallet.
    pub secret: B256,
}

impl Account {
    /// Its address.
    pub fn address(&self) -> Address {
        self.key.address()
    }
}

/// All of them, in the wallets' order.
pub(crate) fn accounts() -> Vec<Account> {
    let account = |secret: B256| {
        let key = SigningKey::from_bytes(secret.0).expect("a key of the list is in range");
        Account { key, secret }
    };
    KEYS.into_iter().map(account).collect()
}

/// The private key of an account; `None` beyond the last. Everybody knows it.
pub fn account_secret(number: usize) -> Option<B256> {
    KEYS.get(number).copied()
}

/// What each account has at first, in wei.
pub(crate) fn endowment() -> U256 {
    U256::from(COINS) * U256::from(10).pow(U256::from(18))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::address;

    #[test]
    fn wallets_know_the_addresses() {
        let addresses: Vec<Address> = accounts().iter().map(Account::address).collect();
        assert_eq!(addresses[0], address!("f39Fd6e51aad88F6F4ce6aB8827279cffFb92266"));
        assert_eq!(addresses[1], address!("70997970C51812dc3A010C7d01b50e0d17dc79C8"));
        assert_eq!(addresses[9], address!("a0Ee7A142d267C1f36714E4a8F75612F20a79720"));
    }
}
