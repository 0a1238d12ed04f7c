//! The chain by JSON-RPC: on anvil as on any chain, and against endpoints that fail or lie.

mod anvil;
mod bench;
mod conformance;
mod deploying;
mod endpoints;
mod heads;
mod proxy;
mod sending;
