//! The embedded chain as a JSON-RPC server, for wallets, tools and tests that speak to Ethereum nodes: the contracts are
//! deployed, the accounts are funded, time and reorgs are under the caller's control. Nothing of it is for real money.
//!
//! `docs/devnet.md` lists the methods and where they differ from other nodes.

mod accounts;
mod changes;
mod clock;
mod config;
mod node;
mod rpc;
mod server;

pub use accounts::{ACCOUNT_COUNT, Account, account_secret};
pub use config::{DevnetConfig, DevnetError, Mining};
pub use server::Devnet;
