//! Durable backends of the [`Store`](strait_engine::ports::Store) port.
//!
//! - [`SqliteStore`]: the default. A directory of its own, one process at a time.
//! - [`MemoryStore`]: for tests and the simulator, on a [`MemoryDisk`] that fails when it is told to.
//! - [`conformance`]: what every backend must do, as a suite that each of them runs.
//!
//! `docs/store.md` explains layout and operation, `docs/decisions/0003-store-backend.md` the choice.

pub mod conformance;
mod entry;
mod memory;
mod sqlite;

pub use memory::{Fault, MemoryDisk, MemoryStore};
pub use sqlite::{BackupSource, FORMAT, SqliteStore};

/// The longest payload of a record or snapshot, in bytes.
pub const MAX_PAYLOAD: usize = 16 * 1024 * 1024;
