//! A node inside one's own program.

mod chain;
mod error;

pub use chain::ChainSetup;
pub use error::NodeError;

use futures_util::future::BoxFuture;
use std::net::SocketAddr;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use strait_api::AssetInfo;
use strait_engine::ports::{Clock, Store};
use strait_node::keystore;
use strait_node::server::{ApiServer, ServerConfig, Tokens};
use strait_node::service::{ChainNode, Retention, Service, ServiceConfig};
use strait_node::transport::{Limits, Listen, Listener, ListenerConfig, PeerAddress};
use strait_node::{NodeConfig, StartError, SystemClock, SystemRng};
use strait_store::SqliteStore;
use strait_types::SigningKey;

type AnyClock = Arc<dyn Clock + Send + Sync>;

/// What a node is made of; see [`Node::builder`].
pub struct NodeBuilder {
    directory: PathBuf,
    key: SigningKey,
    chains: Vec<ChainSetup>,
    listen: Option<SocketAddr>,
    allow_plain_remote: bool,
    addresses: Vec<PeerAddress>,
    assets: Vec<AssetInfo>,
    limits: Limits,
    retention: Retention,
    restored: bool,
}

/// A running node. Its methods are those of [`strait_api::Api`] and [`strait_api::Subscribe`], which [`Service`]
/// implements. It stops when it is told to.
pub struct Node {
    service: Arc<Service>,
    tokens: Tokens,
    addresses: Vec<PeerAddress>,
    listener: Option<Listener>,
    server: Option<ApiServer>,
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Node").field("service", &self.service).finish_non_exhaustive()
    }
}

impl Deref for Node {
    type Target = Service;

    fn deref(&self) -> &Service {
        &self.service
    }
}

impl NodeBuilder {
    /// A chain to work on; at least one.
    #[must_use]
    pub fn chain(mut self, chain: ChainSetup) -> NodeBuilder {
        self.chains.push(chain);
        self
    }

    /// Where peers can connect, for all chains; port 0 lets the system choose. Without it the node only dials.
    #[must_use]
    pub fn listen(mut self, address: SocketAddr) -> NodeBuilder {
        self.listen = Some(address);
        self
    }

    /// Allows unencrypted connections to peers beyond this machine, which a private network makes safe.
    #[must_use]
    pub fn allow_plain_remote(mut self) -> NodeBuilder {
        self.allow_plain_remote = true;
        self
    }

    /// Where peers reach the node from outside, if that is not where it listens.
    #[must_use]
    pub fn reached_at(mut self, address: PeerAddress) -> NodeBuilder {
        self.addresses.push(address);
        self
    }

    /// An asset with a name, for `node_info`.
    #[must_use]
    pub fn asset(mut self, asset: AssetInfo) -> NodeBuilder {
        self.assets.push(asset);
        self
    }

    /// Bounds of the connections to peers.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> NodeBuilder {
        self.limits = limits;
        self
    }

    /// How many events are kept.
    #[must_use]
    pub fn retention(mut self, retention: Retention) -> NodeBuilder {
        self.retention = retention;
        self
    }

    /// The data comes from a backup: channels wait for their peers' knowledge before they go on.
    #[must_use]
    pub fn restored(mut self) -> NodeBuilder {
        self.restored = true;
        self
    }

    /// Starts the node, within a tokio runtime of several threads.
    ///
    /// # Errors
    /// When the data is in use or of another key or chain, a chain cannot be reached, or an address is taken.
    pub fn start(self) -> BoxFuture<'static, Result<Node, NodeError>> {
        Box::pin(async move {
            let clock: AnyClock = Arc::new(SystemClock::start());
            private_directory(&self.directory)?;
            let tokens = Tokens::open(self.directory.join("tokens.db"), clock.clone(), Box::new(SystemRng))?;
            let mut nodes: Vec<ChainNode> = Vec::new();
            let listener = match self.listen {
                None => None,
                Some(address) => {
                    let (allow_plain_remote, limits) = (self.allow_plain_remote, self.limits);
                    let config = ListenerConfig { address, tls: None, allow_plain_remote, limits };
                    Some(Listener::start(config).await.map_err(StartError::Network)?)
                }
            };
            for chain in self.chains {
                let config = NodeConfig {
                    signer: Arc::new(self.key.clone()),
                    listen: listener.clone().map_or(Listen::Off, Listen::On),
                    payout: chain.payout_address(),
                    allow_plain_remote: self.allow_plain_remote,
                    limits: self.limits,
                    policy: chain.policy.clone(),
                    capacity: Default::default(),
                    settings: chain.settings.clone(),
                    poll: chain.poll,
                    alarms: chain.alarms,
                    restored: self.restored,
                    rng: Box::new(SystemRng),
                    rules: Arc::new(strait_app::EvmApps),
                    towers: Vec::new(),
                };
                match chain.start(&self.directory, config).await {
                    Ok(node) => nodes.push(node),
                    Err(error) => {
                        // What runs already holds files and ports.
                        for started in nodes {
                            started.node.shutdown().await;
                        }
                        return Err(error);
                    }
                }
            }
            let mut addresses = self.addresses;
            if let (true, Some(listener)) = (addresses.is_empty(), &listener) {
                let at = listener.local_addr();
                addresses.extend(PeerAddress::new(self.key.address(), &at.ip().to_string(), at.port()).ok());
            }
            let service = Service::start(ServiceConfig {
                nodes,
                signer: Arc::new(self.key),
                assets: self.assets,
                addresses: addresses.clone(),
                database: self.directory.join("service.db"),
                restored: self.restored,
                retention: self.retention,
                clock,
                rng: Box::new(SystemRng),
            })
            .await?;
            Ok(Node { service, tokens, addresses, listener, server: None })
        })
    }
}

