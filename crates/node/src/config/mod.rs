//! The configuration of a node: defaults, below the file `strait.toml`, below environment variables such as
//! `STRAIT_NODE__LISTEN`, below flags. Every value knows where it comes from, and a wrong one is reported with its
//! place and the way out.

mod assets;
mod error;
mod file;
mod layers;
mod raw;
mod resolve;
mod show;
mod template;
#[cfg(test)]
mod tests;
mod units;

pub use assets::{AssetList, NamedAsset};
pub use error::{ConfigError, Problem};
pub use layers::{Flag, Layers, Source, default_home};
pub use show::{Row, without_secrets};
pub use template::{Template, TemplateAsset, TemplateChain};
pub use units::{parse_duration, show_duration};

use crate::transport::{PeerAddress, TowerAddress};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use strait_api::AssetInfo;
use strait_engine::Starts;
use strait_engine::tower::Quotas;
use strait_protocol::Settings;
use strait_types::{Address, Amount};

/// The configuration file's name in the home directory.
pub const CONFIG_FILE: &str = "strait.toml";

/// A node's configuration, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// The home directory.
    pub home: PathBuf,
    /// The node itself.
    pub node: NodeSection,
    /// Certificate of the listener; without one it makes its own.
    pub tls: Option<TlsFiles>,
    /// By name.
    pub chains: BTreeMap<String, ChainSection>,
    /// The assets that have names.
    pub assets: AssetList,
    /// Which channels are taken.
    pub policy: PolicySection,
    /// What `strait tower` does for whom.
    pub tower: TowerSection,
}

/// `[tower]`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TowerSection {
    /// How much it does for whom.
    pub quotas: Quotas,
    /// Seconds before a lock's expiry at which its known preimage is registered.
    pub lock_margin: u64,
    /// Whether it also settles and unlocks.
    pub settle: bool,
    /// Where this machine's Prometheus finds its figures.
    pub metrics: Option<SocketAddr>,
}

/// `[node]`.
#[derive(Clone, Debug)]
pub struct NodeSection {
    /// Where peers connect; `None`: this node only dials.
    pub listen: Option<SocketAddr>,
    /// `host:port` under which others reach it, when that is not `listen`.
    pub advertise: Option<String>,
    /// Where the API listens.
    pub api: SocketAddr,
    /// Names under which the API is reached besides `localhost` and IP addresses.
    pub api_hosts: Vec<String>,
    /// Web pages that may call the API from a browser, as `https://wallet.example`.
    pub api_origins: Vec<String>,
    /// Serves the API unencrypted beyond this machine.
    pub api_allow_plain_remote: bool,
    /// Name of the key that signs.
    pub key: String,
    /// The file that holds the key's password.
    pub password_file: Option<PathBuf>,
    /// Where channels pay out; `None`: the key's own address.
    pub payout: Option<Address>,
    /// Which log messages appear, such as `info` or `strait_node=debug,warn`.
    pub log: String,
    /// How they are written.
    pub log_format: LogFormat,
    /// Takes and opens unencrypted connections beyond this machine.
    pub allow_plain_remote: bool,
    /// Peers to keep a connection with.
    pub peers: Vec<PeerAddress>,
    /// Towers that guard this node's channels.
    pub towers: Vec<TowerAddress>,
}

/// How the log is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// `[tls]`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TlsFiles {
    /// PEM with the certificate and what signed it.
    pub cert: PathBuf,
    /// PEM with its private key.
    pub key: PathBuf,
}

