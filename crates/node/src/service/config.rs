//! What a service is made of.

use crate::Node;
use crate::transport::PeerAddress;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use strait_api::AssetInfo;
use strait_engine::ports::{Clock, Rng, Signer, StoreError};
use strait_protocol::Settings;
use strait_types::Address;

/// Copies a running node's store into a new directory.
pub type CopyStore = Arc<dyn Fn(&Path) -> Result<(), StoreError> + Send + Sync>;

/// How a service is set up.
pub struct ServiceConfig {
    /// The running nodes, one per chain; the service stops them in the end.
    pub nodes: Vec<ChainNode>,
    /// The key of all nodes; it signs invoices too.
    pub signer: Arc<dyn Signer>,
    /// Assets with a name.
    pub assets: Vec<AssetInfo>,
    /// Where peers reach this node from outside; empty: where the nodes listen.
    pub addresses: Vec<PeerAddress>,
    /// The file of the service's own database; made if there is none.
    pub database: PathBuf,
    /// The data comes from a backup: cursors of events from before count no more.
    pub restored: bool,
    /// Which events are kept.
    pub retention: Retention,
    /// Time.
    pub clock: Arc<dyn Clock + Send + Sync>,
    /// Makes the ids of invoices.
    pub rng: Box<dyn Rng>,
}

/// One chain of a service.
pub struct ChainNode {
    /// Its name in the configuration, such as `mainnet`.
    pub name: String,
    /// The running node.
    pub node: Node,
    /// The account that pays gas and deposits; shown while the chain does not answer.
    pub account: Address,
    /// Where channels pay this node out.
    pub payout: Address,
    /// What is demanded of channels that are opened here.
    pub settings: Settings,
    /// Seconds to answer a challenge, where the caller names none.
    pub challenge_duration: u32,
    /// How its store is backed up; `None`: it cannot be.
    pub copy_store: Option<CopyStore>,
    /// The SQLite database of sent transactions, where there is one; it is backed up too.
    pub transactions: Option<PathBuf>,
}

/// Which events are kept; older ones are forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Most events.
    pub count: u64,
    /// Most bytes of them on disk, about.
    pub bytes: u64,
}

impl Default for Retention {
    fn default() -> Self {
        Retention { count: 1_000_000, bytes: 1 << 30 }
    }
}