impl Node {
    /// A node that keeps its data in `directory` (made if there is none) and signs with `key`.
    pub fn builder(directory: impl Into<PathBuf>, key: SigningKey) -> NodeBuilder {
        NodeBuilder {
            directory: directory.into(),
            key,
            chains: Vec::new(),
            listen: None,
            allow_plain_remote: false,
            addresses: Vec::new(),
            assets: Vec::new(),
            limits: Limits::default(),
            retention: Retention::default(),
            restored: false,
        }
    }

    /// Like [`Node::builder`], with the key of a file as wallets write it (Web3 secret storage, version 3).
    ///
    /// # Errors
    /// When the file cannot be read or is none, or the password does not open it.
    pub fn builder_with_key_file(
        directory: impl Into<PathBuf>,
        key_file: &Path,
        password: &str,
    ) -> Result<NodeBuilder, NodeError> {
        let key = keystore::load(key_file)?.decrypt(password)?.signing_key()?;
        Ok(Node::builder(directory, key))
    }

    /// Where peers reach this node: `strait://SIGNER@HOST:PORT`. `None`: it only dials.
    pub fn address(&self) -> Option<String> {
        self.addresses.first().map(ToString::to_string)
    }

    /// The node as a value to share: it has [`strait_api::Api`] and [`strait_api::Subscribe`].
    pub fn service(&self) -> Arc<Service> {
        self.service.clone()
    }

    /// The tokens that let others in at the served API.
    pub fn tokens(&self) -> &Tokens {
        &self.tokens
    }

    /// Serves the API to programs that hold a token, in place of where it was served before. Returns the address.
    ///
    /// # Errors
    /// When the address is taken, or would send tokens unencrypted.
    pub fn serve(&mut self, mut config: ServerConfig) -> BoxFuture<'_, Result<SocketAddr, NodeError>> {
        Box::pin(async move {
            if let Some(before) = self.server.take() {
                before.stop().await;
            }
            config.nodes = self.service.nodes().cloned().collect();
            let server =
                ApiServer::start(config, self.service.clone(), self.service.clone(), self.tokens.clone())
                    .await?;
            let address = server.local_addr();
            self.server = Some(server);
            Ok(address)
        })
    }

    /// Stops cleanly: what was accepted is durable when this returns.
    pub fn stop(self) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            if let Some(server) = self.server {
                server.stop().await;
            }
            self.service.shutdown().await;
            if let Some(listener) = self.listener {
                listener.shutdown().await;
            }
        })
    }
}

fn private_directory(path: &std::path::Path) -> Result<(), NodeError> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(|error| NodeError::Directory { path: path.to_owned(), error })
}

/// The store of a chain, and how it is backed up.
fn open_store(path: PathBuf) -> Result<(Box<dyn Store>, strait_node::service::CopyStore), NodeError> {
    let store = SqliteStore::open(path)?;
    let source = store.backup_source();
    Ok((Box::new(store), Arc::new(move |target| source.copy_to(target))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use strait_node::keystore::{Cost, KeyFile, Secret, save};

    #[test]
    fn a_wallets_file_and_its_password_are_a_key() {
        let directory = tempfile::tempdir().expect("a directory");
        let secret = Secret::new([7; 32]).expect("a key");
        let path = directory.path().join("wallet.json");
        let file = KeyFile::encrypt(&secret, "tea", Cost::Light).expect("encrypted");
        save(&path, &file).expect("written");
        let builder = Node::builder_with_key_file(directory.path(), &path, "tea").expect("opens");
        assert_eq!(builder.key.address(), secret.address().expect("an address"));
        assert!(matches!(
            Node::builder_with_key_file(directory.path(), &path, "coffee"),
            Err(NodeError::Key(_))
        ));
    }
}
