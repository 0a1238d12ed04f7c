//! A party: a full node with its store on disk, which can be killed and started again.

use super::DemoError;
use super::accounts::Identity;
use super::world::World;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use strait_node::{Node, NodeConfig, SystemRng};
use strait_protocol::{NoRules, Settings};
use strait_store::SqliteStore;

const POLL: Duration = Duration::from_millis(20);

pub(super) struct Party {
    pub(super) identity: Identity,
    pub(super) node: Node,
    directory: PathBuf,
    listen: SocketAddr,
}

pub(super) fn settings() -> Settings {
    Settings { confirmations: 1, execution_window: 600, retry_ms: 500, ..Settings::default() }
}

impl Party {
    pub(super) async fn start(
        identity: Identity,
        directory: PathBuf,
        listen: SocketAddr,
        world: &World,
    ) -> Result<Party, DemoError> {
        let store = SqliteStore::open(&directory)?;
        let config = NodeConfig {
            signer: Arc::new(identity.key.clone()),
            listen: strait_node::transport::Listen::At(listen),
            payout: identity.payout,
            allow_plain_remote: false,
            limits: strait_node::transport::Limits {
                min_backoff: Duration::from_millis(20),
                max_backoff: Duration::from_millis(200),
                ..Default::default()
            },
            policy: Default::default(),
            settings: settings(),
            poll: POLL,
            alarms: Default::default(),
            capacity: Default::default(),
            restored: false,
            rng: Box::new(SystemRng),
            rules: Arc::new(NoRules),
            towers: Vec::new(),
        };
        let account = world.chain.account(identity.account);
        let node = Node::start(config, Box::new(account), Box::new(store)).await?;
        // The same address after a restart, so that the peer finds it again.
        let listen = node.listens_on().unwrap_or(listen);
        Ok(Party { identity, node, directory, listen })
    }

    pub(super) async fn kill(&self) {
        self.node.clone().kill().await;
    }

    /// Starts again from what is on disk.
    pub(super) async fn restart(&self, world: &World) -> Result<Party, DemoError> {
        Party::start(self.identity.clone(), self.directory.clone(), self.listen, world).await
    }
}