/// `[chains.NAME]`.
#[derive(Clone, Debug)]
pub struct ChainSection {
    /// EIP-155 id.
    pub chain_id: u64,
    /// Endpoints, the preferred one first; `http`, `https`, `ws` or `wss`.
    pub rpc: Vec<String>,
    /// The contract.
    pub adjudicator: Address,
    /// Block in which it was deployed; `None`: it is searched for.
    pub deployed_at: Option<u64>,
    /// When a deposit counts.
    pub confirmations: Confirmations,
    /// How often the chain is asked for new blocks.
    pub poll: Duration,
    /// Name of the key whose account pays gas and deposits.
    pub account: String,
    /// Seconds to answer a challenge, in channels that this node opens without saying.
    pub challenge_duration: u32,
    /// Whether this machine's clock must agree with the chain's; off for development chains, which travel in time.
    pub check_clock: bool,
    /// What channels are driven by; `confirmations` in it is that of this section.
    pub settings: Settings,
}

/// When a deposit counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Confirmations {
    /// With so many blocks on top of its block.
    Blocks(u64),
    /// When the chain calls its block finalised.
    Finalized,
}

/// `[policy]`.
#[derive(Clone, Debug)]
pub struct PolicySection {
    /// Assets that may occur, per chain; a chain that is not in it takes any.
    pub assets: BTreeMap<String, Vec<Address>>,
    /// Apps that may occur.
    pub apps: Vec<Address>,
    /// Shortest challenge period, in seconds.
    pub min_challenge: u32,
    /// Longest challenge period, in seconds.
    pub max_challenge: u32,
    /// What a peer that opens a channel must deposit, by chain and asset.
    pub min_deposits: BTreeMap<(String, Address), Amount>,
    /// By chain and asset: the most that this node puts, unasked, into a child channel that a peer opens.
    pub stakes: BTreeMap<(String, Address), Amount>,
    /// From which starts games of peers are played unasked.
    pub starts: Starts,
    /// Most channels with one peer that are not closed.
    pub channels_per_peer: usize,
    /// Most channels that peers opened and nobody has funded.
    pub unfunded_channels: usize,
    /// Channels that peers open wait for the operator.
    pub manual_approval: bool,
    /// Most channels that wait for the operator.
    pub proposals: usize,
}

/// A configuration with the origin of its values.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What counts.
    pub config: Config,
    stack: layers::Stack,
}

impl Loaded {
    /// Reads and checks all layers.
    ///
    /// # Errors
    /// All that is wrong, each with its place.
    pub fn load(layers: &Layers) -> Result<Loaded, ConfigError> {
        let stack = layers::Stack::read(layers)?;
        let config = resolve::resolve(layers, &stack)?;
        Ok(Loaded { config, stack })
    }

    /// Where a value such as `node.listen` comes from.
    pub fn source(&self, key: &str) -> Source {
        self.stack.source(key)
    }

    /// All values with their sources, for people.
    pub fn rows(&self) -> Vec<Row> {
        show::rows(self)
    }
}

impl Config {
    /// The assets that have names, by the chains' ids.
    pub fn asset_infos(&self) -> Vec<AssetInfo> {
        self.assets.infos(&self.chains)
    }

    /// The file of a key.
    pub fn key_file(&self, name: &str) -> PathBuf {
        key_file(&self.home, name)
    }

    /// Where a chain's channels live.
    pub fn chain_directory(&self, chain: &str) -> PathBuf {
        self.home.join("data").join(chain)
    }

    /// A database of the whole node, such as `service.db`.
    pub fn database(&self, name: &str) -> PathBuf {
        self.home.join("data").join(name)
    }

    /// The file with the API token that commands on this machine use.
    pub fn admin_token_file(&self) -> PathBuf {
        admin_token_file(&self.home)
    }
}

/// Checks the name of a key or a chain, which becomes the name of a file.
///
/// # Errors
/// A text that says what it is made of.
pub fn check_name(text: &str) -> Result<String, String> {
    resolve::check_name(text)
}

/// The file of a key in a home directory.
pub fn key_file(home: &Path, name: &str) -> PathBuf {
    home.join("keys").join(format!("{name}.json"))
}

/// The file with the API token that commands on this machine use.
pub fn admin_token_file(home: &Path) -> PathBuf {
    home.join("admin.token")
}
