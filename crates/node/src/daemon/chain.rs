//! A chain by JSON-RPC, which may be away when the node starts.

use super::DaemonError;
use super::clock::{self, Verdict};
use crate::config::{ChainSection, Config, Confirmations, without_secrets};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use strait_chain::rpc::{ConnectError, EndpointConfig, Head, RpcChain, RpcConfig, SqliteJournal, Url};
use strait_engine::ports::{
    Account, Block, BlockRef, Chain, ChainError, Followed, HandedIn, Receipt, TxHash, TxRequest, Wake,
    Wanted, in_ether,
};
use strait_types::{Address, Bytes, ChannelId, SigningKey, U256};

/// Gas of a deposit into a new channel, a challenge, and the settlement after it, as `docs/gas.md` gives them, with room.
pub const GAS_OF_A_DISPUTE: u64 = 500_000;

/// Between two attempts to reach a chain.
const PAUSE: Duration = Duration::from_secs(2);

/// What a chain is connected with.
#[derive(Clone)]
pub(super) struct RpcParts {
    name: String,
    rpc: RpcConfig,
    journal: PathBuf,
    check_clock: bool,
}

impl RpcParts {
    /// From the configuration of a chain, and the key of the account that pays.
    pub(super) fn new(
        config: &Config,
        name: &str,
        section: &ChainSection,
        account: SigningKey,
    ) -> Result<RpcParts, DaemonError> {
        let mut urls = Vec::new();
        for url in &section.rpc {
            let parsed = Url::parse(url).map_err(|error| DaemonError::Url {
                chain: name.to_owned(),
                url: without_secrets(url),
                reason: error.to_string(),
            })?;
            urls.push(parsed);
        }
        let mut endpoints = EndpointConfig::new(section.chain_id, urls);
        if section.confirmations == Confirmations::Finalized {
            endpoints.head = Head::Finalized;
        }
        let mut rpc = RpcConfig::new(endpoints, section.adjudicator, account);
        rpc.deployed_at = section.deployed_at;
        let journal = config.chain_directory(name).join("transactions.db");
        Ok(RpcParts { name: name.to_owned(), rpc, journal, check_clock: section.check_clock })
    }

    fn connect(&self) -> Result<RpcChain, ConnectError> {
        let is_new = !self.journal.exists();
        let journal = SqliteJournal::open(&self.journal, self.rpc.endpoints.chain_id)?;
        let connected = RpcChain::connect(self.rpc.clone(), Box::new(journal));
        if is_new && connected.is_err() {
            self.remove_journal();
        }
        connected
    }

    /// A journal belongs to its chain for good. An empty one of a chain that was configured by mistake must not be in the
    /// way of the right one.
    fn remove_journal(&self) {
        for suffix in ["", "-wal", "-shm", ".lock"] {
            let mut path = self.journal.clone().into_os_string();
            path.push(suffix);
            // What is not there needs no removal, and what stays is reported at the next start.
            let _stays = std::fs::remove_file(path);
        }
    }
}

/// Connects, or leaves that for later when nobody answers. What the operator should know comes along.
pub(super) async fn connect(parts: RpcParts) -> Result<(Box<dyn Chain>, Vec<String>), DaemonError> {
    let name = parts.name.clone();
    let work = tokio::task::spawn_blocking(move || connect_now(parts)).await;
    work.map_err(|error| DaemonError::Thread(format!("{name}: {error}")))?
}

fn connect_now(parts: RpcParts) -> Result<(Box<dyn Chain>, Vec<String>), DaemonError> {
    let chain_name = || parts.name.clone();
    let mut notes = Vec::new();
    if let Some(directory) = parts.journal.parent() {
        let failed = |source| DaemonError::Io { path: directory.to_owned(), source };
        std::fs::create_dir_all(directory).map_err(failed)?;
    }
    let connected = match parts.connect() {
        Ok(mut chain) => {
            if parts.check_clock
                && let Verdict::Off { seconds, direction } = clock::check(&mut chain)
            {
                return Err(DaemonError::Clock { chain: chain_name(), seconds, direction });
            }
            notes.extend(gas_money(&parts.name, &mut chain));
            Some(chain)
        }
        Err(ConnectError::Chain(error)) => {
            notes.push(format!(
                "chain {}: {error}. The node starts nevertheless and tries again; until then its channels take no value",
                parts.name
            ));
            None
        }
        Err(source) => return Err(DaemonError::Chain { chain: chain_name(), source }),
    };
    Ok((Box::new(PatientChain { parts, connected, tried: Instant::now(), wake: None }), notes))
}

