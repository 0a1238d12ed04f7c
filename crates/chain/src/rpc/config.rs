//! How a chain is reached, followed and paid.

use super::fees::FeePolicy;
use reqwest::Url;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use strait_types::{Address, SigningKey};

/// Which block counts as the head.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Head {
    /// The newest; reorgs are seen and undone.
    #[default]
    Latest,
    /// What the chain's validators have justified; seldom undone.
    Safe,
    /// What cannot be undone any more; minutes behind the newest.
    Finalized,
}

impl Head {
    pub(super) fn tag(self) -> &'static str {
        match self {
            Head::Latest => "latest",
            Head::Safe => "safe",
            Head::Finalized => "finalized",
        }
    }
}

/// Where the time for rests and for the age of heads comes from: milliseconds since the Unix epoch.
pub type UnixMillis = Arc<dyn Fn() -> u64 + Send + Sync>;

/// The system's clock.
pub fn system_time() -> UnixMillis {
    Arc::new(|| {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}

/// How endpoints are asked.
#[derive(Clone)]
pub struct EndpointConfig {
    /// Addresses with scheme `http`, `https`, `ws` or `wss`; the first is preferred while it is in order.
    pub urls: Vec<Url>,
    /// EIP-155 id that each of them must have.
    pub chain_id: u64,
    /// Longest wait for one answer.
    pub timeout: Duration,
    /// Blocks that an endpoint may be behind the others before it is set aside.
    pub max_lag: u64,
    /// Oldest head, by its timestamp, that is believed to be one. `None` for chains that make blocks at will.
    pub max_head_age: Option<Duration>,
    /// Most blocks in one question for logs; less is asked where an endpoint refuses this.
    pub max_log_range: u64,
    /// Which block counts as the head.
    pub head: Head,
    /// The clock.
    pub clock: UnixMillis,
}

impl EndpointConfig {
    /// With values that suit public providers and most chains.
    pub fn new(chain_id: u64, urls: Vec<Url>) -> EndpointConfig {
        EndpointConfig {
            urls,
            chain_id,
            timeout: Duration::from_secs(10),
            max_lag: 3,
            max_head_age: None,
            max_log_range: 10_000,
            head: Head::Latest,
            clock: system_time(),
        }
    }
}

/// A chain with its adjudicator, and the account that sends to it.
#[derive(Clone)]
pub struct RpcConfig {
    /// The way to the chain.
    pub endpoints: EndpointConfig,
    /// The adjudicator's address.
    pub adjudicator: Address,
    /// The block it was deployed in. `None`: it is searched for, which needs an endpoint with old states; where none
    /// has them, logs are read from the first block on.
    pub deployed_at: Option<u64>,
    /// The account that pays gas and deposits.
    pub account: SigningKey,
    /// What a transaction may cost.
    pub fees: FeePolicy,
}

impl RpcConfig {
    /// With default values for all that is not named.
    pub fn new(endpoints: EndpointConfig, adjudicator: Address, account: SigningKey) -> RpcConfig {
        RpcConfig { endpoints, adjudicator, deployed_at: None, account, fees: FeePolicy::default() }
    }
}
