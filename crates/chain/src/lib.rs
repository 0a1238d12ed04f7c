//! Chains behind the engine's `Chain` port. [`dev`] is a whole chain in memory: revm, the committed contracts, and
//! time, mining and reorgs under the caller's control.

mod artifacts;
pub mod dev;

pub use dev::{DevAccount, DevChain, DevChainConfig, SharedChain};
