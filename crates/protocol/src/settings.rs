//! What one side demands of a channel.

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};
use strait_types::Amount;

/// One side's demands. They may differ between the sides; each checks by its own.
#[derive(Clone, PartialEq, Eq, Debug, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct Settings {
    /// Blocks on top of a deposit's block before it counts; 0 counts it at the head.
    pub confirmations: u64,
    /// Versions in flight without a countersignature, 1 to 256.
    pub window: usize,
    /// Most operations in one version besides a hand-over, 1 to 4,095.
    pub batch: usize,
    /// Seconds before a lock's expiry at which settling off chain ends and registering on chain begins.
    pub lock_margin: u64,
    /// Longest time to expiry, in seconds, of a lock that is accepted.
    pub lock_horizon: u64,
    /// Seconds from a `Withdraw` or `Finalise` within which it is to be executed on chain.
    pub execution_window: u64,
    /// Milliseconds for which a version may wait for chain facts before it is refused.
    pub hold_timeout_ms: u64,
    /// Milliseconds without an answer after which the peer is asked to synchronise again.
    pub retry_ms: u64,
    /// What the peer must have deposited, by the channel's assets in order and with the confirmations, before anything
    /// is signed in this channel beyond its close: no payment of the peer's counts, none of ours is made. Else a
    /// deposit of one unit would bring about disputes whose gas costs more than the channel can hold. Assets beyond the
    /// list have no minimum.
    #[serde(default)]
    pub peer_deposit: Vec<Amount>,
    /// Seconds that a peer may take for a move, for the acknowledgement of one, or for its signature on a rebase after a
    /// restore, before the chain is asked; 0 leaves that to the user. For a move it is counted from when the app came to stand
    /// as it does, across restarts, and an hour at least after each start.
    #[serde(default = "default_patience")]
    pub move_patience: u64,
}

fn default_patience() -> u64 {
    24 * 3_600
}

/// Asking more often than this, in milliseconds, would keep a node busy with nothing else.
const MIN_RETRY_MS: u64 = 20;

impl Settings {
    /// [`Settings::retry_ms`], but never so short that a timer is due all the time.
    pub(crate) fn retry_after(&self) -> u64 {
        self.retry_ms.max(MIN_RETRY_MS)
    }
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            confirmations: 1,
            window: 8,
            batch: 4_000,
            lock_margin: 1_800,
            lock_horizon: 7 * 24 * 3_600,
            execution_window: 3_600,
            hold_timeout_ms: 120_000,
            retry_ms: 3_000,
            peer_deposit: Vec::new(),
            move_patience: default_patience(),
        }
    }
}
