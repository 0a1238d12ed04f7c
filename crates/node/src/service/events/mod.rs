//! What happened, told once and in order: the nodes' news are written to the database first, and read from there, or
//! from a cache of the newest, by any number of clients at their own speed.

mod bursts;
mod entry;
mod log;
mod play;
mod pump;
mod reconcile;
mod stream;
mod told;

pub(crate) use log::Log;
pub(crate) use pump::Pump;
pub use stream::{SharedEvent, SharedEvents};
