//! What a client asks first.

use super::place::quantity;
use super::{Methods, Registered, method};

pub(super) fn register(methods: &mut Methods) -> Registered {
    method(methods, "web3_clientVersion", |_, _| {
        Ok(concat!("strait-devnet/v", env!("CARGO_PKG_VERSION")).to_owned())
    })?;
    method(methods, "net_version", |node, _| Ok(node.with(|chain| chain.config().chain_id).to_string()))?;
    method(methods, "net_listening", |_, _| Ok(true))?;
    method(methods, "eth_chainId", |node, _| Ok(quantity(node.with(|chain| chain.config().chain_id))))?;
    method(methods, "eth_syncing", |_, _| Ok(false))?;
    method(methods, "eth_accounts", |node, _| {
        Ok(node.accounts.iter().map(|account| account.address()).collect::<Vec<_>>())
    })
}
