//! Chains behind the engine's `Chain` port. [`dev`] is a whole chain in memory: revm, the committed contracts, and
//! time, mining and reorgs under the caller's control. [`rpc`] is a real chain by JSON-RPC. [`conformance`] is the suite that every backend passes.

mod artifacts;
pub mod conformance;
pub mod costs;
pub mod dev;
pub mod gas;
pub mod plan;
pub mod rpc;

pub use dev::{DevAccount, DevChain, DevChainConfig, SharedChain};
