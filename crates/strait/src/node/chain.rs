use super::{NodeError, open_store};
use std::path::{Path, PathBuf};
use std::time::Duration;
use strait_chain::rpc::{RpcChain, RpcConfig, SqliteJournal};
use strait_engine::ports::Chain;
use strait_engine::{Alarms, Policy};
use strait_node::service::ChainNode;
use strait_node::{Node, NodeConfig};
use strait_protocol::Settings;
use strait_types::Address;

/// A chain of a node, with what is demanded of channels on it.
pub struct ChainSetup {
    name: String,
    source: Source,
    account: Address,
    payout: Option<Address>,
    challenge_duration: u32,
    store: Option<PathBuf>,
    pub(super) policy: Policy,
    pub(super) settings: Settings,
    pub(super) poll: Duration,
    pub(super) alarms: Alarms,
}

enum Source {
    Rpc(Box<RpcConfig>),
    Other(Box<dyn Chain>),
}

impl ChainSetup {
    /// A chain that is reached by JSON-RPC. What is sent to it is kept in `transactions-NAME.db`.
    pub fn rpc(name: impl Into<String>, account: Address, config: RpcConfig) -> ChainSetup {
        ChainSetup::new(name.into(), account, Source::Rpc(Box::new(config)))
    }

    /// Any other implementation of [`Chain`], such as [`crate::dev::DevNet`]'s.
    pub fn custom(name: impl Into<String>, account: Address, chain: Box<dyn Chain>) -> ChainSetup {
        ChainSetup::new(name.into(), account, Source::Other(chain))
    }

    fn new(name: String, account: Address, source: Source) -> ChainSetup {
        ChainSetup {
            name,
            source,
            account,
            payout: None,
            challenge_duration: 24 * 3_600,
            store: None,
            policy: Policy::default(),
            settings: Settings::default(),
            poll: Duration::from_secs(1),
            alarms: Alarms::default(),
        }
    }

    /// Where channels pay this node out; else it is the account that pays gas.
    #[must_use]
    pub fn payout(mut self, payout: Address) -> ChainSetup {
        self.payout = Some(payout);
        self
    }

    /// Which channels of peers are taken.
    #[must_use]
    pub fn policy(mut self, policy: Policy) -> ChainSetup {
        self.policy = policy;
        self
    }

    /// What is demanded of channels, such as confirmations.
    #[must_use]
    pub fn settings(mut self, settings: Settings) -> ChainSetup {
        self.settings = settings;
        self
    }

    /// Seconds to answer a challenge, in channels that are opened here without saying.
    #[must_use]
    pub fn challenge_duration(mut self, seconds: u32) -> ChainSetup {
        self.challenge_duration = seconds;
        self
    }

    /// How often the chain is asked for new blocks.
    #[must_use]
    pub fn poll(mut self, every: Duration) -> ChainSetup {
        self.poll = every;
        self
    }

    /// When the node complains about the chain's time.
    #[must_use]
    pub fn alarms(mut self, alarms: Alarms) -> ChainSetup {
        self.alarms = alarms;
        self
    }

    /// Where signed states are kept, instead of `store-NAME` in the node's directory: a disk that syncs fast, say. Each
    /// payment waits for it.
    #[must_use]
    pub fn store(mut self, directory: impl Into<PathBuf>) -> ChainSetup {
        self.store = Some(directory.into());
        self
    }

    pub(super) fn payout_address(&self) -> Address {
        self.payout.unwrap_or(self.account)
    }

    pub(super) async fn start(self, directory: &Path, config: NodeConfig) -> Result<ChainNode, NodeError> {
        let payout = self.payout_address();
        let (store, copy_store) =
            open_store(self.store.unwrap_or_else(|| directory.join(format!("store-{}", self.name))))?;
        let mut transactions = None;
        let chain = match self.source {
            Source::Other(chain) => chain,
            Source::Rpc(rpc) => {
                let path = directory.join(format!("transactions-{}.db", self.name));
                transactions = Some(path.clone());
                // Connecting blocks.
                tokio::task::spawn_blocking(move || {
                    let journal = SqliteJournal::open(path, rpc.endpoints.chain_id)?;
                    let chain = RpcChain::connect(*rpc, Box::new(journal))?;
                    Ok::<Box<dyn Chain>, NodeError>(Box::new(chain))
                })
                .await??
            }
        };
        Ok(ChainNode {
            name: self.name,
            account: self.account,
            payout,
            settings: self.settings,
            challenge_duration: self.challenge_duration,
            copy_store: Some(copy_store),
            transactions,
            node: Node::start(config, chain, store).await?,
        })
    }
}