/// Says that the account cannot pay for a dispute, before it has to.
fn gas_money(name: &str, chain: &mut RpcChain) -> Option<String> {
    let (account, price) = (chain.account().ok()?, chain.gas_price().ok()?);
    let needed = price.saturating_mul(U256::from(GAS_OF_A_DISPUTE));
    (account.balance < needed).then(|| {
        format!(
            "chain {name}: the account {} holds {}, a deposit and a dispute cost about {} of gas now; send it some, or this node can neither open nor defend channels",
            account.address,
            in_ether(account.balance),
            in_ether(needed)
        )
    })
}

/// A chain that is connected as soon as somebody answers.
struct PatientChain {
    parts: RpcParts,
    connected: Option<RpcChain>,
    /// When it was tried last.
    tried: Instant,
    wake: Option<Wake>,
}

impl PatientChain {
    fn chain(&mut self) -> Result<&mut RpcChain, ChainError> {
        match &mut self.connected {
            Some(chain) => Ok(chain),
            slot => {
                if self.tried.elapsed() < PAUSE {
                    return Err(ChainError::Unreachable(
                        "no endpoint answered a moment ago; `strait doctor` asks each of them".to_owned(),
                    ));
                }
                self.tried = Instant::now();
                let mut chain = self.parts.connect().map_err(|error| match error {
                    ConnectError::Chain(error) => error,
                    other => ChainError::Nonsense(other.to_string()),
                })?;
                tracing::info!(chain = %self.parts.name, "the chain answers now");
                if let Some(wake) = &self.wake {
                    chain.wake_by(wake.clone());
                }
                Ok(slot.insert(chain))
            }
        }
    }
}

impl Chain for PatientChain {
    fn chain_id(&self) -> u64 {
        self.parts.rpc.endpoints.chain_id
    }

    fn adjudicator(&self) -> Address {
        self.parts.rpc.adjudicator
    }

    fn follow(&mut self, known: &[BlockRef], limit: usize) -> Result<Followed, ChainError> {
        self.chain()?.follow(known, limit)
    }

    fn wake_by(&mut self, wake: Wake) {
        if let Some(chain) = &mut self.connected {
            chain.wake_by(wake.clone());
        }
        self.wake = Some(wake);
    }

    fn events_of(&mut self, channel: ChannelId, through: BlockRef) -> Result<Vec<Block>, ChainError> {
        self.chain()?.events_of(channel, through)
    }

    fn submit(&mut self, request: &TxRequest) -> Result<TxHash, ChainError> {
        self.chain()?.submit(request)
    }

    fn receipt(&mut self, transaction: TxHash) -> Result<Option<Receipt>, ChainError> {
        self.chain()?.receipt(transaction)
    }

    fn under_way(&mut self, is_wanted: Wanted<'_>, through: u64) -> Result<Vec<HandedIn>, ChainError> {
        self.chain()?.under_way(is_wanted, through)
    }

    fn account(&mut self) -> Result<Account, ChainError> {
        self.chain()?.account()
    }

    fn needed_for(&mut self, gas: &[u64], is_urgent: bool) -> Result<U256, ChainError> {
        self.chain()?.needed_for(gas, is_urgent)
    }

    fn call(&mut self, to: Address, data: Bytes) -> Result<Bytes, ChainError> {
        self.chain()?.call(to, data)
    }

    fn has_code(&mut self, address: Address) -> Result<bool, ChainError> {
        self.chain()?.has_code(address)
    }
}
