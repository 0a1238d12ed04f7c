//! The accounts of the chain, and how to take a block back without ever copying them.

use revm::bytecode::Bytecode;
use revm::database_interface::DatabaseRef;
use revm::state::{AccountInfo, EvmState};
use std::collections::HashMap;
use std::convert::Infallible;
use strait_types::{Address, B256, U256};

#[derive(Clone, PartialEq, Debug, Default)]
struct Account {
    info: AccountInfo,
    storage: HashMap<U256, U256>,
}

/// What a block changed, oldest first: values as they were before.
#[derive(Clone, Default)]
pub(super) struct Undo(Vec<Change>);

#[derive(Clone)]
enum Change {
    Info { address: Address, before: Option<AccountInfo> },
    Slot { address: Address, key: U256, before: U256 },
    Removed { address: Address, before: Option<Account> },
}

/// State of all accounts at the head.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct World {
    accounts: HashMap<Address, Account>,
    /// By hash; code is never taken back, it does no harm without an account.
    codes: HashMap<B256, Bytecode>,
}

impl World {
    pub(super) fn balance(&self, address: Address) -> U256 {
        self.accounts.get(&address).map_or(U256::ZERO, |account| account.info.balance)
    }

    pub(super) fn nonce(&self, address: Address) -> u64 {
        self.accounts.get(&address).map_or(0, |account| account.info.nonce)
    }

    pub(super) fn code(&self, address: Address) -> Option<&Bytecode> {
        self.codes.get(&self.accounts.get(&address)?.info.code_hash)
    }

    pub(super) fn slot(&self, address: Address, key: U256) -> U256 {
        let value = self.accounts.get(&address).and_then(|account| account.storage.get(&key));
        value.copied().unwrap_or_default()
    }

    /// A change of a balance from outside: neither it nor its absence is a matter of any block, so it is also written
    /// into what the blocks would restore.
    pub(super) fn change_balance<'a>(
        &mut self,
        address: Address,
        change: impl Fn(U256) -> U256,
        undos: impl Iterator<Item = &'a mut Undo>,
    ) {
        let apply = |info: &mut AccountInfo| info.balance = change(info.balance);
        apply(&mut self.accounts.entry(address).or_default().info);
        for change in undos.flat_map(|undo| &mut undo.0) {
            match change {
                Change::Info { address: of, before } if *of == address => {
                    apply(before.get_or_insert_default())
                }
                Change::Removed { address: of, before } if *of == address => {
                    apply(&mut before.get_or_insert_default().info);
                }
                _ => {}
            }
        }
    }

    /// Takes over what a transaction changed.
    pub(super) fn apply(&mut self, state: EvmState, undo: &mut Undo) {
        for (address, changed) in state {
            if !changed.is_touched() {
                continue;
            }
            if changed.is_selfdestructed() || changed.is_empty() {
                undo.0.push(Change::Removed { address, before: self.accounts.remove(&address) });
                continue;
            }
            let before = self.accounts.get(&address).map(|account| account.info.clone());
            undo.0.push(Change::Info { address, before });
            let account = self.accounts.entry(address).or_default();
            let mut info = changed.info;
            if let Some(code) = info.code.take() {
                self.codes.entry(info.code_hash).or_insert(code);
            }
            account.info = info;
            for (key, slot) in changed.storage {
                if slot.is_changed() {
                    let before = if slot.present_value.is_zero() {
                        account.storage.remove(&key)
                    } else {
                        account.storage.insert(key, slot.present_value)
                    };
                    undo.0.push(Change::Slot { address, key, before: before.unwrap_or_default() });
                }
            }
        }
    }

    /// Takes a block back.
    pub(super) fn revert(&mut self, undo: Undo) {
        for change in undo.0.into_iter().rev() {
            match change {
                Change::Info { address, before: Some(info) } => {
                    self.accounts.entry(address).or_default().info = info;
                }
                Change::Info { address, before: None } => {
                    self.accounts.remove(&address);
                }
                Change::Slot { address, key, before } => {
                    let storage = &mut self.accounts.entry(address).or_default().storage;
                    if before.is_zero() {
                        storage.remove(&key)
                    } else {
                        storage.insert(key, before)
                    };
                }
                Change::Removed { address, before } => {
                    match before {
                        Some(account) => self.accounts.insert(address, account),
                        None => self.accounts.remove(&address),
                    };
                }
            }
        }
    }
}

/// The world as the EVM reads it, with the hashes of past blocks.
pub(super) struct View<'a> {
    pub(super) world: &'a World,
    pub(super) hash_of: &'a dyn Fn(u64) -> Option<B256>,
}

impl DatabaseRef for View<'_> {
    type Error = Infallible;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, Infallible> {
        Ok(self.world.accounts.get(&address).map(|account| account.info.clone()))
    }

    fn code_by_hash_ref(&self, hash: B256) -> Result<Bytecode, Infallible> {
        Ok(self.world.codes.get(&hash).cloned().unwrap_or_default())
    }

    fn storage_ref(&self, address: Address, key: U256) -> Result<U256, Infallible> {
        Ok(self.world.slot(address, key))
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, Infallible> {
        Ok((self.hash_of)(number).unwrap_or_default())
    }
}
