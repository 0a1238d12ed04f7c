//! What can be learnt of a chain without sending to it.

use super::RpcChain;
use serde_json::json;
use strait_engine::ports::{BlockRef, ChainError};
use strait_types::{Address, U256};

impl RpcChain {
    /// The newest block, and its time in Unix seconds.
    ///
    /// # Errors
    /// When no endpoint answers.
    pub fn head(&mut self) -> Result<(BlockRef, u64), ChainError> {
        let (_, header) = self.endpoints.best()?;
        Ok((header.at(), header.time()))
    }

    /// What an account holds, in wei.
    ///
    /// # Errors
    /// When no endpoint answers.
    pub fn balance(&mut self, account: Address) -> Result<U256, ChainError> {
        self.endpoints.ask("eth_getBalance", &json!([account, "latest"]))
    }

    /// What a unit of gas costs at the moment, in wei.
    ///
    /// # Errors
    /// When no endpoint answers.
    pub fn gas_price(&mut self) -> Result<U256, ChainError> {
        self.endpoints.ask("eth_gasPrice", &json!([]))
    }
}
