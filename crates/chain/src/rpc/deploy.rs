//! Deploying the contracts, at the same address on every chain where that is possible.

use super::code;
use super::config::EndpointConfig;
use super::endpoints::Endpoints;
use super::error::ConnectError;
use super::fees::FeePolicy;
use super::transactions::{Call, TransactionJournal, Transactions};
use crate::artifacts;
use alloy_primitives::address;
use serde_json::json;
use strait_engine::ports::{ChainError, TxHash};
use strait_types::{Address, B256, Bytes, SigningKey, U256};

/// The usual proxy for deployments by CREATE2, on most chains: it creates what follows the salt in its calldata.
const CREATE2_PROXY: Address = address!("4e59b44847b379578588920cA78FbF26c0B4956C");

/// What can be deployed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Contract {
    /// The adjudicator; one serves any number of channels.
    Adjudicator,
    /// A stand-in for USDC that anyone can mint, for development.
    TestUsdc,
}

impl Contract {
    fn init_code(self) -> Bytes {
        match self {
            Contract::Adjudicator => artifacts::adjudicator(),
            Contract::TestUsdc => artifacts::test_token(),
        }
    }
}

/// A deployed contract.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Deployed {
    /// Its address.
    pub address: Address,
    /// The block in which it was deployed; where it was there before, the block of a search, which may be 0.
    pub deployed_at: u64,
    /// Its transaction; none when the contract was there already.
    pub transaction: Option<TxHash>,
}

/// A contract was not deployed.
#[derive(Debug, thiserror::Error)]
pub enum DeployError {
    /// The way to the chain.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The chain.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The caller gave up waiting.
    #[error(
        "the deployment in transaction {transaction} is in no block yet; run the same command again to go on waiting"
    )]
    Waiting {
        /// By which it is known.
        transaction: TxHash,
    },
    /// The transaction is in a block and the contract is not there.
    #[error(
        "the deployment in transaction {transaction} failed; look it up, check the account's gas, then try again"
    )]
    Failed {
        /// By which it is known.
        transaction: TxHash,
    },
}

/// Deploys a contract, or finds it where an earlier deployment put it, and waits for its block. Between two looks at
/// the chain `go_on` is called; it waits as long as it likes, and says whether to look again.
///
/// # Errors
/// See [`DeployError`].
pub fn deploy(
    contract: Contract,
    endpoints: EndpointConfig,
    account: SigningKey,
    fees: FeePolicy,
    journal: Box<dyn TransactionJournal>,
    go_on: &mut dyn FnMut() -> bool,
) -> Result<Deployed, DeployError> {
    let chain_id = endpoints.chain_id;
    let mut endpoints = Endpoints::connected(endpoints, None)?;
    let (_, head) = endpoints.best()?;
    let mut transactions =
        Transactions::load(account, chain_id, fees, journal).map_err(ConnectError::Journal)?;
    let proxy: Bytes = endpoints.ask("eth_getCode", &json!([CREATE2_PROXY, "latest"]))?;
    let init_code = contract.init_code();
    let fixed = (!proxy.is_empty()).then(|| CREATE2_PROXY.create2_from_code(B256::ZERO, &init_code));
    if let Some(address) = fixed
        && is_there(&mut endpoints, contract, address)?
    {
        let deployed_at = code::deployed_at(&mut endpoints, address, head.number());
        return Ok(Deployed { address, deployed_at, transaction: None });
    }
    transactions.tend(&mut endpoints, &head)?;
    let (to, data) = match fixed {
        Some(_) => (Some(CREATE2_PROXY), [B256::ZERO.as_slice(), &init_code].concat().into()),
        None => (None, init_code),
    };
    let call = Call { to, value: U256::ZERO, data };
    let transaction = match transactions.waiting_for(&call) {
        // Of a run that gave up waiting.
        Some(transaction) => transaction,
        None => transactions.submit(&mut endpoints, None, &call)?,
    };
    let nonce = transactions.nonce_of(transaction).unwrap_or_default();
    let address = fixed.unwrap_or_else(|| transactions.address().create(nonce));
    while go_on() {
        let (_, head) = endpoints.best()?;
        if let Some(receipt) = transactions.receipt(&mut endpoints, transaction)? {
            if !receipt.success || !is_there(&mut endpoints, contract, address)? {
                return Err(DeployError::Failed { transaction });
            }
            return Ok(Deployed {
                address,
                deployed_at: receipt.block.number,
                transaction: Some(transaction),
            });
        }
        transactions.tend(&mut endpoints, &head)?;
    }
    Err(DeployError::Waiting { transaction })
}

fn is_there(endpoints: &mut Endpoints, contract: Contract, address: Address) -> Result<bool, ChainError> {
    match contract {
        Contract::Adjudicator => code::is_adjudicator(endpoints, address),
        Contract::TestUsdc => {
            let code: Bytes = endpoints.ask("eth_getCode", &json!([address, "latest"]))?;
            Ok(!code.is_empty())
        }
    }
}
